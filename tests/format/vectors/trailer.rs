//! `trailer.json`: stored objects whose envelope lies behind the body, opened, written again and refused.

use std::io::{Cursor, Read, Seek, SeekFrom};

use atrest::error::EnvelopeError;
use atrest::geometry::Layers;
use atrest::io::{DecryptAt, DecryptReader};
use atrest::{Backend, Container, Encrypted, Envelope, Error, Expected, KmsKeys, ModeId, Result, Sse};
use serde::Deserialize;

use super::cases::{Case, Trailer, json, some, unlock};
use atrest_kit::{C, Playback, Steps, backends, class, fetch, pass, plain};

#[derive(Deserialize)]
struct File {
    accept: Vec<Trailer>,
    reject: Vec<Trailer>,
}

impl Trailer {
    fn container(&self) -> Container {
        let layers = if self.store_of_dsse { Layers::Two } else { Layers::One };
        Container::trailer(self.envelope_len).with_layers(layers)
    }

    fn sse(&self, backend: Backend, generator: Option<Playback>) -> Sse {
        self.case().builder(backend, generator).container(self.container()).build().expect("a store of this container")
    }

    /// The reader of the case, which may allow fewer modes than its store has.
    fn reader(&self, backend: Backend) -> Sse {
        let allowed = |mode: &ModeId| self.modes.iter().any(|name| mode.to_string().eq_ignore_ascii_case(name));
        let sse = self.sse(backend, None);
        if self.modes.is_empty() {
            return sse;
        }
        sse.expecting(Expected::new().with_modes(ModeId::ALL.into_iter().filter(allowed)).with_kms_keys(KmsKeys::all()))
    }

    fn open(&self, stored: &[u8], backend: Backend) -> Result<Vec<u8>> {
        let (case, encrypted) = (self.case(), Encrypted::from_container(stored, self.container())?);
        let key = case.customer_key();
        self.reader(backend).blocking().decrypt(&case.object(), &encrypted, unlock(&key))
    }
}

fn for_each(cases: Vec<Trailer>, mut check: impl FnMut(&Trailer, &Case, Backend)) {
    for trailer in some(cases) {
        let case = trailer.case();
        for backend in backends() {
            if case.runs_in_this_build() {
                check(&trailer, &case, backend);
            }
        }
    }
}

fn accepted(check: impl FnMut(&Trailer, &Case, Backend)) {
    for_each(json::<File>("trailer.json").accept, check);
}

#[test]
fn every_trailer_container_opens_whole_and_in_ranges() {
    accepted(|trailer, case, backend| {
        let (stored, container) = (&trailer.stored, trailer.container());
        let expected = plain(case.plaintext_len.unwrap());
        assert!(trailer.open(stored, backend).unwrap() == expected, "{}", case.title);

        let stored_len = stored.len() as u64;
        assert_eq!(container.plaintext_len(stored_len), Some(expected.len() as u64));
        assert_eq!(container.stored_len(expected.len() as u64), Some(stored_len));
        let envelope = Envelope::decode_in(container, stored_len, stored).unwrap();
        let body = container.body(stored_len).unwrap();
        let key = case.customer_key();
        let sse = trailer.reader(backend).blocking();
        let decryptor = sse.decryptor(&case.object(), &envelope, unlock(&key)).unwrap();
        let read = pass(decryptor.sequential(), &stored[..body.end as usize], &Steps::of(1_000));
        assert!(read.into_result().unwrap() == expected, "{}", case.title);

        let mut reader = DecryptReader::new(decryptor.clone(), Cursor::new(stored)).with_body_len(body.end);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == expected, "{}", case.title);
        assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), expected.len() as u64);

        let at = DecryptAt::new(decryptor.clone(), stored, body);
        assert_eq!(at.plaintext_len().unwrap(), expected.len() as u64);
        for (start, end) in [(0, 1), (C - 1, C + 1), (1, expected.len())] {
            let (start, end) = (start.min(expected.len()), end.min(expected.len()));
            if start >= end {
                continue;
            }
            let range = start as u64..end as u64;
            let mut read = vec![0; end - start];
            at.read_exact_at(&mut read, start as u64).unwrap();
            assert!(read == expected[start..end], "{}", case.title);
            let span = container.fetch_of_len(range.clone(), stored_len).unwrap();
            let fetched = fetch(stored, std::slice::from_ref(&span));
            let plan = decryptor.range(range, stored_len - container.envelope_len()).unwrap();
            let piece = container.body_piece(stored_len, span.start, &fetched).unwrap();
            assert!(plan.decrypt_pieces([piece]).unwrap() == expected[start..end], "{}", case.title);
        }
    });
}

#[test]
fn every_trailer_container_is_written_again_byte_for_byte() {
    accepted(|trailer, case, backend| {
        let playback = Playback::of(&case.randomness());
        let sse = trailer.sse(backend, Some(playback.clone())).blocking();
        let expected = plain(case.plaintext_len.unwrap());
        let known = Envelope::decode(case.envelope()).unwrap().plaintext_len();
        let (envelope, encryptor) = match known {
            Some(len) => sse.encryptor_of_len(&case.object(), case.any_mode(), len).unwrap(),
            None => sse.encryptor(&case.object(), case.any_mode()).unwrap(),
        };
        let body = pass(encryptor, &expected, &Steps::of(C + 1)).into_result().unwrap();
        let encrypted = Encrypted::new(envelope, body);
        assert!(encrypted.to_container(trailer.container()).unwrap() == trailer.stored, "{}, {backend:?}", case.title);
        assert!(playback.is_used_up(), "{}, {backend:?}", case.title);
    });
}

#[test]
fn no_cut_of_a_trailer_container_opens() {
    accepted(|trailer, case, backend| {
        let shortest = trailer.container().stored_len(0).unwrap() as usize;
        for len in 0..trailer.stored.len() {
            let refused = trailer.open(&trailer.stored[..len], backend).expect_err(&case.title);
            match refused {
                Error::Truncated => assert!(len < shortest, "{} cut to {len}", case.title),
                Error::Envelope(EnvelopeError::NotAnEnvelope) => {
                    assert!(len >= shortest, "{} cut to {len}", case.title)
                }
                other => panic!("{} cut to {len}: {other:?}", case.title),
            }
        }
    });
}

#[test]
fn every_wrong_trailer_container_is_refused_with_its_class() {
    for_each(json::<File>("trailer.json").reject, |trailer, case, backend| {
        let refused = trailer.open(&trailer.stored, backend).expect_err(&case.title);
        assert!(case.expects(&class(&refused)), "{}, {backend:?}: {refused:?}", case.title);
    });
}

#[test]
fn the_body_of_a_trailer_container_is_a_message_from_its_first_byte() {
    accepted(|trailer, case, backend| {
        if trailer.store_of_dsse {
            return;
        }
        let mut data_key = case.data_keys()[0];
        let data_key = atrest::DataKey::from_bytes(&mut data_key).unwrap();
        let body = &trailer.stored[..trailer.stored.len() - trailer.envelope_len];
        let opened = atrest::hazmat::open_message(backend, &data_key, b"atrest/v1/object\0", body).unwrap();
        assert!(opened == plain(case.plaintext_len.unwrap()), "{}", case.title);
    });
}
