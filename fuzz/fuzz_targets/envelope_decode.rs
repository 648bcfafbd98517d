//! Any bytes as an envelope: what decodes encodes to the same bytes, and the inline and
//! trailer containers agree.

#![no_main]

use atrest::geometry::Layers;
use atrest::{Container, Encrypted, Envelope, EnvelopeState, ModeId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Envelope::decode(bytes) {
        Ok(envelope) => {
            assert_eq!(envelope.encode(), bytes, "there is one encoding");
            look_at(&envelope);

            let (inline, len) = Envelope::decode_inline(bytes).expect("the same envelope, inline");
            assert_eq!((&inline, len), (&envelope, bytes.len()));
            let mut longer = bytes.to_vec();
            longer.extend_from_slice(b"body");
            let (inline, len) = Envelope::decode_inline(&longer).expect("a body may follow");
            assert_eq!((&inline, len), (&envelope, bytes.len()));
            assert!(Envelope::decode(&longer).is_err(), "nothing follows an envelope");
            in_containers(&envelope);
            for cut in [0, 15, 16, 79, bytes.len() - 1] {
                assert!(Envelope::decode(&bytes[..cut]).is_err());
                assert!(Envelope::decode_inline(&bytes[..cut]).is_err());
            }
        }
        Err(_) => {
            if let Ok((envelope, len)) = Envelope::decode_inline(bytes) {
                assert_eq!(envelope.encode(), &bytes[..len]);
                assert!(len < bytes.len(), "else it would have decoded as a whole");
                assert_eq!(Envelope::decode(&bytes[..len]).expect("its own bytes"), envelope);
            }
        }
    }
    // Any bytes as the end, or the beginning, of a stored object.
    for len in [bytes.len() / 2, 200, 512] {
        for container in [Container::inline(len), Container::trailer(len)] {
            for stored_len in [bytes.len() as u64, u64::MAX] {
                let _ = Envelope::decode_in(container, stored_len, bytes);
            }
        }
    }
    if let Ok(len) = Envelope::inline_len(bytes)
        && let Ok((_, whole)) = Envelope::decode_inline(bytes)
    {
        assert_eq!(len, whole);
    }
});

/// An envelope with a body, in both containers of its length and of others.
fn in_containers(envelope: &Envelope) {
    let (bytes, body) = (envelope.as_bytes(), [7; 150]);
    for (len, layers) in [(bytes.len(), Layers::One), (bytes.len(), Layers::Two), (bytes.len() - 1, Layers::One)] {
        let of_len = |container: Container| container.with_layers(layers);
        for (container, stored) in [
            (of_len(Container::inline(len)), [bytes, &body].concat()),
            (of_len(Container::trailer(len)), [&body, bytes].concat()),
        ] {
            let Ok(split) = Encrypted::from_container(&stored, container) else { continue };
            assert_eq!((&split.envelope, &split.ciphertext[..], len), (envelope, &body[..], bytes.len()));
            assert_ne!(envelope.state(), EnvelopeState::Multipart);
            if envelope.state() == EnvelopeState::Object && envelope.mode().layers() == layers {
                assert_eq!(split.to_container(container).expect("it came from there"), stored);
            }
        }
    }
}

/// Every question that an envelope answers about itself.
fn look_at(envelope: &Envelope) {
    let (mode, inner) = (envelope.mode(), envelope.inner());
    assert_eq!(inner.is_some(), mode == ModeId::DsseKms);
    assert_eq!(envelope.key_id().is_some(), mode != ModeId::SseC);
    assert_eq!(envelope.key_version().is_some(), matches!(mode, ModeId::SseS3 | ModeId::DsseKms));
    assert!(envelope.context().is_none() || mode == ModeId::SseKms);
    assert!(!envelope.has_bucket_key() || (mode == ModeId::SseKms && envelope.is_bound()));
    if let Some(inner) = inner {
        assert_eq!(inner.mode(), ModeId::SseKms);
        assert_eq!(inner.state(), envelope.state());
        assert_eq!(inner.is_bound(), envelope.is_bound());
        assert_eq!(inner.plaintext_len(), envelope.plaintext_len());
    }
    if envelope.state() == EnvelopeState::Upload {
        assert_eq!(envelope.plaintext_len(), None);
    }
    assert!(!format!("{envelope:?}").is_empty());
}
