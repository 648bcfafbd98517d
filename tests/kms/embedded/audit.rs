//! The audit trail of the embedded KMS: its events, the absence of secrets, and sinks that fail.

use std::fs;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use atrest::audit::{AuditEvent, AuditFuture, AuditOperation as Event, AuditSink, AuditTrail, MemorySink};
use atrest::error::{Error, KeyProviderErrorKind as Kind};
use atrest::kms::{DEFAULT_ALIAS, EmbeddedKms, KeyPolicy, NewKey, Permission, Quota};
use atrest::{KeyEncryptionKey, KmsKeys, ObjectName, Requester, RootKey, Sse, SseKms, Unlock};
use atrest_kit::wall_clock;
use atrest_reference::sealed_file::open_file;
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use pollster::block_on;

use super::kit::{Store, context, generate, owner, unwrap};

/// A sink that refuses while a flag is set.
#[derive(Default)]
struct Switched {
    full: AtomicBool,
    events: MemorySink,
}

impl AuditSink for Switched {
    fn record(&self, event: AuditEvent) -> AuditFuture {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(ready(Err(io::ErrorKind::StorageFull.into())));
        }
        self.events.record(event)
    }
}

#[test]
fn a_use_of_a_key_says_who_used_which_version_for_what() {
    let sink = Arc::new(MemorySink::new());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    store.admin().rotate_key("alias/app").unwrap();
    sink.clear();
    let before = SystemTime::now();
    let generated = generate(&store.kms, "alias/app", &owner()).unwrap();
    unwrap(&store.kms, &key.arn, generated.wrapped(), &owner()).unwrap();
    unwrap(&store.kms, &key.arn, generated.wrapped(), &Requester::new("mallory")).unwrap_err();
    generate(&store.kms, "alias/none", &owner()).unwrap_err();
    let events = sink.events();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            let error = event.error().map(|error| match error {
                Error::KeyProvider(error) => error.kind(),
                other => panic!("{other:?}"),
            });
            (
                event.operation(),
                event.requester().as_str(),
                event.requested_key_id(),
                event.key_id(),
                event.key_version(),
                error,
            )
        })
        .collect();
    let arn = Some(&*key.arn);
    assert_eq!(
        told,
        [
            (Event::GenerateKey, "owner", Some("alias/app"), arn, Some(2), None),
            (Event::UnwrapKey, "owner", arn, arn, Some(2), None),
            (Event::UnwrapKey, "mallory", arn, arn, None, Some(Kind::AccessDenied)),
            (Event::GenerateKey, "owner", Some("alias/none"), None, None, Some(Kind::NotFound)),
        ]
    );
    assert!(events.iter().all(|event| event.context() == Some(&context())));
    assert!(events.iter().all(|event| event.time() >= before));
    assert!(events.iter().all(|event| event.object().is_none() && event.mode().is_none()));
}

#[test]
fn what_the_kms_does_by_itself_is_on_record_too() {
    let sink = Arc::new(MemorySink::new());
    let trail = AuditTrail::new(sink.clone());
    let days = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let clock = days.clone();
    let day = move |day| SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_000_000 + 86_400 * day);
    let store =
        Store::built(|builder| builder.audit(trail).clock(wall_clock(move || day(clock.load(Ordering::SeqCst)))));
    let admin = store.admin();
    sink.clear();
    let made = admin.create_keys([NewKey::new().rotated_every_days(1), NewKey::new()]).unwrap();
    admin.schedule_deletion(&made[1].arn, Duration::from_secs(7 * 86_400)).unwrap();
    generate(&store.kms, "", &owner()).unwrap();
    days.store(8, Ordering::SeqCst);
    store.kms.maintain().unwrap();
    admin.list_keys().unwrap();
    admin.list_aliases().unwrap();
    admin.backup(&RootKey::generate().unwrap()).unwrap();
    let events = sink.events();
    let mut told: Vec<_> = events.iter().map(|event| (event.operation(), event.key_id())).collect();
    // In the order of their ids, which are random.
    told[5..7].sort_by_key(|(operation, _)| *operation == Event::DeleteKey);
    let default = store.admin().describe_key(DEFAULT_ALIAS).unwrap().arn;
    let (rotated, deleted) = (Some(&*made[0].arn), Some(&*made[1].arn));
    assert_eq!(
        told,
        [
            (Event::CreateKey, rotated),
            (Event::CreateKey, deleted),
            (Event::ScheduleDeletion, deleted),
            (Event::CreateKey, Some(&*default)),
            (Event::GenerateKey, Some(&*default)),
            (Event::RotateKeyByAge, rotated),
            (Event::DeleteKey, deleted),
            (Event::ListKeys, None),
            (Event::ListAliases, None),
            (Event::Backup, None),
        ]
    );
    assert!(events.iter().all(|event| event.error().is_none() && event.requester() == &owner()));
    assert_eq!(events[5].time(), day(8));
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let sink = Arc::new(Switched::default());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())).clock(wall_clock(SystemTime::now)));
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let generated = generate(&store.kms, "alias/app", &owner()).unwrap();
    sink.full.store(true, Ordering::SeqCst);
    let generation = store.kms.generation();
    for error in [
        generate(&store.kms, "alias/app", &owner()).err().unwrap(),
        unwrap(&store.kms, "alias/app", generated.wrapped(), &owner()).err().unwrap(),
        generate(&store.kms, "", &owner()).err().unwrap(),
    ] {
        assert_eq!(error.kind(), Kind::Unavailable);
        let source = std::error::Error::source(&error).expect("why it is not available").to_string();
        assert!(source.contains("audit"), "{source}");
    }
    let admin = store.admin();
    let wrapping_key = KeyEncryptionKey::generate().unwrap();
    for outcome in [
        admin.create_key(NewKey::new()).map(drop),
        admin.create_keys([NewKey::new()]).map(drop),
        admin.describe_key("alias/app").map(drop),
        admin.list_keys().map(drop),
        admin.rotate_key("alias/app").map(drop),
        admin.disable_key("alias/app"),
        admin.export_key("alias/app", 1, &wrapping_key).map(drop),
        admin.backup(&RootKey::generate().unwrap()).map(drop),
    ] {
        assert!(matches!(outcome, Err(Error::Audit(_))), "{outcome:?}");
    }
    assert_eq!(store.kms.generation(), generation);
    // What is refused anyway says why.
    let stranger = Requester::new("stranger");
    assert_eq!(generate(&store.kms, "alias/app", &stranger).unwrap_err().kind(), Kind::AccessDenied);
    sink.full.store(false, Ordering::SeqCst);
    assert_eq!(admin.describe_key("alias/app").unwrap(), key);
}

#[test]
fn a_trail_of_best_effort_holds_nothing_up() {
    let sink = Arc::new(Switched::default());
    let trail = AuditTrail::new(sink.clone()).best_effort();
    let store = Store::built(|builder| builder.audit(trail));
    sink.full.store(true, Ordering::SeqCst);
    sink.events.clear();
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let generated = generate(&store.kms, "alias/app", &owner()).unwrap();
    unwrap(&store.kms, "alias/app", generated.wrapped(), &owner()).unwrap();
    assert!(sink.events.events().is_empty());
}

#[test]
fn a_change_that_cannot_be_stored_is_on_record_as_failed() {
    let sink = Arc::new(MemorySink::new());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    sink.clear();
    // Something that a new file cannot be renamed onto.
    fs::remove_file(store.path()).unwrap();
    fs::create_dir(store.path()).unwrap();
    assert!(matches!(store.admin().disable_key("alias/app"), Err(Error::Io(_))));
    let told: Vec<_> = sink.events().iter().map(|event| (event.operation(), event.error().is_some())).collect();
    assert_eq!(told, [(Event::DisableKey, false), (Event::DisableKey, true)]);
    generate(&store.kms, "alias/app", &owner()).unwrap();
}

#[cfg(feature = "audit-json")]
#[test]
fn one_file_tells_of_an_object_and_of_its_key_and_of_no_secret() {
    use atrest::audit::JsonLines;

    const ROOT: [u8; 32] = [9; 32];
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.jsonl");
    let memory = Arc::new(MemorySink::new());
    let trail = AuditTrail::new(Arc::new(JsonLines::builder(&log).open().unwrap()));
    let path = directory.path().join("kms.atrest");
    let root_key = RootKey::from_bytes(&mut ROOT.clone()).unwrap();
    let kms = EmbeddedKms::builder(&path).audit(trail.clone()).create(&root_key, owner()).unwrap();
    let admin = kms.requested_by(owner());
    let key = admin.create_key(NewKey::new().alias("alias/app")).unwrap();
    let wrapping_key = KeyEncryptionKey::generate().unwrap();
    let exported = admin.export_key(&key.id, 1, &wrapping_key).unwrap();
    admin.import_key_version(&key.id, &wrapping_key, &exported).unwrap();
    let sse = Sse::builder().keyring(kms.keyring()).kms(Arc::new(kms.clone()), KmsKeys::all()).audit(trail);
    let sse = sse.build().unwrap().requested_by(owner());
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let mode = SseKms::new("alias/app").with_context(context());
    let stored = sse.blocking().encrypt(&object, mode, b"a plaintext that is a canary").unwrap();
    sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap();
    let generated = generate(&kms, "alias/app", &owner()).unwrap();
    block_on(memory.record(memory_event(&kms))).unwrap();

    let lines = fs::read_to_string(&log).unwrap();
    let records: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = records.iter().map(|record| record["eventName"].as_str().unwrap()).collect();
    let imports = ["CreateKeyStore", "CreateKey", "ExportKeyMaterial", "ImportKeyMaterial"];
    let objects = ["GenerateDataKey", "PutObject", "Decrypt", "GetObject", "GenerateDataKey"];
    assert_eq!(names[..9], [&imports[..], &objects[..]].concat());
    assert_eq!(records[4]["requestParameters"]["encryptionContext"]["aws:s3:arn"], "arn:aws:s3:::photos/cat.jpg");
    assert_eq!(records[5]["additionalEventData"]["SSEApplied"], "SSE_KMS");
    assert_eq!(records[4]["resources"][0]["ARN"], *key.arn);
    // The event of each object leads to that of its key.
    for (of_key, of_object) in [(4, 5), (6, 7)] {
        let answer = &records[of_object]["additionalEventData"]["keyProviderAnswers"][0];
        let (of_key, of_object) = (&records[of_key], &records[of_object]);
        assert_eq!((&answer["eventName"], &answer["keyFrom"]), (&of_key["eventName"], &"call".into()));
        assert_eq!((&answer["requestID"], of_object.get("requestID")), (&of_key["requestID"], None));
    }
    let mut ids: Vec<_> = [4, 6, 8].map(|number| records[number]["requestID"].as_str().unwrap()).into();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert!(records[0].get("requestID").is_none());
    assert_eq!(records[4]["requestParameters"]["keyId"], "alias/app");

    let payload = open_file(&ROOT, 2, &fs::read(&path).unwrap()).unwrap();
    let store: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let material = |version: &serde_json::Value| BASE64.decode(version["key"].as_str().unwrap().as_bytes()).unwrap();
    let mut secrets: Vec<Vec<u8>> = store["keys"][0]["versions"].as_array().unwrap().iter().map(material).collect();
    secrets.extend(store["keyring"]["versions"].as_array().unwrap().iter().map(material));
    secrets.extend([ROOT.to_vec(), wrapping_key.expose_secret().to_vec(), generated.kek().expose_secret().to_vec()]);
    secrets.extend([exported, b"a plaintext that is a canary".to_vec(), generated.wrapped().as_bytes().to_vec()]);
    let shown = format!("{lines}{kms:?}{admin:?}{:?}{:?}", memory.events(), EmbeddedKms::builder("x"));
    for secret in &secrets {
        // Any eight bytes of it in a row are too many.
        for part in secret.windows(8) {
            assert!(!shown.as_bytes().windows(8).any(|shown| shown == part));
            for text in [HEXLOWER.encode(part), HEXUPPER.encode(part)] {
                assert!(!shown.contains(&text));
            }
        }
        assert!(!shown.contains(&BASE64.encode(secret)[..16]));
    }
}

/// An event of a refusal, which carries an error.
fn memory_event(kms: &EmbeddedKms) -> AuditEvent {
    let sink = Arc::new(MemorySink::new());
    let directory = tempfile::tempdir().unwrap();
    let at = EmbeddedKms::builder(directory.path().join("kms.atrest")).audit(AuditTrail::new(sink.clone()));
    let backup_key = RootKey::generate().unwrap();
    let backup = kms.requested_by(owner()).backup(&backup_key).unwrap();
    let restored = at.restore(&backup, &backup_key, &backup_key).unwrap();
    generate(&restored, "alias/app", &Requester::new("mallory")).unwrap_err();
    sink.events().pop().unwrap()
}

#[test]
fn a_change_of_the_keyring_is_the_owners_doing_and_on_record() {
    let sink = Arc::new(Switched::default());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    let keyring = store.kms.keyring();
    sink.events.clear();
    keyring.blocking().rotate().unwrap();
    keyring.blocking().disable(2).unwrap_err();
    let events = sink.events.events();
    let told: Vec<_> =
        events.iter().map(|event| (event.operation(), event.key_version(), event.error().is_some())).collect();
    assert_eq!(told, [(Event::ChangeKeyring, Some(2), false), (Event::ChangeKeyring, None, true)]);
    let what = [("enabled", "2".to_owned()), ("primary", "2".to_owned()), ("nextVersion", "3".to_owned())];
    assert_eq!(events[0].parameters(), what);
    assert!(events.iter().all(|event| event.key_id() == Some(&*keyring.key_id()) && event.requester() == &owner()));
    sink.full.store(true, Ordering::SeqCst);
    assert!(matches!(keyring.blocking().rotate(), Err(Error::Audit(_))));
    assert_eq!(keyring.primary(), 2);
}

#[test]
fn of_many_keys_at_once_nothing_is_on_record_that_was_not_done() {
    let sink = Arc::new(MemorySink::new());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let told = || -> Vec<_> {
        let events = sink.events();
        sink.clear();
        events.iter().map(|event| (event.operation(), event.error().is_some(), event.key_id().is_some())).collect()
    };
    told();
    // One of them cannot be made.
    let new = [NewKey::new(), NewKey::new().alias("alias/app"), NewKey::new()];
    store.admin().create_keys(new).unwrap_err();
    assert_eq!(told(), [(Event::CreateKey, true, false)]);
    // None of them can be stored.
    fs::remove_file(store.path()).unwrap();
    fs::create_dir(store.path()).unwrap();
    store.admin().create_keys([NewKey::new(), NewKey::new()]).unwrap_err();
    let (done, failed) = ((Event::CreateKey, false, true), (Event::CreateKey, true, true));
    assert_eq!(told(), [done, done, failed, failed]);
    // Nothing at all is nothing to tell, and nothing to store.
    let generation = store.kms.generation();
    assert!(store.admin().create_keys([]).unwrap().is_empty());
    assert_eq!((told(), store.kms.generation()), (vec![], generation));
}

#[test]
fn an_event_of_a_change_says_what_was_changed() {
    let sink = Arc::new(MemorySink::new());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    let admin = store.admin();
    let (key, other) = ("alias/app", admin.create_key(NewKey::new()).unwrap().arn);
    admin.create_key(NewKey::new().alias(key)).unwrap();
    sink.clear();
    let alice = Requester::new("alice");
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow_everyone(Permission::Unwrap);
    admin.set_policy(key, Some(policy)).unwrap();
    admin.set_policy(key, None).unwrap();
    admin.set_rotation(key, Some(90)).unwrap();
    admin.set_rotation(key, None).unwrap();
    admin.set_quota(key, Some(Quota::per_second(5.try_into().unwrap()))).unwrap();
    admin.set_description(key, "for photos").unwrap();
    admin.set_tag(key, "team", "photos").unwrap();
    admin.remove_tag(key, "team").unwrap();
    admin.move_alias(key, &other).unwrap();
    admin.schedule_deletion(key, Duration::from_secs(7 * 86_400)).unwrap();
    let events = sink.events();
    let told: Vec<_> =
        events.iter().map(|event| (event.operation().to_string(), event.parameters().to_vec())).collect();
    let expected: [(&str, &[(&str, &str)]); 10] = [
        ("PutKeyPolicy", &[("policy", r#"{"generate":["alice"],"unwrap":"everyone","administer":[]}"#)]),
        ("PutKeyPolicy", &[("policy", "null")]),
        ("EnableKeyRotation", &[("rotationPeriodInDays", "90")]),
        ("DisableKeyRotation", &[]),
        ("PutKeyQuota", &[("perSecond", "5"), ("burst", "5")]),
        ("UpdateKeyDescription", &[("description", "for photos")]),
        ("TagResource", &[("tagKey", "team"), ("tagValue", "photos")]),
        ("UntagResource", &[("tagKey", "team")]),
        ("UpdateAlias", &[("targetKeyId", &other)]),
        ("ScheduleKeyDeletion", &[("pendingWindowInDays", "7")]),
    ];
    for (told, expected) in told.iter().zip(expected) {
        let parameters: Vec<_> = told.1.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!((&*told.0, &parameters[..]), expected);
    }
    assert_eq!(told.len(), expected.len());
}

#[test]
fn a_name_of_any_length_is_cut_before_it_goes_on_record() {
    let sink = Arc::new(MemorySink::new());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    let long = "\u{1f600}".repeat(100_000);
    let error = generate(&store.kms, &long, &owner()).unwrap_err();
    assert!(error.to_string().len() < 9_000);
    let event = sink.events().pop().unwrap();
    assert_eq!(event.requested_key_id().map(str::len), Some(2_048));
}

#[cfg(feature = "audit-json")]
#[test]
fn an_event_by_itself_is_the_same_record_as_in_the_file() {
    use atrest::audit::JsonLines;

    let sink = Arc::new(MemorySink::new());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap().arn;
    store.admin().set_tag("alias/app", "team", "photos").unwrap();
    let event = sink.events().pop().unwrap();
    let log = store.directory.path().join("audit.jsonl");
    block_on(JsonLines::builder(&log).open().unwrap().record(event.clone())).unwrap();
    let [mut alone, mut in_file] = [event.to_json().unwrap(), fs::read_to_string(log).unwrap()]
        .map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
    let ids = [&mut alone, &mut in_file].map(|record| record.as_object_mut().unwrap().remove("eventID").unwrap());
    assert_ne!(ids[0], ids[1]);
    assert_eq!(alone, in_file);
    let parameters = serde_json::json!({ "keyId": "alias/app", "tagKey": "team", "tagValue": "photos" });
    assert_eq!(alone["requestParameters"], parameters);
    assert_eq!(alone["resources"][0]["ARN"], key);
}
