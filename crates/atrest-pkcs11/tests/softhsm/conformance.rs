//! The conformance suite over SoftHSM2, by label and by URI, bare and behind an authorization; and whole objects.

use std::sync::{Arc, Mutex};

use atrest::kms::{Authorized, KeyAccess, Resilient};
use atrest::testing::{Capability, KeyProviderSuite};
use atrest::{KeyProvider, KmsKeys, ObjectName, Requester, Sse, SseKms, Unlock};
use cryptoki::object::Attribute;

use crate::kit::{Admin, builder, generate, in_child};

#[test]
fn an_hsm_conforms_by_label_and_by_uri_bare_and_behind_others() {
    in_child("conformance::an_hsm_conforms_by_label_and_by_uri_bare_and_behind_others", || {
        let admin = Admin::new();
        let one = admin.create("one", &[0x0B, 1], &[]);
        admin.create("two", &[2], &[]);
        let admin = Arc::new(Mutex::new(admin));
        let switch = |on: bool| {
            let admin = admin.clone();
            move |_: &str| {
                let attributes = [Attribute::Encrypt(on), Attribute::Decrypt(on)];
                admin.lock().unwrap().session.update_attributes(one, &attributes).unwrap();
            }
        };
        let made = || -> Arc<dyn KeyProvider> { Arc::new(builder().default_key("two").build()) };
        for key_id in ["one", "pkcs11:token=storage;object=one", "pkcs11:id=%0b%01;type=secret-key"] {
            let suite = KeyProviderSuite::new(made(), key_id, "none")
                .other_key_id("pkcs11:token=storage;id=%02;type=secret-key")
                .disabled_by(switch(false), switch(true))
                .made_by(made)
                .lacks(Capability::Epochs)
                .lacks(Capability::RequestIds);
            suite.clone().lacks(Capability::Requesters).run();
            let suite = suite.behind("resilience", |kms| Arc::new(Resilient::new(kms)));
            suite.clone().lacks(Capability::Requesters).run();
            let allows = |access: &KeyAccess<'_>| access.requester().as_str() != "mallory";
            let suite = suite.forbidden_requester(Requester::new("mallory"));
            suite.behind("an authorization", move |kms| Arc::new(Authorized::new(kms, allows))).run();
        }
    });
}

#[test]
fn objects_are_written_and_read_under_a_key_of_an_hsm() {
    in_child("conformance::objects_are_written_and_read_under_a_key_of_an_hsm", || {
        let admin = Admin::new();
        admin.create("photos", &[7], &[]);
        let resolved = "pkcs11:token=storage;id=%07;type=secret-key";
        let kms = Arc::new(builder().build());
        assert_eq!(pollster::block_on(kms.check("photos")).unwrap(), resolved);
        let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([resolved])).build().unwrap();
        let object = ObjectName::new("photos", "cat.jpg").unwrap();
        let stored = sse.blocking().encrypt(&object, SseKms::new("photos"), b"meow").unwrap();
        assert_eq!(stored.envelope.kms_key_id(), Some(resolved));
        assert_eq!(sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");
        let other = ObjectName::new("photos", "dog.jpg").unwrap();
        sse.blocking().decrypt(&other, &stored, Unlock::Server).unwrap_err();
        let wrapped = generate(&kms, "photos").unwrap();
        assert_eq!(wrapped.wrapped().as_bytes().len(), 61);
    });
}
