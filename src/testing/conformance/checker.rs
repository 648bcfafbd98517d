//! [`Checker`]: makes the calls of one check, and notes what it does and what is wrong.

use std::collections::HashSet;
use std::error::Error;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use base64ct::{Base64, Encoding};

use super::{Capability, Hook, KeyProviderSuite};
use crate::error::{KeyProviderError, Result};
use crate::keys::{EncryptionContext, GeneratedKey, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use crate::object::Requester;

/// The state of one check. Clones share it.
#[derive(Clone)]
pub(super) struct Checker {
    pub(super) suite: Arc<KeyProviderSuite>,
    notes: Arc<Mutex<Notes>>,
    seen: Arc<Mutex<Seen>>,
}

/// What the provider generated and answered in all checks so far: each of it must be new.
#[derive(Default)]
pub(super) struct Seen {
    keks: HashSet<[u8; 32]>,
    wrapped: HashSet<WrappedKey>,
    request_ids: HashSet<String>,
}

#[derive(Default)]
struct Notes {
    /// The number of steps so far.
    progress: u64,
    /// The step that was begun last.
    doing: String,
    failures: Vec<String>,
    /// The key that was generated last.
    last_kek: Option<[u8; 32]>,
    /// The hook that takes back the change in force, and its key.
    undo: Option<(Hook, String)>,
}

impl Checker {
    pub(super) fn new(suite: KeyProviderSuite, seen: Arc<Mutex<Seen>>) -> Self {
        let notes = Notes { doing: "the start of the check".to_owned(), ..Notes::default() };
        Self { suite: Arc::new(suite), notes: Arc::new(Mutex::new(notes)), seen }
    }

    /// Returns a checker of a new provider, which is the only holder of it; `None` if the suite cannot make one.
    pub(super) fn with_new_provider(&self) -> Option<Self> {
        let provider = self.suite.made_by.as_ref().map(|make| make())?;
        let suite = KeyProviderSuite { provider, ..(*self.suite).clone() };
        Some(Self { suite: Arc::new(suite), ..self.clone() })
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

    /// Notes which hook takes back a change of a key that is about to be made.
    pub(super) fn changes(&self, key_id: &str, undo: &Hook) {
        self.notes().undo = Some((Arc::clone(undo), key_id.to_owned()));
    }

    /// Returns the hook that takes back the change in force, and its key, once; `None` if no change is in force.
    pub(super) fn take_undo(&self) -> Option<(Hook, String)> {
        self.notes().undo.take()
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
        match &generated {
            Ok(generated) => {
                self.is_new(generated);
                self.has_request_id(generated.request_id(), "generate_key");
            }
            Err(error) => self.tells_no_secret(error, &named),
        }
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
        match &unwrapped {
            Ok(unwrapped) => self.has_request_id(unwrapped.request_id(), "unwrap_key"),
            Err(error) => self.tells_no_secret(error, &named),
        }
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
                // Each call has another request id. Without it the report shows equal failures once.
                let error = error.with_request_id("");
                self.expect(false, || format!("not so: {what}: {:?}, {error}", error.kind()));
                None
            }
        }
    }

    pub(super) fn provider(&self) -> Arc<dyn KeyProvider> {
        self.suite.provider.clone()
    }

    /// Returns the epoch of a key.
    pub(super) fn epoch(&self, key_id: &str, what: &str) -> u64 {
        self.begins(format!("epoch ({what})"));
        self.suite.provider.epoch(key_id)
    }

    /// Notes if the key or its wrapped form was generated before.
    fn is_new(&self, generated: &GeneratedKey) {
        let kek = *generated.kek().expose_secret();
        self.notes().last_kek = Some(kek);
        let (is_new_kek, is_new_wrapped) = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            (seen.keks.insert(kek), seen.wrapped.insert(generated.wrapped().clone()))
        };
        self.expect(is_new_kek, || "two calls generated the same key".to_owned());
        self.expect(is_new_wrapped, || "two calls returned the same wrapped key".to_owned());
    }

    /// Notes if an answer has no request id, or that of another answer.
    fn has_request_id(&self, request_id: Option<&str>, of: &str) {
        if !self.suite.has(Capability::RequestIds) {
            return;
        }
        self.expect(request_id.is_some(), || {
            format!("an answer of {of} has no request id, and the suite has no `lacks(Capability::RequestIds)`")
        });
        let Some(request_id) = request_id else { return };
        let is_new = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.request_ids.insert(request_id.to_owned())
        };
        self.expect(is_new, || format!("two answers have the same request id, one of them of {of}"));
    }

    /// Notes if an error names another key than the request did, or shows the key that was generated last.
    fn tells_no_secret(&self, error: &KeyProviderError, named: &str) {
        self.expect(error.key_id() == named, || format!("an error about {named:?} names the key {:?}", error.key_id()));
        let Some(kek) = self.notes().last_kek else { return };
        let mut shown = format!("{error} {error:?}");
        let mut cause = error.cause().map(|cause| cause as &(dyn Error + 'static));
        while let Some(error) = cause {
            shown += &format!(" {error} {error:?}");
            cause = error.source();
        }
        let hex: String = kek.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_shown = shown.contains(&Base64::encode_string(&kek))
            || shown.contains(format!("{kek:?}").trim_matches(['[', ']']))
            || shown.to_lowercase().contains(&hex);
        self.expect(!is_shown, || format!("an error of kind {:?} shows a key", error.kind()));
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Polls a call once, as a caller that then turns to something else.
pub(super) fn poll_once<T>(call: impl Future<Output = T>) -> Poll<T> {
    pin!(call).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a call once, as a task that does not go on with it; does something else; and waits for the call as another
/// task.
pub(super) async fn handed_over<F: Future + Unpin>(mut call: F, meanwhile: impl FnOnce()) -> F::Output {
    let answer = poll_once(&mut call);
    meanwhile();
    match answer {
        Poll::Ready(answer) => answer,
        Poll::Pending => call.await,
    }
}
