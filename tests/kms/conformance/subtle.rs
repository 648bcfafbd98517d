//! `Subtle`, a key provider with one fault that shows in few calls only.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use atrest::{
    GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest,
    Requester, UnwrappedKey, WrappedKey,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::faulty::{rebuilt, waits_once};

/// A name and its value.
type Pair = (String, String);
/// A change of a pair.
pub(super) type Change = fn(&str, &str) -> Pair;

#[derive(Clone, Copy)]
pub(super) enum SubtleFault {
    /// Changes the name and the value of each pair.
    Changes(Change),
    TakesSixtyPairs,
    /// Keeps unwrapped keys, and gives them to every requester.
    KeepsForAll,
    /// Keeps unwrapped keys of each requester, whatever happens to the KMS key.
    KeepsForEach,
    /// Lets a requester join the call of another one.
    SharesCalls,
    /// Keeps eight keys for each request, and gives them out in turn.
    GivesInTurn,
    /// Unwraps only what this instance wrapped.
    RemembersItsOwn,
    /// Takes a wrapped key without its tag as one of an older format.
    TakesAnOldFormat,
    /// Does not authenticate the end of a header.
    IgnoresItsHeader,
    /// Wakes the task that polled a call first, whichever waits for it now.
    WakesTheFirstTask,
    FindsKeysByPrefix,
    ShowsKeysInErrors,
    PanicsAtLongValues,
}

pub(super) struct Subtle {
    kms: Arc<dyn KeyProvider>,
    key_id: String,
    fault: SubtleFault,
    unwrapped: Mutex<HashMap<(WrappedKey, KeyRequest), KeyEncryptionKey>>,
    running: Mutex<HashMap<(WrappedKey, KeyRequest), SharedCall>>,
    generated: Mutex<HashMap<KeyRequest, Vec<GeneratedKey>>>,
    own: Mutex<HashSet<WrappedKey>>,
    last: Mutex<String>,
}

type SharedCall = Shared<BoxFuture<'static, Result<Arc<UnwrappedKey>, KeyProviderError>>>;

/// What a cause of an error shows.
#[derive(Debug)]
struct Shows(String);

impl std::fmt::Display for Shows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an answer that cannot be read: {}", self.0)
    }
}

impl std::error::Error for Shows {}

impl Subtle {
    pub(super) fn new(kms: Arc<dyn KeyProvider>, key_id: &str, fault: SubtleFault) -> Self {
        let key_id = key_id.to_owned();
        let (unwrapped, running, generated, own, last) = Default::default();
        Self { kms, key_id, fault, unwrapped, running, generated, own, last }
    }

    fn changed(&self, request: &KeyRequest) -> Result<KeyRequest, KeyProviderError> {
        let named = |key_id: &str| KeyRequest::new(key_id, request.context().clone(), request.requester().clone());
        let pairs = |kept: &dyn Fn(usize, &str, &str) -> Option<Pair>| -> Result<_, KeyProviderError> {
            let pairs = request.context().iter().enumerate();
            let context = rebuilt(request, pairs.filter_map(|(number, (name, value))| kept(number, name, value)))?;
            Ok(KeyRequest::new(request.key_id(), context, request.requester().clone()))
        };
        match self.fault {
            SubtleFault::Changes(change) => pairs(&|_, name, value| Some(change(name, value))),
            SubtleFault::TakesSixtyPairs => {
                pairs(&|number, name, value| (number < 60).then(|| (name.to_owned(), value.to_owned())))
            }
            SubtleFault::FindsKeysByPrefix if request.key_id().starts_with(&self.key_id) => Ok(named(&self.key_id)),
            SubtleFault::PanicsAtLongValues => {
                assert!(request.context().iter().all(|(_, value)| value.len() < 32_768), "what the test is about");
                Ok(request.clone())
            }
            _ => Ok(request.clone()),
        }
    }

    async fn generate(&self, request: KeyRequest) -> Result<GeneratedKey, KeyProviderError> {
        let (key_id, wrapped, kek) = self.kms.clone().generate_key(self.changed(&request)?).await?.into_parts();
        *self.last.lock().unwrap() = kek.expose_secret().iter().map(|byte| format!("{byte:02x}")).collect();
        self.own.lock().unwrap().insert(wrapped.clone());
        let wrapped = match self.fault {
            SubtleFault::IgnoresItsHeader => [&[1, 0, 0, 0, 0, 0, 0, 0][..], wrapped.as_bytes()].concat(),
            _ => wrapped.as_bytes().to_vec(),
        };
        let copy = |generated: &GeneratedKey| {
            GeneratedKey::new(generated.key_id(), generated.wrapped().as_bytes(), generated.kek().duplicate())
        };
        let generated = GeneratedKey::new(key_id, wrapped, kek);
        if !matches!(self.fault, SubtleFault::GivesInTurn) {
            return Ok(generated);
        }
        let mut all = self.generated.lock().unwrap();
        let kept = all.entry(request).or_default();
        if kept.len() < 8 {
            kept.push(generated);
        } else {
            kept.rotate_left(1);
        }
        Ok(copy(kept.last().unwrap()))
    }

    async fn unwrap(&self, wrapped: WrappedKey, request: KeyRequest) -> Result<UnwrappedKey, KeyProviderError> {
        let rejected = || KeyProviderError::new(Kind::Rejected, request.key_id());
        let wrapped = match self.fault {
            SubtleFault::IgnoresItsHeader => match wrapped.as_bytes() {
                [1, 0, _, _, _, _, _, _, wrapped @ ..] => WrappedKey::new(wrapped),
                _ => return Err(rejected()),
            },
            SubtleFault::TakesAnOldFormat if (40..=68).contains(&wrapped.as_bytes().len()) => {
                let own = self.own.lock().unwrap();
                own.iter().find(|own| own.as_bytes().starts_with(wrapped.as_bytes())).cloned().unwrap_or(wrapped)
            }
            SubtleFault::RemembersItsOwn if !self.own.lock().unwrap().contains(&wrapped) => return Err(rejected()),
            _ => wrapped,
        };
        let asked = self.changed(&request)?;
        let of_all = KeyRequest::new(request.key_id(), request.context().clone(), Requester::anonymous());
        let slot = match self.fault {
            SubtleFault::KeepsForEach => (wrapped.clone(), request.clone()),
            _ => (wrapped.clone(), of_all),
        };
        if let SubtleFault::SharesCalls = self.fault {
            let kms = self.kms.clone();
            let call = async move {
                waits_once().await;
                kms.unwrap_key(wrapped, asked).await.map(Arc::new)
            };
            let running = self.running.lock().unwrap().entry(slot.clone()).or_insert(call.boxed().shared()).clone();
            let unwrapped = running.await;
            self.running.lock().unwrap().remove(&slot);
            return unwrapped.map(|key| UnwrappedKey::new(key.key_id(), key.kek().duplicate()));
        }
        let keeps = matches!(self.fault, SubtleFault::KeepsForAll | SubtleFault::KeepsForEach);
        if let Some(kept) = self.unwrapped.lock().unwrap().get(&slot).filter(|_| keeps) {
            return Ok(UnwrappedKey::new(request.key_id(), kept.duplicate()));
        }
        let unwrapped = self.kms.clone().unwrap_key(wrapped, asked).await.map_err(|error| match self.fault {
            SubtleFault::ShowsKeysInErrors => error.with_source(Shows(self.last.lock().unwrap().clone())),
            _ => KeyProviderError::new(error.kind(), request.key_id()),
        })?;
        self.unwrapped.lock().unwrap().insert(slot, unwrapped.kek().duplicate());
        let (_, kek) = unwrapped.into_parts();
        Ok(UnwrappedKey::new(request.key_id(), kek))
    }

    fn answers<T: Send + 'static>(
        &self,
        answer: impl Future<Output = Result<T, KeyProviderError>> + Send + 'static,
    ) -> KeyFuture<T> {
        match self.fault {
            SubtleFault::WakesTheFirstTask => Box::pin(FirstTask { answer: answer.boxed(), first: None }),
            _ => Box::pin(answer),
        }
    }
}

/// A call that takes two polls, and keeps the waker of the first one.
struct FirstTask<T> {
    answer: BoxFuture<'static, T>,
    first: Option<Waker>,
}

impl<T> Future for FirstTask<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        match &this.first {
            None => {
                this.first = Some(context.waker().clone());
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(first) if first.will_wake(context.waker()) => this.answer.as_mut().poll(context),
            Some(_) => Poll::Pending,
        }
    }
}

impl KeyProvider for Subtle {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let own = self.clone();
        self.answers(async move { own.generate(request).await })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let own = self.clone();
        self.answers(async move { own.unwrap(wrapped, request).await })
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.kms.epoch(key_id)
    }
}
