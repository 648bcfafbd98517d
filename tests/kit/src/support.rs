//! Test kit of most tests: `Service` (an `Sse` for every mode, with a KMS that needs no feature), streams in steps,
//! boundary tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use atrest::error::{KeyProviderError, KeyProviderErrorKind};
use atrest::{
    AnyMode, Backend, Clock, CustomerKey, Decryptor, DsseKms, Encrypted, Encryptor, Envelope, GeneratedKey,
    KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, Keyring, KmsKeys, ModeId, ObjectName, PlaintextReader,
    Result, Sse, SseBuilder, SseC, SseKms, SseS3, Unlock, UnwrappedKey, WrappedKey,
};

pub const C: usize = 16_384;

/// Lengths at which something changes.
pub const LENS: [usize; 9] = [0, 1, C - 1, C, C + 1, 2 * C - 1, 2 * C, 2 * C + 1, 3 * C + 500];
/// Sizes of the pieces that a stream is given.
pub const STEPS: [usize; 5] = [1, 512, C - 1, C, C + 1];

pub const KMS_KEY: &str = "table-kms:key/1";

/// A KMS that remembers its keys by a number and wraps nothing: enough to have its answers come back, and to refuse a
/// context that differs.
#[derive(Default)]
pub struct TableKms(Mutex<Table>);

/// By what was given as the wrapped key: the request it was for, and the key.
type Table = HashMap<Vec<u8>, (KeyRequest, [u8; 32])>;

impl KeyProvider for TableKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let kek = KeyEncryptionKey::generate().unwrap();
            let resolved = KeyRequest::new(KMS_KEY, request.context().clone(), request.requester().clone());
            let mut table = self.0.lock().unwrap();
            let wrapped = (table.len() as u64).to_be_bytes().to_vec();
            table.insert(wrapped.clone(), (resolved, *kek.expose_secret()));
            Ok(GeneratedKey::new(KMS_KEY, wrapped, kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let table = self.0.lock().unwrap();
            match table.get(wrapped.as_bytes()) {
                Some((known, kek)) if known.context() == request.context() && known.key_id() == request.key_id() => {
                    Ok(UnwrappedKey::new(KMS_KEY, KeyEncryptionKey::from_bytes(&mut kek.clone()).unwrap()))
                }
                _ => Err(KeyProviderError::new(KeyProviderErrorKind::Rejected, request.key_id())),
            }
        })
    }
}

/// A service with every key there is.
pub struct Service {
    pub sse: Sse,
    pub keyring: Keyring,
    pub kms: Arc<TableKms>,
    pub customer_key: Arc<CustomerKey>,
}

impl Service {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn on(backend: Backend) -> Self {
        Self::with(|builder| builder.backend(backend))
    }

    pub fn with(change: impl FnOnce(SseBuilder) -> SseBuilder) -> Self {
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        let kms = Arc::new(TableKms::default());
        let builder = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([KMS_KEY]));
        let customer_key = Arc::new(CustomerKey::generate().unwrap());
        Self { sse: change(builder).build().unwrap(), keyring, kms, customer_key }
    }

    /// The modes of this build: DSSE-KMS needs two backends.
    pub fn modes(&self) -> Vec<AnyMode> {
        let mut modes = vec![AnyMode::from(SseS3), SseKms::new("alias/app").into(), self.sse_c()];
        if Backend::available().count() > 1 {
            modes.push(DsseKms::new("alias/app").into());
        }
        modes
    }

    pub fn sse_c(&self) -> AnyMode {
        SseC::new(self.customer_key.clone()).into()
    }

    pub fn unlock(&self, mode: ModeId) -> Unlock<'_> {
        if mode == ModeId::SseC { Unlock::CustomerKey(&self.customer_key) } else { Unlock::Server }
    }

    /// Written as a stream, so that the length is not in the envelope.
    pub fn streamed(&self, object: &ObjectName, mode: &AnyMode, plaintext: &[u8]) -> Encrypted {
        let (envelope, encryptor) = self.sse.blocking().encryptor(object, mode.clone()).unwrap();
        Encrypted::new(envelope, seal(encryptor, plaintext, C).unwrap())
    }

    pub fn decryptor(&self, object: &ObjectName, envelope: &Envelope) -> Result<Decryptor> {
        self.sse.blocking().decryptor(object, envelope, self.unlock(envelope.mode()))
    }

    pub fn decrypt(&self, object: &ObjectName, stored: &Encrypted) -> Result<Vec<u8>> {
        self.sse.blocking().decrypt(object, stored, self.unlock(stored.envelope.mode()))
    }
}

pub fn name() -> ObjectName {
    ObjectName::new("photos", "2026/cat.jpg").unwrap()
}

/// Plaintext in which no chunk is another's.
pub fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 256 * 13 + 1) as u8).collect()
}

/// The backends of this build that this processor supports.
pub fn backends() -> Vec<Backend> {
    Backend::available().collect()
}

/// Encrypts in steps of `step` bytes, with empty ones in between, into outputs of exactly the length that is told
/// beforehand.
pub fn seal(mut encryptor: Encryptor, plaintext: &[u8], step: usize) -> Result<Vec<u8>> {
    let mut stored = Vec::new();
    for piece in plaintext.chunks(step) {
        let mut output = vec![0; encryptor.update_len(piece.len())];
        assert_eq!(encryptor.update(piece, &mut output)?, output.len());
        stored.extend_from_slice(&output);
        assert_eq!((encryptor.update_len(0), encryptor.update(&[], &mut [])?), (0, 0), "no bytes give no bytes");
    }
    let mut rest = vec![0; encryptor.finish_len()];
    assert!(rest.len() < 33_000, "in DSSE-KMS little more than two chunks are left");
    assert_eq!(encryptor.finish(&mut rest)?.written, rest.len(), "an encryptor knows exactly what is left");
    stored.extend_from_slice(&rest);
    Ok(stored)
}

/// Decrypts in steps of `step` bytes, with empty ones in between; gives what came out and how it ended.
pub fn open(decryptor: &Decryptor, stored: &[u8], step: usize) -> (Vec<u8>, Result<()>) {
    read(decryptor.sequential(), stored, step)
}

/// Passes stored bytes through a reader in steps, into outputs of exactly the length that is told beforehand.
pub fn read(mut reader: PlaintextReader, stored: &[u8], step: usize) -> (Vec<u8>, Result<()>) {
    let mut plaintext = Vec::new();
    for piece in stored.chunks(step) {
        for piece in [piece, &[]] {
            let mut output = vec![0; reader.update_len(piece.len())];
            match reader.update(piece, &mut output) {
                Ok(written) => assert_eq!(written, output.len(), "the length that was told"),
                Err(error) => {
                    assert!(output.iter().all(|byte| *byte == 0), "what a failed call has put out is wiped");
                    return (plaintext, Err(error));
                }
            }
            plaintext.extend_from_slice(&output);
        }
    }
    let mut rest = vec![0; reader.finish_len()];
    assert!(rest.len() < 2 * C, "in DSSE-KMS less than two chunks are left");
    let end = reader.finish(&mut rest).map(|written| assert_eq!(written, rest.len(), "the length that was told"));
    if end.is_ok() {
        plaintext.extend_from_slice(&rest);
    }
    (plaintext, end)
}

/// A clock whose wall is this function. Its monotonic clock follows the wall.
pub fn wall_clock(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Arc<dyn Clock> {
    struct Wall<F>(F);

    impl<F: Fn() -> SystemTime + Send + Sync + 'static> Clock for Wall<F> {
        fn wall(&self) -> SystemTime {
            (self.0)()
        }

        fn monotonic(&self) -> Duration {
            (self.0)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
        }
    }

    Arc::new(Wall(now))
}
