//! What is handed to the embedded KMS to be unwrapped: any bytes, under any name and context, by the owner or a
//! stranger. It opens what the oracle opens, and nothing else.
//!
//! A case is `u8 kind | u8 name | LP(name) | u8 pairs | pairs x (LP(name) LP(value)) |` and then, by kind modulo 3: a
//! wrapped key; `u8 which | u8 how | u8 where | u8 what`, a change to a real one; or the same without `which`, a change
//! to one that is generated. The name is `LP(name)` where no known one is meant. A kind of 128 and more is a
//! stranger's.

#![no_main]

use std::sync::{Arc, LazyLock};

use atrest::error::KeyProviderErrorKind as Kind;
use atrest::kms::EmbeddedKms;
use atrest::{EncryptionContext, KeyProvider, KeyProviderError, KeyRequest, Requester, WrappedKey};
use atrest_fuzz::Input;
use atrest_fuzz::key_store::{Directory, KEK, KEYS, KnownKey, at, owner, payload, root_key, sealed, wrapped};
use atrest_reference::pairs::Pairs;
use libfuzzer_sys::fuzz_target;
use pollster::block_on;

static KMS: LazyLock<Arc<EmbeddedKms>> = LazyLock::new(|| {
    // Nothing here changes the store, so its file may go.
    let directory = Directory::new();
    let path = directory.join("kms.atrest");
    std::fs::write(&path, sealed(&payload())).expect("a file is written");
    Arc::new(at(&path).open(&root_key()).expect("a key store"))
});

static WRAPPED: LazyLock<Vec<(usize, Pairs, Vec<u8>)>> = LazyLock::new(wrapped);

fuzz_target!(|bytes: &[u8]| {
    let _ = run(bytes);
});

fn run(bytes: &[u8]) -> Option<()> {
    let mut input = Input(bytes);
    let kind = input.u8()?;
    let requester = if kind < 128 { owner() } else { Requester::new("stranger") };
    let name = name(input.u8()?, input.prefixed()?)?;
    let pairs = pairs(&mut input)?;
    match kind % 3 {
        0 => check(&name, &pairs, &requester, input.0),
        1 => {
            let (at, pairs, real) = &WRAPPED[usize::from(input.u8()?) % WRAPPED.len()];
            let changed = changed(real, &mut input)?;
            let opened = unwrap(&KEYS[*at].arn(), pairs, &owner(), &changed);
            assert_eq!(opened.ok(), (changed == *real).then_some(KEK));
            check(&name, pairs, &requester, &changed);
        }
        _ => generate(&name, &pairs, &requester, &mut input)?,
    }
    Some(())
}

/// Generates a key, and unwraps what came of it: as it is, and changed.
fn generate(name: &str, pairs: &Pairs, requester: &Requester, input: &mut Input<'_>) -> Option<()> {
    let request = KeyRequest::new(name, context(pairs)?, requester.clone());
    let generated = match block_on(KMS.clone().generate_key(request)) {
        Ok(generated) => generated,
        Err(error) => {
            let known = named(name).is_some();
            assert_eq!(kind_of(name, &error), if known { Kind::AccessDenied } else { Kind::NotFound });
            assert!(!known || *requester != owner());
            return None;
        }
    };
    assert_eq!(*requester, owner());
    let known = named(name).expect("a key was generated");
    assert_eq!(generated.key_id(), known.arn());
    let bytes = generated.wrapped().as_bytes();
    assert_eq!(unwrap(name, pairs, requester, bytes).as_ref(), Ok(generated.kek().expose_secret()));
    check(name, pairs, requester, bytes);
    check(name, pairs, requester, &changed(bytes, input)?);
    Some(())
}

/// The kind of an error. An ARN of another region is not found either, and is told so by a kind of its own.
fn kind_of(name: &str, error: &KeyProviderError) -> Kind {
    match error.kind() {
        Kind::OtherRegion if name.starts_with("arn:") && named(name).is_none() => Kind::NotFound,
        kind => kind,
    }
}

/// The library's answer is that of the oracle.
fn check(name: &str, pairs: &Pairs, requester: &Requester, bytes: &[u8]) {
    assert_eq!(unwrap(name, pairs, requester, bytes), expected(name, pairs, requester, bytes), "{name:?}");
}

fn expected(name: &str, pairs: &Pairs, requester: &Requester, bytes: &[u8]) -> Result<[u8; 32], Kind> {
    let known = named(name).ok_or(Kind::NotFound)?;
    if *requester != owner() {
        return Err(Kind::AccessDenied);
    }
    let version = match bytes {
        [1, a, b, c, d, rest @ ..] if rest.len() == 80 => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => return Err(Kind::Rejected),
    };
    if version == 0 {
        return Err(Kind::Rejected);
    }
    let key = known.bound(version, pairs.clone()).ok_or(Kind::NotFound)?;
    key.unwrap(bytes).map_err(|_| Kind::Rejected)
}

fn unwrap(name: &str, pairs: &Pairs, requester: &Requester, bytes: &[u8]) -> Result<[u8; 32], Kind> {
    let request = KeyRequest::new(name, context(pairs).expect("it was one before"), requester.clone());
    match block_on(KMS.clone().unwrap_key(WrappedKey::new(bytes), request)) {
        Ok(unwrapped) => {
            assert_eq!(Some(unwrapped.key_id()), named(name).map(KnownKey::arn).as_deref());
            Ok(*unwrapped.kek().expose_secret())
        }
        Err(error) => {
            assert!(!format!("{error} {error:?}").is_empty());
            Err(kind_of(name, &error))
        }
    }
}

fn named(name: &str) -> Option<&'static KnownKey> {
    KEYS.iter().find(|known| known.is_named(name))
}

/// One of the known names, or the one that is given.
fn name(which: u8, given: &[u8]) -> Option<String> {
    let known = &KEYS[usize::from(which & 1)];
    let name = match which >> 1 {
        0 => known.arn(),
        1 => known.id.to_owned(),
        2 => known.alias.to_owned(),
        3 => known.arn().replace(&format!("key/{}", known.id), known.alias),
        _ => str::from_utf8(given).ok()?.to_owned(),
    };
    Some(name)
}

fn pairs(input: &mut Input<'_>) -> Option<Pairs> {
    let count = input.u8()?;
    let mut pairs = Pairs::new();
    for _ in 0..count {
        let pair = [input.prefixed()?, input.prefixed()?].map(|text| str::from_utf8(text).ok().map(str::to_owned));
        let [name, value] = pair;
        pairs.push((name?, value?));
    }
    context(&pairs).map(|_| pairs)
}

fn context(pairs: &Pairs) -> Option<EncryptionContext> {
    pairs.iter().try_fold(EncryptionContext::new(), |context, (name, value)| context.with(name, value)).ok()
}

/// The bytes with a change in one place, which may leave them as they were.
fn changed(bytes: &[u8], input: &mut Input<'_>) -> Option<Vec<u8>> {
    let [how, at, what] = input.array()?;
    let at = usize::from(at) % bytes.len();
    let mut changed = bytes.to_vec();
    match how % 4 {
        0 => changed[at] ^= what,
        1 => changed.truncate(at),
        2 => changed.insert(at, what),
        _ => drop(changed.remove(at)),
    }
    Some(changed)
}
