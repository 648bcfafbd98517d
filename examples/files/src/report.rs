//! Formats modes, keys, numbers and tables for the terminal.

use std::fmt;

use atrest::{Envelope, ModeId};

/// The name of a mode, as `--mode` takes it.
pub(crate) fn mode_name(mode: ModeId) -> &'static str {
    match mode {
        ModeId::SseS3 => "sse-s3",
        ModeId::SseKms => "sse-kms",
        ModeId::DsseKms => "dsse-kms",
        ModeId::SseC => "sse-c",
        _ => "unknown",
    }
}

/// The key that opens an envelope, in one line.
pub(crate) fn key_description(envelope: &Envelope) -> String {
    match (envelope.key_id(), envelope.key_version()) {
        (Some(key_id), Some(version)) => {
            let inner_key_id = envelope.inner().and_then(Envelope::key_id);
            let inner = inner_key_id.map(|id| format!(", around KMS key {id}")).unwrap_or_default();
            format!("master key {key_id} version {version}{inner}")
        }
        (Some(key_id), None) => format!("KMS key {key_id}"),
        _ => "customer key".to_owned(),
    }
}

/// Formats 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An object's name on one line of a terminal, with control characters escaped.
pub(crate) fn printable(name: &str) -> String {
    let escape = |character: char| {
        if character.is_control() { character.escape_default().to_string() } else { character.into() }
    };
    name.chars().map(escape).collect()
}

/// A table with columns as wide as their content; the first row is the heading.
pub(crate) struct Table(pub(crate) Vec<Vec<String>>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in &self.0 {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                line += &format!("{cell:<width$}   ", width = width(column));
            }
            writeln!(f, "  {}", line.trim_end())?;
        }
        Ok(())
    }
}
