//! An embedded KMS in one sealed file: keys with versions, states, a policy, a quota and an audit trail.
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
    let folder = tempfile::tempdir()?; // in production: a folder that is backed up, apart from the data
    let [service, alice, bob] = ["service", "alice", "bob"].map(Requester::new);
    let sink = Arc::new(MemorySink::new()); // in production: JsonLines, a file
    let trail = AuditTrail::new(sink.clone());

    // `create` runs once, on the first day. At every start the service calls `.open(&root_key)`, which never creates a
    // store.
    let root_key = RootKey::create_file(folder.path().join("root.key"))?;
    let kms = EmbeddedKms::builder(folder.path().join("kms.atrest")).audit(trail.clone());
    let kms = kms.create(&root_key, service.clone())?;
    let admin = kms.requested_by(service); // the owner, who creates the keys

    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow(Permission::Unwrap, [&alice]);
    let key = admin.create_key(NewKey::new().alias("alias/photos").description("Photos").policy(policy))?;
    println!("alias/photos leads to {}", key.arn);

    // The keyring of SSE-S3 is in the same file. Only this service uses this KMS, so the service may use all of its
    // keys.
    let provider = Arc::new(kms.clone());
    let sse = Sse::builder().keyring(kms.keyring()).kms(provider, KmsKeys::all()).audit(trail).build()?;
    let (by_alice, by_bob) = (sse.requested_by(alice), sse.requested_by(bob));
    let (old, new) = (ObjectName::new("photos", "old.jpg")?, ObjectName::new("photos", "new.jpg")?);

    let old_photo = by_alice.blocking().encrypt(&old, SseKms::new("alias/photos"), b"meow")?;
    let read = || by_alice.blocking().decrypt(&old, &old_photo, Unlock::Server);
    assert_eq!(read()?, b"meow");
    println!("alice writes a photo, and reads it back");

    // A rotation changes no object: the older version still unwraps what it wrapped.
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
    admin.cancel_deletion("alias/photos")?; // the key is then disabled
    admin.enable_key("alias/photos")?;
    assert_eq!(read()?, b"meow");
    println!("a key pending deletion is refused, for a week in which its deletion can be cancelled");

    // A backup has a root key of its own, to be kept in another place.
    let backup_key = RootKey::generate()?;
    let backup = admin.backup(&backup_key)?;
    let elsewhere = EmbeddedKms::builder(folder.path().join("restored.atrest"));
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

/// The key version that the last operation of this kind used.
fn version_of(operation: AuditOperation, sink: &MemorySink) -> Option<u32> {
    sink.events().iter().rev().find(|event| event.operation() == operation)?.key_version()
}

/// Prints the events of the KMS and of `Sse`; each records its own operations.
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
        // The whole alias, or the end of an ARN.
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
