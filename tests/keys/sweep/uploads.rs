//! Multipart uploads under way in sweeps; the second implementation of the format writes their envelopes.

use atrest::rotation::{Entry, ProblemKind, Sweep};
use atrest::{Error, Keyring, MasterKey, Sse, VersionState, error::KeyringError};
use atrest_reference::envelope::{BOUND, Envelope, SSE_S3, UPLOAD, field};
use atrest_reference::name::Name;
use atrest_reference::{parse, wrap};

use super::kit::{Store, object};

const KEKS: [[u8; 32]; 2] = [[1; 32], [2; 32]];

fn keyring(primary: u32) -> Keyring {
    let version = |number: u32| {
        (number, VersionState::Enabled, MasterKey::from_bytes(&mut KEKS[number as usize - 1].clone()).unwrap())
    };
    Keyring::from_versions("master", primary, [version(1), version(2)]).unwrap().with_changes_lost_on_exit()
}

fn name(key: &str, upload_id: &str) -> Name {
    Name { bucket: b"photos".into(), key: key.into(), upload_id: upload_id.into(), ..Name::default() }
}

/// The envelope of an upload under version 1.
fn upload(key: &str, upload_id: &str) -> Vec<u8> {
    let wrap_salt = [7; 32];
    let fields = [(field::KEY_ID, b"master".to_vec()), (field::KEY_VERSION, 1_u32.to_be_bytes().to_vec())];
    let verifier = wrap::verifier(&KEKS[0], &wrap_salt, SSE_S3);
    let mut envelope = Envelope {
        mode: SSE_S3,
        state: UPLOAD,
        flags: BOUND,
        wrap_salt,
        verifier,
        fields: fields.into(),
        wrapped_key: [0; 48],
    };
    wrap::wrap(&mut envelope, &KEKS[0], Some(&name(key, upload_id)), &[9; 32]);
    envelope.encode()
}

#[test]
fn an_upload_under_way_is_rewrapped_under_its_own_id() {
    let sse = Sse::builder().keyring(keyring(2)).build().unwrap();
    let store = Store::default();
    store.set("a?one", upload("a", "one"));
    store.set("a?two", upload("a", "two"));
    store.set("b?three", upload("b", "another"));
    let report = Sweep::new(&sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().problems), (2, 1));
    let problem = &report.problems()[0];
    assert_eq!((problem.upload_id(), problem.kind()), (Some(&b"three"[..]), ProblemKind::Inauthentic));
    assert_eq!(problem.version(), Some(1));
    let (_, row) = report.versions().next().unwrap();
    assert_eq!((row.rewrapped.uploads, row.problems.uploads, row.rewrapped.objects), (2, 1, 0));
    for id in ["one", "two"] {
        let envelope = parse::decode(&store.envelope(&format!("a?{id}"))).unwrap();
        assert_eq!((envelope.state, envelope.key_version()), (UPLOAD, Some(2)));
        assert_eq!(wrap::unwrap(&envelope, &KEKS[1], Some(&name("a", id))).unwrap(), [9; 32]);
    }
    let keyring = keyring(2);
    keyring.blocking().disable(1).unwrap();
    let refused = keyring.blocking().retire(1, report.usage().unwrap()).unwrap_err();
    let in_use = KeyringError::VersionInUse { version: 1, objects: 0, uploads: 1 };
    assert!(matches!(refused, Error::Keyring(error) if error == in_use), "{refused}");
}

#[test]
fn the_envelope_of_an_upload_in_the_place_of_an_objects_is_a_problem() {
    for primary in [1, 2] {
        let sse = Sse::builder().keyring(keyring(primary)).build().unwrap();
        let listing = [Ok(Entry::object(object("a"), upload("a", "one")))];
        let report = Sweep::new(&sse).blocking().rewrap(listing, &Store::default()).unwrap();
        assert_eq!(report.counts().problems, 1);
        assert!(report.problems()[0].reason().contains("not complete"));
    }
}
