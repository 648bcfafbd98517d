//! [`ConditionKey`], a key of a policy's conditions.

use std::fmt;

/// The maximum length of a tag's name in bytes: 128 characters of UTF-8.
const MAX_TAG_NAME_LEN: usize = 512;

/// The type of a key's values. The type determines which operators fit the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Text,
    Arn,
    Bool,
    Number,
    Date,
    /// Seconds since 1970: a number and a date.
    Epoch,
    Ip,
    /// Text that the tag's owner chose. Every operator reads it as the operator's type.
    Tag,
}

macro_rules! keys {
    ($($(#[$doc:meta])* $variant:ident $name:literal $kind:ident,)*; $($(#[$tag_doc:meta])* $tag:ident $prefix:literal,)*) => {
        /// A key of a policy's conditions: the property of a request that a condition tests.
        ///
        /// `Display` gives the key's name in a policy.
        ///
        /// Spec: AWS IAM User Guide, "AWS global condition context keys"; Service Authorization Reference, Amazon S3.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ConditionKey {
            $($(#[$doc])* $variant,)*
            $($(#[$tag_doc])* $tag(Box<str>),)*
        }

        impl ConditionKey {
            /// Every key except the tag keys.
            pub(super) const PLAIN: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the key with this name, in any case, also for tag names. Returns `None` if the key is unknown,
            /// which is not the same as a key without a value.
            pub fn from_name(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) {
                    return Some(Self::$variant);
                })*
                $(if let Some(tag) = tag_name(name, $prefix) {
                    return Some(Self::$tag(tag));
                })*
                None
            }

            pub(super) fn key_type(&self) -> KeyType {
                match self {
                    $(Self::$variant => KeyType::$kind,)*
                    $(Self::$tag(_) => KeyType::Tag,)*
                }
            }
        }

        impl fmt::Display for ConditionKey {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.pad($name),)*
                    $(Self::$tag(tag) => write!(f, "{}{tag}", $prefix),)*
                }
            }
        }
    };
}

keys! {
    /// The header of the encryption method.
    ServerSideEncryption "s3:x-amz-server-side-encryption" Text,
    /// The header of the KMS key.
    KmsKeyId "s3:x-amz-server-side-encryption-aws-kms-key-id" Arn,
    /// The header of a customer key's algorithm.
    CustomerAlgorithm "s3:x-amz-server-side-encryption-customer-algorithm" Text,
    /// The version of TLS, as a number.
    TlsVersion "s3:TlsVersion" Number,
    /// Whether the request came over TLS.
    SecureTransport "aws:SecureTransport" Bool,
    /// The requester's address.
    SourceIp "aws:SourceIp" Ip,
    /// The requester's address within its VPC.
    VpcSourceIp "aws:VpcSourceIp" Ip,
    /// The VPC that the request came from.
    SourceVpc "aws:SourceVpc" Text,
    /// The VPC endpoint that the request came through.
    SourceVpce "aws:SourceVpce" Text,
    /// The organisation of the requester's account.
    PrincipalOrgId "aws:PrincipalOrgID" Text,
    /// The ARN of the requester's user or role.
    PrincipalArn "aws:PrincipalArn" Arn,
    /// The requester's account.
    PrincipalAccount "aws:PrincipalAccount" Text,
    /// The requester's type, such as `User` or `AssumedRole`.
    PrincipalType "aws:PrincipalType" Text,
    /// The account that owns the bucket.
    ResourceAccount "aws:ResourceAccount" Text,
    /// The names of the tags in the request. This key has several values.
    TagKeys "aws:TagKeys" Text,
    /// The requester's unique id.
    UserId "aws:userid" Text,
    /// The requester's user name.
    UserName "aws:username" Text,
    /// The header `User-Agent`.
    UserAgent "aws:UserAgent" Text,
    /// The header `Referer`.
    Referer "aws:Referer" Text,
    /// The time of the request.
    CurrentTime "aws:CurrentTime" Date,
    /// The time of the request in seconds since 1970.
    EpochTime "aws:EpochTime" Epoch,
    /// The services that made the request on the requester's behalf. This key has several values.
    CalledVia "aws:CalledVia" Text,
    /// The first of these services.
    CalledViaFirst "aws:CalledViaFirst" Text,
    /// The last of these services.
    CalledViaLast "aws:CalledViaLast" Text,
    /// Whether a service made the request on the requester's behalf.
    ViaAwsService "aws:ViaAWSService" Bool,
    /// The resource for which a service makes the request.
    SourceArn "aws:SourceArn" Arn,
    /// The account for which a service makes the request.
    SourceAccount "aws:SourceAccount" Text,
;
    /// A tag of the requester, by its name in lower case.
    PrincipalTag "aws:PrincipalTag/",
    /// A tag of the bucket or object, by its name in lower case.
    ResourceTag "aws:ResourceTag/",
    /// A tag in the request, by its name in lower case.
    RequestTag "aws:RequestTag/",
}

impl ConditionKey {
    /// Returns whether a request may have several values of this key. The operator then says whether all values or any
    /// value must meet the condition.
    pub(super) fn has_several_values(&self) -> bool {
        matches!(self, Self::TagKeys | Self::CalledVia)
    }
}

fn tag_name(name: &str, prefix: &str) -> Option<Box<str>> {
    let (start, tag) = name.split_at_checked(prefix.len())?;
    let fits = start.eq_ignore_ascii_case(prefix) && (1..=MAX_TAG_NAME_LEN).contains(&tag.len());
    fits.then(|| tag.to_ascii_lowercase().into())
}
