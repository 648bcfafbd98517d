//! Objects under a key of AWS KMS: with time limits, retries and bucket keys, and while AWS KMS is down.
//!
//! ```text
//! cargo run -p atrest-aws-kms --example aws_kms                                   # what AWS itself needs
//! cargo run -p atrest-aws-kms --example aws_kms -- --moto $(which moto_server)    # an emulator, moto[server] of PyPI
//! cargo run -p atrest-aws-kms --example aws_kms -- --endpoint http://127.0.0.1:PORT    # an emulator that runs
//! ```

use std::env;
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use atrest::kms::{KmsCall, KmsObserver, KmsOutcome, Observed, Resilient};
use atrest::{KmsKeys, ObjectName, Sse, SseKms, Unlock};
use atrest_aws_kms::AwsKms;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const FOR_AWS: &str = "\
AWS itself needs a region (AWS_REGION), credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or role)
that may call kms:GenerateDataKey and kms:Decrypt, the ARN of a symmetric KMS key, and an HTTP client with TLS, which
this example lacks. In a program of your own add the crate aws-config, whose default features bring the HTTP client, and
replace `client_of` by `Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await)` and `new_key` by your
ARN. Here the arguments `--moto PATH` and `--endpoint http://127.0.0.1:PORT` use an emulator.";

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => println!("{FOR_AWS}"),
        ["--endpoint", url] => drop(write_and_read(url)?),
        ["--moto", program] => {
            let (moto, url) = Moto::start(program)?;
            let (sse, mode) = write_and_read(&url)?;
            drop(moto);
            let emu = ObjectName::new("photos", "emu.jpg")?;
            sse.blocking().encrypt(&emu, mode.clone(), b"grunt")?;
            println!("moto is stopped; a write with the bucket key in memory succeeds");
            sse.purge_bucket_keys();
            let failed = sse.blocking().encrypt(&emu, mode, b"grunt").err().ok_or("no key, and yet encrypted")?;
            println!("a write without one fails within the time limit: {failed}");
        }
        _ => return Err("the arguments are --moto PATH, or --endpoint URL, or none".into()),
    }
    Ok(())
}

fn write_and_read(url: &str) -> Result<(Sse, SseKms)> {
    let key_id = new_key(url)?;
    let kms = AwsKms::builder(client_of(url)).without_sdk_retries().build()?;
    println!("a provider in the region {}, with the key {key_id}", kms.region());
    let kms = Observed::new(Arc::new(kms), Arc::new(Printed)); // inside Resilient: prints each attempt
    let kms = Resilient::new(Arc::new(kms)).with_total_limit(Duration::from_secs(4));
    let sse = Sse::builder().kms(Arc::new(kms), KmsKeys::only([&*key_id])).build()?;
    let (cat, dog) = (ObjectName::new("photos", "cat.jpg")?, ObjectName::new("photos", "dog.jpg")?);
    let mode = SseKms::new(&*key_id).with_bucket_key(true);
    let stored = sse.blocking().encrypt(&cat, mode.clone(), b"meow")?;
    println!("cat.jpg is encrypted; its envelope names {:?}", stored.envelope.kms_key_id());
    sse.blocking().encrypt(&dog, mode.clone(), b"woof")?;
    println!("dog.jpg is encrypted, with the bucket key and no call: {:?}", sse.bucket_key_stats());
    let read = sse.blocking().decrypt(&cat, &stored, Unlock::Server)?;
    println!("cat.jpg is decrypted: {}", String::from_utf8_lossy(&read));
    Ok((sse, mode))
}

fn client_of(url: &str) -> Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env::var("AWS_REGION").unwrap_or_else(|_| "eu-central-1".to_owned())))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "example"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url);
    Client::from_conf(config.build())
}

/// Creates a KMS key in an emulator, with a client of its own: the connections of the other one belong to the provider.
fn new_key(url: &str) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let created = runtime.block_on(client_of(url).create_key().send())?;
    created.key_metadata.and_then(|key| key.arn).ok_or_else(|| "the emulator named no key".into())
}

/// Prints each call of AWS KMS.
struct Printed;

impl KmsObserver for Printed {
    fn ended(&self, call: &KmsCall<'_>) {
        let outcome = if matches!(call.outcome, KmsOutcome::Key(_)) { "a key" } else { "no key" };
        println!("  a call of AWS KMS: {:?}, {outcome} after {:.1?}", call.operation, call.took);
    }
}

/// The emulator; it is stopped at the end.
struct Moto(Child);

impl Moto {
    fn start(program: &str) -> Result<(Self, String)> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // a free port
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let moto = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let is_up = (0..600).any(|_| {
            thread::sleep(Duration::from_millis(100));
            TcpStream::connect(address).is_ok()
        });
        is_up.then(|| (moto, format!("http://{address}"))).ok_or_else(|| "moto does not listen".into())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
