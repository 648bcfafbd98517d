//! The service's answer to a case, decided and executed through the public API.

use atrest::s3::{
    BucketDefault, Completing, CopySource, EncryptionHeaders, EncryptionRecord, Etag, NewObject, ObjectEncryption,
    PartWriting, PolicySource, ReadKind, Reading, S3Error, S3Operation, S3Request, S3Rules, Stored, Transport, Writing,
};
use atrest::{Envelope, ModeId, PartNumber, Rewrap};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::case::{Case, Rule};
use super::world::{PLAINTEXT, UPLOAD_ID, World};

#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) error: Option<Refusal>,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) etag: Option<String>,
    pub(crate) etag_is_md5: Option<bool>,
    /// GetBucketEncryption after the operation.
    pub(crate) configuration: Option<String>,
}

pub(crate) struct Refusal {
    pub(crate) error: S3Error,
    pub(crate) status: u16,
    pub(crate) xml: String,
}

/// What is answered, or why the case cannot be run.
pub(crate) fn answer(world: &World, case: &Case) -> Result<Answer, String> {
    let asked = Asked::new(world, case)?;
    let (operation, outcome) = world.in_state(case.kms.as_deref(), || asked.answer())??;
    let refusal = |error: S3Error| Refusal {
        status: asked.rules.status(&error).as_u16(),
        xml: error.to_xml(operation, "request", "host"),
        error,
    };
    Ok(outcome.unwrap_or_else(|error| Answer { error: Some(refusal(error)), ..Answer::default() }))
}

type Outcome = Result<Answer, S3Error>;

struct Asked<'a> {
    world: &'a World,
    case: &'a Case,
    rules: S3Rules,
    bucket: BucketDefault,
    policy: PolicySource,
    object: Stored,
    source: Stored,
    upload: Stored,
}

impl<'a> Asked<'a> {
    fn new(world: &'a World, case: &'a Case) -> Result<Self, String> {
        Ok(Self {
            world,
            case,
            rules: world.rules(case),
            bucket: world.bucket(case.bucket.as_ref())?,
            policy: world.policy(case)?,
            object: world.stored(case.object.as_ref(), false)?,
            source: world.stored(case.source_object.as_ref(), false)?,
            upload: world.stored(case.upload.as_ref(), true)?,
        })
    }

    fn answer(&self) -> Result<(S3Operation, Outcome), String> {
        Ok(match &*self.case.op {
            "PutObject" => (S3Operation::PutObject, self.write(NewObject::Put)),
            "PostObject" => (S3Operation::PostObject, self.write(NewObject::Post)),
            "CreateMultipartUpload" => (S3Operation::CreateMultipartUpload, self.begin()),
            "CopyObject" => (S3Operation::CopyObject, self.copy()),
            "UploadPart" => (S3Operation::UploadPart, self.part()),
            "UploadPartCopy" => (S3Operation::UploadPartCopy, self.part_copy()),
            "CompleteMultipartUpload" => (S3Operation::CompleteMultipartUpload, self.complete()),
            "GetObject" => (S3Operation::GetObject, self.read(ReadKind::Get)),
            "HeadObject" => (S3Operation::HeadObject, self.read(ReadKind::Head)),
            "GetObjectAttributes" => (S3Operation::GetObjectAttributes, self.read(ReadKind::Attributes)),
            "UpdateObjectEncryption" => (S3Operation::UpdateObjectEncryption, self.update()),
            "PutBucketEncryption" => (S3Operation::Other, self.put_configuration()),
            "GetBucketEncryption" => (S3Operation::Other, self.configuration(&self.bucket)),
            "DeleteBucketEncryption" => {
                let after = self.rules.delete_bucket_encryption(&self.bucket);
                (S3Operation::Other, Ok(Answer { configuration: self.shown(&after), ..Answer::default() }))
            }
            "EtagOfParts" => (S3Operation::Other, Ok(self.etag_of_parts()?)),
            other => return Err(format!("the operation {other}")),
        })
    }

    fn request(&self) -> Result<S3Request, S3Error> {
        let pairs = self.case.headers.iter().map(|(name, value)| (name.as_str(), self.world.fill(value)));
        let mut map = HeaderMap::new();
        let mut is_map = !self.case.form;
        for (name, value) in pairs.clone() {
            match (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes())) {
                (Ok(name), Ok(value)) => _ = map.append(name, value),
                _ => is_map = false,
            }
        }
        let headers = match is_map {
            true => EncryptionHeaders::from_request(&map, None)?,
            false => EncryptionHeaders::from_form_fields(pairs)?,
        };
        let transport = match self.case.transport.as_deref() {
            Some("plain") => Transport::Plain,
            _ => Transport::Secure,
        };
        let (bucket, policy) = (self.bucket.clone(), self.policy.clone());
        Ok(S3Request::new(headers, World::caller(transport), self.world.resource(), bucket, policy))
    }

    fn copy_source(&self) -> CopySource {
        CopySource::new(self.source.clone(), atrest::s3::Resource::object("photos", "dog.jpg"), PolicySource::Unasked)
    }

    /// Writes an object as decided; gives its record.
    fn written(&self, writing: &Writing) -> Result<EncryptionRecord, S3Error> {
        match writing {
            Writing::Unencrypted(record) => Ok(record.clone()),
            Writing::Encrypt(encryption) => {
                let sse = self.world.sse.blocking();
                let written = sse.encrypt(&self.world.name, encryption.mode(), PLAINTEXT);
                Ok(encryption.record(&written.map_err(|error| S3Error::of_write(&error))?.envelope))
            }
        }
    }

    fn write(&self, new: NewObject) -> Outcome {
        let decision = self.rules.decide_write(&self.request()?, new)?;
        let record = self.written(&decision.writing)?;
        Ok(answered(decision.response_headers(&record), record.mode()))
    }

    fn begin(&self) -> Outcome {
        let new = NewObject::Multipart { checksum_algorithm: false };
        let decision = self.rules.decide_write(&self.request()?, new)?;
        let record = match &decision.writing {
            Writing::Unencrypted(record) => record.clone(),
            Writing::Encrypt(encryption) => {
                let begun = self.world.sse.blocking().begin_multipart(&self.world.name, UPLOAD_ID, encryption.mode());
                encryption.record(begun.map_err(|error| S3Error::of_write(&error))?.envelope())
            }
        };
        Ok(answered(decision.response_headers(&record), record.mode()))
    }

    fn copy(&self) -> Outcome {
        let decision = self.rules.decide_copy(&self.request()?, &self.copy_source())?;
        self.opened(&decision.reading, self.case.source_object.is_some())?;
        let record = self.written(&decision.writing)?;
        Ok(answered(decision.response_headers(&record), record.mode()))
    }

    /// Opens an object as decided; its body is not looked at.
    fn opened(&self, reading: &Reading, is_source: bool) -> Result<(), S3Error> {
        let stored = if is_source { &self.source } else { &self.object };
        match reading {
            Reading::Unencrypted => Ok(()),
            Reading::Encrypted(access) | Reading::FinishFirst(access) => {
                let opened = self.world.sse.blocking().decryptor(&self.world.name, envelope(stored), access.unlock());
                opened.map(drop).map_err(|error| S3Error::of_read(&error))
            }
        }
    }

    fn read(&self, kind: ReadKind) -> Outcome {
        let decision = self.rules.decide_read(&self.request()?, kind, &self.object)?;
        if kind == ReadKind::Get {
            self.opened(&decision.reading, false)?;
        }
        Ok(Answer { headers: Some(decision.response_headers()), ..Answer::default() })
    }

    fn sealed(&self, writing: &PartWriting) -> Result<(), S3Error> {
        let PartWriting::Encrypt(access) = writing else { return Ok(()) };
        let sse = self.world.sse.blocking();
        let upload = sse.resume_multipart(
            &self.world.name,
            UPLOAD_ID,
            envelope(&self.upload),
            access.expected(),
            access.unlock(),
        );
        let upload = upload.map_err(|error| S3Error::of_write(&error))?;
        upload.encrypt_part(PartNumber::new(1).unwrap(), PLAINTEXT, b"etag").unwrap();
        Ok(())
    }

    fn part(&self) -> Outcome {
        let decision = self.rules.decide_part(&self.request()?, &self.upload)?;
        self.sealed(&decision.writing)?;
        Ok(answered(decision.response_headers(), self.upload_mode()))
    }

    fn part_copy(&self) -> Outcome {
        let decision = self.rules.decide_part_copy(&self.request()?, &self.upload, &self.copy_source())?;
        self.opened(&decision.reading, true)?;
        self.sealed(&decision.part.writing)?;
        Ok(answered(decision.response_headers(), self.upload_mode()))
    }

    fn complete(&self) -> Outcome {
        let decision = self.rules.decide_complete(&self.request()?, &self.upload)?;
        if let Completing::Encrypted(access) = &decision.completing {
            self.sealed(&PartWriting::Encrypt(access.clone()))?;
        }
        assert!(!decision.record().is_of_upload());
        Ok(Answer { headers: Some(decision.response_headers()), ..Answer::default() })
    }

    fn update(&self) -> Outcome {
        let target = self.world.fill(self.case.target_xml.as_deref().unwrap_or_default());
        let target = ObjectEncryption::from_xml(target.as_bytes())?;
        let decision = self.rules.decide_update(&self.request()?, &self.object, &target)?;
        let (sse, name, mode) = (self.world.sse.blocking(), &self.world.name, decision.encryption.mode());
        let changed = sse.rewrap(Rewrap::of(name, envelope(&self.object), decision.access.unlock()).to(name, mode));
        changed.map_err(|error| S3Error::of_write(&error))?;
        Ok(Answer::default())
    }

    fn put_configuration(&self) -> Outcome {
        let rules: String = self.case.rules.iter().map(|rule| self.rule(rule)).collect();
        let xml = format!("<ServerSideEncryptionConfiguration>{rules}</ServerSideEncryptionConfiguration>");
        let after = self.rules.put_bucket_encryption(&self.bucket, xml.as_bytes())?;
        Ok(Answer { configuration: self.shown(&after), ..Answer::default() })
    }

    fn rule(&self, rule: &Rule) -> String {
        let element =
            |name: &str, text: Option<String>| text.map(|text| format!("<{name}>{text}</{name}>")).unwrap_or_default();
        let algorithm = element("SSEAlgorithm", rule.algorithm.clone());
        let key_id = element("KMSMasterKeyID", rule.key_id.as_ref().map(|key_id| self.world.fill(key_id)));
        let bucket_key = element("BucketKeyEnabled", rule.bucket_key.clone());
        let blocked = rule.blocked.clone().map(|blocked| element("EncryptionType", Some(blocked)));
        let blocked = element("BlockedEncryptionTypes", blocked);
        match rule.order.as_deref() {
            Some(_) => {
                let default = element("ApplyServerSideEncryptionByDefault", Some(format!("{key_id}{algorithm}")));
                format!("<Rule>{blocked}{bucket_key}{default}</Rule>")
            }
            None => {
                let default = element("ApplyServerSideEncryptionByDefault", Some(format!("{algorithm}{key_id}")));
                format!("<Rule>{default}{bucket_key}{blocked}</Rule>")
            }
        }
    }

    fn configuration(&self, bucket: &BucketDefault) -> Outcome {
        Ok(Answer { configuration: Some(self.rules.get_bucket_encryption(bucket)?), ..Answer::default() })
    }

    fn shown(&self, bucket: &BucketDefault) -> Option<String> {
        self.rules.get_bucket_encryption(bucket).ok()
    }

    fn etag_of_parts(&self) -> Result<Answer, String> {
        let parts = self.case.parts.iter().map(|part| Etag::parse(part).ok_or("an ETag of a part"));
        let etag = Etag::of_parts(parts.collect::<Result<Vec<_>, _>>()?).ok_or("parts without an ETag")?;
        Ok(Answer { etag: Some(etag.to_client_string()), ..Answer::default() })
    }

    fn upload_mode(&self) -> Option<ModeId> {
        self.case.upload.as_ref().and_then(|upload| upload.mode.parse().ok())
    }
}

fn answered(headers: HeaderMap, mode: Option<ModeId>) -> Answer {
    Answer { headers: Some(headers), etag_is_md5: Some(Etag::needs_md5(mode)), ..Answer::default() }
}

fn envelope(stored: &Stored) -> &Envelope {
    stored.envelope().expect("what is encrypted has an envelope")
}
