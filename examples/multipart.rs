//! A multipart upload: parts from several threads, in any order, one of them uploaded twice.
//!
//! ```text
//! cargo run --example multipart
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::thread;

use atrest::multipart::{CompletedPart, Receipt};
use atrest::{Keyring, ObjectName, PartNumber, Sse, SseS3, Unlock};

const PARTS: u32 = 6;
const PART_LEN: usize = 100_000;

/// One stored attempt at a part. The label is the text that the service answered to the client, in S3 the ETag.
struct Attempt {
    stored: Vec<u8>,
    receipt: Receipt,
    label: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let sse = Sse::builder().keyring(Keyring::generate()?).build()?;
    let sse = sse.blocking();
    let object = ObjectName::new("photos", "2026/panorama.tiff")?;

    // Begins the upload. The envelope is stored with the upload; another machine continues it with `resume_multipart`.
    let upload = sse.begin_multipart(&object, b"upload-1", SseS3)?;
    println!("the upload's envelope has {} bytes", upload.envelope().encode().len());

    // Encrypts each part in a thread of its own. The threads end in any order. Every attempt draws its own salt.
    let attempts = Mutex::new(BTreeMap::new());
    let put_part = |number: u32, plaintext: &[u8], label: String| -> atrest::Result<()> {
        let (stored, receipt) = upload.encrypt_part(PartNumber::new(number)?, plaintext, label.as_bytes())?;
        println!("    part {number} came in: {} bytes, answered with {label}", stored.len());
        attempts.lock().expect("no thread panics").insert(number, Attempt { stored, receipt, label });
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=PARTS)
            .map(|number| scope.spawn(move || put_part(number, &part(number), format!("etag-{number}"))))
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })?;

    // The client uploads part 2 again, with other bytes and another length. The later attempt replaces the earlier one.
    put_part(2, b"a much shorter part", "etag-2b".to_owned())?;

    // Completes the upload with the client's list, in order. Each part is checked against its receipt and its stored
    // bytes.
    let attempts = attempts.into_inner()?;
    let mut listed = Vec::new();
    for (number, attempt) in &attempts {
        let Attempt { stored, receipt, label } = attempt;
        listed.push(CompletedPart::new(PartNumber::new(*number)?, label.as_bytes(), receipt, stored));
    }
    let completed = sse.complete_multipart(&upload, Unlock::Server, listed)?;
    let (envelope, manifest) = (&completed.envelope, &completed.manifest);
    println!("completed: an envelope of {} bytes, a manifest of {}", envelope.encode().len(), manifest.len());

    // A reader needs the envelope, the manifest, and the parts. This store concatenates the parts.
    let body: Vec<u8> = attempts.values().flat_map(|attempt| attempt.stored.iter().copied()).collect();
    let decryptor = sse.decryptor(&object, envelope, Unlock::Server)?.with_manifest(manifest)?;

    // The range is the end of part 1, all of part 2, and the beginning of part 3.
    let plan = decryptor.range(99_995..100_024, body.len() as u64)?;
    println!("a range across three parts, fetched from {:?}:", plan.fetches());
    let fetch = plan.fetch_span();
    let plaintext = plan.decrypt(&body[fetch.start as usize..fetch.end as usize])?;
    println!("    {}", String::from_utf8_lossy(&plaintext));

    // Reads one part by its number, as S3 answers `GET ?partNumber=5`, without the other parts.
    let number = PartNumber::new(5)?;
    let place = decryptor.part(number)?;
    let mut plaintext = bytes::BytesMut::new();
    let mut reader = decryptor.part_decryptor(number)?.sequential();
    let (start, end) = (place.ciphertext.start as usize, place.ciphertext.end as usize);
    reader.push(&body[start..end], &mut plaintext)?;
    reader.finish_into(&mut plaintext)?;
    println!("part 5 alone: {} bytes, at {:?} of the object", plaintext.len(), place.plaintext);
    Ok(())
}

/// A part's plaintext: the repeated part number.
fn part(number: u32) -> Vec<u8> {
    number.to_string().repeat(PART_LEN).into_bytes()
}
