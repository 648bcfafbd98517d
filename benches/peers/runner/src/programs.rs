//! The programs of subjects: how they are built, which subjects they have, and how one is measured.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::plan::Job;
use crate::results::Line;

/// The packages of subjects; each has a lock file of its own, because their dependencies exclude each other.
const PACKAGES: [&str; 3] = ["rust", "sio", "esdk"];
/// The crates whose versions stand in the results, by the names of their subjects.
const CRATES: [(&str, &str); 11] = [
    ("atrest", "atrest"),
    ("bare/aws-lc", "aws-lc-rs"),
    ("bare/graviola", "graviola"),
    ("bare/rust-crypto", "aes-gcm"),
    ("age", "age"),
    ("aead-stream", "aead-stream"),
    ("aws-esdk", "aws-esdk"),
    ("dryoc", "dryoc"),
    ("orion", "orion"),
    ("sio", "sio"),
    ("tink", "tink-streaming-aead"),
];

pub(crate) struct Program {
    path: PathBuf,
    pub(crate) subjects: Vec<String>,
}

/// Builds the programs and asks each for its subjects.
pub(crate) fn build(home: &Path, without: &[String], built: bool) -> Result<Vec<Program>, Box<dyn Error>> {
    let mut programs = Vec::new();
    for package in PACKAGES.iter().filter(|package| !without.iter().any(|name| name == *package)) {
        let path = build_package(home, package, built)?;
        let list = Command::new(&path).arg("--list").output()?;
        let subjects = String::from_utf8(list.stdout)?.lines().map(str::to_owned).collect();
        programs.push(Program { path, subjects });
    }
    Ok(programs)
}

/// Builds one package unless it is built, and gives the path of its program.
pub(crate) fn build_package(home: &Path, package: &str, built: bool) -> Result<PathBuf, Box<dyn Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| home.join("target"), PathBuf::from);
    let program = target.join("release").join(format!("peers-{package}"));
    if built {
        return Ok(program);
    }
    eprintln!("building {package}");
    let manifest = home.join(package).join("Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--quiet", "--manifest-path"]).arg(manifest);
    // `cargo run` has set these for the runner; build scripts that watch them would run again, and all that needs them.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    if !cargo.arg("--target-dir").arg(&target).status()?.success() {
        return Err(format!("{package} does not build").into());
    }
    Ok(program)
}

fn is_of_a_package(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
        .iter()
        .any(|start| name.starts_with(start))
}

impl Program {
    /// Measures one round in a process of its own.
    pub(crate) fn measure(&self, job: &Job, limit: usize) -> Result<Line, Box<dyn Error>> {
        let mut command = Command::new(&self.path);
        for (name, value) in [
            ("--subject", job.subject.clone()),
            ("--direction", job.direction.to_owned()),
            ("--size", job.size.to_string()),
            ("--objects", job.objects.to_string()),
            ("--threads", job.threads.to_string()),
            ("--rounds", "1".to_owned()),
            ("--limit", limit.to_string()),
        ] {
            command.args([name, &value]);
        }
        let output = command.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// The version of each crate that is measured, from the lock files.
pub(crate) fn versions(home: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut versions = BTreeMap::new();
    for package in PACKAGES {
        let lock: toml::Table = std::fs::read_to_string(home.join(package).join("Cargo.lock"))?.parse()?;
        for found in lock.get("package").and_then(toml::Value::as_array).into_iter().flatten() {
            let (Some(name), Some(version)) = (found["name"].as_str(), found["version"].as_str()) else { continue };
            for (subject, _) in CRATES.iter().filter(|(_, crate_name)| *crate_name == name) {
                // A dependency may bring an older version of a crate: the newest is the one that is measured.
                let known: &mut String = versions.entry((*subject).to_owned()).or_default();
                if newer(version, known) {
                    version.clone_into(known);
                }
            }
        }
    }
    Ok(versions)
}

fn newer(version: &str, than: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> { version.split('.').filter_map(|part| part.parse().ok()).collect() };
    numbers(version) > numbers(than)
}
