//! [`SuiteReport`], the result of one run of the suite, and [`Cell`], its part about one setting.

use std::fmt;

/// The result of a run of [`KeyProviderSuite`](super::KeyProviderSuite): every failure, what passed in which setting,
/// and what was not checked.
#[derive(Clone, Debug)]
pub struct SuiteReport {
    /// The providers around the one that was checked, the innermost first.
    layers: Vec<String>,
    cells: Vec<Cell>,
    failures: Vec<String>,
    not_applicable: Vec<String>,
}

/// What passed and what failed in one setting.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    setting: &'static str,
    /// Each group of checks, with the number of those that passed.
    groups: Vec<(&'static str, usize)>,
    failures: Vec<String>,
}

impl Cell {
    pub(super) fn new(setting: &'static str) -> Self {
        Self { setting, groups: Vec::new(), failures: Vec::new() }
    }

    /// Begins a group of checks.
    pub(super) fn begin(&mut self, group: &'static str) {
        self.groups.push((group, 0));
    }

    /// Takes the failures of a check of the current group.
    pub(super) fn add(&mut self, check: &str, failures: Vec<String>) {
        if let Some((_, passed)) = self.groups.last_mut().filter(|_| failures.is_empty()) {
            *passed += 1;
        }
        for failure in failures.into_iter().map(|failure| format!("{check}: {failure}")) {
            if !self.failures.contains(&failure) {
                self.failures.push(failure);
            }
        }
    }
}

/// Returns each failure once, with the settings in which it was seen if they are not all.
fn merged(cells: &[Cell]) -> impl Iterator<Item = String> {
    let mut found: Vec<(&String, Vec<&str>)> = Vec::new();
    for cell in cells {
        for failure in &cell.failures {
            match found.iter_mut().find(|(known, _)| *known == failure) {
                Some((_, settings)) => settings.push(cell.setting),
                None => found.push((failure, vec![cell.setting])),
            }
        }
    }
    found.into_iter().map(|(failure, settings)| {
        if settings.len() == cells.len() { failure.clone() } else { format!("{failure} ({})", settings.join(", ")) }
    })
}

impl SuiteReport {
    /// Creates a report from the results of each setting, what the suite does not say, and what is not checked.
    pub(super) fn new(layers: &[String], cells: Vec<Cell>, unsaid: Vec<String>, not_applicable: Vec<String>) -> Self {
        let unsaid = unsaid.into_iter().map(|what| format!("the suite is complete: {what}"));
        let failures = unsaid.chain(merged(&cells)).collect();
        Self { layers: layers.to_vec(), cells, failures, not_applicable }
    }

    /// Returns whether the provider conforms.
    pub fn conforms(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns every failure, each as the name of its check, a colon, and a sentence; the settings follow unless it was
    /// seen in all of them.
    pub fn failures(&self) -> impl ExactSizeIterator<Item = &str> {
        self.failures.iter().map(String::as_str)
    }

    /// Returns what was not checked, and why.
    pub fn unchecked(&self) -> impl ExactSizeIterator<Item = &str> {
        self.not_applicable.iter().map(String::as_str)
    }

    fn passed(&self) -> usize {
        self.cells.iter().flat_map(|cell| &cell.groups).map(|(_, passed)| passed).sum()
    }

    #[track_caller]
    pub(super) fn print_or_panic(&self) {
        assert!(self.conforms(), "{self}");
        println!("{self}");
    }
}

impl fmt::Display for SuiteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.passed();
        f.write_str("the provider")?;
        if !self.layers.is_empty() {
            write!(f, " behind {}", self.layers.join(" and "))?;
        }
        match self.failures.len() {
            0 => write!(f, " conforms: {passed} checks passed")?,
            failures => write!(f, " does not conform: {passed} checks passed, {failures} failures")?,
        }
        for failure in &self.failures {
            write!(f, "\n- {failure}")?;
        }
        for Cell { setting, groups, .. } in &self.cells {
            for (group, passed) in groups {
                write!(f, "\npassed {setting}, {group}: {passed}")?;
            }
        }
        for what in &self.not_applicable {
            write!(f, "\nnot applicable: {what}")?;
        }
        Ok(())
    }
}
