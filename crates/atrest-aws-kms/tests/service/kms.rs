//! The service: GenerateDataKey and Decrypt as AWS KMS answers them, over the embedded KMS; and a client of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use atrest::kms::{EmbeddedKms, KeyAdmin, KeyPolicy, NewKey, Permission};
use atrest::{
    EncryptionContext, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest, Requester, RootKey,
    WrappedKey,
};
use atrest_aws_kms::{AwsKms, AwsKmsBuilder};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use data_encoding::BASE64;
use pollster::block_on;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Answer, Request, Server};

pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const ACCOUNT: &str = "111122223333";

/// The keys of the service, in an embedded KMS.
pub(crate) struct Keys {
    _directory: TempDir,
    pub(crate) kms: EmbeddedKms,
    pub(crate) one: String,
    pub(crate) two: String,
    /// A key whose policy does not name the service.
    pub(crate) forbidden: String,
    /// The grants for the service that have not reached this region yet: their tokens, and the ARNs of their keys.
    grants: Mutex<BTreeMap<String, String>>,
}

fn owner() -> Requester {
    Requester::new("owner")
}

fn service() -> Requester {
    Requester::new("service")
}

impl Keys {
    pub(crate) fn new() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let builder = EmbeddedKms::builder(directory.path().join("kms.atrest")).region_and_account(REGION, ACCOUNT);
        let kms = builder.create(&RootKey::generate().unwrap(), owner()).unwrap();
        let admin = kms.requested_by(owner());
        let policy = || {
            let policy = KeyPolicy::new().allow(Permission::Generate, [&service()]);
            policy.allow(Permission::Unwrap, [&service()])
        };
        let one = admin.create_key(NewKey::new().alias("alias/one").policy(policy())).unwrap();
        let two = admin.create_key(NewKey::new().policy(policy())).unwrap();
        let forbidden = admin.create_key(NewKey::new().alias("alias/forbidden")).unwrap();
        let (one, two, forbidden) = (one.arn, two.arn, forbidden.arn);
        Arc::new(Self { _directory: directory, kms, one, two, forbidden, grants: Mutex::default() })
    }

    /// Grants the service a key, and returns the grant's token.
    pub(crate) fn grant(&self, key_arn: &str) -> String {
        let mut grants = self.grants.lock().unwrap();
        let token = format!("token-{}", grants.len());
        grants.insert(token.clone(), key_arn.to_owned());
        token
    }

    /// The requester of a request with these tokens: the owner of the key if a grant allows it, else the service.
    fn caller(&self, key_id: &str, tokens: &Value) -> Result<Requester, Answer> {
        let tokens = tokens.as_array().map(Vec::as_slice).unwrap_or_default();
        if tokens.len() > 10 {
            let said = "1 validation error detected: Value '[..]' at 'grantTokens' failed to satisfy constraint";
            return Err(Answer::error(400, "ValidationException", said));
        }
        let (grants, mut caller) = (self.grants.lock().unwrap(), service());
        let arn = self.admin().describe_key(key_id).map(|key| key.arn).ok();
        for token in tokens {
            match grants.get(token.as_str().unwrap()) {
                None => return Err(Answer::error(400, "InvalidGrantTokenException", "")),
                Some(granted) if Some(granted) == arn.as_ref() => caller = owner(),
                Some(_) => {}
            }
        }
        Ok(caller)
    }

    pub(crate) fn admin(&self) -> KeyAdmin {
        self.kms.requested_by(owner())
    }

    /// The answer of the service.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        match self.try_answer(request) {
            Ok(body) => Answer::json(200, &body),
            Err(answer) => answer,
        }
    }

    fn try_answer(&self, request: &Request) -> Result<Value, Answer> {
        let invalid = |what: &str| Answer::error(400, "ValidationException", what);
        let key_id = request.body["KeyId"].as_str().ok_or_else(|| invalid("no KeyId"))?;
        let context = context_of(&request.body["EncryptionContext"]).ok_or_else(|| invalid("EncryptionContext"))?;
        let caller = self.caller(key_id, &request.body["GrantTokens"])?;
        let asked = KeyRequest::new(key_id, context, caller);
        let kms = Arc::new(self.kms.clone());
        match &*request.target {
            "TrentService.GenerateDataKey" if request.body["KeySpec"] == "AES_256" => {
                let generated = block_on(kms.generate_key(asked)).map_err(|error| exception(&error, key_id))?;
                Ok(json!({
                    "KeyId": generated.key_id(),
                    "CiphertextBlob": BASE64.encode(generated.wrapped().as_bytes()),
                    "Plaintext": BASE64.encode(generated.kek().expose_secret()),
                }))
            }
            "TrentService.Decrypt" => {
                let wrapped = request.body["CiphertextBlob"].as_str().ok_or_else(|| invalid("no CiphertextBlob"))?;
                let wrapped = WrappedKey::new(BASE64.decode(wrapped.as_bytes()).unwrap());
                let unwrapped = block_on(kms.unwrap_key(wrapped, asked)).map_err(|error| exception(&error, key_id))?;
                Ok(json!({
                    "KeyId": unwrapped.key_id(),
                    "Plaintext": BASE64.encode(unwrapped.kek().expose_secret()),
                    "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
                }))
            }
            _ => Err(Answer::error(400, "UnknownOperationException", "no such operation")),
        }
    }
}

/// The context of a request; `None` if it is too long, as in the service. The embedded KMS reserves the name of the ARN
/// for the library.
fn context_of(pairs: &Value) -> Option<EncryptionContext> {
    let mut pairs = pairs.as_object().into_iter().flatten();
    pairs.try_fold(EncryptionContext::new(), |context, (name, value)| {
        let name = if name == "aws:s3:arn" { "aws|s3|arn" } else { name };
        context.with(name, value.as_str().unwrap()).ok()
    })
}

/// The exception of AWS KMS for an error of the embedded KMS.
fn exception(error: &KeyProviderError, key_id: &str) -> Answer {
    let (code, message) = match error.kind() {
        Kind::NotFound if error.key_version().is_some() => ("InvalidCiphertextException", String::new()),
        Kind::NotFound | Kind::OtherRegion => ("NotFoundException", format!("Key '{key_id}' does not exist")),
        Kind::Disabled => ("DisabledException", format!("{key_id} is disabled.")),
        Kind::PendingDeletion => ("KMSInvalidStateException", format!("{key_id} is pending deletion.")),
        Kind::AccessDenied => ("AccessDeniedException", "User is not authorized to perform this".to_owned()),
        Kind::Rejected => ("InvalidCiphertextException", String::new()),
        _ => ("KMSInternalException", error.to_string()),
    };
    Answer::error(if code == "KMSInternalException" { 500 } else { 400 }, code, &message)
}

/// A client for a server, as a service makes one.
pub(crate) fn client(server: &Server, region: &str) -> Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(server.url());
    Client::from_conf(config.build())
}

/// A provider over a server with these answers, without the SDK's retries.
pub(crate) fn provider(
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    with: impl FnOnce(AwsKmsBuilder) -> AwsKmsBuilder,
) -> (Arc<AwsKms>, Server) {
    let server = Server::start(answer);
    let builder = AwsKms::builder(client(&server, REGION)).without_sdk_retries();
    (Arc::new(with(builder).build().unwrap()), server)
}
