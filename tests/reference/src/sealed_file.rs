//! Sealed keyring files, and the embedded KMS's wrapped KEK.

use crate::kdf::{expand, extract, gcm_open, gcm_seal, label, lp};
use crate::pairs::Pairs;
use crate::parse::is_key_id;
use crate::{Error, pairs, take, take_lp, take_u16, take_u32, take_u64};

/// The first eight bytes of every sealed file.
pub const MAGIC: [u8; 8] = [0x89, 0x41, 0x52, 0x53, 0x46, 0x0D, 0x0A, 0x1A];
/// Kind 1.
pub const KEYRING: u8 = 1;

/// Opens a file of the kind asked for, sealed under 32 random bytes (kdf 0).
pub fn open_file(root_key: &[u8; 32], kind: u8, file: &[u8]) -> Result<Vec<u8>, Error> {
    if file.len() < 8 || file[..8] != MAGIC {
        return Err(Error::NotASealedFile);
    }
    if file.len() < 11 {
        return Err(Error::Malformed);
    }
    let (version, file_kind, kdf) = (file[8], file[9], file[10]);
    if version != 1 || file_kind != kind || kdf > 1 {
        return Err(Error::Unsupported);
    }
    if kdf == 1 {
        return Err(passphrase_file(&file[11..]));
    }
    let header_len = 11 + 32;
    if file.len() < header_len + 48 {
        return Err(Error::Malformed);
    }
    let (header, rest) = file.split_at(header_len);
    let (commitment, sealed) = rest.split_at(32);
    let keys = file_keys(root_key, header);
    if commitment != &keys[44..] {
        return Err(Error::WrongRootKey);
    }
    gcm_open(&keys[..32], &keys[32..44], sealed)
}

/// Why a key does not open a file of kdf 1.
fn passphrase_file(mut rest: &[u8]) -> Error {
    let mut parameter = || take_u32(&mut rest);
    let (Some(memory), Some(passes), Some(lanes)) = (parameter(), parameter(), parameter()) else {
        return Error::Malformed;
    };
    let memory_is_good = (19_456..=4 * 1_024 * 1_024).contains(&memory);
    if !memory_is_good || !(2..=64).contains(&passes) || !(1..=64).contains(&lanes) {
        return Error::Unsupported;
    }
    match rest.len() < 32 + 48 {
        true => Error::Malformed,
        false => Error::WrongRootKey,
    }
}

/// A file of kdf 0.
pub fn seal_file(root_key: &[u8; 32], kind: u8, salt: &[u8; 32], payload: &[u8]) -> Vec<u8> {
    let header = [&MAGIC[..], &[1, kind, 0], salt].concat();
    let keys = file_keys(root_key, &header);
    let sealed = gcm_seal(&keys[..32], &keys[32..44], payload);
    [&header[..], &keys[44..], &sealed].concat()
}

/// `k(32) || n(12) || commitment(32)`.
fn file_keys(root_key: &[u8; 32], header: &[u8]) -> Vec<u8> {
    let salt = &header[header.len() - 32..];
    expand(&extract(salt, root_key), &[&label("file")[..], header].concat(), 76)
}

/// The payload of kind 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    /// As in field 1 of an envelope.
    pub key_id: String,
    /// One higher at every write.
    pub generation: u64,
    /// The version written under.
    pub primary: u32,
    /// Above every version there ever was.
    pub next_version: u32,
    /// In strict ascending order.
    pub versions: Vec<Version>,
}

/// One master key of a keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// At least 1.
    pub number: u32,
    /// 0 staged, 1 enabled, 2 disabled.
    pub state: u8,
    /// Milliseconds since 1970.
    pub created: u64,
    /// The KEK of mode 1.
    pub master_key: [u8; 32],
}

/// A keyring file, opened and checked.
pub fn open_keyring(root_key: &[u8; 32], file: &[u8]) -> Result<Keyring, Error> {
    let payload = open_file(root_key, KEYRING, file)?;
    parse_keyring(&payload).ok_or(Error::Malformed)
}

/// A keyring file of kdf 0.
pub fn seal_keyring(root_key: &[u8; 32], salt: &[u8; 32], keyring: &Keyring) -> Vec<u8> {
    let n = u16::try_from(keyring.versions.len()).expect("at most 65,535 versions");
    let mut payload = lp(keyring.key_id.as_bytes());
    payload.extend_from_slice(&keyring.generation.to_be_bytes());
    payload.extend_from_slice(&keyring.primary.to_be_bytes());
    payload.extend_from_slice(&keyring.next_version.to_be_bytes());
    payload.extend_from_slice(&n.to_be_bytes());
    for version in &keyring.versions {
        payload.extend_from_slice(&version.number.to_be_bytes());
        payload.push(version.state);
        payload.extend_from_slice(&version.created.to_be_bytes());
        payload.extend_from_slice(&version.master_key);
    }
    seal_file(root_key, KEYRING, salt, &payload)
}

fn parse_keyring(mut payload: &[u8]) -> Option<Keyring> {
    let key_id = take_lp(&mut payload)?;
    if !is_key_id(key_id) {
        return None;
    }
    let mut keyring = Keyring {
        key_id: str::from_utf8(key_id).ok()?.to_owned(),
        generation: take_u64(&mut payload)?,
        primary: take_u32(&mut payload)?,
        next_version: take_u32(&mut payload)?,
        versions: Vec::new(),
    };
    let n = take_u16(&mut payload)?;
    for _ in 0..n {
        keyring.versions.push(Version {
            number: take_u32(&mut payload)?,
            state: take(&mut payload, 1)?[0],
            created: take_u64(&mut payload)?,
            master_key: take(&mut payload, 32)?.try_into().ok()?,
        });
    }
    let versions = &keyring.versions;
    let numbers: Vec<u32> = versions.iter().map(|version| version.number).collect();
    let good = payload.is_empty()
        && n >= 1
        && numbers[0] >= 1
        && numbers.is_sorted_by(|a, b| a < b)
        && numbers.iter().all(|number| *number < keyring.next_version)
        && versions.iter().all(|version| version.state <= 2)
        && versions.iter().any(|version| version.number == keyring.primary && version.state == 1);
    good.then_some(keyring)
}

/// The key under which the embedded KMS keeps a KEK, and what it is bound to.
#[derive(Clone, Debug)]
pub struct KmsKey {
    /// 32 random bytes.
    pub key: [u8; 32],
    /// At least 1.
    pub version: u32,
    /// The resolved key id.
    pub key_id: String,
    /// All pairs shown, `aws:s3:arn` among them.
    pub pairs: Pairs,
}

impl KmsKey {
    fn key_and_nonce(&self, salt: &[u8]) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        let key_id = lp(self.key_id.as_bytes());
        let info = [&label("kms")[..], &version, &key_id, &pairs::encode(&self.pairs)].concat();
        expand(&extract(salt, &self.key), &info, 44)
    }

    /// `0x01 || u32 key version || salt(32) || AES-256-GCM(k, n, KEK)`.
    pub fn wrap(&self, salt: &[u8; 32], kek: &[u8; 32]) -> Vec<u8> {
        let keys = self.key_and_nonce(salt);
        let sealed = gcm_seal(&keys[..32], &keys[32..], kek);
        [&[0x01], &self.version.to_be_bytes()[..], salt, &sealed].concat()
    }

    /// The inverse of [`KmsKey::wrap`].
    pub fn unwrap(&self, blob: &[u8]) -> Result<[u8; 32], Error> {
        if blob.len() != 85 || blob[0] != 0x01 {
            return Err(Error::Malformed);
        }
        let (version, rest) = blob[1..].split_at(4);
        if version != self.version.to_be_bytes() {
            return Err(Error::KeyProvider);
        }
        let (salt, sealed) = rest.split_at(32);
        let keys = self.key_and_nonce(salt);
        let kek = gcm_open(&keys[..32], &keys[32..], sealed)?;
        Ok(kek.try_into().expect("48 bytes opened to 32"))
    }
}
