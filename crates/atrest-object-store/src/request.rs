//! Requests to the inner store, and what two answers must have in common to be of one object.

use std::sync::atomic::{AtomicBool, Ordering};

use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result};

use crate::call::Call;
use crate::error::{self, StoreError};

/// A range that begins less than this many bytes behind an envelope in front is fetched with it, in one request.
pub(crate) const NEAR: u64 = 128 * 1024;
/// The end of a whole object that is fetched first, with the envelope behind it; and the most that is opened before a
/// read answers.
pub(crate) const AT_ONCE: u64 = 1 << 20;

/// What the answers of the inner store have shown about the store so far.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    /// An answer had no strong e_tag.
    no_e_tags: AtomicBool,
    /// An answer was a local file, which gives the envelope and every range without another request.
    files: AtomicBool,
}

impl Learnt {
    pub(crate) fn has_no_e_tags(&self) -> bool {
        self.no_e_tags.load(Ordering::Relaxed)
    }

    pub(crate) fn gives_files(&self) -> bool {
        self.files.load(Ordering::Relaxed)
    }

    fn note(&self, answer: &GetResult) {
        if strong_e_tag(&answer.meta).is_none() {
            self.no_e_tags.store(true, Ordering::Relaxed);
        }
        if matches!(answer.payload, GetResultPayload::File(..)) {
            self.files.store(true, Ordering::Relaxed);
        }
    }
}

/// The reason why a read failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The caller gets this error.
    Finally(Error),
    /// A fresh read may succeed: the object was overwritten between two requests, or a kept decryptor is of another
    /// object. If a fresh read fails in the same way, the caller gets this error.
    Stale(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Finally(error)
    }
}

impl Failed {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Finally(error) | Self::Stale(error) => error,
        }
    }
}

/// What one attempt at a read may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// A kept decryptor may be used.
    pub(crate) kept: bool,
    /// Range and envelope are requested at once.
    pub(crate) at_once: bool,
}

impl Attempt {
    pub(crate) const FRESH: Self = Self { kept: false, at_once: false };
}

/// How far the decryptor and the bytes are known to belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Both came in one answer, or in answers with the same strong e_tag.
    Together,
    /// The decryptor was kept from an earlier read, or the store gives no strong e_tags.
    Apart,
}

impl Trust {
    /// Returns what to do about bytes that do not authenticate.
    pub(crate) fn on_bytes(self, location: &Path, error: atrest::Error) -> Failed {
        let stale = matches!(error, atrest::Error::Inauthentic | atrest::Error::Truncated);
        let error = error::of(location, error);
        if stale && self == Self::Apart { Failed::Stale(error) } else { Failed::Finally(error) }
    }

    pub(crate) fn and(self, same: Same) -> Self {
        if same == Same::Unknown { Self::Apart } else { self }
    }
}

/// Returns the e_tag if two equal ones mean equal bytes: it is there and it is not weak.
pub(crate) fn strong_e_tag(meta: &ObjectMeta) -> Option<&String> {
    meta.e_tag.as_ref().filter(|e_tag| !e_tag.is_empty() && !e_tag.starts_with("W/"))
}

/// How far two answers are known to be of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Same {
    /// Their strong e_tags are equal.
    Yes,
    No,
    /// The store gives no strong e_tags, and nothing else differs.
    Unknown,
}

pub(crate) fn same_object(one: &ObjectMeta, other: &ObjectMeta) -> Same {
    if one.size != other.size || one.version != other.version {
        return Same::No;
    }
    match (strong_e_tag(one), strong_e_tag(other)) {
        (Some(one), Some(other)) if one == other => Same::Yes,
        (None, None) if one.last_modified == other.last_modified => Same::Unknown,
        _ => Same::No,
    }
}

/// Requests a range of the stored object, or all of it.
///
/// A store that does not support suffixes is asked for the length first.
pub(crate) async fn ask<T: ObjectStore>(
    inner: &T,
    learnt: &Learnt,
    call: &Call,
    options: GetOptions,
    range: Option<GetRange>,
) -> Result<GetResult> {
    let location = &call.location;
    let suffix = match &range {
        Some(GetRange::Suffix(len)) => Some(*len),
        _ => None,
    };
    let asked = GetOptions { range, ..options };
    let answer = match (inner.get_opts(location, asked.clone()).await, suffix) {
        (Err(Error::NotSupported { .. }), Some(len)) => {
            let head = inner.get_opts(location, GetOptions { range: None, head: true, ..asked.clone() }).await?;
            let bounded = GetRange::Bounded(head.meta.size.saturating_sub(len)..head.meta.size);
            let same = if_still(&asked, &head.meta);
            inner.get_opts(location, GetOptions { range: Some(bounded), ..same }).await?
        }
        (answer, _) => answer?,
    };
    learnt.note(&answer);
    let GetResult { range: got, meta, .. } = &answer;
    if got.start > got.end || got.end > meta.size {
        return Err(StoreError::OtherBytes.generic());
    }
    Ok(answer)
}

/// Returns the options of a further request of the same read: instead of the caller's conditions, which the first
/// answer has met, the object must still be the one of the first answer.
pub(crate) fn if_still(options: &GetOptions, meta: &ObjectMeta) -> GetOptions {
    GetOptions {
        if_match: strong_e_tag(meta).cloned(),
        if_none_match: None,
        if_modified_since: None,
        if_unmodified_since: None,
        version: options.version.clone(),
        range: None,
        head: false,
        extensions: options.extensions.clone(),
    }
}

/// Returns the options of a request that flies beside the one that has the caller's conditions.
pub(crate) fn beside(options: &GetOptions) -> GetOptions {
    GetOptions {
        if_match: None,
        if_none_match: None,
        if_modified_since: None,
        if_unmodified_since: None,
        range: None,
        head: false,
        ..options.clone()
    }
}

/// Tells an object that was overwritten or deleted between two requests from every other failure of the second one.
pub(crate) fn of_second(call: &Call, error: Error) -> Failed {
    match error {
        Error::Precondition { .. } | Error::NotFound { .. } => {
            Failed::Stale(StoreError::Overwritten.at(&call.location))
        }
        error => Failed::Finally(error),
    }
}
