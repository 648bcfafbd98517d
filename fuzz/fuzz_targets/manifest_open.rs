//! What is stored beside the parts of an object: manifests, receipts and sealed values, of any bytes; and manifests and
//! receipts that were sealed under the right keys and say anything at all, of which the oracle says what they are.
//!
//! A case is `u8 switches | u8 kind |` and then, by kind modulo 5: a stored manifest; a stored receipt; a stored sealed
//! value; `u32 parts | u64 total | u64 start | u64 end | records`; or a receipt's record.

#![no_main]

use atrest::multipart::{Receipt, Upload};
use atrest::{Backend, Decryptor, Envelope, Error, Expected, ObjectName, SealedValue, Unlock};
use atrest_fuzz::{Input, sse};
use atrest_reference::multipart::{RECEIPT, open_receipt};
use atrest_reference::object::{Keys, Layer, Reader, Write};
use atrest_reference::upload::{Uploaded, begin, complete, receipt, seal_manifest};
use atrest_reference::{Error as Verdict, value};
use libfuzzer_sys::fuzz_target;

const OUTER: [u8; 32] = [1; 32];
const INNER: [u8; 32] = [2; 32];
const OF_UPLOAD: [u8; 24] = [0; 24];

fuzz_target!(|bytes: &[u8]| {
    let _ = run(bytes);
});

fn run(bytes: &[u8]) -> Option<()> {
    let mut input = Input(bytes);
    let switches = input.u8()?;
    let backend = atrest_fuzz::backend(switches >> 2);
    let write = write(switches & 2 == 2);
    match input.u8()? % 5 {
        0 => manifest(&write, backend, input.0),
        1 => stored_receipt(&write, backend, input.0),
        2 => sealed_value(&write, backend, input.0),
        3 => records(&write, backend, input)?,
        _ => receipt_record(&write, backend, input.0),
    }
    Some(())
}

/// Any bytes as the manifest of an object of two parts: only its own is.
fn manifest(write: &Write, backend: Backend, bytes: &[u8]) {
    let layers = write.layers().len();
    let part = |number, len| -> Uploaded { (number, vec![7; len], vec![[number as u8; 24]; layers]) };
    let stored = complete(write, &[part(1, 10), part(3, 0)]).expect("an honest object");
    let unlisted = decryptor(backend, &stored.envelope);
    match unlisted.with_manifest(bytes) {
        Ok(_) => assert_eq!(bytes, stored.manifest, "another manifest"),
        Err(Error::Truncated) => assert!(bytes.is_empty()),
        Err(error) => assert!(matches!(error, Error::Inauthentic) && bytes != stored.manifest, "{error:?}"),
    }
    for page in [0..1, 1..2, 0..2] {
        let page = unlisted.manifest_page(page).expect("there are two parts");
        let _ = page.open(bytes);
    }
}

fn stored_receipt(write: &Write, backend: Backend, bytes: &[u8]) {
    let of_oracle = open_receipt(&write.data_keys(), bytes);
    let of_library = upload(write, backend).open_receipt(&Receipt::from_bytes(bytes));
    assert_same_receipt(of_oracle, of_library);
}

/// A record of any bytes, sealed as a receipt's is.
fn receipt_record(write: &Write, backend: Backend, record: &[u8]) {
    let (keys, salts) = (write.data_keys(), [[3; 24], [4; 24]]);
    let record = &record[..record.len().min(60_000)];
    let sealed = value::seal_reserved(&keys, &OF_UPLOAD, RECEIPT, &salts[..keys.len()], record);
    let of_oracle = open_receipt(&keys, &sealed);
    let of_library = upload(write, backend).open_receipt(&Receipt::from_bytes(sealed));
    assert_same_receipt(of_oracle, of_library);
}

fn assert_same_receipt(
    of_oracle: Result<atrest_reference::multipart::Receipt, Verdict>,
    of_library: Result<atrest::multipart::PartReceipt, Error>,
) {
    match (of_oracle, of_library) {
        (Ok(of_oracle), Ok(of_library)) => {
            let said = (of_oracle.number, of_oracle.len, of_oracle.label);
            assert_eq!(said, (of_library.number.get(), of_library.plaintext_len, of_library.label.clone()));
            assert!(of_library.stored_len() > of_library.plaintext_len);
        }
        (Err(Verdict::Inauthentic), Err(Error::Inauthentic)) => {}
        (of_oracle, of_library) => panic!("the oracle {of_oracle:?}, the library {of_library:?}"),
    }
}

fn sealed_value(write: &Write, backend: Backend, bytes: &[u8]) {
    let opened = upload(write, backend).values().open("name", &SealedValue::from_bytes(bytes));
    match value::open(&write.data_keys(), &OF_UPLOAD, "name", bytes) {
        Ok(plain) => assert_eq!(opened.expect("the oracle opens it"), plain),
        Err(_) => assert!(matches!(opened, Err(Error::Inauthentic)), "{opened:?}"),
    }
}

/// Records of any bytes, sealed as a manifest's are.
fn records(write: &Write, backend: Backend, mut input: Input<'_>) -> Option<()> {
    let count = u32::from_be_bytes(input.array()?);
    let (total, start, end) = (input.u64()?, input.u64()?, input.u64()?);
    let (envelope, manifest) = seal_manifest(write, input.0, count, total).ok()?;
    // Of no bytes, no body can be: what passes the manifest is truncated.
    let verdict = reader(write).decrypt(&envelope, Some(&manifest), &[]).expect_err("there is no body");
    let Ok(decoded) = Envelope::decode(&envelope) else {
        assert_eq!(verdict, Verdict::Malformed);
        return Some(());
    };
    assert_eq!((decoded.parts(), decoded.plaintext_len()), (Some(count), Some(total)));
    let unlisted = decryptor(backend, &envelope);
    let first = (start % u64::from(count)) as u32;
    let page = unlisted.manifest_page(first..first.saturating_add(2)).expect("it is one of the parts");
    let fetch = page.fetch();
    let fetched = manifest.get(fetch.start as usize..fetch.end as usize).unwrap_or_default();
    let page = page.open(fetched);
    match unlisted.with_manifest(&manifest) {
        Ok(listed) => {
            assert_eq!(verdict, Verdict::Truncated, "the oracle refuses it");
            let parts = listed.parts().expect("they are known");
            assert_eq!((parts.len(), listed.plaintext_len()), (count as usize, Some(total)));
            for (of_page, part) in page.expect("a page of it").iter().zip(&parts[first as usize..]) {
                assert_eq!((of_page.number, &of_page.plaintext), (part.number, &part.plaintext));
            }
            assert_plans(&listed, start, end, total);
        }
        Err(error) => {
            assert!(matches!(error, Error::Inauthentic), "{error:?}");
            assert_eq!(verdict, Verdict::Inauthentic);
        }
    }
    Some(())
}

/// Whatever is planned lies in the body, in order and without a gap.
fn assert_plans(listed: &Decryptor, start: u64, end: u64, total: u64) {
    let stored = listed.ciphertext_len().expect("it is known");
    match listed.range(start..end, stored) {
        Ok(plan) => {
            assert_eq!(plan.plaintext_range(), Some(start..end.min(total)));
            let fetches = plan.fetches();
            assert!(fetches.iter().all(|fetch| fetch.start < fetch.end && fetch.end <= stored));
            assert!(fetches.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
        Err(Error::RangeNotSatisfiable { plaintext_len, .. }) => {
            assert!(plaintext_len == total && (start >= end || start >= total));
        }
        Err(error) => panic!("{error:?}"),
    }
    let end = listed.end_fetch(stored).expect("its own length");
    assert!(end.start < end.end && end.end == stored);
    assert!(listed.range(0..1, stored - 1).is_err());
}

/// Keys that are always the same, and nothing random.
fn write(two_layers: bool) -> Write {
    let layer = |kek: [u8; 32], key_id: &str| Layer {
        kek,
        key_id: Some(key_id.to_owned()),
        wrap_salt: [5; 32],
        data_key: [kek[0] + 5; 32],
        message_salt: [kek[0] + 7; 24],
        ..Layer::default()
    };
    let outer = Layer { key_version: Some(1), ..layer(OUTER, "master") };
    let inner = Layer { wrapped_kek: Some(b"wrapped".to_vec()), ..layer(INNER, "kms") };
    let (mode, inner) = if two_layers { (3, Some(inner)) } else { (1, None) };
    Write { mode, name: None, outer, inner, len_known: false, envelope_len: None }
}

fn reader(write: &Write) -> Reader {
    let layers = write.layers();
    let keys = |layer: &&Layer| Keys { key_id: layer.key_id.clone(), key_version: layer.key_version };
    let keys = layers.iter().map(keys).collect();
    Reader { name: None, keks: layers.iter().map(|layer| layer.kek).collect(), keys: Some(keys) }
}

fn decryptor(backend: Backend, envelope: &[u8]) -> Decryptor {
    let sse = sse(backend, "master", 1, OUTER, INNER).expect("a keyring");
    let envelope = Envelope::decode(envelope).expect("the oracle's envelope");
    sse.blocking().decryptor(&ObjectName::unbound(), &envelope, Unlock::Server).expect("the right keys")
}

fn upload(write: &Write, backend: Backend) -> Upload {
    let sse = sse(backend, "master", 1, OUTER, INNER).expect("a keyring");
    let envelope = Envelope::decode(&begin(write, b"").expect("an upload")).expect("the oracle's envelope");
    let expected = Expected::exactly(&envelope);
    let upload = sse.blocking().resume_multipart(&ObjectName::unbound(), b"", &envelope, &expected, Unlock::Server);
    let upload = upload.expect("the right keys");
    // An honest one opens, whatever else does not.
    let keys = write.data_keys();
    let part: Uploaded = (9, vec![7; 3], vec![[6; 24]; keys.len()]);
    let honest = receipt(&keys, &part, b"etag", &[[8; 24], [9; 24]][..keys.len()]);
    upload.open_receipt(&Receipt::from_bytes(honest)).expect("an honest receipt");
    upload
}
