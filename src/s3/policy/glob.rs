//! Wildcards: `*` stands for any text, also for none, and `?` for one character.

/// A pattern that a text matches as a whole or not at all.
#[derive(Clone, Debug)]
pub(super) struct Glob(Box<str>);

/// Whether upper and lower case of ASCII differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    Ignored,
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    // Between two stars stands text of a fixed number of characters, so the first place where it is found is as good as any
    // later one, and nothing is ever tried again.
    pub(super) fn matches(&self, text: &str, case: Case) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = parts.next().and_then(|first| case.strip_start(text, first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        let between = case.strip_end(rest, last);
        between.is_some_and(|rest| parts.try_fold(rest, |rest, part| case.after_first(rest, part)).is_some())
    }
}

impl Case {
    fn strip_start<'a>(self, text: &'a str, part: &str) -> Option<&'a str> {
        let mut rest = text.chars();
        part.chars().all(|wanted| rest.next().is_some_and(|found| self.same(wanted, found))).then_some(rest.as_str())
    }

    fn strip_end<'a>(self, text: &'a str, part: &str) -> Option<&'a str> {
        let mut rest = text.chars();
        part.chars()
            .rev()
            .all(|wanted| rest.next_back().is_some_and(|found| self.same(wanted, found)))
            .then_some(rest.as_str())
    }

    fn after_first<'a>(self, text: &'a str, part: &str) -> Option<&'a str> {
        // PERF: the standard library finds a text in linear time, whatever it is; `?` and case are beyond it.
        if self == Self::Exact && !part.contains('?') {
            return text.split_once(part).map(|(_, rest)| rest);
        }
        let mut from = text.chars();
        loop {
            if let Some(rest) = self.strip_start(from.as_str(), part) {
                return Some(rest);
            }
            from.next()?;
        }
    }

    fn same(self, wanted: char, found: char) -> bool {
        wanted == '?' || wanted == found || (self == Self::Ignored && wanted.eq_ignore_ascii_case(&found))
    }
}
