//! Requests in few words, and something of every kind that can be stored.

use std::sync::Arc;

use atrest::s3::{
    Bucket, BucketEncryption, Decision, DefaultEncryption, EncryptionHeaders, Operation, S3Error, S3ErrorKind,
    S3Request, Stored, Transport, Write, decide,
};
use atrest::testing::MemoryKms;
use atrest::{
    AnyMode, CustomerKey, DsseKms, EncryptionContext, Envelope, Expected, Keyring, KmsKeys, ObjectName, Sse, SseC,
    SseKms, SseS3,
};
use data_encoding::BASE64;

pub(crate) const W: &str = "x-amz-server-side-encryption";
pub(crate) const K: &str = "x-amz-server-side-encryption-aws-kms-key-id";
pub(crate) const X: &str = "x-amz-server-side-encryption-context";
pub(crate) const B: &str = "x-amz-server-side-encryption-bucket-key-enabled";
pub(crate) const C_ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
pub(crate) const C_KEY: &str = "x-amz-server-side-encryption-customer-key";
pub(crate) const C_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";
pub(crate) const S_ALGORITHM: &str = "x-amz-copy-source-server-side-encryption-customer-algorithm";
pub(crate) const S_KEY: &str = "x-amz-copy-source-server-side-encryption-customer-key";
pub(crate) const S_MD5: &str = "x-amz-copy-source-server-side-encryption-customer-key-md5";

/// 32 bytes of `a`, and what botocore sends of them.
pub(crate) const KEY: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";
pub(crate) const KEY_MD5: &str = "Xsqb0+sHwAbNQ65I395/0w==";
pub(crate) const KEY_BYTES: [u8; 32] = [b'a'; 32];
/// 32 bytes of `b`.
pub(crate) const OTHER: &str = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=";
pub(crate) const OTHER_MD5: &str = "i0+eoW3kvPW7/A/x6iN5NA==";
/// 24 bytes, and their own MD5.
pub(crate) const SHORT: &str = "Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj";
pub(crate) const SHORT_MD5: &str = "45UTLlYuc3oTN7DHOeml5g==";

pub(crate) const CUSTOMER: [(&str, &str); 3] = [(C_ALGORITHM, "AES256"), (C_KEY, KEY), (C_MD5, KEY_MD5)];
pub(crate) const SOURCE: [(&str, &str); 3] = [(S_ALGORITHM, "AES256"), (S_KEY, KEY), (S_MD5, KEY_MD5)];

/// The KMS key of all that is stored.
pub(crate) const KMS_KEY: &str = "memory-kms:key/app";
/// What stands in a context, and in no error.
pub(crate) const CANARY: &str = "canary-of-a-context";

pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn headers(pairs: Pairs<'_>) -> EncryptionHeaders {
    parse(pairs).unwrap()
}

pub(crate) fn parse(pairs: Pairs<'_>) -> Result<EncryptionHeaders, S3Error> {
    EncryptionHeaders::from_form_fields(pairs.iter().copied())
}

/// As X has it.
pub(crate) fn context(json: &str) -> String {
    BASE64.encode(json.as_bytes())
}

pub(crate) fn bucket(default: DefaultEncryption) -> BucketEncryption {
    let mut bucket = BucketEncryption::default();
    bucket.default = default;
    bucket
}

pub(crate) fn kms_default(key_id: Option<&str>) -> BucketEncryption {
    bucket(DefaultEncryption::SseKms { key_id: key_id.map(str::to_owned) })
}

pub(crate) fn blocking() -> BucketEncryption {
    let mut bucket = BucketEncryption::default();
    bucket.blocks_customer_keys = true;
    bucket
}

/// An object or an upload in each mode, in the order of `ModeId::ALL`.
pub(crate) struct World {
    pub(crate) sse: Sse,
    pub(crate) kms: Arc<MemoryKms>,
    pub(crate) name: ObjectName,
    pub(crate) objects: Vec<(Envelope, Expected)>,
    pub(crate) uploads: Vec<(Envelope, Expected)>,
}

pub(crate) fn key() -> Arc<CustomerKey> {
    Arc::new(CustomerKey::from_bytes(&mut KEY_BYTES.clone()).unwrap())
}

pub(crate) fn modes() -> [AnyMode; 4] {
    let context = EncryptionContext::new().with("team", CANARY).unwrap();
    [
        SseS3.into(),
        SseKms::new(KMS_KEY).context(context.clone()).into(),
        DsseKms::new(KMS_KEY).context(context).into(),
        SseC::new(key()).into(),
    ]
}

impl World {
    pub(crate) fn new() -> Self {
        let kms = Arc::new(MemoryKms::new());
        assert_eq!(kms.create_key("app").unwrap(), KMS_KEY);
        kms.alias("alias/app", KMS_KEY);
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        let sse = Sse::builder().keyring(keyring).kms(kms.clone(), KmsKeys::all()).build().unwrap();
        let name = ObjectName::new("photos", "cat.jpg").unwrap();
        let recorded = |envelope: Envelope| {
            let expected = Expected::exactly(&envelope);
            (envelope, expected)
        };
        let object = |mode: AnyMode| recorded(sse.blocking().encrypt(&name, mode, b"meow").unwrap().envelope);
        let upload = |mode: AnyMode| {
            recorded(sse.blocking().begin_multipart(&name, b"upload", mode).unwrap().envelope().clone())
        };
        let (objects, uploads) = (modes().map(object).into(), modes().map(upload).into());
        Self { objects, uploads, sse, kms, name }
    }

    pub(crate) fn object(&self, at: usize) -> Stored<'_> {
        stored(&self.objects[at])
    }

    pub(crate) fn upload(&self, at: usize) -> Stored<'_> {
        stored(&self.uploads[at])
    }
}

pub(crate) fn stored((envelope, expected): &(Envelope, Expected)) -> Stored<'_> {
    Stored::Encrypted { envelope, expected }
}

pub(crate) const SSE_S3: usize = 0;
pub(crate) const SSE_KMS: usize = 1;
pub(crate) const DSSE_KMS: usize = 2;
pub(crate) const SSE_C: usize = 3;

/// An operation on what the world holds.
pub(crate) type Op = for<'a> fn(&'a World) -> Operation<'a>;

/// The error that a request is answered with, wherever it is told.
pub(crate) fn answer(
    world: &World,
    operation: Op,
    transport: Transport,
    pairs: Pairs<'_>,
    bucket: Option<&BucketEncryption>,
) -> Result<Decision, S3Error> {
    let headers = parse(pairs)?;
    decide(&S3Request::new(operation(world), &headers, transport, of(bucket)))
}

/// A bucket of this encryption, or of none.
pub(crate) fn of(bucket: Option<&BucketEncryption>) -> Bucket<'_> {
    bucket.map_or(Bucket::StoresInTheClear, Bucket::Encrypts)
}

/// Over TLS, on a bucket of AES256.
pub(crate) fn asked(world: &World, operation: Op, pairs: Pairs<'_>) -> Result<Decision, S3Error> {
    answer(world, operation, Transport::Secure, pairs, Some(&BucketEncryption::default()))
}

/// The same of an operation that is there already.
pub(crate) fn asked_of(
    operation: Operation<'_>,
    pairs: Pairs<'_>,
    bucket: &BucketEncryption,
) -> Result<Decision, S3Error> {
    decide(&S3Request::new(operation, &parse(pairs)?, Transport::Secure, bucket))
}

pub(crate) fn kind(answer: Result<Decision, S3Error>) -> Option<S3ErrorKind> {
    answer.err().map(|error| error.kind())
}

/// The mode that something is written in.
pub(crate) fn written(decision: &Decision) -> &AnyMode {
    match &decision.write {
        Some(Write::Encrypt(mode)) => mode,
        other => panic!("not encrypted: {other:?}"),
    }
}
