//! The payload of a key store, read and written by the second implementation of the format, and refused payloads.

use std::fs;

use atrest::error::SealedFileError;
use atrest::kms::{EmbeddedKms, KeyPolicy, NewKey, Permission};
use atrest::{Error, Requester, RootKey};
use atrest_reference::sealed_file::{KmsKey, open_file, seal_file};
use serde_json::{Value, json};

use super::kit::{Store, context, generate, owner};

const KEY_STORE: u8 = 2;
const ROOT: [u8; 32] = [7; 32];

fn root_key() -> RootKey {
    RootKey::from_bytes(&mut ROOT.clone()).unwrap()
}

/// A store with every kind of entry, as JSON.
fn written() -> (Store, Value) {
    let directory = tempfile::tempdir().unwrap();
    let kms = EmbeddedKms::create(directory.path().join("kms.atrest"), &root_key(), owner()).unwrap();
    let store = Store { directory, root_key: root_key(), kms };
    let admin = store.admin();
    let alice = Requester::new("alice");
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow_everyone(Permission::Unwrap);
    let rich = NewKey::new()
        .id("00000000-0000-4000-8000-000000000001")
        .description("for photos")
        .tag("team", "photos")
        .alias("alias/app")
        .rotated_every_days(365)
        .quota(atrest::kms::Quota::per_second(5.try_into().unwrap()))
        .policy(policy);
    admin.create_keys([rich, NewKey::new().id("00000000-0000-4000-8000-000000000002")]).unwrap();
    admin.rotate_key("alias/app").unwrap();
    let week = std::time::Duration::from_secs(7 * 86_400);
    admin.schedule_deletion("00000000-0000-4000-8000-000000000002", week).unwrap();
    let payload = open_file(&ROOT, KEY_STORE, &fs::read(store.path()).unwrap()).unwrap();
    let json = serde_json::from_slice(&payload).unwrap();
    (store, json)
}

fn open(json: &[u8]) -> Result<EmbeddedKms, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kms.atrest");
    fs::write(&path, seal_file(&ROOT, KEY_STORE, &[3; 32], json)).unwrap();
    let opened = EmbeddedKms::open(&path, &root_key());
    assert_eq!(fs::read(&path).unwrap(), seal_file(&ROOT, KEY_STORE, &[3; 32], json), "opening writes nothing");
    opened
}

#[test]
fn the_file_holds_what_the_manual_says() {
    let (store, json) = written();
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let all = ["version", "id", "generation", "written", "owner", "region", "account", "keyring", "keys", "aliases"];
    let mut all = all.map(str::to_owned);
    all.sort();
    assert_eq!(members(&json), all);
    assert_eq!((&json["version"], &json["owner"], &json["generation"]), (&json!(1), &json!("owner"), &json!(4)));
    assert_eq!(json["aliases"], json!({ "alias/app": "00000000-0000-4000-8000-000000000001" }));
    let key = &json["keys"][0];
    assert_eq!(key["policy"], json!({ "generate": ["alice"], "unwrap": "everyone", "administer": [] }));
    assert_eq!(key["quota"], json!({ "per_second": 5, "burst": 5 }));
    assert_eq!(
        (&key["rotation_days"], &key["state"], &key["tags"]),
        (&json!(365), &json!("enabled"), &json!({ "team": "photos" }))
    );
    assert_eq!(members(&key["versions"][1]), ["created", "key", "number", "origin"]);
    assert_eq!(json["keys"][1]["state"], "pending-deletion");
    assert_eq!(members(&json["keys"][1]), ["created", "deletion", "description", "id", "state", "tags", "versions"]);
    // The other implementation unwraps with the key that stands there.
    let generated = generate(&store.kms, "alias/app", &Requester::new("alice")).unwrap();
    let material = data_encoding::BASE64.decode(key["versions"][1]["key"].as_str().unwrap().as_bytes()).unwrap();
    let pairs = context().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let kms_key =
        KmsKey { key: material.try_into().unwrap(), version: 2, key_id: generated.key_id().to_owned(), pairs };
    let kek = kms_key.unwrap(generated.wrapped().as_bytes());
    assert_eq!(&kek.unwrap(), generated.kek().expose_secret());
}

#[test]
fn what_another_program_wrote_by_the_manual_opens() {
    let (store, mut json) = written();
    json["owner"] = json!("someone else");
    json["keys"][0]["versions"][0]["number"] = json!(1);
    json["keys"][0]["versions"][1]["number"] = json!(7);
    drop(store);
    let kms = open(&serde_json::to_vec_pretty(&json).unwrap()).unwrap();
    assert_eq!(kms.owner().as_str(), "someone else");
    let key = kms.requested_by(kms.owner()).describe_key("alias/app").unwrap();
    assert_eq!(key.versions.iter().map(|version| version.number).collect::<Vec<_>>(), [1, 7]);
}

/// What is wrong, and the change of the JSON that makes it so.
type Breaks = (&'static str, fn(&mut Value));

const BROKEN: &[Breaks] = &[
    ("a member that is not known", |json| json["more"] = json!(1)),
    ("a member of a key that is not known", |json| json["keys"][0]["more"] = json!(1)),
    ("a member that is missing", |json| drop(json.as_object_mut().unwrap().remove("written"))),
    ("a member of a key that is missing", |json| drop(json["keys"][0].as_object_mut().unwrap().remove("tags"))),
    ("an id in capitals", |json| json["id"] = json!("0123ABCD-4567-4890-ABCD-EF0123456789")),
    ("a malformed id", |json| json["keys"][0]["id"] = json!("1")),
    ("a negative generation", |json| json["generation"] = json!(-1)),
    ("a generation that is a text", |json| json["generation"] = json!("1")),
    ("an anonymous owner", |json| json["owner"] = json!("anonymous")),
    ("no owner", |json| json["owner"] = json!("")),
    ("a malformed region", |json| json["region"] = json!("a:b")),
    ("a malformed account", |json| json["account"] = json!("1")),
    ("keys out of order", |json| json["keys"].as_array_mut().unwrap().reverse()),
    ("a key twice", |json| {
        let key = json["keys"][0].clone();
        json["keys"].as_array_mut().unwrap().insert(0, key);
    }),
    ("a key without a version", |json| json["keys"][0]["versions"] = json!([])),
    ("a version 0", |json| json["keys"][0]["versions"][0]["number"] = json!(0)),
    ("versions out of order", |json| json["keys"][0]["versions"][0]["number"] = json!(2)),
    ("material that is too short", |json| json["keys"][0]["versions"][0]["key"] = json!("AAAA")),
    ("material that is too long", |json| json["keys"][0]["versions"][0]["key"] = json!("A".repeat(48))),
    ("material that is no base64", |json| json["keys"][0]["versions"][0]["key"] = json!("!".repeat(44))),
    ("material without padding", |json| json["keys"][0]["versions"][0]["key"] = json!("A".repeat(43))),
    ("an unknown origin", |json| json["keys"][0]["versions"][0]["origin"] = json!("found")),
    ("an unknown state", |json| json["keys"][0]["state"] = json!("lost")),
    ("a deletion of an enabled key", |json| json["keys"][0]["deletion"] = json!(1)),
    ("a deletion without a date", |json| drop(json["keys"][1].as_object_mut().unwrap().remove("deletion"))),
    ("a rotation every 0 days", |json| json["keys"][0]["rotation_days"] = json!(0)),
    ("a quota of none", |json| json["keys"][0]["quota"]["per_second"] = json!(0)),
    ("a member that is null", |json| json["keys"][0]["rotation_days"] = json!(null)),
    ("a policy that is null", |json| json["keys"][0]["policy"] = json!(null)),
    ("a policy that lacks a permission", |json| {
        drop(json["keys"][0]["policy"].as_object_mut().unwrap().remove("unwrap"))
    }),
    ("a policy for an unknown group", |json| json["keys"][0]["policy"]["unwrap"] = json!("nobody")),
    ("a tag of no name", |json| json["keys"][0]["tags"] = json!({ "": "" })),
    ("a malformed alias", |json| json["aliases"] = json!({ "app": json["keys"][0]["id"] })),
    ("an alias of no key", |json| json["aliases"] = json!({ "alias/app": "00000000-0000-4000-8000-000000000009" })),
    ("a keyring without its primary", |json| json["keyring"]["primary"] = json!(9)),
    ("a keyring whose primary is disabled", |json| json["keyring"]["versions"][0]["state"] = json!("disabled")),
    ("a keyring whose next version is taken", |json| json["keyring"]["next_version"] = json!(1)),
    ("a keyring without an id", |json| json["keyring"]["key_id"] = json!("")),
    ("another kind of JSON", |json| *json = json!([])),
    // What another reader would not take for the same.
    ("all of it as an array", |json| {
        let members =
            ["version", "id", "generation", "written", "owner", "region", "account", "keyring", "keys", "aliases"];
        *json = members.iter().map(|member| json[member].clone()).collect();
    }),
    ("an object as an array", |json| {
        let quota = &mut json["keys"][0]["quota"];
        *quota = json!([quota["per_second"], quota["burst"]]);
    }),
    ("a version as an array", |json| {
        let version = &mut json["keys"][0]["versions"][0];
        *version = json!([version["number"], version["created"], version["origin"], version["key"]]);
    }),
    ("no quota, written as null", |json| json["keys"][0]["quota"] = json!(null)),
    ("no deletion, written as null", |json| json["keys"][0]["deletion"] = json!(null)),
    ("a state as an object", |json| json["keys"][0]["state"] = json!({ "enabled": null })),
    ("an origin as an object", |json| json["keys"][0]["versions"][0]["origin"] = json!({ "generated": null })),
    ("everyone as an object", |json| json["keys"][0]["policy"]["unwrap"] = json!({ "everyone": null })),
];

#[test]
fn a_payload_that_breaks_a_rule_is_malformed() {
    let (_store, json) = written();
    open(json.to_string().as_bytes()).unwrap();
    let malformed = |which: &str, opened: Result<EmbeddedKms, Error>| {
        assert!(matches!(opened, Err(Error::SealedFile(SealedFileError::Malformed(_)))), "{which}: {opened:?}");
    };
    for (which, breaks) in BROKEN {
        let mut broken = json.clone();
        breaks(&mut broken);
        malformed(which, open(broken.to_string().as_bytes()));
    }
    let text = json.to_string();
    malformed("nothing", open(b""));
    malformed("half", open(&text.as_bytes()[..text.len() / 2]));
    malformed("something behind it", open(format!("{text} 1").as_bytes()));
    malformed("bytes that are no text", open(&[0xFF, 0xFE]));
    // serde_json's values know a name once, so these are written by hand.
    let twice = |name: &str, more: &str| text.replacen(name, &format!("{more},{name}"), 1);
    malformed("a member twice", open(twice("\"owner\"", "\"owner\":\"x\"").as_bytes()));
    malformed(
        "an alias twice",
        open(twice("\"alias/app\"", "\"alias/app\":\"00000000-0000-4000-8000-000000000002\"").as_bytes()),
    );
    malformed("a tag twice", open(twice("\"team\"", "\"team\":\"x\"").as_bytes()));
    // Deeper than anything that is ours, and than the stack.
    malformed("depth", open(&[b'['; 100_000]));
}

#[test]
fn a_payload_of_a_later_version_says_that_it_is_one() {
    let (_store, mut json) = written();
    json["version"] = json!(2);
    json["more"] = json!("of it");
    assert!(matches!(open(json.to_string().as_bytes()), Err(Error::SealedFile(SealedFileError::Unsupported(_)))));
}

#[test]
fn a_keyring_file_is_no_key_store_and_the_other_way_round() {
    let (store, _) = written();
    let keyring_file = store.directory.path().join("keyring.atrest");
    atrest::Keyring::create_blocking(&keyring_file, &root_key()).unwrap();
    let opened = EmbeddedKms::open(&keyring_file, &root_key());
    assert!(matches!(opened, Err(Error::SealedFile(SealedFileError::Unsupported(_)))));
    let opened = atrest::Keyring::open_blocking(store.path(), &root_key());
    assert!(matches!(opened, Err(Error::SealedFile(SealedFileError::Unsupported(_)))));
}
