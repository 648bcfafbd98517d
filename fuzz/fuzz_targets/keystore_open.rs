//! The file of an embedded KMS: any bytes, and any payload under the right root key. What opens is used and changed,
//! and after each change it opens again as the same store, or as it was where the change is refused.
//!
//! A case is `u8 kind | u8 change |` and then the file, or by an odd kind its payload. The seeds are payloads.

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atrest::error::{KeyProviderErrorKind as Kind, KeyStoreError, Limit};
use atrest::kms::{EmbeddedKms, KeyInfo, KeyState, NewKey};
use atrest::{EncryptionContext, Error, KeyProvider, KeyRequest, Requester, VersionInfo};
use atrest_fuzz::Input;
use atrest_fuzz::key_store::{Directory, KEY_STORE, NOW, ROOT, at, root_key, sealed};
use atrest_reference::sealed_file::open_file;
use libfuzzer_sys::fuzz_target;
use pollster::block_on;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let _ = run(bytes);
});

fn run(bytes: &[u8]) -> Option<()> {
    let mut input = Input(bytes);
    let (kind, change) = (input.u8()?, input.u8()?);
    if kind & 1 == 1 {
        check(&sealed(input.0), Some(input.0), change);
    } else {
        check(input.0, None, change);
    }
    Some(())
}

fn check(file: &[u8], payload: Option<&[u8]>, change_with: u8) {
    let directory = Directory::new();
    let path = directory.join("kms.atrest");
    fs::write(&path, file).expect("a file is written");
    let opened = at(&path).open(&root_key());
    assert_eq!(fs::read(&path).expect("the file is there"), file, "opening writes nothing");
    assert_restores_as(&opened, file, &directory);
    let Ok(kms) = opened else { return };
    assert!(!format!("{kms:?}").is_empty());
    let seen = Seen::of(&kms);
    use_keys(&kms, &seen);

    // Written back as it is.
    let accepted = kms.requested_by(kms.owner()).accept_clock();
    let kms = assert_opens_again(kms, &path);
    if let Err(error) = accepted {
        assert!(matches!(error, Error::LimitExceeded(Limit::Keyring)) && seen.generation == u64::MAX, "{error:?}");
        assert_eq!(Seen::of(&kms), seen);
        return;
    }
    assert_eq!(Seen::of(&kms), Seen { generation: seen.generation + 1, ..seen });
    if let Some(payload) = payload {
        let written = open_file(&ROOT, KEY_STORE, &fs::read(&path).expect("the file is there")).expect("it is sealed");
        assert_eq!(parsed(&written), expected(parsed(payload)), "something was lost or is new");
    }

    let before = Seen::of(&kms);
    let changed = change(&kms, change_with);
    let kms = assert_opens_again(kms, &path);
    match changed {
        Ok(()) => assert!(Seen::of(&kms).generation > before.generation),
        Err(error) => {
            assert_refusal(&error);
            assert_eq!(Seen::of(&kms), before, "{error:?}");
        }
    }
}

/// A backup of the same bytes is restored, or refused for the same reason.
fn assert_restores_as(opened: &Result<EmbeddedKms, Error>, file: &[u8], directory: &Directory) {
    let restored = at(&directory.join("restored.atrest")).restore(file, &root_key(), &root_key());
    match (opened, restored) {
        (Ok(opened), Ok(restored)) => {
            let opened = Seen::of(opened);
            assert_eq!(Seen::of(&restored), Seen { generation: opened.generation + 1, ..opened });
        }
        (Ok(opened), Err(Error::LimitExceeded(Limit::Keyring))) => assert_eq!(opened.generation(), u64::MAX),
        (Err(one), Err(other)) => {
            assert!(matches!(one, Error::SealedFile(_) | Error::Inauthentic), "{one:?}");
            assert_eq!(one.to_string(), other.to_string());
        }
        (opened, restored) => panic!("opened: {opened:?}, restored: {restored:?}"),
    }
}

/// All that a store says of itself.
#[derive(Debug, PartialEq)]
struct Seen {
    store_id: String,
    generation: u64,
    owner: Requester,
    keys: Vec<KeyInfo>,
    aliases: BTreeMap<String, String>,
    keyring: (String, u32, u64, Vec<VersionInfo>),
}

impl Seen {
    fn of(kms: &EmbeddedKms) -> Self {
        let admin = kms.requested_by(kms.owner());
        let keyring = kms.keyring();
        let keys = admin.list_keys().expect("there is no trail that fails");
        for key in &keys {
            for name in key.aliases.iter().chain([&key.id, &key.arn]) {
                assert_eq!(&admin.describe_key(name).expect("it is listed"), key, "{name}");
            }
        }
        Self {
            store_id: kms.store_id(),
            generation: kms.generation(),
            owner: kms.owner(),
            keys,
            aliases: admin.list_aliases().expect("there is no trail that fails"),
            keyring: (keyring.key_id(), keyring.primary(), keyring.generation(), keyring.versions()),
        }
    }
}

/// Generates and unwraps under each key, on behalf of the owner.
fn use_keys(kms: &EmbeddedKms, seen: &Seen) {
    let kms = Arc::new(kms.clone());
    for key in &seen.keys {
        let request = KeyRequest::new(&key.arn, EncryptionContext::new(), kms.owner());
        let generated = match block_on(kms.clone().generate_key(request.clone())) {
            Ok(generated) => generated,
            Err(error) => {
                let refused = match key.state {
                    KeyState::Enabled => error.kind() == Kind::AccessDenied,
                    KeyState::Disabled => matches!(error.kind(), Kind::Disabled | Kind::AccessDenied),
                    _ => matches!(error.kind(), Kind::PendingDeletion | Kind::AccessDenied),
                };
                assert!(refused, "{error:?}");
                assert!(key.state != KeyState::Enabled || key.policy.is_some());
                continue;
            }
        };
        assert_eq!((key.state, generated.key_id()), (KeyState::Enabled, &*key.arn));
        let version = key.versions.last().expect("a key has a version").number;
        assert_eq!(generated.wrapped().as_bytes()[1..5], version.to_be_bytes());
        match block_on(kms.clone().unwrap_key(generated.wrapped().clone(), request)) {
            Ok(unwrapped) => assert_eq!(unwrapped.kek().expose_secret(), generated.kek().expose_secret()),
            Err(error) => assert!(matches!(error.kind(), Kind::AccessDenied | Kind::Throttled), "{error:?}"),
        }
    }
}

/// One of the changes there are, to the first key and the last or to the store.
fn change(kms: &EmbeddedKms, which: u8) -> Result<(), Error> {
    let admin = kms.requested_by(kms.owner());
    let keys = admin.list_keys()?;
    let key = if which & 128 == 0 { keys.first() } else { keys.last() };
    let key = key.map_or("alias/none", |key| &key.id);
    match which % 16 {
        0 => kms.keyring().blocking().rotate().map(drop),
        1 => kms.keyring().blocking().stage().map(drop),
        2 => kms.keyring().blocking().disable(1),
        3 => kms.keyring().blocking().retire_losing_what_it_wraps(1),
        4 => admin.create_key(NewKey::new().alias("alias/fuzz").tag("a", "b").rotated_every_days(9)).map(drop),
        5 => admin.rotate_key(key).map(drop),
        6 => admin.disable_key(key),
        7 => admin.enable_key(key),
        8 => admin.schedule_deletion(key, Duration::from_secs(7 * 86_400)).map(drop),
        9 => admin.cancel_deletion(key),
        10 => admin.set_policy(key, None),
        11 => admin.set_tag(key, "of the fuzzer", "value"),
        12 => admin.create_alias("alias/fuzz", key),
        13 => admin.set_description(key, "of the fuzzer"),
        14 => kms.maintain().and_then(|_| admin.accept_clock()),
        _ => {
            let request = KeyRequest::new("", EncryptionContext::new(), kms.owner());
            block_on(Arc::new(kms.clone()).generate_key(request))?;
            admin.accept_clock()
        }
    }
}

/// What any store may say to a change, and to nothing else.
fn assert_refusal(error: &Error) {
    let fine = match error {
        Error::KeyProvider(error) => {
            !matches!(error.kind(), Kind::Rejected | Kind::Unavailable) || caused_by_store(error)
        }
        Error::KeyStore(error) => !matches!(error, KeyStoreError::InUse | KeyStoreError::NotTheOwner),
        Error::Keyring(_) | Error::LimitExceeded(Limit::Keyring) => true,
        _ => false,
    };
    assert!(fine, "{error:?}");
}

/// Making the default key can fail as any change can.
fn caused_by_store(error: &atrest::KeyProviderError) -> bool {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    cause.contains("the clock is") || cause.contains("the keyring is full")
}

fn assert_opens_again(kms: EmbeddedKms, path: &Path) -> EmbeddedKms {
    let seen = Seen::of(&kms);
    drop(kms);
    let kms = at(path).open(&root_key()).expect("it was written by the library");
    assert_eq!(Seen::of(&kms), seen);
    kms
}

fn parsed(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).expect("it opened")
}

/// The payload as it is written after nothing but its time was changed.
fn expected(mut payload: Value) -> Value {
    let generation = payload["generation"].as_u64().expect("it opened") + 1;
    payload["generation"] = generation.into();
    payload["written"] = NOW.into();
    for key in payload["keys"].as_array_mut().expect("it opened") {
        let policy = key.get_mut("policy").and_then(Value::as_object_mut);
        for requesters in policy.into_iter().flatten().filter_map(|(_, requesters)| requesters.as_array_mut()) {
            requesters.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            requesters.dedup();
        }
    }
    payload
}
