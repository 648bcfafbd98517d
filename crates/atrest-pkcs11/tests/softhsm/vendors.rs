//! A token of another manufacturer: its general error does not tell a wrong tag from a broken token, its nonces are its
//! own, its PIN can have one try left, and it can hang.

use std::env;
use std::fs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atrest::kms::Resilient;
use atrest::{KeyProvider, KeyProviderErrorKind as Kind, WrappedKey};
use atrest_pkcs11::{Pin, Pkcs11Kms, Pkcs11KmsBuilder};
use pollster::block_on;

use crate::kit::{Admin, LABEL, PIN, generate, in_child, library, request, unwrap, unwrap_bytes};

/// Builds the library of that token, beside the configuration of SoftHSM2.
fn vendor() -> PathBuf {
    let configuration = PathBuf::from(env::var_os("SOFTHSM2_CONF").unwrap());
    let built = configuration.with_file_name("vendor.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/softhsm/vendor.c");
    let softhsm = format!("-DSOFTHSM=\"{}\"", library().unwrap().display());
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&built).args([&*softhsm, source, "-ldl"]);
    assert!(compiler.status().expect("a C compiler, which aws-lc-rs needs too").success());
    built
}

fn builder() -> Pkcs11KmsBuilder {
    Pkcs11Kms::builder(vendor(), LABEL, || Ok(Pin::new(PIN)))
}

/// The file that changes what the token does while it is there.
fn switch(suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}.{suffix}", env::var("SOFTHSM2_CONF").unwrap()))
}

#[test]
fn a_failure_that_says_nothing_is_the_wrapped_keys_if_the_token_still_works_and_the_tokens_if_not() {
    in_child(
        "vendors::a_failure_that_says_nothing_is_the_wrapped_keys_if_the_token_still_works_and_the_tokens_if_not",
        || {
            let admin = Admin::new();
            let one = admin.create("one", &[1], &[]);
            let kms = Arc::new(builder().build());
            let generated = generate(&kms, "one").unwrap();
            let mut damaged = generated.wrapped().as_bytes().to_vec();
            damaged[40] ^= 1;
            let verdict = |bytes: &[u8]| {
                let error = unwrap_bytes(&kms, generated.key_id(), bytes).unwrap_err();
                (error.kind(), error.is_transient())
            };
            // Before anything was unwrapped, and after.
            assert_eq!(verdict(&damaged), (Kind::Rejected, false));
            unwrap(&kms, &generated).unwrap();
            assert_eq!(verdict(&damaged), (Kind::Rejected, false));

            let broken = switch("broken");
            fs::write(&broken, "").unwrap();
            assert_eq!(verdict(&damaged), (Kind::Unavailable, true));
            assert_eq!(verdict(generated.wrapped().as_bytes()), (Kind::Unavailable, true));
            fs::remove_file(broken).unwrap();
            unwrap(&kms, &generated).unwrap();

            // Another key of the same name, as after an exchange of the token: what the first key wrapped is of no use.
            admin.session.destroy_object(one).unwrap();
            let one = admin.create("one", &[1], &[]);
            let wraps = kms.wraps()[0].own();
            for _ in 0..3 {
                assert_eq!(verdict(generated.wrapped().as_bytes()), (Kind::Rejected, false));
            }
            assert_eq!(kms.wraps()[0].own(), wraps + 1, "one new proof that the token works is enough");
            unwrap(&kms, &generate(&kms, "one").unwrap()).unwrap();

            // And if the new key has unwrapped since, no other proof is needed.
            admin.session.destroy_object(one).unwrap();
            admin.create("one", &[1], &[]);
            unwrap(&kms, &generate(&kms, "one").unwrap()).unwrap();
            let wraps = kms.wraps()[0].own();
            assert_eq!(verdict(generated.wrapped().as_bytes()), (Kind::Rejected, false));
            assert_eq!(kms.wraps()[0].own(), wraps);
        },
    );
}

#[test]
fn the_last_try_of_a_pin_is_left_to_the_operator_at_the_first_login_and_after_a_logout() {
    in_child("vendors::the_last_try_of_a_pin_is_left_to_the_operator_at_the_first_login_and_after_a_logout", || {
        let admin = Admin::new();
        admin.create("one", &[1], &[]);
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let pin = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Pin::new(PIN))
        };
        let kms = Arc::new(Pkcs11Kms::builder(vendor(), LABEL, pin).threads(NonZeroUsize::MIN, 1).build());
        let is_refused = || {
            let error = generate(&kms, "one").unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (Kind::Misconfigured, false), "{error:?}");
            assert_eq!(error.cause().unwrap().to_string(), "one more wrong PIN would lock the token");
        };
        let last_try = switch("final");
        for logins in 1..=2 {
            admin.session.logout().unwrap();
            fs::write(&last_try, "").unwrap();
            is_refused();
            assert_eq!(asked.load(Ordering::SeqCst), logins - 1);
            fs::remove_file(&last_try).unwrap();
            generate(&kms, "one").unwrap();
            assert_eq!(asked.load(Ordering::SeqCst), logins);
        }
    });
}

#[test]
fn a_token_that_writes_its_own_nonce_opens_what_it_wrapped() {
    in_child("vendors::a_token_that_writes_its_own_nonce_opens_what_it_wrapped", || {
        Admin::new().create("one", &[1], &[]);
        let kms = Arc::new(builder().build());
        for count in 0..3 {
            let generated = generate(&kms, "one").unwrap();
            assert_eq!(generated.wrapped().as_bytes()[1..13], *[&[count][..], &[b'N'; 11]].concat());
            assert_eq!(unwrap(&kms, &generated).unwrap().kek().expose_secret(), generated.kek().expose_secret());
        }
    });
}

#[test]
fn a_library_that_hangs_costs_each_caller_a_time_limit_and_refuses_more_callers_than_it_can_queue() {
    in_child(
        "vendors::a_library_that_hangs_costs_each_caller_a_time_limit_and_refuses_more_callers_than_it_can_queue",
        || {
            Admin::new().create("one", &[1], &[]);
            let (threads, queue_len) = (2, 1);
            let kms = Arc::new(builder().threads(NonZeroUsize::new(threads).unwrap(), queue_len).build());
            let generated = generate(&kms, "one").unwrap();
            let ask = |kms: Arc<dyn KeyProvider>| {
                kms.unwrap_key(WrappedKey::new(generated.wrapped().as_bytes()), request(generated.key_id()))
            };
            let fails_as = |kind| {
                let kms = Resilient::new(kms.clone()).with_attempt_limit(Duration::from_millis(300));
                let error = block_on(ask(Arc::new(kms.with_attempts(NonZeroU32::MIN)))).unwrap_err();
                assert_eq!((error.kind(), error.is_transient()), (kind, true), "{error:?}");
            };
            let hangs = switch("hangs");
            fs::write(&hangs, "").unwrap();
            while fs::read(&hangs).unwrap().len() < threads {
                fails_as(Kind::Unavailable);
            }

            let waits = ask(kms.clone());
            fails_as(Kind::Throttled);

            fs::remove_file(hangs).unwrap();
            block_on(waits).unwrap();
            unwrap(&kms, &generated).unwrap();
            unwrap(&kms, &generate(&kms, "one").unwrap()).unwrap();
        },
    );
}
