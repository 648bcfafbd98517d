//! [`Writer`]: the thread that writes batches of lines, synchronises the file and answers the callers.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Fsync;
use super::queue::{Answer, Queue, Work};
use super::stats::Counters;

/// The longest wait for callers to send their next events, on a slow disk.
const MAX_PATIENCE: Duration = Duration::from_millis(4);

/// A destination of lines.
pub(super) trait Log {
    /// Appends a batch. With `sync`, returns after the batch has reached the disk. An error concerns the whole batch.
    fn append(&mut self, lines: &[Vec<u8>], sync: bool) -> io::Result<()>;

    /// Waits until all lines so far have reached the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Opens the log again at its current place, after the lines of the old one have reached the disk.
    fn reopen(&mut self) -> io::Result<()>;
}

/// The thread's queue, counters and settings.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
    pub(super) fsync: Fsync,
    pub(super) max_batch: NonZeroUsize,
}

/// The shortest fsync for which the writer waits for more events.
const SLOW_DISK: Duration = Duration::from_millis(1);

impl Writer {
    /// Writes until the queue is closed and empty.
    pub(super) fn run(self, mut log: impl Log) {
        let _end = End(&self.queue);
        let (mut answered, mut patience) = (0, Duration::ZERO);
        let (mut unsynced_since, mut sync_failed): (Option<Instant>, _) = (None, None);
        loop {
            let sync_at = match self.fsync {
                Fsync::Every(period) => unsynced_since.and_then(|since| since.checked_add(period)),
                Fsync::EveryEvent | Fsync::Never => None,
            };
            let Some(work) = self.queue.next(self.max_batch.get(), (answered, patience), sync_at) else { break };
            let (outcome, answers) = match work {
                Work::Lines(lines, answers) => {
                    let sync = match self.fsync {
                        Fsync::EveryEvent => true,
                        Fsync::Every(period) => {
                            unsynced_since.map_or(Duration::ZERO, |since| since.elapsed()) >= period
                        }
                        Fsync::Never => false,
                    };
                    let began = Instant::now();
                    let outcome = log.append(&lines, sync);
                    // PERF: the wait is at most half an fsync, the worth of one saved. On a disk faster than the
                    // callers, one group works while another waits for its fsync: 0.73 to 1.00 of the rate without
                    // fsync; waiting for the callers gave 0.52.
                    let took = began.elapsed();
                    patience = (took / 2).min(MAX_PATIENCE);
                    answered = if sync && took >= SLOW_DISK { lines.len() } else { 0 };
                    if outcome.is_ok() {
                        Counters::add(&self.counters.events, lines.len());
                        Counters::add(&self.counters.batches, 1);
                    }
                    unsynced_since = if outcome.is_ok() && sync { None } else { unsynced_since.or(Some(began)) };
                    // No caller waited for the failed fsync, so the next events fail.
                    (outcome.and(sync_failed.take().map_or(Ok(()), Err)), answers)
                }
                Work::Sync(answer) => (log.sync().and(sync_failed.take().map_or(Ok(()), Err)), vec![answer]),
                Work::Reopen(answer) => (log.reopen(), vec![answer]),
                Work::SyncDue => {
                    sync_failed = log.sync().err();
                    unsynced_since = sync_failed.is_some().then(Instant::now); // retried after another period
                    continue;
                }
            };
            answer_all(answers, outcome);
        }
        if self.fsync != Fsync::Never {
            let _ = log.sync(); // the sink is dropped, and no caller is left to tell
        }
    }
}

/// Fails all waiting tasks when the thread ends, even by a panic.
struct End<'a>(&'a Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn answer_all(answers: Vec<Answer>, outcome: io::Result<()>) {
    let shared = outcome.map_err(Arc::new);
    for answer in answers {
        let own = match &shared {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), Shared(error.clone()))),
        };
        let _ = answer.send(own); // the caller may have left
    }
}

/// An error that several callers receive.
#[derive(Debug)]
struct Shared(Arc<io::Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Shared {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::mpsc;
    use std::thread;

    use futures_channel::oneshot;
    use pollster::block_on;

    use super::super::queue::Task;
    use super::*;

    /// A log that follows instructions, one step for each batch.
    struct Scripted {
        steps: mpsc::Receiver<Step>,
        batches: mpsc::Sender<Vec<String>>,
        syncs: mpsc::Sender<()>,
        sync_fails: bool,
    }

    enum Step {
        Write,
        Fail,
        Panic,
    }

    impl Log for Scripted {
        fn append(&mut self, lines: &[Vec<u8>], _: bool) -> io::Result<()> {
            let lines = lines.iter().map(|line| String::from_utf8(line.clone()).unwrap());
            self.batches.send(lines.collect()).unwrap();
            match self.steps.recv().unwrap() {
                Step::Write => Ok(()),
                Step::Fail => Err(io::Error::new(io::ErrorKind::StorageFull, "no room")),
                Step::Panic => panic!("as it was told"),
            }
        }

        fn sync(&mut self) -> io::Result<()> {
            let _ = self.syncs.send(()); // the test may not receive it
            if self.sync_fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn reopen(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Running {
        queue: Arc<Queue>,
        step: mpsc::Sender<Step>,
        batches: mpsc::Receiver<Vec<String>>,
        syncs: mpsc::Receiver<()>,
        thread: Option<thread::JoinHandle<()>>,
    }

    impl Running {
        fn new(capacity: usize, max_batch: usize) -> Self {
            Self::with(Fsync::EveryEvent, false, capacity, max_batch)
        }

        fn with(fsync: Fsync, sync_fails: bool, capacity: usize, max_batch: usize) -> Self {
            let ((step, steps), (sent, batches), (synced, syncs)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
            let queue = Arc::new(Queue::new(capacity));
            let writer = Writer {
                queue: queue.clone(),
                counters: Arc::default(),
                fsync,
                max_batch: NonZeroUsize::new(max_batch).unwrap(),
            };
            let thread =
                Some(thread::spawn(move || writer.run(Scripted { steps, batches: sent, syncs: synced, sync_fails })));
            Self { queue, step, batches, syncs, thread }
        }

        fn push(&self, line: &str) -> oneshot::Receiver<io::Result<()>> {
            let (answer, answered) = oneshot::channel();
            self.queue.push(Task::Line(line.into(), answer));
            answered
        }
    }

    #[test]
    fn a_batch_takes_what_waits_up_to_its_limit_and_in_order() {
        let running = Running::new(100, 3);
        let first = running.push("a");
        assert_eq!(running.batches.recv().unwrap(), ["a"]);
        let rest = ["b", "c", "d", "e"].map(|line| running.push(line));
        running.step.send(Step::Write).unwrap();
        block_on(first).unwrap().unwrap();
        assert_eq!(running.batches.recv().unwrap(), ["b", "c", "d"]);
        running.step.send(Step::Write).unwrap();
        assert_eq!(running.batches.recv().unwrap(), ["e"]);
        running.step.send(Step::Write).unwrap();
        rest.into_iter().for_each(|answer| block_on(answer).unwrap().unwrap());
    }

    #[test]
    fn a_batch_that_fails_fails_for_each_of_its_lines_and_the_next_one_is_tried() {
        let running = Running::new(100, 100);
        let first = running.push("a");
        running.batches.recv().unwrap();
        let batch = ["b", "c", "d"].map(|line| running.push(line));
        running.step.send(Step::Write).unwrap();
        running.step.send(Step::Fail).unwrap();
        block_on(first).unwrap().unwrap();
        for answer in batch {
            let error = block_on(answer).unwrap().unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::StorageFull, "no room".to_owned()));
        }
        running.step.send(Step::Write).unwrap();
        block_on(running.push("e")).unwrap().unwrap();
    }

    #[test]
    fn a_thread_that_panicked_leaves_no_caller_waiting() {
        let mut running = Running::new(1, 1);
        let lines = ["a", "b", "c"].map(|line| running.push(line));
        let room = running.queue.room().expect("it is full");
        running.step.send(Step::Panic).unwrap();
        for answer in lines {
            block_on(answer).expect_err("there is no answer, which is an error to the caller");
        }
        let _ = block_on(room);
        running.thread.take().unwrap().join().unwrap_err();
        block_on(running.push("d")).unwrap_err();
        assert!(running.queue.room().is_none(), "the event is what fails");
    }

    #[test]
    fn room_is_given_in_order_and_abandoned_callers_take_none() {
        let running = Running::new(2, 1);
        let lines = ["a", "b", "c"].map(|line| running.push(line));
        running.batches.recv().unwrap();
        let abandoned: Vec<_> = (0..1_000).map(|_| running.queue.room().expect("two wait")).collect();
        drop(abandoned);
        let mut room = running.queue.room().expect("two wait");
        assert!(room.try_recv().unwrap().is_none());
        running.step.send(Step::Write).unwrap();
        block_on(room).unwrap();
        running.step.send(Step::Write).unwrap();
        running.step.send(Step::Write).unwrap();
        lines.into_iter().for_each(|answer| block_on(answer).unwrap().unwrap());
        assert!(running.queue.room().is_none());
    }

    #[test]
    fn callers_that_were_let_in_and_hand_nothing_over_do_not_hold_up_those_behind_them() {
        let running = Running::new(1, 1);
        let line = running.push("a");
        running.batches.recv().unwrap();
        let second = running.push("b");
        let (let_in, behind) = (running.queue.room().expect("one waits"), running.queue.room().expect("two wait"));
        running.step.send(Step::Write).unwrap();
        running.step.send(Step::Write).unwrap();
        for answer in [line, second] {
            block_on(answer).unwrap().unwrap();
        }
        block_on(let_in).unwrap(); // this caller then sends no event
        let (sent, came) = mpsc::channel();
        thread::spawn(move || sent.send(block_on(behind)));
        let came = came.recv_timeout(Duration::from_secs(60));
        assert!(matches!(came, Ok(Ok(()))), "the queue is empty, and still a caller waits for room: {came:?}");
    }

    #[test]
    fn with_a_period_the_last_lines_reach_the_disk_though_no_further_event_comes() {
        for sync_fails in [false, true] {
            let running = Running::with(Fsync::Every(Duration::from_millis(20)), sync_fails, 100, 100);
            running.step.send(Step::Write).unwrap();
            block_on(running.push("a")).unwrap().unwrap();
            running.syncs.recv_timeout(Duration::from_secs(60)).expect("it synchronises by itself");
            running.step.send(Step::Write).unwrap();
            let next = block_on(running.push("b")).unwrap();
            assert_eq!(next.is_err(), sync_fails, "the next event tells of an fsync that failed");
        }
    }

    #[test]
    fn a_closed_queue_is_written_to_its_end() {
        let mut running = Running::new(1, 2);
        let abandoned = ["a", "b", "c", "d", "e"].map(|line| running.push(line));
        drop(abandoned);
        running.queue.close();
        (0..5).for_each(|_| running.step.send(Step::Write).unwrap());
        running.thread.take().unwrap().join().unwrap();
        let written: Vec<_> = running.batches.iter().flatten().collect();
        assert_eq!(written, ["a", "b", "c", "d", "e"]);
    }
}
