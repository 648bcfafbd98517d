//! Opens one sealed value of each of many SSE-S3 objects, under the keyring alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Named, Sse, Unlock};
use crate::audit::{AuditEvent, AuditOperation};
use crate::crypto::Crypto;
use crate::envelope::{Envelope, ModeId};
use crate::error::{Error, Result, Unexpected};
use crate::mode::{Kek, unwrap};
use crate::object::ObjectName;
use crate::secret::MasterKey;
use crate::stream::SealedValue;
use crate::stream::each_layer::EachLayer;
use crate::stream::message::LayerSecret;
use crate::stream::value::Values;

/// A sealed value of an object.
#[derive(Clone, Copy)]
pub(crate) struct ListedValue<'a> {
    pub(crate) object: &'a ObjectName,
    pub(crate) envelope: &'a Envelope,
    pub(crate) sealed: &'a SealedValue,
}

impl Sse {
    /// Opens a value of this name beside each SSE-S3 object, in the order given; each with its own outcome.
    ///
    /// No key provider is asked, and no key of a body is derived. The keyring's file is read at most once.
    pub(crate) async fn open_values(&self, name: &str, listed: &[ListedValue<'_>]) -> Vec<Result<Vec<u8>>> {
        let accepted: Vec<Result<u32>> = listed.iter().map(|value| self.version_of(value)).collect();
        let versions: BTreeSet<u32> = accepted.iter().flatten().copied().collect();
        let (keys, crypto) = match (self.keyring(), self.shared.cryptos(ModeId::SseS3)) {
            (Some(keyring), Ok((crypto, _))) => (keyring.unwrapping_keys(&versions).await, crypto),
            (None, _) => return accepted.into_iter().map(|_| Err(Unexpected::Mode.into())).collect(),
            (_, Err(error)) => return accepted.into_iter().map(|_| Err(error.clone())).collect(),
        };
        let keyed = accepted.into_iter().zip(listed).map(|(version, value)| {
            let key = keys.get(&version?).cloned().ok_or(Error::Inauthentic)??;
            self.open_value(name, value, crypto, key)
        });
        keyed.collect()
    }

    /// The version of the keyring that an SSE-S3 object was wrapped under, where it is accepted here.
    fn version_of(&self, value: &ListedValue<'_>) -> Result<u32> {
        if value.envelope.mode() != ModeId::SseS3 {
            return Err(Unexpected::Mode.into());
        }
        self.check(Named::object(value.object), value.envelope, Some(Unlock::Server))?;
        value.envelope.key_version().ok_or(Error::Inauthentic)
    }

    fn open_value(&self, name: &str, value: &ListedValue<'_>, crypto: Crypto, key: Arc<MasterKey>) -> Result<Vec<u8>> {
        let context = value.object.wrap_context(b"");
        let data_key = unwrap(value.envelope, crypto, &Kek::Master(key), &context)?;
        let header = value.envelope.content.header().ok_or(Error::UploadNotComplete)?;
        let keys = EachLayer::one(LayerSecret { crypto, data_key });
        Values::new(Arc::new(keys), header.salt(), self.shared.generator.clone()).open(name, value.sealed)
    }

    /// Puts a listing on record where the trail wants it: how many ETags were asked for, and how many could not be opened.
    pub(crate) async fn record_listing(&self, asked: usize, failed: usize) -> Result<()> {
        let Some(trail) = self.shared.audit.as_ref().filter(|trail| trail.wants_listings()) else {
            return Ok(());
        };
        let event = AuditEvent::new(SystemTime::now(), self.requester.clone(), AuditOperation::ListEtags)
            .with_mode(ModeId::SseS3)
            .with_parameter("etagCount", asked)
            .with_parameter("failedCount", failed);
        trail.record(event).await
    }
}
