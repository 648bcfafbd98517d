//! The demo of a put in parts, with the same file.

use std::io::Write;

use atrest::{PartNumber, SseS3};
use indicatif::ProgressBar;

use super::{Demo, check, read_and_compare, step};
use crate::failure::Outcome;
use crate::open_object::OpenObject;
use crate::put::{self, put_in_parts};
use crate::report::grouped;
use crate::same_as::SameAs;

/// The name of the object.
pub(super) const NAME: &str = "in-parts";

const PARTS: u64 = 5;
const THREADS: usize = 3;

impl Demo {
    pub(super) fn put_in_parts(&self, out: &mut impl Write) -> Outcome<()> {
        let file_len = self.original.len;
        let parts = put::Parts { len: file_len.div_ceil(PARTS).max(1), threads: THREADS };
        let bar = ProgressBar::hidden();
        let stored = put_in_parts(&self.store, NAME, SseS3, None, self.original.source(), parts, &bar)?;
        let count = stored.parts.unwrap_or(0) as u64;
        check(stored.len == file_len, "the parts took another length than the file has")?;
        check(count == file_len.div_ceil(parts.len).max(1), "another number of parts than there should be")?;
        read_and_compare(&self.store, &self.keys, &self.original, NAME)?;

        let object = OpenObject::open_with_keys(&self.store, NAME, &self.keys)?;
        let mut last_start = 0;
        if file_len > parts.len {
            // Half a part on either side of the end of the first part.
            let (start, end) = (parts.len / 2, file_len.min(parts.len + parts.len.div_ceil(2)));
            let read = object.decrypt_range(start..end, SameAs::new(self.original.open_at(start)?))?;
            check(read.plaintext_len == end - start, "a range across two parts has another length")?;
            last_start = (count - 1) * parts.len;
        }
        let number = PartNumber::new(count as u32)?;
        let len = object.decrypt_part(number, SameAs::new(self.original.open_at(last_start)?))?;
        check(last_start + len == file_len, "the last part has another length")?;
        step(
            out,
            &format!("put it in parts of {} bytes, {THREADS} threads", grouped(parts.len)),
            &format!("{count} parts; whole, across two and one alone identical"),
        )
    }
}
