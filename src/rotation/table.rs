//! [`Status`], and `Field`: the columns of inventories, written as CSV (RFC 4180) and JSON lines.

use std::fmt::{self, Write};

use percent_encoding::percent_encode;

use crate::envelope::ModeId;
use crate::object::NAME;

/// How an object is stored, in the words of the S3 inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// The object has an envelope of this mode.
    Encrypted(ModeId),
    /// The object has no envelope.
    Unencrypted,
    /// The object has an envelope that this release cannot decode, or that was not read.
    Damaged,
}

/// `SSE-S3`, `SSE-KMS`, `DSSE-KMS`, `SSE-C`, `NOT-SSE` or `DAMAGED`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted(mode) => mode.fmt(f),
            Self::Unencrypted => f.pad("NOT-SSE"),
            Self::Damaged => f.pad("DAMAGED"),
        }
    }
}

/// A line: the name and the field of each column.
pub(super) type Fields<'a> = [(&'static str, Field<'a>)];

/// One field of a line.
pub(super) enum Field<'a> {
    /// Any bytes; written percent-encoded.
    Name(&'a [u8]),
    Text(&'a str),
    Number(u64),
    /// A flag; CSV uses the words of the S3 inventory.
    Enabled(bool),
    None,
}

impl<'a> Field<'a> {
    pub(super) fn name(bytes: &'a [u8]) -> Self {
        if bytes.is_empty() { Self::None } else { Self::Name(bytes) }
    }

    pub(super) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::None, Self::Text)
    }

    pub(super) fn number(number: Option<u64>) -> Self {
        number.map_or(Self::None, Self::Number)
    }
}

// Writing to a String never fails, so the results of the writes below are dropped.

pub(super) fn csv(fields: &Fields<'_>) -> String {
    let mut line = String::new();
    for (at, (_, field)) in fields.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        match field {
            Field::Name(bytes) => line.extend(percent_encode(bytes, NAME)),
            Field::Text(text) => csv_text(&mut line, text),
            Field::Number(number) => drop(write!(line, "{number}")),
            Field::Enabled(enabled) => line.push_str(if *enabled { "ENABLED" } else { "DISABLED" }),
            Field::None => {}
        }
    }
    line.push_str("\r\n");
    line
}

fn csv_text(line: &mut String, text: &str) {
    if !text.contains([',', '"', '\r', '\n']) {
        return line.push_str(text);
    }
    line.push('"');
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

pub(super) fn json(fields: &Fields<'_>) -> String {
    let mut line = String::from("{");
    for (at, (name, field)) in fields.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let _ = write!(line, "\"{name}\":");
        match field {
            Field::Name(bytes) => drop(write!(line, "\"{}\"", percent_encode(bytes, NAME))),
            Field::Text(text) => json_text(&mut line, text),
            Field::Number(number) => drop(write!(line, "{number}")),
            Field::Enabled(enabled) => drop(write!(line, "{enabled}")),
            Field::None => line.push_str("null"),
        }
    }
    line.push_str("}\n");
    line
}

fn json_text(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            c if c < ' ' => drop(write!(line, "\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line.push('"');
}

/// Joins the column names to the header line of a CSV file.
macro_rules! columns {
    ($first:literal $(, $rest:literal)* $(,)?) => {
        concat!($first $(, ",", $rest)*, "\r\n")
    };
}
pub(super) use columns;
