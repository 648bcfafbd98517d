//! Test kit: short forms of requests, and a stored object of every kind.

use std::sync::Arc;

use atrest::s3::{
    BlockedEncryption, BucketDefault, BucketEncryption, Caller, CompleteDecision, CopyDecision, CopySource,
    DefaultEncryption, EncryptionHeaders, EncryptionRecord, NewEncryption, NewObject, ObjectEncryption,
    PartCopyDecision, PartDecision, PolicySource, ReadDecision, ReadKind, Resource, S3Error, S3ErrorKind, S3Request,
    S3Rules, Signature, Stored, Transport, UpdateDecision, WriteDecision, Writing,
};
use atrest::testing::MemoryKms;
use atrest::{
    AnyMode, CustomerKey, DsseKms, EncryptionContext, Envelope, Keyring, KmsKeys, ObjectName, Sse, SseC, SseKms, SseS3,
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
/// A context value, which no error may show.
pub(crate) const CANARY: &str = "canary-of-a-context";

pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn headers(pairs: Pairs<'_>) -> EncryptionHeaders {
    parse(pairs).unwrap()
}

pub(crate) fn parse(pairs: Pairs<'_>) -> Result<EncryptionHeaders, S3Error> {
    EncryptionHeaders::from_form_fields(pairs.iter().copied())
}

/// Encodes an encryption context as its header does.
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
    bucket.blocked = Some(BlockedEncryption::SseC);
    bucket
}

/// An object or an upload in each mode, in the order of `ModeId::ALL`.
pub(crate) struct World {
    pub(crate) sse: Sse,
    pub(crate) kms: Arc<MemoryKms>,
    pub(crate) name: ObjectName,
    pub(crate) objects: Vec<Envelope>,
    pub(crate) uploads: Vec<Envelope>,
}

pub(crate) fn key() -> Arc<CustomerKey> {
    Arc::new(CustomerKey::from_slice(&mut KEY_BYTES.clone()).unwrap())
}

pub(crate) fn modes() -> [AnyMode; 4] {
    let context = EncryptionContext::new().with("team", CANARY).unwrap();
    [
        SseS3.into(),
        SseKms::new(KMS_KEY).with_context(context.clone()).into(),
        DsseKms::new(KMS_KEY).with_context(context).into(),
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
        let object = |mode: AnyMode| sse.blocking().encrypt(&name, mode, b"meow").unwrap().envelope;
        let upload = |mode: AnyMode| sse.blocking().begin_multipart(&name, b"upload", mode).unwrap().envelope().clone();
        let (objects, uploads) = (modes().map(object).into(), modes().map(upload).into());
        Self { objects, uploads, sse, kms, name }
    }

    /// Writes an object as the decision says.
    pub(crate) fn written(&self, encryption: &NewEncryption) -> Envelope {
        self.sse.blocking().encrypt(&self.name, encryption.mode(), b"meow").unwrap().envelope
    }

    /// Begins an upload as the decision says.
    pub(crate) fn begun(&self, encryption: &NewEncryption) -> Envelope {
        self.sse.blocking().begin_multipart(&self.name, b"upload", encryption.mode()).unwrap().envelope().clone()
    }

    pub(crate) fn object(&self, at: usize) -> Stored {
        stored(&self.objects[at])
    }

    pub(crate) fn upload(&self, at: usize) -> Stored {
        stored(&self.uploads[at])
    }
}

pub(crate) fn stored(envelope: &Envelope) -> Stored {
    Stored::encrypted(EncryptionRecord::of_envelope(envelope), envelope.clone())
}

pub(crate) const SSE_S3: usize = 0;
pub(crate) const SSE_KMS: usize = 1;
pub(crate) const DSSE_KMS: usize = 2;
pub(crate) const SSE_C: usize = 3;

/// An operation, with what is stored that it is about.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Put,
    Post,
    Create,
    Copy(Stored),
    Part(Stored),
    PartCopy { upload: Stored, source: Stored },
    Complete(Stored),
    Get(Stored),
    Head(Stored),
    Attributes(Stored),
    Update(Stored, ObjectEncryption),
}

/// An operation on what the world holds.
pub(crate) type Op = fn(&World) -> Operation;

/// A decision of any kind.
#[derive(Debug)]
pub(crate) enum Decided {
    Write(WriteDecision),
    Copy(CopyDecision),
    Part(PartDecision),
    PartCopy(PartCopyDecision),
    Complete(CompleteDecision),
    Read(ReadDecision),
    Update(UpdateDecision),
}

/// A request under construction: over TLS, signed with Version 4, on a bucket of AES256, under no policy.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) rules: S3Rules,
    pub(crate) headers: EncryptionHeaders,
    pub(crate) transport: Transport,
    pub(crate) signature: Signature,
    pub(crate) principal: Option<String>,
    pub(crate) resource: Resource,
    pub(crate) bucket: BucketDefault,
    pub(crate) policy: PolicySource,
    pub(crate) source_policy: PolicySource,
}

pub(crate) const RESOURCE: &str = "arn:aws:s3:::photos/cat.jpg";

impl Ask {
    pub(crate) fn new(pairs: Pairs<'_>) -> Self {
        Self::of(headers(pairs))
    }

    pub(crate) fn of(headers: EncryptionHeaders) -> Self {
        Self {
            rules: S3Rules::new(),
            headers,
            transport: Transport::Secure,
            signature: Signature::V4,
            principal: None,
            resource: Resource::object("photos", "cat.jpg"),
            bucket: BucketEncryption::default().into(),
            policy: PolicySource::Unasked,
            source_policy: PolicySource::Unasked,
        }
    }

    pub(crate) fn rules(self, rules: S3Rules) -> Self {
        Self { rules, ..self }
    }

    pub(crate) fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    pub(crate) fn on(self, bucket: impl Into<BucketDefault>) -> Self {
        Self { bucket: bucket.into(), ..self }
    }

    pub(crate) fn under(self, policy: PolicySource) -> Self {
        Self { policy, ..self }
    }

    pub(crate) fn request(&self) -> S3Request {
        let caller = match &self.principal {
            Some(principal) => Caller::signed(self.transport, self.signature, principal),
            None if self.signature == Signature::None => Caller::anonymous(self.transport),
            None => Caller::signed(self.transport, self.signature, "arn:aws:iam::111122223333:user/alice"),
        };
        let (bucket, policy) = (self.bucket.clone(), self.policy.clone());
        S3Request::new(self.headers.clone(), caller, self.resource.clone(), bucket, policy)
    }

    pub(crate) fn source(&self, stored: Stored) -> CopySource {
        CopySource::new(stored, Resource::object("photos", "cat.jpg"), self.source_policy.clone())
    }

    pub(crate) fn decide(&self, operation: Operation) -> Result<Decided, S3Error> {
        let (rules, request) = (&self.rules, &self.request());
        Ok(match operation {
            Operation::Put => Decided::Write(rules.decide_write(request, NewObject::Put)?),
            Operation::Post => Decided::Write(rules.decide_write(request, NewObject::Post)?),
            Operation::Create => {
                Decided::Write(rules.decide_write(request, NewObject::Multipart { checksum_algorithm: false })?)
            }
            Operation::Copy(source) => Decided::Copy(rules.decide_copy(request, &self.source(source))?),
            Operation::Part(upload) => Decided::Part(rules.decide_part(request, &upload)?),
            Operation::PartCopy { upload, source } => {
                Decided::PartCopy(rules.decide_part_copy(request, &upload, &self.source(source))?)
            }
            Operation::Complete(upload) => Decided::Complete(rules.decide_complete(request, &upload)?),
            Operation::Get(object) => Decided::Read(rules.decide_read(request, ReadKind::Get, &object)?),
            Operation::Head(object) => Decided::Read(rules.decide_read(request, ReadKind::Head, &object)?),
            Operation::Attributes(object) => {
                Decided::Read(rules.decide_read(request, ReadKind::Attributes, &object)?)
            }
            Operation::Update(object, target) => Decided::Update(rules.decide_update(request, &object, &target)?),
        })
    }

    pub(crate) fn kind(&self, operation: Operation) -> Option<S3ErrorKind> {
        kind(self.decide(operation))
    }
}

/// Decides a request whose headers may be refused.
pub(crate) fn asked_on(
    pairs: Pairs<'_>,
    bucket: impl Into<BucketDefault>,
    operation: Operation,
) -> Result<Decided, S3Error> {
    Ask::of(parse(pairs)?).on(bucket).decide(operation)
}

/// Over TLS, on a bucket of AES256.
pub(crate) fn asked(world: &World, operation: Op, pairs: Pairs<'_>) -> Result<Decided, S3Error> {
    Ask::of(parse(pairs)?).decide(operation(world))
}

pub(crate) fn kind(answer: Result<Decided, S3Error>) -> Option<S3ErrorKind> {
    answer.err().map(|error| error.kind())
}

impl Decided {
    pub(crate) fn writing(&self) -> Option<&Writing> {
        match self {
            Self::Write(decision) => Some(&decision.writing),
            Self::Copy(decision) => Some(&decision.writing),
            _ => None,
        }
    }

    pub(crate) fn response_headers(&self, record: &EncryptionRecord) -> http::HeaderMap {
        match self {
            Self::Write(decision) => decision.response_headers(record),
            Self::Copy(decision) => decision.response_headers(record),
            Self::Part(decision) => decision.response_headers(),
            Self::PartCopy(decision) => decision.response_headers(),
            Self::Complete(decision) => decision.response_headers(),
            Self::Read(decision) => decision.response_headers(),
            Self::Update(_) => http::HeaderMap::new(),
        }
    }
}

/// The mode of a write.
pub(crate) fn written(decision: &Decided) -> AnyMode {
    match decision.writing() {
        Some(Writing::Encrypt(encryption)) => encryption.mode(),
        other => panic!("not encrypted: {other:?}"),
    }
}

/// Writes an object as decided; gives its record.
pub(crate) fn recorded(world: &World, decision: &Decided) -> EncryptionRecord {
    match decision.writing() {
        Some(Writing::Encrypt(encryption)) => {
            let written = world.sse.blocking().encrypt(&world.name, encryption.mode(), b"meow").unwrap();
            encryption.record(&written.envelope)
        }
        Some(Writing::Unencrypted(record)) => record.clone(),
        None => panic!("nothing is written"),
    }
}

pub(crate) fn status(error: &S3Error) -> u16 {
    S3Rules::new().status(error).as_u16()
}
