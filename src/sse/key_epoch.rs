//! [`KeyEpoch`], by which a cache outside the library learns that the keys of an object changed.

use super::Sse;
use crate::envelope::{Envelope, ModeId};
use crate::keys::{Keyring, UNKNOWN_EPOCH};

/// A value that is another after each change by which the keys of an envelope may be refused, or become usable.
///
/// [`Sse::key_epoch`] returns it. Two values are compared for one envelope and one `Sse` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyEpoch {
    /// How often the keyring was written; 0 for a mode without a keyring.
    generation: u64,
    /// The epoch of the KMS key; 0 for a mode without one.
    provider: u64,
}

impl Sse {
    /// Returns the present epoch of the keys that open this envelope, as far as this process knows; `None` if the key
    /// provider cannot tell it now. No key is requested.
    ///
    /// A cache of decryptors, or of what was decrypted, takes the epoch before it asks for a key, and compares it at
    /// each use. An entry of another epoch, or without one, is not served.
    ///
    /// # Security
    ///
    /// A provider that [tells no changes](crate::KeyProvider::epoch) has one epoch for ever, and changes of a keyring
    /// by another process are seen when the keyring is read again. So a cache also needs an age.
    pub fn key_epoch(&self, envelope: &Envelope) -> Option<KeyEpoch> {
        let generation = match envelope.mode() {
            ModeId::SseS3 | ModeId::DsseKms => self.keyring().map_or(0, Keyring::generation),
            ModeId::SseKms | ModeId::SseC => 0,
        };
        let kms = envelope.kms_key_id().zip(self.shared.kms.as_ref());
        let provider = kms.map_or(0, |(key_id, kms)| kms.epoch(key_id));
        (provider != UNKNOWN_EPOCH).then_some(KeyEpoch { generation, provider })
    }
}
