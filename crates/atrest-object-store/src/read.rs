//! Reads of whole objects and of one range.

use std::ops::Range;

use atrest::Decryptor;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::{
    Attributes, Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result,
};

use crate::call::Call;
use crate::error::{self, StoreError};
use crate::placement::{Placement, attribute, byte_range};
use crate::plaintext::{Opening, PlaintextPieces};
use crate::request::{AT_ONCE, Attempt, Failed, Same, Trust, ask, if_still, of_second, same_object};
use crate::source::Source;
use crate::store::Shared;
use crate::unlock::of_answer;

/// The longest answer in bytes that is promised on the word of the inner store, if no length is authenticated yet.
const MAX_ON_TRUST: u64 = 64 << 20;

/// An answer of the inner store and its bytes.
pub(crate) struct Stored {
    pub(crate) meta: ObjectMeta,
    pub(crate) attributes: Attributes,
    pub(crate) range: Range<u64>,
    pub(crate) source: Source,
    /// The bytes from this place to the end of the stored object, if they are in memory.
    pub(crate) end: Option<(u64, Bytes)>,
}

impl<T: ObjectStore> Shared<T> {
    /// Reads an object or a range of it.
    pub(crate) async fn get(&self, call: &Call, options: GetOptions) -> Result<GetResult> {
        if let Some(range) = &options.range {
            range.is_valid().map_err(|error| Error::Generic { store: error::STORE, source: error.into() })?;
        }
        if options.head {
            return self.head(call, options).await;
        }
        let attempt = Attempt { kept: true, at_once: self.speculates() };
        match self.read(call, &options, attempt).await {
            Err(Failed::Stale(_)) => self.read(call, &options, Attempt::FRESH).await.map_err(Failed::into_error),
            done => done.map_err(Failed::into_error),
        }
    }

    /// Describes an object without reading it.
    async fn head(&self, call: &Call, options: GetOptions) -> Result<GetResult> {
        let range = options.range.clone();
        let asked = GetOptions { range: None, ..options };
        let mut answer = self.inner.get_opts(&call.location, asked).await?;
        if self.layout.placement() == Placement::Attributes && answer.attributes.remove(&attribute()).is_none() {
            return Err(StoreError::NotEncrypted.at(&call.location));
        }
        let len = self.layout.plaintext_len(call.layers, answer.meta.size);
        answer.meta.size = len.ok_or_else(|| StoreError::NotEncrypted.at(&call.location))?;
        answer.range = satisfied(range.as_ref(), answer.meta.size)?;
        answer.payload = GetResultPayload::Stream(stream::empty().boxed());
        Ok(answer)
    }

    async fn read(&self, call: &Call, options: &GetOptions, attempt: Attempt) -> Result<GetResult, Failed> {
        let version = options.version.as_deref();
        let kept = self.cache.as_ref().filter(|_| attempt.kept).and_then(|cache| cache.find(call, version));
        let asked = self.asked(call, options.range.as_ref(), kept.is_some() || self.learnt.gives_files());
        let (answer, beside) = self.request(call, options, &asked, kept.is_some(), attempt).await?;

        let mut result = answer;
        let len = self.layout.plaintext_len(call.layers, result.meta.size);
        let len = len.ok_or_else(|| StoreError::NotEncrypted.at(&call.location))?;
        let payload = std::mem::replace(&mut result.payload, GetResultPayload::Stream(stream::empty().boxed()));
        let mut stored = Stored {
            meta: result.meta.clone(),
            attributes: result.attributes.clone(),
            range: result.range.clone(),
            source: Source::new(payload, &result.range),
            end: None,
        };
        let holds_envelope = asked.holds_envelope;
        let (decryptor, trust) = self.unlock(call, options, &mut stored, holds_envelope, beside, kept, attempt).await?;
        result.attributes.remove(&attribute());
        result.meta.size = len;
        result.range = satisfied(options.range.as_ref(), len)?;
        self.open(call, options, result, stored, decryptor, trust).await
    }

    /// Opens the bytes of an answer.
    async fn open(
        &self,
        call: &Call,
        options: &GetOptions,
        mut result: GetResult,
        stored: Stored,
        decryptor: Decryptor,
        trust: Trust,
    ) -> Result<GetResult, Failed> {
        let location = &call.location;
        let not_encrypted = || StoreError::NotEncrypted.at(location);
        let body = self.layout.body(stored.meta.size).ok_or_else(not_encrypted)?;
        let body_len = body.end - body.start;
        let within = |fetch: Range<u64>| fetch.start + body.start..fetch.end + body.start;
        let (span, reader) = match &options.range {
            None => {
                // Refuses a length that the object does not have, before anything is answered.
                decryptor.range(0.., body_len).map_err(|error| trust.on_bytes(location, error))?;
                (body.clone(), decryptor.sequential())
            }
            Some(_) if result.range.is_empty() => {
                // A suffix of an empty object, or of no bytes: only the end shows that it is right.
                let end = decryptor.end_fetch(body_len).map_err(|error| trust.on_bytes(location, error))?;
                let fetched = stored.source.all_of(within(end)).await?;
                decryptor.verify_end(body_len, &fetched).map_err(|error| trust.on_bytes(location, error))?;
                return Ok(result);
            }
            Some(range) => {
                let plan = decryptor.range(byte_range(range), body_len);
                let plan = plan.map_err(|error| trust.on_bytes(location, error))?;
                (within(plan.fetch_span()), plan.reader())
            }
        };
        let promised = result.range.end - result.range.start;
        let (stored, trust) = match promised > MAX_ON_TRUST && decryptor.plaintext_len().is_none() {
            true => self.with_verified_end(call, options, stored, &decryptor, trust).await?,
            false => (stored, trust),
        };
        let (stored, same) = self.with_head(call, options, stored, &span).await?;
        let trust = trust.and(same);
        let on_opening = |opening| match opening {
            Opening::Bytes(error) => trust.on_bytes(location, error),
            Opening::Store(error) => Failed::Finally(error),
        };
        let mut pieces = PlaintextPieces::new(location, stored.source.cut(span.clone())?, reader, promised);
        let payload = if span.end - span.start <= AT_ONCE {
            let opened = pieces.collected().await.map_err(on_opening)?;
            stream::iter((!opened.is_empty()).then_some(Ok(opened))).boxed()
        } else {
            // The first chunk shows whether the decryptor is that of the object.
            let first = pieces.next_opened().await.map_err(on_opening)?;
            stream::iter(first.map(Ok)).chain(pieces).boxed()
        };
        result.payload = GetResultPayload::Stream(payload);
        Ok(result)
    }

    /// Requests the beginning of a whole object whose end was requested first.
    async fn with_head(
        &self,
        call: &Call,
        options: &GetOptions,
        stored: Stored,
        span: &Range<u64>,
    ) -> Result<(Stored, Same), Failed> {
        let Stored { source: Source::Stream(at, end), meta, attributes, range, end: held } = stored else {
            return Ok((stored, Same::Yes));
        };
        if options.range.is_some() || at <= span.start {
            return Ok((Stored { source: Source::Stream(at, end), meta, attributes, range, end: held }, Same::Yes));
        }
        let still = if_still(options, &meta);
        let answer = ask(&self.inner, &self.learnt, call, still, Some(GetRange::Bounded(span.start..at))).await;
        let answer = answer.map_err(|error| of_second(call, error))?;
        let same = same_object(&meta, &answer.meta);
        if same == Same::No {
            return Err(Failed::Stale(StoreError::Overwritten.at(&call.location)));
        }
        if answer.range != (span.start..at) {
            return Err(StoreError::OtherBytes.generic().into());
        }
        let start = Source::new(answer.payload, &answer.range).cut(span.start..at)?;
        let source = Source::Stream(span.start, start.chain(end).boxed());
        Ok((Stored { meta, attributes, range: span.start..range.end, source, end: held }, same))
    }

    /// Verifies that an object ends where the store says, before so long an answer is promised: a caller reserves
    /// memory for it.
    async fn with_verified_end(
        &self,
        call: &Call,
        options: &GetOptions,
        mut stored: Stored,
        decryptor: &Decryptor,
        trust: Trust,
    ) -> Result<(Stored, Trust), Failed> {
        let on_bytes = |trust: Trust, error| trust.on_bytes(&call.location, error);
        let body = self.layout.body(stored.meta.size).ok_or_else(|| StoreError::NotEncrypted.at(&call.location))?;
        let body_len = body.end - body.start;
        let end = decryptor.end_fetch(body_len).map_err(|error| on_bytes(trust, error))?;
        let end = end.start + body.start..end.end + body.start;
        let in_memory = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let held = stored.end.as_ref().filter(|(at, held)| *at <= end.start && end.end <= at + held.len() as u64);
        let held = held.map(|(at, held)| held.slice(in_memory(end.start - at)..in_memory(end.end - at)));
        let is_file = matches!(stored.source, Source::File(..));
        let (fetched, trust) = match held {
            Some(held) => (held, trust),
            None if is_file => (stored.source.take(end).await?, trust),
            None => {
                let still = if_still(options, &stored.meta);
                let asked = Some(GetRange::Bounded(end.clone()));
                let answer = ask(&self.inner, &self.learnt, call, still, asked).await;
                let answer = answer.map_err(|error| of_second(call, error))?;
                let same = same_object(&stored.meta, &answer.meta);
                if same == Same::No {
                    return Err(Failed::Stale(StoreError::Overwritten.at(&call.location)));
                }
                (of_answer(answer, end).await?, trust.and(same))
            }
        };
        decryptor.verify_end(body_len, &fetched).map_err(|error| on_bytes(trust, error))?;
        Ok((stored, trust))
    }
}

/// Returns the position of a range in an object of this length, as every store of `object_store` does.
pub(crate) fn satisfied(range: Option<&GetRange>, len: u64) -> Result<Range<u64>> {
    match range {
        None => Ok(0..len),
        Some(range) => {
            range.as_range(len).map_err(|error| Error::Generic { store: error::STORE, source: error.into() })
        }
    }
}
