//! [`Queue`]: the tasks that wait for the thread that writes, and the callers that wait for room.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_channel::oneshot;

/// The number of steps in which the thread waits for more tasks; it stops at the first step in which no task comes.
const SLICES: u32 = 4;

/// The idle time after which the thread lets further callers in. The callers before them handed no event over: they
/// were abandoned, or their operations had no event.
const LETTING_IN: Duration = Duration::from_millis(10);

/// Takes the answer to one task; dropped unanswered where the thread ends.
pub(super) type Answer = oneshot::Sender<io::Result<()>>;

/// Something for the thread to do.
#[derive(Debug)]
pub(super) enum Task {
    Line(Vec<u8>, Answer),
    Sync(Answer),
    Reopen(Answer),
}

/// What the thread does next.
#[derive(Debug)]
pub(super) enum Work {
    Lines(Vec<Vec<u8>>, Vec<Answer>),
    Sync(Answer),
    Reopen(Answer),
    /// The lines that were written have to reach the disk now; no caller waits.
    SyncDue,
}

/// The tasks in their order. Its mutex is held for a few instructions, never while anything is written.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    tasks: VecDeque<Task>,
    /// Callers that wait for room before they begin, first come first served.
    waiting: VecDeque<oneshot::Sender<()>>,
    /// How many of them there may be before those are removed that were abandoned.
    purge_at: usize,
    /// How many tasks the thread waits for; with fewer it is not woken.
    wanted: usize,
    /// The thread does what is there, and ends.
    closed: bool,
    /// The thread has ended; nothing is taken any more.
    ended: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), more: Condvar::new(), capacity }
    }

    /// Adds a task, beyond the capacity too: an operation that has begun has its event taken. Once the thread has ended
    /// the task is dropped, and so is its answer.
    pub(super) fn push(&self, task: Task) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if !matches!(task, Task::Line(..)) {
            state.wanted = 0;
        }
        state.tasks.push_back(task);
        if state.tasks.len() >= state.wanted {
            self.more.notify_one();
        }
    }

    /// What to wait for before an operation begins: resolves once there is room, or the thread has ended. `None` where
    /// there is room now.
    pub(super) fn room(&self) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        if state.ended || (state.waiting.is_empty() && state.tasks.len() < self.capacity) {
            return None;
        }
        if state.waiting.len() >= state.purge_at {
            state.waiting.retain(|waiter| !waiter.is_canceled());
            state.purge_at = 2 * state.waiting.len() + 64;
        }
        let (waiter, room) = oneshot::channel();
        state.waiting.push_back(waiter);
        Some(room)
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    /// Waits for the next work, with up to `max_batch` lines at once. `None` once the queue is closed and empty; if it
    /// is empty at the moment `sync_at`, [`Work::SyncDue`].
    ///
    /// If there are fewer lines than were `answered` last, it waits up to `patience` for more: the answered callers are
    /// about to come back.
    pub(super) fn next(
        &self,
        max_batch: usize,
        (answered, patience): (usize, Duration),
        sync_at: Option<Instant>,
    ) -> Option<Work> {
        let mut state = self.lock();
        while state.tasks.is_empty() {
            if state.closed {
                return None;
            }
            let until_sync = sync_at.map(|at| at.saturating_duration_since(Instant::now()));
            if until_sync == Some(Duration::ZERO) {
                return Some(Work::SyncDue);
            }
            let until_let_in = (!state.waiting.is_empty()).then_some(LETTING_IN);
            let Some(limit) = until_sync.into_iter().chain(until_let_in).min() else {
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.more.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner);
            state = if waited.1.timed_out() { self.let_in(waited.0) } else { waited.0 };
        }
        if answered > 1 {
            state = self.gather(state, answered.min(max_batch), patience);
        }
        let work = state.next(max_batch);
        drop(self.let_in(state));
        Some(work)
    }

    /// Lets in as many callers as there is room for.
    fn let_in<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let room = self.capacity.saturating_sub(state.tasks.len()).min(state.waiting.len());
        let mut admitted: VecDeque<_> = state.waiting.drain(..room).collect();
        drop(state); // an answer wakes a caller, who may come back here
        // Callers that were abandoned leave their room to the next.
        while let Some(waiter) = admitted.pop_front() {
            if waiter.send(()).is_err()
                && let Some(next) = self.lock().waiting.pop_front()
            {
                admitted.push_back(next);
            }
        }
        self.lock()
    }

    /// Waits until so many tasks are there, while more come.
    ///
    /// PERF: without this, callers that are answered together come back one after the other, and the first of them has
    /// an fsync for itself: 30 events per fsync instead of 60, with 64 callers. It pays where a fsync is slow.
    fn gather<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        wanted: usize,
        patience: Duration,
    ) -> MutexGuard<'a, State> {
        for _ in 0..SLICES {
            let there = state.tasks.len();
            if there >= wanted {
                break;
            }
            state.wanted = wanted;
            let is_short = |state: &mut State| state.tasks.len() < state.wanted && !state.closed;
            let waited = self.more.wait_timeout_while(state, patience / SLICES, is_short);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.tasks.len() == there || state.wanted == 0 {
                break;
            }
        }
        state.wanted = 0;
        state
    }

    /// Fails everything that is there, and all that comes.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let (tasks, waiting) = (std::mem::take(&mut state.tasks), std::mem::take(&mut state.waiting));
        drop(state);
        drop((tasks, waiting)); // which wakes those who wait, and they may come back here
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, max_batch: usize) -> Work {
        let (mut lines, mut answers) = (Vec::new(), Vec::new());
        while lines.len() < max_batch {
            match self.tasks.pop_front() {
                Some(Task::Line(line, answer)) => {
                    lines.push(line);
                    answers.push(answer);
                }
                Some(other) if !lines.is_empty() => {
                    self.tasks.push_front(other);
                    break;
                }
                Some(Task::Sync(answer)) => return Work::Sync(answer),
                Some(Task::Reopen(answer)) => return Work::Reopen(answer),
                None => break,
            }
        }
        Work::Lines(lines, answers)
    }
}
