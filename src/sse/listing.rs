//! [`ListedValue`], and the calls that open one sealed value of each of many SSE-S3 objects with the keyring alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Sse, Unlock};
use crate::crypto::Crypto;
use crate::envelope::{Envelope, ModeId};
use crate::error::{Error, Result, Unexpected};
use crate::geometry::EachLayer;
use crate::mode::Target;
use crate::object::ObjectName;
use crate::secret::MasterKey;
use crate::stream::SealedValue;
use crate::stream::object_keys::LayerSecret;
use crate::trail::{AuditEvent, AuditOperation};

/// The keys of a keyring's versions, or the reason why a version has no usable key.
type Keys = BTreeMap<u32, Result<Arc<MasterKey>>>;

/// A sealed value of an object.
#[derive(Clone, Copy)]
pub(crate) struct ListedValue<'a> {
    pub(crate) object: &'a ObjectName,
    pub(crate) envelope: &'a Envelope,
    pub(crate) sealed: &'a SealedValue,
}

impl Sse {
    /// Opens the sealed value with this name of each SSE-S3 object. The results have the order of `listed`.
    ///
    /// No key provider is called, and no key of a body is derived. The stored keyring is read at most once.
    pub(crate) async fn open_values(&self, name: &str, listed: &[ListedValue<'_>]) -> Vec<Result<Vec<u8>>> {
        let Some(keyring) = self.keyring() else {
            return listed.iter().map(|_| Err(Unexpected::Mode.into())).collect();
        };
        let crypto = match self.shared.cryptos(ModeId::SseS3) {
            Ok(cryptos) => cryptos.outer,
            Err(error) => return listed.iter().map(|_| Err(error.clone())).collect(),
        };
        let of_keyring = |value: &&ListedValue<'_>| keyring.is(value.envelope.key_id());
        let versions = listed.iter().filter(of_keyring).filter_map(|value| value.envelope.key_version());
        let keys = keyring.unwrapping_keys(&versions.collect()).await;
        // PERF: all steps of one object together, while its envelope is in the cache.
        listed.iter().map(|value| self.open_value(name, value, crypto, &keys)).collect()
    }

    fn open_value(&self, name: &str, value: &ListedValue<'_>, crypto: Crypto, keys: &Keys) -> Result<Vec<u8>> {
        let ListedValue { object, envelope, sealed } = *value;
        if envelope.mode() != ModeId::SseS3 {
            return Err(Unexpected::Mode.into());
        }
        let target = Target::object(object);
        self.check(target, envelope, Some(Unlock::Server))?;
        let key = envelope.key_version().and_then(|version| keys.get(&version)).ok_or(Error::Inauthentic)?.clone()?;
        let data_key = envelope.unwrap(crypto, key.expose_secret(), &target.binding()?)?;
        let header = envelope.header().content.header().ok_or(Error::UploadNotComplete)?;
        let keys = self.object_keys(EachLayer::one(LayerSecret::new(crypto, data_key)));
        keys.values_of(header.salt()).open(name, sealed)
    }

    /// Records a listing if the trail wants listings: how many ETags were requested, and how many could not be opened.
    pub(crate) async fn record_listing(&self, asked: usize, failed: usize) -> Result<()> {
        let Some(trail) = self.shared.audit.as_ref().filter(|trail| trail.wants_listings()) else {
            return Ok(());
        };
        let event = AuditEvent::new(self.shared.clock.wall(), self.requester.clone(), AuditOperation::ListEtags)
            .with_mode(ModeId::SseS3)
            .with_parameter("etagCount", asked)
            .with_parameter("failedCount", failed);
        trail.record(event).await
    }
}
