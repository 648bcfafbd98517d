//! [`TracingSink`]: an audit sink that emits events to `tracing`.

use std::fmt;
use std::future::ready;

use super::names;
use crate::keys::EncryptionContext;
use crate::object::ObjectName;
use crate::trail::{AuditEvent, AuditFuture, AuditSink, KeyProviderAnswer};

/// Emits every event to `tracing` with the target `atrest::audit`: completed operations at level INFO, refused or
/// failed ones at WARN. Never fails.
///
/// The fields, each present if it has a value: `operation`, `requester`, `mode`, `bucket`, `key`, `requested_key_id`,
/// `key_id`, `key_version`, `context` (all pairs, with their values), `parameters`, `key_provider_answers` (such as
/// `Decrypt from cache (7f3a)`, with the request id of the KMS's own log), `request_id` (in events of the embedded KMS)
/// and `error`; of the object also `realm` and `version_id`, and `source_bucket` and `source_key` if it had another
/// name. If one of the names is not UTF-8, all of them are percent-encoded and the field `encoding` is `url`.
///
/// # Security
///
/// Events that a subscriber filters out or fails to write are not recorded. Clients choose the names: make the
/// subscriber escape them.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingSink {}

impl TracingSink {
    /// Creates a sink that emits to the subscriber current at each call.
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
        let answers = Some(event.key_provider_answers()).filter(|answers| !answers.is_empty()).map(Answers);
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
                    key_provider_answers = answers.map(tracing::field::display),
                    request_id = event.request_id(),
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

/// The answers of the key provider, separated by commas.
#[derive(Clone, Copy)]
struct Answers<'a>(&'a [KeyProviderAnswer]);

impl fmt::Display for Answers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, answer) in self.0.iter().enumerate() {
            let (operation, from) = names::of_answer(answer);
            write!(f, "{}{operation} from {from}", if number == 0 { "" } else { ", " })?;
            if let Some(request_id) = answer.request_id() {
                write!(f, " ({request_id})")?;
            }
        }
        Ok(())
    }
}

/// The pairs with their values, which belong in an audit trail and in no other log.
struct Pairs<'a>(&'a EncryptionContext);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}
