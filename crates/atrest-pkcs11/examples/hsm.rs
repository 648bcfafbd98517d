//! Objects under a key that never leaves an HSM.
//!
//! ```text
//! cargo run -p atrest-pkcs11 --example hsm    # a token of SoftHSM2 in a directory that goes away at the end
//! cargo run -p atrest-pkcs11 --example hsm -- run LIBRARY TOKEN KEY PIN_FILE           # a token and key of yours
//! cargo run -p atrest-pkcs11 --example hsm -- create-key LIBRARY TOKEN KEY PIN_FILE    # once, before
//! ```

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use atrest::kms::Resilient;
use atrest::{EncryptionContext, KeyProvider, KeyRequest, KmsKeys, ObjectName, Requester, Sse, SseKms, Unlock};
use atrest_pkcs11::{Pin, Pkcs11Kms};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use pollster::block_on;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Where the packages of the systems put SoftHSM2. `ATREST_SOFTHSM` names another place.
const SOFTHSM: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => with_softhsm(),
        ["create-key", library, token, key, pin_file] => create_key(library, token, key, pin_file),
        ["run", library, token, key, pin_file] => run(library, token, key, pin_file),
        _ => Err("the arguments are none, or run or create-key with LIBRARY TOKEN KEY PIN_FILE".into()),
    }
}

/// Creates a token, and runs this program twice with it: SoftHSM2 finds its tokens by the environment of its process.
fn with_softhsm() -> Result<()> {
    let named = env::var_os("ATREST_SOFTHSM").map(PathBuf::from);
    let known = SOFTHSM.iter().map(PathBuf::from);
    let library = named.into_iter().chain(known).find(|path| path.exists());
    let library =
        library.ok_or("SoftHSM2 was not found: install the package softhsm2 (softhsm on Fedora and macOS)")?;
    let directory = tempfile::tempdir()?;
    let in_directory = |name: &str| directory.path().join(name);
    let (tokens, configuration, pin_file) =
        (in_directory("tokens"), in_directory("softhsm2.conf"), in_directory("pin"));
    fs::create_dir(&tokens)?;
    fs::write(&configuration, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))?;
    fs::write(&pin_file, "123456\n")?;
    let succeed = |command: &mut Command| -> Result<()> {
        let status = command.env("SOFTHSM2_CONF", &configuration).status();
        let status = status.map_err(|error| format!("{command:?} does not start: {error}"))?;
        status.success().then_some(()).ok_or_else(|| format!("{command:?} failed").into())
    };
    let token = ["--init-token", "--free", "--label", "storage", "--pin", "123456", "--so-pin", "87654321"];
    succeed(Command::new("softhsm2-util").args(token))?;
    for verb in ["create-key", "run"] {
        let program = env::current_exe()?;
        succeed(Command::new(program).arg(verb).arg(&library).args(["storage", "photos"]).arg(&pin_file))?;
    }
    Ok(())
}

/// The work of the HSM's administrator: an AES key that the token generates and never gives out.
fn create_key(library: &str, token: &str, key: &str, pin_file: &str) -> Result<()> {
    let library = Pkcs11::new(library)?;
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let mut slots = library.get_slots_with_token()?.into_iter();
    let is_named = |slot: &_| library.get_token_info(*slot).is_ok_and(|info| info.label() == token);
    let session = library.open_rw_session(slots.find(is_named).ok_or("there is no token of this label")?)?;
    session.login(UserType::User, Some(&AuthPin::from(fs::read_to_string(pin_file)?.trim_end())))?;
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    let usable = [Attribute::Encrypt(true), Attribute::Decrypt(true), Attribute::ValueLen(32.into())];
    let kept = [Attribute::Token(true), Attribute::Private(true), Attribute::Sensitive(true)];
    let named = [Attribute::Extractable(false), Attribute::Label(key.into()), Attribute::Id(id.into())];
    session.generate_key(&Mechanism::AesKeyGen, &[usable, kept, named].concat())?;
    println!("the token {token} has generated the AES key {key}");
    Ok(())
}

/// The work of the service: it names the key, and has the PIN of the token's user.
fn run(library: &str, token: &str, key: &str, pin_file: &str) -> Result<()> {
    let pin_file = pin_file.to_owned();
    let pin = move || fs::read_to_string(&pin_file).map(|pin| Pin::new(pin.trim_end()));
    let hsm = Arc::new(Pkcs11Kms::builder(library, token, pin).build());
    // No thread of the provider may close its session while the process ends.
    std::mem::forget(hsm.clone());
    let key_id = block_on(hsm.check(key))?;
    println!("logged in; the key {key} is {key_id}");

    let limited = Arc::new(Resilient::new(hsm.clone()).with_total_limit(Duration::from_secs(5)));
    let sse = Sse::builder().kms(limited, KmsKeys::only([&*key_id])).build()?.blocking();
    let object = ObjectName::new("photos", "cat.jpg")?;
    let stored = sse.encrypt(&object, SseKms::new(key), b"meow")?;
    println!("encrypted {object:?}; its envelope names {:?}", stored.envelope.kms_key_id());
    println!("decrypted: {}", String::from_utf8_lossy(&sse.decrypt(&object, &stored, Unlock::Server)?));

    // What the library asks the provider for, by hand.
    let request = |team| -> Result<_> {
        Ok(KeyRequest::new(&key_id, EncryptionContext::new().with("team", team)?, Requester::anonymous()))
    };
    let wrapped = block_on(hsm.clone().generate_key(request("photos")?))?.wrapped().clone();
    println!("a key for the team photos, wrapped in {} bytes", wrapped.as_bytes().len());
    block_on(hsm.clone().unwrap_key(wrapped.clone(), request("photos")?))?;
    println!("it unwraps for the team photos");
    let refused = block_on(hsm.clone().unwrap_key(wrapped, request("payroll")?)).err();
    println!("for the team payroll it does not: {}", refused.ok_or("it unwrapped under another context")?);
    println!("{:?}", hsm.wraps());
    Ok(())
}
