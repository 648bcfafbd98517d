//! Key stores of the embedded KMS: sealed by the oracle, so that they are always the same, and opened from a directory
//! of this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{env, fs, process};

use atrest::kms::{EmbeddedKms, EmbeddedKmsBuilder};
use atrest::{Clock, Requester, RootKey};
use atrest_reference::pairs::Pairs;
use atrest_reference::sealed_file::{KmsKey, seal_file};
use data_encoding::BASE64;
use serde_json::json;

pub const ROOT: [u8; 32] = [7; 32];
/// Kind 2 of sealed files.
pub const KEY_STORE: u8 = 2;
/// What the clock of every store here says, in milliseconds since 1970.
pub const NOW: u64 = 1_795_280_404_123;
pub const OWNER: &str = "owner";

pub fn root_key() -> RootKey {
    RootKey::from_bytes(&mut ROOT.clone()).unwrap()
}

pub fn owner() -> Requester {
    Requester::new(OWNER)
}

/// A payload of any bytes as a file that authenticates.
pub fn sealed(payload: &[u8]) -> Vec<u8> {
    seal_file(&ROOT, KEY_STORE, &[3; 32], payload)
}

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(NOW)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(NOW)
    }
}

/// A store at this path whose clock stands still.
pub fn at(path: &Path) -> EmbeddedKmsBuilder {
    EmbeddedKms::builder(path).clock(Arc::new(Still))
}

/// An empty directory of this process, in memory where there is such a file system; gone when this is dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let within = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
        let directory = Self(within.join(format!("atrest-fuzz-{}", process::id())));
        // A process of the same number may have crashed.
        let _ = fs::remove_dir_all(&directory.0);
        fs::create_dir(&directory.0).expect("a directory is made");
        directory
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A key of the store below.
pub struct KnownKey {
    pub id: &'static str,
    pub alias: &'static str,
    /// Number and the byte that the material consists of.
    pub versions: &'static [(u32, u8)],
}

/// Two keys with three versions; one of them stands for requests that name none.
pub const KEYS: [KnownKey; 2] = [
    KnownKey { id: "00000000-0000-4000-8000-000000000001", alias: "alias/app", versions: &[(1, 11), (4, 12)] },
    KnownKey { id: "00000000-0000-4000-8000-000000000002", alias: "alias/aws/s3", versions: &[(1, 13)] },
];

const ARN: &str = "arn:aws:kms:local:000000000000:";

impl KnownKey {
    pub fn arn(&self) -> String {
        format!("{ARN}key/{}", self.id)
    }

    /// Whether it goes by this name, as the manual says.
    pub fn is_named(&self, name: &str) -> bool {
        let alias_arn = format!("{ARN}{}", self.alias);
        [self.id, self.alias, &self.arn(), &alias_arn].contains(&name)
            || (name.is_empty() && self.alias == "alias/aws/s3")
    }

    /// A version of it as the oracle wraps and unwraps with it, bound to these pairs.
    pub fn bound(&self, version: u32, pairs: Pairs) -> Option<KmsKey> {
        let (_, byte) = self.versions.iter().find(|(number, _)| *number == version)?;
        Some(KmsKey { key: [*byte; 32], version, key_id: self.arn(), pairs })
    }
}

/// The payload of the store with these keys.
pub fn payload() -> Vec<u8> {
    let key = |byte: u8| BASE64.encode(&[byte; 32]);
    let version = |(number, byte): &(u32, u8)| json!({ "number": number, "created": NOW, "origin": "generated", "key": key(*byte) });
    let keys = KEYS.iter().map(|known| {
        let versions: Vec<_> = known.versions.iter().map(version).collect();
        json!({ "id": known.id, "created": NOW, "description": "", "tags": {}, "state": "enabled", "versions": versions })
    });
    let payload = json!({
        "version": 1, "id": "6b3c1f7e-54c9-4a0e-9d0b-2f1f6d0c8a11", "generation": 3, "written": NOW,
        "owner": OWNER, "region": "local", "account": "000000000000",
        "keyring": {
            "key_id": "atrest-fuzz", "generation": 1, "primary": 1, "next_version": 2,
            "versions": [{ "number": 1, "state": "enabled", "created": NOW, "key": key(1) }],
        },
        "keys": keys.collect::<Vec<_>>(),
        "aliases": { KEYS[0].alias: KEYS[0].id, KEYS[1].alias: KEYS[1].id },
    });
    payload.to_string().into_bytes()
}

/// What the oracle wrapped under these keys: at which of the keys, under which version, with which pairs, and the
/// result.
pub fn wrapped() -> Vec<(usize, Pairs, Vec<u8>)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let contexts = [vec![], vec![pair("a", ""), pair("team", "photos")]];
    let mut all = Vec::new();
    for (at, known) in KEYS.iter().enumerate() {
        for (version, byte) in known.versions {
            for (which, pairs) in contexts.iter().enumerate() {
                let key = known.bound(*version, pairs.clone()).expect("it is one of its versions");
                all.push((at, pairs.clone(), key.wrap(&[*byte + which as u8; 32], &KEK)));
            }
        }
    }
    all
}

/// What is in each of them.
pub const KEK: [u8; 32] = [99; 32];
