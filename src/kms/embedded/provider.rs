//! The [`KeyProvider`] implementation of [`EmbeddedKms`], which an [`Sse`](crate::Sse) calls.

use std::sync::{Arc, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::EmbeddedKms;
use super::key::KmsKey;
use super::policy::Permission;
use super::quota::Quota;
use super::record::{Affected, PendingEvent, caught};
use super::state::{DEFAULT_ALIAS, StoreState};
use super::store::Store;
use crate::error::{Error, KeyProviderError, KeyProviderErrorKind as Kind, KeyStoreError, Result};
use crate::keys::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use crate::kms::wrapped_kek::{self, Binding};
use crate::object::Requester;
use crate::secret::KeyEncryptionKey;
use crate::trail::AuditOperation;

/// The result of the thread that creates the default key, shared by all callers that wait for it.
pub(super) type MakingDefault = Shared<BoxFuture<'static, Result<()>>>;

impl KeyProvider for EmbeddedKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let default = self.default_key_for(&request).await;
            let generate = |used: &mut Affected| default.and_then(|()| self.generate(&request, used));
            self.used(AuditOperation::GenerateKey, &request, generate, GeneratedKey::with_request_id).await
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let unwrap = |used: &mut Affected| self.unwrap(wrapped.as_bytes(), &request, used);
            self.used(AuditOperation::UnwrapKey, &request, unwrap, UnwrappedKey::with_request_id).await
        })
    }

    /// Returns the generation of the store: every change of a key, alias or policy raises it.
    fn epoch(&self, _key_id: &str) -> u64 {
        self.generation()
    }
}

impl EmbeddedKms {
    async fn used<T>(
        &self,
        operation: AuditOperation,
        request: &KeyRequest,
        using: impl FnOnce(&mut Affected) -> Result<T, Error>,
        with_request_id: impl FnOnce(T, &str) -> T,
    ) -> Result<T, KeyProviderError> {
        let request_id = self.store().options.request_id();
        let pending = PendingEvent {
            key_id: Some(request.key_id()),
            context: Some(request.context()),
            request_id: request_id.as_deref(),
            ..PendingEvent::new(operation, request.requester())
        };
        let used = self.store().using(pending, using).await.map_err(|error| match error {
            Error::KeyProvider(error) => error,
            Error::KeyStore(KeyStoreError::Panicked) => KeyProviderError::new(Kind::Panicked, request.key_id()),
            other => KeyProviderError::new(Kind::Unavailable, request.key_id()).with_source(other),
        });
        match &request_id {
            None => used,
            Some(id) => used.map(|used| with_request_id(used, id)).map_err(|error| error.with_request_id(id)),
        }
    }

    fn generate(&self, request: &KeyRequest, used: &mut Affected) -> Result<GeneratedKey> {
        let key = self.usable(request, Permission::Generate, used)?;
        let version = key.current();
        used.version = Some(version.number);
        let generator = self.store().generator();
        let kek = KeyEncryptionKey::from_secret(generator.secret()?);
        let binding = Binding { version: version.number, key_id: &key.arn, context: request.context() };
        let wrapped = wrapped_kek::wrap(version.material.expose(), &binding, generator, &kek)?;
        Ok(GeneratedKey::new(&*key.arn, wrapped, kek))
    }

    fn unwrap(&self, wrapped: &[u8], request: &KeyRequest, used: &mut Affected) -> Result<UnwrappedKey> {
        let key = self.usable(request, Permission::Unwrap, used)?;
        let refused = |kind| KeyProviderError::new(kind, request.key_id());
        let number = wrapped_kek::version_of(wrapped).ok_or_else(|| refused(Kind::Rejected))?;
        let missing = || refused(Kind::NotFound).with_key_version(number);
        let version = key.version(number).ok_or_else(missing)?;
        used.version = Some(number);
        let binding = Binding { version: number, key_id: &key.arn, context: request.context() };
        let kek = wrapped_kek::unwrap(version.material.expose(), &binding, wrapped);
        let kek = kek.map_err(|error| refused(Kind::Rejected).with_key_version(number).with_source(error))?;
        Ok(UnwrappedKey::new(&*key.arn, kek))
    }

    /// Returns the key that the request names, if this requester has the permission and the key is usable now.
    ///
    /// The permission is checked first, so that a requester without it learns nothing of the key's state.
    fn usable(&self, request: &KeyRequest, permission: Permission, used: &mut Affected) -> Result<Arc<KmsKey>> {
        let state = self.store().state();
        let key = state.resolve(named(request)).ok_or_else(|| state.unknown(named(request)))?.clone();
        let refused = |kind| KeyProviderError::new(kind, request.key_id()).with_resolved_key_id(&key.arn).into();
        used.key_id = Some(key.arn.clone());
        if !state.allows(&key, permission, request.requester()) {
            return Err(refused(Kind::AccessDenied));
        }
        key.usable().map_err(refused)?;
        if let Some(quota) = Quota::stricter(key.quota, self.0.quota)
            && !self.0.meter.take(quota, request.requester(), key.id, self.store().options.sources.clock.monotonic())
        {
            return Err(refused(Kind::Throttled));
        }
        Ok(key)
    }

    /// Creates the default key if the request names it, it does not exist, and its policy would allow the request.
    async fn default_key_for(&self, request: &KeyRequest) -> Result<()> {
        let named = named(request);
        let missing = {
            let state = self.store().state();
            is_default(&state, named) && state.resolve(named).is_none()
        };
        if !missing {
            return Ok(());
        }
        let allowed = match &self.0.default_key_policy {
            None => *request.requester() == self.owner(),
            Some(policy) => policy.allows(Permission::Generate, request.requester()),
        };
        if !allowed {
            return Err(KeyProviderError::new(Kind::AccessDenied, request.key_id()).into());
        }
        self.making_default(request.requester())?.await
    }

    /// Returns the running creation of the default key, or starts one. The creation writes a file, so it has its own
    /// thread.
    fn making_default(&self, requester: &Requester) -> Result<MakingDefault> {
        let mut making = self.0.making_default.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(making) = &*making {
            return Ok(making.clone());
        }
        let (kms, requester) = (self.clone(), requester.clone());
        let thread = Store::on_a_thread(move || {
            let made = caught(|| kms.make_default(&requester));
            *kms.0.making_default.lock().unwrap_or_else(PoisonError::into_inner) = None;
            made
        })?;
        Ok(making.insert(thread.boxed().shared()).clone())
    }

    fn make_default(&self, requester: &Requester) -> Result<()> {
        let policy = self.0.default_key_policy.as_ref();
        let pending =
            PendingEvent { key_id: Some(DEFAULT_ALIAS), ..PendingEvent::new(AuditOperation::CreateKey, requester) };
        self.store().changing_all(pending, |state, affected| {
            // Another thread may have created the key in the meantime.
            if state.resolve(DEFAULT_ALIAS).is_some() {
                return Ok(());
            }
            affected.push(Affected::default());
            let id = state.add_default(policy.cloned(), self.store().now()?, self.store().generator())?;
            affected[0].key_id = Some(state.keys[&id].arn.clone());
            Ok(())
        })
    }
}

/// Returns the key name in the request; the default key if the request has no name.
fn named(request: &KeyRequest) -> &str {
    Some(request.key_id()).filter(|named| !named.is_empty()).unwrap_or(DEFAULT_ALIAS)
}

/// Returns whether this is the alias of the default key or the alias's ARN.
fn is_default(state: &StoreState, named: &str) -> bool {
    named == DEFAULT_ALIAS || named == state.arn(DEFAULT_ALIAS)
}
