//! [`Authorized`], a key provider that authorises each requester before it gives out a key; and [`KeyAccess`], what it
//! asks about.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{KeyProviderError, KeyProviderErrorKind};
use crate::keys::{
    GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UNKNOWN_EPOCH, UnwrappedKey, WrappedKey, is_key_arn,
};
use crate::object::Requester;

#[cfg(feature = "embedded-kms")]
use super::{KeyPolicy, Permission};

/// A key provider that authorises the requester, for a backend that cannot: AWS KMS, for one, authorises the
/// credentials of the service, not the client of the service.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # use atrest::testing::MemoryKms;
/// use std::sync::Arc;
/// use atrest::kms::{Authorized, KeyUse};
/// use atrest::{KmsKeys, ObjectName, Requester, Sse, SseKms};
///
/// # let kms = Arc::new(MemoryKms::new());
/// # let key_id = kms.create_key("app")?;
/// let kms = Authorized::new(kms, |access| match access.requester().as_str() {
///     "alice" => true,
///     "backup" => access.key_use() == KeyUse::Unwrap,
///     _ => false,
/// });
/// let sse = Sse::builder().kms(Arc::new(kms), KmsKeys::only([&*key_id])).build()?;
/// let object = ObjectName::new("photos", "cat.jpg")?;
/// let alice = sse.requested_by(Requester::new("alice"));
/// alice.blocking().encrypt(&object, SseKms::new(&*key_id), b"meow")?;
/// let backup = sse.requested_by(Requester::new("backup"));
/// backup.blocking().encrypt(&object, SseKms::new(&*key_id), b"meow").unwrap_err();
/// # Ok(()) }
/// ```
///
/// # Security
///
/// The question is about the resolved key id, never about an alias. For a generate that names an alias, the provider
/// answers first; if the requester is refused then, the generated key is wiped. So a refused requester can tell whether
/// an alias exists, and costs a call of the backend. Errors of the provider come before the refusal.
///
/// While a [bucket key](crate::SseKms::with_bucket_key) is in memory the function is not asked again: what it no longer
/// allows takes effect when the key's age is over, or at once with [`changed`](Self::changed) or
/// [`Sse::purge_bucket_keys`](crate::Sse::purge_bucket_keys).
///
/// A function that panics refuses: the operation fails as [`Panicked`](KeyProviderErrorKind::Panicked).
pub struct Authorized {
    provider: Arc<dyn KeyProvider>,
    allows: Arc<dyn Fn(&KeyAccess<'_>) -> bool + Send + Sync>,
    changes: AtomicU64,
}

impl Authorized {
    /// Creates a provider that passes on the calls that `allows` allows, and refuses all others as `AccessDenied`.
    ///
    /// The library calls the function for each object that is written or read, in async code: the function must not
    /// block.
    pub fn new(
        provider: Arc<dyn KeyProvider>,
        allows: impl Fn(&KeyAccess<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { provider, allows: Arc::new(allows), changes: AtomicU64::new(0) }
    }

    /// Takes all cached bucket keys out of use, because the function may answer differently from now on.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Creates a provider that authorises by policies, each for one key by its resolved id. A key without a policy may
    /// be used by no requester.
    #[cfg(feature = "embedded-kms")]
    #[cfg_attr(docsrs, doc(cfg(feature = "embedded-kms")))]
    pub fn by_policies<K: Into<String>>(
        provider: Arc<dyn KeyProvider>,
        policies: impl IntoIterator<Item = (K, KeyPolicy)>,
    ) -> Self {
        let policies = policies.into_iter().map(|(key_id, policy)| (key_id.into(), policy));
        let policies: std::collections::BTreeMap<String, KeyPolicy> = policies.collect();
        Self::new(provider, move |access| {
            let permission = match access.key_use() {
                KeyUse::Generate => Permission::Generate,
                KeyUse::Unwrap => Permission::Unwrap,
            };
            policies.get(access.key_id()).is_some_and(|policy| policy.allows(permission, access.requester()))
        })
    }
}

impl KeyProvider for Authorized {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let is_resolved = is_key_arn(request.key_id());
            if is_resolved {
                self.check(KeyUse::Generate, request.key_id(), &request)?;
            }
            let generated = self.provider.clone().generate_key(request.clone()).await?;
            if !is_resolved || generated.key_id() != request.key_id() {
                let allowed = self.check(KeyUse::Generate, generated.key_id(), &request);
                allowed.map_err(|refused| refused.of_request(generated.request_id.as_ref()))?;
            }
            Ok(generated)
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            self.check(KeyUse::Unwrap, request.key_id(), &request)?;
            let unwrapped = self.provider.clone().unwrap_key(wrapped, request.clone()).await?;
            // A replica of the key has a policy of its own.
            if unwrapped.key_id() != request.key_id() {
                let allowed = self.check(KeyUse::Unwrap, unwrapped.key_id(), &request);
                allowed.map_err(|refused| refused.of_request(unwrapped.request_id.as_ref()))?;
            }
            Ok(unwrapped)
        })
    }

    fn epoch(&self, key_id: &str) -> u64 {
        match self.provider.epoch(key_id) {
            UNKNOWN_EPOCH => UNKNOWN_EPOCH,
            inner => inner.wrapping_add(self.changes.load(Ordering::SeqCst)),
        }
    }
}

impl Authorized {
    fn check(&self, key_use: KeyUse, key_id: &str, request: &KeyRequest) -> Result<(), KeyProviderError> {
        if (self.allows)(&KeyAccess { key_use, key_id, request }) {
            return Ok(());
        }
        let refused = KeyProviderError::new(KeyProviderErrorKind::AccessDenied, request.key_id());
        Err(refused.with_resolved_key_id(key_id))
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").finish_non_exhaustive()
    }
}

/// A use of a KMS key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a key provider has two methods")]
pub enum KeyUse {
    /// Generates a key under it, to write an object.
    Generate,
    /// Unwraps a key under it, to read an object.
    Unwrap,
}

/// A use of a KMS key by a requester, for the function of an [`Authorized`] to allow or refuse.
#[derive(Clone, Copy, Debug)]
pub struct KeyAccess<'a> {
    key_use: KeyUse,
    key_id: &'a str,
    request: &'a KeyRequest,
}

impl<'a> KeyAccess<'a> {
    /// Returns what the key is used for.
    pub fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// Returns the resolved id of the key.
    pub fn key_id(&self) -> &'a str {
        self.key_id
    }

    /// Returns the requester.
    pub fn requester(&self) -> &'a Requester {
        self.request.requester()
    }

    /// Returns the request of the library, with the encryption context.
    pub fn request(&self) -> &'a KeyRequest {
        self.request
    }
}
