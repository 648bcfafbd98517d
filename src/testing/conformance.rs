//! [`KeyProviderSuite`]: the conformance suite for key providers, run without a runtime or in the caller's runtimes.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::join_all;
use pollster::block_on;

use crate::error::{KeyProviderErrorKind, Result};
use crate::keys::{EncryptionContext, GeneratedKey, KeyProvider, KeyRequest, WrappedKey};
use crate::object::Requester;

/// The number of calls that the suite makes at once.
const AT_ONCE: usize = 16;

/// A part of the suite, as a future that the caller's runtime runs to its end.
pub type SuiteTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The conformance suite for key providers, which checks that a provider does what the library relies on.
///
/// [`run`](Self::run) needs no runtime. [`run_in`](Self::run_in) takes a runtime as a closure; a provider must also
/// conform in a current-thread and in a multi-thread runtime. Each run makes about a hundred calls to the provider.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use atrest::testing::{KeyProviderSuite, MemoryKms};
/// use tokio::runtime::Builder;
///
/// let kms = Arc::new(MemoryKms::new());
/// let (one, two) = (kms.create_key("one")?, kms.create_key("two")?);
/// let suite = KeyProviderSuite::new(kms, &one, "memory-kms:key/none").other_key_id(&two);
///
/// suite.run();
/// let current_thread = Builder::new_current_thread().enable_all().build()?;
/// suite.run_in(|task| current_thread.block_on(task));
/// let multi_thread = Builder::new_multi_thread().enable_all().build()?;
/// suite.run_in(|task| multi_thread.block_on(task));
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "the suite checks nothing until it is run"]
pub struct KeyProviderSuite {
    provider: Arc<dyn KeyProvider>,
    key_id: String,
    other_key_id: Option<String>,
    unknown_key_id: String,
    requester: Requester,
}

impl KeyProviderSuite {
    /// Creates a suite for a provider.
    ///
    /// `key_id` names a key, by alias or id, that the requester may use. `unknown_key_id` names a key that does not
    /// exist.
    pub fn new(provider: Arc<dyn KeyProvider>, key_id: impl Into<String>, unknown_key_id: impl Into<String>) -> Self {
        Self {
            provider,
            key_id: key_id.into(),
            other_key_id: None,
            unknown_key_id: unknown_key_id.into(),
            requester: Requester::anonymous(),
        }
    }

    /// Names a second key that the requester may use: the suite checks that it does not unwrap a key that the first key
    /// wrapped.
    pub fn other_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.other_key_id = Some(key_id.into());
        self
    }

    /// Sets the requester of all calls. The default is [`Requester::anonymous`].
    pub fn requested_by(mut self, requester: Requester) -> Self {
        self.requester = requester;
        self
    }

    /// Runs the suite without a runtime: on the calling thread, and on sixteen threads at once.
    ///
    /// # Panics
    ///
    /// Panics if the provider does not conform. The message says how.
    pub fn run(&self) {
        self.run_in(block_on);
    }

    /// Runs the suite in a runtime. `block_on` runs one task to its end; the suite calls it from the calling thread,
    /// and from sixteen threads at once.
    ///
    /// # Panics
    ///
    /// Panics if the provider does not conform in this runtime. The message says how.
    pub fn run_in(&self, block_on: impl Fn(SuiteTask) + Sync) {
        let suite = self.clone();
        block_on(Box::pin(async move { suite.check().await }));
        std::thread::scope(|scope| {
            for number in 0..AT_ONCE {
                let (suite, block_on) = (self.clone(), &block_on);
                scope.spawn(move || block_on(Box::pin(async move { suite.gets_its_own_key(number).await })));
            }
        });
    }
}

impl std::fmt::Debug for KeyProviderSuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { provider: _, key_id, other_key_id, unknown_key_id, requester } = self;
        let mut suite = f.debug_struct("KeyProviderSuite");
        suite.field("key_id", key_id).field("other_key_id", other_key_id).field("unknown_key_id", unknown_key_id);
        suite.field("requester", requester).finish_non_exhaustive()
    }
}

impl KeyProviderSuite {
    async fn check(&self) {
        let context = pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg"), ("team", "photos")]);
        self.wraps_fresh_keys_and_unwraps_them(&context).await;
        self.wraps_fresh_keys_and_unwraps_them(&pairs(&[])).await;
        self.binds_the_context(&context).await;
        self.refuses_damaged_bytes(&context).await;
        self.refuses_other_keys(&context).await;
        self.survives_an_abandoned_call(&context).await;
        join_all((0..AT_ONCE).map(|number| self.gets_its_own_key(number))).await;
    }

    async fn wraps_fresh_keys_and_unwraps_them(&self, context: &EncryptionContext) {
        let (one, two) = (self.generate(context).await, self.generate(context).await);
        assert_ne!(one.kek().expose_secret(), two.kek().expose_secret(), "each call generates a new key");
        assert_ne!(one.wrapped(), two.wrapped(), "each call returns another wrapped key");
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
        assert_eq!(
            unwrapped.kek().expose_secret(),
            one.kek().expose_secret(),
            "unwrapping returns the key that was wrapped"
        );
        assert_eq!(unwrapped.key_id(), one.key_id(), "unwrapping returns the resolved id of the key");
        let again = self.provider.clone().generate_key(self.request(one.key_id(), context)).await;
        let again = again.expect("a key is generated under a resolved id too");
        assert_eq!(again.key_id(), one.key_id(), "a resolved id resolves to itself");
    }

    async fn binds_the_context(&self, context: &EncryptionContext) {
        let generated = self.generate(context).await;
        let others = [
            ("an empty context", pairs(&[])),
            ("a pair missing from the context", pairs(&[("team", "photos")])),
            (
                "another value in the context",
                pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/dog.jpg"), ("team", "photos")]),
            ),
            (
                "another name in the context",
                pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg"), ("Team", "photos")]),
            ),
            (
                "an additional pair in the context",
                pairs(&[("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg"), ("a", ""), ("team", "photos")]),
            ),
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
        for wrong in [&bytes[..bytes.len() - 1], &bytes[1..], &bytes[..0], b"bytes that no key wrapped"] {
            self.refuses(generated.key_id(), &WrappedKey::new(wrong), context, "a wrong length").await;
        }
        self.refuses(generated.key_id(), &WrappedKey::new([bytes, b"x"].concat()), context, "an additional byte").await;
    }

    async fn refuses_other_keys(&self, context: &EncryptionContext) {
        let unknown = self.provider.clone().generate_key(self.request(&self.unknown_key_id, context)).await;
        let kind = unknown.expect_err("an unknown key generates nothing").kind();
        // A KMS may hide which keys exist.
        let says = matches!(kind, KeyProviderErrorKind::NotFound | KeyProviderErrorKind::AccessDenied);
        assert!(says, "an unknown key is NotFound or AccessDenied, not {kind:?}");
        let generated = self.generate(context).await;
        self.refuses(&self.unknown_key_id, generated.wrapped(), context, "an unknown key").await;
        if let Some(other) = &self.other_key_id {
            self.refuses(other, generated.wrapped(), context, "another key").await;
        }
    }

    async fn survives_an_abandoned_call(&self, context: &EncryptionContext) {
        drop(self.provider.clone().generate_key(self.request(&self.key_id, context)));
        self.generate(context).await;
    }

    /// Generates and unwraps a key while other calls do the same.
    async fn gets_its_own_key(&self, number: usize) {
        let context = pairs(&[("call", &number.to_string())]);
        let generated = self.generate(&context).await;
        let request = self.request(generated.key_id(), &context);
        let unwrapped = self.provider.clone().unwrap_key(generated.wrapped().clone(), request).await.expect("a key");
        let same = unwrapped.kek().expose_secret() == generated.kek().expose_secret();
        assert!(same, "concurrent calls get their own keys");
    }

    async fn generate(&self, context: &EncryptionContext) -> GeneratedKey {
        let generated = self.provider.clone().generate_key(self.request(&self.key_id, context)).await;
        generated.expect("the requester may generate a key")
    }

    async fn refuses(&self, key_id: &str, wrapped: &WrappedKey, context: &EncryptionContext, which: &str) {
        let unwrapped = self.provider.clone().unwrap_key(wrapped.clone(), self.request(key_id, context)).await;
        let refused = unwrapped.is_err() || unwrapped.is_ok_and(|unwrapped| unwrapped.key_id() != key_id);
        assert!(refused, "unwrapping fails with {which}");
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
