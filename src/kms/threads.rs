//! [`Threads`], a pool of threads for a key provider whose calls block.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use futures_channel::oneshot;

use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind};
use crate::keys::{KeyFuture, KeyRequest};

/// A pool of threads on which a key provider makes calls that block, such as those of an HSM's library. Each call is a
/// future, which works without a runtime and in any runtime.
///
/// Each thread has a state `S` of its own, such as a session, which need not be `Send`: it is made on the thread and
/// dropped there. The threads start when they are needed, and end when the pool is dropped; dropping it waits for
/// nothing.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::sync::Arc;
/// use atrest::kms::Threads;
/// use atrest::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
/// use atrest::{KeyProviderError, KeyProviderErrorKind};
///
/// struct Session { /* a connection of a library whose calls block */ }
/// # impl Session {
/// #     fn generate(&mut self, _: &KeyRequest) -> Result<GeneratedKey, KeyProviderErrorKind> {
/// #         Err(KeyProviderErrorKind::Unavailable)
/// #     }
/// #     fn unwrap(&mut self, _: &[u8], _: &KeyRequest) -> Result<UnwrappedKey, KeyProviderErrorKind> {
/// #         Err(KeyProviderErrorKind::Unavailable)
/// #     }
/// # }
/// struct Hsm {
///     threads: Threads<Session>,
/// }
///
/// impl Hsm {
///     fn new() -> Self {
///         let (threads, queue_len) = (NonZeroUsize::MIN, 1_000);
///         Self { threads: Threads::new("hsm", threads, queue_len, || Session {}) }
///     }
/// }
///
/// impl KeyProvider for Hsm {
///     fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
///         self.threads.call(request, |session, request| {
///             let failed = |kind| KeyProviderError::new(kind, request.key_id());
///             session.generate(request).map_err(failed)
///         })
///     }
///     fn unwrap_key(
///         self: Arc<Self>,
///         wrapped: WrappedKey,
///         request: KeyRequest,
///     ) -> KeyFuture<UnwrappedKey> {
///         self.threads.call(request, move |session, request| {
///             let failed = |kind| KeyProviderError::new(kind, request.key_id());
///             session.unwrap(wrapped.as_bytes(), request).map_err(failed)
///         })
///     }
/// }
/// # Hsm::new();
/// ```
///
/// # Performance
///
/// A call goes to a thread and back, some 10 µs. A call that hangs keeps its thread: nothing can stop it, and when all
/// threads hang and the queue is full, further calls fail as `Throttled`.
pub struct Threads<S: 'static = ()>(Arc<Pool<S>>);

struct Pool<S> {
    name: String,
    max: NonZeroUsize,
    queue_len: usize,
    new_state: Box<dyn Fn() -> S + Send + Sync>,
    jobs: Mutex<Jobs<S>>,
    /// Notified for each job, and when the pool is dropped.
    changed: Condvar,
}

struct Jobs<S> {
    queue: VecDeque<Box<dyn Job<S>>>,
    /// The threads that were started.
    threads: usize,
    /// The threads that wait for a job.
    idle: usize,
    is_dropped: bool,
}

/// A call that waits for a thread.
trait Job<S>: Send {
    /// Returns whether the caller no longer waits for the answer.
    fn is_abandoned(&self) -> bool;

    /// Makes the call.
    fn run(self: Box<Self>, state: &mut S);
}

struct Call<T, W> {
    request: KeyRequest,
    work: W,
    answer: oneshot::Sender<Result<T, KeyProviderError>>,
}

impl<S, T, W> Job<S> for Call<T, W>
where
    T: Send,
    W: FnOnce(&mut S, &KeyRequest) -> Result<T, KeyProviderError> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_canceled()
    }

    fn run(self: Box<Self>, state: &mut S) {
        let _ = self.answer.send((self.work)(state, &self.request)); // the caller may have left
    }
}

impl<S: 'static> Threads<S> {
    /// Creates a pool of at most `max` threads, whose names begin with `name`. At most `queue_len` calls wait for a
    /// thread; a call beyond them fails as `Throttled`.
    ///
    /// `new_state` makes the state of a thread, before its first call and again after a call that panicked.
    pub fn new(
        name: impl Into<String>,
        max: NonZeroUsize,
        queue_len: usize,
        new_state: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        let jobs = Jobs { queue: VecDeque::new(), threads: 0, idle: 0, is_dropped: false };
        Self(Arc::new(Pool {
            name: name.into(),
            max,
            queue_len,
            new_state: Box::new(new_state),
            jobs: Mutex::new(jobs),
            changed: Condvar::new(),
        }))
    }

    /// Makes a call for a request on one of the threads. A call whose future is dropped before its turn is not made.
    ///
    /// The future fails as `Throttled` if the queue is full, as `Unavailable` if no thread could be started, and as
    /// [`Panicked`](Kind::Panicked) if the call panicked.
    pub fn call<T: Send + 'static>(
        &self,
        request: KeyRequest,
        work: impl FnOnce(&mut S, &KeyRequest) -> Result<T, KeyProviderError> + Send + 'static,
    ) -> KeyFuture<T> {
        let (answer, answered) = oneshot::channel();
        let key_id = request.key_id().to_owned();
        let given = self.give(Box::new(Call { request, work, answer }), &key_id);
        Box::pin(async move {
            given?;
            answered.await.unwrap_or_else(|oneshot::Canceled| Err(KeyProviderError::new(Kind::Panicked, &key_id)))
        })
    }

    fn give(&self, job: Box<dyn Job<S>>, key_id: &str) -> Result<(), KeyProviderError> {
        let pool = &self.0;
        let mut jobs = pool.jobs();
        if jobs.queue.len() >= pool.queue_len.saturating_add(jobs.idle) {
            let (abandoned, queue) = mem::take(&mut jobs.queue).into_iter().partition(|job| job.is_abandoned());
            jobs.queue = queue;
            drop(jobs);
            discard(abandoned);
            jobs = pool.jobs();
        }
        // A job for which a thread is idle, or can be started, does not wait.
        let waits = jobs.queue.len() >= jobs.idle;
        let starts = waits && jobs.threads < pool.max.get();
        if waits && !starts && jobs.queue.len() >= pool.queue_len.saturating_add(jobs.idle) {
            return Err(KeyProviderError::new(Kind::Throttled, key_id));
        }
        if starts {
            let (own, number) = (pool.clone(), jobs.threads + 1);
            match thread::Builder::new().name(format!("{}-{number}", pool.name)).spawn(move || own.work_off()) {
                Ok(_) => jobs.threads = number,
                // The threads that exist do the work.
                Err(_) if jobs.threads > 0 => {}
                Err(error) => return Err(KeyProviderError::new(Kind::Unavailable, key_id).with_source(error)),
            }
        }
        jobs.queue.push_back(job);
        drop(jobs);
        pool.changed.notify_one();
        Ok(())
    }
}

impl<S> Pool<S> {
    fn work_off(&self) {
        let mut state = None;
        while let Some(job) = self.next() {
            // A panic drops the answer's sender, which tells the caller; the state may be half changed.
            let worked = catch_unwind(AssertUnwindSafe(|| {
                job.run(state.get_or_insert_with(|| (self.new_state)()));
            }));
            if worked.is_err() {
                let broken = state.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
            }
        }
    }

    /// Waits for a job. Returns `None` if the pool was dropped and no caller waits any more.
    fn next(&self) -> Option<Box<dyn Job<S>>> {
        let mut jobs = self.jobs();
        loop {
            while let Some(job) = jobs.queue.pop_front() {
                if !job.is_abandoned() {
                    return Some(job);
                }
                drop(jobs);
                discard([job].into());
                jobs = self.jobs();
            }
            if jobs.is_dropped {
                return None;
            }
            jobs.idle += 1;
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            jobs.idle -= 1;
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs<S>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops calls that are not made. What they own is foreign code: it may be the last handle of the pool, and it may
/// panic. No lock is held here.
fn discard<S>(abandoned: VecDeque<Box<dyn Job<S>>>) {
    for job in abandoned {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
    }
}

impl<S: 'static> Drop for Threads<S> {
    fn drop(&mut self) {
        self.0.jobs().is_dropped = true;
        self.0.changed.notify_all();
    }
}

impl<S: 'static> fmt::Debug for Threads<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, max, queue_len) = (&self.0.name, self.0.max, self.0.queue_len);
        f.debug_struct("Threads").field("name", name).field("max", &max).field("queue_len", &queue_len).finish()
    }
}
