//! Checks a subject, warms it up and measures it.

use std::time::{Duration, Instant};

use crate::{Direction, Job, Sink, Subject};

/// A round goes through so many bytes of different objects before it meets the first one again.
const DIFFERENT: usize = 64 << 20;
const MOST_DIFFERENT: usize = 4_096;
/// The check of a subject that is measured encrypting; a subject that decrypts is checked on all that it opens.
const CHECKED: usize = 64 << 20;

struct Stored {
    envelope: Vec<u8>,
    body: &'static [u8],
}

/// Fills memory with bytes that do not repeat within a chunk.
fn source(len: usize) -> &'static [u8] {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = vec![0; len];
    for word in bytes.chunks_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    bytes.leak()
}

/// Encrypts an object, and panics unless it decrypts to the same bytes.
fn store(subject: &mut dyn Subject, plaintext: &'static [u8]) -> Stored {
    let sink = Sink::keep(plaintext.len() + plaintext.len() / 64 + 4_096);
    let envelope = subject.encrypt(plaintext, &sink);
    let (_, body) = sink.taken();
    let body = body.expect("the sink keeps").leak();
    let sink = Sink::compare(plaintext);
    subject.decrypt(&envelope, body, &sink);
    assert_eq!(sink.taken().0, plaintext.len() as u64, "the subject lost the end of an object");
    Stored { envelope, body }
}

pub(crate) fn run(job: &Job, subject: &mut dyn Subject) {
    let different = job.objects.min((DIFFERENT / job.size.max(1)).clamp(1, MOST_DIFFERENT));
    let source = source(different * job.size);
    let plaintexts: Vec<&'static [u8]> = (0..different).map(|at| &source[at * job.size..][..job.size]).collect();
    match job.direction {
        Direction::Encrypt => {
            store(subject, &plaintexts[0][..job.size.min(CHECKED)]);
            let mut next = plaintexts.iter().cycle();
            measure(job, |sink| {
                let plaintext = next.next().expect("it repeats");
                drop(subject.encrypt(plaintext, sink));
            });
        }
        Direction::Decrypt => {
            let stored: Vec<Stored> = plaintexts.iter().map(|plaintext| store(subject, plaintext)).collect();
            let mut next = stored.iter().cycle();
            measure(job, |sink| {
                let stored = next.next().expect("it repeats");
                subject.decrypt(&stored.envelope, stored.body, sink);
            });
        }
    }
}

fn measure(job: &Job, mut one: impl FnMut(&Sink)) {
    round(job, &mut one);
    for _ in 0..job.rounds {
        let (objects, seconds) = round(job, &mut one);
        print(job, objects, seconds);
    }
}

/// Does the job once, or as much of it as the limit lets, and says how many objects in how many seconds.
fn round(job: &Job, one: &mut impl FnMut(&Sink)) -> (usize, Duration) {
    let sink = Sink::touch();
    let start = Instant::now();
    let mut done = 0;
    while done < job.objects {
        one(&sink);
        done += 1;
        // A look at the clock after each large object, and after each 256 small ones.
        if (job.size >= 1 << 20 || done % 256 == 0) && start.elapsed() > job.limit {
            break;
        }
    }
    let elapsed = start.elapsed();
    assert!(sink.taken().0 >= (done * job.size) as u64, "the subject gave out less than the objects hold");
    (done, elapsed)
}

fn print(job: &Job, objects: usize, elapsed: Duration) {
    let direction = if job.direction == Direction::Encrypt { "encrypt" } else { "decrypt" };
    println!(
        r#"{{"subject":"{}","job":"{direction}","size":{},"threads":{},"objects":{objects},"bytes":{},"seconds":{:.9}}}"#,
        job.subject,
        job.size,
        job.threads,
        objects * job.size,
        elapsed.as_secs_f64(),
    );
}
