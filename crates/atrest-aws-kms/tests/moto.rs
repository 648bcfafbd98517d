//! `AwsKms` against moto, an emulator of AWS in Python: a second opinion on the protocol. The faults of moto that the
//! conformance suite notices are named, so that a mended moto is noticed too.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../tests/moto/server.rs"]
mod server;

use std::sync::Arc;

use atrest::kms::Resilient;
use atrest::testing::{Capability, KeyProviderSuite};
use atrest::{KmsKeys, ObjectName, Sse, SseKms, Unlock};
use atrest_aws_kms::AwsKms;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use server::Moto;
use tokio::runtime::Builder;

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

fn client(moto: &Moto) -> Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(moto.url());
    Client::from_conf(config.build())
}

#[test]
fn objects_are_written_and_read_under_a_key_of_moto_whose_known_faults_are_still_there() {
    let Some(moto) = Moto::start() else { return };
    let admin = Arc::new(client(&moto));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let create = || runtime.block_on(admin.create_key().send()).unwrap().key_metadata.unwrap();
    let (one, two) = (create(), create());
    let key_id = one.key_id;
    let (one, two) = (one.arn.unwrap(), two.arn.unwrap());
    runtime.block_on(admin.create_alias().alias_name("alias/one").target_key_id(&key_id).send()).unwrap();

    let kms = Arc::new(AwsKms::builder(client(&moto)).build().unwrap());
    let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([&*one])).build().unwrap();
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse.blocking().encrypt(&object, SseKms::new("alias/one"), b"meow").unwrap();
    assert_eq!(sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");

    let switch = |on: bool| {
        let (admin, key_id) = (client(&moto), key_id.clone());
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
