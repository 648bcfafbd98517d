//! The tables of results.md.

use std::fmt::Write;

use crate::results::{Measurement, Results, size_name};

/// The subject to which all others are compared.
const OURS: &str = "atrest/sse-s3/aws-lc";

/// The charts of [`chart`](crate::chart) under the tables.
const CHARTS: [(&str, &str); 6] = [
    ("peers", "One object of the largest size beside the peers"),
    ("sizes-encrypt", "Encrypting by size of the object"),
    ("sizes-decrypt", "Decrypting by size of the object"),
    ("threads", "By number of threads"),
    ("modes", "By mode and implementation"),
    ("small", "Small objects"),
];

pub(crate) fn markdown(results: &Results) -> String {
    let mut text = results.machine.sentence() + "\n";
    one_thread(results, &mut text);
    threads(results, &mut text);
    for (chart, title) in CHARTS {
        if chart != "threads" || results.threads().len() > 1 {
            line(&mut text, format_args!("\n![{title}](charts/{chart}.svg)"));
        }
    }
    text
}

fn one_thread(results: &Results, text: &mut String) {
    let sizes = results.sizes();
    let (Some(&small), Some(&large)) = (sizes.first(), sizes.last()) else { return };
    let (small_name, large_name) = (size_name(small), size_name(large));
    line(text, format_args!("\nOn one thread. The ratio is how many times as fast `{OURS}` is.\n"));
    let jobs = ["encrypt", "decrypt"];
    let [encrypt, decrypt] = jobs;
    line(
        text,
        format_args!(
            "| | {encrypt} {large_name} | ratio | {decrypt} {large_name} | ratio \
             | {encrypt} {small_name} | ratio | {decrypt} {small_name} | ratio |"
        ),
    );
    line(text, format_args!("|---|---|---|---|---|---|---|---|---|"));
    for subject in results.subjects() {
        let mut cells = String::new();
        for (size, value) in [(large, rate as fn(&Measurement) -> String), (small, time)] {
            for job in jobs {
                let ours = results.find(OURS, job, size, 1);
                let found = results.find(subject, job, size, 1);
                let ratio = found.zip(ours).map(|(found, ours)| found.seconds_per_object() / ours.seconds_per_object());
                let ratio = ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
                cells += &format!(" {} | {ratio} |", found.map_or_else(|| "–".to_owned(), value));
            }
        }
        line(text, format_args!("| {} |{cells}", results.titled(subject)));
    }
}

fn threads(results: &Results, text: &mut String) {
    let (threads, sizes) = (results.threads(), results.sizes());
    let (true, Some(&large)) = (threads.len() > 1, sizes.last()) else { return };
    line(text, format_args!("\nOne object of {} by number of threads.\n", size_name(large)));
    let heads: String = threads.iter().map(|count| format!(" encrypt, {count} | decrypt, {count} |")).collect();
    line(text, format_args!("| |{heads}"));
    line(text, format_args!("|---|{}", "---|".repeat(2 * threads.len())));
    for subject in results.subjects() {
        let found = |count: usize, job: &str| results.find(subject, job, large, count);
        if threads.iter().any(|&count| count > 1 && found(count, "encrypt").is_some()) {
            let cell = |(count, job)| format!(" {} |", found(count, job).map_or_else(|| "–".to_owned(), rate));
            let cells: String =
                threads.iter().flat_map(|&count| [(count, "encrypt"), (count, "decrypt")]).map(cell).collect();
            line(text, format_args!("| {} |{cells}", results.titled(subject)));
        }
    }
}

fn rate(measurement: &Measurement) -> String {
    let rate = measurement.gigabytes_per_second();
    if rate < 1.0 { format!("{rate:.2} GB/s") } else { format!("{rate:.1} GB/s") }
}

fn time(measurement: &Measurement) -> String {
    let micros = measurement.seconds_per_object() * 1e6;
    if micros < 10.0 { format!("{micros:.2} µs") } else { format!("{micros:.0} µs") }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes all");
}
