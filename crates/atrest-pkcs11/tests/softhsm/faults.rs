//! What goes wrong with a token: PINs, logouts, resets, other tokens, keys that are not usable.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use atrest::KeyProviderErrorKind as Kind;
use atrest_pkcs11::{Pin, Pkcs11Error, Pkcs11Kms};
use cryptoki::context::Pkcs11;
use cryptoki::object::Attribute;

use crate::kit::{
    Admin, LABEL, PIN, builder, generate, in_child, in_child_with, init_token, library, unwrap, unwrap_bytes,
};

const WRONG_PIN: &str = "654321";

#[test]
fn a_wrong_pin_is_tried_once_by_all_threads_together_until_the_operator_says_so() {
    in_child("faults::a_wrong_pin_is_tried_once_by_all_threads_together_until_the_operator_says_so", || {
        let admin = Admin::new();
        admin.create("one", &[1], &[]);
        admin.session.logout().unwrap();
        let (asked, is_right) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, right) = (asked.clone(), is_right.clone());
        let pin = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Pin::new(if right.load(Ordering::SeqCst) { PIN } else { WRONG_PIN }))
        };
        let default = format!("pkcs11:id=%01?pin-value={PIN}");
        let kms = Pkcs11Kms::builder(library().unwrap(), LABEL, pin).default_key(default);
        assert!(!format!("{kms:?}").contains(PIN));
        let kms = Arc::new(kms.build());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let error = generate(&kms, "one").unwrap_err();
                    assert_eq!((error.kind(), error.is_transient()), (Kind::Misconfigured, false), "{error:?}");
                    let cause = error.cause().unwrap();
                    let said = format!("{error} {error:?} {cause} {cause:?}");
                    assert!(!said.contains(PIN) && !said.contains(WRONG_PIN), "{said}");
                });
            }
        });
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        is_right.store(true, Ordering::SeqCst);
        assert_eq!(generate(&kms, "one").unwrap_err().kind(), Kind::Misconfigured);
        kms.try_pin_again();
        let generated = generate(&kms, "one").unwrap();
        unwrap(&kms, &generated).unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert!(!format!("{kms:?}").contains(PIN));
    });
}

#[test]
fn a_logout_elsewhere_in_the_process_is_repaired_and_no_key_is_unknown_for_it() {
    in_child("faults::a_logout_elsewhere_in_the_process_is_repaired_and_no_key_is_unknown_for_it", || {
        let admin = Admin::new();
        admin.create("one", &[1], &[]);
        let kms = Arc::new(builder().build());
        let generated = generate(&kms, "one").unwrap();
        for _ in 0..10 {
            admin.session.logout().unwrap();
            unwrap(&kms, &generated).unwrap();
            admin.session.logout().unwrap();
            generate(&kms, "one").unwrap();
        }
    });
}

#[test]
fn a_library_that_was_ended_and_started_elsewhere_is_used_again() {
    in_child("faults::a_library_that_was_ended_and_started_elsewhere_is_used_again", || {
        Admin::new().create("one", &[1], &[]);
        let kms = Arc::new(builder().build());
        let generated = generate(&kms, "one").unwrap();
        for _ in 0..3 {
            // Its last handle ends the library for the whole process.
            let Admin { library, session } = Admin::new();
            drop(session);
            library.finalize().unwrap();
            unwrap(&kms, &generated).unwrap();
            generate(&kms, "one").unwrap();
        }
    });
}

#[test]
fn another_token_of_the_same_label_with_the_same_ids_opens_nothing_of_the_first() {
    in_child("faults::another_token_of_the_same_label_with_the_same_ids_opens_nothing_of_the_first", || {
        let admin = Admin::new();
        let one = admin.create("one", &[1], &[]);
        let kms = Arc::new(builder().build());
        let generated = generate(&kms, "one").unwrap();
        admin.session.destroy_object(one).unwrap();
        assert_eq!(unwrap(&kms, &generated).unwrap_err().kind(), Kind::NotFound);
        admin.create("one", &[1], &[]);
        let error = unwrap(&kms, &generated).unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (Kind::Rejected, false));
    });
}

#[test]
fn a_token_that_is_pulled_out_is_unavailable_and_another_one_in_its_place_opens_nothing_of_it() {
    in_child(
        "faults::a_token_that_is_pulled_out_is_unavailable_and_another_one_in_its_place_opens_nothing_of_it",
        || {
            let configuration = PathBuf::from(std::env::var_os("SOFTHSM2_CONF").unwrap());
            let (inside, outside) = (configuration.with_file_name("tokens"), configuration.with_file_name("outside"));
            // SoftHSM looks for its tokens when it starts.
            let exchange = |out: &Path, token: &Path| {
                Pkcs11::new(library().unwrap()).unwrap().finalize().unwrap();
                fs::rename(&inside, out).unwrap();
                fs::rename(token, &inside).unwrap();
            };
            let admin = Admin::new();
            admin.create("one", &[1], &[]);
            let slot = admin.session.get_session_info().unwrap().slot_id();
            let serial = admin.library.get_token_info(slot).unwrap().serial_number().to_owned();
            drop(admin);
            let (kms, of_serial) = (Arc::new(builder().build()), Arc::new(builder().token_serial(serial).build()));
            let first = generate(&kms, "one").unwrap();
            unwrap(&of_serial, &first).unwrap();

            let empty = configuration.with_file_name("empty");
            fs::create_dir(&empty).unwrap();
            exchange(&outside, &empty);
            for kms in [&kms, &of_serial] {
                for error in [generate(kms, "one").unwrap_err(), unwrap(kms, &first).unwrap_err()] {
                    assert_eq!((error.kind(), error.is_transient()), (Kind::Unavailable, true), "{error:?}");
                }
            }

            Pkcs11::new(library().unwrap()).unwrap().finalize().unwrap();
            init_token(&configuration);
            let admin = Admin::new();
            assert_eq!(unwrap(&kms, &first).unwrap_err().kind(), Kind::NotFound);
            admin.create("one", &[1], &[]);
            drop(admin);
            let error = unwrap(&kms, &first).unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (Kind::Rejected, false), "{error:?}");
            let second = generate(&kms, "one").unwrap();
            unwrap(&kms, &second).unwrap();
            assert_eq!(unwrap(&of_serial, &second).unwrap_err().kind(), Kind::Unavailable);

            exchange(&empty, &outside);
            for kms in [&kms, &of_serial] {
                unwrap(kms, &first).unwrap();
                assert_eq!(unwrap(kms, &second).unwrap_err().kind(), Kind::Rejected);
            }
        },
    );
}

#[test]
fn a_token_that_is_not_there_is_unavailable_and_a_library_that_is_not_there_misconfigured() {
    in_child("faults::a_token_that_is_not_there_is_unavailable_and_a_library_that_is_not_there_misconfigured", || {
        let none = Arc::new(Pkcs11Kms::builder(library().unwrap(), "another", || Ok(Pin::new(PIN))).build());
        let error = generate(&none, "one").unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (Kind::Unavailable, true));
        let cause = error.cause().unwrap().downcast_ref::<Pkcs11Error>().unwrap();
        assert_eq!(cause.to_string(), "no token of this name is present");
        let no_library = Arc::new(Pkcs11Kms::builder("/nowhere.so", LABEL, || Ok(Pin::new(PIN))).build());
        assert_eq!(generate(&no_library, "one").unwrap_err().kind(), Kind::Misconfigured);
    });
}

#[test]
fn a_token_without_aes_gcm_is_refused_by_name() {
    let test = "faults::a_token_without_aes_gcm_is_refused_by_name";
    in_child_with(test, "slots.mechanisms = CKM_AES_KEY_GEN,CKM_AES_CBC_PAD", || {
        let kms = Arc::new(builder().build());
        let error = generate(&kms, "one").unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (Kind::Misconfigured, false));
        let cause = error.cause().unwrap().to_string();
        assert!(cause.contains("CKM_AES_GCM"), "{cause}");
    });
}

#[test]
fn keys_that_are_not_usable_say_why() {
    in_child("faults::keys_that_are_not_usable_say_why", || {
        let admin = Admin::new();
        admin.create("twice", &[1], &[]);
        admin.create("twice", &[2], &[]);
        admin.create("no id", &[], &[]);
        admin.create("off", &[4], &[Attribute::Encrypt(false)]);
        let kms = Arc::new(builder().build());
        let kinds = [
            ("twice", Kind::Misconfigured),
            ("no id", Kind::Misconfigured),
            ("none", Kind::NotFound),
            ("pkcs11:token=another;id=%01", Kind::NotFound),
            ("pkcs11:id=%01?pin-value=123456", Kind::NotFound),
            ("", Kind::NotFound),
        ];
        for (key_id, kind) in kinds {
            let error = generate(&kms, key_id).unwrap_err();
            assert_eq!((error.kind(), error.is_transient(), error.key_id()), (kind, false, key_id));
        }
        generate(&kms, "pkcs11:object=twice;id=%01").unwrap();
    });
}

#[test]
fn every_changed_byte_of_a_wrapped_key_is_rejected() {
    in_child("faults::every_changed_byte_of_a_wrapped_key_is_rejected", || {
        Admin::new().create("one", &[1], &[]);
        let kms = Arc::new(builder().build());
        let generated = generate(&kms, "one").unwrap();
        for at in 0..61 {
            let mut damaged = generated.wrapped().as_bytes().to_vec();
            damaged[at] ^= 1;
            let error = unwrap_bytes(&kms, generated.key_id(), &damaged).unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (Kind::Rejected, false), "{at}");
        }
        unwrap(&kms, &generated).unwrap();
    });
}

#[test]
fn of_two_tokens_with_one_label_none_is_chosen_by_chance() {
    in_child("faults::of_two_tokens_with_one_label_none_is_chosen_by_chance", || {
        init_token(Path::new(&std::env::var_os("SOFTHSM2_CONF").unwrap()));
        let admin = Admin::new();
        admin.create("one", &[1], &[]);
        let slot = admin.session.get_session_info().unwrap().slot_id();
        let serial = admin.library.get_token_info(slot).unwrap().serial_number().to_owned();
        let kms = Arc::new(builder().build());
        assert_eq!(generate(&kms, "one").unwrap_err().kind(), Kind::Misconfigured);
        let kms = Arc::new(builder().token_serial(serial).build());
        let generated = generate(&kms, "one").unwrap();
        unwrap(&kms, &generated).unwrap();
        let kms = Arc::new(builder().token_serial("0").build());
        assert_eq!(generate(&kms, "one").unwrap_err().kind(), Kind::Unavailable);
    });
}
