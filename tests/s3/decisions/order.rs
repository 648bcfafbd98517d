//! The order of checks: of two faults, the answer names the one that is checked first.

use atrest::s3::{BucketPolicy, PolicySource, S3ErrorKind as Kind, Stored, Transport};

use super::kit::*;

const DENY_ALL: &[u8] = br#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*"}]}"#;

/// The faults of a write in SSE-C and of one in SSE-KMS, in the order in which they are reported.
struct Faults<'a> {
    headers: Vec<(&'a str, &'a str)>,
    transport: Transport,
    denied: bool,
    blocked: bool,
}

fn first(operation: Operation, faults: &Faults<'_>) -> Kind {
    let bucket = if faults.blocked { blocking() } else { kms_default(None) };
    let ask = Ask::new(&faults.headers).over(faults.transport).on(bucket);
    let policy = BucketPolicy::from_json(DENY_ALL).unwrap();
    let policy = if faults.denied { PolicySource::Bucket(policy.into()) } else { PolicySource::Unasked };
    ask.under(policy).kind(operation).expect("a fault")
}

#[test]
fn each_check_comes_before_those_behind_it() {
    // A write in SSE-C that gets better step by step: the last thing to be told is its values.
    let bad_values = [(C_ALGORITHM, "aes"), (C_KEY, "ZZ"), (C_MD5, OTHER_MD5)];
    let mut faults = Faults {
        headers: [&[(W, "nonsense"), (K, "alias/app")], &bad_values[..2]].concat(),
        transport: Transport::Plain,
        denied: true,
        blocked: true,
    };
    let put = || Operation::Put;
    let mut told = vec![first(put(), &faults)];
    faults.headers.remove(0);
    told.push(first(put(), &faults));
    faults.headers.push((C_MD5, OTHER_MD5));
    told.push(first(put(), &faults));
    faults.transport = Transport::Secure;
    told.push(first(put(), &faults));
    faults.headers.remove(0);
    told.push(first(put(), &faults));
    faults.denied = false;
    told.push(first(put(), &faults));
    faults.blocked = false;
    told.push(first(put(), &faults));
    faults.headers[1].1 = KEY;
    told.push(first(put(), &faults));
    faults.headers[2].1 = KEY_MD5;
    told.push(first(put(), &faults));
    assert_eq!(
        told,
        [
            Kind::CustomerKeyConflict,
            Kind::CustomerKeyMd5Missing,
            Kind::CustomerKeyInsecure,
            Kind::KmsWithoutMethod,
            Kind::PolicyDenied,
            Kind::CustomerKeyBlocked,
            Kind::CustomerKeyTooShort,
            Kind::CustomerKeyMd5Mismatch,
            Kind::CustomerAlgorithm,
        ]
    );
}

#[test]
fn of_three_headers_the_algorithm_is_missed_first_and_then_the_key() {
    let world = World::new();
    let put: Op = |_| Operation::Put;
    assert_eq!(kind(asked(&world, put, &[CUSTOMER[2]])), Some(Kind::CustomerAlgorithmMissing));
    assert_eq!(kind(asked(&world, put, &[CUSTOMER[0]])), Some(Kind::CustomerKeyMissing));
    assert_eq!(kind(asked(&world, put, &CUSTOMER[..2])), Some(Kind::CustomerKeyMd5Missing));
    // Recorded: three empty ones are there, and the key is looked at first.
    let empty: Pairs<'_> = &[(C_ALGORITHM, ""), (C_KEY, ""), (C_MD5, "")];
    assert_eq!(kind(asked(&world, put, empty)), Some(Kind::CustomerKeyTooShort));
}

#[test]
fn an_unknown_method_and_bad_kms_values_are_told_after_the_policy() {
    let faults = |headers: Pairs<'static>, denied| Faults {
        headers: headers.to_vec(),
        transport: Transport::Secure,
        denied,
        blocked: false,
    };
    let unknown: Pairs<'static> = &[(W, "AES"), (K, ""), (X, "?")];
    assert_eq!(first(Operation::Put, &faults(unknown, true)), Kind::PolicyDenied);
    assert_eq!(first(Operation::Put, &faults(unknown, false)), Kind::MethodUnknown);
    let kms: Pairs<'static> = &[(W, "aws:kms"), (K, ""), (X, "?")];
    assert_eq!(first(Operation::Put, &faults(kms, true)), Kind::PolicyDenied);
    assert_eq!(first(Operation::Put, &faults(kms, false)), Kind::KmsKeyIdInvalid);
    let kms: Pairs<'static> = &[(W, "aws:kms:dsse"), (K, "alias/app"), (X, "?")];
    assert_eq!(first(Operation::Put, &faults(kms, false)), Kind::ContextInvalid);
    let kms: Pairs<'static> = &[(W, "aws:kms"), (B, "?")];
    assert_eq!(first(Operation::Put, &faults(kms, false)), Kind::BucketKeyInvalid);
}

#[test]
fn a_write_that_becomes_sse_kms_over_plain_http_is_refused_before_the_policy_is_asked() {
    // Recorded, with a default of SSE-KMS; with AES256 the policy was what refused.
    let faults = |headers: Pairs<'static>| Faults {
        headers: headers.to_vec(),
        transport: Transport::Plain,
        denied: true,
        blocked: false,
    };
    assert_eq!(first(Operation::Put, &faults(&[])), Kind::KmsInsecure);
    assert_eq!(first(Operation::Put, &faults(&[(W, "aws:kms")])), Kind::KmsInsecure);
    assert_eq!(first(Operation::Put, &faults(&[(W, "AES256")])), Kind::PolicyDenied);
    let world = World::new();
    assert_eq!(
        first(Operation::Get(world.object(SSE_KMS)), &faults(&[])),
        Kind::PolicyDenied,
        "of what is stored nothing is said before"
    );
}

#[test]
fn a_caller_that_is_denied_is_told_nothing_of_what_is_stored() {
    let world = World::new();
    let denied = |headers: Pairs<'static>| Faults {
        headers: headers.to_vec(),
        transport: Transport::Secure,
        denied: true,
        blocked: false,
    };
    for stored in [world.object(SSE_C), world.object(SSE_S3), Stored::unencrypted()] {
        for headers in [&[][..], &CUSTOMER] {
            assert_eq!(first(Operation::Get(stored.clone()), &denied(headers)), Kind::PolicyDenied);
        }
    }
    for upload in [world.upload(SSE_C), world.upload(SSE_S3), Stored::unencrypted()] {
        for headers in [&[][..], &CUSTOMER] {
            assert_eq!(first(Operation::Part(upload.clone()), &denied(headers)), Kind::PolicyDenied);
        }
    }
}

#[test]
fn the_source_of_a_copy_is_looked_at_before_what_is_written() {
    let copy = |world: &World, headers: Pairs<'static>| {
        let faults = Faults { headers: headers.to_vec(), transport: Transport::Secure, denied: false, blocked: false };
        first(Operation::Copy(world.object(SSE_C)), &faults)
    };
    let world = World::new();
    assert_eq!(copy(&world, &[(W, "nonsense")]), Kind::CustomerKeyRequired);
    assert_eq!(copy(&world, &[CUSTOMER[0], (C_KEY, SHORT), (C_MD5, SHORT_MD5)]), Kind::CustomerKeyRequired);
    assert_eq!(copy(&world, &[SOURCE[0], SOURCE[1], SOURCE[2], (W, "nonsense")]), Kind::MethodUnknown);
    // Recorded: all that is wrong with the source's group comes before the request's own.
    assert_eq!(copy(&world, &[CUSTOMER[0], SOURCE[1]]), Kind::CustomerAlgorithmMissing);
    assert_eq!(copy(&world, &[CUSTOMER[0], (S_ALGORITHM, "aes"), SOURCE[1], SOURCE[2]]), Kind::CustomerAlgorithm);
}

/// A client whose key was never set sends 32 zero bytes.
#[test]
fn a_customer_key_of_zeros_is_answered_as_a_key_of_a_wrong_length() {
    let zeros: Pairs<'_> = &[
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("x-amz-server-side-encryption-customer-key-md5", "cLyPS3KoaSFGi/joRB3OUQ=="),
    ];
    let Err(error) = Ask::new(zeros).decide(Operation::Put) else { panic!("it is refused") };
    assert_eq!(error.kind(), Kind::CustomerKeyInvalid);
    assert_eq!(error.message(), "The secret key was invalid for the specified algorithm.");
}
