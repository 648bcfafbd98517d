//! Any bytes as a record of an object's encryption: refused, or the one encoding of what is read.

#![no_main]

use atrest::s3::EncryptionRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = EncryptionRecord::decode(bytes) else { return };
    assert_eq!(record.encode(), bytes);
    assert!(bytes.len() <= EncryptionRecord::MAX_LEN, "longer than any record");
    assert_eq!(record.expected().is_some(), record.mode().is_some());
    assert_eq!(record.response_headers().is_empty(), record.mode().is_none());
    let completed = record.completed();
    assert_eq!(EncryptionRecord::decode(&completed.encode()), Ok(completed));
    let _ = (record.condition_values(true).iter().count(), format!("{record:?}"));
});
