//! Any bytes as a saved cursor or report: what decodes encodes to the same bytes.

#![no_main]

use atrest::rotation::{Cursor, Report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // A fuzzer does not find checksums.
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    check(&[bytes, &sum.to_be_bytes()].concat());
});

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
