//! Test kit: a token of SoftHSM2 in a directory, and a child process that uses it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use atrest::{
    EncryptionContext, GeneratedKey, KeyProvider, KeyProviderError, KeyRequest, Requester, UnwrappedKey, WrappedKey,
};
use atrest_pkcs11::{Pin, Pkcs11Kms, Pkcs11KmsBuilder};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use pollster::block_on;
use tempfile::TempDir;

pub(crate) const LABEL: &str = "storage";
pub(crate) const PIN: &str = "123456";

/// Runs a test in a child process with a token, whose configuration has these lines too.
pub(crate) fn in_child_with(test: &str, configuration: &str, body: impl FnOnce()) {
    if env::var_os("ATREST_SOFTHSM_CHILD").is_some() {
        let before = threads();
        body();
        return wait_for_threads(before);
    }
    let Some(_library) = library() else { return };
    let directory = new_token(configuration);
    let child = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("SOFTHSM2_CONF", directory.path().join("softhsm2.conf"))
        .env("ATREST_SOFTHSM_CHILD", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&child.stdout), said(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{}\n{out}\n{error}", child.status);
}

/// Waits until the threads of the pools, which dropping a provider does not wait for, have closed their sessions and
/// ended. SoftHSM2 crashes if the process ends meanwhile, since its own exit handlers then free what the threads use.
fn wait_for_threads(before: usize) {
    let until = Instant::now() + Duration::from_secs(10);
    while threads() > before && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

pub(crate) fn in_child(test: &str, body: impl FnOnce()) {
    in_child_with(test, "", body);
}

/// The library of SoftHSM2. `None` if the environment says to do without.
pub(crate) fn library() -> Option<PathBuf> {
    match env::var_os("ATREST_SOFTHSM") {
        Some(path) if path == "none" => None,
        Some(path) => Some(path.into()),
        None => Some("/usr/lib/softhsm/libsofthsm2.so".into()),
    }
}

fn new_token(configuration: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let file = directory.path().join("softhsm2.conf");
    let lines = format!("directories.tokendir = {}\nlog.level = ERROR\n{configuration}\n", tokens.display());
    fs::write(&file, lines).unwrap();
    init_token(&file);
    directory
}

/// Initialises a token in a free slot.
pub(crate) fn init_token(configuration: &Path) {
    let arguments = ["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "87654321"];
    let done = Command::new("softhsm2-util").args(arguments).env("SOFTHSM2_CONF", configuration).output();
    let done = done.expect("softhsm2 is not installed (ATREST_SOFTHSM=none skips these tests)");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The administrator's view of the token.
pub(crate) struct Admin {
    pub(crate) library: Pkcs11,
    pub(crate) session: Session,
}

impl Admin {
    pub(crate) fn new() -> Self {
        let library = Pkcs11::new(library().unwrap()).unwrap();
        let _ = library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        let session = Self::session(&library);
        Self { library, session }
    }

    fn session(library: &Pkcs11) -> Session {
        let slots = library.get_slots_with_token().unwrap();
        let is_ours = |slot: &cryptoki::slot::Slot| library.get_token_info(*slot).unwrap().label() == LABEL;
        let session = library.open_rw_session(slots.into_iter().find(is_ours).unwrap()).unwrap();
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN)));
        session
    }

    /// Creates an AES key of 256 bits.
    pub(crate) fn create(&self, label: &str, id: &[u8], with: &[Attribute]) -> ObjectHandle {
        let mut template = vec![
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::ValueLen(32.into()),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        if !id.is_empty() {
            template.push(Attribute::Id(id.to_vec()));
        }
        template.extend_from_slice(with);
        self.session.generate_key(&Mechanism::AesKeyGen, &template).unwrap()
    }
}

pub(crate) fn builder() -> Pkcs11KmsBuilder {
    Pkcs11Kms::builder(library().unwrap(), LABEL, || Ok(Pin::new(PIN)))
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::new().with("team", "photos").unwrap()
}

pub(crate) fn request(key_id: &str) -> KeyRequest {
    KeyRequest::new(key_id, context(), Requester::anonymous())
}

pub(crate) fn generate(kms: &Arc<Pkcs11Kms>, key_id: &str) -> Result<GeneratedKey, KeyProviderError> {
    block_on(kms.clone().generate_key(request(key_id)))
}

pub(crate) fn unwrap(kms: &Arc<Pkcs11Kms>, generated: &GeneratedKey) -> Result<UnwrappedKey, KeyProviderError> {
    unwrap_bytes(kms, generated.key_id(), generated.wrapped().as_bytes())
}

pub(crate) fn unwrap_bytes(
    kms: &Arc<Pkcs11Kms>,
    key_id: &str,
    wrapped: &[u8],
) -> Result<UnwrappedKey, KeyProviderError> {
    block_on(kms.clone().unwrap_key(WrappedKey::new(wrapped), request(key_id)))
}
