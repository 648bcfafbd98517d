//! [`KeyProviderAnswer`], what an operation got from the key provider, for its audit event; [`KeyAnswers`], all of one
//! operation.

use std::mem;
use std::sync::{Mutex, PoisonError};

use crate::error::KeyProviderError;

/// An operation of a key provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KmsOperation {
    /// [`KeyProvider::generate_key`](crate::KeyProvider::generate_key).
    Generate,
    /// [`KeyProvider::unwrap_key`](crate::KeyProvider::unwrap_key).
    Unwrap,
}

/// Where an operation got the answer of a key provider from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFrom {
    /// From a call of the provider that this operation made.
    Call,
    /// From a call in progress that another operation had begun, for the same [bucket
    /// key](crate::SseKms::with_bucket_key) and the same requester.
    JoinedCall,
    /// From memory, where an earlier call had left the [bucket key](crate::SseKms::with_bucket_key). The provider was
    /// not called.
    Cache,
}

/// What is on record of one answer of the key provider to an operation on an object: what the provider was asked for,
/// where the answer came from, and its request id. [`AuditEvent::error`](crate::audit::AuditEvent::error) tells whether
/// the answer was a key or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProviderAnswer {
    operation: KmsOperation,
    key_from: KeyFrom,
    request_id: Option<Box<str>>,
}

impl KeyProviderAnswer {
    /// Returns what the provider was asked for.
    pub fn operation(&self) -> KmsOperation {
        self.operation
    }

    /// Returns where the answer came from. A call that this operation made ([`KeyFrom::Call`]) may have served other
    /// operations too, if it brought a bucket key.
    pub fn key_from(&self) -> KeyFrom {
        self.key_from
    }

    /// Returns the request id that the provider's backend gave to the call, if the provider tells it. For a key from
    /// the cache this is the call that brought the key there.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// The answers of the key provider to one operation, in order. They are kept only if the operation is on record.
pub(crate) struct KeyAnswers(Option<Mutex<Vec<KeyProviderAnswer>>>);

/// Keeps no answer, for an operation that is not on record.
pub(crate) static UNRECORDED: KeyAnswers = KeyAnswers(None);

impl KeyAnswers {
    pub(crate) fn kept_if(is_recorded: bool) -> Self {
        Self(is_recorded.then(Mutex::default))
    }

    /// Adds an answer, with the request id of the key or of the error.
    pub(crate) fn add<T>(
        &self,
        operation: KmsOperation,
        key_from: KeyFrom,
        answer: &Result<T, KeyProviderError>,
        request_id: impl FnOnce(&T) -> Option<&str>,
    ) {
        let Some(answers) = &self.0 else { return };
        let request_id = answer.as_ref().map_or_else(KeyProviderError::request_id, request_id).map(Box::from);
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(KeyProviderAnswer { operation, key_from, request_id });
    }

    pub(crate) fn take(&self) -> Vec<KeyProviderAnswer> {
        let Some(answers) = &self.0 else { return Vec::new() };
        mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
