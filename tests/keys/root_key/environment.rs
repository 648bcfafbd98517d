//! `RootKey::from_env`: each test runs in a process of its own, which sets the variable.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use atrest::{Keyring, RootKey};
use data_encoding::BASE64;

const VARIABLE: &str = "ATREST_TEST_ROOT_KEY";
/// The variable that names the keyring file for a child process.
const KEYRING: &str = "ATREST_TEST_KEYRING";
const KEY: [u8; 32] = *b"a root key that nobody is to see";

/// Runs a test as a child process, and returns what it prints about the key in its environment.
fn asked(test: &str, keyring: &Path, value: Option<&OsStr>) -> String {
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["--exact", &format!("root_key::environment::{test}"), "--nocapture"])
        .env(KEYRING, keyring)
        .env_remove(VARIABLE);
    if let Some(value) = value {
        child.env(VARIABLE, value);
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    said.split(['<', '>']).nth(1).unwrap_or_else(|| panic!("the child says nothing: {said}")).to_owned()
}

fn answer(keyring: &Path) {
    let said = match RootKey::from_env(VARIABLE) {
        Ok(root_key) => format!("opens {root_key:?} {}", Keyring::open_blocking(keyring, &root_key).is_ok()),
        Err(atrest::Error::Io(error)) => format!("{:?} {error} {error:?}", error.kind()),
        Err(other) => format!("{other:?}"),
    };
    println!("<{}>", said.replace(['<', '>'], "|"));
}

#[test]
fn the_environment_gives_a_root_key_in_base64_and_nothing_else() {
    if let Some(keyring) = env::var_os(KEYRING) {
        return answer(Path::new(&keyring));
    }
    let directory = tempfile::tempdir().unwrap();
    let keyring = directory.path().join("master.atrest");
    Keyring::create_blocking(&keyring, &RootKey::from_bytes(&mut KEY.clone()).unwrap()).unwrap();
    let ask =
        |value: Option<&OsStr>| asked("the_environment_gives_a_root_key_in_base64_and_nothing_else", &keyring, value);
    let text = BASE64.encode(&KEY);
    for taken in [text.clone(), format!(" {text}\n"), format!("\t{text}\r\n")] {
        assert_eq!(ask(Some(OsStr::new(&taken))), "opens RootKey(..) true");
    }
    let other = BASE64.encode(&[7; 32]);
    assert_eq!(ask(Some(OsStr::new(&other))), "opens RootKey(..) false");

    let said = ask(None);
    assert!(said.starts_with("NotFound the root key's environment variable is not set"), "{said}");

    let unpadded = text.trim_end_matches('=').to_owned();
    // The last character but one has two bits that say nothing; they are zero or it is not base64.
    let loose = format!("{}9=", &text[..42]);
    assert_ne!(loose, text);
    let mut refused: Vec<OsString> = [
        String::new(),
        " \n".into(),
        "not base64 at all".into(),
        unpadded,
        loose,
        format!("{}\n{}", &text[..20], &text[20..]),
        text.replace('=', "\u{e9}"),
        BASE64.encode(&KEY[..31]),
        BASE64.encode(&[&KEY[..], b"!"].concat()),
        data_encoding::BASE64URL.encode(&[0xFB; 32]),
        data_encoding::HEXLOWER.encode(&KEY),
        String::from_utf8(KEY.to_vec()).unwrap(),
        text.repeat(1_000),
    ]
    .map(OsString::from)
    .into();
    #[cfg(unix)]
    refused.push(std::os::unix::ffi::OsStringExt::from_vec([&text.as_bytes()[..43], &[0xFF]].concat()));
    for value in refused {
        let said = ask(Some(&value));
        assert!(
            said.starts_with("InvalidData the root key's environment variable holds no key: its value is"),
            "{said}"
        );
        let shown = value.to_string_lossy();
        assert!(!said.contains(&text[..8]) && !said.contains("nobody"), "{said}");
        assert!(shown.trim().len() < 8 || !said.contains(shown.trim()), "{said}");
    }
    let said = ask(Some(OsStr::new(&BASE64.encode(&[0; 32]))));
    let zeros = "InvalidData the root key's environment variable holds no key: its 32 bytes are all zero";
    assert!(said.starts_with(zeros), "{said}");
    fs::remove_file(keyring).unwrap();
}

#[test]
fn a_name_that_no_variable_has_is_one_that_is_not_set() {
    for name in ["", "ATREST=TEST", "ATREST\0TEST", "ATREST_TEST_NO_SUCH_VARIABLE"] {
        assert_eq!(super::io_kind(RootKey::from_env(name).unwrap_err()), std::io::ErrorKind::NotFound, "{name:?}");
    }
}
