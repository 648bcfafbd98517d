//! Object names: CTX, and the ARN for a KMS.

use crate::Error;
use crate::kdf::lp;

/// What an envelope is bound to. Where there is none, the envelope is unbound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// What tells equal bucket names apart: an account, an incarnation of the bucket, a store.
    pub realm: Vec<u8>,
    /// Never empty.
    pub bucket: Vec<u8>,
    /// Never empty.
    pub key: Vec<u8>,
    /// Empty, or the version the object was written as.
    pub version_id: Vec<u8>,
    /// The id of the multipart upload under way; else empty.
    pub upload_id: Vec<u8>,
}

impl Name {
    /// Misuse where the name is none that may be bound, or too long.
    pub fn check(&self) -> Result<(), Error> {
        let all = [&self.realm, &self.bucket, &self.key, &self.version_id, &self.upload_id];
        if self.bucket.is_empty() || self.key.is_empty() || all.iter().any(|c| c.len() > 65_535) {
            return Err(Error::Misuse);
        }
        Ok(())
    }

    /// `arn:aws:s3:::bucket/key`, or `arn:aws:s3:::bucket` with a bucket key; Misuse where that would
    /// not be injective.
    pub fn arn(&self, bucket_key: bool) -> Result<String, Error> {
        let bucket = str::from_utf8(&self.bucket).map_err(|_| Error::Misuse)?;
        let key = str::from_utf8(&self.key).map_err(|_| Error::Misuse)?;
        if bucket.contains('/') {
            return Err(Error::Misuse);
        }
        Ok(match bucket_key {
            true => format!("arn:aws:s3:::{bucket}"),
            false => format!("arn:aws:s3:::{bucket}/{key}"),
        })
    }
}

/// `CTX = LP(realm) || LP(bucket) || LP(key) || LP(version_id) || LP(upload_id)`; all five empty where
/// there is no name.
pub fn ctx(name: Option<&Name>) -> Vec<u8> {
    let unbound = Name::default();
    let name = name.unwrap_or(&unbound);
    [lp(&name.realm), lp(&name.bucket), lp(&name.key), lp(&name.version_id), lp(&name.upload_id)].concat()
}
