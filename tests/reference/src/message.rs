//! Messages: C2SP chunked-encryption, Cobblestone-256.

use crate::Error;
use crate::kdf::{expand, gcm_open, gcm_seal};

/// Plaintext bytes of every chunk but the last.
pub const CHUNK: usize = 16_384;
/// The most plaintext that a message holds.
pub const MAX_PLAINTEXT: u64 = (1 << 52) - 1;

/// The length of a message over `p` bytes; nothing where no message is so long.
pub fn ciphertext_len(p: u64) -> Option<u64> {
    match p <= MAX_PLAINTEXT {
        true => Some(56 + p + 16 * (p / 16_384 + 1)),
        false => None,
    }
}

/// The plaintext in a message of `c` bytes; nothing where no message has that length.
pub fn plaintext_len(c: u64) -> Option<u64> {
    if c < 72 {
        return None;
    }
    let (n, r) = ((c - 56) / 16_400, (c - 56) % 16_400);
    if r < 16 {
        return None;
    }
    let p = 16_384 * n + r - 16;
    (p <= MAX_PLAINTEXT).then_some(p)
}

/// The most plaintext of an object of so many layers.
pub fn max_plaintext(layers: usize) -> u64 {
    match layers {
        1 => MAX_PLAINTEXT,
        // The largest p with ciphertext_len(p) at most MAX_PLAINTEXT, by bisection.
        _ => {
            let (mut fits, mut too_long) = (0, MAX_PLAINTEXT);
            while too_long - fits > 1 {
                let middle = fits + (too_long - fits) / 2;
                match ciphertext_len(middle).is_some_and(|c| c <= MAX_PLAINTEXT) {
                    true => fits = middle,
                    false => too_long = middle,
                }
            }
            fits
        }
    }
}

/// `ciphertext_len`, once for every layer.
pub fn stored_len(p: u64, layers: usize) -> Option<u64> {
    (0..layers).try_fold(p, |len, _| ciphertext_len(len))
}

/// The context of an object's body.
pub fn object_context() -> Vec<u8> {
    b"atrest/v1/object\0".to_vec()
}

/// The context of part `n`.
pub fn part_context(n: u32) -> Vec<u8> {
    [b"atrest/v1/part\0", &n.to_be_bytes()[..]].concat()
}

/// The context of a manifest.
pub fn manifest_context() -> Vec<u8> {
    b"atrest/v1/manifest\0".to_vec()
}

struct Keys {
    key: Vec<u8>,
    base_nonce: Vec<u8>,
    commitment: Vec<u8>,
}

impl Keys {
    fn derive(data_key: &[u8], context: &[u8], salt: &[u8]) -> Keys {
        let prefix = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";
        let out = expand(data_key, &[prefix, salt, context].concat(), 76);
        Keys { key: out[..32].to_vec(), base_nonce: out[32..44].to_vec(), commitment: out[44..].to_vec() }
    }

    /// `base_nonce XOR u96(i)`.
    fn nonce(&self, i: usize) -> Vec<u8> {
        let counter = (i as u128).to_be_bytes();
        self.base_nonce.iter().zip(&counter[4..]).map(|(a, b)| a ^ b).collect()
    }
}

/// `salt(24) || commitment(32)`: what a message begins with.
pub fn header(data_key: &[u8], context: &[u8], salt: &[u8; 24]) -> [u8; 56] {
    let keys = Keys::derive(data_key, context, salt);
    [&salt[..], &keys.commitment].concat().try_into().expect("24 and 32 bytes")
}

/// A whole message.
pub fn seal(data_key: &[u8], context: &[u8], salt: &[u8; 24], plaintext: &[u8]) -> Vec<u8> {
    let keys = Keys::derive(data_key, context, salt);
    let mut message = header(data_key, context, salt).to_vec();
    let full = plaintext.len() / CHUNK;
    for i in 0..full {
        let chunk = &plaintext[CHUNK * i..CHUNK * (i + 1)];
        message.extend(gcm_seal(&keys.key, &keys.nonce(i), chunk));
    }
    // The last chunk is always shorter, perhaps empty: that is the end marker.
    message.extend(gcm_seal(&keys.key, &keys.nonce(full), &plaintext[CHUNK * full..]));
    message
}

/// Opens a whole message. A length that no message has is Truncated, all else Inauthentic.
pub fn open(data_key: &[u8], context: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    if plaintext_len(message.len() as u64).is_none() {
        return Err(Error::Truncated);
    }
    let (header, chunks) = message.split_at(56);
    let keys = Keys::derive(data_key, context, &header[..24]);
    if keys.commitment != header[24..] {
        return Err(Error::Inauthentic);
    }
    let mut plaintext = Vec::new();
    for (i, chunk) in chunks.chunks(CHUNK + 16).enumerate() {
        plaintext.extend(gcm_open(&keys.key, &keys.nonce(i), chunk)?);
    }
    Ok(plaintext)
}

/// As [`open`], of a message whose header is known from elsewhere.
pub fn open_of_header(expected: &[u8], data_key: &[u8], context: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    if plaintext_len(message.len() as u64).is_none() {
        return Err(Error::Truncated);
    }
    if message[..56] != *expected {
        return Err(Error::Inauthentic);
    }
    open(data_key, context, message)
}

/// Opens one message, or a message in a message. The inner one has no say in whether the outer was
/// cut: of no possible length, it is Inauthentic.
pub fn open_layers(
    headers: &[Vec<u8>],
    data_keys: &[[u8; 32]],
    context: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut opened = message.to_vec();
    for (layer, (header, data_key)) in headers.iter().zip(data_keys).enumerate() {
        opened = match open_of_header(header, data_key, context, &opened) {
            Err(_) if layer > 0 => return Err(Error::Inauthentic),
            other => other?,
        };
    }
    Ok(opened)
}
