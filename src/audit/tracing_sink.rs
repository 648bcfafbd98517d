//! Events of `tracing`.

use std::fmt;
use std::io;

use super::{AuditEvent, AuditSink, names};
use crate::keys::EncryptionContext;

/// Gives every event to `tracing`, with the target `atrest::audit`: at level INFO what was done, at WARN what was refused.
/// Never fails.
///
/// The fields, each where there is something to say: `operation`, `requester`, `mode`, `bucket`, `key`, `requested_key_id`,
/// `key_id`, `key_version`, `context` (all pairs, with their values) and `error`. Where one of the object's names is not
/// UTF-8, bucket and key are both in percent-encoding and the field `encoding` says `url`.
///
/// # Security
///
/// What a subscriber filters out, or fails to write, is not on record. Names are the clients' own: have the subscriber
/// escape them.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingSink {}

impl TracingSink {
    /// The sink, which goes to whatever subscriber there is where it is called.
    pub fn new() -> Self {
        Self::default()
    }
}

impl AuditSink for TracingSink {
    fn record(&self, event: &AuditEvent) -> io::Result<()> {
        let named = event.object().filter(|object| object.is_bound());
        let encoded = named.is_some_and(|object| !names::are_text(object));
        let (bucket, key) = (
            named.map(|object| names::text(object.bucket(), encoded)),
            named.map(|object| names::text(object.key(), encoded)),
        );
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(
                    target: "atrest::audit",
                    operation = event.operation().event_name(),
                    requester = event.requester().as_str(),
                    mode = event.mode().map(tracing::field::display),
                    bucket = bucket.as_deref(),
                    key = key.as_deref(),
                    encoding = encoded.then_some("url"),
                    requested_key_id = event.requested_key_id(),
                    key_id = event.key_id(),
                    key_version = event.key_version(),
                    context = event.context().map(|context| tracing::field::debug(Pairs(context))),
                    error = event.error().map(tracing::field::display),
                )
            };
        }
        if event.error().is_none() {
            emit!(info)
        } else {
            emit!(warn)
        }
        Ok(())
    }
}

/// The pairs with their values: they are part of an audit trail, and of no other log.
struct Pairs<'a>(&'a EncryptionContext);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}
