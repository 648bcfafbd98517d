//! Formats KMS keys for a person.

use std::fmt::Write;
use std::time::SystemTime;

use atrest::kms::{KeyInfo, KeyState};

use super::policy::PERMISSIONS;
use crate::report::{Table, printable};

pub(super) fn table(keys: &[KeyInfo]) -> Table {
    let heading = ["id", "aliases", "state", "version", "rotated", "description"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for key in keys {
        rows.push(vec![
            key.id.clone(),
            key.aliases.join(" "),
            state(key.state),
            key.versions.last().map(|version| version.number.to_string()).unwrap_or_default(),
            rotation(key),
            printable(&key.description),
        ]);
    }
    Table(rows)
}

pub(super) fn one(key: &KeyInfo) -> String {
    let versions: Vec<_> = key.versions.iter().map(|v| format!("{} ({})", v.number, time(v.created))).collect();
    let lines = [
        ("key", key.arn.clone()),
        ("aliases", key.aliases.join(" ")),
        ("description", printable(&key.description)),
        ("state", state(key.state)),
        ("created", time(key.created)),
        ("versions", versions.join(", ")),
        ("rotated", rotation(key)),
        ("policy", policy(key)),
    ];
    lines.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{}", format!("{name:<12} {value}").trim_end()); // writing to a String never fails
        text
    })
}

fn state(state: KeyState) -> String {
    match state {
        KeyState::Enabled => "enabled".to_owned(),
        KeyState::Disabled => "disabled".to_owned(),
        KeyState::PendingDeletion { due, .. } => format!("pending deletion from {} on", time(due)),
        _ => "unknown".to_owned(),
    }
}

fn rotation(key: &KeyInfo) -> String {
    match key.rotation_days {
        Some(days) => format!("every {days} days"),
        None => "on demand".to_owned(),
    }
}

fn policy(key: &KeyInfo) -> String {
    let Some(policy) = &key.policy else {
        return "its owner alone".to_owned();
    };
    let who = |(permission, does)| match policy.requesters(permission) {
        None => format!("{does}: everyone"),
        Some(names) if names.is_empty() => format!("{does}: no requester"),
        Some(names) => format!("{does}: {}", names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(" ")),
    };
    PERMISSIONS.map(who).join("; ")
}

/// Formats a time as RFC 3339.
pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
