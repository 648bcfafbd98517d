//! The conformance suite for key providers: `MemoryKms` passes, and providers with one fault each fail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atrest::testing::{KeyProviderSuite, MemoryKms};
use atrest::{
    EncryptionContext, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey,
};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::runtimes;

fn kms() -> (Arc<MemoryKms>, String, String) {
    let kms = Arc::new(MemoryKms::new());
    let (one, two) = (kms.create_key("one").unwrap(), kms.create_key("two").unwrap());
    kms.alias("alias/one", &one);
    (kms, one, two)
}

#[test]
fn the_memory_kms_conforms_by_id_and_by_alias() {
    let (kms, one, two) = kms();
    for key_id in [&*one, "alias/one"] {
        runtimes::conforms(&KeyProviderSuite::new(kms.clone(), key_id, "memory-kms:key/none").other_key_id(&two));
    }
}

/// A provider with one fault. The slot is for `MixesCalls`.
struct Wrong(Arc<MemoryKms>, Fault, Mutex<Option<KeyRequest>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    IgnoresContext,
    RepeatsKeys,
    GivesTheAlias,
    IgnoresTheKey,
    MixesCalls,
    NeedsARuntime,
}

impl KeyProvider for Wrong {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let named = request.key_id().to_owned();
            let request = self.waited(request).await;
            let generated = self.0.clone().generate_key(self.changed(request)).await?;
            Ok(match self.1 {
                Fault::RepeatsKeys => {
                    let kek = KeyEncryptionKey::from_bytes(&mut [7; 32]).unwrap();
                    GeneratedKey::new(generated.key_id(), generated.wrapped().as_bytes(), kek)
                }
                Fault::GivesTheAlias => {
                    let kek = KeyEncryptionKey::from_bytes(&mut generated.kek().expose_secret().clone()).unwrap();
                    GeneratedKey::new(named, generated.wrapped().as_bytes(), kek)
                }
                _ => generated,
            })
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let asked = request.key_id().to_owned();
            let unwrapped = self.0.clone().unwrap_key(wrapped, self.changed(request)).await?;
            let kek = KeyEncryptionKey::from_bytes(&mut unwrapped.kek().expose_secret().clone()).unwrap();
            Ok(if self.1 == Fault::IgnoresTheKey { UnwrappedKey::new(asked, kek) } else { unwrapped })
        })
    }
}

impl Wrong {
    /// Waits once, as a provider on a network does.
    async fn waited(&self, request: KeyRequest) -> KeyRequest {
        match self.1 {
            Fault::MixesCalls => {
                *self.2.lock().unwrap() = Some(request);
                yield_now().await;
                self.2.lock().unwrap().clone().unwrap()
            }
            Fault::NeedsARuntime => {
                sleep(Duration::ZERO).await;
                request
            }
            _ => request,
        }
    }

    fn changed(&self, request: KeyRequest) -> KeyRequest {
        match self.1 {
            Fault::IgnoresContext => {
                KeyRequest::new(request.key_id(), EncryptionContext::new(), request.requester().clone())
            }
            Fault::IgnoresTheKey => {
                KeyRequest::new("memory-kms:key/one", request.context().clone(), request.requester().clone())
            }
            _ => request,
        }
    }
}

#[test]
fn a_provider_that_is_wrong_in_one_way_does_not_conform() {
    let faults = [
        Fault::IgnoresContext,
        Fault::RepeatsKeys,
        Fault::GivesTheAlias,
        Fault::IgnoresTheKey,
        Fault::MixesCalls,
        Fault::NeedsARuntime,
    ];
    for fault in faults {
        let (kms, _, two) = kms();
        let wrong = Arc::new(Wrong(kms, fault, Mutex::default()));
        let checked = catch_unwind(AssertUnwindSafe(|| {
            KeyProviderSuite::new(wrong, "alias/one", "memory-kms:key/none").other_key_id(&two).run();
        }));
        assert!(checked.is_err(), "{fault:?}");
    }
}

#[test]
fn a_provider_that_needs_a_runtime_is_told_by_the_run_without_one() {
    let (kms, one, _) = kms();
    let suite = KeyProviderSuite::new(Arc::new(Wrong(kms, Fault::NeedsARuntime, Mutex::default())), one, "alias/none");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    suite.run_in(|task| runtime.block_on(task));
    assert!(catch_unwind(AssertUnwindSafe(|| suite.run())).is_err());
}
