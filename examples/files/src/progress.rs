//! Progress bars on standard error, if it is a terminal.

use std::borrow::Cow;
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{About, Outcome};
use crate::report::printable;

/// A bar of bytes; a count if the total is unknown.
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

/// Runs a function for each object, shows the progress, and prints a line for each. Returns how many failed.
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
    // An invalid template is a bug in the code above; the bar then has the default style.
    let bar = match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.with_message(what)
}
