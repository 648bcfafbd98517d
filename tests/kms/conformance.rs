//! The conformance suite for key providers: `MemoryKms` passes, and providers with one fault each fail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use atrest::testing::{MemoryKms, check_key_provider};
use atrest::{
    EncryptionContext, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, Requester, UnwrappedKey,
    WrappedKey,
};

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
        check_key_provider(kms.clone(), key_id, Some(&two), "memory-kms:key/none", &Requester::anonymous());
    }
}

/// A provider that is right but for one thing.
struct Wrong(Arc<MemoryKms>, Fault);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    IgnoresContext,
    RepeatsKeys,
    GivesTheAlias,
    IgnoresTheKey,
}

impl KeyProvider for Wrong {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let named = request.key_id().to_owned();
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
    fn changed(&self, request: KeyRequest) -> KeyRequest {
        match self.1 {
            Fault::IgnoresContext => {
                KeyRequest::new(request.key_id(), EncryptionContext::new(), request.requester().clone())
            }
            Fault::IgnoresTheKey => {
                KeyRequest::new("memory-kms:key/one", request.context().clone(), request.requester().clone())
            }
            Fault::RepeatsKeys | Fault::GivesTheAlias => request,
        }
    }
}

#[test]
fn a_provider_that_is_wrong_in_one_way_does_not_conform() {
    for fault in [Fault::IgnoresContext, Fault::RepeatsKeys, Fault::GivesTheAlias, Fault::IgnoresTheKey] {
        let (kms, _, two) = kms();
        let wrong = Arc::new(Wrong(kms, fault));
        let checked = catch_unwind(AssertUnwindSafe(|| {
            check_key_provider(wrong, "alias/one", Some(&two), "memory-kms:key/none", &Requester::anonymous());
        }));
        assert!(checked.is_err(), "{fault:?}");
    }
}
