//! Decides about PutBucketEncryption, GetBucketEncryption and DeleteBucketEncryption.

use super::S3Rules;
use super::request::BucketDefault;
use crate::s3::bucket_encryption::BucketEncryption;
use crate::s3::error::{Profile, S3Error, S3ErrorKind as Kind};

impl S3Rules {
    /// Returns the bucket's encryption after a PutBucketEncryption with this body.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`BucketEncryption::after_put`].
    pub fn put_bucket_encryption(&self, bucket: &BucketDefault, body: &[u8]) -> Result<BucketDefault, S3Error> {
        let before = bucket.encryption().cloned().unwrap_or_default();
        Ok(BucketDefault::Explicit(before.after_put(body)?))
    }

    /// Returns the body that GetBucketEncryption answers.
    ///
    /// # Errors
    ///
    /// Returns [`NoEncryptionConfiguration`](Kind::NoEncryptionConfiguration) if the bucket has no encryption or, in
    /// the profile of `ceph/s3-tests`, only the implicit default.
    pub fn get_bucket_encryption(&self, bucket: &BucketDefault) -> Result<String, S3Error> {
        match (bucket, self.profile) {
            (BucketDefault::Absent, _) | (BucketDefault::Implicit(_), Profile::CephTests) => {
                Err(Kind::NoEncryptionConfiguration.into())
            }
            (BucketDefault::Implicit(encryption) | BucketDefault::Explicit(encryption), _) => Ok(encryption.to_xml()),
        }
    }

    /// Returns the bucket's encryption after a DeleteBucketEncryption: the service's own default, or none in the
    /// profile of `ceph/s3-tests`. A repeated call changes nothing.
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
