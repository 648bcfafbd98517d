//! SSE-S3: the service's own master key, out of a keyring.

use super::layer::{Kek, LayerKey};
use crate::envelope::{Envelope, ModeId};
use crate::error::{Result, Unexpected};
use crate::keys::Keyring;

/// SSE-S3: under the primary of the service's keyring. Needs a keyring on the builder.
///
/// Spec: Amazon S3, "Using server-side encryption with Amazon S3 managed keys (SSE-S3)".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is written as a value and never takes a parameter")]
pub struct SseS3;

/// The primary of the keyring.
pub(super) async fn writing(keyring: &Keyring) -> Result<LayerKey<'static>> {
    let (key_id, version, key) = keyring.wrapping_key().await?;
    Ok(LayerKey {
        kek: Kek::Master(key),
        mode: ModeId::SseS3,
        key_id: Some(key_id),
        key_version: Some(version),
        wrapped_kek: None,
        context: None,
        bucket_key: false,
    })
}

/// The version of the keyring that the envelope names.
pub(super) async fn reading(keyring: &Keyring, envelope: &Envelope) -> Result<Kek<'static>> {
    match envelope.key_version().filter(|_| keyring.is(envelope.key_id())) {
        Some(version) => keyring.unwrapping_key(version).await.map(Kek::Master),
        None => Err(Unexpected::KeyringId.into()),
    }
}
