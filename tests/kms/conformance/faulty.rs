//! `Wrong`, a key provider with one fault that needs no runtime to show.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use atrest::testing::MemoryKms;
use atrest::{
    EncryptionContext, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind,
    KeyRequest, UnwrappedKey, WrappedKey,
};
use tokio::time::sleep;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    IgnoresContext,
    RepeatsKeys,
    GivesTheAlias,
    IgnoresTheKey,
    MixesCalls,
    NeedsARuntime,
    /// {ab: c} is {a: bc}.
    JoinsNamesAndValues,
    JoinsPairsByCommas,
    LowersNames,
    DropsEmptyValues,
    TakesOneKilobyte,
    AlwaysUnavailable,
    AlwaysDenied,
    HidesDisabled,
    RejectsTheEmptyId,
    AsksNoOne,
    KeepsUnwrapping,
    Hangs,
    /// A call that is abandoned is never over.
    StaysBusy,
    NamesAnotherKey,
    Panics,
    PanicsWhenDisabled,
    HangsWhenDisabled,
}

pub(super) struct Wrong {
    kms: Arc<dyn KeyProvider>,
    memory: Arc<MemoryKms>,
    fault: Fault,
    slot: Mutex<Option<KeyRequest>>,
    busy: AtomicBool,
}

impl Wrong {
    pub(super) fn new(kms: Arc<dyn KeyProvider>, memory: Arc<MemoryKms>, fault: Fault) -> Self {
        Self { kms, memory, fault, slot: Mutex::default(), busy: AtomicBool::new(false) }
    }

    fn inner(&self) -> Arc<dyn KeyProvider> {
        if self.fault == Fault::AsksNoOne { self.memory.clone() } else { self.kms.clone() }
    }

    /// Waits once, as a provider on a network does.
    async fn waited(&self, request: KeyRequest) -> Result<KeyRequest, KeyProviderError> {
        match self.fault {
            Fault::MixesCalls => {
                *self.slot.lock().unwrap() = Some(request);
                waits_once().await;
                Ok(self.slot.lock().unwrap().clone().unwrap())
            }
            Fault::NeedsARuntime => {
                sleep(Duration::ZERO).await;
                Ok(request)
            }
            Fault::StaysBusy => {
                if self.busy.swap(true, Ordering::SeqCst) {
                    return Err(KeyProviderError::new(KeyProviderErrorKind::Throttled, request.key_id()));
                }
                waits_once().await;
                self.busy.store(false, Ordering::SeqCst);
                Ok(request)
            }
            Fault::TakesOneKilobyte if request.context().iter().any(|(_, value)| value.len() > 1_024) => {
                Err(KeyProviderError::new(KeyProviderErrorKind::Rejected, request.key_id()))
            }
            Fault::RejectsTheEmptyId if request.key_id().is_empty() => {
                Err(KeyProviderError::new(KeyProviderErrorKind::Rejected, request.key_id()))
            }
            _ => Ok(request),
        }
    }

    fn changed(&self, request: KeyRequest) -> Result<KeyRequest, KeyProviderError> {
        let context = request.context();
        let joined = |between: &str, after: &str| {
            let all: String = context.iter().map(|(name, value)| format!("{name}{between}{value}{after}")).collect();
            EncryptionContext::new().with("joined", all).unwrap_or_default()
        };
        let kept = |(name, value): (&str, &str)| match self.fault {
            Fault::LowersNames => Some((name.to_lowercase(), value.to_owned())),
            Fault::DropsEmptyValues if value.is_empty() => None,
            _ => Some((name.to_owned(), value.to_owned())),
        };
        let context = match self.fault {
            Fault::IgnoresContext => EncryptionContext::new(),
            Fault::JoinsNamesAndValues => joined("", "\n"),
            Fault::JoinsPairsByCommas => joined("=", ","),
            _ => rebuilt(&request, context.iter().filter_map(kept))?,
        };
        let key_id = if self.fault == Fault::IgnoresTheKey { "memory-kms:key/one" } else { request.key_id() };
        Ok(KeyRequest::new(key_id, context, request.requester().clone()))
    }

    fn failed(&self, error: KeyProviderError) -> KeyProviderError {
        let as_kind = |kind| KeyProviderError::new(kind, error.key_id());
        match (self.fault, error.kind()) {
            (Fault::AlwaysUnavailable, _) => as_kind(KeyProviderErrorKind::Unavailable),
            (Fault::AlwaysDenied, _) => as_kind(KeyProviderErrorKind::AccessDenied),
            (Fault::HidesDisabled, KeyProviderErrorKind::Disabled) => as_kind(KeyProviderErrorKind::NotFound),
            (Fault::NamesAnotherKey, kind) => KeyProviderError::new(kind, "somebody's"),
            _ => error,
        }
    }
}

/// Takes two polls. In contrast, `yield_now` of tokio waits for the runtime, which a caller may block.
pub(super) async fn waits_once() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The context of these pairs, under names that a caller may use. One that is too long is refused.
pub(super) fn rebuilt(
    request: &KeyRequest,
    pairs: impl Iterator<Item = (String, String)>,
) -> Result<EncryptionContext, KeyProviderError> {
    let mut pairs = pairs.map(|(name, value)| (name.replace("aws:", "aws-"), value));
    let context = pairs.try_fold(EncryptionContext::new(), |all, (name, value)| all.with(name, value));
    context.map_err(|_| KeyProviderError::new(KeyProviderErrorKind::Rejected, request.key_id()))
}

impl KeyProvider for Wrong {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let named = request.key_id().to_owned();
            let request = self.waited(request).await?;
            let generated = self.inner().generate_key(self.changed(request)?).await;
            let (key_id, wrapped, kek) = generated.map_err(|error| self.failed(error))?.into_parts();
            let (key_id, kek) = match self.fault {
                Fault::RepeatsKeys => (key_id, KeyEncryptionKey::from_bytes(&mut [7; 32]).unwrap()),
                Fault::GivesTheAlias => (named, kek),
                _ => (key_id, kek),
            };
            Ok(GeneratedKey::new(key_id, wrapped.as_bytes(), kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let asked = request.key_id().to_owned();
            let request = self.changed(request)?;
            let unwrapped = self.inner().unwrap_key(wrapped.clone(), request.clone()).await;
            let is_disabled = |error: &KeyProviderError| error.kind() == KeyProviderErrorKind::Disabled;
            let (key_id, kek) = match (unwrapped, self.fault) {
                (Ok(unwrapped), _) => unwrapped.into_parts(),
                (Err(error), Fault::KeepsUnwrapping) if is_disabled(&error) => {
                    self.memory.enable(&asked);
                    let unwrapped = self.inner().unwrap_key(wrapped, request).await?;
                    self.memory.disable(&asked);
                    unwrapped.into_parts()
                }
                (Err(error), Fault::Hangs) if error.kind() == KeyProviderErrorKind::Rejected => pending().await,
                (Err(_), Fault::Panics) if wrapped.as_bytes().len() == 84 => panic!("what the test is about"),
                (Err(error), Fault::PanicsWhenDisabled) if is_disabled(&error) => panic!("what the test is about"),
                (Err(error), Fault::HangsWhenDisabled) if is_disabled(&error) => pending().await,
                (Err(error), _) => return Err(self.failed(error)),
            };
            Ok(UnwrappedKey::new(if self.fault == Fault::IgnoresTheKey { asked } else { key_id }, kek))
        })
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.kms.epoch(key_id)
    }
}
