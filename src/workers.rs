// Floor 0. Uses `error`; any module may use it.
//! [`Workers`], the threads that seal and open the chunks of one call, and [`ScopedThreads`].

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Misuse, Result};

/// Threads among which an [`Sse`](crate::Sse) divides the chunks of a large call.
///
/// Pass them to [`SseBuilder::workers`](crate::SseBuilder::workers). With the cargo feature `rayon`,
/// `rayon::ThreadPool` implements this trait; [`ScopedThreads`] needs no pool. Without workers every call runs on its
/// caller's thread alone.
///
/// # Security
///
/// Workers decide how long a call takes, never its output: each chunk is processed once, under its own nonce, whatever
/// [`run`](Self::run) does.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use atrest::Workers;
///
/// struct Two;
///
/// impl Workers for Two {
///     fn threads(&self) -> usize {
///         2
///     }
///
///     fn min_len(&self) -> usize {
///         4 << 20
///     }
///
///     fn run(&self, _tasks: usize, task: &(dyn Fn() + Sync)) {
///         thread::scope(|scope| {
///             scope.spawn(task);
///             task();
///         });
///     }
/// }
/// ```
pub trait Workers: Send + Sync {
    /// Returns the number of threads that work at once, including the caller's thread if it works too.
    fn threads(&self) -> usize;

    /// Returns the batch length in bytes from which dividing the batch is faster.
    fn min_len(&self) -> usize;

    /// Calls `task` about `tasks` times, as concurrently as possible, and returns when all of these calls have
    /// returned.
    ///
    /// Each call works until no chunk is left. An extra call finds nothing to do; after too few calls the caller's
    /// thread processes the remaining chunks.
    ///
    /// # Panics
    ///
    /// May panic if a call of `task` panics: the call of the `Sse` then returns [`Misuse::WorkersPanicked`].
    fn run(&self, tasks: usize, task: &(dyn Fn() + Sync));
}

/// Workers whose threads start and end with each batch, for services without a thread pool.
///
/// # Performance
///
/// Starting a thread takes 50 to 65 µs for each batch. Two threads are 1.1 times as fast as one over 1 MiB, 1.5 times
/// over 2 MiB, and 1.7 times over [`MIN_LEN`](Self::MIN_LEN), from which a batch is divided.
#[derive(Clone, Copy, Debug)]
pub struct ScopedThreads(NonZeroUsize);

impl ScopedThreads {
    /// The batch length in bytes from which starting threads pays: one core needs eight times the start's time for it.
    pub const MIN_LEN: usize = 4 << 20;

    /// Creates workers of `threads` threads, including the caller's.
    pub fn new(threads: NonZeroUsize) -> Self {
        Self(threads)
    }

    /// Creates workers of as many threads as this process may run at once; one if the system does not say.
    pub fn available() -> Self {
        Self(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

impl Workers for ScopedThreads {
    fn threads(&self) -> usize {
        self.0.get()
    }

    fn min_len(&self) -> usize {
        Self::MIN_LEN
    }

    fn run(&self, tasks: usize, task: &(dyn Fn() + Sync)) {
        thread::scope(|scope| {
            for _ in 1..tasks {
                // If the system refuses a thread, the other threads do its share.
                if thread::Builder::new().name("atrest-worker".into()).spawn_scoped(scope, task).is_err() {
                    break;
                }
            }
            task();
        });
    }
}

/// The batch length in bytes from which waking a pool pays. Waking takes 15 µs: two threads are 0.75 times as fast as
/// one over 256 KiB, and 1.2 times over 512 KiB (bench `threads`, group `batch`).
#[cfg(feature = "rayon")]
const RAYON_MIN_LEN: usize = 512 << 10;

#[cfg(feature = "rayon")]
#[cfg_attr(docsrs, doc(cfg(feature = "rayon")))]
impl Workers for rayon::ThreadPool {
    fn threads(&self) -> usize {
        self.current_num_threads()
    }

    fn min_len(&self) -> usize {
        RAYON_MIN_LEN
    }

    fn run(&self, tasks: usize, task: &(dyn Fn() + Sync)) {
        /// Halves the tasks recursively: `join` keeps its jobs on the stack, whereas `scope` allocates them.
        fn halve(tasks: usize, task: &(dyn Fn() + Sync)) {
            if tasks <= 1 {
                task();
            } else {
                rayon::join(|| halve(tasks / 2, task), || halve(tasks - tasks / 2, task));
            }
        }
        self.install(|| halve(tasks, task));
    }
}

/// The shared state of the tasks of one batch.
struct Batch<I> {
    items: I,
    done: usize,
    failure: Option<Error>,
}

/// Calls `work` for each item, divided among workers, and stops at the first error.
///
/// No allocation is made and no lock is held while an item is processed: workers may use the same `Sse` meanwhile.
///
/// # Errors
///
/// Returns the first error of `work`, and [`Misuse::WorkersPanicked`] if a task did not finish its item or the workers
/// panicked.
pub(crate) fn divide<I>(workers: &dyn Workers, items: I, work: impl Fn(I::Item) -> Result<()> + Sync) -> Result<()>
where
    I: ExactSizeIterator<Item: Send> + Send,
{
    let len = items.len();
    let batch = Mutex::new(Batch { items, done: 0, failure: None });
    let next = |outcome: Option<Result<()>>| {
        let mut batch = batch.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Some(Ok(())) => batch.done += 1,
            Some(Err(error)) => batch.failure = Some(error),
            None => {}
        }
        if batch.failure.is_some() { None } else { batch.items.next() }
    };
    let task = || {
        let mut outcome = None;
        while let Some(item) = next(outcome.take()) {
            outcome = Some(work(item));
        }
    };
    let ran = catch_unwind(AssertUnwindSafe(|| workers.run(workers.threads().min(len), &task)));
    if ran.is_ok() {
        task();
    }
    let batch = batch.into_inner().unwrap_or_else(PoisonError::into_inner);
    match batch.failure {
        Some(error) => Err(error),
        None if ran.is_err() || batch.done < len => Err(Misuse::WorkersPanicked.into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn after_an_error_each_worker_begins_no_other_item() {
        for threads in 1..=8 {
            let workers = ScopedThreads::new(NonZeroUsize::new(threads).expect("not 0"));
            let begun = AtomicUsize::new(0);
            let outcome = divide(&workers, 0..100_000, |_| {
                begun.fetch_add(1, Ordering::Relaxed);
                Err(Error::Inauthentic)
            });
            assert!(matches!(outcome, Err(Error::Inauthentic)));
            assert!((1..=threads).contains(&begun.into_inner()), "{threads}");
        }
    }
}
