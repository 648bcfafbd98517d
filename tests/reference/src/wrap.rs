//! The verifier, and wrapping and unwrapping of data keys.

use crate::Error;
use crate::envelope::Envelope;
use crate::kdf::{expand, extract, gcm_open, gcm_seal, label};
use crate::name::{Name, ctx};

/// `Expand(prk, D"verifier\0" || version || mode || suite, 32)`.
pub fn verifier(kek: &[u8; 32], wrap_salt: &[u8; 32], mode: u8) -> [u8; 32] {
    let prk = extract(wrap_salt, kek);
    let (version, suite) = (1, 1);
    let info = [label("verifier"), vec![version, mode, suite]].concat();
    expand(&prk, &info, 32).try_into().expect("32 bytes")
}

/// `wk || wn = Expand(prk, D"wrap\0" || header || CTX, 32 + 12)`; `header` is every envelope byte before
/// the wrapped key.
pub fn wk_wn(kek: &[u8; 32], wrap_salt: &[u8; 32], header: &[u8], ctx: &[u8]) -> [u8; 44] {
    let prk = extract(wrap_salt, kek);
    let info = [&label("wrap")[..], header, ctx].concat();
    expand(&prk, &info, 44).try_into().expect("44 bytes")
}

/// Sets the wrapped key of an envelope that is complete but for it.
pub fn wrap(envelope: &mut Envelope, kek: &[u8; 32], name: Option<&Name>, data_key: &[u8; 32]) {
    let keys = wk_wn(kek, &envelope.wrap_salt, &envelope.header(), &ctx(name));
    let wrapped = gcm_seal(&keys[..32], &keys[32..], data_key);
    envelope.wrapped_key = wrapped.try_into().expect("48 bytes");
}

/// The data key. The verifier is compared first, and its failure is CustomerKeyMismatch in mode 4.
pub fn unwrap(envelope: &Envelope, kek: &[u8; 32], name: Option<&Name>) -> Result<[u8; 32], Error> {
    if verifier(kek, &envelope.wrap_salt, envelope.mode) != envelope.verifier {
        return Err(match envelope.mode {
            4 => Error::CustomerKeyMismatch,
            _ => Error::Inauthentic,
        });
    }
    let keys = wk_wn(kek, &envelope.wrap_salt, &envelope.header(), &ctx(name));
    let data_key = gcm_open(&keys[..32], &keys[32..], &envelope.wrapped_key)?;
    Ok(data_key.try_into().expect("48 bytes opened to 32"))
}
