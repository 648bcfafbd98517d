//! Rewraps of vectors: from the same salt, a rewrap writes the vector's envelope.

use atrest::{Encrypted, Envelope, KmsKeys, Rewrap, Sse, Unlock};
use atrest_reference::envelope::field;

use super::cases::{Case, load};
use atrest_kit::{OneKey, Playback, backends, keyring_of, plain};

fn case<'a>(cases: &'a [Case], mode: &str, when: &str) -> &'a Case {
    let title = format!("{mode} {when} a rewrap");
    cases.iter().find(|case| case.title.starts_with(&title)).expect("the case")
}

fn rewraps(mode: &str) {
    let cases = load("accept.json");
    let (before, after) = (case(&cases, mode, "before"), case(&cases, mode, "after"));
    assert!(before.body == after.body);
    if !before.runs_in_this_build() {
        return;
    }
    let (old, new) = (before.layers(), after.layers());
    let key = |case: &Case, layers: &[atrest_reference::envelope::Envelope]| {
        (layers[0].key_version().expect("a version"), case.kek(0))
    };
    let key_id = String::from_utf8(old[0].fields[&field::KEY_ID].clone()).unwrap();
    let (primary, _) = key(after, &new);
    for backend in backends() {
        let playback = Playback::of(&new[0].wrap_salt);
        let keyring = keyring_of(&key_id, primary, &[key(before, &old), key(after, &new)]).unwrap();
        let mut builder = Sse::builder().backend(backend).keyring(keyring);
        if let Some(inner) = old.get(1) {
            let kms_key_id = String::from_utf8(inner.fields[&field::KEY_ID].clone()).unwrap();
            let kms = OneKey::new(&kms_key_id, &inner.fields[&field::WRAPPED_KEK], before.kek(1));
            builder = builder.kms(kms, KmsKeys::all());
        }
        let generator = playback.clone();
        let sse = builder.generator(move || generator.clone()).build().unwrap();
        let envelope = Envelope::decode(before.envelope()).unwrap();
        assert!(sse.needs_rewrap(&envelope));
        let fresh = sse.blocking().rewrap(Rewrap::of(&before.object(), &envelope, Unlock::Server)).unwrap();
        assert_eq!(fresh.encode(), after.envelope(), "{backend:?}");
        assert!(!sse.needs_rewrap(&fresh));
        assert!(playback.is_used_up());
        // Old envelope or fresh one: the untouched body opens to the same bytes.
        for envelope in [envelope, fresh] {
            let encrypted = Encrypted::new(envelope, before.body.clone());
            let opened = sse.blocking().decrypt(&before.object(), &encrypted, Unlock::Server).unwrap();
            assert_eq!(opened, plain(before.plaintext_len.expect("a case that opens")));
        }
    }
}

#[test]
fn a_rewrap_under_the_primary_writes_the_stated_envelope_over_the_same_body() {
    rewraps("sse-s3");
}

#[test]
fn a_rewrap_of_dsse_kms_touches_the_outer_layer_alone() {
    rewraps("dsse-kms");
}
