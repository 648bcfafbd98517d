//! Any bytes as a saved cursor or report: what decodes encodes to the same bytes.

#![no_main]

use std::sync::Once;

use atrest::rotation::{Cursor, Entry, EnvelopeStore, Report, StoreFuture, Sweep};
use atrest::{Keyring, Sse};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha512};

fuzz_target!(|bytes: &[u8]| {
    static SUMS_ARE_RIGHT: Once = Once::new();
    SUMS_ARE_RIGHT.call_once(|| {
        let report = report();
        assert_eq!(summed(&report[..report.len() - 8]), report, "else nothing behind the checksum is reached");
    });
    check(bytes);
    // A fuzzer does not find checksums.
    check(&summed(bytes));
});

/// The bytes with their checksum.
fn summed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &Sha512::digest(bytes)[..8]].concat()
}

/// The report of a sweep over nothing.
fn report() -> Vec<u8> {
    let sse = Sse::builder().keyring(Keyring::generate().expect("a keyring")).build().expect("a backend");
    Sweep::new(&sse).blocking().rewrap([], &Nothing).expect("a report").to_bytes()
}

struct Nothing;

impl EnvelopeStore for Nothing {
    fn replace<'a>(&'a self, _: &'a Entry, _: &'a [u8], _: &'a [u8]) -> StoreFuture<'a, bool> {
        unreachable!("there is nothing to replace")
    }

    fn read<'a>(&'a self, _: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        unreachable!("there is nothing to read")
    }
}

fn check(bytes: &[u8]) {
    if let Ok(cursor) = Cursor::from_bytes(bytes) {
        assert_eq!(cursor.to_bytes(), bytes, "there is one encoding");
        assert!(!cursor.report().is_complete());
    }
    if let Ok(report) = Report::from_bytes(bytes) {
        assert_eq!(report.to_bytes(), bytes, "there is one encoding");
        assert!(report.problems().len() as u64 <= report.counts().problems);
    }
}
