//! [`Glob`], a pattern with wildcards: `*` stands for any text, also for none, and `?` for one character.

use memchr::memmem;

/// A pattern that a text matches as a whole or not at all; upper and lower case differ.
#[derive(Clone, Debug)]
pub(super) struct Glob(Box<str>);

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// What it costs at most to match, in searches through the text for a few bytes.
    ///
    /// What stands before the first star and behind the last is compared in place and costs nothing here: its length is
    /// bounded by the document's. What stands between two stars is searched for.
    pub(super) fn searches(&self) -> usize {
        let mut between = self.0.split('*').skip(1).collect::<Vec<_>>();
        between.pop();
        between.retain(|part| !part.is_empty());
        let with_questions = between.iter().map(|part| (part.matches('?').count(), part.len()));
        let of_part = |(questions, len): (usize, usize)| if questions == 0 { 0 } else { 4 * (questions + 1) + len / 2 };
        let further: usize = with_questions.map(of_part).sum();
        further + between.len() / 4 + usize::from(!between.is_empty())
    }

    // Between two stars stands text of a fixed number of characters, so the first place where it is found is as good as
    // any later one, and no search is ever begun again.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = parts.next().and_then(|first| strip_start(text.as_bytes(), first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        let between = strip_end(rest, last);
        between.is_some_and(|rest| parts.try_fold(rest, after_first).is_some())
    }
}

// The texts are UTF-8, so bytes that match begin and end where characters do.

/// What follows a part that the text begins with.
fn strip_start<'a>(text: &'a [u8], part: &str) -> Option<&'a [u8]> {
    let mut runs = part.split('?');
    let rest = text.strip_prefix(runs.next()?.as_bytes())?;
    runs.try_fold(rest, |rest, run| skip_char(rest)?.strip_prefix(run.as_bytes()))
}

/// What precedes a part that the text ends with.
fn strip_end<'a>(text: &'a [u8], part: &str) -> Option<&'a [u8]> {
    let mut runs = part.rsplit('?');
    let rest = text.strip_suffix(runs.next()?.as_bytes())?;
    runs.try_fold(rest, |rest, run| skip_last_char(rest)?.strip_suffix(run.as_bytes()))
}

/// What follows the first place where the text has a part.
///
/// PERF: a run of bytes is searched in linear time, whatever it is. Only the places of the part's longest run are
/// looked at, and each is compared run by run.
fn after_first<'a>(text: &'a [u8], part: &str) -> Option<&'a [u8]> {
    let anchor = part.split('?').max_by_key(|run| run.len())?;
    if anchor.is_empty() || anchor.len() == part.len() {
        let at = memmem::find(text, anchor.as_bytes())?;
        return strip_start(text.get(at..)?, part);
    }
    let anchor_at = part.find(anchor)?;
    let mut chars_before = part.get(..anchor_at)?.chars().count();
    // PERF: made once; making it again at each place took 6 ms where the text is full of them.
    let finder = memmem::Finder::new(anchor);
    // `start` follows the anchor at a distance of so many characters.
    let (mut start, mut from) = (text, text);
    loop {
        let at = finder.find(from)?;
        for _ in from.get(..at)?.iter().filter(|byte| is_first_of_char(**byte)) {
            match chars_before.checked_sub(1) {
                Some(left) => chars_before = left,
                None => start = skip_char(start)?,
            }
        }
        from = from.get(at..)?;
        if chars_before == 0
            && let Some(rest) = strip_start(start, part)
        {
            return Some(rest);
        }
        // The next place, one character on.
        from = skip_char(from)?;
        match chars_before.checked_sub(1) {
            Some(left) => chars_before = left,
            None => start = skip_char(start)?,
        }
    }
}

fn is_first_of_char(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

fn skip_char(text: &[u8]) -> Option<&[u8]> {
    let (_, rest) = text.split_first()?;
    let more = rest.iter().take_while(|byte| !is_first_of_char(**byte)).count();
    rest.get(more..)
}

fn skip_last_char(text: &[u8]) -> Option<&[u8]> {
    text.get(..text.iter().rposition(|byte| is_first_of_char(*byte))?)
}
