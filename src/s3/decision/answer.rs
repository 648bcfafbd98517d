//! What is decided.

use std::sync::Arc;

use http::HeaderMap;

use crate::envelope::Envelope;
use crate::mode::AnyMode;
use crate::s3::headers::{Answer, response_headers};
use crate::secret::CustomerKey;
use crate::sse::{Expected, Unlock};

/// What to do with a request: what is read, what is written, and what the answer says.
///
/// Holds the customer key of the request, if there is one; shown by no `Debug`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Decision {
    /// How to read the object, or the source of a copy; in `UpdateObjectEncryption`, how to unlock its data key.
    pub read: Option<Access>,
    /// How to resume the upload, for a part or its completion: a part is encrypted, or not, as its upload is.
    pub upload: Option<Access>,
    /// How to write the object, or begin the upload.
    pub write: Option<Write>,
    /// What to [rewrap](crate::Sse::rewrap_as) the object as, under its own name: `UpdateObjectEncryption`. The service's record
    /// changes with the envelope, in one step, to [`Expected::exactly`] of the new one.
    pub rewrap: Option<AnyMode>,
    /// Whether a bucket key is to be used. It is answered with, and has no effect on how keys are wrapped yet.
    pub bucket_key_enabled: bool,
    /// Whether the KMS is shown the pairs that were stored with the object or upload. `Sse` does so by itself, from the
    /// envelope. Never those of a copy's source for its destination.
    pub replays_context: bool,
    /// Whether the object keeps its ETag, its checksums and the time of its last modification: `UpdateObjectEncryption`.
    pub keeps_etag_and_last_modified: bool,
    pub(super) answer: Answer,
}

/// How something that is stored is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Access {
    /// It is in the clear.
    InTheClear,
    /// It is unlocked with [`unlock`](Self::unlock), by an `Sse` that [expects](crate::Sse::expecting)
    /// [`expected`](Self::expected).
    #[non_exhaustive]
    Encrypted {
        /// The customer key, in SSE-C; it is the right one for the envelope that was decided about.
        customer_key: Option<Arc<CustomerKey>>,
        /// What the service's record says of it.
        expected: Expected,
    },
}

/// How something is written.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third, and each is to be thought of")]
pub enum Write {
    /// In the clear: the request asked for nothing, and the bucket has no encryption.
    InTheClear,
    /// Encrypted in this mode. Where it names no KMS key, the KMS has one: S3's `aws/s3`.
    Encrypt(AnyMode),
}

impl Access {
    /// What to unlock it with; nothing that is in the clear needs any.
    pub fn unlock(&self) -> Unlock<'_> {
        match self {
            Self::Encrypted { customer_key: Some(key), .. } => Unlock::CustomerKey(key),
            Self::Encrypted { customer_key: None, .. } | Self::InTheClear => Unlock::Server,
        }
    }

    /// What to accept of it; `None` where it is in the clear.
    pub fn expected(&self) -> Option<&Expected> {
        match self {
            Self::Encrypted { expected, .. } => Some(expected),
            Self::InTheClear => None,
        }
    }
}

impl Decision {
    /// The encryption headers of the answer, the sensitive ones marked. `envelope` is that of what was written or read, or of
    /// the upload; `None` where that is in the clear, and there are no headers.
    ///
    /// A KMS key is answered as it was resolved, which is only known once there is an envelope. The bucket key is answered
    /// to the write that has it enabled, the context only to whoever has just brought it.
    pub fn response_headers(&self, envelope: Option<&Envelope>) -> HeaderMap {
        envelope.map(|envelope| response_headers(envelope, &self.answer)).unwrap_or_default()
    }
}
