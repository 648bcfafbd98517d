//! What the streams and adapters do besides reading and writing a whole body: seeking, threads, small outputs, and
//! failures.

mod failing;
mod in_parts;

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use atrest::error::Misuse;
use atrest::io::{DecryptAt, DecryptReader, EncryptWriter};
use atrest::{AnyMode, Encrypted, Error};
use atrest_kit::{C, LENS, Service, name, plain, seal};
use bytes::BytesMut;

fn written(service: &Service, mode: &AnyMode, plaintext: &[u8], step: usize) -> Encrypted {
    let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
    let mut writer = EncryptWriter::new(encryptor, Vec::new());
    for piece in plaintext.chunks(step) {
        writer.write_all(piece).unwrap();
        writer.write_all(&[]).unwrap();
        writer.flush().unwrap();
    }
    Encrypted::new(envelope, writer.finish().unwrap())
}

#[test]
fn seeking_anywhere_reads_what_is_there() {
    let service = Service::new();
    for mode in service.modes() {
        for len in LENS {
            for known in [true, false] {
                let plaintext = plain(len);
                let stored = if known {
                    service.sse.blocking().encrypt(&name(), mode.clone(), &plaintext).unwrap()
                } else {
                    written(&service, &mode, &plaintext, C)
                };
                let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
                let mut reader = DecryptReader::new(decryptor, Cursor::new(&stored.ciphertext));
                let mut rest = Vec::new();
                for at in LENS.into_iter().chain([C - 2, 3 * C, 3 * C + 499, 4 * C, 1 << 30]) {
                    assert_eq!(reader.seek(SeekFrom::Start(at as u64)).unwrap(), at as u64);
                    rest.clear();
                    reader.read_to_end(&mut rest).unwrap();
                    assert!(rest == plaintext[at.min(len)..], "{mode:?} {len} from {at}");
                    let back = at.min(len) as u64;
                    assert_eq!(reader.seek(SeekFrom::End(-(back as i64))).unwrap(), len as u64 - back);
                    rest.clear();
                    reader.by_ref().take(100).read_to_end(&mut rest).unwrap();
                    let start = len - back as usize;
                    assert!(rest == plaintext[start..len.min(start + 100)], "{mode:?} {len} last {back}");
                    let here = reader.stream_position().unwrap();
                    assert_eq!(reader.seek(SeekFrom::Current(5)).unwrap(), here + 5);
                    assert_eq!(reader.seek(SeekFrom::Current(-5)).unwrap(), here);
                }
                let before = reader.stream_position().unwrap();
                assert!(reader.seek(SeekFrom::Current(-(before as i64) - 1)).is_err());
                assert!(reader.seek(SeekFrom::End(-(len as i64) - 1)).is_err());
                assert_eq!(reader.stream_position().unwrap(), before, "a refused seek moves nothing");
            }
        }
    }
}

#[test]
fn a_body_may_begin_in_the_middle_of_a_file() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.sse.blocking().encrypt(&name(), mode, &plain(C + 5)).unwrap();
        let container = stored.to_inline().unwrap();
        let mut file = Cursor::new(container);
        let len = stored.envelope.encoded_len() as u64;
        file.set_position(len);
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let mut reader = DecryptReader::new(decryptor.clone(), file);
        reader.seek(SeekFrom::Start(C as u64)).unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, plain(C + 5)[C..]);
        let container = reader.into_inner().into_inner();
        let end = container.len() as u64;
        let at = DecryptAt::new(decryptor, container, len..end);
        let mut one = [0; 1];
        at.read_exact_at(&mut one, C as u64 + 4).unwrap();
        assert_eq!(one[0], plain(C + 5)[C + 4]);
    }
}

#[test]
fn many_threads_read_at_once_through_one_reader() {
    let service = Service::new();
    for mode in service.modes() {
        let plaintext = plain(40 * C + 77);
        let stored = written(&service, &mode, &plaintext, 100_000);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&stored.ciphertext).unwrap();
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let reader = Arc::new(DecryptAt::new(decryptor, file, 0..stored.ciphertext.len() as u64));
        assert_eq!(reader.plaintext_len().unwrap(), plaintext.len() as u64);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (reader, plaintext) = (reader.clone(), &plaintext);
                scope.spawn(move || {
                    for round in 0..40 {
                        let start = (thread * 7919 + round * 104_729) % plaintext.len();
                        let mut buffer = vec![0; 1 + (round * 3571) % 70_000];
                        let read = reader.read_at(&mut buffer, start as u64).unwrap();
                        assert_eq!(buffer[..read], plaintext[start..plaintext.len().min(start + buffer.len())]);
                    }
                });
            }
        });
        assert_eq!(reader.read_at(&mut [0; 10], plaintext.len() as u64).unwrap(), 0);
        assert_eq!(reader.read_at(&mut [0; 10], u64::MAX).unwrap(), 0);
        assert_eq!(reader.read_at(&mut [], 3).unwrap(), 0);
    }
}

#[test]
fn an_object_of_known_length_takes_exactly_that_length() {
    let service = Service::new();
    for mode in service.modes() {
        for (said, given) in [(10, 9), (10, 11), (0, 1), (C as u64, C - 1), (C as u64, C + 1)] {
            let (_, encryptor) = service.sse.blocking().encryptor_of_len(&name(), mode.clone(), said).unwrap();
            let mut writer = EncryptWriter::new(encryptor, Vec::new());
            let ended = writer.write_all(&plain(given)).and_then(|()| writer.finish().map(drop)).unwrap_err();
            let cause = ended.get_ref().and_then(|cause| cause.downcast_ref::<Error>()).unwrap();
            assert!(matches!(cause, Error::Misuse(atrest::error::Misuse::PlaintextLen)), "{said} {given}");
        }
        let (envelope, encryptor) = service.sse.blocking().encryptor_of_len(&name(), mode, C as u64).unwrap();
        let stored = Encrypted::new(envelope, seal(encryptor, &plain(C), 1000).unwrap());
        assert_eq!(service.decrypt(&name(), &stored).unwrap(), plain(C));
    }
}

#[test]
fn an_output_that_is_too_small_takes_nothing_and_may_be_tried_again() {
    let service = Service::new();
    for mode in service.modes() {
        let (envelope, mut encryptor) = service.sse.blocking().encryptor(&name(), mode).unwrap();
        let (mut body, mut output) = (Vec::new(), vec![0; 4 * C]);
        assert_eq!((encryptor.update_len(0), encryptor.update(&[], &mut []).unwrap()), (0, 0));
        for piece in [&plain(1)[..], &plain(C), &plain(3 * C)[..3 * C - 2]] {
            let len = encryptor.update_len(piece.len());
            for room in [0, len.saturating_sub(1)].into_iter().filter(|room| *room < len) {
                let refused = encryptor.update(piece, &mut output[..room]);
                assert!(matches!(refused, Err(Error::Misuse(Misuse::OutputTooSmall))), "{refused:?}");
            }
            output.resize(output.len().max(len), 0);
            assert_eq!(encryptor.update(piece, &mut output).unwrap(), len);
            body.extend_from_slice(&output[..len]);
        }
        let finished = encryptor.finish(&mut output).unwrap();
        assert_eq!(finished.plaintext_len, 4 * C as u64 - 1);
        body.extend_from_slice(&output[..finished.written]);
        let expected = [&plain(1)[..], &plain(C), &plain(3 * C)[..3 * C - 2]].concat();

        let mut reader = service.decryptor(&name(), &envelope).unwrap().sequential();
        let len = reader.update_len(body.len());
        let refused = reader.update(&body, &mut output[..len - 1]);
        assert!(matches!(refused, Err(Error::Misuse(Misuse::OutputTooSmall))), "{refused:?}");
        let written = reader.update(&body, &mut output).unwrap();
        let last = reader.finish(&mut output[written..]).unwrap();
        assert!(output[..written + last] == expected);
    }
}

#[test]
fn a_header_comes_with_the_first_byte_or_with_the_end() {
    let service = Service::new();
    for mode in service.modes() {
        let header = if mode.id().layers() == atrest::geometry::Layers::Two { 56 } else { 0 } + 56;
        let (_, mut encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        encryptor.update(&[], &mut []).unwrap();
        assert_eq!(encryptor.finish_len() as u64, mode.id().ciphertext_len(0).unwrap());
        // In DSSE-KMS the inner header is plaintext of the outer layer, which keeps it until its chunk is full.
        assert_eq!(encryptor.update_len(1), 56);
        encryptor.update(&[1], &mut [0; 56]).unwrap();
        assert_eq!(encryptor.update_len(100), 0);
        assert_eq!(encryptor.finish_len() as u64 + 56, mode.id().ciphertext_len(1).unwrap());
        assert_eq!(encryptor.update_len(C - 1 - (header - 56)), if header == 56 { C + 16 } else { 0 });
    }
}

#[test]
fn a_call_that_fails_leaves_nothing_of_its_chunks_in_the_output_and_counts_for_nothing() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plain(3 * C + 500));
        let mut body = stored.ciphertext;
        body[2 * C] ^= 1; // in the second chunk
        let mut reader = service.decryptor(&name(), &stored.envelope).unwrap().sequential();
        let mut output = vec![0xAA; 4 * C];
        let len = reader.update_len(body.len());
        let first = reader.update(&body, &mut output).map_err(|error| error.to_string()).unwrap_err();
        assert!(output[..len].iter().all(|byte| *byte == 0), "authentic chunks of the call are wiped with the others");
        assert!(output[len..].iter().all(|byte| *byte == 0xAA), "and nothing behind them is touched");
        for again in [&body[..], &[]] {
            assert_eq!(reader.update(again, &mut output).unwrap_err().to_string(), first);
            assert_eq!(reader.update(again, &mut []).unwrap_err().to_string(), first, "whatever the output");
        }
        let mut pushed = BytesMut::from(&b"before"[..]);
        assert_eq!(reader.push(&body, &mut pushed).unwrap_err().to_string(), first);
        assert_eq!(pushed, b"before"[..]);
        assert_eq!(reader.finish(&mut output).unwrap_err().to_string(), first);
    }
}
