//! [`SseS3`], the mode under a master key of the service's keyring.

use super::layer::{Kek, LayerKey};
use crate::envelope::KeyRef;
use crate::error::Result;
use crate::keys::Keyring;

/// SSE-S3: encrypts under the primary of the service's keyring. It needs a keyring on the builder.
///
/// Spec: Amazon S3, "Using server-side encryption with Amazon S3 managed keys (SSE-S3)".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is written as a value and never takes a parameter")]
pub struct SseS3;

/// Returns the primary of the keyring, for SSE-S3 and for the outer layer of DSSE-KMS.
pub(super) async fn primary(keyring: &Keyring) -> Result<LayerKey<'static>> {
    let (id, version, key) = keyring.wrapping_key().await?;
    Ok(LayerKey { kek: Kek::Master(key), key: KeyRef::Keyring { id, version } })
}
