//! The encryption configuration of a bucket: put, get and delete.

use atrest::s3::{BlockedEncryption, BucketDefault, BucketEncryption, Profile, S3ErrorKind as Kind, S3Rules};

use super::kit::*;

const PUT: &[u8] = b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
    <SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";

#[test]
fn a_bucket_goes_from_implicit_to_explicit_and_back() {
    let rules = S3Rules::new();
    let new = BucketDefault::Implicit(BucketEncryption::new_bucket(BlockedEncryption::SseC));
    assert!(rules.get_bucket_encryption(&new).unwrap().contains("AES256"));
    let configured = rules.put_bucket_encryption(&new, PUT).unwrap();
    assert!(matches!(&configured, BucketDefault::Explicit(encryption) if encryption.blocks_customer_keys()));
    assert!(rules.get_bucket_encryption(&configured).unwrap().contains("aws:kms"));
    let deleted = rules.delete_bucket_encryption(&configured);
    assert_eq!(deleted, new);
    assert_eq!(rules.delete_bucket_encryption(&deleted), new, "however often");
    assert_eq!(rules.put_bucket_encryption(&new, b"<nonsense/>").unwrap_err().kind(), Kind::MalformedXml);
}

#[test]
fn where_nothing_was_configured_the_answer_is_that_nothing_was_found() {
    let error = S3Rules::new().get_bucket_encryption(&BucketDefault::Absent).unwrap_err();
    assert_eq!((error.code(), status(&error)), ("ServerSideEncryptionConfigurationNotFoundError", 404));
    assert_eq!(error.message(), "The server side encryption configuration was not found");

    let ceph = S3Rules::new().with_profile(Profile::CephTests);
    let configured = ceph.put_bucket_encryption(&BucketDefault::Absent, PUT).unwrap();
    assert!(ceph.get_bucket_encryption(&configured).is_ok());
    let deleted = ceph.delete_bucket_encryption(&configured);
    assert_eq!(deleted, BucketDefault::Absent);
    assert_eq!(ceph.get_bucket_encryption(&deleted).unwrap_err().kind(), Kind::NoEncryptionConfiguration);
}
