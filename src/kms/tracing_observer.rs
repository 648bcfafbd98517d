//! [`TracingObserver`]: an observer that emits the calls of a key provider to `tracing`.

use super::observed::{KmsCall, KmsObserver, KmsOutcome};
use crate::keys::KmsOperation;

/// Emits every call of a key provider to `tracing` with the target `atrest::kms`: one that returned an error at level
/// WARN, all others at DEBUG.
///
/// The fields, each present if it has a value: `operation` (`generate` or `unwrap`), `requested_key_id`, `requester`,
/// `seconds` (how long the call took), `key_id` (the resolved id of the key that was returned), `abandoned` (`true` if
/// the caller left first), `error`, and `key_provider_request_id` (the id that the provider's backend gave to the
/// call).
///
/// ```
/// # fn example(kms: std::sync::Arc<dyn atrest::KeyProvider>) {
/// use std::sync::Arc;
/// use atrest::kms::{Observed, TracingObserver};
///
/// let kms = Observed::new(kms, Arc::new(TracingObserver::new()));
/// # }
/// ```
///
/// # Security
///
/// Clients choose the requested ids: make the subscriber escape them.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingObserver {}

impl TracingObserver {
    /// Creates an observer that emits to the subscriber current at each call.
    pub fn new() -> Self {
        Self::default()
    }
}

impl KmsObserver for TracingObserver {
    fn ended(&self, call: &KmsCall<'_>) {
        let operation = match call.operation {
            KmsOperation::Generate => "generate",
            KmsOperation::Unwrap => "unwrap",
        };
        let (key_id, error) = match call.outcome {
            KmsOutcome::Key(key_id) => (Some(key_id), None),
            KmsOutcome::Error(error) => (None, Some(error)),
            KmsOutcome::Abandoned => (None, None),
        };
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(
                    target: "atrest::kms",
                    operation,
                    requested_key_id = call.request.key_id(),
                    requester = call.request.requester().as_str(),
                    seconds = call.took.as_secs_f64(),
                    key_id,
                    abandoned = matches!(call.outcome, KmsOutcome::Abandoned).then_some(true),
                    error = error.map(tracing::field::display),
                    key_provider_request_id = call.request_id,
                )
            };
        }
        if error.is_some() { emit!(warn) } else { emit!(debug) }
    }
}
