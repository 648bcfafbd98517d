//! What opens an object: [`Access`].

use std::fmt;
use std::sync::Arc;

use pollster::block_on;

use super::{Blocking, Expected, Sse, Unlock};
use crate::envelope::Envelope;
use crate::error::Result;
use crate::mode::Mode;
use crate::multipart::{CompletedUpload, CompletionRecord, UnopenedPart, Upload};
use crate::object::ObjectName;
use crate::secret::CustomerKey;
use crate::stream::Decryptor;

/// What opens an object or an upload: what is expected of it, and the customer key in SSE-C, in one value.
///
/// [`Sse::open`], [`Sse::resume`], [`Sse::finish`], [`Sse::complete_without_key`] and [`Sse::change_encryption`] take
/// it whole, so that no caller can leave the expectations out. `Debug` shows no key.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::{Access, Expected, Keyring, ModeId, ObjectName, Sse, SseS3};
///
/// let sse = Sse::builder().keyring(Keyring::generate()?).build()?.blocking();
/// let object = ObjectName::new("photos", "cat.jpg")?;
/// let stored = sse.encrypt(&object, SseS3, b"meow")?;
/// let access = Access::new(Expected::new().modes([ModeId::SseS3]));
/// let mut reader = sse.open(&object, &stored.envelope, &access)?.sequential();
/// # let _ = &mut reader;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Access {
    expected: Expected,
    customer_key: Option<Arc<CustomerKey>>,
}

impl Access {
    /// What is expected of the object, opened with the service's own keys.
    pub fn new(expected: Expected) -> Self {
        Self { expected, customer_key: None }
    }

    /// The same, opened with a customer key.
    #[must_use]
    pub fn with_customer_key(self, key: impl Into<Arc<CustomerKey>>) -> Self {
        Self { customer_key: Some(key.into()), ..self }
    }

    /// What is expected of the object.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// What unlocks the object, for the calls that take it apart from the expectations.
    pub fn unlock(&self) -> Unlock<'_> {
        self.customer_key.as_deref().map_or(Unlock::Server, Unlock::CustomerKey)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("expected", &self.expected)
            .field("customer_key", &self.customer_key.is_some())
            .finish()
    }
}

impl Sse {
    /// Unlocks an object that is as expected: [`decryptor`](Self::decryptor), with the expectations applied.
    ///
    /// # Errors
    ///
    /// As [`decryptor`](Self::decryptor).
    pub async fn open(&self, object: &ObjectName, envelope: &Envelope, access: &Access) -> Result<Decryptor> {
        self.expecting(access.expected.clone()).decryptor(object, envelope, access.unlock()).await
    }

    /// Takes up an upload that is as expected: [`resume_multipart`](Self::resume_multipart).
    ///
    /// # Errors
    ///
    /// As [`resume_multipart`](Self::resume_multipart).
    pub async fn resume(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        access: &Access,
    ) -> Result<Upload> {
        self.resume_multipart(object, upload_id, envelope, &access.expected, access.unlock()).await
    }

    /// Finishes an upload that was completed without its customer key: [`finish_completion`](Self::finish_completion),
    /// with the expectations applied.
    ///
    /// # Errors
    ///
    /// As [`finish_completion`](Self::finish_completion).
    pub async fn finish(
        &self,
        object: &ObjectName,
        record: &CompletionRecord,
        access: &Access,
    ) -> Result<CompletedUpload> {
        self.expecting(access.expected.clone()).finish_completion(object, record, access.unlock()).await
    }

    /// Completes an upload in SSE-C that is as expected, without its customer key:
    /// [`complete_multipart_without_key`](Self::complete_multipart_without_key).
    ///
    /// # Errors
    ///
    /// As [`complete_multipart_without_key`](Self::complete_multipart_without_key).
    pub async fn complete_without_key(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        access: &Access,
        parts: impl IntoIterator<Item = UnopenedPart<'_>>,
    ) -> Result<CompletionRecord> {
        let sse = self.expecting(access.expected.clone());
        sse.complete_multipart_without_key(object, upload_id, envelope, parts).await
    }

    /// Wraps the data key of an object that is as expected anew, for the same object in this mode:
    /// [`rewrap_as`](Self::rewrap_as) under its own name. This is S3's UpdateObjectEncryption.
    ///
    /// # Errors
    ///
    /// As [`rewrap_as`](Self::rewrap_as).
    pub async fn change_encryption(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        access: &Access,
        mode: impl Mode,
    ) -> Result<Envelope> {
        let sse = self.expecting(access.expected.clone());
        sse.rewrap_as(object, envelope, access.unlock(), object, mode).await
    }
}

impl Blocking {
    /// See [`Sse::open`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open(&self, object: &ObjectName, envelope: &Envelope, access: &Access) -> Result<Decryptor> {
        block_on(self.sse().open(object, envelope, access))
    }

    /// See [`Sse::resume`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn resume(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        access: &Access,
    ) -> Result<Upload> {
        block_on(self.sse().resume(object, upload_id, envelope, access))
    }

    /// See [`Sse::finish`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn finish(&self, object: &ObjectName, record: &CompletionRecord, access: &Access) -> Result<CompletedUpload> {
        block_on(self.sse().finish(object, record, access))
    }

    /// See [`Sse::complete_without_key`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn complete_without_key<'p>(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        access: &Access,
        parts: impl IntoIterator<Item = UnopenedPart<'p>>,
    ) -> Result<CompletionRecord> {
        block_on(self.sse().complete_without_key(object, upload_id, envelope, access, parts))
    }

    /// See [`Sse::change_encryption`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn change_encryption(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        access: &Access,
        mode: impl Mode,
    ) -> Result<Envelope> {
        block_on(self.sse().change_encryption(object, envelope, access, mode))
    }
}
