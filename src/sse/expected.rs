//! [`Expected`]: the objects that a reader accepts.

use crate::envelope::{Envelope, ModeId};
use crate::error::{Result, Unexpected};
use crate::mode::KmsKeys;

/// The expectations of a reader: the modes and KMS keys that it accepts among those that its `Sse` accepts. The default
/// accepts all of them.
///
/// ```
/// use atrest::{Expected, KmsKeys, ModeId};
/// let kms_keys = KmsKeys::only(["arn:aws:kms:…:key/1"]);
/// let this_object = Expected::new().with_modes([ModeId::SseKms]).with_kms_keys(kms_keys);
/// ```
///
/// Spec: manual, format, "What the reader demands".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    modes: Option<Vec<ModeId>>,
    kms_keys: Option<KmsKeys>,
    no_records: bool,
}

impl Expected {
    /// Accepts everything that the `Sse` accepts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts only the mode of this envelope and its KMS key.
    ///
    /// Call it with an envelope that this process has just written, or that is kept where an attacker who writes the
    /// store cannot write.
    pub fn exactly(envelope: &Envelope) -> Self {
        let kms_keys = envelope.kms_key_id().map(|key_id| KmsKeys::only([key_id]));
        Self { modes: Some(vec![envelope.mode()]), kms_keys, ..Self::default() }
    }

    /// Accepts only these modes.
    #[must_use]
    pub fn with_modes(self, modes: impl IntoIterator<Item = ModeId>) -> Self {
        Self { modes: Some(modes.into_iter().collect()), ..self }
    }

    /// Accepts only these KMS keys, in SSE-KMS and in the inner layer of DSSE-KMS.
    #[must_use]
    pub fn with_kms_keys(self, keys: KmsKeys) -> Self {
        Self { kms_keys: Some(keys), ..self }
    }

    /// Refuses a completion record in the place of an envelope: for objects whose completion is known to be finished,
    /// or that were not uploaded in parts.
    #[must_use]
    pub fn without_records(self) -> Self {
        Self { no_records: true, ..self }
    }

    /// Returns an error unless exactly this mode is allowed and, if that mode has a KMS key, exactly one KMS key.
    pub(super) fn says_which(&self, mode: ModeId) -> Result<()> {
        if self.modes.as_ref().is_none_or(|modes| *modes != [mode]) {
            return Err(Unexpected::Mode.into());
        }
        let kms_key = matches!(mode, ModeId::SseKms | ModeId::DsseKms);
        if kms_key && self.kms_keys.as_ref().is_none_or(|keys| !keys.is_one()) {
            return Err(Unexpected::KmsKey.into());
        }
        Ok(())
    }

    /// Returns whether the mode of an envelope and its KMS key, if it has one, are allowed.
    #[cfg(feature = "s3")]
    pub(crate) fn accepts(&self, envelope: &Envelope) -> bool {
        self.accepts_mode(envelope.mode()) && envelope.kms_key_id().is_none_or(|key_id| self.accepts_kms_key(key_id))
    }

    pub(super) fn accepts_records(&self) -> bool {
        !self.no_records
    }

    pub(super) fn accepts_mode(&self, mode: ModeId) -> bool {
        self.modes.as_ref().is_none_or(|modes| modes.contains(&mode))
    }

    pub(super) fn accepts_kms_key(&self, key_id: &str) -> bool {
        self.kms_keys.as_ref().is_none_or(|keys| keys.accept(key_id))
    }
}
