//! `tests/reference/atrest.py`, a second implementation in another language, opens what the library writes from the
//! stored bytes and the keys alone. `check_cases.py` drives it.
//!
//! The test needs Python 3 with the package `cryptography`; `ATREST_PYTHON` names the interpreter.

#[cfg(feature = "embedded-kms")]
mod kms;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use atrest::multipart::{CompletedPart, KeptAttempt, UnopenedPart, Upload};
use atrest::{
    AnyMode, Backend, Blocking, Container, CustomerKey, DsseKms, EncryptionContext, KeyEncryptionKey, Keyring, KmsKeys,
    ModeId, ObjectName, PartNumber, Rewrap, RootKey, SealedValue, Sse, SseC, SseKms, SseS3, Unlock,
};
use atrest_kit::{C, OneKey, backends, plain};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

const KMS_KEY: &str = "recovery-kms:key/1";

/// A folder with keys, stored bytes, and `cases.json`, which says what is in there.
struct Folder<'a> {
    path: &'a Path,
    keyring: Keyring,
    /// `None` if no case is of SSE-C.
    customer_key: Option<Arc<CustomerKey>>,
    sse: Sse,
    /// The same with a container.
    in_container: Box<dyn Fn(Container) -> Sse>,
    /// The server's keys, as each case states them.
    keys: Value,
    /// The fields that a case under a KMS key has besides.
    kms: Value,
    cases: Vec<Value>,
}

impl<'a> Folder<'a> {
    fn new(path: &'a Path, backend: Backend) -> Self {
        let root_key = RootKey::create_file(path.join("root.key")).unwrap();
        let keyring = Keyring::create_blocking(path.join("keyring.atrest"), &root_key).unwrap();
        let kek = *KeyEncryptionKey::generate().unwrap().expose_secret();
        fs::write(path.join("kek"), kek).unwrap();
        let customer_key = Arc::new(CustomerKey::generate().unwrap());
        fs::write(path.join("customer.key"), customer_key.expose_secret()).unwrap();
        let kms = OneKey::new(KMS_KEY, b"wrapped", kek);
        let of_keyring = keyring.clone();
        let builder = move || {
            let builder = Sse::builder().keyring(of_keyring.clone()).kms(kms.clone(), KmsKeys::only([KMS_KEY]));
            builder.backend(backend)
        };
        let sse = builder().completion_records().build().unwrap();
        let keys = json!({ "keyring": "keyring.atrest", "root_key": "root.key" });
        Self {
            path,
            keyring,
            customer_key: Some(customer_key),
            sse,
            in_container: Box::new(move |container| builder().container(container).build().unwrap()),
            keys,
            kms: json!({ "kek": "kek" }),
            cases: Vec::new(),
        }
    }

    fn sse(&self) -> Blocking {
        self.sse.blocking()
    }

    fn modes(&self) -> Vec<AnyMode> {
        let context = || EncryptionContext::new().with("team", "photos").unwrap();
        let mut modes: Vec<AnyMode> = vec![SseS3.into(), SseKms::new("alias/app").with_context(context()).into()];
        modes.extend(self.customer_key.clone().map(|key| SseC::new(key).into()));
        if Backend::available().count() > 1 {
            modes.push(DsseKms::new("alias/app").with_context(context()).into());
        }
        modes
    }

    fn unlock(&self, mode: ModeId) -> Unlock<'_> {
        match &self.customer_key {
            Some(key) if mode == ModeId::SseC => Unlock::CustomerKey(key),
            _ => Unlock::Server,
        }
    }

    fn file(&self, name: String, bytes: &[u8]) -> String {
        fs::write(self.path.join(&name), bytes).unwrap();
        name
    }

    fn case(&mut self, title: String, object: &ObjectName, mode: ModeId, more: Value) {
        let of_customer = json!({ "customer_key": "customer.key" });
        let mut case = json!({ "case": title, "name": name_of(object) });
        let members = case.as_object_mut().unwrap();
        members.extend(self.keys.as_object().unwrap().clone());
        match mode {
            ModeId::SseKms | ModeId::DsseKms => members.extend(self.kms.as_object().unwrap().clone()),
            ModeId::SseC => members.extend(of_customer.as_object().unwrap().clone()),
            _ => {}
        }
        members.extend(more.as_object().unwrap().clone());
        self.cases.push(case);
    }

    fn value(&self, title: &str, of: Value, name: &str, sealed: &SealedValue, value: &[u8]) -> Value {
        let sealed = self.file(format!("{title}.{name}"), sealed.as_bytes());
        json!({ "name": name, "sealed": sealed, "of": of, "value": HEXLOWER.encode(value) })
    }

    /// An object of known length in a trailer container.
    fn trailer(&mut self, title: &str, object: &ObjectName, mode: AnyMode, plaintext: &[u8]) {
        let id = mode.id();
        let container = Container::trailer(1_024).with_layers(id.layers());
        let sse = (self.in_container)(container).blocking();
        let stored = sse.encrypt(object, mode, plaintext).unwrap().to_container(container).unwrap();
        let trailer = self.file(format!("{title}.trailer"), &stored);
        let plaintext = self.file(format!("{title}.plain"), plaintext);
        let layers = if id == ModeId::DsseKms { 2 } else { 1 };
        let stored = json!({ "trailer": trailer, "store": [1_024, layers], "plaintext": plaintext });
        self.case(format!("{title}, in a trailer container"), object, id, stored);
    }

    /// An object, detached and in each container, with a value that belongs to it.
    fn object(&mut self, title: &str, object: &ObjectName, mode: AnyMode, plaintext: &[u8]) {
        self.trailer(title, object, mode.clone(), plaintext);
        let id = mode.id();
        let (envelope, mut encryptor) = self.sse().encryptor(object, mode).unwrap();
        let mut body = bytes::BytesMut::new();
        encryptor.push(plaintext, &mut body).unwrap();
        let sealed = encryptor.values().seal("md5", b"a digest").unwrap();
        encryptor.finish_into(&mut body).unwrap();
        let value = self.value(title, json!("object"), "md5", &sealed, b"a digest");
        let inline = self.file(format!("{title}.inline"), &[&envelope.encode()[..], &body].concat());
        let plaintext = self.file(format!("{title}.plain"), plaintext);
        let envelope = self.file(format!("{title}.envelope"), &envelope.encode());
        let body = self.file(format!("{title}.body"), &body);
        let detached = json!({ "envelope": envelope, "body": [body], "plaintext": plaintext, "values": [value] });
        self.case(title.to_owned(), object, id, detached);
        self.case(format!("{title}, inline"), object, id, json!({ "inline": inline, "plaintext": plaintext }));
    }

    /// An upload under way, rewrapped after a rotation, and the object it becomes.
    fn multipart(&mut self, title: &str, object: &ObjectName, mode: AnyMode, parts: &[(u32, Vec<u8>)]) {
        let id = mode.id();
        let upload_id: &[u8] = if object.is_bound() { b"upload-7" } else { b"" };
        let upload = self.sse().begin_multipart(object, upload_id, mode).unwrap();
        let (stored, receipts, mut values) = self.parts(title, &upload, parts);
        let of_upload = upload.values().seal("began", b"today").unwrap();
        self.keyring.blocking().rotate().unwrap();
        let envelope =
            self.sse().rewrap(Rewrap::upload(object, upload_id, upload.envelope(), self.unlock(id))).unwrap().encode();
        let under_way = json!({
            "envelope": self.file(format!("{title}.upload"), &envelope), "upload_id": HEXLOWER.encode(upload_id),
            "receipts": receipts.iter().map(|(_, stated)| stated.clone()).collect::<Vec<_>>(),
            "values": [self.value(title, json!("upload"), "began", &of_upload, b"today")],
        });
        self.case(format!("{title}, under way"), object, id, under_way);

        if id == ModeId::SseC && object.is_bound() {
            self.record(title, &upload, &stored, &receipts, parts);
        }
        let completed = stored.iter().zip(&receipts).map(|((number, bytes), (receipt, _))| {
            CompletedPart::new(PartNumber::new(*number).unwrap(), b"an ETag", receipt, bytes)
        });
        let completed = self.sse().complete_multipart(&upload, self.unlock(id), completed).unwrap();
        let whole: Vec<u8> = parts.iter().flat_map(|(_, plaintext)| plaintext.clone()).collect();
        let of_object = completed.decryptor.values().seal("crc", b"of all").unwrap();
        values.push(self.value(title, json!("object"), "crc", &of_object, b"of all"));
        let envelope = completed.envelope.encode();
        let body: Vec<u8> = stored.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let inline = self.file(format!("{title}.inline"), &[&envelope[..], &completed.manifest, &body].concat());
        let plaintext = self.file(format!("{title}.plain"), &whole);
        let files: Vec<String> =
            stored.iter().map(|(number, bytes)| self.file(format!("{title}.part{number}"), bytes)).collect();
        let detached = json!({
            "envelope": self.file(format!("{title}.envelope"), &envelope),
            "manifest": self.file(format!("{title}.manifest"), &completed.manifest),
            "body": files, "plaintext": plaintext, "values": values,
        });
        self.case(title.to_owned(), object, id, detached);
        self.case(format!("{title}, inline"), object, id, json!({ "inline": inline, "plaintext": plaintext }));
    }

    /// The record of an upload that is completed without its key, rewrapped after a rotation.
    fn record(
        &mut self,
        title: &str,
        upload: &Upload,
        stored: &[(u32, Vec<u8>)],
        receipts: &[(atrest::multipart::Receipt, Value)],
        parts: &[(u32, Vec<u8>)],
    ) {
        let kept = |((number, bytes), (receipt, _)): (&(u32, Vec<u8>), &(atrest::multipart::Receipt, Value))| {
            KeptAttempt::new(PartNumber::new(*number).unwrap(), b"an ETag", receipt.clone(), bytes).unwrap()
        };
        let kept: Vec<_> = stored.iter().zip(receipts).map(kept).collect();
        let listed = kept
            .iter()
            .zip(stored)
            .map(|(kept, (_, bytes))| UnopenedPart::new(kept.number(), kept.label(), kept, bytes));
        let (object, id) = (upload.object(), upload.upload_id());
        let record = self.sse().complete_multipart_without_key(object, id, upload.envelope(), listed).unwrap();
        self.keyring.blocking().rotate().unwrap();
        let record = self.sse().rewrap_record(object, &record).unwrap();
        let body: Vec<String> =
            stored.iter().map(|(number, bytes)| self.file(format!("{title}.completed{number}"), bytes)).collect();
        let whole: Vec<u8> = parts.iter().flat_map(|(_, plaintext)| plaintext.clone()).collect();
        let completed = json!({
            "record": self.file(format!("{title}.record"), record.as_bytes()), "body": body,
            "plaintext": self.file(format!("{title}.completed"), &whole),
        });
        self.case(format!("{title}, completed without the key"), object, ModeId::SseC, completed);
    }

    #[expect(clippy::type_complexity, reason = "three lists, taken apart at once")]
    fn parts(
        &self,
        title: &str,
        upload: &Upload,
        parts: &[(u32, Vec<u8>)],
    ) -> (Vec<(u32, Vec<u8>)>, Vec<(atrest::multipart::Receipt, Value)>, Vec<Value>) {
        let (mut stored, mut receipts, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (number, plaintext) in parts {
            let (mut part, seal) = upload.part(PartNumber::new(*number).unwrap()).unwrap();
            let mut bytes = bytes::BytesMut::new();
            part.push(plaintext, &mut bytes).unwrap();
            let sealed = part.values().seal("md5", plaintext).unwrap();
            let receipt = seal.receipt(&part.finish_into(&mut bytes).unwrap(), b"an ETag").unwrap();
            values.push(self.value(&format!("{title}.{number}"), json!(number), "md5", &sealed, plaintext));
            let file = self.file(format!("{title}.{number}.receipt"), receipt.as_bytes());
            let label = HEXLOWER.encode(b"an ETag");
            receipts
                .push((receipt, json!({ "sealed": file, "number": number, "len": plaintext.len(), "label": label })));
            stored.push((*number, bytes.to_vec()));
        }
        (stored, receipts, values)
    }
}

fn name_of(object: &ObjectName) -> Value {
    if !object.is_bound() {
        return Value::Null;
    }
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    json!({ "realm": hex(b"account-7"), "bucket": hex(object.bucket()), "key": hex(object.key()), "version_id": hex(b"v1") })
}

/// The program. `None` if `ATREST_PYTHON` is not set and the default Python lacks the package. `./tests/run` sets the
/// variable, and reports a skip if it cannot.
fn program() -> Option<impl Fn() -> Command> {
    let named = std::env::var_os("ATREST_PYTHON");
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let has_package = || Command::new(&python).args(["-c", "import cryptography"]).status().is_ok_and(|s| s.success());
    if named.is_none() && !has_package() {
        eprintln!("skipped: no Python 3 with the package cryptography");
        return None;
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/check_cases.py");
    Some(move || {
        let mut command = Command::new(&python);
        command.arg(&program);
        command
    })
}

#[test]
fn a_second_implementation_opens_all_that_the_library_writes() {
    let Some(python) = program() else { return };
    for backend in backends() {
        let directory = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(directory.path(), backend);
        let bound = ObjectName::new("photos", "a//b/../c é")
            .unwrap()
            .with_realm("account-7")
            .unwrap()
            .with_version_id("v1")
            .unwrap();
        for mode in folder.modes() {
            for (name, object) in [("bound", &bound), ("unbound", &ObjectName::unbound())] {
                for len in [0, 1, C, 2 * C + 1] {
                    folder.object(&format!("{} {name} {len}", mode.id()), object, mode.clone(), &plain(len));
                }
                let parts = [(1, plain(40_000)), (2, plain(C)), (5, b"purr".to_vec()), (9, Vec::new())];
                folder.multipart(&format!("{} {name} parts", mode.id()), object, mode.clone(), &parts);
            }
        }
        assert_opens(&python, &folder);
    }
}

/// Checks that every case of a folder opens.
fn assert_opens(python: &impl Fn() -> Command, folder: &Folder<'_>) {
    fs::write(folder.path.join("cases.json"), serde_json::to_vec(&folder.cases).unwrap()).unwrap();
    let output = python().arg(folder.path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("{} opened, 0 failed", folder.cases.len())), "{said}");
}

#[test]
fn a_second_implementation_refuses_a_single_changed_bit() {
    let Some(python) = program() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(directory.path(), Backend::fastest());
    let object = ObjectName::unbound();
    folder.multipart("changed", &object, SseS3.into(), &[(1, plain(100)), (2, plain(200))]);
    fs::write(directory.path().join("cases.json"), serde_json::to_vec(&folder.cases).unwrap()).unwrap();
    assert!(python().arg(directory.path()).output().unwrap().status.success());
    for file in ["changed.envelope", "changed.manifest", "changed.part2", "changed.1.md5", "changed.1.receipt"] {
        let path = directory.path().join(file);
        let sound = fs::read(&path).unwrap();
        let mut changed = sound.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&path, changed).unwrap();
        let output = python().arg(directory.path()).output().unwrap();
        assert!(!output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stdout));
        fs::write(&path, sound).unwrap();
    }
}
