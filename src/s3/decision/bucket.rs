//! The decisions about the three operations on a bucket's encryption.

use super::S3Rules;
use super::request::BucketDefault;
use crate::s3::bucket_encryption::BucketEncryption;
use crate::s3::error::{Profile, S3Error, S3ErrorKind as Kind};

impl S3Rules {
    /// What the bucket has after a PutBucketEncryption with this body.
    ///
    /// # Errors
    ///
    /// As [`BucketEncryption::after_put`].
    pub fn put_bucket_encryption(&self, bucket: &BucketDefault, body: &[u8]) -> Result<BucketDefault, S3Error> {
        let before = bucket.encryption().cloned().unwrap_or_default();
        Ok(BucketDefault::Explicit(before.after_put(body)?))
    }

    /// What GetBucketEncryption answers.
    ///
    /// # Errors
    ///
    /// [`NoEncryptionConfiguration`](Kind::NoEncryptionConfiguration): the bucket has no encryption, or in the
    /// profile of `ceph/s3-tests` none that was configured.
    pub fn get_bucket_encryption(&self, bucket: &BucketDefault) -> Result<String, S3Error> {
        match (bucket, self.profile) {
            (BucketDefault::Absent, _) | (BucketDefault::Implicit(_), Profile::CephTests) => {
                Err(Kind::NoEncryptionConfiguration.into())
            }
            (BucketDefault::Implicit(encryption) | BucketDefault::Explicit(encryption), _) => Ok(encryption.to_xml()),
        }
    }

    /// What the bucket has after a DeleteBucketEncryption: what the service does without being told, however often.
    pub fn delete_bucket_encryption(&self, bucket: &BucketDefault) -> BucketDefault {
        match (bucket, self.profile) {
            (BucketDefault::Explicit(_), Profile::CephTests) => BucketDefault::Absent,
            (BucketDefault::Explicit(encryption), _) => {
                BucketDefault::Implicit(BucketEncryption::after_delete(encryption))
            }
            (other, _) => other.clone(),
        }
    }
}
