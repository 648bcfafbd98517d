//! Parsers of option values: ranges and sizes.

use atrest::ByteRange;
use atrest::multipart::s3_limits::MAX_PART_LEN;

use crate::failure::{Failure, Outcome};

/// Parses `A-B` (both included), `A-` or `-N`, as in the HTTP header.
pub(super) fn parse_range(text: &str) -> Outcome<ByteRange> {
    let wrong = || Failure::usage(format!("not a range: {text} (A-B, A- or -N)"));
    let number = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    Ok(match (first, last) {
        ("", suffix_len) => ByteRange::last(number(suffix_len)?),
        (first, "") => (number(first)?..).into(),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(wrong());
            }
            (first..=last).into()
        }
    })
}

/// The suffixes of a number of bytes, the longest first.
const UNITS: [(&str, u64); 10] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("", 1),
];

/// Parses `100000`, `8MiB`, `8M` or `5MB`: a part's length, which S3 limits to 5 GiB.
pub(super) fn parse_part_len(text: &str) -> Outcome<u64> {
    let len = UNITS.iter().find_map(|(unit, bytes)| {
        let number = text.strip_suffix(unit)?;
        number.parse::<u64>().ok()?.checked_mul(*bytes)
    });
    match len {
        Some(len) if (1..=MAX_PART_LEN).contains(&len) => Ok(len),
        Some(_) => Err(Failure::usage(format!("a part has 1 byte to {}: {text}", size_text(MAX_PART_LEN)))),
        None => Err(Failure::usage(format!("not a size: {text} (100000, 8MiB, 8M, 5MB)"))),
    }
}

/// Rounds up to a value for `--part-size`: whole MiB above one MiB.
pub(crate) fn size_text(len: u64) -> String {
    const MIB: u64 = 1 << 20;
    match len {
        len if len.is_multiple_of(1 << 30) => format!("{}GiB", len >> 30),
        len if len >= MIB => format!("{}MiB", len.div_ceil(MIB)),
        len => len.to_string(),
    }
}
