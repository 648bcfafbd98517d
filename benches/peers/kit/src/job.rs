//! What one run of a program measures.

use std::time::Duration;

/// Whether objects are encrypted or decrypted while the clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Plaintext goes in.
    Encrypt,
    /// Stored bytes go in.
    Decrypt,
}

/// One job: a subject, a direction, and objects of one size.
#[derive(Clone, Debug)]
pub struct Job {
    /// The name of the subject.
    pub subject: String,
    /// What is measured.
    pub direction: Direction,
    /// The length of the plaintext of each object, in bytes.
    pub size: usize,
    /// The number of objects in one round.
    pub objects: usize,
    /// The number of threads that work on one object.
    pub threads: usize,
    /// The number of measured rounds.
    pub rounds: usize,
    /// When to stop a round early, between two objects.
    pub limit: Duration,
}

impl Job {
    /// Reads `--subject NAME --direction encrypt|decrypt --size N --objects N --threads N --rounds N --limit SECONDS`.
    pub(crate) fn parse(arguments: &[String]) -> Self {
        let mut job = Self {
            subject: String::new(),
            direction: Direction::Encrypt,
            size: 1 << 20,
            objects: 1,
            threads: 1,
            rounds: 1,
            limit: Duration::from_secs(3_600),
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { panic!("{pair:?} has no value") };
            let number = || value.parse::<usize>().unwrap_or_else(|_| panic!("{name} {value}: not a number"));
            match name.as_str() {
                "--subject" => job.subject.clone_from(value),
                "--direction" if value == "encrypt" => job.direction = Direction::Encrypt,
                "--direction" if value == "decrypt" => job.direction = Direction::Decrypt,
                "--size" => job.size = number(),
                "--objects" => job.objects = number().max(1),
                "--threads" => job.threads = number().max(1),
                "--rounds" => job.rounds = number(),
                "--limit" => job.limit = Duration::from_secs(number() as u64),
                _ => panic!("{name} {value}: unknown"),
            }
        }
        job
    }
}
