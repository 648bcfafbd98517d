//! Progress bars on standard error; where that is no terminal, nothing.

use std::borrow::Cow;
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{About, Outcome};
use crate::report::printable;

/// A bar of bytes; where the end is not known, a count.
pub(crate) fn of_bytes(what: impl Into<Cow<'static, str>>, len: Option<u64>) -> ProgressBar {
    match len {
        Some(len) => bar(len, "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}", what),
        None => {
            let bar = ProgressBar::new_spinner();
            styled(bar, "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}", what)
        }
    }
}

/// A bar of objects.
pub(crate) fn of_objects(what: impl Into<Cow<'static, str>>, count: usize) -> ProgressBar {
    bar(count as u64, "{msg} {wide_bar} {human_pos}/{human_len} {eta}", what)
}

/// Does something with each object in turn, shows how far that has come, and prints a line for each; says how many failed.
pub(crate) fn of_each(
    what: &'static str,
    names: &[String],
    out: &mut impl Write,
    mut one: impl FnMut(&str) -> Outcome<String>,
) -> Outcome<usize> {
    let bar = of_objects(what, names.len());
    let mut failed = 0;
    for name in names {
        let line = one(name).about(printable(name)).unwrap_or_else(|failure| {
            failed += 1;
            format!("FAILED  {failure}")
        });
        bar.suspend(|| writeln!(out, "{line}"))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(failed)
}

fn bar(len: u64, template: &str, what: impl Into<Cow<'static, str>>) -> ProgressBar {
    styled(ProgressBar::new(len), template, what)
}

fn styled(bar: ProgressBar, template: &str, what: impl Into<Cow<'static, str>>) -> ProgressBar {
    // A template that does not parse would be a mistake above; then the bar is a plain one.
    let bar = match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.with_message(what)
}
