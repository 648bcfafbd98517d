//! Every row of the decision's table of errors.

use atrest::s3::{
    BucketDefault, BucketEncryption, EncryptionRecord, ObjectEncryption, Profile, S3ErrorKind, S3Rules, Stored,
    Transport,
};
use atrest::{KmsKeys, Rewrap, SseKms};

use super::kit::*;

struct Row {
    grade: &'static str,
    operation: Op,
    transport: Transport,
    headers: Pairs<'static>,
    bucket: fn() -> Option<BucketEncryption>,
    answer: (u16, &'static str, &'static str),
    argument: Option<(&'static str, Option<&'static str>)>,
}

const PUT: Op = |_| Operation::Put;
const POST: Op = |_| Operation::Post;
const CREATE: Op = |_| Operation::Create;
const COPY: Op = |w| Operation::Copy(w.object(SSE_S3));
const COPY_OF_CUSTOMER: Op = |w| Operation::Copy(w.object(SSE_C));
const PART: Op = |w| Operation::Part(w.upload(SSE_S3));
const PART_OF_CUSTOMER: Op = |w| Operation::Part(w.upload(SSE_C));
const PART_IN_THE_CLEAR: Op = |_| Operation::Part(Stored::unencrypted());
const PART_COPY_OF_CUSTOMER: Op = |w| Operation::PartCopy { upload: w.upload(SSE_S3), source: w.object(SSE_C) };
const COMPLETE_CUSTOMER: Op = |w| Operation::Complete(w.upload(SSE_C));
const GET: Op = |w| Operation::Get(w.object(SSE_S3));
const GET_KMS: Op = |w| Operation::Get(w.object(SSE_KMS));
const GET_IN_THE_CLEAR: Op = |_| Operation::Get(Stored::unencrypted());
const GET_CUSTOMER: Op = |w| Operation::Get(w.object(SSE_C));
const HEAD: Op = |w| Operation::Head(w.object(SSE_S3));
const HEAD_CUSTOMER: Op = |w| Operation::Head(w.object(SSE_C));
const ATTRIBUTES_OF_CUSTOMER: Op = |w| Operation::Attributes(w.object(SSE_C));

const CONFLICT: &str =
    "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
const ALGORITHM: &str = "The Encryption request you specified is not valid. Supported value: AES256.";
const NO_ALGORITHM: &str =
    "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.";
const NO_KEY: &str =
    "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.";
const BAD_KEY: &str = "The secret key was invalid for the specified algorithm.";
const TOO_SHORT: &str = "The secret key was invalid - too short.";
const NOT_ASCII: &str = "The secret key was improperly encoded. The secret key must be Base64 encoded.";
const COMPLETION: &str = "The object was stored using a form of Server Side Encryption. Correct SSE-C request parameters are required for this request when specifying checksums for each part.";
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
const BLOCKED: &str = "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::photos/cat.jpg\" because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type";
const CONTEXT: &str = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map";

const INVALID_ARGUMENT: &str = "InvalidArgument";
const INVALID_REQUEST: &str = "InvalidRequest";
const DENIED: &str = "AccessDenied";

const NULL: Option<(&str, Option<&str>)> = Some((W, None));

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
        row("R", PUT, &[CUSTOMER[0], (C_KEY, "not base64, not at all"), CUSTOMER[2]], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("R", CREATE, &[CUSTOMER[0], (C_KEY, ""), CUSTOMER[2]], (400, INVALID_ARGUMENT, TOO_SHORT), Some((W, Some("")))),
        row("R", CREATE, &[CUSTOMER[0], (C_KEY, "ZZ"), CUSTOMER[2]], (400, INVALID_ARGUMENT, TOO_SHORT), NULL),
        row("R", POST, &[CUSTOMER[0], (C_KEY, "\u{e9}"), CUSTOMER[2]], (400, INVALID_ARGUMENT, NOT_ASCII), NULL),
        row("R", PART_OF_CUSTOMER, short_key, (400, INVALID_REQUEST, PART_KEY), None),
        // Its MD5.
        row("R", PUT, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, OTHER_MD5)], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("R", POST, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, "")], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("–", PUT, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, "*")], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("R", PUT, &[CUSTOMER[0], CUSTOMER[1]], (400, INVALID_ARGUMENT, NO_MD5), NULL),
        // Reading SSE-C.
        row("R", GET_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", HEAD_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", ATTRIBUTES_OF_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", COPY_OF_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("–", COPY_OF_CUSTOMER, &CUSTOMER, (400, INVALID_REQUEST, REQUIRED), None),
        row("–", PART_COPY_OF_CUSTOMER, &[], (400, INVALID_REQUEST, REQUIRED), None),
        row("R", GET_CUSTOMER, wrong_key, (403, DENIED, WRONG), None),
        row("R", GET_CUSTOMER, short_key, (403, DENIED, WRONG), None),
        row("R", GET_CUSTOMER, &[CUSTOMER[0], (C_KEY, "?"), CUSTOMER[2]], (400, INVALID_ARGUMENT, TOO_SHORT), NULL),
        row("R", GET_CUSTOMER, &[CUSTOMER[0], CUSTOMER[1], (C_MD5, OTHER_MD5)], (400, INVALID_ARGUMENT, BAD_MD5), NULL),
        row("R", HEAD_CUSTOMER, wrong_key, (403, DENIED, WRONG), None),
        row("R", COPY_OF_CUSTOMER, &[SOURCE[0], (S_KEY, OTHER), (S_MD5, OTHER_MD5)], (400, INVALID_REQUEST, PART_KEY), None),
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
        row("M", PUT, &[(K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), NULL),
        row("M", PUT, &[(W, "AES256"), (K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), NULL),
        on(|| Some(kms_default(None)), row("–", PUT, &[(K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), NULL)),
        row("–", PUT, &[CUSTOMER[0], CUSTOMER[1], CUSTOMER[2], (K, "alias/app")], (400, INVALID_ARGUMENT, KMS_ALONE), NULL),
        row("–", PUT, &[(X, "e30=")], (400, INVALID_ARGUMENT, KMS_ALONE), NULL),
        on(|| None, row("–", PUT, &[(B, "true")], (400, INVALID_ARGUMENT, KMS_ALONE), NULL)),
        // Transport.
        plain(row("R", PUT, &CUSTOMER, (400, INVALID_ARGUMENT, INSECURE_CUSTOMER), NULL)),
        plain(row("R", GET_CUSTOMER, &CUSTOMER, (400, INVALID_ARGUMENT, INSECURE_CUSTOMER), NULL)),
        plain(row("–", COPY_OF_CUSTOMER, &SOURCE, (400, INVALID_ARGUMENT, INSECURE_CUSTOMER), NULL)),
        plain(row("I", PUT, &[(W, "aws:kms")], (400, INVALID_ARGUMENT, INSECURE_KMS), None)),
        plain(row("–", PUT, &[(W, "aws:kms:dsse")], (400, INVALID_ARGUMENT, INSECURE_KMS), None)),
        plain(on(|| Some(kms_default(None)), row("I", PUT, &[], (400, INVALID_ARGUMENT, INSECURE_KMS), None))),
        plain(row("A", GET_KMS, &[], (400, INVALID_ARGUMENT, INSECURE_KMS), None)),
        // Parts.
        row("R", PART, &CUSTOMER, (400, INVALID_REQUEST, PART_ENCRYPTION), None),
        row("R", PART_IN_THE_CLEAR, &CUSTOMER, (400, INVALID_REQUEST, PART_ENCRYPTION), None),
        row("R", PART_OF_CUSTOMER, &[], (400, INVALID_REQUEST, PART_ENCRYPTION), None),
                row("R", PART_OF_CUSTOMER, wrong_key, (400, INVALID_REQUEST, PART_KEY), None),
        row("R", COMPLETE_CUSTOMER, wrong_key, (400, INVALID_REQUEST, COMPLETION), None),
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
        let bucket = (row.bucket)().map_or(BucketDefault::Absent, BucketDefault::Explicit);
        let error = Ask::new(row.headers)
            .over(row.transport)
            .on(bucket)
            .decide((row.operation)(&world))
            .expect_err(&format!("row {at}: {:?}", row.headers));
        let (status, code, message) = row.answer;
        let what = format!("row {at} ({}): {:?}", row.grade, row.headers);
        assert_eq!((super::kit::status(&error), error.code(), &*error.message()), (status, code, message), "{what}");
        assert_eq!(error.argument(), row.argument, "{what}");
    }
}

#[test]
fn a_blocked_bucket_is_still_read() {
    let world = World::new();
    assert!(Ask::new(&CUSTOMER).on(blocking()).decide(GET_CUSTOMER(&world)).is_ok());
}

#[test]
fn objects_are_updated_from_sse_s3_and_sse_kms_alone() {
    let world = World::new();
    let ask = Ask::new(&[]);
    let asked = |object, transport| {
        ask.clone().over(transport).decide(Operation::Update(object, ObjectEncryption::new("alias/app")))
    };
    let plain = "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.";
    let mode = "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.";
    let unencrypted = Stored::unencrypted();
    for (object, message) in [(unencrypted, plain), (world.object(DSSE_KMS), mode), (world.object(SSE_C), mode)] {
        let error = asked(object, Transport::Secure).unwrap_err();
        assert_eq!((status(&error), error.code(), &*error.message()), (400, INVALID_REQUEST, message));
    }
    let error = asked(world.object(SSE_S3), Transport::Plain).unwrap_err();
    assert_eq!(error.message(), INSECURE_KMS);
    for at in [SSE_S3, SSE_KMS] {
        let Ok(Decided::Update(decision)) = asked(world.object(at), Transport::Secure) else { panic!("decided") };
        let envelope = &world.objects[at];
        let sse = world.sse.expecting(decision.access.expected().clone());
        let mode = decision.encryption.mode();
        let fresh =
            sse.blocking().rewrap(Rewrap::of(&world.name, envelope, decision.access.unlock()).to(&world.name, mode));
        let fresh = fresh.unwrap();
        assert_eq!(fresh.kms_key_id(), Some(KMS_KEY));
        assert_eq!(fresh.context(), envelope.context(), "it is no copy: the pairs stay");
        assert_eq!(decision.encryption.record(&fresh).kms_key_id(), Some(KMS_KEY));
    }
}

#[test]
fn where_servers_differ_the_profile_says_which() {
    let world = World::new();
    let ceph = S3Rules::new().with_profile(Profile::CephTests);
    let wrong: Pairs<'_> = &[CUSTOMER[0], (C_KEY, OTHER), (C_MD5, OTHER_MD5)];
    let error = asked(&world, GET_CUSTOMER, wrong).unwrap_err();
    assert_eq!((status(&error), ceph.status(&error).as_u16()), (403, 400));

    for method in ["aws:kms", "aws:kms:dsse"] {
        let ask = Ask::new(&[(W, method)]);
        assert!(ask.decide(Operation::Put).is_ok(), "S3 takes its own key");
        let error = ask.rules(ceph.clone()).decide(Operation::Put).unwrap_err();
        assert_eq!((status(&error), error.code()), (400, INVALID_ARGUMENT));
        assert!(error.message().contains("aws-kms-key-id"));
    }
}

#[test]
fn what_the_store_gives_in_place_of_what_is_on_record_is_told_to_no_client() {
    let world = World::new();
    let record = |at: usize| EncryptionRecord::of_envelope(&world.objects[at]);
    let another = {
        let kms = world.kms.create_key("another").unwrap();
        let sse = world.sse.expecting(atrest::Expected::new().with_kms_keys(KmsKeys::only([&*kms])));
        let encrypted = sse.blocking().encrypt(&world.name, SseKms::new(&kms), b"meow").unwrap();
        EncryptionRecord::of_envelope(&encrypted.envelope)
    };
    for stored in [
        Stored::encrypted(record(SSE_S3), world.objects[SSE_C].clone()),
        Stored::encrypted(another, world.objects[SSE_KMS].clone()),
        Stored::encrypted(record(SSE_KMS), world.uploads[SSE_S3].clone()),
        Stored::encrypted(EncryptionRecord::unencrypted(), world.objects[SSE_S3].clone()),
    ] {
        let error = Ask::new(&[]).decide(Operation::Get(stored)).unwrap_err();
        assert_eq!((error.kind(), error.code()), (S3ErrorKind::StoredUnexpected, "InternalError"));
    }
    // What is on record as an upload is no object yet.
    let ask = Ask::new(&[]);
    assert_eq!(ask.kind(Operation::Get(world.upload(SSE_S3))), Some(S3ErrorKind::NoSuchKey));
    assert_eq!(ask.kind(Operation::Part(world.object(SSE_S3))), Some(S3ErrorKind::StoredUnexpected));
}
