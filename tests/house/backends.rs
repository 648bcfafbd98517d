//! `Backend`: the implementations in this build, and the error where one is missing.

use atrest::error::{Feature, Limit};
use atrest::{Backend, DsseKms, Error, Keyring, Sse, SseS3};
use atrest_kit::{Service, name};

#[test]
fn a_backend_that_is_not_compiled_is_named_when_it_is_asked_for() {
    let built = Sse::builder().backend(Backend::AwsLc).build();
    match built {
        Ok(_) => assert!(Backend::AwsLc.is_compiled() && Backend::fastest() == Backend::AwsLc),
        Err(error) => {
            assert!(!Backend::AwsLc.is_compiled() && Backend::fastest() == Backend::RustCrypto);
            assert!(matches!(error, Error::NotCompiled(Feature::AwsLcRs)), "{error:?}");
            assert!(error.to_string().contains("aws-lc-rs"));
        }
    }
    Sse::builder().backend(Backend::RustCrypto).build().unwrap();
}

#[test]
fn dsse_without_both_implementations_is_a_named_error_and_asks_no_kms() {
    let service = Service::new();
    let encrypted = service.sse.blocking().encrypt(&name(), DsseKms::new("alias/app"), b"meow");
    match encrypted {
        Ok(_) => assert!(Backend::AwsLc.is_compiled()),
        Err(error) => {
            assert!(!Backend::AwsLc.is_compiled());
            assert!(matches!(error, Error::NotCompiled(Feature::AwsLcRs)), "{error:?}");
        }
    }
}

#[test]
fn a_fixed_length_beyond_every_envelope_is_a_limit() {
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).envelope_len(70_000).build().unwrap();
    let refused = sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded(Limit::Envelope)), "{refused:?}");
}
