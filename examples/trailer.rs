//! One file for each object: the envelope lies behind the body, and a listing knows every plaintext length.
//!
//! ```text
//! cargo run --release --example trailer
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use atrest::geometry::Fetch;
use atrest::io::{DecryptReader, EncryptWriter};
use atrest::{ByteRange, Container, Envelope, Keyring, ObjectName, Sse, SseS3, Unlock};

/// Every envelope has 512 bytes. Readers and writers of the store have the same container.
const ENVELOPE_LEN: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let container = Container::trailer(ENVELOPE_LEN);
    // A master key for this run only; `quickstart` shows how to store one.
    let sse = Sse::builder().keyring(Keyring::generate()?).container(container).build()?;
    let folder = tempfile::tempdir()?;

    for (name, lines) in [("empty.log", 0), ("short.log", 1), ("long.log", 10_000)] {
        write(&sse, &folder.path().join(name), name, lines)?;
    }
    for entry in std::fs::read_dir(folder.path())? {
        let entry = entry?;
        let stored_len = entry.metadata()?.len();
        let plaintext_len = container.plaintext_len(stored_len).ok_or("not an object of this store")?;
        println!("{}: {stored_len} bytes stored, {plaintext_len} of plaintext", entry.file_name().to_string_lossy());
    }

    // The last bytes of an object, in one read: the envelope is a part of what is fetched.
    let mut file = File::open(folder.path().join("long.log"))?;
    let stored_len = file.metadata()?.len();
    let range = ByteRange::last(12);
    let Fetch::Last(len) = container.fetch(range) else { unreachable!("the suffix of a trailer is a suffix") };
    let offset = stored_len.saturating_sub(len);
    file.seek(SeekFrom::Start(offset))?;
    let mut fetched = Vec::new();
    file.read_to_end(&mut fetched)?;
    let envelope = Envelope::decode_in(container, stored_len, &fetched)?;
    let decryptor = sse.blocking().decryptor(&object("long.log")?, &envelope, Unlock::Server)?;
    let body = container.body(stored_len)?;
    let plan = decryptor.range(range, body.end - body.start)?;
    let last = plan.decrypt_pieces([container.body_piece(stored_len, offset, &fetched)?])?;
    print!("the last line, of {} bytes fetched: {}", fetched.len(), String::from_utf8_lossy(&last));

    // The whole object, in order: the reader is told where the body ends.
    file.seek(SeekFrom::Start(body.start))?;
    let mut text = String::new();
    DecryptReader::new(decryptor, file).with_body_len(body.end - body.start).read_to_string(&mut text)?;
    println!("the whole object has {} lines", text.lines().count());
    Ok(())
}

/// Writes an object whose length is not known when encryption begins: first the body, then the envelope.
fn write(sse: &Sse, path: &Path, name: &str, lines: u32) -> Result<(), Box<dyn Error>> {
    let (envelope, encryptor) = sse.blocking().encryptor(&object(name)?, SseS3)?;
    let mut writer = EncryptWriter::new(encryptor, File::create_new(path)?);
    for number in 0..lines {
        writeln!(writer, "line {number:06}")?;
    }
    let mut file = writer.finish()?;
    file.write_all(envelope.as_bytes())?; // without it, no reader takes the file for an object
    file.sync_all()?;
    Ok(())
}

fn object(name: &str) -> atrest::Result<ObjectName> {
    ObjectName::new("logs", name)
}
