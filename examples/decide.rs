//! Decides a request as S3 does: headers in, the decision or the error's XML out.
//!
//! ```text
//! cargo run --example decide --features s3 -- put 'x-amz-server-side-encryption: aws:kms'
//! cargo run --example decide --features s3 -- get 'x-amz-server-side-encryption: AES256'
//! cargo run --example decide --features s3 -- put --http --bucket-default aws:kms
//! ```
//!
//! `get` and `head` read an object in SSE-S3. Other users of the machine can see command lines: pass no real key.

use std::error::Error;

use atrest::s3::{
    BucketDefault, BucketEncryption, Caller, EncryptionHeaders, NewObject, PolicySource, ReadKind, Resource, S3Error,
    S3Operation, S3Request, S3Rules, Signature, Stored, Transport, Writing, mark_sensitive,
};
use atrest::{AnyMode, Keyring, ObjectName, Sse};
use http::{HeaderMap, HeaderName};

const USAGE: &str =
    "decide put|create-upload|get|head [--http] [--no-encryption | --bucket-default METHOD] ['NAME: VALUE'..]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(verb) = arguments.next() else {
        println!("{USAGE}");
        return Ok(());
    };
    let operation = match &*verb {
        "put" => S3Operation::PutObject,
        "create-upload" => S3Operation::CreateMultipartUpload,
        "get" => S3Operation::GetObject,
        "head" => S3Operation::HeadObject,
        _ => return Err(USAGE.into()),
    };
    let mut headers = HeaderMap::new();
    let mut transport = Transport::Secure;
    let mut bucket = BucketDefault::Implicit(BucketEncryption::default());
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--http" => transport = Transport::Plain,
            "--no-encryption" => bucket = BucketDefault::Absent,
            "--bucket-default" => bucket = default(&arguments.next().ok_or(USAGE)?)?.into(),
            header => {
                let (name, value) = header.split_once(':').ok_or(USAGE)?;
                headers.append(name.trim().parse::<HeaderName>()?, value.trim().parse()?);
            }
        }
    }
    mark_sensitive(&mut headers);
    println!("{headers:#?}\n");

    let rules = S3Rules::new();
    match answer(&rules, operation, &headers, transport, bucket) {
        Ok(said) => println!("{said}"),
        // The answer to a HEAD has no body.
        Err(error) if operation == S3Operation::HeadObject => println!("{}", rules.status(&error)),
        Err(error) => println!("{}\n{}", rules.status(&error), error.to_xml(operation, "4442587FB7D0A2F9", "")),
    }
    Ok(())
}

/// The first step of a service with every request.
fn answer(
    rules: &S3Rules,
    operation: S3Operation,
    headers: &HeaderMap,
    transport: Transport,
    bucket: BucketDefault,
) -> Result<String, S3Error> {
    let headers = EncryptionHeaders::from_headers(headers)?;
    let caller = Caller::signed(transport, Signature::V4, "arn:aws:iam::111122223333:user/alice");
    let resource = Resource::object("photos", "cat.jpg");
    let request = S3Request::new(headers, caller, resource, bucket, PolicySource::Unasked);
    let new = match operation {
        S3Operation::GetObject | S3Operation::HeadObject => {
            let kind = if operation == S3Operation::GetObject { ReadKind::Get } else { ReadKind::Head };
            let object = object().map_err(|error| S3Error::of_read(&error))?;
            let decision = rules.decide_read(&request, kind, &object)?;
            return Ok(format!("{:?}, and answer with {:#?}", decision.reading, decision.response_headers()));
        }
        S3Operation::CreateMultipartUpload => NewObject::Multipart { checksum_algorithm: false },
        _ => NewObject::Put,
    };
    Ok(match rules.decide_write(&request, new)?.writing {
        Writing::Unencrypted(_) => "write it unencrypted".to_owned(),
        Writing::Encrypt(encryption) => match encryption.mode() {
            AnyMode::SseKms(mode) if mode.key_id().is_empty() => {
                "write it in SSE-KMS, under the KMS's own key".to_owned()
            }
            mode => format!("write it in {}: {mode:?}", mode.id()),
        },
    })
}

fn default(method: &str) -> Result<BucketEncryption, S3Error> {
    let xml = format!(
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{method}</SSEAlgorithm>\
         </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
    );
    Ok(BucketEncryption::from_xml(xml.as_bytes())?)
}

/// An object in SSE-S3 with its record, as a service writes it.
fn object() -> atrest::Result<Stored> {
    let sse = Sse::builder().keyring(Keyring::generate()?).build()?;
    let envelope = sse.blocking().encrypt(&ObjectName::new("photos", "cat.jpg")?, atrest::SseS3, b"meow")?.envelope;
    Ok(Stored::encrypted(atrest::s3::EncryptionRecord::of_envelope(&envelope), envelope))
}
