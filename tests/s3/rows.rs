//! Every row of the table of errors that the decision answers.

use atrest::s3::{
    BucketEncryption, ObjectEncryption, Operation, Profile, S3ErrorKind, S3Request, Stored, Transport, decide,
};
use atrest::{Expected, KmsKeys};

use crate::kit::*;

struct Row {
    grade: &'static str,
    operation: Op,
    transport: Transport,
    headers: Pairs<'static>,
    bucket: fn() -> Option<BucketEncryption>,
    answer: (u16, &'static str, &'static str),
    argument: Option<(&'static str, Option<&'static str>)>,
}

const PUT: Op = |_| Operation::PutObject;
const POST: Op = |_| Operation::PostObject;
const CREATE: Op = |_| Operation::CreateMultipartUpload;
const COPY: Op = |w| Operation::CopyObject { source: w.object(SSE_S3) };
const COPY_OF_CUSTOMER: Op = |w| Operation::CopyObject { source: w.object(SSE_C) };
const PART: Op = |w| Operation::UploadPart { upload: w.upload(SSE_S3) };
const PART_OF_CUSTOMER: Op = |w| Operation::UploadPart { upload: w.upload(SSE_C) };
const PART_IN_THE_CLEAR: Op = |_| Operation::UploadPart { upload: Stored::InTheClear };
const PART_COPY_OF_CUSTOMER: Op = |w| Operation::UploadPartCopy { upload: w.upload(SSE_S3), source: w.object(SSE_C) };
const COMPLETE_CUSTOMER: Op = |w| Operation::CompleteMultipartUpload { upload: w.upload(SSE_C) };
const GET: Op = |w| Operation::GetObject { object: w.object(SSE_S3) };
const GET_KMS: Op = |w| Operation::GetObject { object: w.object(SSE_KMS) };
const GET_IN_THE_CLEAR: Op = |_| Operation::GetObject { object: Stored::InTheClear };
const GET_CUSTOMER: Op = |w| Operation::GetObject { object: w.object(SSE_C) };
const HEAD: Op = |w| Operation::HeadObject { object: w.object(SSE_S3) };
const HEAD_CUSTOMER: Op = |w| Operation::HeadObject { object: w.object(SSE_C) };
const ATTRIBUTES_OF_CUSTOMER: Op = |w| Operation::GetObjectAttributes { object: w.object(SSE_C) };

const CONFLICT: &str =
    "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
const ALGORITHM: &str = "The Encryption request you specified is not valid. Supported value: AES256.";
const NO_ALGORITHM: &str =
    "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.";
const NO_KEY: &str =
    "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.";
const BAD_KEY: &str = "The secret key was invalid for the specified algorithm.";
const BAD_MD5: &str = "The calculated MD5 hash of the key did not match the hash that was provided.";
const NO_MD5: &str = "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.";
const REQUIRED: &str = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
const WRONG: &str =
    "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.";
const NOT_APPLICABLE: &str = "The encryption parameters are not applicable to this object.";
const NOT_SUPPORTED: &str = "x-amz-server-side-encryption header is not supported for this operation.";
const UNKNOWN: &str = "The encryption method specified is not supported";
const KMS_ALONE: &str =
    "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms";
const INSECURE_CUSTOMER: &str =
    "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.";
const INSECURE_KMS: &str =
    "Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.";
const PART_ENCRYPTION: &str = "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.";
const PART_KEY: &str = "The provided encryption parameters did not match the ones used originally.";
const BLOCKED: &str = "This bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type";
const CONTEXT: &str = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map";

const INVALID_ARGUMENT: &str = "InvalidArgument";
const INVALID_REQUEST: &str = "InvalidRequest";
const DENIED: &str = "AccessDenied";

const NULL: Option<(&str, Option<&str>)> = Some((W, Some("null")));

const fn row(
    grade: &'static str,
    operation: Op,
    headers: Pairs<'static>,
    answer: (u16, &'static str, &'static str),
    argument: Option<(&'static str, Option<&'static str>)>,
) -> Row {
    Row {
        grade,
        operation,
        transport: Transport::Secure,
        headers,
        bucket: || Some(BucketEncryption::default()),
        answer,
        argument,
    }
}

const fn plain(row: Row) -> Row {
    Row { transport: Transport::Plain, ..row }
}

const fn on(bucket: fn() -> Option<BucketEncryption>, row: Row) -> Row {
    Row { bucket, ..row }
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let wrong_key: Pairs<'static> = &[(C_ALGORITHM, "AES256"), (C_KEY, OTHER), (C_MD5, OTHER_MD5)];
    let short_key: Pairs<'static> = &[(C_ALGORITHM, "AES256"), (C_KEY, SHORT), (C_MD5, SHORT_MD5)];
    vec![
        // SSE-C and W.
        row("R", PUT, &[(W, "AES256"), CUSTOMER[0], CUSTOMER[1], CUSTOMER[2]], (400, INVALID_ARGUMENT, CONFLICT), Some((W, Some("AES256")))),
        row("R", PUT, &[(W, "AES256"), (C_ALGORITHM, "AES512"), CUSTOMER[1], CUSTOMER[2]], (400, INVALID_ARGUMENT, CONFLICT), Some((W, Some("AES256")))),
        row("R", CREATE, &[(W, "aws:kms"), CUSTOMER[0], CUSTOMER[1], CUSTOMER[2]], (400, INVALID_ARGUMENT, CONFLICT), Some((W, Some("aws:kms")))),
        row("–", POST, &[(W, "aws:kms:dsse"), CUSTOMER[0], CUSTOMER[1], CUSTOMER[2]], (400, INVALID_ARGUMENT, CONFLICT), Some((W, Some("aws:kms:dsse")))),
        row("–", COPY, &[(W, "AES256"), (C_MD5, KEY_MD5)], (400, INVALID_ARGUMENT, CONFLICT), Some((W, Some("AES256")))),
        // The algorithm.
        row("R", PUT, &[(C_ALGORITHM, "aes"), CUSTOMER[1], CUSTOMER[2]], (400, "InvalidEncryptionAlgorithmError", ALGORITHM), Some((W, Some("aes")))),
        row("R", GET_CUSTOMER, &[(C_ALGORITHM, "aes"), CUSTOMER[1], CUSTOMER[2]], (400, "InvalidEncryptionAlgorithmError", ALGORITHM), Some((W, Some("aes")))),
        row("R", ATTRIBUTES_OF_CUSTOMER, &[(C_ALGORITHM, "aes"), CUSTOMER[1], CUSTOMER[2]], (400, "InvalidEncryptionAlgorithmError", ALGORITHM), Some((W, Some("aes")))),
        row("R", COPY_OF_CUSTOMER, &[(S_ALGORITHM, "aes"), SOURCE[1], SOURCE[2]], (400, "InvalidEncryptionAlgorithmError", ALGORITHM), Some((W, Some("aes")))),
        row("R", POST, &[(C_ALGORITHM, ""), CUSTOMER[1], CUSTOMER[2]], (400, "InvalidEncryptionAlgorithmError", ALGORITHM), Some((W, Some("")))),
        row("R", PUT, &[CUSTOMER[1], CUSTOMER[2]], (400, INVALID_ARGUMENT, NO_ALGORITHM), NULL),
        row("R", PUT, &[CUSTOMER[1]], (400, INVALID_ARGUMENT, NO_ALGORITHM), NULL),
        row("R", POST, &[(C_KEY, "")], (400, INVALID_ARGUMENT, NO_ALGORITHM), NULL),
        row("R", POST, &[(C_MD5, "")], (400, INVALID_ARGUMENT, NO_ALGORITHM), NULL),
        // The key.
        row("R", PUT, &[CUSTOMER[0], CUSTOMER[2]], (400, INVALID_ARGUMENT, NO_KEY), NULL),
        row("R", POST, &[(C_ALGORITHM, "")], (400, INVALID_ARGUMENT, NO_KEY), NULL),
        row("R", PUT, short_key, (400, INVALID_ARGUMENT, BAD_KEY), NULL),
        row("–", PUT, &[CUSTOMER[0], (C_KEY, "not base64, not at all"), CUSTOMER[2]], (400, INVALID_ARGUMENT, BAD_KEY), NULL),
        row("–", CREATE, &[CUSTOMER[0], (C_KEY, ""), CUSTOMER[2]], (400, INVALID_ARGUMENT, BAD_KEY), NULL),
        row("–", PART_OF_CUSTOMER, short_key, (400, INVALID_ARGUMENT, BAD_KEY), NULL),
        // Its MD5.
        row("R", PUT, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, OTHER_MD5)], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("R", POST, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, "")], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("–", PUT, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, "*")], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("M", PUT, &[CUSTOMER[0], CUSTOMER[1]], (400, INVALID_ARGUMENT, NO_MD5), None),
        row("M", GET_CUSTOMER, &[CUSTOMER[0], CUSTOMER[1]], (400, INVALID_ARGUMENT, NO_MD5), None),
        row("–", COPY_OF_CUSTOMER, &[SOURCE[0], SOURCE[1]], (400, INVALID_ARGUMENT, NO_MD5), None),
        // Reading SSE-C.
        row("R", GET_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", HEAD_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", ATTRIBUTES_OF_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", COPY_OF_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("–", COPY_OF_CUSTOMER, &CUSTOMER, (400, INVALID_REQUEST, REQUIRED), None),
        row("–", PART_COPY_OF_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", GET_CUSTOMER, wrong_key, (403, DENIED, WRONG), None),
        row("R", GET_CUSTOMER, short_key, (403, DENIED, WRONG), None),
        row("–", GET_CUSTOMER, &[CUSTOMER[0], (C_KEY, "?"), CUSTOMER[2]], (403, DENIED, WRONG), None),
        row("–", GET_CUSTOMER, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, OTHER_MD5)], (403, DENIED, WRONG), None),
        row("R", HEAD_CUSTOMER, wrong_key, (403, DENIED, WRONG), None),
        row("–", COPY_OF_CUSTOMER, &[SOURCE[0], (S_KEY, OTHER), (S_MD5, OTHER_MD5)], (403, DENIED, WRONG), None),
        // A customer key for what has none.
        row("I", GET, &CUSTOMER, (400, INVALID_REQUEST, NOT_APPLICABLE), None),
        row("I", GET_IN_THE_CLEAR, &CUSTOMER, (400, INVALID_REQUEST, NOT_APPLICABLE), None),
        row("I", HEAD, short_key, (400, INVALID_REQUEST, NOT_APPLICABLE), None),
        row("–", COPY, &SOURCE, (400, INVALID_REQUEST, NOT_APPLICABLE), None),
        // Methods.
        row("I", GET, &[(W, "AES256")], (400, INVALID_ARGUMENT, NOT_SUPPORTED), Some((W, Some("AES256")))),
        row("I", HEAD, &[(W, "aws:kms")], (400, INVALID_ARGUMENT, NOT_SUPPORTED), Some((W, Some("aws:kms")))),
        row("I", PART, &[(W, "AES256")], (400, INVALID_ARGUMENT, NOT_SUPPORTED), Some((W, Some("AES256")))),
        row("–", PART_IN_THE_CLEAR, &[(W, "AES256")], (400, INVALID_ARGUMENT, NOT_SUPPORTED), Some((W, Some("AES256")))),
        row("–", COMPLETE_CUSTOMER, &[(W, "AES256")], (400, INVALID_ARGUMENT, NOT_SUPPORTED), Some((W, Some("AES256")))),
        row("I", PUT, &[(W, "")], (400, INVALID_ARGUMENT, UNKNOWN), Some((W, Some("")))),
        row("I", PUT, &[(W, "aes256")], (400, INVALID_ARGUMENT, UNKNOWN), Some((W, Some("aes256")))),
        row("I", CREATE, &[(W, "aes:kms"), (K, "alias/app")], (400, INVALID_ARGUMENT, UNKNOWN), Some((W, Some("aes:kms")))),
        // KMS without its method.
        row("M", PUT, &[(K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), None),
        row("M", PUT, &[(W, "AES256"), (K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), None),
        on(|| Some(kms_default(None)), row("–", PUT, &[(K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), None)),
        row("–", PUT, &[CUSTOMER[0], CUSTOMER[1], CUSTOMER[2], (K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), None),
        row("–", PUT, &[(X, "e30=")], (400, INVALID_ARGUMENT, KMS_ALONE), None),
        on(|| None, row("–", PUT, &[(B, "true")], (400, INVALID_ARGUMENT, KMS_ALONE), None)),
        // Transport.
        plain(row("M, A", PUT, &CUSTOMER, (400, INVALID_REQUEST, INSECURE_CUSTOMER), None)),
        plain(row("M, A", GET_CUSTOMER, &CUSTOMER, (400, INVALID_REQUEST, INSECURE_CUSTOMER), None)),
        plain(row("–", COPY_OF_CUSTOMER, &SOURCE, (400, INVALID_REQUEST, INSECURE_CUSTOMER), None)),
        plain(row("I", PUT, &[(W, "aws:kms")], (400, INVALID_ARGUMENT, INSECURE_KMS), None)),
        plain(row("–", PUT, &[(W, "aws:kms:dsse")], (400, INVALID_ARGUMENT, INSECURE_KMS), None)),
        plain(on(|| Some(kms_default(None)), row("I", PUT, &[], (400, INVALID_ARGUMENT, INSECURE_KMS), None))),
        plain(row("A", GET_KMS, &[], (400, INVALID_ARGUMENT, INSECURE_KMS), None)),
        // Parts.
        row("R", PART, &CUSTOMER, (400, INVALID_REQUEST, PART_ENCRYPTION), None),
        row("R", PART_IN_THE_CLEAR, &CUSTOMER, (400, INVALID_REQUEST, PART_ENCRYPTION), None),
        row("R", PART_OF_CUSTOMER, &[], (400, INVALID_REQUEST, PART_ENCRYPTION), None),
        row("–", COMPLETE_CUSTOMER, &[], (400, INVALID_REQUEST, PART_ENCRYPTION), None),
        row("R", PART_OF_CUSTOMER, wrong_key, (400, INVALID_REQUEST, PART_KEY), None),
        row("–", COMPLETE_CUSTOMER, wrong_key, (400, INVALID_REQUEST, PART_KEY), None),
        // KMS values.
        row("–", PUT, &[(W, "aws:kms"), (K, "")], (400, "KMS.NotFoundException", "Invalid keyId ''"), None),
        row("I", PUT, &[(W, "aws:kms"), (X, "eyJhIjp7fX0=")], (400, INVALID_ARGUMENT, CONTEXT), Some((X, None))),
        row("I", PUT, &[(W, "aws:kms:dsse"), (X, "{}")], (400, INVALID_ARGUMENT, CONTEXT), Some((X, None))),
        row("–", PUT, &[(W, "aws:kms"), (B, "yes")], (400, INVALID_ARGUMENT, "The BucketKeyEnabled value isn't valid. Valid values are true or false."), Some((B, None))),
        // Blocked, before the key is looked at.
        on(|| Some(blocking()), row("A", PUT, &CUSTOMER, (403, DENIED, BLOCKED), None)),
        on(|| Some(blocking()), row("A", COPY, &CUSTOMER, (403, DENIED, BLOCKED), None)),
        on(|| Some(blocking()), row("A", POST, short_key, (403, DENIED, BLOCKED), None)),
        on(|| Some(blocking()), row("A", CREATE, &CUSTOMER, (403, DENIED, BLOCKED), None)),
        on(|| Some(blocking()), row("A", PART_OF_CUSTOMER, &CUSTOMER, (403, DENIED, BLOCKED), None)),
        on(|| Some(blocking()), row("–", COMPLETE_CUSTOMER, &CUSTOMER, (403, DENIED, BLOCKED), None)),
    ]
}

#[test]
fn every_row_of_the_table_is_answered_word_for_word() {
    let world = World::new();
    for (at, row) in rows().iter().enumerate() {
        let bucket = (row.bucket)();
        let error = answer(&world, row.operation, row.transport, row.headers, bucket.as_ref())
            .expect_err(&format!("row {at}: {:?}", row.headers));
        let (status, code, message) = row.answer;
        let what = format!("row {at} ({}): {:?}", row.grade, row.headers);
        assert_eq!((error.status().as_u16(), error.code(), &*error.message()), (status, code, message), "{what}");
        assert_eq!(error.argument(), row.argument, "{what}");
    }
}

#[test]
fn a_blocked_bucket_is_still_read() {
    let world = World::new();
    let decision = answer(&world, GET_CUSTOMER, Transport::Secure, &CUSTOMER, Some(&blocking())).unwrap();
    assert!(decision.read.is_some());
}

#[test]
fn objects_are_updated_from_sse_s3_and_sse_kms_alone() {
    let world = World::new();
    let target = ObjectEncryption::new("alias/app");
    let bucket = BucketEncryption::default();
    let headers = headers(&[]);
    let asked = |object, transport| {
        let operation = Operation::UpdateObjectEncryption { object, target: &target };
        decide(&S3Request::new(operation, &headers, transport, &bucket))
    };
    let plain = "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.";
    let mode = "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.";
    for (object, message) in [(Stored::InTheClear, plain), (world.object(DSSE_KMS), mode), (world.object(SSE_C), mode)]
    {
        let error = asked(object, Transport::Secure).unwrap_err();
        assert_eq!((error.status().as_u16(), error.code(), &*error.message()), (400, INVALID_REQUEST, message));
    }
    let error = asked(world.object(SSE_S3), Transport::Plain).unwrap_err();
    assert_eq!(error.message(), INSECURE_KMS);
    for at in [SSE_S3, SSE_KMS] {
        let decision = asked(world.object(at), Transport::Secure).unwrap();
        assert!(decision.keeps_etag_and_last_modified && decision.write.is_none());
        let (envelope, _) = &world.objects[at];
        let access = decision.read.as_ref().unwrap();
        let sse = world.sse.expecting(access.expected().unwrap().clone());
        let fresh = sse.blocking().rewrap_as(
            &world.name,
            envelope,
            access.unlock(),
            &world.name,
            decision.rewrap.clone().unwrap(),
        );
        let fresh = fresh.unwrap();
        assert_eq!(fresh.kms_key_id(), Some(KMS_KEY));
        assert_eq!(fresh.context(), envelope.context(), "it is no copy: the pairs stay");
        assert!(decision.response_headers(Some(&fresh)).is_empty());
    }
}

#[test]
fn where_servers_differ_the_profile_says_which() {
    let world = World::new();
    let wrong: Pairs<'_> = &[CUSTOMER[0], (C_KEY, OTHER), (C_MD5, OTHER_MD5)];
    let error = asked(&world, GET_CUSTOMER, wrong).unwrap_err();
    assert_eq!(error.clone().in_profile(Profile::Amazon).status().as_u16(), 403);
    assert_eq!(error.clone().in_profile(Profile::CephTests).status().as_u16(), 400);

    let bucket = BucketEncryption::default();
    for method in ["aws:kms", "aws:kms:dsse"] {
        let headers = headers(&[(W, method)]);
        let request = S3Request::new(Operation::PutObject, &headers, Transport::Secure, &bucket);
        assert!(decide(&request).is_ok(), "S3 takes its own key");
        let error = decide(&request.profile(Profile::CephTests)).unwrap_err();
        assert_eq!(
            (error.clone().in_profile(Profile::CephTests).status().as_u16(), error.code()),
            (400, INVALID_ARGUMENT)
        );
        assert!(error.message().contains("aws-kms-key-id"));
    }
}

#[test]
fn what_the_store_gives_in_place_of_what_is_on_record_is_told_to_no_client() {
    let world = World::new();
    let bucket = BucketEncryption::default();
    let headers = headers(&[]);
    let (sse_s3, (customer, _)) = (&world.objects[SSE_S3], &world.objects[SSE_C]);
    let (upload, _) = &world.uploads[SSE_S3];
    let other_kms_key = Expected::new().kms_keys(KmsKeys::only(["another"]));
    for stored in [
        Stored::Encrypted { envelope: customer, expected: &sse_s3.1 },
        Stored::Encrypted { envelope: &world.objects[SSE_KMS].0, expected: &other_kms_key },
        Stored::Encrypted { envelope: &world.objects[DSSE_KMS].0, expected: &other_kms_key },
        Stored::Encrypted { envelope: upload, expected: &world.objects[SSE_KMS].1 },
    ] {
        let operation = Operation::GetObject { object: stored };
        let request = S3Request::new(operation, &headers, Transport::Secure, &bucket);
        let error = decide(&request).unwrap_err();
        assert_eq!((error.kind(), error.code()), (S3ErrorKind::StoredUnexpected, "InternalError"));
    }
    // What is on record as an upload is no object yet.
    let operation = Operation::GetObject { object: stored(&world.uploads[SSE_S3]) };
    let request = S3Request::new(operation, &headers, Transport::Secure, &bucket);
    assert_eq!(kind(decide(&request)), Some(S3ErrorKind::NoSuchKey));
    let operation = Operation::UploadPart { upload: stored(sse_s3) };
    let request = S3Request::new(operation, &headers, Transport::Secure, &bucket);
    assert_eq!(kind(decide(&request)), Some(S3ErrorKind::StoredUnexpected));
}
