//! [`check_key_provider`]: the conformance suite for key providers, run without a runtime and in both kinds of tokio
//! runtime.

use std::sync::Arc;

use pollster::block_on;
use tokio::runtime::Builder;

use crate::error::{KeyProviderErrorKind, Result};
use crate::keys::{EncryptionContext, GeneratedKey, KeyProvider, KeyRequest, WrappedKey};
use crate::object::Requester;

/// Checks that a key provider does what the library relies on: without a runtime, in a current-thread runtime and in a
/// multi-thread runtime.
///
/// `key_id` names a key, by alias or id, that `requester` may use. `other_key_id` names another such key, if there is
/// one. `unknown_key_id` names a key that does not exist. The function makes some dozens of calls.
///
/// # Panics
///
/// The provider does not conform. The message says how.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use std::sync::Arc;
/// use atrest::testing::{MemoryKms, check_key_provider};
/// let kms = Arc::new(MemoryKms::new());
/// let (one, two) = (kms.create_key("one")?, kms.create_key("two")?);
/// check_key_provider(kms, &one, Some(&two), "memory-kms:key/none", &atrest::Requester::anonymous());
/// # Ok(()) }
/// ```
pub fn check_key_provider(
    provider: Arc<dyn KeyProvider>,
    key_id: &str,
    other_key_id: Option<&str>,
    unknown_key_id: &str,
    requester: &Requester,
) {
    let suite = Suite { provider, key_id, other_key_id, unknown_key_id, requester };
    block_on(suite.run());
    suite.many_threads(&|call| {
        block_on(call);
    });
    let current = Builder::new_current_thread().enable_all().build().expect("a current-thread runtime");
    current.block_on(suite.run());
    let multi = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a multi-thread runtime");
    multi.block_on(suite.run());
    suite.many_threads(&|call| multi.block_on(call));
}

struct Suite<'a> {
    provider: Arc<dyn KeyProvider>,
    key_id: &'a str,
    other_key_id: Option<&'a str>,
    unknown_key_id: &'a str,
    requester: &'a Requester,
}

type Call = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Suite<'_> {
    async fn run(&self) {
        let context = pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg"), ("team", "photos")]);
        self.wraps_fresh_keys_and_unwraps_them(&context).await;
        self.wraps_fresh_keys_and_unwraps_them(&pairs(&[])).await;
        self.binds_the_context(&context).await;
        self.refuses_damaged_bytes(&context).await;
        self.refuses_other_keys(&context).await;
        self.survives_an_abandoned_call(&context).await;
    }

    async fn wraps_fresh_keys_and_unwraps_them(&self, context: &EncryptionContext) {
        let (one, two) = (self.generate(context).await, self.generate(context).await);
        assert_ne!(one.kek().expose_secret(), two.kek().expose_secret(), "each generated key is a fresh one");
        assert_ne!(one.wrapped(), two.wrapped(), "each wrapped key differs");
        assert_ne!(one.kek().expose_secret(), &[0; 32], "a generated key is not zero");
        assert!((1..=6_144).contains(&one.wrapped().as_bytes().len()), "a wrapped key has 1 to 6,144 bytes");
        assert!(
            crate::keys::is_key_id(one.key_id()),
            "a resolved key id has 1 to 2,048 bytes and no control characters"
        );
        assert!(!crate::keys::is_alias(one.key_id()), "a resolved key id is not an alias");
        assert_eq!(one.key_id(), two.key_id(), "a key id resolves to the same key");
        let request = self.request(one.key_id(), context);
        let unwrapped = self.provider.clone().unwrap_key(one.wrapped().clone(), request).await;
        let unwrapped = unwrapped.expect("a key is unwrapped under its resolved id and the same context");
        assert_eq!(unwrapped.kek().expose_secret(), one.kek().expose_secret(), "the key that was wrapped comes back");
        assert_eq!(unwrapped.key_id(), one.key_id(), "unwrapping names the key that answered, resolved");
        let again = self.provider.clone().generate_key(self.request(one.key_id(), context)).await;
        let again = again.expect("a key is generated under a resolved id too");
        assert_eq!(again.key_id(), one.key_id(), "a resolved id resolves to itself");
    }

    async fn binds_the_context(&self, context: &EncryptionContext) {
        let generated = self.generate(context).await;
        let others = [
            ("none", pairs(&[])),
            ("one pair less", pairs(&[("team", "photos")])),
            ("another value", pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/dog.jpg"), ("team", "photos")])),
            ("another name", pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg"), ("Team", "photos")])),
            ("one pair more", pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg"), ("a", ""), ("team", "photos")])),
        ];
        for (which, other) in others {
            self.refuses(generated.key_id(), generated.wrapped(), &other, which).await;
        }
    }

    async fn refuses_damaged_bytes(&self, context: &EncryptionContext) {
        let generated = self.generate(context).await;
        let bytes = generated.wrapped().as_bytes();
        for at in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x80;
            self.refuses(generated.key_id(), &WrappedKey::new(damaged), context, "a changed byte").await;
        }
        for wrong in [&bytes[..bytes.len() - 1], &bytes[1..], &bytes[..0], b"nothing that was ever wrapped"] {
            self.refuses(generated.key_id(), &WrappedKey::new(wrong), context, "bytes that are missing").await;
        }
        self.refuses(generated.key_id(), &WrappedKey::new([bytes, b"x"].concat()), context, "a byte more").await;
    }

    async fn refuses_other_keys(&self, context: &EncryptionContext) {
        let unknown = self.provider.clone().generate_key(self.request(self.unknown_key_id, context)).await;
        let kind = unknown.expect_err("an unknown key generates nothing").kind();
        // A KMS may hide which keys exist.
        let says = matches!(kind, KeyProviderErrorKind::NotFound | KeyProviderErrorKind::AccessDenied);
        assert!(says, "an unknown key is NotFound or AccessDenied, not {kind:?}");
        let generated = self.generate(context).await;
        self.refuses(self.unknown_key_id, generated.wrapped(), context, "an unknown key").await;
        if let Some(other) = self.other_key_id {
            self.refuses(other, generated.wrapped(), context, "another key").await;
        }
    }

    async fn survives_an_abandoned_call(&self, context: &EncryptionContext) {
        drop(self.provider.clone().generate_key(self.request(self.key_id, context)));
        self.generate(context).await;
    }

    /// Makes sixteen calls at once, each on its own thread.
    fn many_threads(&self, run: &(dyn Fn(Call) + Sync)) {
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let context = pairs(&[("thread", &thread.to_string())]);
                let (provider, request) = (self.provider.clone(), self.request(self.key_id, &context));
                scope.spawn(move || {
                    run(Box::pin(async move {
                        let generated = provider.clone().generate_key(request.clone()).await.expect("a key");
                        let request = KeyRequest::new(generated.key_id(), context, request.requester().clone());
                        let unwrapped = provider.unwrap_key(generated.wrapped().clone(), request).await.expect("a key");
                        let same = unwrapped.kek().expose_secret() == generated.kek().expose_secret();
                        assert!(same, "calls at once do not get each other's keys");
                    }));
                });
            }
        });
    }

    async fn generate(&self, context: &EncryptionContext) -> GeneratedKey {
        let generated = self.provider.clone().generate_key(self.request(self.key_id, context)).await;
        generated.expect("a key that may be used generates")
    }

    async fn refuses(&self, key_id: &str, wrapped: &WrappedKey, context: &EncryptionContext, which: &str) {
        let unwrapped = self.provider.clone().unwrap_key(wrapped.clone(), self.request(key_id, context)).await;
        let refused = unwrapped.is_err() || unwrapped.is_ok_and(|unwrapped| unwrapped.key_id() != key_id);
        assert!(refused, "unwrapping is refused with {which}");
    }

    fn request(&self, key_id: &str, context: &EncryptionContext) -> KeyRequest {
        KeyRequest::new(key_id, context.clone(), self.requester.clone())
    }
}

/// Builds a context as the library passes it to a provider: the caller's pairs and the object's ARN.
fn pairs(pairs: &[(&str, &str)]) -> EncryptionContext {
    let (arn, callers): (Vec<_>, Vec<_>) = pairs.iter().partition(|(name, _)| *name == "aws:s3:arn");
    let callers =
        callers.iter().try_fold(EncryptionContext::new(), |context, (name, value)| context.with(*name, *value));
    let callers: Result<_> = callers;
    callers.expect("the pairs are valid").shown_for(arn.first().map(|(_, arn)| (*arn).to_owned()))
}
