//! What was measured, as it stands in results.json.

use std::collections::BTreeMap;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The line that a program of subjects prints for one round.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) objects: usize,
    pub(crate) seconds: f64,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// The version of each crate, by the name of its subject.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) measurements: Vec<Measurement>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) command: String,
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) rustc: String,
}

impl Machine {
    /// The machine, the date and the command, in one line.
    pub(crate) fn sentence(&self) -> String {
        let Self { command, date, processor, cores, system, rustc } = self;
        format!("{processor}, {cores} cores, {system}, {rustc}; {date}. Medians of `{command}`.")
    }
}

/// The rounds of one subject in one job.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Measurement {
    pub(crate) subject: String,
    pub(crate) job: String,
    /// The length of one object, in bytes.
    pub(crate) size: usize,
    pub(crate) threads: usize,
    pub(crate) rounds: Vec<Round>,
}

/// How many objects a round had, and how long it took.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Round {
    pub(crate) objects: usize,
    pub(crate) seconds: f64,
}

impl Measurement {
    /// The median of the rounds, in seconds for one object.
    pub(crate) fn seconds_per_object(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.seconds / round.objects as f64))
    }

    /// The median of the rounds, in 10^9 bytes of plaintext a second.
    pub(crate) fn gigabytes_per_second(&self) -> f64 {
        self.size as f64 / self.seconds_per_object() / 1e9
    }
}

impl Results {
    pub(crate) fn find(&self, subject: &str, job: &str, size: usize, threads: usize) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| {
            (measurement.subject.as_str(), measurement.job.as_str()) == (subject, job)
                && (measurement.size, measurement.threads) == (size, threads)
        })
    }

    /// The names of the subjects, in the order in which they were measured.
    pub(crate) fn subjects(&self) -> Vec<&str> {
        let mut subjects = Vec::new();
        for measurement in &self.measurements {
            if !subjects.contains(&measurement.subject.as_str()) {
                subjects.push(measurement.subject.as_str());
            }
        }
        subjects
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        sorted(self.measurements.iter().map(|measurement| measurement.size))
    }

    pub(crate) fn threads(&self) -> Vec<usize> {
        sorted(self.measurements.iter().map(|measurement| measurement.threads))
    }

    /// The name of a subject with the version of its crate.
    pub(crate) fn titled(&self, subject: &str) -> String {
        let versions = self.versions.iter().filter(|(name, _)| subject.starts_with(name.as_str()));
        let version = versions.max_by_key(|(name, _)| name.len()).map(|(_, version)| version.as_str());
        format!("{subject} {}", version.unwrap_or_default()).trim_end().to_owned()
    }
}

/// The value in the middle, or between the two in the middle; there is at least one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn sorted(values: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut values: Vec<usize> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// `1 KiB`, `64 MiB`.
pub(crate) fn size_name(size: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(len, _)| size >= *len && size.is_multiple_of(*len));
    unit.map_or_else(|| format!("{size} B"), |(len, unit)| format!("{} {unit}", size / len))
}

/// The machine on which the runner runs, and the command that was given to it.
pub(crate) fn machine() -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = "cargo run --release --manifest-path benches/peers/runner/Cargo.toml";
    Machine {
        command: if arguments.is_empty() {
            command.to_owned()
        } else {
            format!("{command} -- {}", arguments.join(" "))
        },
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        processor: format!("{} (family {}, model {})", field("model name"), field("cpu family"), field("model")),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        system: answer("uname", &["-srm"]),
        rustc: answer("rustc", &["--version"]),
    }
}

fn answer(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
