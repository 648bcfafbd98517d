//! A service in memory over `S3Rules` and an `Sse`, which keeps what clients store.

use atrest::multipart::CompletedPart;
use atrest::s3::{
    BucketDefault, Completing, CopySource, EncryptionHeaders, EncryptionRecord, NewObject, PartWriting, PolicySource,
    ReadKind, Reading, Resource, S3Request, S3Rules, Stored, Transport, Writing,
};
use atrest::{Encrypted, Envelope, ObjectName, PartNumber};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::world::{PLAINTEXT, UPLOAD_ID, World};

const BUCKET: &str = "photos";

/// Headers of a request.
pub(crate) type Pairs<'a> = &'a [(String, String)];

/// A bucket of a service.
pub(crate) struct Service<'a> {
    world: &'a World,
    rules: S3Rules,
    bucket: BucketDefault,
}

/// A stored object. The record and the envelope are read from their bytes for each request.
pub(crate) struct Object {
    key: String,
    record: Vec<u8>,
    pub(crate) encrypted: Encrypted,
    plaintext: Vec<u8>,
}

impl Object {
    fn record(&self) -> EncryptionRecord {
        EncryptionRecord::decode(&self.record).unwrap()
    }

    fn stored(&self) -> Stored {
        Stored::encrypted(self.record(), Envelope::decode(&self.encrypted.envelope.encode()).unwrap())
    }

    fn as_source(&self) -> CopySource {
        CopySource::new(self.stored(), Resource::object(BUCKET, &self.key), PolicySource::Unasked)
    }
}

fn name(key: &str) -> ObjectName {
    ObjectName::new(BUCKET, key).unwrap()
}

impl<'a> Service<'a> {
    pub(crate) fn new(world: &'a World, bucket: BucketDefault) -> Self {
        Self { world, rules: S3Rules::new().with_bucket_keys(world.applies_bucket_keys()), bucket }
    }

    fn request(&self, key: &str, pairs: Pairs<'_>) -> S3Request {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(&self.world.fill(value)).unwrap());
        }
        let headers = EncryptionHeaders::from_request(&map, None).unwrap();
        let caller = World::caller(Transport::Secure);
        S3Request::new(headers, caller, Resource::object(BUCKET, key), self.bucket.clone(), PolicySource::Unasked)
    }

    pub(crate) fn put(&self, key: &str, pairs: Pairs<'_>) -> (HeaderMap, Object) {
        let decision = self.rules.decide_write(&self.request(key, pairs), NewObject::Put).unwrap();
        let (record, object) = self.written(key, &decision.writing, PLAINTEXT.to_vec());
        (decision.response_headers(&record), object)
    }

    pub(crate) fn copy(&self, source: &Object, key: &str, pairs: Pairs<'_>) -> (HeaderMap, Object) {
        let decision = self.rules.decide_copy(&self.request(key, pairs), &source.as_source()).unwrap();
        let plaintext = self.opened(source, &decision.reading);
        let (record, object) = self.written(key, &decision.writing, plaintext);
        (decision.response_headers(&record), object)
    }

    pub(crate) fn get(&self, object: &Object) -> HeaderMap {
        let decision =
            self.rules.decide_read(&self.request(&object.key, &[]), ReadKind::Get, &object.stored()).unwrap();
        assert_eq!(self.opened(object, &decision.reading), object.plaintext);
        decision.response_headers()
    }

    /// Answers from the record alone.
    pub(crate) fn head(&self, object: &Object) -> HeaderMap {
        let recorded = Stored::recorded(object.record());
        let decision = self.rules.decide_read(&self.request(&object.key, &[]), ReadKind::Head, &recorded).unwrap();
        decision.response_headers()
    }

    /// Uploads an object in two parts, of which the second one is a copy. Returns what each request was answered.
    pub(crate) fn upload(
        &self,
        key: &str,
        pairs: Pairs<'_>,
        source: &Object,
    ) -> (Vec<(&'static str, HeaderMap)>, Object) {
        let (sse, name) = (self.world.sse.blocking(), name(key));
        let new = NewObject::Multipart { checksum_algorithm: false };
        let begun = self.rules.decide_write(&self.request(key, pairs), new).unwrap();
        let Writing::Encrypt(encryption) = &begun.writing else { panic!("an upload that is not encrypted") };
        let upload = sse.begin_multipart(&name, UPLOAD_ID, encryption.mode()).unwrap();
        let record = encryption.record(upload.envelope());
        let created = begun.response_headers(&record);
        let record = EncryptionRecord::decode(&record.encode()).unwrap();
        let stored = Stored::encrypted(record, Envelope::decode(&upload.envelope().encode()).unwrap());

        let request = self.request(key, &[]);
        let part = self.rules.decide_part(&request, &stored).unwrap();
        let part_copy = self.rules.decide_part_copy(&request, &stored, &source.as_source()).unwrap();
        let copied = self.opened(source, &part_copy.reading);
        let bodies = [(&part.writing, PLAINTEXT.to_vec()), (&part_copy.part.writing, copied)];
        let sealed = bodies.iter().zip(1..).map(|((writing, plaintext), number)| {
            let PartWriting::Encrypt(access) = writing else { panic!("a part that is not encrypted") };
            let envelope = stored.envelope().unwrap();
            let upload = sse.resume_multipart(&name, UPLOAD_ID, envelope, access.expected(), access.unlock()).unwrap();
            let number = PartNumber::new(number).unwrap();
            let (body, receipt) = upload.encrypt_part(number, plaintext, b"etag").unwrap();
            (number, body, receipt)
        });
        let sealed: Vec<_> = sealed.collect();

        let complete = self.rules.decide_complete(&request, &stored).unwrap();
        let Completing::Encrypted(access) = &complete.completing else { panic!("an upload that is not encrypted") };
        let parts = sealed.iter().map(|(number, body, receipt)| CompletedPart::new(*number, b"etag", receipt, body));
        let completed = sse.complete_multipart(&upload, access.unlock(), parts).unwrap();
        let body: Vec<u8> = sealed.iter().flat_map(|(_, body, _)| body.clone()).collect();
        let object = Object {
            key: key.to_owned(),
            record: complete.record().encode(),
            encrypted: Encrypted::new(completed.envelope, body).with_manifest(completed.manifest),
            plaintext: bodies.into_iter().flat_map(|(_, plaintext)| plaintext).collect(),
        };
        let answered = vec![
            ("CreateMultipartUpload", created),
            ("UploadPart", part.response_headers()),
            ("UploadPartCopy", part_copy.response_headers()),
            ("CompleteMultipartUpload", complete.response_headers()),
        ];
        (answered, object)
    }

    fn written(&self, key: &str, writing: &Writing, plaintext: Vec<u8>) -> (EncryptionRecord, Object) {
        let Writing::Encrypt(encryption) = writing else { panic!("an object that is not encrypted") };
        let encrypted = self.world.sse.blocking().encrypt(&name(key), encryption.mode(), &plaintext).unwrap();
        let record = encryption.record(&encrypted.envelope);
        let object = Object { key: key.to_owned(), record: record.encode(), encrypted, plaintext };
        (record, object)
    }

    fn opened(&self, object: &Object, reading: &Reading) -> Vec<u8> {
        let Reading::Encrypted(access) = reading else { panic!("an object that is not encrypted") };
        self.world.sse.blocking().decrypt(&name(&object.key), &object.encrypted, access.unlock()).unwrap()
    }
}
