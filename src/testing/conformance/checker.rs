//! [`Checker`]: makes the calls of one check, and notes what it does and what is wrong.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::KeyProviderSuite;
use crate::error::{KeyProviderError, Result};
use crate::keys::{EncryptionContext, GeneratedKey, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use crate::object::Requester;

/// The state of one check. Clones share it.
#[derive(Clone)]
pub(super) struct Checker {
    pub(super) suite: Arc<KeyProviderSuite>,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Default)]
struct Notes {
    /// The number of steps so far.
    progress: u64,
    /// The step that was begun last.
    doing: String,
    failures: Vec<String>,
}

impl Checker {
    pub(super) fn new(suite: KeyProviderSuite) -> Self {
        let notes = Notes { doing: "the start of the check".to_owned(), ..Notes::default() };
        Self { suite: Arc::new(suite), notes: Arc::new(Mutex::new(notes)) }
    }

    /// Returns a checker of a new provider, which is the only holder of it; `None` if the suite cannot make one.
    pub(super) fn with_new_provider(&self) -> Option<Self> {
        let provider = self.suite.made_by.as_ref().map(|make| make())?;
        let suite = KeyProviderSuite { provider, ..(*self.suite).clone() };
        Some(Self { suite: Arc::new(suite), notes: self.notes.clone() })
    }

    pub(super) fn progress(&self) -> u64 {
        self.notes().progress
    }

    pub(super) fn doing(&self) -> String {
        self.notes().doing.clone()
    }

    pub(super) fn take_failures(&self) -> Vec<String> {
        mem::take(&mut self.notes().failures)
    }

    /// Notes that a step begins, which starts its deadline.
    pub(super) fn begins(&self, step: String) {
        let mut notes = self.notes();
        notes.progress += 1;
        notes.doing = step;
    }

    pub(super) fn expect(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.notes().failures.push(otherwise());
        }
    }

    pub(super) fn request(&self, key_id: &str, context: &EncryptionContext) -> KeyRequest {
        self.request_by(&self.suite.requester, key_id, context)
    }

    pub(super) fn request_by(&self, by: &Requester, key_id: &str, context: &EncryptionContext) -> KeyRequest {
        KeyRequest::new(key_id, context.clone(), by.clone())
    }

    /// Asks the provider for a key.
    pub(super) async fn asks(&self, request: KeyRequest, what: &str) -> Result<GeneratedKey, KeyProviderError> {
        self.begins(format!("generate_key ({what})"));
        let named = request.key_id().to_owned();
        let generated = self.provider().generate_key(request).await;
        self.names_the_key(generated.as_ref().err(), &named);
        generated
    }

    /// Asks the provider to unwrap a key.
    pub(super) async fn unwraps(
        &self,
        wrapped: &WrappedKey,
        request: KeyRequest,
        what: &str,
    ) -> Result<UnwrappedKey, KeyProviderError> {
        self.begins(format!("unwrap_key ({what})"));
        let named = request.key_id().to_owned();
        let unwrapped = self.provider().unwrap_key(wrapped.clone(), request).await;
        self.names_the_key(unwrapped.as_ref().err(), &named);
        unwrapped
    }

    /// Generates a key under the key of the suite. If the provider gives none, the checker notes a failure
    /// and returns `None`.
    pub(super) async fn generates(&self, context: &EncryptionContext, what: &str) -> Option<GeneratedKey> {
        let generated = self.asks(self.request(&self.suite.key_id, context), what).await;
        self.expect_ok(generated, &format!("a key is generated with {what}"))
    }

    /// Unwraps a key under its resolved id, and notes if that is another key than the generated one.
    pub(super) async fn opens(&self, generated: &GeneratedKey, context: &EncryptionContext, what: &str) {
        let request = self.request(generated.key_id(), context);
        let unwrapped = self.unwraps(generated.wrapped(), request, what).await;
        let Some(unwrapped) = self.expect_ok(unwrapped, &format!("a key is unwrapped with {what}")) else { return };
        let same = unwrapped.kek().expose_secret() == generated.kek().expose_secret();
        self.expect(same, || format!("unwrapping does not return the key that was wrapped with {what}"));
        self.expect(unwrapped.key_id() == generated.key_id(), || {
            format!("unwrapping answers as {:?}, not as {:?}", unwrapped.key_id(), generated.key_id())
        });
    }

    /// Generates and unwraps a key, possibly while other calls do the same.
    pub(super) async fn gets_its_own_key(&self, number: usize) {
        let context = EncryptionContext::new().with("call", number.to_string());
        let Ok(context) = context else { return };
        if let Some(generated) = self.generates(&context, "other calls at the same time").await {
            self.opens(&generated, &context, "other calls at the same time").await;
        }
    }

    pub(super) fn expect_ok<T>(&self, answer: Result<T, KeyProviderError>, what: &str) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.expect(false, || format!("not so: {what}: {:?}, {error}", error.kind()));
                None
            }
        }
    }

    pub(super) fn provider(&self) -> Arc<dyn KeyProvider> {
        self.suite.provider.clone()
    }

    fn names_the_key(&self, error: Option<&KeyProviderError>, named: &str) {
        if let Some(error) = error {
            self.expect(error.key_id() == named, || {
                format!("an error about {named:?} names the key {:?}", error.key_id())
            });
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
