//! Sealed values: small secrets beside an object.

use crate::Error;
use crate::kdf::{expand, gcm_open, gcm_seal, label, lp};

/// The most bytes of a caller's value.
pub const MAX_LEN: usize = 65_535;

/// One salt for each layer, from the outer one inward, as are the data keys.
pub fn seal(
    data_keys: &[[u8; 32]],
    of: &[u8; 24],
    name: &str,
    salts: &[[u8; 24]],
    value: &[u8],
) -> Result<Vec<u8>, Error> {
    check_name(name)?;
    if value.len() > MAX_LEN {
        return Err(Error::LimitExceeded);
    }
    Ok(seal_reserved(data_keys, of, name, salts, value))
}

/// The inverse of [`seal`].
pub fn open(data_keys: &[[u8; 32]], of: &[u8; 24], name: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    check_name(name)?;
    open_reserved(data_keys, of, name, sealed)
}

fn check_name(name: &str) -> Result<(), Error> {
    match (1..=255).contains(&name.len()) && !name.starts_with("atrest/") {
        true => Ok(()),
        false => Err(Error::Misuse),
    }
}

fn key_and_nonce(data_key: &[u8; 32], of: &[u8; 24], name: &str, salt: &[u8]) -> Vec<u8> {
    let info = [&label("value")[..], of, &lp(name.as_bytes()), salt].concat();
    expand(data_key, &info, 44)
}

/// As [`seal`], of any name: the inner layer first, its result in the outer.
pub fn seal_reserved(data_keys: &[[u8; 32]], of: &[u8; 24], name: &str, salts: &[[u8; 24]], value: &[u8]) -> Vec<u8> {
    let mut sealed = value.to_vec();
    for (data_key, salt) in data_keys.iter().zip(salts).rev() {
        let keys = key_and_nonce(data_key, of, name, salt);
        let body = gcm_seal(&keys[..32], &keys[32..], &sealed);
        sealed = [&[0x01], &salt[..], &body].concat();
    }
    sealed
}

/// As [`open`], of any name.
pub fn open_reserved(data_keys: &[[u8; 32]], of: &[u8; 24], name: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut opened = sealed.to_vec();
    for data_key in data_keys {
        if opened.len() < 41 || opened[0] != 0x01 {
            return Err(Error::Inauthentic);
        }
        let (salt, body) = opened[1..].split_at(24);
        let keys = key_and_nonce(data_key, of, name, salt);
        opened = gcm_open(&keys[..32], &keys[32..], body)?;
    }
    match opened.len() <= MAX_LEN {
        true => Ok(opened),
        false => Err(Error::Inauthentic),
    }
}
