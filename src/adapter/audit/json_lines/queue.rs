//! [`Queue`]: the tasks for the thread that writes, and the callers that wait for room.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_channel::oneshot;

/// The number of steps in which the thread waits for more tasks. The wait ends at the first step without a new task.
const SLICES: u32 = 4;

/// The idle time after which the thread admits more callers. The callers admitted before sent no event: they were
/// abandoned, or their operations had no event.
const LETTING_IN: Duration = Duration::from_millis(10);

/// The sender of a task's answer; dropped without an answer if the thread ends.
pub(super) type Answer = oneshot::Sender<io::Result<()>>;

/// A task for the thread.
#[derive(Debug)]
pub(super) enum Task {
    Line(Vec<u8>, Answer),
    Sync(Answer),
    Reopen(Answer),
}

/// The next work of the thread.
#[derive(Debug)]
pub(super) enum Work {
    Lines(Vec<Vec<u8>>, Vec<Answer>),
    Sync(Answer),
    Reopen(Answer),
    /// The written lines must reach the disk now; no caller waits.
    SyncDue,
}

/// The tasks in order. The mutex is held for a few instructions, never during a write.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    tasks: VecDeque<Task>,
    /// Callers that wait for room before they begin, in order of arrival.
    waiting: VecDeque<oneshot::Sender<()>>,
    /// The number of waiting callers at which abandoned ones are removed.
    purge_at: usize,
    /// The number of tasks that the thread waits for; fewer do not wake the thread.
    wanted: usize,
    /// Whether the thread must finish the remaining tasks and end.
    closed: bool,
    /// Whether the thread has ended, after which no task is taken.
    ended: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), more: Condvar::new(), capacity }
    }

    /// Adds a task, even beyond the capacity: the event of an operation that has begun is always taken. After the
    /// thread has ended, drops the task and its answer.
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

    /// Returns a receiver that resolves once there is room or the thread has ended. Returns `None` if there is room
    /// now.
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

    /// Waits for the next work, with up to `max_batch` lines at once. Returns `None` once the queue is closed and
    /// empty, and [`Work::SyncDue`] if the queue is empty at the time `sync_at`.
    ///
    /// If there are fewer lines than were `answered` last, waits up to `patience` for more: the answered callers are
    /// likely to send their next events.
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

    /// Admits as many callers as there is room for.
    fn let_in<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let room = self.capacity.saturating_sub(state.tasks.len()).min(state.waiting.len());
        let mut admitted: VecDeque<_> = state.waiting.drain(..room).collect();
        drop(state); // an answer wakes a caller, which may call this queue again
        // Abandoned callers leave their room to the next.
        while let Some(waiter) = admitted.pop_front() {
            if waiter.send(()).is_err()
                && let Some(next) = self.lock().waiting.pop_front()
            {
                admitted.push_back(next);
            }
        }
        self.lock()
    }

    /// Waits until `wanted` tasks are there, as long as more arrive.
    ///
    /// PERF: without this, callers that are answered together return one by one, and the first of them gets an fsync of
    /// its own: 30 events per fsync instead of 60, with 64 callers. The wait pays off if an fsync is slow.
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

    /// Fails all tasks in the queue and all later ones.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let (tasks, waiting) = (std::mem::take(&mut state.tasks), std::mem::take(&mut state.waiting));
        drop(state);
        drop((tasks, waiting)); // this wakes the waiting callers, which may call this queue again
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
