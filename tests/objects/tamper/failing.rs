//! Reads after the first error: the same error for ever, and never a clean end.

use super::SEALED;
use atrest_kit::sample::{Sample, modes};
use atrest_kit::{C, Steps, backends, class, pass, plain};

#[test]
fn a_decryptor_that_failed_on_its_last_chunk_never_ends_cleanly() {
    for mode in modes() {
        let sample = Sample::of_mode(mode, 10, plain(C + 100));
        let mut body = sample.body.clone();
        // A second end behind the end: the chunk that was the last one fails, what follows looks like an end.
        body.extend(vec![0; SEALED + 16]);
        for backend in backends() {
            let mut reader = sample.decryptor(&sample.sse(backend), &sample.envelope).unwrap().sequential();
            let mut output = vec![0; 100_000];
            let first = class(&reader.update(&body, &mut output).expect_err("the last chunk is refused"));
            assert_eq!(first, "Inauthentic");
            for input in [&body[..], &[], &sample.body, &body[body.len() - 16..]] {
                assert_eq!(class(&reader.update(input, &mut output).unwrap_err()), first);
            }
            assert_eq!(class(&reader.finish(&mut output).unwrap_err()), first);
        }
    }
}

#[test]
fn an_encryptor_that_got_more_than_was_said_goes_on_failing() {
    for mode in modes() {
        let sample = Sample::of_mode(mode, 11, plain(0));
        let sse = sample.sse(backends()[0]);
        let (_, encryptor) = sse.blocking().encryptor_of_len(&sample.object(), sample.mode(), 100).unwrap();
        let refused = pass(encryptor, &plain(101), &Steps::of(60));
        assert_eq!(class(&refused.end.unwrap_err()), "Misuse");
        let (_, encryptor) = sse.blocking().encryptor_of_len(&sample.object(), sample.mode(), 100).unwrap();
        let refused = pass(encryptor, &plain(99), &Steps::of(60));
        assert_eq!(class(&refused.end.unwrap_err()), "Misuse");
    }
}

#[test]
fn an_encryptor_that_was_dropped_leaves_nothing_that_opens() {
    for mode in modes() {
        for len in [0, 1, C - 1, C, 3 * C, 3 * C + 500] {
            let sample = Sample::of_mode(mode, 12, plain(len));
            for backend in backends() {
                let sse = sample.sse(backend);
                let (envelope, mut encryptor) = sse.blocking().encryptor(&sample.object(), sample.mode()).unwrap();
                let mut stored = bytes::BytesMut::new();
                encryptor.push(&sample.plaintext, &mut stored).unwrap();
                drop(encryptor);
                let refused = sample.decrypt(&sse, &envelope.encode(), &stored);
                assert_eq!(class(&refused.unwrap_err()), "Truncated", "mode {mode}, {len} bytes");
            }
        }
    }
}
