//! `JsonLines` over a file that blocks writes, and callers that stop waiting.
//!
//! The file is a FIFO: the thread of the sink blocks in its write when the FIFO is full, as on a hanging disk, and
//! continues when the test reads.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use atrest::audit::{AuditEvent, AuditFuture, AuditSink, Fsync, JsonLines, MemorySink};
use atrest::{ObjectName, Result, SseS3};
use atrest_kit::yields;
use futures_util::future::{Either, select};
use pollster::block_on;
use tempfile::TempDir;

use crate::json_lines::keys;
use crate::kit::Audited;

/// A number of lines that the FIFO and the queue of these tests cannot hold.
const MANY: usize = 400;

struct Fifo {
    _directory: TempDir,
    path: PathBuf,
}

impl Fifo {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self { _directory: directory, path }
    }

    fn sink(&self) -> Arc<JsonLines> {
        let options = JsonLines::builder(&self.path).fsync(Fsync::Never).queue_len(NonZeroUsize::new(4).unwrap());
        Arc::new(options.open().unwrap())
    }

    /// The keys of this many lines, in order.
    fn read(&self, count: usize) -> Vec<String> {
        let lines = BufReader::new(File::open(&self.path).unwrap()).lines().take(count);
        let key = |line: String| {
            let record: serde_json::Value = serde_json::from_str(&line).unwrap();
            record["requestParameters"]["key"].as_str().unwrap().to_owned()
        };
        lines.map(|line| key(line.unwrap())).collect()
    }
}

fn event(key: &str) -> AuditEvent {
    let sink = Arc::new(MemorySink::new());
    let service = Audited::new().recording_into(sink.clone());
    service.sse.blocking().encrypt(&ObjectName::new("photos", key).unwrap(), SseS3, b"meow").unwrap();
    sink.events().pop().unwrap()
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:03}")).collect()
}

#[test]
fn a_full_queue_holds_new_operations_back_and_loses_none() {
    let fifo = Fifo::new();
    let sink = fifo.sink();
    let events: Vec<_> = numbered(MANY).iter().map(|key| event(key)).collect();
    let mut recording: Vec<AuditFuture> = events.into_iter().map(|event| sink.record(event)).collect();
    let mut ready = sink.ready();
    assert!(poll_once(&mut ready).is_pending(), "there is no room");
    assert!(poll_once(recording.last_mut().unwrap()).is_pending());
    assert_eq!(fifo.read(MANY), numbered(MANY));
    block_on(ready);
    recording.into_iter().for_each(|recorded| block_on(recorded).unwrap());
}

#[test]
fn the_events_of_callers_that_went_away_are_written() {
    let fifo = Fifo::new();
    let sink = fifo.sink();
    let mut events: Vec<_> = numbered(MANY).iter().map(|key| event(key)).collect();
    for (at, event) in events.drain(..).enumerate() {
        let mut recording = sink.record(event);
        if at % 2 == 0 {
            let _ = poll_once(&mut recording);
        }
        drop(recording);
    }
    assert_eq!(fifo.read(MANY), numbered(MANY));
}

#[test]
fn an_operation_dropped_after_its_outcome_is_on_record_and_so_it_is_when_the_sink_is_dropped_next() {
    let directory = tempfile::tempdir().unwrap();
    let path: &Path = &directory.path().join("audit.jsonl");
    let sink = Arc::new(JsonLines::builder(path).open().unwrap());
    let service = Audited::new().recording_into(sink.clone());
    for key in ["a", "b", "c"] {
        let object = ObjectName::new("photos", key).unwrap();
        let mut encrypting = Box::pin(service.sse.encrypt(&object, SseS3, b"meow"));
        let _ = poll_once(&mut encrypting);
    }
    drop((service, sink));
    assert_eq!(keys(path), (vec!["a".into(), "b".into(), "c".into()], 0));
}

#[test]
fn a_file_that_takes_nothing_stalls_no_other_task_of_a_runtime_with_one_thread() {
    let fifo = Fifo::new();
    let sink = fifo.sink();
    let service = Audited::new().recording_into(sink.clone());
    drop((0..MANY).map(|_| sink.record(event("before"))).collect::<Vec<_>>());
    let object = ObjectName::new("photos", "after").unwrap();
    let encrypting = Box::pin(service.sse.encrypt(&object, SseS3, b"meow"));
    let Either::Right(((), encrypting)) = block_on(select(encrypting, Box::pin(yields(1_000)))) else {
        panic!("nothing was written, and so nothing is given out")
    };
    let reading = std::thread::scope(|scope| {
        let reading = scope.spawn(|| fifo.read(MANY + 1));
        let encrypted: Result<_> = block_on(encrypting);
        encrypted.unwrap();
        reading.join().unwrap()
    });
    assert_eq!(reading.last().unwrap(), "after");
}

/// A sink that never answers.
struct Silent;

impl AuditSink for Silent {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_sink_that_never_answers_stalls_no_other_task_and_nothing_is_given_out() {
    let service = Audited::new().recording_into(Arc::new(Silent));
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let encrypting = Box::pin(service.sse.encrypt(&object, SseS3, b"meow"));
    assert!(matches!(block_on(select(encrypting, Box::pin(yields(1_000)))), Either::Right(_)));
}

#[test]
fn the_events_of_one_task_are_in_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = Audited::new().recording_into(Arc::new(JsonLines::builder(&path).open().unwrap()));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let service = &service;
            scope.spawn(move || {
                for number in 0..20 {
                    let object = ObjectName::new("photos", format!("{thread}-{number:02}")).unwrap();
                    block_on(service.sse.encrypt(&object, SseS3, b"meow")).unwrap();
                }
            });
        }
    });
    let (keys, _) = keys(&path);
    for thread in 0..8 {
        let of_thread: Vec<_> = keys.iter().filter(|key| key.starts_with(&format!("{thread}-"))).collect();
        assert_eq!(of_thread.len(), 20);
        assert!(of_thread.is_sorted());
    }
}
