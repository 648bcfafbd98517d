//! Reads of several ranges of one object, with as few requests as the ranges allow.

use std::ops::Range;

use atrest::Decryptor;
use atrest::geometry::Fetch;
use bytes::Bytes;
use futures_util::future::join;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{Attributes, Error, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, Result};

use crate::cache::Known;
use crate::call::Call;
use crate::error::{self, StoreError};
use crate::placement::Placement;
use crate::read::satisfied;
use crate::request::{Attempt, Failed, Same, Trust, ask, beside, if_still, of_second, same_object};
use crate::source::{Source, read_ranges};
use crate::store::Shared;
use crate::unlock::of_answer;

/// Two ranges with a gap of at most this many bytes are requested as one, as `object_store` does by default.
const GAP: u64 = object_store::OBJECT_STORE_COALESCE_DEFAULT;
/// How many requests of one call are in flight at once, as in `object_store`.
const IN_FLIGHT: usize = 10;

/// Bytes of the stored object, and where they are.
type Piece = (u64, Bytes);

/// The answers to the requests of one call.
struct Answers {
    meta: ObjectMeta,
    attributes: Attributes,
    /// The pieces, in the order of their offsets.
    pieces: Vec<Piece>,
    trust: Trust,
    /// The bytes of the envelope, if they were requested by themselves.
    envelope: Option<Bytes>,
}

impl<T: ObjectStore> Shared<T> {
    /// Reads several ranges of an object.
    pub(crate) async fn ranges(&self, call: &Call, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        for range in ranges {
            let valid = GetRange::Bounded(range.clone()).is_valid();
            valid.map_err(|error| Error::Generic { store: error::STORE, source: error.into() })?;
        }
        let attempt = Attempt { kept: true, at_once: self.speculates() };
        match self.read_ranges(call, ranges, attempt).await {
            Err(Failed::Stale(_)) => self.read_ranges(call, ranges, Attempt::FRESH).await.map_err(Failed::into_error),
            done => done.map_err(Failed::into_error),
        }
    }

    async fn read_ranges(&self, call: &Call, ranges: &[Range<u64>], attempt: Attempt) -> Result<Vec<Bytes>, Failed> {
        let kept = self.cache.as_ref().filter(|_| attempt.kept).and_then(|cache| cache.find(call, None));
        let mut spans = ranges.iter().map(|range| self.span(call, range)).collect::<Result<Vec<_>>>()?;
        if kept.is_none() && self.layout.placement() == Placement::InFront {
            spans.push(0..self.layout.envelope_len());
        }
        // One answer is of one object, and needs no other to agree with it.
        let one = self.layout.placement() == Placement::InFront && merged(spans.clone(), GAP).len() == 1;
        let answers = match (self.learnt.gives_files(), kept.is_some() || one) {
            (true, _) => self.one_answer(call, &spans).await?,
            (false, false) if !attempt.at_once => self.envelope_first(call, spans).await?,
            (false, known) => self.all_at_once(call, spans, known, attempt).await?,
        };
        let size = answers.meta.size;
        let not_encrypted = || StoreError::NotEncrypted.at(&call.location);
        let len = self.layout.plaintext_len(call.layers, size).ok_or_else(not_encrypted)?;
        let body = self.layout.body(size).ok_or_else(not_encrypted)?;
        let (decryptor, trust) = self.unlock_ranges(call, &answers, kept, attempt).await?;

        let mut opened = Vec::with_capacity(ranges.len());
        for range in ranges {
            satisfied(Some(&GetRange::Bounded(range.clone())), len)?;
            opened.push(open_range(call, &decryptor, range, &body, &answers.pieces, trust)?);
        }
        Ok(opened)
    }

    /// Returns the stored bytes that hold a range, whatever the length of the object is.
    fn span(&self, call: &Call, range: &Range<u64>) -> Result<Range<u64>> {
        match self.layout.fetch(call.layers, range.clone()) {
            Fetch::Range(span) => Ok(span),
            // No object is so long.
            _ => {
                Err(StoreError::RangeStart { start: range.start, object_len: call.layers.max_plaintext_len() }
                    .generic())
            }
        }
    }

    /// Reads all ranges out of one open local file, which stays the same object if its name is given to another one.
    async fn one_answer(&self, call: &Call, spans: &[Range<u64>]) -> Result<Answers, Failed> {
        let answer = ask(&self.inner, &self.learnt, call, GetOptions::new(), None).await?;
        let GetResult { meta, attributes, range, payload, .. } = answer;
        let end = |span: &Range<u64>| span.start.min(meta.size)..span.end.min(meta.size);
        let mut spans = merged(spans.iter().map(end).collect(), 0);
        let envelope = self.layout.envelope(meta.size);
        spans.extend(envelope.clone());
        let read = match Source::new(payload, &range) {
            Source::File(file, path) => read_ranges(file, path, spans.clone()).await?,
            // The store that gave files gives no file now: the whole object is wide enough.
            Source::Stream(at, pieces) => {
                let whole = Source::Stream(at, pieces).all_of(0..meta.size).await?;
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
                spans.iter().map(|span| whole.slice(place(span.start)..place(span.end))).collect()
            }
        };
        let mut pieces: Vec<Piece> = spans.iter().map(|span| span.start).zip(read).collect();
        let envelope = envelope.and_then(|_| pieces.pop()).map(|(_, envelope)| envelope);
        Ok(Answers { meta, attributes, pieces, trust: Trust::Together, envelope })
    }

    /// Requests the envelope, and then the ranges of the same object.
    async fn envelope_first(&self, call: &Call, spans: Vec<Range<u64>>) -> Result<Answers, Failed> {
        let Some(request) = self.layout.envelope_request() else {
            return self.all_at_once(call, spans, true, Attempt::FRESH).await;
        };
        let none = GetOptions::new();
        let first = ask(&self.inner, &self.learnt, call, none.clone(), Some(request)).await?;
        let still = if_still(&none, &first.meta);
        let (meta, place) = (first.meta.clone(), self.layout.envelope(first.meta.size));
        let place = place.ok_or_else(|| StoreError::NotEncrypted.at(&call.location))?;
        let envelope = of_answer(first, place).await?;
        let end = |span: Range<u64>| span.start.min(meta.size)..span.end.min(meta.size);
        let spans: Vec<_> = merged(spans, GAP).into_iter().map(end).filter(|span| !span.is_empty()).collect();
        let asked = spans.into_iter().map(|span| self.piece(call, still.clone(), span));
        let answers: Vec<_> =
            stream::iter(asked).buffered(IN_FLIGHT).try_collect().await.map_err(|error| of_second(call, error))?;
        let mut trust = Trust::Together;
        let mut pieces = Vec::with_capacity(answers.len());
        for (other, _, piece) in answers {
            trust = trust.and(self.accept(call, same_object(&meta, &other), Attempt::FRESH)?);
            pieces.push(piece);
        }
        Ok(Answers { meta, attributes: Attributes::new(), pieces, trust, envelope: Some(envelope) })
    }

    /// Requests the ranges at once and, unless it is `known` or among them, the envelope.
    async fn all_at_once(
        &self,
        call: &Call,
        spans: Vec<Range<u64>>,
        known: bool,
        attempt: Attempt,
    ) -> Result<Answers, Failed> {
        let none = GetOptions::new();
        let spans = merged(spans, GAP);
        let asked = spans.into_iter().map(|span| self.piece(call, none.clone(), span));
        let ranges = stream::iter(asked).buffered(IN_FLIGHT).try_collect::<Vec<_>>();
        let beside_them = async {
            match self.layout.envelope_request() {
                Some(request) if !known && self.layout.placement() == Placement::Behind => {
                    ask(&self.inner, &self.learnt, call, beside(&none), Some(request)).await.map(Some)
                }
                _ => Ok(None),
            }
        };
        let (answers, envelope) = join(ranges, beside_them).await;
        let mut answers = answers?.into_iter();
        let envelope = envelope.map_err(|error| of_second(call, error))?;
        let missing = || StoreError::OtherBytes.generic();
        let (meta, attributes, first) = answers.next().ok_or_else(missing)?;
        let mut pieces = vec![first];
        let mut trust = Trust::Together;
        let accept = |same| self.accept(call, same, attempt);
        for (other, _, piece) in answers {
            trust = trust.and(accept(same_object(&meta, &other))?);
            pieces.push(piece);
        }
        let envelope = match envelope {
            None => None,
            Some(answer) => {
                trust = trust.and(accept(same_object(&meta, &answer.meta))?);
                let place = self.layout.envelope(meta.size);
                let place = place.ok_or_else(|| StoreError::NotEncrypted.at(&call.location))?;
                Some(of_answer(answer, place).await?)
            }
        };
        Ok(Answers { meta, attributes, pieces, trust, envelope })
    }

    /// Requests one range of the stored object, and reads it.
    async fn piece(
        &self,
        call: &Call,
        options: GetOptions,
        span: Range<u64>,
    ) -> Result<(ObjectMeta, Attributes, Piece)> {
        let answer = ask(&self.inner, &self.learnt, call, options, Some(GetRange::Bounded(span))).await?;
        let GetResult { meta, attributes, range, payload, .. } = answer;
        let bytes = Source::new(payload, &range).all_of(range.clone()).await?;
        Ok((meta, attributes, (range.start, bytes)))
    }

    /// Returns the decryptor of the object that the answers are of.
    async fn unlock_ranges(
        &self,
        call: &Call,
        answers: &Answers,
        kept: Option<Known>,
        attempt: Attempt,
    ) -> Result<(Decryptor, Trust), Failed> {
        let in_attributes = self.layout.placement() == Placement::Attributes;
        let in_attributes = in_attributes.then(|| self.of_attributes(call, &answers.attributes)).transpose()?;
        if let Some(known) = kept {
            if known.is_of(&answers.meta, in_attributes.as_deref()) {
                return Ok((self.again(call, known).await?, Trust::Apart));
            }
            self.forget(call, None);
        }
        let mut trust = answers.trust;
        let envelope = match (&answers.envelope, &in_attributes, self.layout.envelope(answers.meta.size)) {
            (Some(envelope), ..) | (None, Some(envelope), _) => envelope.clone(),
            (None, None, None) => return Err(StoreError::NotEncrypted.at(&call.location).into()),
            (None, None, Some(place)) => match cut_out(&answers.pieces, &place) {
                Some(envelope) => envelope,
                None => {
                    let still = if_still(&GetOptions::new(), &answers.meta);
                    let answer = ask(&self.inner, &self.learnt, call, still, self.layout.envelope_request()).await;
                    let answer = answer.map_err(|error| of_second(call, error))?;
                    let same: Same = same_object(&answers.meta, &answer.meta);
                    trust = trust.and(self.accept(call, same, attempt)?);
                    of_answer(answer, place).await?
                }
            },
        };
        Ok((self.unlock_with(call, None, &answers.meta, &envelope, trust).await?, trust))
    }
}

/// Opens one range out of the pieces that were fetched.
fn open_range(
    call: &Call,
    decryptor: &Decryptor,
    range: &Range<u64>,
    body: &Range<u64>,
    pieces: &[Piece],
    trust: Trust,
) -> Result<Bytes, Failed> {
    let on_bytes = |error| trust.on_bytes(&call.location, error);
    let plan = decryptor.range(range.clone(), body.end - body.start).map_err(on_bytes)?;
    let span = plan.fetch_span();
    let span = span.start + body.start..span.end + body.start;
    // One piece holds the span, as the pieces were merged.
    let short = || Failed::Finally(StoreError::OtherBytes.generic());
    let (at, bytes) = pieces.iter().rfind(|(at, _)| *at <= span.start).ok_or_else(short)?;
    let place = |offset: u64| usize::try_from(offset - at).unwrap_or(usize::MAX).min(bytes.len());
    let fetched = &bytes[place(span.start)..place(span.end)];
    plan.decrypt(fetched).map(Bytes::from).map_err(on_bytes)
}

/// Returns the bytes at a place, if one piece holds all of them.
fn cut_out(pieces: &[Piece], place: &Range<u64>) -> Option<Bytes> {
    let (at, bytes) = pieces.iter().find(|(at, bytes)| *at <= place.start && place.end <= at + bytes.len() as u64)?;
    let within = |offset: u64| usize::try_from(offset - at).ok();
    Some(bytes.slice(within(place.start)?..within(place.end)?))
}

/// Sorts the spans, and joins those with a gap of at most `gap` bytes.
fn merged(mut spans: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end.saturating_add(gap) => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
