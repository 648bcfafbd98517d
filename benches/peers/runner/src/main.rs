//! Runs the side-by-side benchmark.
//!
//! Each measurement is a process of its own: the runner starts the subjects in turns, and in the opposite order in every
//! other round, so that a machine that gets slower or warmer does so for all of them. `README.md` beside this package
//! says what is measured, and how.

mod chart;
mod growth;
mod plan;
mod programs;
mod results;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::plan::Plan;
use crate::results::Results;

/// Measures atrest, bare ciphers and peers side by side, and draws tables and charts.
#[derive(Debug, Parser)]
struct Options {
    /// Only draws the tables and charts again, from what was measured.
    #[arg(long)]
    draw: bool,
    /// Measures time and memory of atrest as the work grows, instead of peers.
    #[arg(long)]
    growth: bool,
    /// A short run that shows that everything works; its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Measured rounds of each job.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Sizes of objects in bytes; the first and the last are the ones of the tables.
    #[arg(long, value_delimiter = ',', default_values_t = [1 << 10, 1 << 14, 1 << 16, 1 << 20, 1 << 26, 1 << 30])]
    sizes: Vec<usize>,
    /// Bytes in each round, in as many objects as that makes.
    #[arg(long, default_value_t = 1 << 30)]
    total: usize,
    /// Threads that work on one object, where a subject can use them.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Seconds after which a round of small objects stops, with as many as were done.
    #[arg(long, default_value_t = 8)]
    limit: usize,
    /// Only subjects whose name begins so.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Programs to leave out: `esdk` alone takes as long to build as all the rest.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Takes the programs as they were built last.
    #[arg(long)]
    built: bool,
    /// Where results.json, results.md and the charts are written.
    #[arg(long, default_value_os_t = home())]
    out: PathBuf,
}

/// The folder of the packages, `benches/peers`.
fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a package is in a folder").to_owned()
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut options = Options::parse();
    if options.quick {
        (options.rounds, options.sizes, options.total, options.limit) =
            (2, vec![1 << 10, 1 << 16, 1 << 23], 1 << 23, 1);
    }
    std::fs::create_dir_all(&options.out)?;
    if options.growth { grow(&options) } else { compare(&options) }
}

fn compare(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let file = options.out.join("results.json");
    let mut failures = Vec::new();
    if !options.draw {
        let programs = programs::build(&home(), &options.without, options.built)?;
        let (measured, failed) = Plan::new(&programs, options)?.run(&home(), &programs)?;
        std::fs::write(&file, serde_json::to_string_pretty(&measured)? + "\n")?;
        failures = failed;
    }
    let results: Results = serde_json::from_slice(&std::fs::read(file)?)?;
    std::fs::write(options.out.join("results.md"), table::markdown(&results))?;
    chart::draw_all(&options.out.join("charts"), &results)?;
    for failure in &failures {
        eprintln!("failed: {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn grow(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let file = options.out.join("growth.json");
    if !options.draw {
        let measured = growth::measure(&home(), options.rounds, options.quick.then_some(1 << 20), options.built)?;
        std::fs::write(&file, serde_json::to_string_pretty(&measured)? + "\n")?;
    }
    let growth = serde_json::from_slice(&std::fs::read(file)?)?;
    std::fs::write(options.out.join("growth.md"), growth::markdown(&growth))?;
    growth::draw_all(&options.out.join("charts"), &growth)?;
    Ok(ExitCode::SUCCESS)
}
