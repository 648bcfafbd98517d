//! [`AwsKms`] and its builder.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use atrest::kms::Resilient;
use atrest::{
    GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest,
    UnwrappedKey, WrappedKey,
};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;

use crate::failure::{Call, failure, out_of_time};
use crate::grants::GrantTokens;
use crate::reactor::{NoResult, Reactor};

/// A key provider whose keys are in AWS KMS.
///
/// # Security
///
/// AWS KMS authorises the credentials of the client. It does not know the requester: wrap the provider in
/// [`atrest::kms::Authorized`].
///
/// # Performance
///
/// Without bucket keys a write is one `GenerateDataKey` and a read one `Decrypt`. Each costs a round trip, and counts
/// against the quota of the account and region.
#[derive(Debug)]
pub struct AwsKms {
    client: Client,
    region: String,
    default_key: Option<String>,
    multi_region: bool,
    grant_tokens: GrantTokens,
    time_limit: Duration,
    reactor: Reactor,
}

/// The settings of an [`AwsKms`].
#[derive(Clone, Debug)]
#[must_use = "build() or build_resilient() makes the provider"]
pub struct AwsKmsBuilder {
    client: Client,
    default_key: Option<String>,
    multi_region: bool,
    grant_tokens: GrantTokens,
    sdk_retries: bool,
    time_limit: Duration,
}

/// The reason why an [`AwsKms`] could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The client has no region: set one in its configuration.
    #[error("the client of AWS KMS has no region")]
    NoRegion,
    /// The thread of the provider could not be started.
    #[error("the thread for the calls of AWS KMS could not be started")]
    NoThread(#[source] io::Error),
}

impl AwsKms {
    /// Begins a provider over a client.
    ///
    /// The provider makes all calls on a thread of its own. The client's connections then belong to that thread: do not
    /// use the same HTTP client elsewhere.
    pub fn builder(client: Client) -> AwsKmsBuilder {
        AwsKmsBuilder {
            client,
            default_key: None,
            multi_region: false,
            grant_tokens: GrantTokens::default(),
            sdk_retries: true,
            time_limit: Duration::from_secs(5),
        }
    }

    /// Returns the region of the client.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the key to ask AWS KMS for: that of the request, the default key, or the replica in this region.
    fn named<'a>(&'a self, request: &'a KeyRequest) -> Result<Cow<'a, str>, KeyProviderError> {
        let refused = |kind| KeyProviderError::new(kind, request.key_id());
        let key_id = match (request.key_id(), &self.default_key) {
            ("", None) => return Err(refused(Kind::NotFound)),
            ("", Some(default)) => default,
            (named, _) => named,
        };
        match Arn::parse(key_id) {
            Some(arn) if arn.region != self.region => {
                let replica = (self.multi_region && arn.is_multi_region()).then(|| arn.in_region(&self.region));
                replica.map(Cow::Owned).ok_or_else(|| refused(Kind::OtherRegion))
            }
            _ => Ok(Cow::Borrowed(key_id)),
        }
    }

    /// Makes a call on the provider's thread.
    async fn ask<T, E>(
        &self,
        call: Call,
        key_id: &str,
        sending: impl Future<Output = Result<T, SdkError<E>>> + Send + 'static,
    ) -> Result<T, KeyProviderError>
    where
        T: Send + 'static,
        E: ProvideErrorMetadata + Send + 'static,
    {
        let (limit, named) = (self.time_limit, key_id.to_owned());
        let task = async move {
            match tokio::time::timeout(limit, sending).await {
                Ok(answer) => answer.map_err(|error| failure(call, &named, &error)),
                Err(_) => Err(out_of_time(&named)),
            }
        };
        self.reactor.run(task).await.unwrap_or_else(|no_result| {
            let kind = match no_result {
                NoResult::Panicked => Kind::Panicked,
                NoResult::Ended => Kind::Unavailable,
            };
            Err(KeyProviderError::new(kind, key_id))
        })
    }
}

impl KeyProvider for AwsKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let call = self.client.generate_data_key().key_id(self.named(&request)?).key_spec(DataKeySpec::Aes256);
            let call = call.set_encryption_context(pairs_of(&request));
            let call = call.set_grant_tokens(self.grant_tokens.of(&request)).send();
            let answer = self.ask(Call::Generate, request.key_id(), call).await?;
            let request_id = answer.request_id().unwrap_or_default().to_owned();
            let refused = |kind| KeyProviderError::new(kind, request.key_id()).with_request_id(&request_id);
            let (kek, key_id) = answered(answer.plaintext, answer.key_id).map_err(refused)?;
            let wrapped = answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default();
            if wrapped.is_empty() {
                return Err(refused(Kind::WrongLength));
            }
            Ok(GeneratedKey::new(key_id, wrapped, kek).with_request_id(&request_id))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            if wrapped.as_bytes().is_empty() {
                return Err(KeyProviderError::new(Kind::Rejected, request.key_id()));
            }
            // SECURITY: with the key's id AWS KMS refuses a ciphertext of any other key that the service may use.
            let call =
                self.client.decrypt().key_id(self.named(&request)?).ciphertext_blob(Blob::new(wrapped.as_bytes()));
            let call = call.set_encryption_context(pairs_of(&request));
            let call = call.set_grant_tokens(self.grant_tokens.of(&request)).send();
            let answer = self.ask(Call::Decrypt, request.key_id(), call).await?;
            let request_id = answer.request_id().unwrap_or_default().to_owned();
            let refused = |kind| KeyProviderError::new(kind, request.key_id()).with_request_id(&request_id);
            let (kek, key_id) = answered(answer.plaintext, answer.key_id).map_err(refused)?;
            Ok(UnwrappedKey::new(key_id, kek).with_request_id(&request_id))
        })
    }
}

impl AwsKmsBuilder {
    /// Sets the key of requests that name none (`SseKms::default()`): an id, ARN or alias. Without one such a request
    /// fails as `NotFound`.
    ///
    /// The default key of Amazon S3, `alias/aws/s3`, can be used by Amazon S3 alone.
    pub fn default_key(mut self, key_id: impl Into<String>) -> Self {
        self.default_key = Some(key_id.into());
        self
    }

    /// Uses multi-Region keys: a request that names the ARN of such a key in another region goes to its replica in the
    /// region of the client.
    ///
    /// The replica answers with its own ARN; accept it with
    /// [`KmsKeys::with_replicas`](atrest::KmsKeys::with_replicas). Objects written here name the replica of this
    /// region.
    ///
    /// # Security
    ///
    /// Each replica has its own policy and its own state: a key that is disabled in one region still works in another.
    ///
    /// Spec: AWS KMS, "Multi-Region keys in AWS KMS".
    pub fn multi_region_keys(mut self) -> Self {
        self.multi_region = true;
        self
    }

    /// Sends grant tokens with each call: those that the function returns for its request, at most 10. A grant takes up
    /// to five minutes to reach all of AWS KMS; with its token the grantee can use it at once.
    ///
    /// The function is called before each call of AWS KMS, on the thread that polls the call: it must be fast. A token
    /// of a grant that has arrived everywhere, or does not cover the request, does no harm; one that AWS KMS does not
    /// know fails the call as `Misconfigured`.
    ///
    /// ```
    /// # fn example(client: aws_sdk_kms::Client) {
    /// use std::collections::HashMap;
    /// use std::sync::{Arc, RwLock};
    /// use atrest_aws_kms::AwsKms;
    ///
    /// // The tokens of new grants, by KMS key as the requests name it; the service adds and removes them.
    /// let tokens: Arc<RwLock<HashMap<String, Vec<String>>>> = Arc::default();
    /// let read = tokens.clone();
    /// let kms = AwsKms::builder(client).grant_tokens(move |request| {
    ///     let tokens = read.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    ///     tokens.get(request.key_id()).cloned().unwrap_or_default()
    /// });
    /// # }
    /// ```
    ///
    /// A write names the key as the caller did, perhaps by an alias, and a read by its ARN.
    ///
    /// Spec: AWS KMS, "Using a grant token".
    pub fn grant_tokens(mut self, tokens: impl Fn(&KeyRequest) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.grant_tokens = GrantTokens::new(tokens);
        self
    }

    /// Turns the SDK's own retries off, for a provider inside a wrapper that retries: the attempts of both would
    /// multiply. [`build_resilient`](Self::build_resilient) does so too.
    pub fn without_sdk_retries(mut self) -> Self {
        self.sdk_retries = false;
        self
    }

    /// Sets the time limit of a call with all its retries. The default is 5 seconds.
    ///
    /// One attempt is limited by the client's configuration; where it sets nothing, to 1 second for the connection and
    /// 2 seconds in all.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Builds the provider, and starts its thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has no region or the thread could not be started.
    pub fn build(self) -> Result<AwsKms, BuildError> {
        let config = self.client.config();
        let region = config.region().ok_or(BuildError::NoRegion)?.as_ref().to_owned();
        let mut limits = config.timeout_config().cloned().unwrap_or_else(|| TimeoutConfig::builder().build());
        let attempt = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(2))
            .build();
        limits.take_defaults_from(&attempt);
        let mut with_limits = config.to_builder().timeout_config(limits);
        if !self.sdk_retries {
            with_limits = with_limits.retry_config(RetryConfig::disabled());
        }
        Ok(AwsKms {
            client: Client::from_conf(with_limits.build()),
            region,
            default_key: self.default_key,
            multi_region: self.multi_region,
            grant_tokens: self.grant_tokens,
            time_limit: self.time_limit,
            reactor: Reactor::start().map_err(BuildError::NoThread)?,
        })
    }

    /// Builds the provider inside a [`Resilient`]: with a circuit breaker, and with its retries in place of those of
    /// the SDK.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build).
    pub fn build_resilient(self) -> Result<Resilient, BuildError> {
        Ok(Resilient::new(Arc::new(self.without_sdk_retries().build()?)))
    }
}

/// Returns the encryption context of a request; `None` if it is empty.
fn pairs_of(request: &KeyRequest) -> Option<HashMap<String, String>> {
    let pairs = request.context().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(pairs.collect::<HashMap<_, _>>()).filter(|pairs| !pairs.is_empty())
}

/// Returns the key and the id of the KMS key of an answer, or what is wrong with it.
fn answered(plaintext: Option<Blob>, key_id: Option<String>) -> Result<(KeyEncryptionKey, String), Kind> {
    let mut plaintext = plaintext.map(Blob::into_inner).unwrap_or_default();
    // SECURITY: wipes the bytes, also those of a wrong length.
    let kek = KeyEncryptionKey::from_slice(&mut plaintext).map_err(|_| Kind::WrongLength)?;
    let key_id = key_id.filter(|key_id| !key_id.is_empty()).ok_or(Kind::WrongKey)?;
    Ok((kek, key_id))
}

/// The parts of an ARN of AWS KMS that decide where to ask for it.
struct Arn<'a> {
    /// `arn`, the partition and `kms`, each with its colon.
    head: &'a str,
    region: &'a str,
    /// The account and the resource.
    tail: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(key_id: &'a str) -> Option<Self> {
        let mut colons = key_id.match_indices(':').map(|(at, _)| at);
        let (service_at, region_at) = (colons.nth(1)?, colons.next()?);
        let tail_at = colons.next()?;
        let is_kms = key_id.starts_with("arn:") && &key_id[service_at..=region_at] == ":kms:";
        is_kms.then(|| Self {
            head: &key_id[..=region_at],
            region: &key_id[region_at + 1..tail_at],
            tail: &key_id[tail_at..],
        })
    }

    fn is_multi_region(&self) -> bool {
        self.tail.rsplit_once(':').is_some_and(|(_, resource)| resource.starts_with("key/mrk-"))
    }

    fn in_region(&self, region: &str) -> String {
        format!("{}{region}{}", self.head, self.tail)
    }
}
