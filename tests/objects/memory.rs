//! Allocations: `update` allocates nothing once it is warm, and objects of any size need little memory.

use std::io::{Cursor, Read, Write};

use allocation_counter::measure;
use atrest::io::{DecryptReader, EncryptWriter};
use atrest::{Backend, Envelope, SseS3, Unlock};
use atrest_kit::{C, Service, name, plain};
use bytes::{Bytes, BytesMut};

const MIB: usize = 1 << 20;

#[test]
fn update_allocates_nothing_once_it_is_warm() {
    let service = Service::new();
    let piece = plain(100_000);
    let mut output = vec![0; 200_000];
    for mode in service.modes() {
        let (envelope, mut encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let mut stored = Vec::new();
        for round in 0..5 {
            let mut written = 0;
            let allocated = measure(|| written = encryptor.update(&piece, &mut output).unwrap());
            assert!(round == 0 || allocated.count_total == 0, "{mode:?} round {round}: {allocated:?}");
            stored.extend_from_slice(&output[..written]);
        }
        stored.resize(stored.len() + encryptor.finish_len(), 0);
        let start = stored.len() - encryptor.finish_len();
        encryptor.finish(&mut stored[start..]).unwrap();

        let mut reader = service.decryptor(&name(), &envelope).unwrap().sequential();
        for (round, piece) in stored.chunks(100_000).enumerate() {
            let allocated = measure(|| assert!(reader.update(piece, &mut output).is_ok()));
            assert!(round == 0 || allocated.count_total == 0, "{mode:?} round {round}: {allocated:?}");
        }
        reader.finish(&mut output).unwrap();
    }
}

/// Neither do the calls that append to a `BytesMut`, or open in one, once the memory of earlier pieces is free again.
#[test]
fn calls_over_a_bytes_mut_allocate_nothing_once_they_are_warm() {
    let service = Service::new();
    for mode in service.modes() {
        let (envelope, mut encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let (mut stored, mut output) = (Vec::new(), BytesMut::with_capacity(200_000));
        for (round, piece) in plain(800_000).chunks(100_000).enumerate() {
            output.clear();
            let allocated = measure(|| assert!(encryptor.push(piece, &mut output).is_ok()));
            assert!(round < 2 || allocated.count_total == 0, "{mode:?} push, round {round}: {allocated:?}");
            stored.extend_from_slice(&output);
        }
        output.clear();
        encryptor.finish_into(&mut output).unwrap();
        stored.extend_from_slice(&output);

        // In steps that end with a chunk (of the outer layer), and in others.
        for step in [8 * (C + 16), 100_000, 8_192] {
            let decryptor = service.decryptor(&name(), &envelope).unwrap();
            let (mut pushing, mut in_place) = (decryptor.sequential(), decryptor.sequential());
            let (mut received, mut opened) = (BytesMut::new(), Vec::<Bytes>::with_capacity(16));
            for (round, piece) in stored.chunks(step).enumerate() {
                let warm = round > 2 * C / step + 2;
                output.clear();
                let allocated = measure(|| assert!(pushing.push(piece, &mut output).is_ok()));
                assert!(!warm || allocated.count_total == 0, "{mode:?} push, {step}, round {round}: {allocated:?}");
                let allocated = measure(|| {
                    received.reserve(piece.len());
                    received.extend_from_slice(piece);
                    assert!(in_place.open_in_place(&mut received, &mut opened).is_ok());
                });
                assert_eq!(output, opened.concat(), "{mode:?} {step} {round}");
                opened.clear();
                assert!(!warm || allocated.count_total == 0, "{mode:?} {step}, round {round}: {allocated:?}");
            }
        }
    }
}

/// A small object is neither staged nor copied on its way. RustCrypto's expanded keys are on the heap, of which Graviola
/// has one more.
#[test]
fn a_small_object_in_memory_takes_little_more_heap_than_its_result() {
    for backend in Backend::available() {
        let sse = Service::on(backend).sse.blocking();
        let (plaintext, object) = (plain(1_000), name());
        let stored = sse.encrypt(&object, SseS3, &plaintext).unwrap();
        let encrypting = measure(|| drop(sse.encrypt(&object, SseS3, &plaintext).unwrap()));
        let decrypting = measure(|| drop(sse.decrypt(&object, &stored, Unlock::Server).unwrap()));
        let (most_bytes, most) = match backend {
            Backend::AwsLc => (700, 8),
            Backend::Graviola => (1_400, 11),
            _ => (1_400, 10),
        };
        for (verb, allocated, result) in [("encrypting", encrypting, 1_072 + 300), ("decrypting", decrypting, 1_000)] {
            let is_little = allocated.bytes_max < result + most_bytes && allocated.count_total <= most;
            assert!(is_little, "{backend:?} {verb}: {allocated:?}");
        }
    }
}

#[test]
fn a_clone_of_an_envelope_shares_its_bytes() {
    let service = Service::new();
    for mode in service.modes() {
        let (envelope, _) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let decoded = Envelope::decode(envelope.as_bytes()).unwrap();
        for envelope in [envelope, decoded] {
            let shared = envelope.clone();
            let allocated = measure(|| drop(shared.clone()));
            assert_eq!(allocated.count_total, 0, "{mode:?}: {allocated:?}");
            assert_eq!(shared.as_bytes().as_ptr(), envelope.as_bytes().as_ptr());
        }
    }
}

#[test]
fn an_object_of_any_size_takes_less_than_a_mebibyte_of_heap() {
    let service = Service::new();
    let plaintext = plain(16 * MIB);
    for mode in service.modes() {
        let mut body = Vec::with_capacity(17 * MIB);
        let mut envelope = None;
        let allocated = measure(|| {
            let (new, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
            let mut writer = EncryptWriter::new(encryptor, &mut body);
            writer.write_all(&plaintext).unwrap();
            writer.finish().unwrap();
            envelope = Some(new);
        });
        assert!(allocated.bytes_max < MIB as u64, "{mode:?} writing: {allocated:?}");
        let envelope = envelope.unwrap();
        let allocated = measure(|| {
            let decryptor = service.decryptor(&name(), &envelope).unwrap();
            let mut reader = DecryptReader::new(decryptor.clone(), Cursor::new(&body));
            let (mut piece, mut len) = (vec![0; 4 * C], 0);
            loop {
                match reader.read(&mut piece).unwrap() {
                    0 => break,
                    read => len += read,
                }
            }
            assert_eq!(len, plaintext.len());
            let plan = decryptor.range(0..16 * MIB as u64, body.len() as u64).unwrap();
            let (mut reader, mut len) = (plan.reader(), 0);
            let fetch = plan.fetches()[0].clone();
            for fetched in body[fetch.start as usize..fetch.end as usize].chunks(C) {
                len += reader.update(fetched, &mut piece).unwrap();
            }
            let mut rest = vec![0; reader.finish_len()];
            len += reader.finish(&mut rest).unwrap();
            assert_eq!(len, plaintext.len());
        });
        assert!(allocated.bytes_max < MIB as u64, "{mode:?} reading: {allocated:?}");
    }
}

#[test]
fn no_length_that_a_store_claims_is_allocated() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plain(10));
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let allocated = measure(|| {
            let plan = decryptor.range(0..u64::MAX, 1 << 51).unwrap();
            assert!(plan.decrypt(&stored.ciphertext).is_err());
        });
        assert!(allocated.bytes_max < 200_000, "{mode:?}: {allocated:?}");
    }
}

#[test]
fn an_object_of_many_parts_is_read_in_less_than_a_mebibyte_of_heap() {
    let service = Service::new();
    for mode in service.modes() {
        let lens: Vec<_> = (1..=200).map(|number| (number, 80_000 + number as usize)).collect();
        let stored = service.put(&name(), &mode, &lens);
        let (body, len) = (stored.body(), stored.plain().len());
        let allocated = measure(|| {
            let decryptor = service.reader(&name(), stored.envelope(), &stored.completed.manifest).unwrap();
            let mut reader = DecryptReader::new(decryptor.clone(), Cursor::new(&body));
            let (mut piece, mut read) = (vec![0; 4 * C], 0);
            loop {
                match reader.read(&mut piece).unwrap() {
                    0 => break,
                    more => read += more,
                }
            }
            assert_eq!(read, len);
            let plan = decryptor.range(1.., body.len() as u64).unwrap();
            let (mut reader, mut read, span) = (plan.reader(), 0, plan.fetch_span());
            for fetched in body[span.start as usize..span.end as usize].chunks(C) {
                read += reader.update(fetched, &mut piece).unwrap();
            }
            let mut rest = vec![0; reader.finish_len()];
            read += reader.finish(&mut rest).unwrap();
            assert_eq!(read, len - 1);
        });
        assert!(allocated.bytes_max < MIB as u64, "{mode:?}: {allocated:?}");
    }
}

#[test]
fn a_manifest_of_ten_thousand_parts_takes_what_is_said_and_a_page_of_it_little() {
    let service = Service::new();
    for mode in service.modes() {
        let lens: Vec<_> = (1..=10_000).map(|number| (number, 1)).collect();
        let stored = service.put(&name(), &mode, &lens);
        let (envelope, manifest) = (stored.envelope(), &stored.completed.manifest);
        let unlisted = service.decryptor(&name(), envelope).unwrap();
        let each = if mode.id() == atrest::ModeId::DsseKms { 84 } else { 60 };
        let mut listed = None;
        let allocated = measure(|| listed = Some(unlisted.with_manifest(manifest).unwrap()));
        // What stays, and what opening it takes on the way: a vector that grows holds its old memory too.
        assert!(allocated.bytes_current < 10_000 * each * 5 / 4, "{mode:?}: {allocated:?}");
        assert!(allocated.bytes_max < 3 * MIB as u64, "{mode:?}: {allocated:?}");
        let listed = listed.unwrap();
        let allocated = measure(|| {
            let plan = listed.range(5_000..5_004, listed.ciphertext_len().unwrap()).unwrap();
            assert_eq!(plan.fetches().len(), 4);
        });
        assert!(allocated.bytes_max < 10_000, "{mode:?}: {allocated:?}");
        let allocated = measure(|| {
            let page = unlisted.manifest_page(5_000..5_001).unwrap();
            let fetch = page.fetch();
            assert_eq!(page.open(&manifest[fetch.start as usize..fetch.end as usize]).unwrap().len(), 1);
        });
        assert!(allocated.bytes_max < 200_000, "{mode:?}: {allocated:?}");
    }
}

#[test]
fn update_of_parts_allocates_for_each_part_alone() {
    let service = Service::new();
    let mut output = vec![0; 200_000];
    for mode in service.modes() {
        let stored = service.put(&name(), &mode, &[(1, 300_000), (2, 300_000)]);
        let mut reader = stored.completed.decryptor.sequential();
        let part_len = stored.parts[0].stored.len();
        for part in stored.body().chunks(part_len) {
            for (round, piece) in part.chunks(60_000).enumerate() {
                let allocated = measure(|| assert!(reader.update(piece, &mut output).is_ok()));
                let last = round == part_len / 60_000;
                assert!(round == 0 || last || allocated.count_total == 0, "{mode:?} round {round}: {allocated:?}");
            }
        }
        reader.finish(&mut output).unwrap();
    }
}
