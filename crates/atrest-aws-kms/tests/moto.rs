//! `AwsKms` against moto, an emulator of AWS in Python: a second opinion on the protocol. The faults of moto that the
//! conformance suite notices are named, so that a mended moto is noticed too.
//!
//! The test installs moto from PyPI into a virtual environment of its own. `ATREST_MOTO_SERVER` names the program
//! `moto_server` of an installation instead; the value `none` skips the test.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use atrest::kms::Resilient;
use atrest::testing::{Capability, KeyProviderSuite};
use atrest::{KmsKeys, ObjectName, Sse, SseKms, Unlock};
use atrest_aws_kms::AwsKms;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use tokio::runtime::Builder;

const MOTO: &str = "moto[server]==5.2.5";
const REGION: &str = "eu-central-1";

/// What moto does wrong, as the suite reports it: moto binds a key to the joined names and values of its context,
/// answers `AccessDeniedException` where the key of a ciphertext is another one, and uses disabled keys.
const FAULTS: &[&str] = &[
    "a disabled key is refused: generating under a disabled key succeeds",
    "a disabled key is refused: unwrapping under a disabled key succeeds",
    "a wrapped key is bound to its context: unwrapping with one pair for two succeeds",
    "a wrapped key is bound to its context: unwrapping with {a: bc} for {ab: c} succeeds",
    "a wrapped key is bound to its context: unwrapping with {abc: } for {ab: c} succeeds",
    "damaged wrapped keys are refused: unwrapping with 6,144 zero bytes fails as AccessDenied",
    "damaged wrapped keys are refused: unwrapping with a byte changed fails as AccessDenied",
    "unknown and other keys are refused: unwrapping with another key fails as AccessDenied",
    "with bucket keys, a disabled key is refused: reading under a disabled key succeeds",
    "with bucket keys, a disabled key is refused: writing under a disabled key succeeds",
];

struct Moto {
    server: Child,
    address: SocketAddr,
}

impl Moto {
    fn start(program: &Path) -> Self {
        // The port is free now; moto takes no listener of ours.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { server, address };
        let is_up = || TcpStream::connect(address).is_ok();
        for _ in 0..1_200 {
            if is_up() {
                return moto;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("moto does not listen");
    }

    fn client(&self) -> Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.address));
        Client::from_conf(config.build())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The program `moto_server`, installed if it is not there. `None` if the environment says to do without.
fn program() -> Option<PathBuf> {
    match env::var_os("ATREST_MOTO_SERVER") {
        Some(program) if program == "none" => return None,
        Some(program) => return Some(program.into()),
        None => {}
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    let program = directory.join("bin/moto_server");
    if !program.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory));
        run(Command::new(directory.join("bin/pip")).args(["install", "--quiet", MOTO]));
    }
    Some(program)
}

fn run(command: &mut Command) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said: Vec<_> = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).collect();
    assert!(child.wait().unwrap().success(), "moto cannot be installed (ATREST_MOTO_SERVER=none skips it): {said:?}");
}

#[test]
fn objects_are_written_and_read_under_a_key_of_moto_whose_known_faults_are_still_there() {
    let Some(program) = program() else { return };
    let moto = Moto::start(&program);
    let admin = Arc::new(moto.client());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let create = || runtime.block_on(admin.create_key().send()).unwrap().key_metadata.unwrap();
    let (one, two) = (create(), create());
    let key_id = one.key_id;
    let (one, two) = (one.arn.unwrap(), two.arn.unwrap());
    runtime.block_on(admin.create_alias().alias_name("alias/one").target_key_id(&key_id).send()).unwrap();

    let kms = Arc::new(AwsKms::builder(moto.client()).build().unwrap());
    let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([&*one])).build().unwrap();
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse.blocking().encrypt(&object, SseKms::new("alias/one"), b"meow").unwrap();
    assert_eq!(sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");

    let switch = |on: bool| {
        let (admin, key_id) = (moto.client(), key_id.clone());
        move |_: &str| {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            // By its id: by its ARN moto answers HTTP 500.
            if on {
                runtime.block_on(admin.enable_key().key_id(&key_id).send()).unwrap();
            } else {
                runtime.block_on(admin.disable_key().key_id(&key_id).send()).unwrap();
            }
        }
    };
    let unknown = format!("arn:aws:kms:{REGION}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let suite = KeyProviderSuite::new(kms, "alias/one", unknown)
        .other_key_id(two)
        .disabled_by(switch(false), switch(true))
        .lacks(Capability::Requesters)
        .lacks(Capability::Epochs);
    // Without its first byte a wrapped key names another KMS key. moto calls that damaged or denied, by the first byte
    // of the nonce, which is random.
    for suite in [suite.clone(), suite.behind("resilience", |kms| Arc::new(Resilient::new(kms)))] {
        let report = suite.report();
        let lasting = report.failures().filter(|failure| !failure.contains("with its first byte missing"));
        let mut failures: Vec<_> = lasting.map(str::to_owned).collect();
        failures.sort();
        assert_eq!(failures, FAULTS, "{report}");
    }
}
