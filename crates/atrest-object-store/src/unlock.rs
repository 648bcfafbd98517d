//! The requests of a read, and the decryptor of the object that the answers are of.

use std::ops::Range;

use atrest::error::EnvelopeError;
use atrest::geometry::Fetch;
use atrest::{Decryptor, Envelope, EnvelopeState};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use futures_util::future::join;
use futures_util::{StreamExt, stream};
use object_store::{Attributes, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, Result};

use crate::cache::Known;
use crate::call::Call;
use crate::error::{self, StoreError};
use crate::placement::{Placement, attribute, byte_range};
use crate::read::Stored;
use crate::request::{AT_ONCE, Attempt, Failed, NEAR, Same, Trust, ask, beside, if_still, of_second, same_object};
use crate::source::Source;
use crate::store::Shared;

/// What is requested for a read.
pub(crate) struct Asked {
    pub(crate) range: Option<GetRange>,
    /// Whether the answer holds the envelope.
    pub(crate) holds_envelope: bool,
}

impl<T: ObjectStore> Shared<T> {
    /// Returns what to request for a range, in stored bytes. `without_envelope`: the envelope is known already, or
    /// comes without another request.
    pub(crate) fn asked(&self, call: &Call, range: Option<&GetRange>, without_envelope: bool) -> Asked {
        let with_envelope = !without_envelope;
        let fetch = range.map(|range| self.layout.fetch(call.layers, byte_range(range)));
        let near = self.layout.envelope_len().saturating_add(NEAR);
        let (range, holds_envelope) = match (self.layout.placement(), fetch) {
            (Placement::Behind, None) if with_envelope => (Some(GetRange::Suffix(AT_ONCE)), true),
            (Placement::InFront, None) => (None, true),
            (_, None) => (None, false),
            (Placement::InFront, Some(Fetch::Range(range))) if with_envelope && range.start < near => {
                (Some(GetRange::Bounded(0..range.end)), true)
            }
            (Placement::InFront, Some(Fetch::From(start))) if with_envelope && start < near => (None, true),
            (_, Some(Fetch::Range(range))) => (Some(GetRange::Bounded(range)), false),
            (_, Some(Fetch::From(start))) => (Some(GetRange::Offset(start)), false),
            (Placement::Behind, Some(Fetch::Last(len))) => (Some(GetRange::Suffix(len)), len <= AT_ONCE),
            (_, Some(Fetch::Last(len))) => (Some(GetRange::Suffix(len)), false),
            // Another form of request that this release does not know: the whole object is wide enough.
            (_, Some(_)) => (None, self.layout.placement() == Placement::InFront),
        };
        Asked { range, holds_envelope }
    }

    /// Makes the requests of a read: for the bytes, and beside it or before it for the envelope.
    pub(crate) async fn request(
        &self,
        call: &Call,
        options: &GetOptions,
        asked: &Asked,
        kept: bool,
        attempt: Attempt,
    ) -> Result<(GetResult, Option<GetResult>), Failed> {
        let alone = kept || asked.holds_envelope || (self.learnt.gives_files() && attempt.at_once);
        let envelope = self.layout.envelope_request().filter(|_| !alone);
        let Some(envelope) = envelope else {
            let answer = ask(&self.inner, &self.learnt, call, options.clone(), asked.range.clone()).await?;
            return Ok((answer, None));
        };
        if attempt.at_once {
            let bytes = ask(&self.inner, &self.learnt, call, options.clone(), asked.range.clone());
            let envelope = ask(&self.inner, &self.learnt, call, beside(options), Some(envelope));
            let (answer, envelope) = join(bytes, envelope).await;
            let answer = answer?;
            return match envelope {
                Ok(envelope) => Ok((answer, Some(envelope))),
                Err(error) => Err(of_second(call, error)),
            };
        }
        let envelope = ask(&self.inner, &self.learnt, call, options.clone(), Some(envelope)).await?;
        let still = if_still(options, &envelope.meta);
        let answer = ask(&self.inner, &self.learnt, call, still, asked.range.clone()).await;
        Ok((answer.map_err(|error| of_second(call, error))?, Some(envelope)))
    }

    /// Returns the decryptor of the object that the answer is of.
    #[expect(clippy::too_many_arguments, reason = "the parts of one read")]
    pub(crate) async fn unlock(
        &self,
        call: &Call,
        options: &GetOptions,
        stored: &mut Stored,
        holds_envelope: bool,
        beside: Option<GetResult>,
        kept: Option<Known>,
        attempt: Attempt,
    ) -> Result<(Decryptor, Trust), Failed> {
        let version = options.version.as_deref();
        let in_attributes = self.layout.placement() == Placement::Attributes;
        let in_attributes = in_attributes.then(|| self.of_attributes(call, &stored.attributes)).transpose()?;
        if let Some(known) = kept {
            if known.is_of(&stored.meta, in_attributes.as_deref()) {
                return Ok((self.again(call, known).await?, Trust::Apart));
            }
            self.forget(call, version);
        }
        let mut trust = Trust::Together;
        let bytes = if let Some(bytes) = in_attributes {
            bytes
        } else {
            let place = self.layout.envelope(stored.meta.size);
            let place = place.ok_or_else(|| StoreError::NotEncrypted.at(&call.location))?;
            let file = matches!(stored.source, Source::File(..));
            let bytes = match (file, beside) {
                (true, _) => stored.source.take(place.clone()).await?,
                (_, Some(answer)) => {
                    let same = same_object(&stored.meta, &answer.meta);
                    trust = trust.and(self.accept(call, same, attempt)?);
                    of_answer(answer, place.clone()).await?
                }
                _ if holds_envelope && stored.range.start <= place.start && place.end <= stored.range.end => {
                    stored.envelope(place.clone()).await?
                }
                _ => {
                    let range = self.layout.envelope_request();
                    let still = if_still(options, &stored.meta);
                    let answer = ask(&self.inner, &self.learnt, call, still, range).await;
                    let answer = answer.map_err(|error| of_second(call, error))?;
                    let same = same_object(&stored.meta, &answer.meta);
                    trust = trust.and(self.accept(call, same, attempt)?);
                    of_answer(answer, place.clone()).await?
                }
            };
            if bytes.len() as u64 != place.end - place.start {
                return Err(StoreError::OtherBytes.generic().into());
            }
            bytes
        };
        Ok((self.unlock_with(call, version, &stored.meta, &bytes, trust).await?, trust))
    }

    /// Refuses two answers that are not of one object.
    pub(crate) fn accept(&self, call: &Call, same: Same, attempt: Attempt) -> Result<Same, Failed> {
        match same {
            Same::Yes => Ok(same),
            // Without e_tags the envelope is read first: nothing else shows an overwrite in between.
            Same::Unknown if !attempt.at_once => Ok(same),
            Same::No | Same::Unknown => Err(Failed::Stale(StoreError::Overwritten.at(&call.location))),
        }
    }

    /// Puts a read that a kept decryptor serves on record, and returns the decryptor.
    pub(crate) async fn again(&self, call: &Call, known: Known) -> Result<Decryptor, Failed> {
        let recorded = call.sse.read_again(&call.name, &known.envelope, call.access.unlock()).await;
        recorded.map_err(|error| self.refused(call, error))?;
        Ok(known.decryptor)
    }

    /// Returns the bytes of an envelope among the attributes.
    pub(crate) fn of_attributes(&self, call: &Call, attributes: &Attributes) -> Result<Bytes> {
        let missing = || StoreError::NotEncrypted.at(&call.location);
        let text = attributes.get(&attribute()).ok_or_else(missing)?;
        Base64::decode_vec(text).map(Bytes::from).map_err(|_| missing())
    }

    /// Unlocks an object with the bytes of its envelope, and keeps the decryptor if both are known to belong together.
    pub(crate) async fn unlock_with(
        &self,
        call: &Call,
        version: Option<&str>,
        meta: &ObjectMeta,
        bytes: &[u8],
        trust: Trust,
    ) -> Result<Decryptor, Failed> {
        let envelope = Envelope::decode(bytes).map_err(|error| of_envelope(call, error))?;
        if envelope.mode().layers() != call.layers {
            return Err(StoreError::Layers.at(&call.location).into());
        }
        if envelope.state() != EnvelopeState::Object {
            return Err(StoreError::NotEncrypted.at(&call.location).into());
        }
        if let Some(container) = self.layout.container(call.layers) {
            // Every envelope of a container has padding.
            Envelope::decode_in(container, meta.size, bytes).map_err(|error| of_envelope(call, error))?;
        }
        let cache = self.cache.as_ref().filter(|_| trust == Trust::Together);
        let cache = cache.map(|cache| (cache, cache.epochs(call, &envelope)));
        let decryptor = call.sse.decryptor(&call.name, &envelope, call.access.unlock()).await;
        let decryptor = decryptor.map_err(|error| self.refused(call, error))?;
        if let Some((cache, epochs)) = cache {
            cache.keep(call, version, meta, &decryptor, &envelope, epochs);
        }
        Ok(decryptor)
    }
}

impl Stored {
    /// Returns the bytes of the envelope out of an answer that holds it, and leaves the bytes of the body.
    async fn envelope(&mut self, place: Range<u64>) -> Result<Bytes> {
        if place.start <= self.range.start {
            return self.source.take(place).await;
        }
        // The envelope is at the end of the answer, which is short: it is held in memory.
        let start = self.range.start;
        let held = self.source.take(self.range.clone()).await?;
        self.end = Some((start, held.clone()));
        self.source = Source::Stream(start, stream::iter([Ok(held.clone())]).boxed());
        let at = |offset: u64| usize::try_from(offset - start).unwrap_or(usize::MAX).min(held.len());
        Ok(held.slice(at(place.start)..at(place.end)))
    }
}

/// Returns the bytes of an answer to the request for the envelope.
pub(crate) async fn of_answer(answer: GetResult, place: Range<u64>) -> Result<Bytes> {
    Source::new(answer.payload, &answer.range).all_of(place).await
}

/// Returns the failure for an error of an envelope. Bytes that are no envelope belong to an object that is not
/// encrypted.
fn of_envelope(call: &Call, error: atrest::Error) -> Failed {
    Failed::Finally(match error {
        atrest::Error::Envelope(EnvelopeError::NotAnEnvelope) => StoreError::NotEncrypted.at(&call.location),
        error => error::of(&call.location, error),
    })
}
