//! Workers: they change how long a call takes, and never a byte of what it gives.

use std::io::{Cursor, Read, Write};
use std::iter;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use allocation_counter::measure;
use atrest::error::{Error, Misuse};
use atrest::io::{DecryptAt, DecryptReader, EncryptWriter};
use atrest::{AnyMode, Backend, Encrypted, ModeId, ScopedThreads, Sse, SseS3, Workers};
use atrest_kit::{C, Playback, Service, Steps, backends, name, plain, read_in_place, read_streamed, seal};
use bytes::{Bytes, BytesMut};

/// How a batch is run: on so many threads, the task.
type Run = fn(usize, &(dyn Fn() + Sync));

/// Runs a batch as the test wants, and counts the batches.
struct Runner<F> {
    threads: usize,
    batches: AtomicUsize,
    run: F,
}

impl<F: Fn(usize, &(dyn Fn() + Sync)) + Send + Sync> Runner<F> {
    fn new(threads: usize, run: F) -> Arc<Self> {
        Arc::new(Self { threads, batches: AtomicUsize::new(0), run })
    }

    fn batches(&self) -> usize {
        self.batches.swap(0, Ordering::Relaxed)
    }
}

impl<F: Fn(usize, &(dyn Fn() + Sync)) + Send + Sync> Workers for Runner<F> {
    fn threads(&self) -> usize {
        self.threads
    }

    fn min_len(&self) -> usize {
        2 * C
    }

    fn run(&self, tasks: usize, task: &(dyn Fn() + Sync)) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        (self.run)(tasks, task);
    }
}

fn at_once(tasks: usize, task: &(dyn Fn() + Sync)) {
    thread::scope(|scope| (0..tasks).for_each(|_| drop(scope.spawn(task))));
}

/// A service that draws the same keys and salts in each of its calls.
fn service(seed: u8, backend: Backend, workers: Option<Arc<dyn Workers>>) -> Service {
    let bytes: Vec<u8> = (0..=255).map(|at: u8| at.wrapping_mul(31) ^ seed).collect();
    Service::with(|builder| {
        let builder = builder.generator(move || Playback::of(&bytes)).backend(backend);
        match workers {
            Some(workers) => builder.workers(workers),
            None => builder,
        }
    })
}

/// The same service with workers and an implementation.
fn with_workers(service: &Service, backend: Backend, workers: Arc<dyn Workers>) -> Sse {
    Sse::builder()
        .backend(backend)
        .keyring(service.keyring.clone())
        .kms(service.kms.clone(), atrest::KmsKeys::all())
        .workers(workers)
        .build()
        .unwrap()
}

fn body_of(service: &Service, mode: &AnyMode, plaintext: &[u8], step: usize) -> Vec<u8> {
    let (_, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
    seal(encryptor, plaintext, step).unwrap()
}

/// Every way to read a body, in one call or large pieces.
fn assert_reads(sse: &Sse, service: &Service, stored: &Encrypted, plaintext: &[u8], what: &str) {
    let unlock = || service.unlock(stored.envelope.mode());
    let read = sse.blocking().decrypt(&name(), stored, unlock()).unwrap();
    assert!(*read == *plaintext, "{what}: decrypt");
    let decryptor = sse.blocking().decryptor(&name(), &stored.envelope, unlock()).unwrap();
    let read = read_streamed(&decryptor, &stored.ciphertext, &Steps::of(20 * C + 77)).into_result().unwrap();
    assert!(read == plaintext, "{what}: sequential");
    let (start, end) = (C / 2, plaintext.len() - 3);
    let plan = decryptor.range(start as u64..end as u64, stored.ciphertext.len() as u64).unwrap();
    let read = plan.decrypt_pieces([(0, &stored.ciphertext[..])]).unwrap();
    assert!(read == plaintext[start..end], "{what}: range");
}

#[test]
fn any_number_of_workers_writes_the_bytes_that_one_thread_writes() {
    let backends = backends();
    for (case, len) in [2 * C, 40 * C, 64 * C + 1, 70 * C - 1].into_iter().enumerate() {
        let plaintext = plain(len);
        for mode_index in 0..service(0, backends[0], None).modes().len() {
            let seed = (case * 16 + mode_index) as u8;
            let alone = service(seed, backends[0], None);
            let one = body_of(&alone, &alone.modes()[mode_index], &plaintext, 4 * C);
            for (&backend, threads) in backends.iter().flat_map(|backend| iter::repeat(backend).zip(1..=8)) {
                let runner = Runner::new(threads, at_once);
                let workers = service(seed, backend, Some(runner.clone()));
                let mode = &workers.modes()[mode_index];
                let what = format!("{len} {mode:?} {backend:?} {threads}");
                for step in [usize::MAX / 2, 33 * C + 5] {
                    assert!(body_of(&workers, mode, &plaintext, step) == one, "{what} {step}");
                }
                assert_eq!(runner.batches() > 0, threads > 1, "{what}: as many as pay are used");
            }
        }
    }
}

#[test]
fn workers_read_what_one_thread_wrote_in_every_way_of_reading() {
    let service = Service::new();
    let plaintext = plain(70 * C + 9);
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plaintext);
        for backend in backends() {
            for threads in 1..=8 {
                let runner = Runner::new(threads, at_once);
                let sse = with_workers(&service, backend, runner.clone());
                let what = format!("{mode:?} {backend:?} {threads}");
                assert_reads(&sse, &service, &stored, &plaintext, &what);
                assert_eq!(runner.batches() > 2, threads > 1, "{what}");
            }
        }
    }
}

#[test]
fn workers_read_parts_that_workers_wrote() {
    let runner = Runner::new(3, at_once);
    let service = Service::with(|builder| builder.workers(runner.clone()));
    for mode in service.modes() {
        let stored = service.put(&name(), &mode, &[(1, 40 * C), (2, 40 * C + 7)]);
        assert!(runner.batches() > 1, "{mode:?}: parts are written by workers");
        let whole = stored.with_body(stored.body());
        assert!(service.decrypt(&name(), &whole).unwrap() == stored.plain(), "{mode:?}");
        assert!(runner.batches() > 1, "{mode:?}: parts are read by workers");
    }
}

#[test]
fn workers_that_run_a_task_never_twice_or_elsewhere_give_the_same_bytes() {
    type Run = fn(usize, &(dyn Fn() + Sync));
    let never: Run = |_, _| {};
    let twice: Run = |tasks, task| {
        at_once(2 * tasks, task);
        at_once(1, task);
    };
    let one_behind_the_other: Run = |tasks, task| (0..tasks).for_each(|_| at_once(1, task));
    let endless: Run = |_, task| (0..1_000).for_each(|_| task());
    let plaintext = plain(50 * C + 1);
    for (index, run) in [never, twice, one_behind_the_other, endless].into_iter().enumerate() {
        for threads in [2, usize::MAX] {
            let runner = Runner::new(threads, move |tasks: usize, task: &(dyn Fn() + Sync)| run(tasks.min(8), task));
            for mode_index in 0..Service::new().modes().len() {
                let seed = (128 + index * 16 + mode_index) as u8;
                for backend in backends() {
                    let alone = service(seed, backend, None);
                    let workers = service(seed, backend, Some(runner.clone()));
                    let mode = &alone.modes()[mode_index];
                    let one = body_of(&alone, mode, &plaintext, C);
                    let own = body_of(&workers, &workers.modes()[mode_index], &plaintext, plaintext.len());
                    assert!(own == one, "{index} {mode:?} {backend:?}");
                }
            }
            assert!(runner.batches() > 0);
            let service = Service::new();
            let stored = service.streamed(&name(), &SseS3.into(), &plaintext);
            let sse = with_workers(&service, backends()[0], runner);
            assert_reads(&sse, &service, &stored, &plaintext, &format!("{index}"));
        }
    }
}

#[test]
fn a_panic_of_workers_fails_the_call_for_ever_and_wipes_what_it_wrote() {
    let works_then_panics = |_: usize, task: &(dyn Fn() + Sync)| {
        task();
        panic!("of the workers");
    };
    let panics_on_its_thread = |_: usize, task: &(dyn Fn() + Sync)| {
        thread::scope(|scope| {
            scope.spawn(|| {
                task();
                panic!("of a thread");
            });
        });
    };
    let runs: [Run; 2] = [works_then_panics, panics_on_its_thread];
    let plaintext = plain(50 * C);
    let failed = |error: Error| assert!(matches!(error, Error::Misuse(Misuse::WorkersPanicked)), "{error:?}");
    let service = Service::new();
    for (run, mode) in runs.iter().flat_map(|run| service.modes().into_iter().map(move |mode| (*run, mode))) {
        let stored = service.streamed(&name(), &mode, &plaintext);
        let unlock = || service.unlock(stored.envelope.mode());
        let sse = with_workers(&service, backends()[0], Runner::new(2, run));
        let is_wiped = |output: &[u8]| assert!(output.iter().all(|byte| *byte == 0), "{mode:?}: all of it is wiped");
        failed(sse.blocking().encrypt(&name(), mode.clone(), &plaintext).unwrap_err());
        failed(sse.blocking().decrypt(&name(), &stored, unlock()).unwrap_err());
        let mut output = vec![9; plaintext.len()];
        failed(sse.blocking().decrypt_into(&name(), &stored, unlock(), &mut output).unwrap_err());
        is_wiped(&output);

        let (_, mut encryptor) = sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let mut output = vec![9; encryptor.update_len(plaintext.len())];
        failed(encryptor.update(&plaintext, &mut output).unwrap_err());
        is_wiped(&output);
        failed(encryptor.update(b"more", &mut output).unwrap_err());
        failed(encryptor.finish(&mut output).unwrap_err());

        let decryptor = sse.blocking().decryptor(&name(), &stored.envelope, unlock()).unwrap();
        let plan = decryptor.range(1..plaintext.len() as u64, stored.ciphertext.len() as u64).unwrap();
        failed(plan.decrypt_pieces([(0, &stored.ciphertext[..])]).unwrap_err());
        let mut reader = decryptor.sequential();
        let mut output = vec![9; reader.update_len(stored.ciphertext.len())];
        failed(reader.update(&stored.ciphertext, &mut output).unwrap_err());
        is_wiped(&output);
        failed(reader.finish(&mut output).unwrap_err());
    }
}

#[test]
fn an_error_in_any_chunk_stops_the_rest_and_releases_nothing() {
    let service = Service::new();
    let plaintext = plain(64 * C);
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plaintext);
        let sse = with_workers(&service, backends()[0], Runner::new(3, at_once));
        let unlock = || service.unlock(mode.id());
        for chunk in [0, 1, 31, 62, 63] {
            let mut body = stored.ciphertext.clone();
            body[200 + chunk * (C + 16)] ^= 1;
            let decryptor = sse.blocking().decryptor(&name(), &stored.envelope, unlock()).unwrap();
            let mut reader = decryptor.sequential();
            let mut output = vec![9; reader.update_len(body.len())];
            let refused = reader.update(&body, &mut output).unwrap_err();
            assert!(matches!(refused, Error::Inauthentic), "{mode:?} {chunk}: {refused:?}");
            assert!(output.iter().all(|byte| *byte == 0), "{mode:?} {chunk}: nothing is left of the call");
            assert!(matches!(reader.finish(&mut output), Err(Error::Inauthentic)), "{mode:?} {chunk}: for ever");
            let damaged = Encrypted::new(stored.envelope.clone(), body);
            assert!(matches!(sse.blocking().decrypt(&name(), &damaged, unlock()), Err(Error::Inauthentic)));
        }
    }
}

#[test]
fn workers_that_use_the_same_service_meanwhile_do_not_hang() {
    let inner: Arc<OnceLock<Sse>> = Arc::default();
    let (own, depth) = (inner.clone(), AtomicUsize::new(0));
    let workers = Runner::new(2, move |tasks: usize, task: &(dyn Fn() + Sync)| {
        if depth.fetch_add(1, Ordering::SeqCst) < 3 {
            let sse = own.get().unwrap();
            let plaintext = plain(20 * C);
            let again = || {
                let stored = sse.blocking().encrypt(&name(), SseS3, &plaintext).unwrap();
                let read = sse.blocking().decrypt(&name(), &stored, atrest::Unlock::Server).unwrap();
                assert!(*read == *plaintext);
            };
            thread::scope(|scope| {
                scope.spawn(|| {
                    again();
                    task();
                });
                again();
            });
        }
        at_once(tasks, task);
    });
    let service = Service::with(|builder| builder.workers(workers));
    inner.set(service.sse.clone()).unwrap();
    let plaintext = plain(50 * C);
    let stored = service.sse.blocking().encrypt(&name(), SseS3, &plaintext).unwrap();
    assert!(service.decrypt(&name(), &stored).unwrap() == plaintext);
}

#[test]
fn workers_open_in_place_and_divide_what_adapters_are_handed_at_once() {
    let plaintext = plain(70 * C + 9);
    for threads in [1, 3] {
        let runner = Runner::new(threads, at_once);
        let service = Service::with(|builder| builder.workers(runner.clone()));
        let divided = |what: &str| assert_eq!(runner.batches() > 0, threads > 1, "{what}");
        for mode in service.modes() {
            let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
            let mut writer = EncryptWriter::new(encryptor, Vec::new());
            writer.write_all(&plaintext).unwrap();
            divided("write_all");
            let stored = writer.finish().unwrap();
            let decryptor = service.decryptor(&name(), &envelope).unwrap();
            runner.batches();

            let mut read = vec![0; plaintext.len()];
            DecryptReader::new(decryptor.clone(), Cursor::new(&stored)).read_exact(&mut read).unwrap();
            divided("read");
            assert!(read == plaintext, "{mode:?}");
            let at = DecryptAt::new(decryptor.clone(), &stored[..], 0..stored.len() as u64);
            at.read_exact_at(&mut read[5..], 5).unwrap();
            divided("read_at");
            assert!(read == plaintext, "{mode:?}");

            let read = read_in_place(decryptor.sequential(), &stored, &Steps::of(33 * C)).into_result().unwrap();
            divided("open_in_place");
            assert!(read == plaintext, "{mode:?}");
            let mut pushed = BytesMut::new();
            decryptor.sequential().push(&stored, &mut pushed).unwrap();
            divided("push");
            assert!(plaintext.starts_with(&pushed), "{mode:?}");

            let mut damaged = stored;
            let middle = damaged.len() / 2;
            damaged[middle] ^= 1;
            let (mut reader, mut opened) = (decryptor.sequential(), Vec::<Bytes>::new());
            let refused = reader.open_in_place(&mut BytesMut::from(&damaged[..]), &mut opened);
            assert!(matches!(refused, Err(Error::Inauthentic)) && opened.is_empty(), "{mode:?}");
            runner.batches();
        }
    }
}

/// Two layers that are divided need a little room for each thread.
#[test]
fn dividing_a_batch_of_one_layer_allocates_nothing_and_one_of_two_layers_little() {
    let inline = Runner::new(4, |tasks: usize, task: &(dyn Fn() + Sync)| (0..tasks).for_each(|_| task()));
    let service = Service::with(|builder| builder.workers(inline));
    let plaintext = plain(40 * C);
    for mode in service.modes() {
        let most = if mode.id() == ModeId::DsseKms { 8 * C as u64 } else { 0 };
        let (envelope, mut encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let mut stored = vec![0; 3 * encryptor.update_len(plaintext.len()) + 99_999];
        let mut written = 0;
        for round in 0..3 {
            let allocated = measure(|| written += encryptor.update(&plaintext, &mut stored[written..]).unwrap());
            assert!(round == 0 || allocated.bytes_max <= most, "{mode:?} {round}: {allocated:?}");
        }
        written += encryptor.finish(&mut stored[written..]).unwrap().written;
        let mut reader = service.decryptor(&name(), &envelope).unwrap().sequential();
        let mut output = vec![0; 41 * C];
        for (round, piece) in stored[..written].chunks(40 * C).enumerate() {
            let allocated = measure(|| assert!(reader.update(piece, &mut output).is_ok()));
            assert!(round == 0 || allocated.bytes_max <= most, "{mode:?} {round}: {allocated:?}");
        }
    }
}

#[test]
fn threads_that_are_started_for_a_batch_read_and_write_it() {
    let service = Service::with(|builder| builder.workers(Arc::new(ScopedThreads::new(NonZeroUsize::new(3).unwrap()))));
    assert!(ScopedThreads::available().threads() > 0);
    let plaintext = plain(ScopedThreads::MIN_LEN + 5);
    for mode in service.modes() {
        let stored = service.sse.blocking().encrypt(&name(), mode.clone(), &plaintext).unwrap();
        assert_reads(&service.sse, &service, &stored, &plaintext, &format!("{mode:?}"));
    }
}

#[cfg(feature = "rayon")]
#[test]
fn a_pool_of_rayon_reads_and_writes_also_when_asked_from_its_own_threads() {
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap());
    let service = Service::with(|builder| builder.workers(pool.clone()));
    let plaintext = plain(1 << 20);
    let round_trip = |mode: &AnyMode| {
        let stored = service.sse.blocking().encrypt(&name(), mode.clone(), &plaintext).unwrap();
        assert_reads(&service.sse, &service, &stored, &plaintext, &format!("{mode:?}"));
    };
    for mode in service.modes() {
        round_trip(&mode);
        pool.install(|| rayon::join(|| round_trip(&mode), || round_trip(&mode)));
    }
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.install(|| panic!("of another job"))));
    assert!(panicked.is_err());
    round_trip(&SseS3.into());
}
