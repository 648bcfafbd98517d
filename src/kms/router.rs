//! [`Router`], a key provider over several, chosen by the scheme of the key id.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind, Misuse, Result};
use crate::keys::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UNKNOWN_EPOCH, UnwrappedKey, WrappedKey};

/// A key provider over several providers in one [`Sse`](crate::Sse), which chooses by the scheme of the key id.
///
/// | key id | provider |
/// |---|---|
/// | with a scheme: `pkcs11:token=a;id=%01`, `arn:aws:kms:..` | the longest [route](Self::with_route) that fits |
/// | without a scheme: an alias, a bare id, the empty id | the [default provider](Self::with_default) |
/// | with a scheme or prefix that has no route | none: `NotFound`, never the default provider |
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # #[cfg(feature = "testing")] {
/// use std::sync::Arc;
/// use atrest::kms::Router;
/// use atrest::testing::MemoryKms;
/// use atrest::{KmsKeys, Sse};
///
/// let (cloud, token) = (Arc::new(MemoryKms::new()), Arc::new(MemoryKms::new()));
/// let router = Router::new()
///     .with_default(cloud.clone())
///     .with_route("arn:aws:kms:eu-west-1", cloud)?
///     .with_route("pkcs11", token)?;
/// let keys = ["arn:aws:kms:eu-west-1:111122223333:key/1", "pkcs11:token=a;id=%01"];
/// let sse = Sse::builder().kms(Arc::new(router), KmsKeys::only(keys)).build()?;
/// # }
/// # Ok(()) }
/// ```
///
/// Give the default provider a route for its resolved ids too: an envelope has the resolved id, and a read goes by it.
/// A generate whose resolved id would lead a read to another provider fails with `Misconfigured`.
///
/// To move an object from one provider to another, [rewrap](crate::Rewrap::to) it under a key of the other provider.
///
/// # Security
///
/// A writer of the store chooses the id in an envelope, and so the provider that is asked. Name the accepted keys
/// with [`KmsKeys::only`](crate::KmsKeys::only): then no other id reaches a provider.
#[derive(Default)]
pub struct Router {
    default: Option<Arc<dyn KeyProvider>>,
    /// Each prefix without the colon that follows it.
    routes: BTreeMap<String, Arc<dyn KeyProvider>>,
}

impl Router {
    /// Creates a router without providers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the provider of key ids without a scheme.
    #[must_use]
    pub fn with_default(self, provider: Arc<dyn KeyProvider>) -> Self {
        Self { default: Some(provider), ..self }
    }

    /// Sets the provider of the key ids that begin with `prefix` and a colon. The prefix is a scheme, or a scheme and
    /// further fields between colons. It is compared byte for byte.
    ///
    /// # Errors
    ///
    /// - [`Misuse::KeyIdScheme`]: the prefix does not begin with a scheme, or ends with a colon.
    /// - [`Misuse::RouteTwice`]: the router has a route with this prefix. The second route would replace the first, and
    ///   one provider would be asked for the keys of both.
    pub fn with_route(mut self, prefix: &str, provider: Arc<dyn KeyProvider>) -> Result<Self> {
        let is_scheme = scheme(&format!("{prefix}:")).is_some() && !prefix.ends_with(':');
        if !is_scheme {
            return Err(Misuse::KeyIdScheme.into());
        }
        match self.routes.insert(prefix.to_owned(), provider) {
            None => Ok(self),
            Some(_) => Err(Misuse::RouteTwice.into()),
        }
    }

    /// Returns the provider of a key id.
    fn provider(&self, key_id: &str) -> Option<&Arc<dyn KeyProvider>> {
        if scheme(key_id).is_none() {
            return self.default.as_ref();
        }
        key_id.rmatch_indices(':').find_map(|(end, _)| self.routes.get(&key_id[..end]))
    }

    fn found(&self, key_id: &str) -> Result<Arc<dyn KeyProvider>, KeyProviderError> {
        self.provider(key_id).cloned().ok_or_else(|| KeyProviderError::new(Kind::NotFound, key_id))
    }
}

/// Returns the scheme of a key id, by the syntax of URIs.
///
/// Spec: RFC 3986, 3.1.
fn scheme(key_id: &str) -> Option<&str> {
    let (scheme, _) = key_id.split_once(':')?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(allowed);
    is_scheme.then_some(scheme)
}

impl KeyProvider for Router {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let provider = self.found(request.key_id())?;
            let named = request.key_id().to_owned();
            let generated = provider.clone().generate_key(request).await?;
            let reads = self.provider(generated.key_id());
            if !reads.is_some_and(|reads| Arc::ptr_eq(reads, &provider)) {
                let misconfigured = KeyProviderError::new(Kind::Misconfigured, &named);
                return Err(misconfigured.of_request(generated.request_id.as_ref()));
            }
            Ok(generated)
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move { self.found(request.key_id())?.unwrap_key(wrapped, request).await })
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.provider(key_id).map_or(UNKNOWN_EPOCH, |provider| provider.epoch(key_id))
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<_> = self.routes.keys().collect();
        f.debug_struct("Router").field("default", &self.default.is_some()).field("routes", &routes).finish()
    }
}
