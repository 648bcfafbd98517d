//! Progress bars on standard error; where that is no terminal, nothing.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressStyle};

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
