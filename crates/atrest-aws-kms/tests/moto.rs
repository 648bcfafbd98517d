//! `AwsKms` against moto, an emulator of AWS in Python: a second opinion on the protocol. The known faults of moto are
//! asserted, those that the conformance suite notices and the others, so that a mended moto is noticed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../tests/moto/server.rs"]
mod server;

use std::sync::Arc;

use atrest::kms::Resilient;
use atrest::testing::{Capability, KeyProviderSuite};
use atrest::{
    Error, GeneratedKey, KeyFuture, KeyProvider, KeyProviderErrorKind, KeyRequest, KmsKeys, ObjectName, Sse, SseKms,
    Unlock, UnwrappedKey, WrappedKey,
};
use atrest_aws_kms::AwsKms;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeyState};
use server::Moto;
use tokio::runtime::{Builder, Runtime};

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
    "damaged wrapped keys are refused: unwrapping with its first byte missing fails as AccessDenied",
    "unknown and other keys are refused: unwrapping with another key fails as AccessDenied",
    "with bucket keys, a disabled key is refused: reading under a disabled key succeeds",
    "with bucket keys, a disabled key is refused: writing under a disabled key succeeds",
];

/// The length of the id of the KMS key, with which a wrapped key of moto begins; the nonce follows.
const ID_LEN: usize = 36;

/// Keeps only keys whose nonce begins with an ASCII character. A wrapped key without its first byte names a KMS key
/// whose id ends with that byte: moto calls it denied if the byte is ASCII, and else damaged, which is right.
struct WithAsciiNonces(Arc<dyn KeyProvider>);

impl KeyProvider for WithAsciiNonces {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            loop {
                let generated = self.0.clone().generate_key(request.clone()).await?;
                if generated.wrapped().as_bytes()[ID_LEN].is_ascii() {
                    return Ok(generated);
                }
            }
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        self.0.clone().unwrap_key(wrapped, request)
    }
}

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

    let kms = Arc::new(AwsKms::builder(client(&moto)).without_sdk_retries().build().unwrap());
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
    let suite = KeyProviderSuite::new(Arc::new(WithAsciiNonces(kms)), "alias/one", unknown)
        .other_key_id(two)
        .disabled_by(switch(false), switch(true))
        .lacks(Capability::Requesters)
        .lacks(Capability::Epochs);
    for suite in [suite.clone(), suite.behind("resilience", |kms| Arc::new(Resilient::new(kms)))] {
        let report = suite.report();
        let mut failures: Vec<_> = report.failures().collect();
        failures.sort();
        assert_eq!(failures, FAULTS, "{report}");
    }
}

/// The raw client of moto and a new KMS key.
struct Admin {
    client: Client,
    runtime: Runtime,
    key_id: String,
    arn: String,
}

impl Admin {
    fn new(moto: &Moto) -> Self {
        let once = client(moto).config().to_builder().retry_config(RetryConfig::disabled()).build();
        let (client, runtime) = (Client::from_conf(once), Builder::new_current_thread().enable_all().build().unwrap());
        let key = runtime.block_on(client.create_key().send()).unwrap().key_metadata.unwrap();
        Self { client, runtime, key_id: key.key_id, arn: key.arn.unwrap() }
    }

    /// Generates a data key, and returns it wrapped.
    fn generate(&self, key_id: &str) -> Vec<u8> {
        let call = self.client.generate_data_key().key_id(key_id).key_spec(DataKeySpec::Aes256);
        let generated = self.runtime.block_on(call.send()).unwrap();
        assert_eq!(generated.key_id(), Some(&*self.arn));
        generated.ciphertext_blob.unwrap().into_inner()
    }

    /// Unwraps a data key.
    fn decrypt(&self, key_id: &str, wrapped: &[u8]) {
        let call = self.client.decrypt().key_id(key_id).ciphertext_blob(Blob::new(wrapped));
        let decrypted = self.runtime.block_on(call.send()).unwrap();
        assert_eq!(decrypted.key_id(), Some(&*self.arn));
    }
}

#[test]
fn the_faults_of_moto_that_the_suite_does_not_ask_for_are_still_there() {
    let Some(moto) = Moto::start() else { return };

    // AWS KMS answers KMSInvalidStateException.
    let admin = Admin::new(&moto);
    let wrapped = admin.generate(&admin.key_id);
    let deletion = admin.client.schedule_key_deletion().key_id(&admin.key_id).pending_window_in_days(7);
    admin.runtime.block_on(deletion.send()).unwrap();
    let described = admin.runtime.block_on(admin.client.describe_key().key_id(&admin.key_id).send()).unwrap();
    assert_eq!(described.key_metadata.unwrap().key_state, Some(KeyState::PendingDeletion));
    admin.generate(&admin.key_id);
    admin.decrypt(&admin.key_id, &wrapped);

    // AWS KMS answers AccessDeniedException to all calls, moto to DescribeKey alone.
    let admin = Admin::new(&moto);
    let wrapped = admin.generate(&admin.key_id);
    let denied = r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": ["kms:*"], "Resource": "*"}]}"#;
    let policy = admin.client.put_key_policy().key_id(&admin.key_id).policy_name("default").policy(denied);
    admin.runtime.block_on(policy.send()).unwrap();
    let described = admin.runtime.block_on(admin.client.describe_key().key_id(&admin.key_id).send());
    assert_eq!(described.unwrap_err().code(), Some("AccessDeniedException"));
    admin.generate(&admin.key_id);
    admin.decrypt(&admin.key_id, &wrapped);

    // AWS KMS answers NotFoundException, or AccessDeniedException for another account. The provider refuses another
    // region by itself, and the library refuses the key of another account, by its ARN.
    let admin = Admin::new(&moto);
    let wrapped = admin.generate(&admin.key_id);
    let of_account = admin.arn.replace(":123456789012:", ":111122223333:");
    for arn in [&admin.arn.replace(REGION, "us-east-1"), &of_account] {
        assert_ne!(*arn, admin.arn);
        admin.generate(arn);
        admin.decrypt(arn, &wrapped);
    }
    let kms = Arc::new(AwsKms::builder(client(&moto)).build_resilient().unwrap());
    let sse = Sse::builder().kms(kms, KmsKeys::all()).build().unwrap();
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    match sse.blocking().encrypt(&object, SseKms::new(&of_account), b"meow") {
        Err(Error::KeyProvider(error)) => assert_eq!(error.kind(), KeyProviderErrorKind::WrongKey),
        _ => panic!("a key of one account was taken for that of another"),
    }

    // AWS KMS takes the ARN and the id.
    let admin = Admin::new(&moto);
    let by_arn = admin.runtime.block_on(admin.client.disable_key().key_id(&admin.arn).send()).unwrap_err();
    assert_eq!(by_arn.raw_response().unwrap().status().as_u16(), 500);
    admin.runtime.block_on(admin.client.disable_key().key_id(&admin.key_id).send()).unwrap();
}
