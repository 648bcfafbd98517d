//! The names of the encryption headers and of the form fields of a POST, in lower case as in `http`.

/// The encryption method: `AES256`, `aws:kms` or `aws:kms:dsse`.
pub const SERVER_SIDE_ENCRYPTION: &str = "x-amz-server-side-encryption";
/// The id of the KMS key.
pub const KMS_KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
/// The encryption context: base64 of a JSON object of strings. Sensitive.
pub const CONTEXT: &str = "x-amz-server-side-encryption-context";
/// Whether a bucket key is used: `true` or `false`.
pub const BUCKET_KEY_ENABLED: &str = "x-amz-server-side-encryption-bucket-key-enabled";
/// The algorithm of SSE-C: `AES256`.
pub const CUSTOMER_ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
/// The customer key, in base64. Sensitive.
pub const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-key";
/// The MD5 of the customer key, in base64. Sensitive.
pub const CUSTOMER_KEY_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";
/// The SSE-C algorithm of a copy's source: `AES256`.
pub const SOURCE_CUSTOMER_ALGORITHM: &str = "x-amz-copy-source-server-side-encryption-customer-algorithm";
/// The customer key of a copy's source, in base64. Sensitive.
pub const SOURCE_CUSTOMER_KEY: &str = "x-amz-copy-source-server-side-encryption-customer-key";
/// The MD5 of the customer key of a copy's source, in base64. Sensitive.
pub const SOURCE_CUSTOMER_KEY_MD5: &str = "x-amz-copy-source-server-side-encryption-customer-key-md5";

/// The headers whose values must not be logged.
pub const SENSITIVE: [&str; 5] =
    [CUSTOMER_KEY, CUSTOMER_KEY_MD5, CONTEXT, SOURCE_CUSTOMER_KEY, SOURCE_CUSTOMER_KEY_MD5];
