//! `Backend`: the implementations in this build and on this processor, and the error where one is missing.

use std::process::Command;

use atrest::error::{Feature, Limit};
use atrest::{Backend, DsseKms, Error, Keyring, Sse, SseS3, Unlock};
use atrest_kit::{Service, name, plain};

#[test]
fn a_backend_that_is_not_available_is_an_error_when_it_is_named() {
    for (backend, feature) in [(Backend::AwsLc, Feature::AwsLcRs), (Backend::Graviola, Feature::Graviola)] {
        match Sse::builder().backend(backend).build() {
            Ok(_) => assert!(backend.is_available()),
            Err(Error::NotCompiled(missing)) => assert!(missing == feature && !backend.is_available()),
            Err(error) => assert!(matches!(error, Error::UnsupportedCpu) && !backend.is_available(), "{error:?}"),
        }
    }
    Sse::builder().backend(Backend::RustCrypto).build().unwrap();
}

#[test]
fn dsse_without_two_implementations_is_a_named_error_and_asks_no_kms() {
    let service = Service::new();
    let encrypted = service.sse.blocking().encrypt(&name(), DsseKms::new("alias/app"), b"meow");
    match encrypted {
        Ok(_) => assert!(Backend::available().count() > 1),
        Err(error) => {
            assert_eq!(Backend::available().count(), 1);
            assert!(matches!(error, Error::NotCompiled(Feature::AwsLcRs)), "{error:?}");
        }
    }
}

/// Encrypts and decrypts with every backend that is named and with none, and prints what a named Graviola gives.
fn exercise() {
    let graviola = Sse::builder().backend(Backend::Graviola).build();
    assert_eq!(graviola.is_ok(), Backend::Graviola.is_available());
    let unnamed = Service::new();
    let stored = unnamed.sse.blocking().encrypt(&name(), SseS3, &plain(40_000)).unwrap();
    for backend in Backend::available() {
        let named = Sse::builder().keyring(unnamed.keyring.clone()).backend(backend).build().unwrap().blocking();
        assert_eq!(named.decrypt(&name(), &stored, Unlock::Server).unwrap(), plain(40_000));
    }
    if Backend::available().count() > 1 {
        let stored = unnamed.sse.blocking().encrypt(&name(), DsseKms::new("alias/app"), &plain(40_000)).unwrap();
        assert_eq!(unnamed.decrypt(&name(), &stored).unwrap(), plain(40_000));
    }
    println!("graviola: {:?}, fastest: {:?}", graviola.map(drop), Backend::fastest());
}

const CHILD: &str = "ATREST_TEST_BACKENDS_CHILD";

/// Valgrind's processor lacks ADX, as some virtual machines do, and Graviola itself panics there.
#[test]
fn a_processor_that_graviola_does_not_support_is_an_error_if_graviola_is_named_and_never_a_panic() {
    if std::env::var_os(CHILD).is_some() {
        return exercise();
    }
    if !cfg!(all(feature = "graviola", target_arch = "x86_64")) || Command::new("valgrind").arg("-h").output().is_err()
    {
        eprintln!("this test needs valgrind, x86-64 and the feature graviola");
        return;
    }
    let this =
        "backends::a_processor_that_graviola_does_not_support_is_an_error_if_graviola_is_named_and_never_a_panic";
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=none", "--quiet"]).arg(std::env::current_exe().unwrap());
    let output = valgrind.args([this, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("graviola: Err(UnsupportedCpu)"), "{printed}");
    let fastest = if cfg!(feature = "aws-lc-rs") { "fastest: AwsLc" } else { "fastest: RustCrypto" };
    assert!(printed.contains(fastest), "{printed}");
}

#[test]
fn a_fixed_length_beyond_every_envelope_is_a_limit() {
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).envelope_len(70_000).build().unwrap();
    let refused = sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded(Limit::Envelope)), "{refused:?}");
}
