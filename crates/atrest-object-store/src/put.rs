//! Writes of whole objects.

use std::pin::Pin;
use std::task::{Context, Poll};

use atrest::error::Limit;
use atrest::{Encryptor, Envelope};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use object_store::{Attribute, Attributes, ObjectStore, PutOptions, PutPayload, PutResult, Result};

use crate::call::Call;
use crate::error::{self, StoreError};
use crate::placement::{ATTRIBUTE, Placement, attribute};
use crate::store::Shared;

/// The number of bytes after which a put lets other tasks run: some 0.2 ms of work.
const YIELD_LEN: usize = 1 << 20;

impl<T: ObjectStore> Shared<T> {
    /// Writes an object in one request.
    pub(crate) async fn put(&self, call: &Call, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        self.check_written(call, &options.attributes)?;
        let len = payload.content_length();
        let begun = call.sse.encryptor_of_len(&call.name, call.mode.clone(), len as u64).await;
        let (envelope, encryptor) = begun.map_err(|error| self.refused(call, error))?;
        let envelope = self.place(call, envelope, &mut options.attributes)?;
        let sealed_len = call.layers.ciphertext_len(len as u64).and_then(|len| usize::try_from(len).ok());
        let sealed_len = sealed_len.ok_or_else(|| error::of(&call.location, Limit::Message.into()))?;
        let sealed = seal(encryptor, payload, sealed_len).await.map_err(|error| error::of(&call.location, error))?;
        let stored = match (self.layout.placement(), envelope) {
            (Placement::Behind, Some(envelope)) => [sealed, envelope].into_iter().collect(),
            (_, Some(envelope)) => [envelope, sealed].into_iter().collect(),
            (_, None) => PutPayload::from(sealed),
        };
        self.inner.put_opts(&call.location, stored, options).await
    }

    /// Refuses a write that no reader or listing of this store would understand.
    pub(crate) fn check_written(&self, call: &Call, attributes: &Attributes) -> Result<()> {
        if call.mode.id().layers() != call.layers {
            return Err(StoreError::Layers.at(&call.location));
        }
        // Stores make headers of attributes, and the names of headers know no case.
        let takes =
            |name: &Attribute| matches!(name, Attribute::Metadata(name) if name.eq_ignore_ascii_case(ATTRIBUTE));
        if attributes.iter().any(|(name, _)| takes(name)) {
            return Err(StoreError::AttributeTaken(ATTRIBUTE).at(&call.location));
        }
        Ok(())
    }

    /// Puts the envelope among the attributes, or returns the bytes to put before or behind the body.
    pub(crate) fn place(&self, call: &Call, envelope: Envelope, attributes: &mut Attributes) -> Result<Option<Bytes>> {
        if self.layout.placement() == Placement::Attributes {
            attributes.insert(attribute(), Base64::encode_string(envelope.as_bytes()).into());
            return Ok(None);
        }
        if envelope.encoded_len() as u64 != self.layout.envelope_len() {
            return Err(StoreError::EnvelopeLen.at(&call.location));
        }
        Ok(Some(envelope.encode().into()))
    }
}

/// Encrypts a whole payload into one piece of `sealed_len` bytes.
async fn seal(mut encryptor: Encryptor, payload: PutPayload, sealed_len: usize) -> atrest::Result<Bytes> {
    // PERF: memory that comes zeroed from the allocator, touched once.
    let mut sealed = vec![0; sealed_len];
    let mut written = 0;
    for mut piece in payload {
        while !piece.is_empty() {
            let step = piece.split_to(piece.len().min(YIELD_LEN));
            written += encryptor.update(&step, &mut sealed[written..])?;
            if step.len() == YIELD_LEN {
                Yield::default().await;
            }
        }
    }
    written += encryptor.finish(&mut sealed[written..])?.written;
    sealed.truncate(written);
    Ok(sealed.into())
}

/// Lets other tasks of the executor run once.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
