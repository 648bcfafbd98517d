//! [`SuiteReport`], the result of one run of the suite.

use std::fmt;

/// The result of a run of [`KeyProviderSuite`](super::KeyProviderSuite): every failure, and what was not checked.
#[derive(Clone, Debug, Default)]
pub struct SuiteReport {
    passed: usize,
    failures: Vec<String>,
    not_applicable: Vec<String>,
}

impl SuiteReport {
    /// Returns whether the provider conforms.
    pub fn conforms(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns every failure, each as the name of its check, a colon, and a sentence.
    pub fn failures(&self) -> impl ExactSizeIterator<Item = &str> {
        self.failures.iter().map(String::as_str)
    }

    /// Returns what was not checked, and why.
    pub fn unchecked(&self) -> impl ExactSizeIterator<Item = &str> {
        self.not_applicable.iter().map(String::as_str)
    }

    pub(super) fn pass(&mut self) {
        self.passed += 1;
    }

    pub(super) fn fail(&mut self, check: &str, how: String) {
        let failure = format!("{check}: {how}");
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    pub(super) fn not_applicable(&mut self, what: String) {
        self.not_applicable.push(what);
    }

    #[track_caller]
    pub(super) fn print_or_panic(&self) {
        assert!(self.conforms(), "{self}");
        println!("{self}");
    }
}

impl fmt::Display for SuiteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failures.len() {
            0 => write!(f, "the provider conforms: {} checks passed", self.passed)?,
            failures => {
                write!(f, "the provider does not conform: {} checks passed, {failures} failures", self.passed)?;
            }
        }
        for failure in &self.failures {
            write!(f, "\n- {failure}")?;
        }
        for what in &self.not_applicable {
            write!(f, "\nnot applicable: {what}")?;
        }
        Ok(())
    }
}
