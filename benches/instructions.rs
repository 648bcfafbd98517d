//! The instructions that the library itself executes for one call, without those of cipher and hash.
//!
//! ```text
//! export CARGO_PROFILE_BENCH_DEBUG=line-tables-only
//! cargo bench --no-default-features --features s3 --bench instructions -- --compare   with instructions.txt
//! cargo bench --no-default-features --features s3 --bench instructions -- --record    writes instructions.txt
//! ```
//!
//! Without an argument each case runs once and is not counted.
//!
//! Callgrind counts the instructions, so valgrind has to be installed. A count does not depend on the load of the
//! machine, but on the compiler: the file names the one that it was recorded with. RustCrypto is the backend, because
//! its functions and files have names by which they can be left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use atrest::s3::{
    BucketEncryption, Caller, EncryptionHeaders, NewObject, PolicySource, Resource, S3Request, S3Rules, Signature,
    Transport,
};
use atrest::{Backend, Blocking, Encrypted, Envelope, Keyring, ObjectName, Rewrap, Sse, SseS3, Unlock};
use http::HeaderMap;

const CASES: [&str; 10] = [
    "encrypt 64 B",
    "encrypt 1 KiB",
    "encrypt 64 KiB",
    "decrypt 64 B",
    "decrypt 1 KiB",
    "decrypt 64 KiB",
    "range 100 B of 64 KiB",
    "envelope decode",
    "rewrap",
    "decision",
];

/// The largest difference that is accepted, in percent.
const TOLERANCE: f64 = 3.0;

/// Parts of the names of functions and source files of cipher and hash.
const CIPHER_AND_HASH: [&str; 19] = [
    "/aes-",
    "/block-buffer-",
    "/cipher-",
    "/core_arch/",
    "/ctr-",
    "/digest-",
    "/ghash-",
    "/hmac-",
    "/inout-",
    "/polyval-",
    "/sha2-",
    "3aes",
    "aes::",
    "aes_gcm",
    "block_buffer",
    "digest::",
    "ghash",
    "polyval",
    "sha2",
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if let Ok(case) = env::var(CHILD) {
        measured_operation(&mut *operation(&case));
        return ExitCode::SUCCESS;
    }
    if !has("--compare") && !has("--record") {
        CASES.into_iter().for_each(|case| operation(case)());
        return ExitCode::SUCCESS;
    }
    let counted: BTreeMap<_, _> = CASES.into_iter().map(|case| (case, count(case))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    if has("--record") {
        fs::write(&path, table(&counted)).expect("the file can be written");
        return ExitCode::SUCCESS;
    }
    compare(&fs::read_to_string(&path).expect("the recorded counts can be read"), &counted)
}

const CHILD: &str = "ATREST_INSTRUCTIONS_CASE";

/// The function inside which callgrind counts.
#[inline(never)]
fn measured_operation(operation: &mut dyn FnMut()) {
    operation();
    // A call in tail position would leave this function before the operation begins.
    std::hint::black_box(());
}

/// Returns one case, ready to run; it has run once already, so that what is set up only once is not counted.
fn operation(case: &str) -> Box<dyn FnMut()> {
    let (verb, what) = case.split_once(' ').unwrap_or((case, ""));
    let len = match what {
        "64 B" => 64,
        "1 KiB" => 1_024,
        _ => 64 * 1_024,
    };
    let keyring = Keyring::generate().expect("a keyring").with_changes_lost_on_exit();
    let sse = Sse::builder().keyring(keyring).backend(Backend::RustCrypto).build().expect("always there").blocking();
    let name = ObjectName::new("photos", "2026/cat.jpg").expect("a name");
    let plaintext = vec![7; len];
    let stored = sse.encrypt(&name, SseS3, &plaintext).expect("encrypted");
    let mut operation: Box<dyn FnMut()> = match verb {
        "encrypt" => Box::new(move || drop(sse.encrypt(&name, SseS3, &plaintext).expect("encrypted"))),
        "decrypt" => Box::new(move || drop(sse.decrypt(&name, &stored, Unlock::Server).expect("decrypted"))),
        "range" => Box::new(move || range(&sse, &name, &stored)),
        "envelope" => {
            let encoded = stored.envelope.encode();
            Box::new(move || drop(Envelope::decode(&encoded).expect("an envelope")))
        }
        "rewrap" => {
            Box::new(move || drop(sse.rewrap(Rewrap::of(&name, &stored.envelope, Unlock::Server)).expect("rewrapped")))
        }
        "decision" => decision(),
        _ => panic!("there is no case {case}"),
    };
    operation();
    operation
}

fn range(sse: &Blocking, name: &ObjectName, stored: &Encrypted) {
    let decryptor = sse.decryptor(name, &stored.envelope, Unlock::Server).expect("a decryptor");
    let plan = decryptor.range(20_000..20_100, stored.ciphertext.len() as u64).expect("a plan");
    let fetch = plan.fetches().first().expect("a fetch");
    drop(plan.decrypt(&stored.ciphertext[fetch.start as usize..fetch.end as usize]).expect("decrypted"));
}

fn decision() -> Box<dyn FnMut()> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "image/jpeg".parse().expect("a value"));
    headers.insert("x-amz-server-side-encryption", "AES256".parse().expect("a value"));
    let rules = S3Rules::new();
    Box::new(move || {
        let encryption = EncryptionHeaders::from_headers(&headers).expect("headers");
        let caller = Caller::signed(Transport::Secure, Signature::V4, "arn:aws:iam::111122223333:user/alice");
        let resource = Resource::object("photos", "2026/cat.jpg");
        let request = S3Request::new(encryption, caller, resource, BucketEncryption::default(), PolicySource::Unasked);
        drop(rules.decide_write(&request, NewObject::Put).expect("a decision"));
    })
}

/// Runs one case under callgrind and returns its instructions.
fn count(case: &str) -> u64 {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind-{}", std::process::id()));
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no", "--collect-atstart=no"])
        .arg("--toggle-collect=*measured_operation*")
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(env::current_exe().expect("this program has a path"))
        .env(CHILD, case)
        .status()
        .expect("valgrind is installed");
    assert!(status.success(), "{case} failed under valgrind");
    let profile = fs::read_to_string(&output).expect("callgrind wrote its profile");
    fs::remove_file(&output).expect("the profile can be removed");
    let (own, left_out) = sums(&profile);
    let needs_cipher = !matches!(case, "envelope decode" | "decision");
    assert!(own > 0 && (left_out > 0) == needs_cipher, "{case}: {own} instructions, {left_out} left out");
    own
}

/// Adds up a profile: the instructions of everything but cipher and hash, then those of cipher and hash.
///
/// `fl=`, `fi=` and `fe=` name the source file and `fn=` the function of the lines that follow. A line `place count` is
/// the cost of these alone; the one after `calls=` is the cost of a callee, which has lines of its own.
fn sums(profile: &str) -> (u64, u64) {
    let (mut file_is_left_out, mut function_is_left_out, mut is_of_callee) = (false, false, false);
    let (mut own, mut left_out) = (0, 0);
    let is_left_out = |name: &str| CIPHER_AND_HASH.iter().any(|part| name.contains(part));
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            function_is_left_out = is_left_out(function);
        } else if let Some(file) = ["fl=", "fi=", "fe="].iter().find_map(|key| line.strip_prefix(key)) {
            file_is_left_out = is_left_out(file);
        } else if line.starts_with("calls=") {
            is_of_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let count: u64 = line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count");
            match (std::mem::take(&mut is_of_callee), file_is_left_out || function_is_left_out) {
                (true, _) => {}
                (false, true) => left_out += count,
                (false, false) => own += count,
            }
        }
    }
    (own, left_out)
}

fn table(counted: &BTreeMap<&str, u64>) -> String {
    let version = Command::new(env::var("RUSTC").unwrap_or("rustc".into())).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut table = format!(
        "# Instructions for one call with RustCrypto as backend, without those of cipher and hash. The bench\n\
         # `instructions` compares and records them. Recorded with {version}"
    );
    for (case, count) in counted {
        writeln!(table, "{case}: {count}").expect("a String grows");
    }
    table
}

/// Prints each count beside the recorded one. Fails if one differs by more than the tolerance, in either direction: a
/// lower count is to be recorded, so that it is kept.
fn compare(recorded: &str, counted: &BTreeMap<&str, u64>) -> ExitCode {
    let recorded: BTreeMap<_, _> = recorded
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(case, count)| Some((case, count.parse::<u64>().ok()?)))
        .collect();
    let mut status = ExitCode::SUCCESS;
    for (case, count) in counted {
        let Some(before) = recorded.get(case) else {
            println!("{case:24} {count:>9} is not recorded");
            status = ExitCode::FAILURE;
            continue;
        };
        let percent = (*count as f64 / *before as f64 - 1.0) * 100.0;
        println!("{case:24} {before:>9} -> {count:>9}   {percent:+.1} %");
        if percent.abs() > TOLERANCE {
            status = ExitCode::FAILURE;
        }
    }
    if status != ExitCode::SUCCESS {
        println!("beyond {TOLERANCE} %: find out why, or record the new counts with --record");
    }
    status
}
