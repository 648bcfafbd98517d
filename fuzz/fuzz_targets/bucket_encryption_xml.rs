//! Any bytes as the XML of a bucket's encryption, or of an object's: what is read is written so that it reads the same.

#![no_main]

use atrest::s3::{BlockedEncryption, BucketEncryption, BucketEncryptionError, ObjectEncryption};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let new = [BlockedEncryption::None, BlockedEncryption::SseC].map(BucketEncryption::new_bucket);
    match new.each_ref().map(|bucket| bucket.after_put(bytes)) {
        [Ok(open), Ok(blocking)] => {
            assert!(bytes.len() <= 64 * 1_024, "longer than what is taken");
            assert_eq!((&open.default, open.bucket_key_enabled), (&blocking.default, blocking.bucket_key_enabled));
            assert!(blocking.blocks_customer_keys() || !open.blocks_customer_keys(), "the body speaks of both alike");
            for (read, before) in [&open, &blocking].into_iter().zip(&new) {
                let written = read.to_xml();
                assert_eq!(BucketEncryption::from_xml(written.as_bytes()).as_ref(), Ok(read));
                assert_eq!(before.after_put(written.as_bytes()).as_ref(), Ok(read), "an answer changes nothing");
                assert_eq!(read.after_delete().default, new[0].default);
            }
            assert_eq!(BucketEncryption::from_xml(bytes), Ok(open));
            assert!(ObjectEncryption::from_xml(bytes).is_err(), "one document has one root");
        }
        [Err(left), Err(right)] => assert_eq!(left, right, "what was there does not make a body right"),
        both => panic!("{both:?}"),
    }
    match ObjectEncryption::from_xml(bytes) {
        Ok(read) => {
            assert!((1..=2_048).contains(&read.kms_key_arn.len()));
            assert_eq!(ObjectEncryption::from_xml(read.to_xml().as_bytes()), Ok(read));
        }
        Err(BucketEncryptionError::UnknownAlgorithm | BucketEncryptionError::KeyIdNotApplicable) => {
            panic!("these are of buckets")
        }
        Err(_) => {}
    }
});
