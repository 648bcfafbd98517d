//! Golden multipart uploads of each mode: under way with receipts, completed, and with sealed values.

use std::fs;
use std::path::Path;

use atrest::multipart::{CompletedPart, Receipt};
use atrest::{AnyMode, Blocking, Encrypted, Envelope, Expected, ModeId, ObjectName, PartNumber, SealedValue, Unlock};

use super::{customer_key, mode, sse, versions};
use atrest_kit::{backends, plain};

const UPLOAD_ID: &[u8] = b"golden upload \xFF";
/// Number and length of each part.
const PARTS: [(u32, usize); 4] = [(1, 20_000), (2, 0), (7, 16_384), (10_000, 5)];
const VALUE: &[u8] = b"what must not lie in the clear";

pub(crate) struct Golden {
    pub(crate) file: &'static str,
    pub(crate) mode: ModeId,
    pub(crate) object: ObjectName,
}

fn objects() -> Vec<Golden> {
    let named = ObjectName::new("photos", "parts é").unwrap().with_realm("account-7").unwrap();
    let golden = |file, mode, object| Golden { file, mode, object };
    vec![
        golden("multipart-sse-s3", ModeId::SseS3, named.clone()),
        golden("multipart-sse-s3-unbound", ModeId::SseS3, ObjectName::unbound()),
        golden("multipart-sse-kms", ModeId::SseKms, named.clone()),
        golden("multipart-dsse-kms", ModeId::DsseKms, named.clone()),
        golden("multipart-sse-c", ModeId::SseC, named),
    ]
}

fn upload_id(object: &ObjectName) -> &'static [u8] {
    if object.is_bound() { UPLOAD_ID } else { b"" }
}

fn label(number: PartNumber) -> Vec<u8> {
    format!("\"etag-{number}\"").into_bytes()
}

fn with_unlock<T>(mode: ModeId, run: impl FnOnce(Unlock<'_>) -> T) -> T {
    let key = customer_key();
    run(if mode == ModeId::SseC { Unlock::CustomerKey(&key) } else { Unlock::Server })
}

/// The plaintext, and where each part lies in it.
fn plaintexts() -> Vec<(PartNumber, Vec<u8>)> {
    let whole = plain(PARTS.iter().map(|(_, len)| len).sum());
    let mut rest = &whole[..];
    let part = |(number, len): (u32, usize)| {
        let (part, behind) = rest.split_at(len);
        rest = behind;
        (PartNumber::new(number).unwrap(), part.to_vec())
    };
    PARTS.map(part).into()
}

/// Writes the files of a new version.
pub(crate) fn write(directory: &Path, sse: &Blocking) {
    for golden in objects() {
        write_one(directory, &golden, sse, mode(golden.mode));
    }
}

pub(crate) fn write_one(directory: &Path, golden: &Golden, sse: &Blocking, mode: AnyMode) {
    let write = |what: &str, bytes: &[u8]| {
        fs::write(directory.join(format!("{}.{what}", golden.file)), bytes).unwrap();
    };
    let upload = sse.begin_multipart(&golden.object, upload_id(&golden.object), mode).unwrap();
    write("upload", &upload.envelope().encode());
    write("value-upload", upload.values().seal("md5", VALUE).unwrap().as_bytes());
    let mut made = Vec::new();
    for (number, plaintext) in plaintexts() {
        let (mut part, seal) = upload.part(number).unwrap();
        write(&format!("value-part-{number}"), part.values().seal("md5", VALUE).unwrap().as_bytes());
        let mut stored = bytes::BytesMut::new();
        part.push(&plaintext, &mut stored).unwrap();
        let receipt = seal.receipt(&part.finish_into(&mut stored).unwrap(), &label(number)).unwrap();
        write(&format!("receipt-{number}"), receipt.as_bytes());
        write(&format!("part-{number}"), &stored);
        made.push((number, label(number), receipt, stored));
    }
    let listed =
        made.iter().map(|(number, label, receipt, stored)| CompletedPart::new(*number, label, receipt, stored));
    let completed = with_unlock(golden.mode, |unlock| sse.complete_multipart(&upload, unlock, listed)).unwrap();
    write("envelope", &completed.envelope.encode());
    write("manifest", &completed.manifest);
    write("value-object", completed.decryptor.values().seal("md5", VALUE).unwrap().as_bytes());
}

#[test]
fn every_multipart_object_and_upload_ever_written_opens() {
    let mut checked = 0;
    for version in versions() {
        // The first version had none.
        if version.ends_with("0.1.0") {
            assert!(!version.join("multipart-sse-s3.upload").exists());
            continue;
        }
        for backend in backends() {
            for golden in objects() {
                if golden.mode == ModeId::DsseKms && backends().len() < 2 {
                    continue;
                }
                check(&version, &golden, &sse(&version, backend).blocking());
                checked += 1;
            }
        }
    }
    assert!(checked >= 4 * backends().len(), "there are golden files");
}

/// Opens everything there is of one object.
pub(crate) fn check(version: &Path, golden: &Golden, sse: &Blocking) {
    let read = |what: &str| {
        let file = version.join(format!("{}.{what}", golden.file));
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let value = |what: &str| SealedValue::from_bytes(read(what));
    let decode = |bytes: Vec<u8>| {
        let envelope = Envelope::decode(&bytes).unwrap();
        assert_eq!((envelope.encode(), envelope.mode()), (bytes, golden.mode), "one encoding");
        envelope
    };
    let (envelope, manifest) = (decode(read("envelope")), read("manifest"));
    let parts: Vec<_> =
        plaintexts().into_iter().map(|(number, plain)| (number, plain, read(&format!("part-{number}")))).collect();
    let body: Vec<u8> = parts.iter().flat_map(|(_, _, stored)| stored.clone()).collect();
    let whole: Vec<u8> = parts.iter().flat_map(|(_, plain, _)| plain.clone()).collect();
    with_unlock(golden.mode, |unlock| {
        let decrypt = |envelope: &Envelope, manifest: &[u8]| {
            let stored = Encrypted::new(envelope.clone(), body.clone()).with_manifest(manifest);
            sse.decrypt(&golden.object, &stored, unlock).unwrap()
        };
        assert!(decrypt(&envelope, &manifest) == whole, "{}", golden.file);
        let object = sse.decryptor(&golden.object, &envelope, unlock).unwrap().with_manifest(&manifest).unwrap();
        assert_eq!(object.values().open("md5", &value("value-object")).unwrap(), VALUE);

        let under_way = decode(read("upload"));
        let expected = Expected::exactly(&under_way);
        let id = upload_id(&golden.object);
        let upload = sse.resume_multipart(&golden.object, id, &under_way, &expected, unlock).unwrap();
        assert_eq!(upload.values().open("md5", &value("value-upload")).unwrap(), VALUE);
        let mut listed = Vec::new();
        for (number, plain, stored) in &parts {
            let receipt = Receipt::from_bytes(read(&format!("receipt-{number}")));
            let opened = upload.open_receipt(&receipt).unwrap();
            assert_eq!(
                (opened.number, opened.plaintext_len, &opened.label),
                (*number, plain.len() as u64, &label(*number))
            );
            let sealed = value(&format!("value-part-{number}"));
            assert_eq!(opened.values().open("md5", &sealed).unwrap(), VALUE);
            let part = object.part_decryptor(*number).unwrap();
            assert_eq!(part.values().open("md5", &sealed).unwrap(), VALUE);
            listed.push((*number, label(*number), receipt, stored));
        }
        let listed =
            listed.iter().map(|(number, label, receipt, stored)| CompletedPart::new(*number, label, receipt, stored));
        let again = sse.complete_multipart(&upload, unlock, listed).unwrap();
        assert!(decrypt(&again.envelope, &again.manifest) == whole, "{} completed again", golden.file);
    });
}
