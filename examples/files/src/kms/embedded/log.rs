//! The command `keys log`: prints the audit trail as a table.

use std::fs;

use serde_json::Value;

use crate::failure::{About, Outcome};
use crate::kms::embedded::Embedded;
use crate::report::{Table, printable};

const HEADING: [&str; 7] = ["time", "who", "event", "object", "key", "version", "outcome"];

impl Embedded {
    pub(super) fn log(&self) -> Outcome<Table> {
        let bytes = fs::read(&self.log).about(self.log.display())?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter(|line| !line.is_empty());
        let rows = lines.map(|line| match serde_json::from_str(line) {
            Ok(record) => row(&record),
            // A line that was cut by a crash.
            Err(_) => vec!["(a line that was cut)".to_owned()],
        });
        Ok(Table([HEADING.map(str::to_owned).to_vec()].into_iter().chain(rows).collect()))
    }
}

fn row(record: &Value) -> Vec<String> {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str);
    let who = ["arn", "userName", "accountId"].into_iter().find_map(|name| text(&format!("/userIdentity/{name}")));
    // The key id as requested, such as an alias, or as resolved.
    let key = text("/requestParameters/keyId").or(text("/additionalEventData/keyId"));
    let version = record.pointer("/additionalEventData/keyVersion").map(Value::to_string);
    [
        text("/eventTime").unwrap_or("?").to_owned(),
        who.unwrap_or("?").to_owned(),
        text("/eventName").unwrap_or("?").to_owned(),
        text("/requestParameters/key").unwrap_or_default().to_owned(),
        key.map(short).unwrap_or_default(),
        version.unwrap_or_default(),
        text("/errorCode").unwrap_or("done").to_owned(),
    ]
    .map(|cell| printable(&cell))
    .to_vec()
}

/// The end of an id, which is enough to distinguish keys; an alias is shown whole.
fn short(key_id: &str) -> String {
    match key_id.char_indices().rev().nth(7) {
        Some((at, _)) if at > 0 && !key_id.contains("alias/") => format!("..{}", &key_id[at..]),
        _ => key_id.to_owned(),
    }
}
