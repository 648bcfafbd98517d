//! `aws-esdk`: whole objects in memory, under a raw AES keyring; with and without a signature for each object.

use aws_esdk::AwsEncryptionSdkConfig;
use aws_esdk::Client;
use aws_esdk::material_providers::client::Client as MaterialProviders;
use aws_esdk::material_providers::types::AesWrappingAlg;
use aws_esdk::material_providers::types::EsdkAlgorithmSuiteId;
use aws_esdk::material_providers::types::keyring::KeyringRef;
use aws_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_smithy_types::Blob;
use bytes::Bytes;
use peers_kit::{Entry, Sink, Subject};
use tokio::runtime::{Builder, Runtime};

const STACK: usize = 4 << 30;

struct Esdk {
    runtime: Runtime,
    client: Client,
    keyring: KeyringRef,
    suite: EsdkAlgorithmSuiteId,
}

impl Esdk {
    fn make(suite: EsdkAlgorithmSuiteId) -> Box<dyn Subject> {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let config = AwsEncryptionSdkConfig::builder().build().expect("a configuration");
        let client = Client::from_conf(config).expect("a client");
        let config = MaterialProvidersConfig::builder().build().expect("a configuration");
        let providers = MaterialProviders::from_conf(config).expect("a client");
        let keyring = providers
            .create_raw_aes_keyring()
            .key_namespace("peers")
            .key_name("key")
            .wrapping_key(vec![5; 32])
            .wrapping_alg(AesWrappingAlg::AlgAes256GcmIv12Tag16);
        let keyring = runtime.block_on(keyring.send()).expect("a keyring");
        Box::new(Self { runtime, client, keyring, suite })
    }
}

impl Subject for Esdk {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let call = self.client.encrypt().plaintext(Blob::from_maybe_shared(Bytes::from_static(plaintext)));
        let call = call.keyring(self.keyring.clone()).algorithm_suite_id(self.suite.clone());
        let encrypted = self.runtime.block_on(call.send()).expect("encrypted");
        sink.take(encrypted.ciphertext.expect("a ciphertext").as_ref());
        Vec::new()
    }

    fn decrypt(&mut self, _: &[u8], body: &'static [u8], sink: &Sink) {
        let call = self.client.decrypt().ciphertext(Blob::from_maybe_shared(Bytes::from_static(body)));
        let decrypted = self.runtime.block_on(call.keyring(self.keyring.clone()).send()).expect("decrypted");
        sink.take(decrypted.plaintext.expect("a plaintext").as_ref());
    }
}

fn subjects() {
    peers_kit::main(&[
        Entry { name: "aws-esdk", make: |_| Esdk::make(EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKey) },
        Entry {
            name: "aws-esdk/signed",
            make: |_| Esdk::make(EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKeyEcdsaP384),
        },
    ]);
}

fn main() {
    // The SDK recurses once for each frame of 4 KiB: an object of 1 GiB overflows the 8 MiB of a main thread.
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(subjects).expect("a thread");
    thread.join().expect("the job was done");
}
