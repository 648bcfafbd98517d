//! [`BucketEncryption`], a bucket's default and blocked encryption, and [`ObjectEncryption`], with their XML.

use quick_xml::escape::escape;

use super::xml::{DECLARATION, Document, Element, Malformed, NAMESPACE};

/// The most bytes of a key id, as everywhere in the library.
const MAX_KEY_ID_LEN: usize = 2_048;

/// The encryption of a bucket: its default, its bucket key and the encryption that it blocks.
///
/// ```
/// # fn main() -> Result<(), atrest::s3::BucketEncryptionError> {
/// use atrest::s3::{BlockedEncryption, BucketEncryption, DefaultEncryption};
///
/// let bucket = BucketEncryption::new_bucket(BlockedEncryption::SseC);
/// let body = b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
///     <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/app</KMSMasterKeyID>\
///     </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
/// let bucket = bucket.after_put(body)?;
/// assert_eq!(bucket.default, DefaultEncryption::SseKms { key_id: Some("alias/app".into()) });
/// assert!(bucket.blocks_customer_keys(), "the request did not speak of it");
/// assert_eq!(BucketEncryption::from_xml(bucket.to_xml().as_bytes())?, bucket);
/// # Ok(()) }
/// ```
///
/// Spec: Amazon S3, PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketEncryption {
    /// The encryption of objects whose request names none.
    pub default: DefaultEncryption,
    /// Whether SSE-KMS objects ask for a bucket key.
    pub bucket_key_enabled: bool,
    /// The encryption that the bucket blocks for writes, if it was configured. It is answered as it was configured.
    pub blocked: Option<BlockedEncryption>,
}

/// The encryption of objects whose request names none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefaultEncryption {
    /// `AES256`.
    SseS3,
    /// `aws:kms`.
    SseKms {
        /// The KMS key, as the configuration names it; `None` is the KMS's own key, `aws/s3`.
        key_id: Option<String>,
    },
    /// `aws:kms:dsse`.
    DsseKms {
        /// The KMS key, as the configuration names it; `None` is the KMS's own key, `aws/s3`.
        key_id: Option<String>,
    },
}

/// The encryption that a bucket blocks for writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockedEncryption {
    /// `NONE`.
    None,
    /// `SSE-C`.
    SseC,
}

/// The reason why a body of PutBucketEncryption or UpdateObjectEncryption is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BucketEncryptionError {
    /// The body is not XML, or not the XML of this request.
    #[error("the XML is not well-formed, or not that of this request")]
    MalformedXml,
    /// A KMS key is named with `AES256`.
    #[error("a KMSMasterKeyID is given with AES256, which has no KMS key")]
    KeyIdNotApplicable,
    /// The algorithm is not `AES256`, `aws:kms` or `aws:kms:dsse`.
    #[error("the SSEAlgorithm is none of AES256, aws:kms and aws:kms:dsse")]
    UnknownAlgorithm,
    /// An object is to be changed to something else than SSE-KMS.
    #[error("an object's encryption can be changed to SSE-KMS, and to nothing else")]
    NotSseKms,
    /// An object is to be changed to DSSE-KMS or SSE-C.
    #[error("an object's encryption can be changed to SSE-KMS, and not to DSSE-KMS or SSE-C")]
    ToOtherMode,
    /// An object is to be changed to SSE-KMS without a KMS key.
    #[error("the KMS key's ARN is missing")]
    KmsKeyMissing,
    /// An object is to be changed to SSE-KMS under a KMS key that is not named by its ARN.
    #[error("the KMS key is not named by its ARN")]
    KmsKeyNotArn,
    /// An object is to be changed with a `BucketKeyEnabled` that is neither `true` nor `false`.
    #[error("the BucketKeyEnabled is neither true nor false")]
    BucketKeyInvalid,
}

impl From<Malformed> for BucketEncryptionError {
    fn from(_: Malformed) -> Self {
        Self::MalformedXml
    }
}

type Result<T, E = BucketEncryptionError> = std::result::Result<T, E>;

impl BucketEncryption {
    /// Creates the encryption of a new bucket: SSE-S3, no bucket key, and what the service blocks on new buckets.
    ///
    /// Amazon S3 has blocked SSE-C on new buckets since April 2026. A service whose clients use SSE-C blocks nothing.
    pub fn new_bucket(blocked: BlockedEncryption) -> Self {
        Self {
            default: DefaultEncryption::SseS3,
            bucket_key_enabled: false,
            blocked: (blocked != BlockedEncryption::None).then_some(blocked),
        }
    }

    /// Whether writes with SSE-C are refused. Reads are not.
    pub fn blocks_customer_keys(&self) -> bool {
        self.blocked == Some(BlockedEncryption::SseC)
    }

    /// Returns the configuration after a PutBucketEncryption with this body. The whole body is checked first.
    ///
    /// A rule without blocked types leaves them unchanged: S3 keeps the block of a new bucket when its default is
    /// configured. A rule without a default is how S3's guide blocks and unblocks SSE-C. What S3 does with the default
    /// then is not recorded; here the default stays. Whether the KMS key exists is not checked.
    ///
    /// # Errors
    ///
    /// [`MalformedXml`](BucketEncryptionError::MalformedXml): it is not this request's XML, by one element too many,
    /// too few or unknown, or longer than 64 KiB, or it has a DTD, a processing instruction or an entity that XML
    /// does not know; [`KeyIdNotApplicable`](BucketEncryptionError::KeyIdNotApplicable);
    /// [`UnknownAlgorithm`](BucketEncryptionError::UnknownAlgorithm).
    pub fn after_put(&self, xml: &[u8]) -> Result<Self> {
        let document = Document::parse(xml)?;
        let [rule] = document.root("ServerSideEncryptionConfiguration")?.fields(["Rule"])?;
        let names = ["ApplyServerSideEncryptionByDefault", "BucketKeyEnabled", "BlockedEncryptionTypes"];
        let [default, bucket_key, blocked] = rule.ok_or(Malformed)?.fields(names)?;
        if default.or(bucket_key).or(blocked).is_none() {
            // A rule without any element: what S3 answers is not recorded.
            return Err(BucketEncryptionError::MalformedXml);
        }
        let mut next = self.clone();
        if let Some(default) = default {
            next.default = DefaultEncryption::read(default)?;
            next.bucket_key_enabled = false;
        }
        if let Some(bucket_key) = bucket_key {
            next.bucket_key_enabled = bucket_key.boolean()?;
        }
        if let Some(blocked) = blocked.map(BlockedEncryption::read).transpose()?.flatten() {
            next.blocked = Some(blocked);
        }
        Ok(next)
    }

    /// Returns the configuration after a DeleteBucketEncryption: SSE-S3 without a bucket key.
    ///
    /// Blocked types stay, because a deletion of the default does not name them. What S3 does is not recorded.
    #[must_use]
    pub fn after_delete(&self) -> Self {
        Self { blocked: self.blocked, ..Self::default() }
    }

    /// Reads the XML of [`to_xml`](Self::to_xml), or of a PutBucketEncryption to a bucket that blocks nothing.
    ///
    /// # Errors
    ///
    /// Those of [`after_put`](Self::after_put).
    pub fn from_xml(xml: &[u8]) -> Result<Self> {
        Self::default().after_put(xml)
    }

    /// Writes the answer to GetBucketEncryption. The elements have the order that was recorded of the service.
    pub fn to_xml(&self) -> String {
        let (algorithm, key_id) = self.default.as_written();
        let key_id = key_id.map(|id| format!("<KMSMasterKeyID>{}</KMSMasterKeyID>", escape(id))).unwrap_or_default();
        let bucket_key = self.bucket_key_enabled;
        let blocked = match self.blocked {
            None => String::new(),
            Some(blocked) => format!(
                "<BlockedEncryptionTypes><EncryptionType>{}</EncryptionType></BlockedEncryptionTypes>",
                blocked.as_written()
            ),
        };
        format!(
            "{DECLARATION}<ServerSideEncryptionConfiguration xmlns=\"{NAMESPACE}\"><Rule>\
             <BucketKeyEnabled>{bucket_key}</BucketKeyEnabled>\
             <ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>{key_id}\
             </ApplyServerSideEncryptionByDefault>{blocked}\
             </Rule></ServerSideEncryptionConfiguration>"
        )
    }
}

/// SSE-S3, no bucket key, nothing blocked: every bucket of Amazon S3 from 2023 to April 2026.
impl Default for BucketEncryption {
    fn default() -> Self {
        Self::new_bucket(BlockedEncryption::None)
    }
}

impl DefaultEncryption {
    fn read(element: Element<'_>) -> Result<Self> {
        let [algorithm, key_id] = element.fields(["SSEAlgorithm", "KMSMasterKeyID"])?;
        // Some clients send an empty element for none.
        let key_id = key_id.map(Element::text).transpose()?.filter(|id| !id.is_empty());
        let key_id = key_id.map(checked_key_id).transpose()?;
        match (algorithm.ok_or(Malformed)?.word()?, key_id) {
            ("AES256", None) => Ok(Self::SseS3),
            ("AES256", Some(_)) => Err(BucketEncryptionError::KeyIdNotApplicable),
            ("aws:kms", key_id) => Ok(Self::SseKms { key_id }),
            ("aws:kms:dsse", key_id) => Ok(Self::DsseKms { key_id }),
            _ => Err(BucketEncryptionError::UnknownAlgorithm),
        }
    }

    fn as_written(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::SseS3 => ("AES256", None),
            Self::SseKms { key_id } => ("aws:kms", key_id.as_deref()),
            Self::DsseKms { key_id } => ("aws:kms:dsse", key_id.as_deref()),
        }
    }
}

impl BlockedEncryption {
    fn as_written(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::SseC => "SSE-C",
        }
    }

    /// None where the list is empty, and so says nothing. One that names both is a contradiction.
    fn read(element: Element<'_>) -> Result<Option<Self>> {
        let mut blocked = None;
        for entry in element.children()? {
            let named = match (entry.name(), entry.word()?) {
                ("EncryptionType", "NONE") => Self::None,
                ("EncryptionType", "SSE-C") => Self::SseC,
                _ => return Err(BucketEncryptionError::MalformedXml),
            };
            if blocked.replace(named).is_some_and(|before| before != named) {
                return Err(BucketEncryptionError::MalformedXml);
            }
        }
        Ok(blocked)
    }
}

/// The target of an UpdateObjectEncryption: SSE-KMS under this key.
///
/// Spec: Amazon S3, UpdateObjectEncryption, SSEKMSEncryption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectEncryption {
    /// The full ARN of the KMS key. S3 accepts no id and no alias here. The KMS decides whether the key exists.
    pub kms_key_arn: String,
    /// Whether the object shares a bucket key.
    pub bucket_key_enabled: bool,
}

impl ObjectEncryption {
    /// Creates the target with this key and without a bucket key.
    pub fn new(kms_key_arn: impl Into<String>) -> Self {
        Self { kms_key_arn: kms_key_arn.into(), bucket_key_enabled: false }
    }

    /// Reads the body of the request.
    ///
    /// # Errors
    ///
    /// [`MalformedXml`](BucketEncryptionError::MalformedXml), as [`BucketEncryption::after_put`];
    /// [`NotSseKms`](BucketEncryptionError::NotSseKms), [`ToOtherMode`](BucketEncryptionError::ToOtherMode),
    /// [`KmsKeyMissing`](BucketEncryptionError::KmsKeyMissing), [`KmsKeyNotArn`](BucketEncryptionError::KmsKeyNotArn),
    /// [`BucketKeyInvalid`](BucketEncryptionError::BucketKeyInvalid).
    pub fn from_xml(xml: &[u8]) -> Result<Self> {
        let document = Document::parse(xml)?;
        let mut children = document.root("ObjectEncryption")?.children()?;
        let target = match (children.next(), children.next()) {
            (Some(target), None) => target,
            (None, _) => return Err(BucketEncryptionError::NotSseKms),
            (Some(_), Some(_)) => return Err(BucketEncryptionError::MalformedXml),
        };
        match target.name() {
            "SSE-KMS" => {}
            "DSSE-KMS" | "SSE-C" => return Err(BucketEncryptionError::ToOtherMode),
            _ => return Err(BucketEncryptionError::NotSseKms),
        }
        let [kms_key_arn, bucket_key] = target.fields(["KMSKeyArn", "BucketKeyEnabled"])?;
        let kms_key_arn = kms_key_arn.map(Element::text).transpose()?.filter(|arn| !arn.is_empty());
        let kms_key_arn = kms_key_arn.ok_or(BucketEncryptionError::KmsKeyMissing)?;
        if checked_key_id(kms_key_arn).is_err() || !is_arn(kms_key_arn) {
            return Err(BucketEncryptionError::KmsKeyNotArn);
        }
        let bucket_key = bucket_key.map(Element::boolean).transpose();
        let bucket_key_enabled = bucket_key.map_err(|_| BucketEncryptionError::BucketKeyInvalid)?.unwrap_or(false);
        Ok(Self { kms_key_arn: kms_key_arn.to_owned(), bucket_key_enabled })
    }

    /// Writes the body of the request.
    pub fn to_xml(&self) -> String {
        let Self { kms_key_arn, bucket_key_enabled } = self;
        format!(
            "{DECLARATION}<ObjectEncryption xmlns=\"{NAMESPACE}\"><SSE-KMS>\
             <KMSKeyArn>{}</KMSKeyArn><BucketKeyEnabled>{bucket_key_enabled}</BucketKeyEnabled>\
             </SSE-KMS></ObjectEncryption>",
            escape(kms_key_arn)
        )
    }
}

/// Whether it is the ARN of a key, or the URI by which a KMS of another kind names one; an alias and a bare id are not.
fn is_arn(key_id: &str) -> bool {
    match key_id.split_once(':') {
        Some(("arn", rest)) => rest.split(':').count() == 5 && rest.rsplit(':').next().is_some_and(is_key),
        Some((scheme, rest)) => !scheme.is_empty() && !rest.is_empty() && !scheme.contains('/'),
        None => false,
    }
}

fn is_key(resource: &str) -> bool {
    resource.strip_prefix("key/").is_some_and(|id| !id.is_empty())
}

/// What no request could name later: every write would fail then, and not the one that configures it.
fn checked_key_id(id: &str) -> Result<String> {
    let well_formed = (1..=MAX_KEY_ID_LEN).contains(&id.len()) && !id.chars().any(char::is_control);
    if well_formed { Ok(id.into()) } else { Err(BucketEncryptionError::MalformedXml) }
}
