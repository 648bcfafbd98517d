//! What S3 would do with a request: headers in, the decision or the error's XML out.
//!
//! ```text
//! cargo run --example decide --features s3 -- put 'x-amz-server-side-encryption: aws:kms'
//! cargo run --example decide --features s3 -- get 'x-amz-server-side-encryption: AES256'
//! cargo run --example decide --features s3 -- put --http --bucket-default aws:kms
//! ```
//!
//! `get` and `head` are of an object in SSE-S3. A key given on a command line is seen by others: use none that counts.

use std::error::Error;

use atrest::s3::{
    Bucket, BucketEncryption, EncryptionHeaders, Operation, S3Error, S3Request, Stored, Transport, Write, decide,
    mark_sensitive,
};
use atrest::{AnyMode, Envelope, Expected, Keyring, ObjectName, Sse, SseS3};
use http::{HeaderMap, HeaderName};

const USAGE: &str =
    "decide put|create-upload|get|head [--http] [--no-encryption | --bucket-default METHOD] ['NAME: VALUE'..]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(verb) = arguments.next() else {
        println!("{USAGE}");
        return Ok(());
    };
    let (mut headers, mut transport, mut bucket) =
        (HeaderMap::new(), Transport::Secure, Some(BucketEncryption::default()));
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--http" => transport = Transport::Plain,
            "--no-encryption" => bucket = None,
            "--bucket-default" => bucket = Some(default(&arguments.next().ok_or(USAGE)?)?),
            header => {
                let (name, value) = header.split_once(':').ok_or(USAGE)?;
                headers.append(name.trim().parse::<HeaderName>()?, value.trim().parse()?);
            }
        }
    }
    mark_sensitive(&mut headers);
    println!("{headers:#?}\n");

    let (envelope, expected) = object()?;
    let object = Stored::Encrypted { envelope: &envelope, expected: &expected };
    let operation = match &*verb {
        "put" => Operation::PutObject,
        "create-upload" => Operation::CreateMultipartUpload,
        "get" => Operation::GetObject { object },
        "head" => Operation::HeadObject { object },
        _ => return Err(USAGE.into()),
    };
    let bucket = bucket.as_ref().map_or(Bucket::StoresInTheClear, Bucket::Encrypts);
    match answer(operation, &headers, transport, bucket, &envelope) {
        Ok(said) => println!("{said}"),
        Err(error) if verb == "head" => println!("{}", error.status()), // a HEAD is answered without a body
        Err(error) => println!("{}\n{}", error.status(), error.to_xml("/photos/cat.jpg", "4442587FB7D0A2F9")),
    }
    Ok(())
}

/// What a service does first with a request.
fn answer(
    operation: Operation<'_>,
    headers: &HeaderMap,
    transport: Transport,
    bucket: Bucket<'_>,
    stored: &Envelope,
) -> Result<String, S3Error> {
    let headers = EncryptionHeaders::from_headers(headers)?;
    let decision = decide(&S3Request::new(operation, &headers, transport, bucket))?;
    Ok(match &decision.write {
        None => format!("read it, and answer with {:#?}", decision.response_headers(Some(stored))),
        Some(Write::Encrypt(AnyMode::SseKms(mode))) if mode.key_id().is_empty() => {
            "write it in SSE-KMS, under the KMS's own key".to_owned()
        }
        Some(Write::Encrypt(mode)) => format!("write it in {}: {mode:?}", mode.id()),
        Some(Write::InTheClear) => "write it in the clear".to_owned(),
    })
}

fn default(method: &str) -> Result<BucketEncryption, S3Error> {
    let xml = format!(
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{method}</SSEAlgorithm>\
         </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
    );
    Ok(BucketEncryption::from_xml(xml.as_bytes())?)
}

/// What is stored, and what the service's own record says of it.
fn object() -> atrest::Result<(Envelope, Expected)> {
    let sse = Sse::builder().keyring(Keyring::generate()?).build()?;
    let encrypted = sse.blocking().encrypt(&ObjectName::new("photos", "cat.jpg")?, SseS3, b"meow")?;
    let expected = Expected::exactly(&encrypted.envelope);
    Ok((encrypted.envelope, expected))
}
