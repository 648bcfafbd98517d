//! A KMS of one's own, in one sealed file: keys with a life, permissions, a quota and an audit trail.
//!
//! ```text
//! cargo run --example embedded_kms --features embedded-kms
//! ```

use std::error::Error;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use atrest::audit::{AuditEvent, AuditOperation, AuditTrail, MemorySink};
use atrest::kms::{EmbeddedKms, KeyPolicy, NewKey, Permission, Quota};
use atrest::{KeyProviderErrorKind as Refusal, KmsKeys, ObjectName, Requester, RootKey, Sse, SseKms, Unlock};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?; // in earnest: a folder that is backed up, apart from the data
    let [service, alice, bob] = ["service", "alice", "bob"].map(Requester::new);
    let sink = Arc::new(MemorySink::new()); // in earnest: JsonLines, a file
    let trail = AuditTrail::new(sink.clone());

    // Once, on the first day. At every start: `.open(&root_key)`, which never makes a store because it is missing.
    let root_key = RootKey::create_file(folder.path().join("root.key"))?;
    let kms = EmbeddedKms::at(folder.path().join("kms.atrest")).audit(trail.clone());
    let kms = kms.create(&root_key, service.clone())?;
    let admin = kms.requested_by(service); // the owner, who makes the keys

    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow(Permission::Unwrap, [&alice]);
    let key = admin.create_key(NewKey::new().alias("alias/photos").description("Photos").policy(policy))?;
    println!("alias/photos leads to {}", key.arn);

    // The keyring of SSE-S3 lies in the same file. This KMS is this service's alone, so it may use all of its keys.
    let provider = Arc::new(kms.clone());
    let sse = Sse::builder().keyring(kms.keyring()).kms(provider, KmsKeys::all()).audit(trail).build()?;
    let (by_alice, by_bob) = (sse.requested_by(alice), sse.requested_by(bob));
    let (old, new) = (ObjectName::new("photos", "old.jpg")?, ObjectName::new("photos", "new.jpg")?);

    let old_photo = by_alice.blocking().encrypt(&old, SseKms::new("alias/photos"), b"meow")?;
    let read = || by_alice.blocking().decrypt(&old, &old_photo, Unlock::Server);
    assert_eq!(read()?, b"meow");
    println!("alice writes a photo, and reads it back");

    // A rotation touches no object: the older version still opens what it wrapped.
    assert_eq!(admin.rotate_key("alias/photos")?, 2);
    let new_photo = by_alice.blocking().encrypt(&new, SseKms::new("alias/photos"), b"purr")?;
    assert_eq!(version_of(AuditOperation::GenerateKey, &sink), Some(2));
    assert_eq!(read()?, b"meow");
    assert_eq!(version_of(AuditOperation::UnwrapKey, &sink), Some(1));
    println!("rotated: new photos are under version 2, old ones open under version 1");

    admin.disable_key("alias/photos")?;
    assert_eq!(refusal(read()), Some(Refusal::Disabled));
    admin.enable_key("alias/photos")?;
    assert_eq!(read()?, b"meow");
    println!("disabled: nothing opens; enabled: everything does");

    let outcome = by_bob.blocking().decrypt(&old, &old_photo, Unlock::Server);
    assert_eq!(refusal(outcome), Some(Refusal::AccessDenied));
    println!("bob, whom the policy does not name, is refused");

    admin.set_quota("alias/photos", Some(Quota::per_second(NonZeroU32::MIN)))?;
    assert!((0..10).any(|_| refusal(read()) == Some(Refusal::Throttled)));
    admin.set_quota("alias/photos", None)?;
    println!("alice, who asks more often than her quota allows, is refused for a while");

    admin.schedule_deletion("alias/photos", Duration::from_secs(7 * 24 * 60 * 60))?;
    assert_eq!(refusal(read()), Some(Refusal::PendingDeletion));
    admin.cancel_deletion("alias/photos")?; // it is disabled then
    admin.enable_key("alias/photos")?;
    assert_eq!(read()?, b"meow");
    println!("a key that is to be deleted is refused, for a week in which somebody may miss it");

    // A backup has a root key of its own, to be kept elsewhere.
    let backup_key = RootKey::generate()?;
    let backup = admin.backup(&backup_key)?;
    let elsewhere = EmbeddedKms::at(folder.path().join("restored.atrest"));
    let restored = elsewhere.restore(&backup, &backup_key, &RootKey::generate()?)?;
    let sse = Sse::builder().kms(Arc::new(restored), KmsKeys::all()).build()?.requested_by(Requester::new("alice"));
    assert_eq!(sse.blocking().decrypt(&new, &new_photo, Unlock::Server)?, b"purr");
    println!("restored from its backup, the KMS opens what was written before\n");

    print_table(&sink.events());
    Ok(())
}

/// Why the KMS refused, if it did.
fn refusal<T>(outcome: atrest::Result<T>) -> Option<Refusal> {
    match outcome {
        Err(atrest::Error::KeyProvider(error)) => Some(error.kind()),
        _ => None,
    }
}

/// Which version of its key the last such operation used.
fn version_of(operation: AuditOperation, sink: &MemorySink) -> Option<u32> {
    sink.events().iter().rev().find(|event| event.operation() == operation)?.key_version()
}

/// What was done, by the KMS and by `Sse`: each of them records its own part.
fn print_table(events: &[AuditEvent]) {
    let row = |cells: [&str; 6]| {
        let [time, who, operation, key, version, outcome] = cells;
        println!("{time:<8}  {who:<7}  {operation:<19}  {key:<12}  {version:<7}  {outcome}");
    };
    row(["time", "who", "operation", "key", "version", "outcome"]);
    for event in events {
        let seconds = event.time().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % (24 * 60 * 60);
        let time = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let key = event.requested_key_id().or(event.key_id()).unwrap_or_default();
        // An alias, or the end of an ARN.
        let key = if key.starts_with("alias/") { key } else { &key[key.len().saturating_sub(8)..] };
        let version = event.key_version().map(|version| version.to_string()).unwrap_or_default();
        let outcome = match event.error() {
            None => "done".to_owned(),
            Some(atrest::Error::KeyProvider(error)) => format!("{:?}", error.kind()),
            Some(error) => error.to_string(),
        };
        row([&time, event.requester().as_str(), &event.operation().to_string(), key, &version, &outcome]);
    }
}
