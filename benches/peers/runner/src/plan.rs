//! Which jobs are measured, in which order.

use std::error::Error;
use std::path::Path;

use crate::Options;
use crate::programs::{Program, versions};
use crate::results::{Measurement, Results, Round, machine};

/// Subjects that are measured with several threads; all others work on one object on one thread.
const THREADED: [&str; 4] = ["atrest/dsse-kms/aws-lc", "atrest/sse-s3/aws-lc", "bare/aws-lc", "bare/graviola"];
/// Subjects of which only the smallest and the largest size are measured.
const TWO_SIZES: [&str; 7] = [
    "atrest/dsse",
    "atrest/sse-c",
    "atrest/sse-kms",
    "atrest/sse-s3/graviola",
    "atrest/sse-s3/rust-crypto",
    "aws-esdk/signed",
    "tink/4KiB",
];

pub(crate) struct Job {
    program: usize,
    pub(crate) subject: String,
    pub(crate) direction: &'static str,
    pub(crate) size: usize,
    pub(crate) objects: usize,
    pub(crate) threads: usize,
}

pub(crate) struct Plan {
    jobs: Vec<Job>,
    rounds: usize,
    limit: usize,
}

fn begins_with_one_of(subject: &str, names: &[impl AsRef<str>]) -> bool {
    names.iter().any(|name| subject.starts_with(name.as_ref()))
}

impl Plan {
    pub(crate) fn new(programs: &[Program], options: &Options) -> Result<Self, Box<dyn Error>> {
        let (Some(&smallest), Some(&largest)) = (options.sizes.iter().min(), options.sizes.iter().max()) else {
            return Err("no sizes".into());
        };
        let mut jobs = Vec::new();
        for &size in &options.sizes {
            let end = size == smallest || size == largest;
            for direction in ["encrypt", "decrypt"] {
                for &threads in &options.threads {
                    for (program, subject) in programs
                        .iter()
                        .enumerate()
                        .flat_map(|(at, program)| program.subjects.iter().map(move |subject| (at, subject)))
                    {
                        let wanted = options.only.is_empty() || begins_with_one_of(subject, &options.only);
                        let sized = end || !begins_with_one_of(subject, &TWO_SIZES);
                        let threaded = threads == 1 || (size == largest && begins_with_one_of(subject, &THREADED));
                        if wanted && sized && threaded {
                            let (subject, objects) = (subject.clone(), (options.total / size.max(1)).max(1));
                            jobs.push(Job { program, subject, direction, size, objects, threads });
                        }
                    }
                }
            }
        }
        Ok(Self { jobs, rounds: options.rounds, limit: options.limit })
    }

    /// Measures every job once in each round; gives what was measured, and which jobs failed.
    pub(crate) fn run(&self, home: &Path, programs: &[Program]) -> Result<(Results, Vec<String>), Box<dyn Error>> {
        let mut measured: Vec<Vec<Round>> = self.jobs.iter().map(|_| Vec::new()).collect();
        let mut failures = Vec::new();
        let mut order: Vec<usize> = (0..self.jobs.len()).collect();
        for round in 1..=self.rounds {
            for (done, &at) in order.iter().enumerate() {
                let job = &self.jobs[at];
                let name = format!("{} {} {} x {}", job.subject, job.direction, job.objects, job.size);
                eprintln!(
                    "round {round}/{}, {}/{}: {name}, threads {}",
                    self.rounds,
                    done + 1,
                    order.len(),
                    job.threads
                );
                match programs[job.program].measure(job, self.limit) {
                    Ok(line) => measured[at].push(Round { objects: line.objects, seconds: line.seconds }),
                    Err(error) => failures.push(format!("{name}: {error}")),
                }
            }
            order.reverse();
        }
        let measurements = self.jobs.iter().zip(measured).filter(|(_, rounds)| !rounds.is_empty());
        let measurements = measurements.map(|(job, rounds)| Measurement {
            subject: job.subject.clone(),
            job: job.direction.to_owned(),
            size: job.size,
            threads: job.threads,
            rounds,
        });
        let measurements = measurements.collect();
        Ok((Results { machine: machine(), versions: versions(home)?, measurements }, failures))
    }
}
