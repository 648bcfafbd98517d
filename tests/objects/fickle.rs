//! Workers that say something else each time they are asked, that divide whatever is there, or that panic when they are
//! asked; and calls of every kind in any order on one reader.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atrest::error::Misuse;
use atrest::{Encrypted, Error, PlaintextReader, Result, Workers};
use atrest_kit::{Body, C, Service, Steps, Stream, class, fetch, for_every_body, name, plain, seal};
use bytes::{Bytes, BytesMut};

/// Numbers without a visible order, the same at every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// Workers whose every answer depends on how often they were asked.
struct Fickle<F> {
    asked: AtomicUsize,
    answer: F,
}

impl<F: Fn(usize) -> (usize, usize) + Send + Sync> Fickle<F> {
    fn new(answer: F) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), answer })
    }

    fn ask(&self) -> (usize, usize) {
        (self.answer)(self.asked.fetch_add(1, Ordering::SeqCst))
    }
}

impl<F: Fn(usize) -> (usize, usize) + Send + Sync> Workers for Fickle<F> {
    fn threads(&self) -> usize {
        self.ask().0
    }

    fn min_len(&self) -> usize {
        self.ask().1
    }

    fn run(&self, tasks: usize, task: &(dyn Fn() + Sync)) {
        (0..tasks.min(3)).for_each(|_| task());
    }
}

/// Any number of threads, and batches of any length.
fn any_answer(asked: usize) -> (usize, usize) {
    let mut draws = Draws(asked as u64);
    draws.below(9);
    (draws.one_of(&[0, 1, 2, 3, 64, usize::MAX]), draws.one_of(&[0, 1, C, 5 * C, usize::MAX]))
}

#[test]
fn workers_that_change_their_mind_read_and_write_every_body() {
    let service = Service::with(|builder| builder.workers(Fickle::new(any_answer)));
    for_every_body(&service, |body| body.assert_opens(&Steps(vec![C + 17, 3, 40_000])));
    for mode in service.modes() {
        let plaintext = plain(70 * C + 9);
        let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let stored = Encrypted::new(envelope, seal(encryptor, &plaintext, 33 * C + 5).unwrap());
        let body = Body::open(format!("{mode:?}"), &service, &name(), stored, plaintext);
        for step in [35 * C + 1, 80 * C] {
            body.assert_opens(&Steps::of(step));
        }
        let mut damaged = body.stored.ciphertext.clone();
        damaged[52 * C] ^= 1;
        body.assert_refused("in the middle", &damaged, &["Inauthentic"]);
    }
}

#[test]
fn two_threads_without_a_threshold_read_and_write_every_body() {
    for min_len in [0, 1] {
        let service = Service::with(|builder| builder.workers(Fickle::new(move |_| (2, min_len))));
        for_every_body(&service, |body| body.assert_opens(&Steps::of(2 * C + 40)));
    }
}

/// Passes the input to a new stream by `call`, while the workers panic at the first question, at the second, and so on
/// until all are answered. After each panic the stream is asked again. Returns the number of questions.
fn panicking_at_each_question<S: Stream>(
    armed: &AtomicUsize,
    new: impl Fn() -> S,
    input: &[u8],
    call: impl Fn(&mut S, &[u8], &mut [u8]) -> Result<usize>,
) -> usize {
    let failed = |error: Error| assert!(matches!(error, Error::Misuse(Misuse::WorkersPanicked)), "{error:?}");
    let mut output = vec![0; input.len() + 100 * C];
    for question in 0.. {
        let mut stream = new();
        armed.store(question, Ordering::SeqCst);
        let called = catch_unwind(AssertUnwindSafe(|| call(&mut stream, input, &mut output)));
        armed.store(usize::MAX, Ordering::SeqCst);
        match called {
            Ok(Ok(_)) => return question,
            Ok(Err(error)) => failed(error),
            Err(_) => {}
        }
        failed(call(&mut stream, input, &mut output).unwrap_err());
        failed(stream.finish(&mut output).err().expect("input that is lost must not be left out silently"));
    }
    unreachable!("there are fewer questions")
}

#[test]
fn a_stream_whose_workers_panicked_when_they_were_asked_is_over() {
    // The number of questions until the panic.
    let armed = Arc::new(AtomicUsize::new(usize::MAX));
    let left = armed.clone();
    let workers = Fickle::new(move |_| {
        let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_ok(), "of the workers");
        (2, 2 * C)
    });
    let service = Service::with(|builder| builder.workers(workers));
    let plaintext = plain(40 * C + 9);
    for mode in service.modes() {
        let encryptor = || service.sse.blocking().encryptor(&name(), mode.clone()).unwrap().1;
        let questions = [
            panicking_at_each_question(&armed, encryptor, &plaintext, |encryptor, input, output| {
                encryptor.update(input, output)
            }),
            panicking_at_each_question(&armed, encryptor, &plaintext, |encryptor, input, _| {
                encryptor.push(input, &mut BytesMut::new())
            }),
        ];
        assert!(questions.iter().all(|questions| *questions > 0), "{mode:?}: {questions:?}");

        let stored = service.streamed(&name(), &mode, &plaintext);
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let (reader, stored) = (|| decryptor.sequential(), &stored.ciphertext);
        let questions = [
            panicking_at_each_question(&armed, reader, stored, |reader, input, output| reader.update(input, output)),
            panicking_at_each_question(&armed, reader, stored, |reader, input, _| {
                reader.push(input, &mut BytesMut::new())
            }),
            panicking_at_each_question(&armed, reader, stored, |reader, input, _| {
                reader.open_in_place(&mut BytesMut::from(input), &mut Vec::<Bytes>::new())
            }),
        ];
        assert!(questions.iter().all(|questions| *questions > 0), "{mode:?}: {questions:?}");
    }
}

/// Passes stored bytes to a reader by calls of every kind, of lengths around the boundaries; empty ones lie in between.
/// Returns what was given out, and how it ended; after an error all kinds of calls are asked again.
fn by_any_calls(mut reader: PlaintextReader, stored: &[u8], draws: &mut Draws) -> (Vec<u8>, Result<()>) {
    const SEALED: usize = C + 16;
    let (mut released, mut rest, mut failed) = (Vec::new(), stored, None::<Error>);
    let (mut output, mut opened) = (vec![0; 40 * C], Vec::<Bytes>::new());
    let mut again = 0;
    while !rest.is_empty() && again < 6 {
        let around = draws.one_of(&[0, 56, 72, 112, C, SEALED, 4 * SEALED, 17 * SEALED]);
        let len = (around + draws.below(5)).saturating_sub(2).min(rest.len());
        let (piece, behind) = rest.split_at(len);
        let mut pushed = BytesMut::new();
        let called = match draws.below(4) {
            0 => reader.update(piece, &mut output).map(|len| released.extend_from_slice(&output[..len])),
            1 => reader.push(piece, &mut pushed).map(|_| released.extend_from_slice(&pushed)),
            kind => {
                // Memory of its own, or memory that bytes before and behind share.
                let mut memory = BytesMut::from(&[b"before", piece, b"behind"].concat()[..]);
                let (before, mut own) = (memory.split_to(6), memory.split_to(len));
                let neighbours = (kind == 3).then_some((before, memory));
                let called = reader.open_in_place(&mut own, &mut opened);
                if let Some((before, behind)) = neighbours {
                    assert!(before == b"before"[..] && behind == b"behind"[..]);
                }
                called.map(|_| opened.drain(..).for_each(|piece| released.extend_from_slice(&piece)))
            }
        };
        match (called, &failed) {
            (Ok(()), None) => rest = behind,
            (Ok(()), Some(error)) => panic!("a call after {error:?}"),
            (Err(error), None) => failed = Some(error),
            (Err(error), Some(first)) => assert_eq!(class(&error), class(first)),
        }
        again += usize::from(failed.is_some());
        assert!(opened.is_empty());
    }
    let end = reader.finish(&mut output).map(|len| released.extend_from_slice(&output[..len]));
    assert!(failed.is_none() || end.is_err(), "a failed reader must not finish");
    (released, end)
}

#[test]
fn calls_of_every_kind_in_any_order_release_the_plaintext_up_to_the_damage_and_no_further() {
    let service = Service::with(|builder| builder.workers(Fickle::new(any_answer)));
    let mut draws = Draws(7);
    for mode in service.modes() {
        let streamed = service.streamed(&name(), &mode, &plain(40 * C + 77));
        let streamed = Body::open(format!("{mode:?}"), &service, &name(), streamed, plain(40 * C + 77));
        let parts = [(1, 3 * C), (2, 0), (3, 20 * C + 1), (4, 1), (9, 0), (10, 9)];
        let parts = service.put(&name(), &mode, &parts);
        let parts = Body::of_parts(format!("{mode:?} of parts"), &service, &name(), &parts);
        for (body, round) in [&streamed, &parts].into_iter().flat_map(|body| (0..60).map(move |round| (body, round))) {
            let (len, stored) = (body.plain.len(), &body.stored.ciphertext);
            let range = if round % 2 == 0 { 0..len } else { draws.below(len / 2)..len / 2 + 1 + draws.below(len / 2) };
            let plan = body.decryptor.range(range.start as u64..range.end as u64, stored.len() as u64).unwrap();
            let reader = || if round % 4 == 0 { body.decryptor.sequential() } else { plan.reader() };
            let mut fetched = if round % 4 == 0 { stored.clone() } else { fetch(stored, plan.fetches()) };
            let what = format!("{}, {round}, {range:?}", body.what);
            let (read, end) = by_any_calls(reader(), &fetched, &mut draws);
            assert!(end.is_ok() && read == body.plain[range.clone()], "{what}: {end:?}");

            let place = draws.below(fetched.len());
            fetched[place] ^= 1 << draws.below(8);
            let (read, end) = by_any_calls(reader(), &fetched, &mut draws);
            assert!(matches!(end, Err(Error::Inauthentic)), "{what}, damaged at {place}: {end:?}");
            assert!(body.plain[range].starts_with(&read) && read.len() <= place, "{what}, damaged at {place}");
        }
    }
}
