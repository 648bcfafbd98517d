//! Objects under an embedded KMS, opened from its key store and the root key or passphrase, without a KMS call.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use atrest::kms::{EmbeddedKms, KeyAdmin, NewKey};
use atrest::{
    AnyMode, Backend, Container, EncryptionContext, KmsKeys, ObjectName, Requester, RootKey, Sse, SseKms, SseS3,
};
use serde_json::{Value, json};

use super::{Folder, assert_opens, program};
use atrest_kit::{C, backends, plain};

fn object() -> ObjectName {
    ObjectName::new("photos", "a//b/../c é").unwrap().with_realm("account-7").unwrap().with_version_id("v1").unwrap()
}

/// A folder with a key store alone, and its administrator.
fn folder<'a>(path: &'a Path, backend: Backend, root_key: &RootKey, secret: Value) -> (Folder<'a>, KeyAdmin) {
    let owner = Requester::new("owner");
    let kms = EmbeddedKms::create(path.join("kms.atrest"), root_key, owner.clone()).unwrap();
    let admin = kms.requested_by(owner.clone());
    admin.create_key(NewKey::new().alias("alias/app")).unwrap();
    let mut keys = json!({ "key_store": "kms.atrest" });
    keys.as_object_mut().unwrap().extend(secret.as_object().unwrap().clone());
    let keyring = kms.keyring();
    let builder =
        move || Sse::builder().keyring(kms.keyring()).kms(Arc::new(kms.clone()), KmsKeys::all()).backend(backend);
    let sse = builder().build().unwrap().requested_by(owner.clone());
    let in_container: Box<dyn Fn(Container) -> Sse> =
        Box::new(move |container| builder().container(container).build().unwrap().requested_by(owner.clone()));
    (Folder { path, keyring, customer_key: None, sse, in_container, keys, kms: json!({}), cases: Vec::new() }, admin)
}

#[test]
fn a_second_implementation_opens_all_that_is_written_under_an_embedded_kms() {
    let Some(python) = program() else { return };
    for backend in backends() {
        let directory = tempfile::tempdir().unwrap();
        let root_key = RootKey::create_file(directory.path().join("root.key")).unwrap();
        let (mut folder, admin) = folder(directory.path(), backend, &root_key, json!({ "root_key": "root.key" }));
        for version in 1..=2 {
            for mode in folder.modes() {
                for (name, object) in [("bound", &object()), ("unbound", &ObjectName::unbound())] {
                    let title = format!("{} {name} under version {version}", mode.id());
                    folder.object(&title, object, mode.clone(), &plain(C + 1));
                    folder.multipart(&format!("{title}, parts"), object, mode.clone(), &[(1, plain(C)), (7, plain(5))]);
                }
            }
            let default: AnyMode = SseKms::default().into();
            folder.object(&format!("default under version {version}"), &object(), default, &plain(100));
            for key in ["alias/app", "alias/aws/s3"] {
                assert_eq!(admin.rotate_key(key).unwrap(), version + 1);
            }
        }
        assert_opens(&python, &folder);
        // The service refuses this then; the program, which has the file, does not.
        admin.disable_key("alias/app").unwrap();
        admin.schedule_deletion("alias/aws/s3", std::time::Duration::from_secs(7 * 86_400)).unwrap();
        let sse = folder.sse();
        sse.encrypt(&object(), SseKms::new("alias/app"), b"").unwrap_err();
        assert_opens(&python, &folder);
    }
}

#[test]
#[cfg(feature = "passphrase")]
fn a_second_implementation_opens_a_key_store_under_a_passphrase() {
    let Some(python) = program() else { return };
    let directory = tempfile::tempdir().unwrap();
    let passphrase = "a passphrase é";
    fs::write(directory.path().join("passphrase"), passphrase).unwrap();
    let root_key = RootKey::from_passphrase(passphrase).unwrap();
    let (mut folder, admin) =
        folder(directory.path(), Backend::fastest(), &root_key, json!({ "passphrase": "passphrase" }));
    for mode in folder.modes() {
        folder.object(&mode.id().to_string(), &object(), mode.clone(), &plain(100));
    }
    admin.rotate_key("alias/app").unwrap();
    folder.object("rotated", &object(), SseKms::new("alias/app").into(), &plain(100));
    assert_opens(&python, &folder);
}

#[test]
fn a_second_implementation_refuses_an_object_whose_kms_key_is_gone_or_another() {
    let Some(python) = program() else { return };
    let directory = tempfile::tempdir().unwrap();
    let root_key = RootKey::create_file(directory.path().join("root.key")).unwrap();
    let (mut folder, admin) =
        folder(directory.path(), Backend::fastest(), &root_key, json!({ "root_key": "root.key" }));
    let pairs = EncryptionContext::new().with("team", "photos").unwrap();
    folder.object("of the keyring", &object(), SseS3.into(), &plain(100));
    folder.object("of a KMS key", &object(), SseKms::new("alias/app").with_context(pairs).into(), &plain(100));
    let id = admin.describe_key("alias/app").unwrap().id;
    assert_opens(&python, &folder);

    let keyring = folder.keyring.clone();
    let another = tempfile::tempdir().unwrap();
    let owner = Requester::new("owner");
    let other = EmbeddedKms::create(another.path().join("kms.atrest"), &root_key, owner.clone()).unwrap();
    let opens = |of: &str| {
        fs::copy(another.path().join("kms.atrest"), directory.path().join("kms.atrest")).unwrap();
        let cases: Vec<&Value> = folder.cases.iter().filter(|case| case["case"] == of).collect();
        assert_eq!(cases.len(), 1);
        fs::write(directory.path().join("cases.json"), serde_json::to_vec(&cases).unwrap()).unwrap();
        let output = python().arg(directory.path()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_ne!(keyring.key_id(), other.keyring().key_id());
    let refused = |of: &str, why: &str| {
        let (success, said) = opens(of);
        assert!(!success && said.contains(why), "{said}");
    };
    refused("of the keyring", "Unexpected");
    refused("of a KMS key", "KeyProvider");
    other.requested_by(owner).create_key(NewKey::new().id(id)).unwrap();
    refused("of a KMS key", "Inauthentic");
}
