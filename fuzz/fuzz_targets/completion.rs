//! Completion records of any bytes, and records that say anything at all under the right tag: the library and the
//! oracle agree on the layout, on what opens and on what finishes. Beside them the small values that a service keeps.
//!
//! A case is `u8 kind | u8 backend | customer key(32) | LP(realm) | LP(bucket) | LP(key) | LP(version id) | bytes`. By
//! kind modulo 3 the bytes are a record, a record without its tag, or a kept attempt or total.

#![no_main]

use atrest::error::EnvelopeError;
use atrest::multipart::{CompletionRecord, EnvelopeOrRecord, KeptAttempt, RecordedTotal};
use atrest::{Backend, CustomerKey, Error, Keyring, MasterKey, ObjectName, Sse, Unlock, VersionState};
use atrest_fuzz::Input;
use atrest_reference::Error as Verdict;
use atrest_reference::completion::Record;
use atrest_reference::name::Name;
use libfuzzer_sys::fuzz_target;

/// Version 3 of the vectors' keyring.
const MASTER: &[u8; 32] = b"\x3b\xf4\x95\xb4\x7e\xaf\x37\xff\x18\x67\x46\xf5\xe0\x25\x73\xea\x70\x9e\x16\xd2\xac\x1c\xb3\xd7\xb6\x75\x99\x99\xc0\x2c\xe8\x3e";

fuzz_target!(|bytes: &[u8]| {
    let _ = run(bytes);
});

fn run(bytes: &[u8]) -> Option<()> {
    let mut input = Input(bytes);
    let kind = input.u8()? % 3;
    let backend = atrest_fuzz::backend(input.u8()?);
    let customer_key = input.array::<32>()?;
    let [realm, bucket, key, version_id] =
        [input.prefixed()?, input.prefixed()?, input.prefixed()?, input.prefixed()?].map(<[u8]>::to_vec);
    let name = Name { realm, bucket, key, version_id, upload_id: Vec::new() };
    match kind {
        0 => record(backend, &name, &customer_key, input.0),
        1 => {
            let untagged = Record::parse(&[input.0, &[0; 32]].concat()).ok()?;
            record(backend, &name, &customer_key, &untagged.sealed(MASTER, &name));
        }
        _ => small(input.0),
    }
    Some(())
}

fn record(backend: Backend, name: &Name, customer_key: &[u8; 32], bytes: &[u8]) {
    let (of_oracle, of_library) = (Record::parse(bytes), CompletionRecord::decode(bytes));
    let (of_oracle, of_library) = match (of_oracle, of_library) {
        (Ok(of_oracle), Ok(of_library)) => (of_oracle, of_library),
        (Err(verdict), Err(error)) => return assert_same(verdict, &error),
        (of_oracle, of_library) => panic!("the oracle {:?}, the library {of_library:?}", of_oracle.map(drop)),
    };
    assert_eq!(of_library.as_bytes(), bytes, "there is one encoding");
    assert!(bytes.len() as u64 <= CompletionRecord::max_len(of_library.parts()));
    assert!(matches!(EnvelopeOrRecord::decode(bytes), Ok(EnvelopeOrRecord::Record(either)) if either == of_library));
    assert!(!format!("{of_library:?} {}", of_library.claimed_plaintext_len()).is_empty());

    let object = ObjectName::new(&name.bucket, &name.key);
    let Ok(object) = object.and_then(|object| object.with_realm(&name.realm)?.with_version_id(&name.version_id)) else {
        return;
    };
    let master = MasterKey::from_bytes(&mut MASTER.clone()).expect("it is not zero");
    let version = (of_library.key_version(), VersionState::Enabled, master);
    let Ok(keyring) = Keyring::from_versions(of_library.key_id(), of_library.key_version(), [version]) else { return };
    let sse = Sse::builder().backend(backend).keyring(keyring).completion_records().build().expect("a backend");
    let sse = sse.blocking();
    // A key of zeros is no key: the oracle does not know that.
    let Ok(key) = CustomerKey::from_bytes(&mut customer_key.clone()) else { return };
    let finished = sse.finish_completion(&object, &of_library, Unlock::CustomerKey(&key));
    match (of_oracle.open(MASTER, name), sse.open_record(&object, &of_library)) {
        (Ok(total), Ok(opened)) => {
            assert_eq!((total, of_oracle.parts.len()), (opened.plaintext_len(), opened.parts().count()));
            assert!(opened.total().belongs_to(&of_library));
            let rewrapped = sse.rewrap_record(&object, &of_library).expect("it opened");
            assert_eq!(sse.open_record(&object, &rewrapped).expect("it was just made").plaintext_len(), total);
        }
        (Err(verdict), Err(error)) => {
            assert_same(verdict, &error);
            return assert_same(verdict, &finished.expect_err("it does not open"));
        }
        (verdict, opened) => panic!("the oracle {verdict:?}, the library {opened:?}"),
    }
    match (of_oracle.finish(customer_key, name), finished) {
        (Ok((_, parts)), Ok(done)) => {
            assert_eq!(done.decryptor.parts().expect("they are known").len(), parts.len());
            let reader = sse.decryptor(&object, &done.envelope, Unlock::CustomerKey(&key)).expect("it was just made");
            reader.with_manifest(&done.manifest).expect("it was just made");
        }
        (Err(verdict), Err(error)) => assert_same(verdict, &error),
        (verdict, finished) => panic!("the oracle {:?}, the library {finished:?}", verdict.map(drop)),
    }
}

fn assert_same(verdict: Verdict, error: &Error) {
    let class = match error {
        Error::Envelope(EnvelopeError::NotAnEnvelope) => Verdict::NotAnEnvelope,
        Error::Envelope(EnvelopeError::UnsupportedVersion(_)) => Verdict::UnsupportedVersion,
        Error::Envelope(_) => Verdict::Malformed,
        Error::CustomerKey(_) => Verdict::CustomerKeyMismatch,
        Error::Inauthentic => Verdict::Inauthentic,
        other => panic!("the oracle {verdict:?}, the library {other:?}"),
    };
    assert_eq!(class, verdict, "{error:?}");
}

fn small(bytes: &[u8]) {
    if let Ok(kept) = KeptAttempt::from_bytes(bytes) {
        assert_eq!(kept.to_bytes(), bytes, "there is one encoding");
    }
    if let Ok(total) = RecordedTotal::from_bytes(bytes) {
        assert_eq!(total.to_bytes()[..], *bytes, "there is one encoding");
    }
}
