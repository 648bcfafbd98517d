//! Every class of failure of the service, and what reaches a log.

use std::error::Error as _;
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atrest::{
    EncryptionContext, Error, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest, KmsKeys,
    ObjectName, Requester, Sse, SseKms, WrappedKey,
};
use atrest_aws_kms::{AwsKms, AwsKmsError, BuildError};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Region};
use data_encoding::BASE64;
use pollster::block_on;
use serde_json::json;

use crate::http::{Answer, Server};
use crate::kms::{Keys, REGION, client, provider};

fn request(key_id: &str) -> KeyRequest {
    KeyRequest::new(key_id, EncryptionContext::new(), Requester::anonymous())
}

fn generate(kms: &Arc<AwsKms>) -> KeyProviderError {
    block_on(kms.clone().generate_key(request("alias/one"))).unwrap_err()
}

fn unwrap(kms: &Arc<AwsKms>) -> KeyProviderError {
    block_on(kms.clone().unwrap_key(WrappedKey::new(*b"wrapped"), request("alias/one"))).unwrap_err()
}

#[test]
fn every_error_of_the_service_has_its_kind_and_transience() {
    let table: &[(u16, &str, &str, Kind, bool)] = &[
        (400, "NotFoundException", "", Kind::NotFound, false),
        (400, "DisabledException", "", Kind::Disabled, false),
        (400, "KMSInvalidStateException", "arn:.. is pending deletion.", Kind::PendingDeletion, false),
        (400, "KMSInvalidStateException", "arn:.. is pending import.", Kind::InvalidState, false),
        (400, "KMSInvalidStateException", "arn:.. is pending replica deletion.", Kind::InvalidState, false),
        (400, "KMSInvalidStateException", "arn:.. is creating.", Kind::InvalidState, true),
        (400, "KMSInvalidStateException", "arn:.. is unavailable.", Kind::InvalidState, true),
        (400, "KMSInvalidStateException", "arn:.. is updating.", Kind::InvalidState, true),
        (400, "KMSInvalidStateException", "The key store is not connected.", Kind::InvalidState, true),
        (400, "KMSInvalidStateException", "", Kind::InvalidState, false),
        (400, "InvalidKeyUsageException", "", Kind::InvalidKeyUsage, false),
        (400, "AccessDeniedException", "", Kind::AccessDenied, false),
        (400, "ThrottlingException", "Rate exceeded", Kind::Throttled, true),
        (400, "LimitExceededException", "", Kind::Throttled, true),
        (429, "SomethingNew", "", Kind::Throttled, true),
        (500, "KMSInternalException", "", Kind::Unavailable, true),
        (503, "KeyUnavailableException", "", Kind::Unavailable, true),
        (400, "KeyUnavailableException", "", Kind::Unavailable, true),
        (503, "DependencyTimeoutException", "", Kind::Unavailable, true),
        (502, "", "", Kind::Unavailable, true),
        (400, "UnrecognizedClientException", "", Kind::Misconfigured, false),
        (400, "ExpiredTokenException", "", Kind::Misconfigured, false),
        (400, "InvalidSignatureException", "", Kind::Misconfigured, false),
        (400, "InvalidGrantTokenException", "", Kind::Misconfigured, false),
        (403, "", "", Kind::Misconfigured, false),
        (401, "", "", Kind::Misconfigured, false),
        (407, "", "", Kind::Misconfigured, false),
        (408, "", "", Kind::Unavailable, true),
        (400, "InvalidCiphertextException", "", Kind::Rejected, false),
        (400, "IncorrectKeyException", "", Kind::Rejected, false),
        (400, "ValidationException", "the context is too long", Kind::Rejected, false),
        (400, "SomethingNew", "", Kind::Rejected, false),
        // With HTTP 400, which alone means `Rejected`, so that the code decides.
        (400, "AccessDenied", "", Kind::AccessDenied, false),
        (400, "Throttling", "", Kind::Throttled, true),
        (400, "ThrottledException", "", Kind::Throttled, true),
        (400, "TooManyRequestsException", "", Kind::Throttled, true),
        (400, "RequestLimitExceeded", "", Kind::Throttled, true),
        (400, "RequestThrottled", "", Kind::Throttled, true),
        (400, "RequestThrottledException", "", Kind::Throttled, true),
        (400, "SlowDown", "", Kind::Throttled, true),
        (400, "InternalFailure", "", Kind::Unavailable, true),
        (400, "InternalError", "", Kind::Unavailable, true),
        (400, "InternalServiceError", "", Kind::Unavailable, true),
        (400, "InternalServerError", "", Kind::Unavailable, true),
        (400, "InternalServerException", "", Kind::Unavailable, true),
        (400, "ServiceUnavailable", "", Kind::Unavailable, true),
        (400, "ServiceUnavailableException", "", Kind::Unavailable, true),
        (400, "RequestTimeout", "", Kind::Unavailable, true),
        (400, "RequestTimeoutException", "", Kind::Unavailable, true),
        (400, "InvalidClientTokenId", "", Kind::Misconfigured, false),
        (400, "InvalidAccessKeyId", "", Kind::Misconfigured, false),
        (400, "ExpiredToken", "", Kind::Misconfigured, false),
        (400, "TokenRefreshRequired", "", Kind::Misconfigured, false),
        (400, "SignatureDoesNotMatch", "", Kind::Misconfigured, false),
        (400, "IncompleteSignature", "", Kind::Misconfigured, false),
        (400, "IncompleteSignatureException", "", Kind::Misconfigured, false),
        (400, "MissingAuthenticationToken", "", Kind::Misconfigured, false),
        (400, "MissingAuthenticationTokenException", "", Kind::Misconfigured, false),
        (400, "NotAuthorized", "", Kind::Misconfigured, false),
        (400, "OptInRequired", "", Kind::Misconfigured, false),
        (400, "RequestExpired", "", Kind::Misconfigured, false),
        (400, "UnknownOperationException", "", Kind::Misconfigured, false),
    ];
    for &(status, code, message, kind, transient) in table {
        let (kms, _server) = provider(move |_| Answer::error(status, code, message), |builder| builder);
        for error in [generate(&kms), unwrap(&kms)] {
            assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{status} {code} {message}");
            assert_eq!(error.key_id(), "alias/one");
            assert!(error.request_id().unwrap().starts_with("request-"), "{error}");
            let cause = error.cause().unwrap().downcast_ref::<AwsKmsError>().unwrap();
            assert_eq!((cause.status(), cause.code()), (Some(status), Some(code).filter(|code| !code.is_empty())));
            assert_eq!(cause.message(), Some(message));
        }
    }
}

#[test]
fn a_malformed_key_id_is_unknown_where_a_client_chose_it() {
    let said = "1 validation error detected: Value 'x' at 'keyId' failed to satisfy constraint";
    let codes =
        [("ValidationException", said), ("InvalidArnException", "Invalid arn"), ("InvalidAliasNameException", "")];
    for (code, message) in codes {
        let (kms, _server) = provider(move |_| Answer::error(400, code, message), |builder| builder);
        assert_eq!((generate(&kms).kind(), unwrap(&kms).kind()), (Kind::NotFound, Kind::Rejected));
    }
}

#[test]
fn the_time_to_wait_is_kept() {
    for (name, value, wait) in [("retry-after", "3", 3_000), ("x-amz-retry-after", "700", 700)] {
        let answer = move |_: &crate::http::Request| Answer::Http {
            status: 503,
            headers: vec![(name, value.to_owned())],
            body: br#"{"__type": "ServiceUnavailableException"}"#.to_vec(),
        };
        let (kms, _server) = provider(answer, |builder| builder);
        assert_eq!(generate(&kms).retry_after(), Some(Duration::from_millis(wait)));
    }
}

#[test]
fn the_sdk_retries_what_passes_and_not_at_all_when_it_is_told_so() {
    let throttled = |_: &crate::http::Request| Answer::error(400, "ThrottlingException", "");
    let (kms, server) = provider(throttled, |builder| builder);
    assert_eq!((generate(&kms).kind(), server.requests()), (Kind::Throttled, 1));

    let server = Server::start(throttled);
    let kms = Arc::new(AwsKms::builder(client(&server, REGION)).build().unwrap());
    assert_eq!((generate(&kms).kind(), server.requests()), (Kind::Throttled, 3));
}

#[test]
fn a_resilient_provider_repeats_what_is_throttled_and_the_sdk_does_not_repeat_it_too() {
    let throttled = || Answer::error(400, "ThrottlingException", "");
    let (keys, is_first) = (Keys::new(), AtomicBool::new(true));
    let server = Server::start(move |request| match is_first.swap(false, Ordering::SeqCst) {
        true => throttled(),
        false => keys.answer(request),
    });
    let kms = Arc::new(AwsKms::builder(client(&server, REGION)).build_resilient().unwrap());
    block_on(kms.generate_key(request("alias/one"))).unwrap();
    assert_eq!(server.requests(), 2);

    let server = Server::start(move |_| throttled());
    let once = AwsKms::builder(client(&server, REGION)).build_resilient().unwrap().with_attempts(NonZeroU32::MIN);
    let error = block_on(Arc::new(once).generate_key(request("alias/one"))).unwrap_err();
    assert_eq!((error.kind(), server.requests()), (Kind::Throttled, 1));
}

#[test]
fn a_service_that_hangs_dies_or_is_not_there_is_unavailable() {
    let limit = Duration::from_millis(300);
    let (hangs, _one) = provider(|_| Answer::Never, |builder| builder.time_limit(limit));
    let (dies, _two) = provider(|_| Answer::Dies(b"{".to_vec()), |builder| builder);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // closed at once
    let config = client(&_one, REGION).config().to_builder().endpoint_url(format!("http://{nobody}"));
    let nobody = AwsKms::builder(Client::from_conf(config.build())).without_sdk_retries().build().unwrap();
    for kms in [hangs, dies, Arc::new(nobody)] {
        for error in [generate(&kms), unwrap(&kms)] {
            assert_eq!((error.kind(), error.is_transient()), (Kind::Unavailable, true), "{error:?}");
        }
    }
}

#[test]
fn no_plaintext_key_reaches_a_log_whatever_the_service_answers() {
    let secret = BASE64.encode(b"the plaintext key of an object!!");
    let bodies = [
        format!(r#"{{"KeyId": "{REGION}", "Plaintext": "{secret}", "CiphertextBlob": 7}}"#),
        format!(r#"{{"Plaintext": "{secret}""#),
        format!(r#"{{"KeyId": "k", "CiphertextBlob": "AAAA", "Plaintext": "{secret}A"}}"#),
        secret.clone(),
    ];
    for (status, body) in bodies.iter().flat_map(|body| [(200, body.clone()), (204, body.clone())]) {
        let sent = body.clone();
        let answer = move |_: &crate::http::Request| Answer::Http {
            status,
            headers: Vec::new(),
            body: sent.clone().into_bytes(),
        };
        let (kms, _server) = provider(answer, |builder| builder);
        let sse = Sse::builder().kms(kms, KmsKeys::all()).build().unwrap();
        let object = ObjectName::new("photos", "cat.jpg").unwrap();
        let error = sse.blocking().encrypt(&object, SseKms::new("alias/one"), b"meow").unwrap_err();
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut source = error.source();
        while let Some(error) = source {
            shown.push_str(&format!("{error} {error:?}"));
            source = error.source();
        }
        let Error::KeyProvider(error) = &error else { panic!("{error}") };
        if let Some(cause) = error.cause() {
            shown.push_str(&format!("{cause} {cause:?} {:?}", cause.source()));
        }
        assert!(!shown.contains(&secret[..12]) && !shown.contains("the plaintext"), "{shown}");
    }
}

#[test]
fn an_answer_without_a_key_or_a_key_id_has_the_id_of_its_request() {
    let key = BASE64.encode(&[7; 32]);
    let bodies = [
        (json!({ "KeyId": "k", "CiphertextBlob": "AAAA" }), Kind::WrongLength),
        (json!({ "KeyId": "k", "CiphertextBlob": "AAAA", "Plaintext": "AAAA" }), Kind::WrongLength),
        (json!({ "CiphertextBlob": "AAAA", "Plaintext": key }), Kind::WrongKey),
        (json!({ "KeyId": "", "CiphertextBlob": "AAAA", "Plaintext": key }), Kind::WrongKey),
    ];
    for (body, kind) in bodies {
        let (kms, _server) = provider(move |_| Answer::json(200, &body), |builder| builder);
        for (error, id) in [(generate(&kms), "request-0"), (unwrap(&kms), "request-1")] {
            assert_eq!((error.kind(), error.request_id()), (kind, Some(id)));
        }
    }
    let body = json!({ "KeyId": "k", "Plaintext": key });
    let (kms, _server) = provider(move |_| Answer::json(200, &body), |builder| builder);
    let error = generate(&kms);
    assert_eq!((error.kind(), error.request_id()), (Kind::WrongLength, Some("request-0")), "no wrapped key");
}

#[test]
fn a_client_without_credentials_or_region_is_misconfigured() {
    let server = Server::start(|_| Answer::Never);
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(server.url());
    let without_region = AwsKms::builder(Client::from_conf(config.clone().build())).build();
    assert!(matches!(without_region, Err(BuildError::NoRegion)));
    let client = Client::from_conf(config.region(Region::new(REGION)).build());
    let kms = Arc::new(AwsKms::builder(client).build().unwrap());
    let error = generate(&kms);
    assert_eq!((error.kind(), error.is_transient()), (Kind::Misconfigured, false), "{error:?}");
    assert_eq!(server.requests(), 0);
}
