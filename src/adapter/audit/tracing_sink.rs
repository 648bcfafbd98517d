//! [`TracingSink`]: passes audit events to `tracing`.

use std::fmt;
use std::future::ready;

use super::names;
use crate::keys::EncryptionContext;
use crate::object::ObjectName;
use crate::trail::{AuditEvent, AuditFuture, AuditSink};

/// Gives every event to `tracing`, with the target `atrest::audit`: at level INFO what was done, at WARN what was
/// refused. Never fails.
///
/// The fields, each where there is something to say: `operation`, `requester`, `mode`, `bucket`, `key`,
/// `requested_key_id`, `key_id`, `key_version`, `context` (all pairs, with their values), `parameters`,
/// `key_provider_request_id` and `error`; of the object also `realm` and `version_id`, and where it had another name
/// `source_bucket` and `source_key`. Where one of the names is not UTF-8, all of them are in percent-encoding and the
/// field `encoding` says `url`.
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
    fn record(&self, event: AuditEvent) -> AuditFuture {
        let named = event.object().filter(|object| object.is_bound());
        let source = event.source_object().filter(|object| object.is_bound());
        let encoded = [named, source].into_iter().flatten().any(|object| !names::are_text(object));
        let text = |name: Option<&'_ [u8]>| {
            name.filter(|name| !name.is_empty()).map(|name| names::text(name, encoded).into_owned())
        };
        let (bucket, key) = (text(named.map(ObjectName::bucket)), text(named.map(ObjectName::key)));
        let realm = text(named.map(ObjectName::realm));
        let version_id = text(named.map(ObjectName::version_id));
        let (source_bucket, source_key) = (text(source.map(ObjectName::bucket)), text(source.map(ObjectName::key)));
        let parameters = Some(event.parameters()).filter(|parameters| !parameters.is_empty());
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(
                    target: "atrest::audit",
                    operation = event.operation().event_name(),
                    requester = event.requester().as_str(),
                    mode = event.mode().map(tracing::field::display),
                    bucket = bucket.as_deref(),
                    key = key.as_deref(),
                    realm = realm.as_deref(),
                    version_id = version_id.as_deref(),
                    source_bucket = source_bucket.as_deref(),
                    source_key = source_key.as_deref(),
                    encoding = encoded.then_some("url"),
                    requested_key_id = event.requested_key_id(),
                    key_id = event.key_id(),
                    key_version = event.key_version(),
                    context = event.context().map(|context| tracing::field::debug(Pairs(context))),
                    parameters = parameters.map(tracing::field::debug),
                    key_provider_request_id = event.key_provider_request_id(),
                    error = event.error().map(tracing::field::display),
                )
            };
        }
        if event.error().is_none() {
            emit!(info)
        } else {
            emit!(warn)
        }
        Box::pin(ready(Ok(())))
    }
}

/// The pairs with their values: they are part of an audit trail, and of no other log.
struct Pairs<'a>(&'a EncryptionContext);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}
