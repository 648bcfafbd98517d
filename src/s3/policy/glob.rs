//! [`Glob`], a pattern with wildcards: `*` matches any text, also an empty one, and `?` matches one character.

use memchr::memmem;

/// A pattern for a whole text. The case matters.
#[derive(Clone, Debug)]
pub(super) struct Glob(Box<str>);

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Returns the maximum cost of a match, in searches through the text for a few bytes.
    ///
    /// Pattern text before the first star and after the last star is compared in place and costs nothing, because its
    /// length is bounded by the document's length. Pattern text between two stars is searched for.
    pub(super) fn searches(&self) -> usize {
        let mut between = self.0.split('*').skip(1).collect::<Vec<_>>();
        between.pop();
        between.retain(|part| !part.is_empty());
        let with_questions = between.iter().map(|part| (part.matches('?').count(), part.len()));
        let of_part = |(questions, len): (usize, usize)| if questions == 0 { 0 } else { 4 * (questions + 1) + len / 2 };
        let further: usize = with_questions.map(of_part).sum();
        further + between.len() / 4 + usize::from(!between.is_empty())
    }

    // Pattern text between two stars has a fixed number of characters. The first match is as good as any later match,
    // so no search is repeated.
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

// The texts are UTF-8, so matching bytes begin and end at character boundaries.

/// Returns the text after the part at its beginning, or `None` if the text does not begin with the part.
fn strip_start<'a>(text: &'a [u8], part: &str) -> Option<&'a [u8]> {
    let mut runs = part.split('?');
    let rest = text.strip_prefix(runs.next()?.as_bytes())?;
    runs.try_fold(rest, |rest, run| skip_char(rest)?.strip_prefix(run.as_bytes()))
}

/// Returns the text before the part at its end, or `None` if the text does not end with the part.
fn strip_end<'a>(text: &'a [u8], part: &str) -> Option<&'a [u8]> {
    let mut runs = part.rsplit('?');
    let rest = text.strip_suffix(runs.next()?.as_bytes())?;
    runs.try_fold(rest, |rest, run| skip_last_char(rest)?.strip_suffix(run.as_bytes()))
}

/// Returns the text after the first match of a part.
///
/// PERF: the search for a run of bytes takes linear time for every run. Only the matches of the part's longest run are
/// examined, and each of them is compared run by run.
fn after_first<'a>(text: &'a [u8], part: &str) -> Option<&'a [u8]> {
    let anchor = part.split('?').max_by_key(|run| run.len())?;
    if anchor.is_empty() || anchor.len() == part.len() {
        let at = memmem::find(text, anchor.as_bytes())?;
        return strip_start(text.get(at..)?, part);
    }
    let anchor_at = part.find(anchor)?;
    let mut chars_before = part.get(..anchor_at)?.chars().count();
    // PERF: created once. Creating it at each match took 6 ms for a text that is full of matches.
    let finder = memmem::Finder::new(anchor);
    // `start` moves ahead with the anchor, at the anchor's distance in characters from the start of the part.
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
        // Continue one character further.
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
