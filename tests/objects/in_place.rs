//! Opening in place: where the plaintext lies, and what happens when it is refused.

use std::collections::VecDeque;

use atrest::error::Misuse;
use atrest::{Error, ModeId};
use atrest_kit::{C, Service, name, plain};
use bytes::{Bytes, BytesMut};

const SEALED: usize = C + 16;

#[test]
fn plaintext_lies_where_its_stored_bytes_lay() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plain(12 * C + 100));
        let mut reader = service.decryptor(&name(), &stored.envelope).unwrap().sequential();
        let mut received = BytesMut::from(&stored.ciphertext[..]);
        let memory = received.as_ptr_range();
        let mut opened = VecDeque::<Bytes>::new();
        reader.open_in_place(&mut received, &mut opened).unwrap();
        assert!(received.is_empty());
        let within = opened.iter().filter(|piece| memory.contains(&piece.as_ptr())).count();
        if mode.id() == ModeId::DsseKms {
            // Of the inner chunks, those that lie in two runs of outer chunks have buffers of their own.
            assert_eq!((opened.len(), within), (11, 9), "{mode:?}");
        } else {
            assert_eq!((opened.len(), within), (12, 12), "{mode:?}");
            for (at, piece) in opened.iter().enumerate() {
                assert_eq!(piece.as_ptr(), memory.start.wrapping_add(56 + at * SEALED), "{mode:?} {at}");
            }
        }
        assert!(plain(12 * C + 100).starts_with(&opened.make_contiguous().concat()));
    }
}

#[test]
fn memory_is_used_again_once_its_plaintext_is_dropped() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plain(40 * C));
        let mut reader = service.decryptor(&name(), &stored.envelope).unwrap().sequential();
        let (mut received, mut opened) = (BytesMut::with_capacity(4 * SEALED), Vec::<Bytes>::new());
        let memory = received.as_ptr();
        for piece in stored.ciphertext.chunks(4 * SEALED) {
            received.reserve(piece.len());
            received.extend_from_slice(piece);
            assert_eq!(received.as_ptr(), memory);
            reader.open_in_place(&mut received, &mut opened).unwrap();
            opened.clear();
        }
    }
}

#[test]
fn pieces_that_are_kept_are_never_written_over() {
    let service = Service::new();
    let plaintext = plain(40 * C + 77);
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plaintext);
        for (step, keep) in [777, SEALED - 1, SEALED + 1, 3 * SEALED + 5, 100_000].into_iter().zip([100, 1, 3, 7, 2]) {
            let mut reader = service.decryptor(&name(), &stored.envelope).unwrap().sequential();
            let (mut received, mut opened, mut read) = (BytesMut::new(), VecDeque::<Bytes>::new(), BytesMut::new());
            for piece in stored.ciphertext.chunks(step) {
                // As a socket's buffer is filled: the memory of pieces that were dropped is used again.
                received.reserve(piece.len());
                received.extend_from_slice(piece);
                reader.open_in_place(&mut received, &mut opened).unwrap();
                while opened.len() > keep {
                    read.extend_from_slice(&opened.pop_front().unwrap());
                }
            }
            opened.iter().for_each(|piece| read.extend_from_slice(piece));
            reader.finish_into(&mut read).unwrap();
            assert!(read == plaintext, "{mode:?} in steps of {step}, {keep} kept");
        }
    }
}

#[test]
fn calls_in_place_and_calls_into_an_output_follow_each_other_on_one_reader() {
    let service = Service::new();
    let plaintext = plain(9 * C + 77);
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plaintext);
        for step in [777, 5_000, C, SEALED, 40_000] {
            let mut reader = service.decryptor(&name(), &stored.envelope).unwrap().sequential();
            let (mut read, mut opened) = (BytesMut::new(), Vec::<Bytes>::new());
            for (round, piece) in stored.ciphertext.chunks(step).enumerate() {
                if round % 3 < 2 {
                    reader.open_in_place(&mut BytesMut::from(piece), &mut opened).unwrap();
                    opened.drain(..).for_each(|piece| read.extend_from_slice(&piece));
                } else {
                    reader.push(piece, &mut read).unwrap();
                }
            }
            reader.finish_into(&mut read).unwrap();
            assert!(read == plaintext, "{mode:?} {step}");
        }
    }
}

#[test]
fn a_damaged_chunk_gives_nothing_of_its_call_out_and_the_error_stays() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plain(8 * C));
        for chunk in [0, 3, 7] {
            let mut reader = service.decryptor(&name(), &stored.envelope).unwrap().sequential();
            let mut body = stored.ciphertext.clone();
            body[56 + chunk * SEALED + 90] ^= 1;
            let mut opened = vec![Bytes::from_static(b"of an earlier call")];
            for _ in 0..2 {
                let refused = reader.open_in_place(&mut BytesMut::from(&body[..]), &mut opened);
                assert!(matches!(refused, Err(Error::Inauthentic)), "{mode:?} {chunk}: {refused:?}");
                assert_eq!(opened.len(), 1, "{mode:?} {chunk}");
            }
            assert!(matches!(reader.update(&[], &mut []), Err(Error::Inauthentic)));
            assert!(matches!(reader.finish(&mut [0; 40_000]), Err(Error::Inauthentic)));
        }
    }
}

#[test]
fn more_than_a_plan_fetches_is_refused_in_place() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plain(4 * C));
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let plan = decryptor.range(0..2 * C as u64, stored.ciphertext.len() as u64).unwrap();
        let (mut reader, mut opened) = (plan.reader(), Vec::<Bytes>::new());
        let mut wider = BytesMut::from(&stored.ciphertext[56..]);
        for _ in 0..2 {
            let refused = reader.open_in_place(&mut wider, &mut opened);
            assert!(matches!(refused, Err(Error::Misuse(Misuse::FetchedLen))), "{mode:?}: {refused:?}");
            assert!(opened.is_empty());
        }
    }
}
