//! Time and memory of `atrest` as the work grows.
//!
//! `peers-growth --list` lists the cases with the numbers that each is measured at, `peers-growth CASE N` measures one
//! and prints a line of JSON: the time, and the most heap that was in use at one time.

mod keyrings;
mod objects;
mod parts;
mod sweeps;

use std::time::Instant;

/// What one case measures, the unit of its numbers, and the numbers.
struct Case {
    name: &'static str,
    unit: &'static str,
    /// Whether the work grows with the number; else it should take the same time at each.
    grows: bool,
    numbers: &'static [u64],
    /// Prepares the work for a number; calling what it returns does the work.
    prepare: fn(u64) -> Box<dyn FnOnce()>,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const CASES: &[Case] = &[
    Case {
        name: "encrypt and decrypt an object",
        unit: "bytes",
        grows: true,
        numbers: &[0, 1 << 10, MIB, 64 * MIB, GIB, 4 * GIB, 16 * GIB],
        prepare: objects::through,
    },
    Case {
        name: "complete a multipart upload",
        unit: "parts",
        grows: true,
        numbers: &[1, 10, 100, 1_000, 10_000],
        prepare: parts::complete,
    },
    Case {
        name: "open a manifest",
        unit: "parts",
        grows: true,
        numbers: &[1, 10, 100, 1_000, 10_000],
        prepare: parts::open_manifest,
    },
    Case {
        name: "rewrap envelopes",
        unit: "envelopes",
        grows: true,
        numbers: &[10_000, 100_000, 1_000_000, 10_000_000],
        prepare: sweeps::rewrap,
    },
    Case {
        name: "open a sealed keyring",
        unit: "versions",
        grows: true,
        numbers: &[1, 10, 100, 1_000, 10_000],
        prepare: keyrings::open,
    },
    Case {
        name: "encrypt and decrypt 1,000 objects of 1 KiB",
        unit: "versions",
        grows: false,
        numbers: &[1, 10, 100, 1_000, 10_000],
        prepare: keyrings::small_objects,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [list] if list == "--list" => {
            for case in CASES {
                let numbers: Vec<String> = case.numbers.iter().map(u64::to_string).collect();
                println!("{}\t{}\t{}\t{}", case.name, case.unit, case.grows, numbers.join(","));
            }
        }
        [name, number] => {
            let case = CASES.iter().find(|case| case.name == name).expect("a case of --list");
            let number: u64 = number.parse().expect("a number");
            // A first, smaller piece of work touches the code and the memory of the process.
            (case.prepare)(number.min(1_000))();
            let work = (case.prepare)(number);
            let mut seconds = 0.0;
            let allocated = allocation_counter::measure(|| {
                let start = Instant::now();
                work();
                seconds = start.elapsed().as_secs_f64();
            });
            println!(r#"{{"number":{number},"seconds":{seconds:.9},"peak_heap":{}}}"#, allocated.bytes_max);
        }
        _ => panic!("peers-growth --list, or peers-growth CASE NUMBER"),
    }
}
