//! `atrest` itself: an encryptor or a decryptor for each object, `update` through one reused output.

use std::num::NonZeroUsize;
use std::sync::Arc;

use atrest::{
    AnyMode, Backend, CustomerKey, DsseKms, Envelope, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider,
    KeyRequest, Keyring, KmsKeys, ObjectName, ScopedThreads, Sse, SseBuilder, SseC, SseKms, SseS3, Unlock,
    UnwrappedKey, WrappedKey,
};
use peers_kit::{Entry, LARGE_PIECE, PIECE, Sink, Subject};

/// One line for each mode and implementation. DSSE-KMS runs its outer layer on the first that is named, and the inner
/// layer on the fastest of the others.
pub(crate) fn entries() -> Vec<Entry> {
    use Backend::{AwsLc, Graviola, RustCrypto};
    vec![
        Entry { name: "atrest/sse-s3/aws-lc", make: |threads| Atrest::make(SseS3, AwsLc, threads) },
        Entry { name: "atrest/sse-s3/graviola", make: |threads| Atrest::make(SseS3, Graviola, threads) },
        Entry { name: "atrest/sse-s3/rust-crypto", make: |threads| Atrest::make(SseS3, RustCrypto, threads) },
        Entry { name: "atrest/sse-kms/aws-lc", make: |threads| Atrest::make(sse_kms(), AwsLc, threads) },
        Entry { name: "atrest/sse-kms/graviola", make: |threads| Atrest::make(sse_kms(), Graviola, threads) },
        Entry { name: "atrest/sse-kms/rust-crypto", make: |threads| Atrest::make(sse_kms(), RustCrypto, threads) },
        Entry { name: "atrest/sse-c/aws-lc", make: |threads| Atrest::make(sse_c(), AwsLc, threads) },
        Entry { name: "atrest/sse-c/graviola", make: |threads| Atrest::make(sse_c(), Graviola, threads) },
        Entry { name: "atrest/sse-c/rust-crypto", make: |threads| Atrest::make(sse_c(), RustCrypto, threads) },
        Entry { name: "atrest/dsse-kms/aws-lc+graviola", make: |threads| Atrest::make(dsse_kms(), AwsLc, threads) },
        Entry {
            name: "atrest/dsse-kms/rust-crypto+aws-lc",
            make: |threads| Atrest::make(dsse_kms(), RustCrypto, threads),
        },
    ]
}

/// Gives a builder the threads that work on one object.
fn with_threads(builder: SseBuilder, threads: usize) -> SseBuilder {
    match NonZeroUsize::new(threads) {
        Some(threads) if threads.get() > 1 => builder.workers(Arc::new(ScopedThreads::new(threads))),
        _ => builder,
    }
}

const KMS_KEY: &str = "instant:key/1";

fn sse_kms() -> SseKms {
    SseKms::new(KMS_KEY)
}

fn dsse_kms() -> DsseKms {
    DsseKms::new(KMS_KEY)
}

fn customer_key() -> CustomerKey {
    CustomerKey::from_bytes(&mut [9; 32]).expect("it is not zero")
}

fn sse_c() -> SseC {
    SseC::new(customer_key())
}

/// A KMS that answers at once, so that the bench measures the library.
struct InstantKms;

fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes(&mut [7; 32]).expect("it is not zero")
}

impl KeyProvider for InstantKms {
    fn generate_key(self: Arc<Self>, _: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async { Ok(GeneratedKey::new(KMS_KEY, [1; 85], kek())) })
    }

    fn unwrap_key(self: Arc<Self>, _: WrappedKey, _: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async { Ok(UnwrappedKey::new(KMS_KEY, kek())) })
    }
}

struct Atrest {
    sse: Sse,
    object: ObjectName,
    mode: AnyMode,
    customer_key: Option<CustomerKey>,
    piece: usize,
    output: Vec<u8>,
}

impl Atrest {
    fn make(mode: impl Into<AnyMode>, backend: Backend, threads: usize) -> Box<dyn Subject> {
        let mode = mode.into();
        let keyring = Keyring::generate().expect("a keyring").with_changes_lost_on_exit();
        let builder = Sse::builder().keyring(keyring).kms(Arc::new(InstantKms), KmsKeys::only([KMS_KEY]));
        let builder = with_threads(builder.backend(backend), threads);
        Box::new(Self {
            sse: builder.build().expect("the implementation is built in"),
            object: ObjectName::new("photos", "2026/cat.jpg").expect("a name"),
            customer_key: (mode.id() == atrest::ModeId::SseC).then(customer_key),
            mode,
            piece: if threads == 1 { PIECE } else { LARGE_PIECE },
            output: Vec::new(),
        })
    }
}

/// The first `len` bytes of an output that is as long as it ever was, so that it is zeroed once.
fn room(output: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if output.len() < len {
        output.resize(len, 0);
    }
    output
}

impl Subject for Atrest {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let encryptor = self.sse.blocking().encryptor(&self.object, self.mode.clone());
        let (envelope, mut encryptor) = encryptor.expect("an encryptor");
        for piece in plaintext.chunks(self.piece) {
            let output = room(&mut self.output, encryptor.update_len(piece.len()));
            let written = encryptor.update(piece, output).expect("encrypted");
            sink.take(&output[..written]);
        }
        let len = encryptor.finish_len();
        let output = room(&mut self.output, len);
        encryptor.finish(output).expect("finished");
        sink.take(&output[..len]);
        envelope.encode()
    }

    fn decrypt(&mut self, envelope: &[u8], body: &'static [u8], sink: &Sink) {
        let envelope = Envelope::decode(envelope).expect("an envelope");
        let unlock = self.customer_key.as_ref().map_or(Unlock::Server, Unlock::CustomerKey);
        let decryptor = self.sse.blocking().decryptor(&self.object, &envelope, unlock).expect("a decryptor");
        let mut reader = decryptor.sequential();
        for piece in body.chunks(self.piece) {
            let output = room(&mut self.output, reader.update_len(piece.len()));
            let written = reader.update(piece, output).expect("decrypted");
            sink.take(&output[..written]);
        }
        let output = room(&mut self.output, reader.finish_len());
        let written = reader.finish(output).expect("finished");
        sink.take(&output[..written]);
    }
}
