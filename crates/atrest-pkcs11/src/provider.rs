//! [`Pkcs11Kms`] and its builder.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use atrest::kms::Threads;
use atrest::{
    GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest,
    UnwrappedKey, WrappedKey,
};
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use zeroize::Zeroizing;

use crate::counter::{Counting, Refused, Warns, WrapCount, WrapCounter};
use crate::failure::{Blames, Session, decryption_blames, session_after};
use crate::name::KeyName;
use crate::pin::Pin;
use crate::token::{Connection, Failure, GivesPin, Key, Token};
use crate::wrapped::{KEY_LEN, NONCE_LEN, TAG_BITS, TAG_LEN, bound_to, decode, encode};

/// The most keys for which a [`Proof`] is kept.
const MAX_PROOFS: usize = 1_024;

/// A key provider whose keys are in a token: an HSM, a smart card, or a program that acts as one.
///
/// # Security
///
/// The library of the token knows the service, not its clients: wrap the provider in [`atrest::kms::Authorized`]. The
/// generated keys are drawn by the operating system and pass through the token's library unencrypted; the key of the
/// token that wraps them never leaves it.
///
/// # Performance
///
/// Each call looks its key up and wraps or unwraps it, on one of the threads of the provider, each with a session.
///
/// Dropping the provider waits for nothing: its threads close their sessions afterwards. Keep it until the process
/// ends: [the end of the process](crate#the-end-of-the-process).
pub struct Pkcs11Kms {
    threads: Threads<Option<Connection>>,
    shared: Arc<Shared>,
}

/// What all threads share.
struct Shared {
    token: Arc<Token>,
    counting: Counting,
    default_key: Option<String>,
    /// A proof for each key, by its resolved id.
    proofs: Mutex<BTreeMap<String, Proof>>,
}

/// A wrapped key that the token has unwrapped. If it no longer does, the token is broken; otherwise a wrapped key that
/// fails is at fault.
#[derive(Clone)]
struct Proof {
    nonce: [u8; NONCE_LEN],
    sealed: Vec<u8>,
    bound: Vec<u8>,
}

/// The settings of a [`Pkcs11Kms`].
#[must_use = "build() makes the provider"]
pub struct Pkcs11KmsBuilder {
    token: Token,
    default_key: Option<String>,
    counter: Option<Arc<dyn WrapCounter>>,
    warns: Option<Warns>,
    threads: NonZeroUsize,
    queue_len: usize,
}

impl Pkcs11Kms {
    /// Begins a provider over a token, by the path of its PKCS#11 library, its label, and a function that gives the PIN
    /// of its user.
    ///
    /// The function is called on a thread of the provider, at the first call and whenever the token has lost its login.
    /// Once the token refuses a PIN, no login is tried until [`try_pin_again`](Self::try_pin_again). And none is tried
    /// while the token says that one more wrong PIN would lock it: log in with another program then, which gives the
    /// tries back.
    pub fn builder(
        library: impl Into<PathBuf>,
        token_label: impl Into<String>,
        pin: impl Fn() -> io::Result<Pin> + Send + Sync + 'static,
    ) -> Pkcs11KmsBuilder {
        let pin: GivesPin = Box::new(pin);
        Pkcs11KmsBuilder {
            token: Token::new(library.into(), token_label.into(), pin),
            default_key: None,
            counter: None,
            warns: None,
            threads: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            queue_len: 1_000,
        }
    }

    /// Lets the provider try the PIN again, after the operator has corrected it.
    pub fn try_pin_again(&self) {
        self.shared.token.allow_pin();
    }

    /// Returns the number of wraps under each key that this provider used.
    pub fn wraps(&self) -> Vec<WrapCount> {
        self.shared.counting.counts()
    }

    /// Logs in to the token and finds a key, for a check at the start of a service. Returns the resolved id of the key.
    ///
    /// # Errors
    ///
    /// Fails as a call for this key would fail.
    pub fn check(&self, key_id: &str) -> KeyFuture<String> {
        let shared = self.shared.clone();
        let request = KeyRequest::new(key_id, atrest::EncryptionContext::new(), atrest::Requester::anonymous());
        self.threads.call(request, move |connection, request| {
            let name = shared.name_of(request)?;
            shared.with(connection, request, |open| Ok(open.key(&name)?.resolved_id))
        })
    }
}

impl KeyProvider for Pkcs11Kms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let shared = self.shared.clone();
        self.threads.call(request, move |connection, request| {
            let name = shared.name_of(request)?;
            shared.with(connection, request, |open| shared.generate(open, &name, request))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let shared = self.shared.clone();
        self.threads.call(request, move |connection, request| {
            let name = shared.name_of(request)?;
            shared.with(connection, request, |open| shared.unwrap(open, &name, wrapped.as_bytes(), request))
        })
    }
}

impl Shared {
    /// Returns the name of the key to look for: that of the request, or the default key.
    fn name_of(&self, request: &KeyRequest) -> Result<KeyName, KeyProviderError> {
        let named = match (request.key_id(), &self.default_key) {
            ("", default) => default.as_deref(),
            (named, _) => Some(named),
        };
        named.and_then(KeyName::parse).ok_or_else(|| KeyProviderError::new(Kind::NotFound, request.key_id()))
    }

    /// Does something with the session of a thread, and once more with a new session if the first one was lost.
    fn with<T>(
        &self,
        connection: &mut Option<Connection>,
        request: &KeyRequest,
        work: impl Fn(&Connection) -> Result<T, Failure>,
    ) -> Result<T, KeyProviderError> {
        let mut is_new = connection.is_none();
        loop {
            let done = match connection {
                Some(open) => work(open),
                None => self.token.connect().and_then(|open| work(connection.insert(open))),
            };
            let failure = match done {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let is_lost = matches!(&failure, Failure::Token(error) if session_after(error) == Session::Lost);
            if is_lost {
                *connection = None;
            }
            if !is_lost || is_new {
                let error = KeyProviderError::new(failure.kind(), request.key_id());
                return Err(error.with_source(failure.cause()));
            }
            is_new = true;
        }
    }

    fn generate(&self, open: &Connection, name: &KeyName, request: &KeyRequest) -> Result<GeneratedKey, Failure> {
        let key = open.key(name)?;
        self.count(&key)?;
        let no_random = Failure::Known(Kind::Unavailable, "the operating system gave no random bytes");
        let Ok(kek) = KeyEncryptionKey::generate() else { return Err(no_random) };
        let mut nonce = [0; NONCE_LEN];
        if getrandom::fill(&mut nonce).is_err() {
            return Err(no_random);
        }
        let bound = bound_to(&key.resolved_id, request.context());
        let sealed = {
            let parameters = GcmParams::new(&mut nonce, &bound, TAG_BITS.into())?;
            open.session.encrypt(&Mechanism::AesGcm(parameters), key.handle, kek.expose_secret())?
        };
        if sealed.len() != KEY_LEN + TAG_LEN {
            return Err(Failure::Known(Kind::WrongLength, "the token answered with another length"));
        }
        // A token that makes its nonces itself, as FIPS asks for, has written its own into ours.
        Ok(GeneratedKey::new(key.resolved_id, encode(&nonce, &sealed), kek))
    }

    fn unwrap(
        &self,
        open: &Connection,
        name: &KeyName,
        wrapped: &[u8],
        request: &KeyRequest,
    ) -> Result<UnwrappedKey, Failure> {
        let rejected = Failure::Known(Kind::Rejected, "the wrapped key is not one of this key and context");
        let key = open.key(name)?;
        let Some((nonce, sealed)) = decode(wrapped) else { return Err(rejected) };
        let proof = Proof { nonce, sealed: sealed.to_vec(), bound: bound_to(&key.resolved_id, request.context()) };
        let mut opened = match decrypt(open, &key, &proof) {
            Ok(opened) => opened,
            Err(error) => {
                return Err(match decryption_blames(&error, &open.manufacturer) {
                    Blames::WrappedKey => rejected,
                    Blames::Other => error.into(),
                    Blames::Unknown if self.still_decrypts(open, &key)? => rejected,
                    Blames::Unknown => error.into(),
                });
            }
        };
        let wrong = |_| Failure::Known(Kind::WrongLength, "the token answered with another length");
        let kek = KeyEncryptionKey::from_slice(&mut opened).map_err(wrong)?; // wipes its input
        self.keep(&key, proof);
        Ok(UnwrappedKey::new(key.resolved_id, kek))
    }

    /// Counts a wrap under a key, before it is made.
    fn count(&self, key: &Key) -> Result<(), Failure> {
        self.counting.take(&key.resolved_id).map_err(|refused| match refused {
            Refused::Exhausted => Failure::Known(Kind::InvalidState, "the key has wrapped 2^32 times; make a new one"),
            Refused::Unavailable(error) => Failure::Counter(error),
        })
    }

    /// Keeps the last proof of a key.
    fn keep(&self, key: &Key, proof: Proof) {
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = proofs.get_mut(&key.resolved_id) {
            *kept = proof;
        } else if proofs.len() < MAX_PROOFS {
            proofs.insert(key.resolved_id.clone(), proof);
        }
    }

    /// Returns whether the token still unwraps what it has unwrapped last, or else what it wraps now. The first alone
    /// does not tell: another key may have come in the place of the one before, such as that of another token.
    fn still_decrypts(&self, open: &Connection, key: &Key) -> Result<bool, Failure> {
        let kept = self.proofs.lock().unwrap_or_else(PoisonError::into_inner).get(&key.resolved_id).cloned();
        if kept.is_some_and(|kept| decrypt(open, key, &kept).is_ok()) {
            return Ok(true);
        }
        self.count(key)?;
        let (mut nonce, bound) = ([0; NONCE_LEN], b"a proof that the token works".to_vec());
        if getrandom::fill(&mut nonce).is_err() {
            return Ok(false);
        }
        let sealed = {
            let parameters = GcmParams::new(&mut nonce, &bound, TAG_BITS.into())?;
            open.session.encrypt(&Mechanism::AesGcm(parameters), key.handle, &[0; KEY_LEN])?
        };
        let proof = Proof { nonce, sealed, bound };
        let works = decrypt(open, key, &proof).is_ok();
        if works {
            self.keep(key, proof);
        }
        Ok(works)
    }
}

fn decrypt(open: &Connection, key: &Key, proof: &Proof) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut nonce = proof.nonce;
    let parameters = GcmParams::new(&mut nonce, &proof.bound, TAG_BITS.into())?;
    open.session.decrypt(&Mechanism::AesGcm(parameters), key.handle, &proof.sealed).map(Zeroizing::new)
}

impl Pkcs11KmsBuilder {
    /// Sets the key of requests that name none (`SseKms::default()`): a label or a URI. Without one such a request
    /// fails as `NotFound`.
    pub fn default_key(mut self, key_id: impl Into<String>) -> Self {
        self.default_key = Some(key_id.into());
        self
    }

    /// Sets the serial number of the token, which decides where several tokens have its label.
    pub fn token_serial(mut self, serial: impl Into<String>) -> Self {
        self.token.serial = Some(serial.into());
        self
    }

    /// Sets a durable counter of the wraps, which all users of the keys share.
    pub fn wrap_counter(mut self, counter: Arc<dyn WrapCounter>) -> Self {
        self.counter = Some(counter);
        self
    }

    /// Sets a function that is called once for each key that has wrapped 2^31 times, half of the limit: rotate such a
    /// key.
    pub fn warns(mut self, warns: impl Fn(&WrapCount) + Send + Sync + 'static) -> Self {
        self.warns = Some(Arc::new(warns));
        self
    }

    /// Sets the number of threads, each with a session of the token, and of calls that may wait for one. The defaults
    /// are 4 and 1,000. A call beyond them fails as `Throttled`.
    pub fn threads(mut self, threads: NonZeroUsize, queue_len: usize) -> Self {
        (self.threads, self.queue_len) = (threads, queue_len);
        self
    }

    /// Builds the provider. It connects at the first call, so that a service can start before its HSM.
    pub fn build(self) -> Pkcs11Kms {
        let shared = Shared {
            token: Arc::new(self.token),
            counting: Counting::new(self.counter, self.warns),
            default_key: self.default_key,
            proofs: Mutex::default(),
        };
        let threads = Threads::new("atrest-pkcs11", self.threads, self.queue_len, || None);
        Pkcs11Kms { threads, shared: Arc::new(shared) }
    }
}

impl fmt::Debug for Pkcs11Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { token, counting, default_key, .. } = &*self.shared;
        let mut kms = f.debug_struct("Pkcs11Kms");
        // SECURITY: not the default key itself, since a URI may hold a PIN.
        kms.field("token", token).field("counting", counting).field("has_default_key", &default_key.is_some());
        kms.finish_non_exhaustive()
    }
}

impl fmt::Debug for Pkcs11KmsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11KmsBuilder").field("token", &self.token).finish_non_exhaustive()
    }
}
