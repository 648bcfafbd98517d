//! [`BucketEncryption`], a bucket's default and blocked encryption, and [`ObjectEncryption`], the target of an
//! UpdateObjectEncryption, with their XML.

use quick_xml::escape::escape;

use super::xml::{DECLARATION, Document, Element, Malformed, NAMESPACE};

/// The maximum length of a key id in bytes, as everywhere in the library.
const MAX_KEY_ID_LEN: usize = 2_048;

/// The encryption of a bucket: its default, its bucket key setting and the encryption that it blocks.
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
    /// The encryption of objects whose request names no encryption.
    pub default: DefaultEncryption,
    /// Whether SSE-KMS objects use a bucket key.
    pub bucket_key_enabled: bool,
    /// The encryption that the bucket blocks for writes, if configured. GetBucketEncryption returns it as configured.
    pub blocked: Option<BlockedEncryption>,
}

/// The encryption of objects whose request names no encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefaultEncryption {
    /// `AES256`.
    SseS3,
    /// `aws:kms`.
    SseKms {
        /// The KMS key, as the configuration names it. `None` means the KMS's own key, `aws/s3`.
        key_id: Option<String>,
    },
    /// `aws:kms:dsse`.
    DsseKms {
        /// The KMS key, as the configuration names it. `None` means the KMS's own key, `aws/s3`.
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

/// The reason why the body of a PutBucketEncryption or UpdateObjectEncryption is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BucketEncryptionError {
    /// The body is not XML or not the XML of this request.
    #[error("the XML is not well-formed, or not that of this request")]
    MalformedXml,
    /// The body names a KMS key with `AES256`.
    #[error("a KMSMasterKeyID is given with AES256, which has no KMS key")]
    KeyIdNotApplicable,
    /// The algorithm is not `AES256`, `aws:kms` or `aws:kms:dsse`.
    #[error("the SSEAlgorithm is none of AES256, aws:kms and aws:kms:dsse")]
    UnknownAlgorithm,
    /// The target of an UpdateObjectEncryption is missing or unknown.
    #[error("an object's encryption can be changed to SSE-KMS, and to nothing else")]
    NotSseKms,
    /// The target of an UpdateObjectEncryption is DSSE-KMS or SSE-C.
    #[error("an object's encryption can be changed to SSE-KMS, and not to DSSE-KMS or SSE-C")]
    ToOtherMode,
    /// The target of an UpdateObjectEncryption has no KMS key.
    #[error("the KMS key's ARN is missing")]
    KmsKeyMissing,
    /// The KMS key of an UpdateObjectEncryption is not named by its ARN.
    #[error("the KMS key is not named by its ARN")]
    KmsKeyNotArn,
    /// The `BucketKeyEnabled` of an UpdateObjectEncryption is neither `true` nor `false`.
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
    /// Creates the encryption of a new bucket: SSE-S3, no bucket key, and the encryption that the service blocks on new
    /// buckets.
    ///
    /// Amazon S3 has blocked SSE-C on new buckets since April 2026. A service whose clients use SSE-C passes
    /// [`BlockedEncryption::None`].
    pub fn new_bucket(blocked: BlockedEncryption) -> Self {
        Self {
            default: DefaultEncryption::SseS3,
            bucket_key_enabled: false,
            blocked: (blocked != BlockedEncryption::None).then_some(blocked),
        }
    }

    /// Returns whether the bucket refuses writes with SSE-C. Reads are not affected.
    pub fn blocks_customer_keys(&self) -> bool {
        self.blocked == Some(BlockedEncryption::SseC)
    }

    /// Returns the configuration after a PutBucketEncryption with this body. The whole body is checked first.
    ///
    /// A rule without blocked types leaves the blocked types unchanged, as S3 keeps the block of a new bucket when a
    /// default is configured. S3's guide blocks and unblocks SSE-C with a rule without a default. S3's treatment of the
    /// default in this case is not recorded; this function keeps the default. The KMS key's existence is not checked.
    ///
    /// # Errors
    ///
    /// - [`MalformedXml`](BucketEncryptionError::MalformedXml): the body is not this request's XML (an element is
    ///   unknown, missing or one too many), is longer than 64 KiB, or has a DTD, a processing instruction or an entity
    ///   that XML does not define.
    /// - [`KeyIdNotApplicable`](BucketEncryptionError::KeyIdNotApplicable): `AES256` with a KMS key.
    /// - [`UnknownAlgorithm`](BucketEncryptionError::UnknownAlgorithm): the algorithm is not one of S3's three.
    pub fn after_put(&self, xml: &[u8]) -> Result<Self> {
        let document = Document::parse(xml)?;
        let [rule] = document.root("ServerSideEncryptionConfiguration")?.fields(["Rule"])?;
        let names = ["ApplyServerSideEncryptionByDefault", "BucketKeyEnabled", "BlockedEncryptionTypes"];
        let [default, bucket_key, blocked] = rule.ok_or(Malformed)?.fields(names)?;
        if default.or(bucket_key).or(blocked).is_none() {
            // S3's answer to a rule without any element is not recorded.
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
    /// Blocked types stay, because the deletion of the default does not name them. S3's behaviour is not recorded.
    #[must_use]
    pub fn after_delete(&self) -> Self {
        Self { blocked: self.blocked, ..Self::default() }
    }

    /// Reads the XML of [`to_xml`](Self::to_xml), or of a PutBucketEncryption to a bucket that blocks nothing.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`after_put`](Self::after_put).
    pub fn from_xml(xml: &[u8]) -> Result<Self> {
        Self::default().after_put(xml)
    }

    /// Writes the answer to GetBucketEncryption. The elements have the order recorded of the service.
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

/// Creates SSE-S3 without a bucket key and without a block, as every bucket of Amazon S3 from 2023 to April 2026.
impl Default for BucketEncryption {
    fn default() -> Self {
        Self::new_bucket(BlockedEncryption::None)
    }
}

impl DefaultEncryption {
    fn read(element: Element<'_>) -> Result<Self> {
        let [algorithm, key_id] = element.fields(["SSEAlgorithm", "KMSMasterKeyID"])?;
        // Some clients send an empty element when they name no key.
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

    /// Reads the list. Returns `None` for an empty list. Refuses a list that names both types.
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

/// The target of an UpdateObjectEncryption: SSE-KMS under one KMS key.
///
/// Spec: Amazon S3, UpdateObjectEncryption, SSEKMSEncryption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectEncryption {
    /// The full ARN of the KMS key. S3 accepts neither an id nor an alias. The KMS decides whether the key exists.
    pub kms_key_arn: String,
    /// Whether the object uses a bucket key.
    pub bucket_key_enabled: bool,
}

impl ObjectEncryption {
    /// Creates the target with this KMS key and without a bucket key.
    pub fn new(kms_key_arn: impl Into<String>) -> Self {
        Self { kms_key_arn: kms_key_arn.into(), bucket_key_enabled: false }
    }

    /// Reads the body of the request.
    ///
    /// # Errors
    ///
    /// - [`MalformedXml`](BucketEncryptionError::MalformedXml): as for [`BucketEncryption::after_put`].
    /// - [`NotSseKms`](BucketEncryptionError::NotSseKms): no target, or an unknown target.
    /// - [`ToOtherMode`](BucketEncryptionError::ToOtherMode): the target is DSSE-KMS or SSE-C.
    /// - [`KmsKeyMissing`](BucketEncryptionError::KmsKeyMissing): no KMS key.
    /// - [`KmsKeyNotArn`](BucketEncryptionError::KmsKeyNotArn): the KMS key is not an ARN.
    /// - [`BucketKeyInvalid`](BucketEncryptionError::BucketKeyInvalid): a `BucketKeyEnabled` that is not a boolean.
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

/// Returns whether the text is the ARN of a KMS key, or the URI of a key in another kind of KMS. An alias or a bare id
/// is neither.
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

/// Refuses an id that no request could name. A configuration with such an id would make every later write fail.
fn checked_key_id(id: &str) -> Result<String> {
    let well_formed = (1..=MAX_KEY_ID_LEN).contains(&id.len()) && !id.chars().any(char::is_control);
    if well_formed { Ok(id.into()) } else { Err(BucketEncryptionError::MalformedXml) }
}
