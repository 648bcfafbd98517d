//! Keys generated and unwrapped: what an [`Sse`](crate::Sse) asks for.

use std::sync::Arc;
use std::time::Instant;

use super::EmbeddedKms;
use super::key::Key;
use super::policy::Permission;
use super::quota::Quota;
use super::record::{Doing, Touched};
use super::state::{DEFAULT_ALIAS, State};
use crate::audit::AuditOperation;
use crate::crypto::Generator;
use crate::error::{Error, KeyProviderError, KeyProviderErrorKind as Kind, Result};
use crate::keys::wrapped_kek::{self, Binding};
use crate::keys::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use crate::secret::KeyEncryptionKey;

impl KeyProvider for EmbeddedKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move { self.used(AuditOperation::GenerateKey, &request, |used| self.generate(&request, used)) })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            self.used(AuditOperation::UnwrapKey, &request, |used| self.unwrap(wrapped.as_bytes(), &request, used))
        })
    }
}

impl EmbeddedKms {
    fn used<T>(
        &self,
        operation: AuditOperation,
        request: &KeyRequest,
        using: impl FnOnce(&mut Touched) -> Result<T, Error>,
    ) -> Result<T, KeyProviderError> {
        let doing = Doing {
            key_id: Some(request.key_id()),
            context: Some(request.context()),
            ..Doing::new(operation, request.requester())
        };
        self.store().reading(doing, using).map_err(|error| match error {
            Error::KeyProvider(error) => error,
            other => KeyProviderError::new(Kind::Unavailable, request.key_id()).with_source(other),
        })
    }

    fn generate(&self, request: &KeyRequest, used: &mut Touched) -> Result<GeneratedKey> {
        let key = self.usable(request, Permission::Generate, used)?;
        let version = key.current();
        used.version = Some(version.number);
        let kek = KeyEncryptionKey::generate()?;
        let binding = Binding { version: version.number, key_id: &key.arn, context: request.context() };
        let wrapped = wrapped_kek::wrap(version.material.expose(), &binding, &Generator::default(), &kek)?;
        Ok(GeneratedKey::new(&*key.arn, wrapped, kek))
    }

    fn unwrap(&self, wrapped: &[u8], request: &KeyRequest, used: &mut Touched) -> Result<UnwrappedKey> {
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

    /// The key that the request names, if this requester may use it so, and now.
    ///
    /// Whether they may is looked at first: to others the key says nothing of its state.
    fn usable(&self, request: &KeyRequest, permission: Permission, used: &mut Touched) -> Result<Arc<Key>> {
        let state = self.store().state();
        let named = Some(request.key_id()).filter(|named| !named.is_empty()).unwrap_or(DEFAULT_ALIAS);
        let key = match state.resolve(named) {
            Some(key) => key.clone(),
            None if permission == Permission::Generate && is_default(&state, named) => self.make_default(request)?,
            None => return Err(state.unknown(named).into()),
        };
        let refused = |kind| KeyProviderError::new(kind, request.key_id()).with_resolved_key_id(&key.arn).into();
        used.key_id = Some(key.arn.clone());
        if !state.allows(&key, permission, request.requester()) {
            return Err(refused(Kind::AccessDenied));
        }
        key.usable().map_err(refused)?;
        if let Some(quota) = Quota::stricter(key.quota, self.0.quota)
            && !self.0.meter.take(quota, request.requester(), key.id, Instant::now())
        {
            return Err(refused(Kind::Throttled));
        }
        Ok(key)
    }

    /// Makes the default key on behalf of someone who may use it then.
    fn make_default(&self, request: &KeyRequest) -> Result<Arc<Key>> {
        let policy = self.0.default_key_policy.as_ref();
        let doing = Doing { key_id: Some(DEFAULT_ALIAS), ..Doing::new(AuditOperation::CreateKey, request.requester()) };
        let allowed = match policy {
            None => *request.requester() == self.owner(),
            Some(policy) => policy.allows(Permission::Generate, request.requester()),
        };
        if !allowed {
            return Err(KeyProviderError::new(Kind::AccessDenied, request.key_id()).into());
        }
        self.store().changing_all(doing, |state, touched| {
            // Another thread may have made it meanwhile.
            if let Some(key) = state.resolve(DEFAULT_ALIAS) {
                return Ok(key.clone());
            }
            touched.push(Touched::default());
            let id = state.add_default(policy.cloned(), self.store().now()?)?;
            let key = state.keys[&id].clone();
            touched[0].key_id = Some(key.arn.clone());
            Ok(key)
        })
    }
}

/// Whether this names the default key, by its alias or the alias's ARN.
fn is_default(state: &State, named: &str) -> bool {
    named == DEFAULT_ALIAS || named == state.arn(DEFAULT_ALIAS)
}
