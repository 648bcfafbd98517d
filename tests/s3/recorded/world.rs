//! Test kit: a service with an embedded KMS and stored objects.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atrest::kms::{EmbeddedKms, KeyAdmin, KmsCall, KmsObserver, KmsOperation, NewKey, Observed};
use atrest::s3::{
    BlockedEncryption, BucketDefault, BucketEncryption, BucketPolicy, Caller, DefaultEncryption, EncryptionHeaders,
    EncryptionRecord, NewObject, PolicySource, Profile, Resource, S3Request, S3Rules, Signature, Stored, Transport,
    Writing,
};
use atrest::{KmsKeys, ObjectName, Requester, RootKey, Sse};
use data_encoding::BASE64;
use md5::{Digest, Md5};
use tempfile::TempDir;

use super::case::{self, Case};

pub(crate) const PRINCIPAL: &str = "arn:aws:iam::111111111111:user/alice";
pub(crate) const UPLOAD_ID: &[u8] = b"upload";
pub(crate) const PLAINTEXT: &[u8] = b"meow";

pub(crate) struct World {
    pub(crate) sse: Sse,
    pub(crate) name: ObjectName,
    admin: KeyAdmin,
    bucket_keys: bool,
    calls: Arc<Calls>,
    app: String,
    default: String,
    _directory: TempDir,
}

impl World {
    /// A service with or without bucket keys.
    pub(crate) fn new(bucket_keys: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let owner = Requester::new(PRINCIPAL);
        let kms = EmbeddedKms::builder(directory.path().join("kms"))
            .region_and_account("us-east-1", "111111111111")
            .create(&RootKey::generate().unwrap(), owner.clone())
            .unwrap();
        let admin = kms.requested_by(owner.clone());
        let app = admin.create_key(NewKey::new()).unwrap().arn;
        admin.create_alias("alias/app", &app).unwrap();
        admin.create_alias("alias/testkey-2", &app).unwrap();
        let (keyring, calls) = (kms.keyring(), Arc::new(Calls::default()));
        let kms = Observed::new(Arc::new(kms), calls.clone());
        let sse = Sse::builder().keyring(keyring).kms(Arc::new(kms), KmsKeys::all()).build().unwrap();
        let sse = sse.requested_by(owner);
        let name = ObjectName::new("photos", "cat.jpg").unwrap();
        let by_default = sse.blocking().encrypt(&name, atrest::SseKms::default(), b"").unwrap();
        let default = by_default.envelope.kms_key_id().unwrap().to_owned();
        Self { sse, name, admin, bucket_keys, calls, app, default, _directory: directory }
    }

    pub(crate) fn applies_bucket_keys(&self) -> bool {
        self.bucket_keys
    }

    /// Takes the calls of the KMS so far, each with the ARN that it was shown.
    pub(crate) fn take_calls(&self) -> Vec<(KmsOperation, String)> {
        mem::take(&mut self.calls.0.lock().unwrap())
    }

    pub(crate) fn fill(&self, text: &str) -> String {
        let named = [("{arn:app}", &*self.app), ("{arn:s3}", &*self.default), ("{principal}", PRINCIPAL)];
        let filled = named.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        filled.replace("{resource}", "arn:aws:s3:::photos/cat.jpg")
    }

    pub(crate) fn rules(&self, case: &Case) -> S3Rules {
        let profile = match case.profile.as_deref() {
            Some("ceph") => Profile::CephTests,
            _ => Profile::Amazon,
        };
        S3Rules::new().with_profile(profile).with_bucket_keys(self.bucket_keys)
    }

    /// Puts the key `app` into a state while something is done.
    pub(crate) fn in_state<T>(&self, state: Option<&str>, doing: impl FnOnce() -> T) -> Result<T, String> {
        match state {
            None => return Ok(doing()),
            Some("disabled") => self.admin.disable_key(&self.app).unwrap(),
            Some("pending") => {
                self.admin.schedule_deletion(&self.app, Duration::from_secs(7 * 86_400)).unwrap();
            }
            Some(other) => return Err(format!("the state {other} of a KMS key")),
        }
        let done = doing();
        if state == Some("pending") {
            self.admin.cancel_deletion(&self.app).unwrap();
        }
        self.admin.enable_key(&self.app).unwrap();
        Ok(done)
    }

    pub(crate) fn bucket(&self, bucket: Option<&case::Bucket>) -> Result<BucketDefault, String> {
        let mut encryption = BucketEncryption::new_bucket(BlockedEncryption::None);
        let Some(bucket) = bucket else { return Ok(BucketDefault::Implicit(encryption)) };
        let key_id = bucket.key_id.as_ref().map(|key_id| self.fill(key_id));
        encryption.default = match &*bucket.default {
            "none" => return Ok(BucketDefault::Absent),
            "AES256" => DefaultEncryption::SseS3,
            "aws:kms" => DefaultEncryption::SseKms { key_id },
            "aws:kms:dsse" => DefaultEncryption::DsseKms { key_id },
            other => return Err(format!("the default {other}")),
        };
        encryption.bucket_key_enabled = bucket.bucket_key;
        encryption.blocked = bucket.blocks.then_some(BlockedEncryption::SseC);
        Ok(BucketDefault::Explicit(encryption))
    }

    pub(crate) fn policy(&self, case: &Case) -> Result<PolicySource, String> {
        let Some(policy) = &case.policy else { return Ok(PolicySource::Unasked) };
        let mut document = serde_json::Map::from_iter([("Version".to_owned(), "2012-10-17".into())]);
        for (name, value) in policy.as_object().ok_or("a policy that is no object")? {
            let name = if name == "statement" { "Statement" } else { name };
            document.insert(name.to_owned(), value.clone());
        }
        let document = self.fill(&serde_json::Value::from(document).to_string());
        let policy = BucketPolicy::from_json(document.as_bytes()).map_err(|error| error.to_string())?;
        Ok(PolicySource::Bucket(policy.into()))
    }

    pub(crate) fn resource(&self) -> Resource {
        Resource::object("photos", "cat.jpg")
    }

    pub(crate) fn caller(transport: Transport) -> Caller {
        Caller::signed(transport, Signature::V4, PRINCIPAL)
    }

    /// Writes the object or the upload that the case stores, as a client would.
    pub(crate) fn stored(&self, stored: Option<&case::Stored>, upload: bool) -> Result<Stored, String> {
        let Some(stored) = stored else { return Ok(Stored::absent()) };
        let kms = |method: &str| {
            let key = if stored.kms.as_deref() == Some("s3") { &self.default } else { &self.app };
            let enabled = stored.bucket_key.to_string();
            vec![
                ("x-amz-server-side-encryption", method.to_owned()),
                ("x-amz-server-side-encryption-aws-kms-key-id", key.clone()),
                ("x-amz-server-side-encryption-bucket-key-enabled", enabled),
            ]
        };
        let fields = match &*stored.mode {
            "none" => Vec::new(),
            "SSE-S3" => vec![("x-amz-server-side-encryption", "AES256".to_owned())],
            "SSE-KMS" => kms("aws:kms"),
            "DSSE-KMS" => kms("aws:kms:dsse"),
            "SSE-C" => {
                let key = stored.key.as_ref().ok_or("SSE-C without a key")?;
                let bytes = BASE64.decode(key.as_bytes()).map_err(|error| error.to_string())?;
                vec![
                    ("x-amz-server-side-encryption-customer-algorithm", "AES256".to_owned()),
                    ("x-amz-server-side-encryption-customer-key", key.clone()),
                    ("x-amz-server-side-encryption-customer-key-MD5", BASE64.encode(&Md5::digest(bytes))),
                ]
            }
            other => return Err(format!("the mode {other}")),
        };
        let headers = EncryptionHeaders::from_form_fields(fields).map_err(|error| error.to_string())?;
        let caller = Self::caller(Transport::Secure);
        let request = S3Request::new(headers, caller, self.resource(), BucketDefault::Absent, PolicySource::Unasked);
        let new = if upload { NewObject::Multipart { checksum_algorithm: false } } else { NewObject::Put };
        let rules = S3Rules::new().with_bucket_keys(self.bucket_keys);
        let decision = rules.decide_write(&request, new).map_err(|error| error.to_string())?;
        let encryption = match decision.writing {
            Writing::Unencrypted(record) => return Ok(Stored::recorded(again(&record))),
            Writing::Encrypt(encryption) => encryption,
        };
        let sse = self.sse.blocking();
        let envelope = match upload {
            true => sse.begin_multipart(&self.name, UPLOAD_ID, encryption.mode()).unwrap().envelope().clone(),
            false => sse.encrypt(&self.name, encryption.mode(), PLAINTEXT).unwrap().envelope,
        };
        Ok(Stored::encrypted(again(&encryption.record(&envelope)), envelope))
    }
}

/// The calls of the KMS, each with the ARN in its context.
#[derive(Default)]
struct Calls(Mutex<Vec<(KmsOperation, String)>>);

impl KmsObserver for Calls {
    fn ended(&self, call: &KmsCall<'_>) {
        let arn = call.request.context().get("aws:s3:arn").unwrap_or_default();
        self.0.lock().unwrap().push((call.operation, arn.to_owned()));
    }
}

/// Encodes and decodes a record, as a service does that stores it.
fn again(record: &EncryptionRecord) -> EncryptionRecord {
    EncryptionRecord::decode(&record.encode()).unwrap()
}
