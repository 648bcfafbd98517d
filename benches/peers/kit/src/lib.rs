//! The job, the sink and the clock that all subjects of the benchmark share.
//!
//! A program of subjects calls [`main`] with its list. One run of the program measures one subject in one job: it checks
//! that the subject decrypts what it encrypted, warms up, measures each round, and prints one line of JSON for it.

mod job;
mod measure;
mod sink;

pub use job::{Direction, Job};
pub use sink::Sink;

/// The input of one call that streams on one thread, and the room for its output.
pub const PIECE: usize = 1 << 20;
/// The input of one call that divides its work among threads.
pub const LARGE_PIECE: usize = 32 << 20;
/// The chunk of the bare loops, and of peers whose caller chooses one: the chunk of `atrest`.
pub const CHUNK: usize = 16 << 10;

/// One way to encrypt and decrypt whole objects.
pub trait Subject {
    /// Encrypts one object from memory and hands each buffer of output to the sink.
    ///
    /// The bytes that are returned go to [`decrypt`](Self::decrypt), for those who keep an envelope apart from the body.
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8>;

    /// Decrypts one object from memory and hands each buffer of output to the sink.
    fn decrypt(&mut self, envelope: &[u8], body: &'static [u8], sink: &Sink);
}

/// A name in the list of subjects, and how a subject is made for a number of threads.
pub struct Entry {
    /// The name by which the runner asks for the subject.
    pub name: &'static str,
    /// Makes the subject for a number of threads.
    pub make: fn(threads: usize) -> Box<dyn Subject>,
}

/// Runs the program: `--list`, or one job of one subject.
pub fn main(entries: &[Entry]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--list"] {
        entries.iter().for_each(|entry| println!("{}", entry.name));
        return;
    }
    let job = Job::parse(&arguments);
    let entry = entries.iter().find(|entry| entry.name == job.subject);
    let entry = entry.unwrap_or_else(|| panic!("{} is not a subject of this program; see --list", job.subject));
    measure::run(&job, (entry.make)(job.threads).as_mut());
}
