//! Objects in a container: envelope and body in one stored object, the envelope in front or behind.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};

use atrest::error::{EnvelopeError, Limit, Misuse, Unexpected};
use atrest::geometry::{Fetch, Layers};
use atrest::io::{DecryptAt, DecryptReader};
use atrest::{
    Backend, ByteRange, Container, DsseKms, Encrypted, Envelope, Error, Keyring, ModeId, ObjectName, Rewrap, Sse, SseS3,
};
use atrest_kit::parts::id_of;
use atrest_kit::{C, LENS, Service, class, name, plain};

const LEN: usize = 1_024;

/// Every container: inline and trailer, of one layer and, if this build has two backends, of two.
fn containers() -> Vec<Container> {
    let one = [Container::inline(LEN), Container::trailer(LEN)];
    let two = one.map(|container| container.with_layers(Layers::Two));
    if Backend::available().count() > 1 { [one, two].concat() } else { one.to_vec() }
}

/// Calls `check` with a store of each container, and with each mode that it holds.
fn for_every_store(mut check: impl FnMut(&Service, Container, &atrest::AnyMode)) {
    for container in containers() {
        let service = Service::with(|builder| builder.container(container));
        for mode in service.modes().into_iter().filter(|mode| mode.id().layers() == container.layers()) {
            check(&service, container, &mode);
        }
    }
}

/// The answer of a store that clips what it is asked for: where the bytes begin, and the bytes.
fn answer(stored: &[u8], fetch: Fetch) -> (u64, &[u8]) {
    let len = stored.len() as u64;
    let range = match fetch {
        Fetch::Range(range) => range.start.min(len)..range.end.min(len),
        Fetch::From(start) => start.min(len)..len,
        Fetch::Last(last) => len.saturating_sub(last)..len,
        other => panic!("{other:?} is none of the three forms"),
    };
    (range.start, &stored[range.start as usize..range.end as usize])
}

#[test]
fn every_object_in_a_container_opens_and_a_listing_tells_its_length() {
    for_every_store(|service, container, mode| {
        for len in LENS {
            let known = service.sse.blocking().encrypt(&name(), mode.clone(), &plain(len)).unwrap();
            for encrypted in [known, service.streamed(&name(), mode, &plain(len))] {
                let stored = encrypted.to_container(container).unwrap();
                assert_eq!(container.plaintext_len(stored.len() as u64), Some(len as u64));
                assert_eq!(container.stored_len(len as u64), Some(stored.len() as u64));
                let body = container.body(stored.len() as u64).unwrap();
                assert!(stored[body.start as usize..body.end as usize] == encrypted.ciphertext);
                let split = Encrypted::from_container(&stored, container).unwrap();
                assert!(split == encrypted, "{container:?} {len}");
                assert!(service.decrypt(&name(), &split).unwrap() == plain(len), "{container:?} {len}");
            }
        }
    });
    let service = Service::with(|builder| builder.container(Container::trailer(LEN)));
    assert_eq!(service.sse.container(), Some(Container::trailer(LEN)));
    assert_eq!(service.sse.envelope_len(), Some(LEN));
    let detached = Service::with(|builder| builder.envelope_len(LEN)).sse;
    assert_eq!((detached.container(), detached.envelope_len()), (None, Some(LEN)));
    assert_eq!(Service::new().sse.envelope_len(), None);
}

/// As an object store reads it: envelope and range are fetched together, before the length is known.
#[test]
fn a_range_is_planned_before_the_length_is_known_and_opens_from_what_was_fetched() {
    for_every_store(|service, container, mode| {
        for len in LENS {
            let plaintext = plain(len);
            let stored = service.streamed(&name(), mode, &plaintext).to_container(container).unwrap();
            let stored_len = stored.len() as u64;
            let points = [0, 1, C - 1, C, C + 1, 2 * C, len / 2, len.saturating_sub(1), len];
            let mut ranges: Vec<(ByteRange, std::ops::Range<usize>)> = Vec::new();
            for start in points {
                ranges.push(((start as u64..).into(), start.min(len)..len));
                ranges.push((ByteRange::last(start as u64), len.saturating_sub(start)..len));
                for end in points.into_iter().filter(|end| *end > start) {
                    ranges.push(((start as u64..end as u64).into(), start.min(len)..end.min(len)));
                }
            }
            for (range, slice) in ranges {
                let (_, first) = answer(&stored, container.envelope_fetch());
                let (offset, fetched) = answer(&stored, container.fetch(range));
                let envelope = Envelope::decode_in(container, stored_len, first).unwrap();
                let decryptor = service.decryptor(&name(), &envelope).unwrap();
                let body = container.body(stored_len).unwrap();
                let read = decryptor.range(range, body.end - body.start).and_then(|plan| {
                    let span = plan.fetch_span();
                    let (at, piece) = container.body_piece(stored_len, offset, fetched).unwrap();
                    if at <= span.start && span.end <= at + piece.len() as u64 {
                        return plan.decrypt_pieces([(at, piece)]);
                    }
                    // The range begins behind the object; the end of the object proves that.
                    assert!(slice.is_empty(), "{container:?} {range:?} of {len}");
                    let (offset, end) = answer(&stored, Fetch::Range(container.stored_range(span)));
                    plan.decrypt_pieces([container.body_piece(stored_len, offset, end).unwrap()])
                });
                match read {
                    Ok(read) => assert!(read == plaintext[slice.clone()], "{container:?} {range:?} of {len}"),
                    Err(Error::RangeNotSatisfiable { plaintext_len, .. }) => {
                        assert_eq!((plaintext_len, slice.len()), (len as u64, 0), "{container:?} {range:?}");
                    }
                    Err(error) => panic!("{container:?} {range:?} of {len}: {error:?}"),
                }
                // A trailer's suffix brings its envelope along.
                if container.is_trailer() && fetched.len() >= LEN && offset + fetched.len() as u64 == stored_len {
                    assert_eq!(Envelope::decode_in(container, stored_len, fetched).unwrap(), envelope);
                }
            }
        }
    });
}

#[test]
fn mixed_up_containers_are_not_an_envelope_and_the_text_says_where_to_look() {
    for_every_store(|service, container, mode| {
        let encrypted = service.sse.blocking().encrypt(&name(), mode.clone(), &plain(C + 5)).unwrap();
        let stored = encrypted.to_container(container).unwrap();
        let inline = Container::inline(LEN).with_layers(container.layers());
        let trailer = Container::trailer(LEN).with_layers(container.layers());
        let other = if container.is_inline() { trailer } else { inline };
        let mut refused = vec![Encrypted::from_container(&stored, other).unwrap_err()];
        if container.is_trailer() {
            refused.push(Encrypted::from_inline(&stored).unwrap_err());
        }
        for refused in refused {
            assert!(matches!(refused, Error::Envelope(EnvelopeError::NotAnEnvelope)), "{refused:?}");
            let text = refused.to_string();
            for word in ["inline", "trailer", "SseBuilder::container"] {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
    });
}

#[test]
fn what_lies_at_the_other_end_changes_nothing() {
    for_every_store(|service, container, mode| {
        let encrypt = |len| {
            let encrypted = service.sse.blocking().encrypt(&name(), mode.clone(), &plain(len)).unwrap();
            (encrypted.envelope.encode(), encrypted.to_container(container).unwrap())
        };
        let ((envelope, stored), (other, other_stored)) = (encrypt(100), encrypt(20));
        let junk = [7; 50].to_vec();
        let own_end = |more: &[u8]| if container.is_trailer() { [&stored[..], more] } else { [more, &stored] }.concat();
        let other_end =
            |more: &[u8]| if container.is_trailer() { [more, &stored[..]] } else { [&stored, more] }.concat();
        // At the end of the envelope, only an envelope of the container's length is one.
        for more in [&junk[..], &[0; LEN]] {
            let refused = Encrypted::from_container(&own_end(more), container).unwrap_err();
            assert_eq!(class(&refused), "NotAnEnvelope", "{container:?}");
        }
        // At the other end it is body, which does not authenticate.
        for more in [&junk[..], &[0], &envelope, &other, &stored, &other_stored] {
            let split = Encrypted::from_container(&other_end(more), container).unwrap();
            assert_eq!(split.envelope.encode(), envelope);
            let refused = service.decrypt(&name(), &split).unwrap_err();
            assert!(matches!(refused, Error::Inauthentic | Error::Truncated), "{container:?}: {refused:?}");
        }
    });
}

#[test]
fn every_changed_byte_and_every_cut_of_a_stored_object_is_refused() {
    for_every_store(|service, container, mode| {
        let stored = service.streamed(&name(), mode, &plain(5)).to_container(container).unwrap();
        let open = |stored: &[u8]| {
            Encrypted::from_container(stored, container).and_then(|split| service.decrypt(&name(), &split))
        };
        assert!(open(&stored).is_ok());
        for at in 0..stored.len() {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            let refused = class(&open(&changed).expect_err("a changed byte"));
            assert_ne!(refused, "Misuse", "{container:?} byte {at}");
            assert_eq!(class(&open(&changed).expect_err("a changed byte")), refused, "asked again");
            open(&stored[..at]).expect_err("a cut");
            open(&stored[at + 1..]).expect_err("a beginning that is missing");
        }
    });
}

#[test]
fn a_container_holds_dsse_kms_alone_or_not_at_all() {
    for container in containers() {
        let service = Service::with(|builder| builder.container(container));
        let both = Service::new();
        for mode in both.modes() {
            let written = service.sse.blocking().encrypt(&name(), mode.clone(), b"meow");
            if mode.id().layers() == container.layers() {
                assert_eq!(written.unwrap().envelope.encoded_len(), LEN);
                continue;
            }
            assert!(matches!(written, Err(Error::Unexpected(Unexpected::Mode))), "{mode:?}: {written:?}");
            // What another service wrote there is refused too, before any provider is called.
            let foreign = both.sse.blocking().encrypt(&name(), mode.clone(), b"meow").unwrap();
            let read = service.decryptor(&name(), &foreign.envelope);
            assert!(matches!(read, Err(Error::Unexpected(Unexpected::Mode))), "{read:?}");
        }
    }
}

#[test]
fn a_container_holds_no_object_in_parts() {
    let detached = Service::with(|builder| builder.envelope_len(LEN));
    for container in [Container::inline(LEN), Container::trailer(LEN)] {
        let builder = Sse::builder().keyring(detached.keyring.clone()).container(container);
        let sse = builder.build().unwrap().blocking();
        let refused = sse.begin_multipart(&name(), b"upload", SseS3).unwrap_err();
        assert!(matches!(refused, Error::Misuse(Misuse::PartsInContainer)), "{refused:?}");

        let upload = detached.begin(&name(), &SseS3.into());
        let object = name();
        let request = Rewrap::upload(&object, id_of(&object), upload.envelope(), atrest::Unlock::Server);
        let refused = sse.rewrap(request).unwrap_err();
        assert!(matches!(refused, Error::Misuse(Misuse::PartsInContainer)), "{refused:?}");
        let of_upload = Encrypted::new(upload.envelope().clone(), plain(200));
        assert!(matches!(of_upload.to_container(container), Err(Error::UploadNotComplete)));

        let parts = detached.put(&name(), &SseS3.into(), &[(1, 100)]);
        let refused = parts.with_body(parts.body()).to_container(container).unwrap_err();
        assert!(matches!(refused, Error::Misuse(Misuse::Container)), "{refused:?}");
        let envelope = parts.envelope().clone();
        let refused = sse.decryptor(&name(), &envelope, atrest::Unlock::Server).unwrap_err();
        assert!(matches!(refused, Error::Unexpected(Unexpected::Container)), "{refused:?}");
        // An attacker who writes the store placed it there.
        let body = plain(200);
        let placed =
            if container.is_trailer() { [&body[..], envelope.as_bytes()] } else { [envelope.as_bytes(), &body] };
        let refused = Encrypted::from_container(&placed.concat(), container).unwrap_err();
        assert!(matches!(refused, Error::Unexpected(Unexpected::Container)), "{refused:?}");
    }
}

#[test]
fn only_an_envelope_made_for_the_container_is_placed_in_it() {
    let container = Container::trailer(LEN);
    for service in [Service::new(), Service::with(|builder| builder.envelope_len(LEN + 1))] {
        let encrypted = service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
        let refused = encrypted.to_container(container).unwrap_err();
        assert!(matches!(refused, Error::Misuse(Misuse::Container)), "{refused:?}");
    }
    let service = Service::with(|builder| builder.container(container));
    let encrypted = service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    encrypted.to_container(Container::inline(LEN)).unwrap();
    let refused = encrypted.to_container(container.with_layers(Layers::Two)).unwrap_err();
    assert!(matches!(refused, Error::Misuse(Misuse::Container)), "{refused:?}");
    let short = Encrypted::new(encrypted.envelope.clone(), plain(71));
    assert!(matches!(short.to_container(container), Err(Error::Truncated)));
    let with_manifest = encrypted.with_manifest(plain(100));
    assert!(matches!(with_manifest.to_container(container), Err(Error::Misuse(Misuse::Container))));

    // An envelope of exactly the container's length, but without padding.
    let unpadded = Service::new().sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    let container = Container::trailer(unpadded.envelope.encoded_len());
    let placed = [&unpadded.ciphertext[..], unpadded.envelope.as_bytes()].concat();
    assert_eq!(class(&Encrypted::from_container(&placed, container).unwrap_err()), "Malformed");
    assert!(matches!(unpadded.to_container(container), Err(Error::Misuse(Misuse::Container))));
}

#[test]
fn the_builder_refuses_two_lengths_and_a_writer_an_envelope_that_does_not_fit() {
    let builder = || Sse::builder().keyring(Keyring::generate().unwrap());
    let refused = builder().container(Container::trailer(512)).envelope_len(600).build().unwrap_err();
    assert!(matches!(refused, Error::Misuse(Misuse::ContainerLen)), "{refused:?}");
    builder().container(Container::trailer(512)).envelope_len(512).build().unwrap();
    for len in [0, 100, 200] {
        let sse = builder().container(Container::trailer(len)).build().unwrap().blocking();
        let refused = sse.encrypt(&name(), SseS3, b"meow").unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded(Limit::EnvelopeLen(_))), "{len}: {refused:?}");
    }
    let sse = builder().container(Container::trailer(usize::MAX)).build().unwrap().blocking();
    let refused = sse.encrypt(&name(), SseS3, b"meow").unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded(Limit::Envelope)), "{refused:?}");
}

#[test]
fn a_stored_length_that_no_object_has_is_refused_whatever_was_fetched() {
    for container in containers() {
        let service = Service::with(|builder| builder.container(container));
        let mode: atrest::AnyMode = match container.layers() {
            Layers::Two => DsseKms::new("alias/app").into(),
            _ => SseS3.into(),
        };
        let stored = service.streamed(&name(), &mode, b"").to_container(container).unwrap();
        let shortest = stored.len() as u64;
        for len in [0, 1, LEN as u64 - 1, LEN as u64, shortest - 1] {
            let refused = Envelope::decode_in(container, len, &stored).unwrap_err();
            assert!(matches!(refused, Error::Truncated), "{container:?} {len}: {refused:?}");
        }
        for len in [shortest, u64::MAX] {
            assert!(Envelope::decode_in(container, len, &stored).is_ok(), "{container:?} {len}");
        }
        // Too short an answer.
        let answer = if container.is_trailer() { &stored[stored.len() - LEN + 1..] } else { &stored[..LEN - 1] };
        for answer in [answer, b""] {
            let refused = class(&Envelope::decode_in(container, shortest, answer).unwrap_err());
            let expected = match (container.is_trailer(), answer.is_empty()) {
                (true, _) => "Truncated",
                (false, true) => "NotAnEnvelope",
                (false, false) => "Malformed",
            };
            assert_eq!(refused, expected, "{container:?}");
        }
    }
}

#[test]
fn a_rewrap_keeps_the_length_and_brings_a_detached_envelope_to_it() {
    let container = Container::trailer(LEN);
    let service = Service::with(|builder| builder.container(container));
    let other = ObjectName::new("photos", "another").unwrap();
    let encrypted = service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    service.keyring.blocking().rotate().unwrap();
    let sse = service.sse.blocking();
    let object = name();
    let request = Rewrap::of(&object, &encrypted.envelope, atrest::Unlock::Server).to(&other, SseS3);
    let moved = Encrypted::new(sse.rewrap(request).unwrap(), encrypted.ciphertext.clone());
    let stored = moved.to_container(container).unwrap();
    assert_eq!(container.plaintext_len(stored.len() as u64), Some(4));
    let split = Encrypted::from_container(&stored, container).unwrap();
    assert_eq!(service.decrypt(&other, &split).unwrap(), b"meow");
    assert_eq!(split.envelope.mode(), ModeId::SseS3);

    let detached = Sse::builder().keyring(service.keyring.clone()).build().unwrap().blocking();
    let encrypted = detached.encrypt(&name(), SseS3, b"meow").unwrap();
    let fresh = sse.rewrap(Rewrap::of(&name(), &encrypted.envelope, atrest::Unlock::Server)).unwrap();
    Encrypted::new(fresh, encrypted.ciphertext).to_container(container).unwrap();
}

#[test]
fn a_reader_stops_where_the_body_ends() {
    for_every_store(|service, container, mode| {
        for len in LENS {
            let plaintext = plain(len);
            let stored = service.streamed(&name(), mode, &plaintext).to_container(container).unwrap();
            let body = container.body(stored.len() as u64).unwrap();
            let envelope = Envelope::decode_in(container, stored.len() as u64, &stored).unwrap();
            let decryptor = service.decryptor(&name(), &envelope).unwrap();
            let body_len = body.end - body.start;
            let source = |bytes: &[u8]| {
                let mut source = Cursor::new(bytes.to_vec());
                source.set_position(body.start);
                source
            };
            let all = |mut reader: DecryptReader<BufReader<Cursor<Vec<u8>>>>| {
                let mut read = Vec::new();
                reader.read_to_end(&mut read)?;
                assert_eq!(reader.seek(SeekFrom::End(0))?, read.len() as u64);
                let from = reader.seek(SeekFrom::Start((len / 2) as u64))? as usize;
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest)?;
                assert!(rest == read[from..]);
                Ok::<_, std::io::Error>(read)
            };
            let over = |bytes: &[u8], capacity| BufReader::with_capacity(capacity, source(bytes));
            for capacity in [1_000, 1 << 20] {
                let reader = DecryptReader::new(decryptor.clone(), over(&stored, capacity)).with_body_len(body_len);
                assert!(all(reader).unwrap() == plaintext, "{container:?} {len}");
                let lent = DecryptReader::buffered(decryptor.clone(), over(&stored, capacity)).with_body_len(body_len);
                assert!(all(lent).unwrap() == plaintext, "{container:?} {len}");
                // Another length than the body's, or a source that ends before the body does.
                for wrong in [body_len - 1, body_len + 1].into_iter().filter(|_| container.is_trailer()) {
                    let reader = DecryptReader::new(decryptor.clone(), over(&stored, capacity)).with_body_len(wrong);
                    assert!(all(reader).is_err(), "{container:?} {len}, body of {wrong}");
                }
                let cut = &stored[..(body.end - 1) as usize];
                let reader = DecryptReader::new(decryptor.clone(), over(cut, capacity)).with_body_len(body_len);
                assert!(all(reader).is_err(), "{container:?} {len} cut");
            }
            let at = DecryptAt::new(decryptor, &stored, body);
            assert_eq!(at.plaintext_len().unwrap(), len as u64);
        }
    });
}
