//! The calls of [`Sse`] that build it, encrypt and decrypt objects, and derive other handles.

use std::mem;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::audited::PendingEvent;
use super::{Blocking, Encrypted, Expected, Sse, SseBuilder, Unlock, object};
use crate::clock::Clock;
use crate::envelope::Envelope;
use crate::error::Result;
use crate::geometry::Container;
use crate::keys::{BucketKeyStats, KeyAnswers, Keyring, UNRECORDED};
use crate::mode::{AnyMode, Mode, Target, any};
use crate::object::{ObjectName, Requester};
use crate::secret::wipe;
use crate::stream::{Decryptor, Encryptor, PlaintextReader};
use crate::trail::{AuditEvent, AuditOperation};

impl Sse {
    /// Returns a builder.
    pub fn builder() -> SseBuilder {
        SseBuilder::default()
    }

    /// Encrypts an object that is in memory.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`encryptor`](Self::encryptor).
    ///
    /// # Performance
    ///
    /// Allocates the ciphertext. Where the allocator gets that memory from the operating system, as for objects of tens
    /// of MiB, this takes several times as long as encryption: use [`encrypt_into`](Self::encrypt_into) with memory
    /// that is reused. For objects that are not in memory use [`encryptor`](Self::encryptor).
    pub async fn encrypt(&self, object: &ObjectName, mode: impl Mode, plaintext: &[u8]) -> Result<Encrypted> {
        let all = |encryptor: &mut Encryptor| encryptor.all(plaintext);
        let (envelope, (ciphertext, _)) = self.encrypt_by(object, any(mode), plaintext.len(), all).await?;
        Ok(Encrypted::new(envelope, ciphertext))
    }

    /// Encrypts an object that is in memory into the front of `output`; returns its envelope and the length of its
    /// body in bytes, [`ModeId::ciphertext_len`](crate::ModeId::ciphertext_len) of the plaintext's.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`encryptor`](Self::encryptor), and
    /// [`Misuse::OutputTooSmall`](crate::error::Misuse::OutputTooSmall) if `output` is shorter than the body.
    pub async fn encrypt_into(
        &self,
        object: &ObjectName,
        mode: impl Mode,
        plaintext: &[u8],
        output: &mut [u8],
    ) -> Result<(Envelope, usize)> {
        let all = |encryptor: &mut Encryptor| encryptor.all_into(plaintext, output);
        let (envelope, finished) = self.encrypt_by(object, any(mode), plaintext.len(), all).await?;
        Ok((envelope, finished.written))
    }

    /// Decrypts an object that is in memory.
    ///
    /// # Errors
    ///
    /// - The errors of [`decryptor`](Self::decryptor).
    /// - [`Error::Truncated`](crate::Error::Truncated): the body ends too early.
    /// - [`Error::ManifestRequired`](crate::Error::ManifestRequired): the object was uploaded in parts, and its
    ///   manifest is missing.
    ///
    /// # Performance
    ///
    /// Allocates the plaintext. Where the allocator gets that memory from the operating system, as for objects of tens
    /// of MiB, this takes several times as long as decryption: use [`decrypt_into`](Self::decrypt_into) with memory
    /// that is reused. For objects that are not in memory use [`decryptor`](Self::decryptor).
    pub async fn decrypt(&self, object: &ObjectName, encrypted: &Encrypted, unlock: Unlock<'_>) -> Result<Vec<u8>> {
        let all = |reader: &mut PlaintextReader| reader.all(&encrypted.ciphertext).map(Zeroizing::new);
        // The plaintext is wiped if the audit trail cannot record the call.
        let mut plaintext = self.decrypt_by(object, encrypted, unlock, all).await?;
        Ok(mem::take(&mut *plaintext))
    }

    /// Decrypts an object that is in memory into the front of `output`; returns the number of plaintext bytes. An
    /// output as long as the ciphertext is never too short.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`decrypt`](Self::decrypt), and
    /// [`Misuse::OutputTooSmall`](crate::error::Misuse::OutputTooSmall) if `output` is shorter than the plaintext.
    ///
    /// # Security
    ///
    /// After an error, and if the call is cancelled, all of `output` is wiped.
    pub async fn decrypt_into(
        &self,
        object: &ObjectName,
        encrypted: &Encrypted,
        unlock: Unlock<'_>,
        output: &mut [u8],
    ) -> Result<usize> {
        let mut output = Unreleased(output);
        let all = |reader: &mut PlaintextReader| reader.all_into([&encrypted.ciphertext[..]], output.0);
        let written = self.decrypt_by(object, encrypted, unlock, all).await?;
        output.0 = &mut [];
        Ok(written)
    }

    /// Begins to encrypt an object. Returns its envelope and the [`Encryptor`] of its body.
    ///
    /// Store the envelope in the same commit as the finished body.
    ///
    /// # Errors
    ///
    /// - [`Error::KeyProvider`](crate::Error::KeyProvider): the key provider or the keyring gave no key.
    /// - [`Error::Unexpected`](crate::Error::Unexpected): this handle would not read the object.
    /// - [`Error::NotCompiled`](crate::Error::NotCompiled): the mode is DSSE-KMS, and this build has no second backend
    ///   of AES-256-GCM.
    /// - [`Misuse::NameNotAnArn`](crate::error::Misuse::NameNotAnArn): the mode has a KMS key, and the name has no ARN.
    /// - [`Error::LimitExceeded`](crate::Error::LimitExceeded): a limit is exceeded.
    /// - [`Error::Random`](crate::Error::Random): the random generator failed.
    /// - [`Error::Audit`](crate::Error::Audit): the audit trail could not record the call.
    pub async fn encryptor(&self, object: &ObjectName, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        self.begin_encryption(object, any(mode), None).await
    }

    /// Begins to encrypt an object whose plaintext length in bytes is known.
    ///
    /// The envelope records the length, so that a reader knows it before it fetches the body. A plaintext of another
    /// length fails.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`encryptor`](Self::encryptor).
    pub async fn encryptor_of_len(
        &self,
        object: &ObjectName,
        mode: impl Mode,
        plaintext_len: u64,
    ) -> Result<(Envelope, Encryptor)> {
        self.begin_encryption(object, any(mode), Some(plaintext_len)).await
    }

    /// Unlocks an object. Returns the [`Decryptor`] of its body, for the whole body or for ranges.
    ///
    /// An object that was uploaded in parts also needs its [manifest](Decryptor::with_manifest).
    ///
    /// # Errors
    ///
    /// - [`Error::Unexpected`](crate::Error::Unexpected), [`Error::CustomerKey`](crate::Error::CustomerKey): the
    ///   envelope or the customer key is not accepted. No key provider was called.
    /// - [`Error::KeyProvider`](crate::Error::KeyProvider): the key provider refused, or the stored keyring could not
    ///   be read again (kind `Unavailable`).
    /// - [`Error::Inauthentic`](crate::Error::Inauthentic): envelope, key and name do not belong together.
    /// - [`Error::UploadNotComplete`](crate::Error::UploadNotComplete): the envelope is that of an upload under way.
    /// - [`Error::NotCompiled`](crate::Error::NotCompiled),
    ///   [`Misuse::NameNotAnArn`](crate::error::Misuse::NameNotAnArn): as for [`encryptor`](Self::encryptor).
    /// - [`Error::Audit`](crate::Error::Audit): the audit trail could not record the call.
    pub async fn decryptor(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Decryptor> {
        let pending = PendingEvent::reading(AuditOperation::DecryptObject, object, envelope);
        let answers = self.answers();
        let opening = self.decryptor_of(object, envelope, unlock, &answers);
        self.audited(pending, &answers, opening, |_| None).await
    }

    /// Records that a decryptor, which an earlier call of [`decryptor`](Self::decryptor) returned, reads the object
    /// again for the requester of this handle.
    ///
    /// A cache of decryptors, or of decrypted objects, calls this for each read that it serves. The event is that of
    /// [`decryptor`](Self::decryptor), and its parameter `servedAgain` is `true`. No key is requested. The mode, the
    /// KMS key and the name are checked again, with the expectations of this handle and of `unlock`.
    ///
    /// # Errors
    ///
    /// - [`Error::Unexpected`](crate::Error::Unexpected), [`Error::CustomerKey`](crate::Error::CustomerKey): the
    ///   envelope is not accepted.
    /// - [`Error::Audit`](crate::Error::Audit): the audit trail could not record the read. Do not serve it.
    ///
    /// # Security
    ///
    /// A decryptor opens its object for as long as it lives: also after its key was disabled, and for a requester that
    /// the key provider would refuse. Keep one for a short time, for one requester and for one set of expectations, and
    /// drop it when the [keyring](Self::keyring) changes.
    pub async fn read_again(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<()> {
        let pending = PendingEvent::reading(AuditOperation::DecryptObject, object, envelope).served_again();
        let checking = async { self.check(Target::object(object), envelope, Some(unlock)) };
        self.audited(pending, &UNRECORDED, checking, |()| None).await
    }

    /// Records that the store copies or renames an object itself, envelope and body, for the requester of this handle:
    /// an [unbound](ObjectName::unbound) object opens under every name. No key is requested.
    ///
    /// A store calls this before it copies. The event is [`CopyObject`](crate::audit::AuditOperation::CopyObject); its
    /// object is `to`, its source object `from`. It names no mode and no key, since nothing was read.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Audit`](crate::Error::Audit) if the audit trail could not record the copy. Do not make it.
    pub async fn record_copy(&self, from: &ObjectName, to: &ObjectName) -> Result<()> {
        let Some(trail) = &self.shared.audit else { return Ok(()) };
        trail.ready().await;
        let event = AuditEvent::new(self.shared.clock.wall(), self.requester.clone(), AuditOperation::CopyObject);
        trail.record(event.with_object(to).with_source_object(from)).await
    }

    /// Returns the keyring that the builder was given: of SSE-S3 and of the outer layer of DSSE-KMS.
    pub fn keyring(&self) -> Option<&Keyring> {
        self.shared.keyring.as_ref()
    }

    /// Returns the [clock](crate::SseBuilder::clock) that the builder was given, or the clock of this machine.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Returns the container of the stored objects, if the builder was given one.
    pub fn container(&self) -> Option<Container> {
        self.shared.container
    }

    /// Returns the length in bytes of every envelope that this handle writes, if the builder fixed it.
    pub fn envelope_len(&self) -> Option<usize> {
        self.shared.envelope_len
    }

    /// Returns the same handle with synchronous calls, for callers without a runtime.
    pub fn blocking(&self) -> Blocking {
        Blocking::new(self.clone())
    }

    /// Drops all [bucket keys](crate::SseKms::with_bucket_key) in memory, of this handle and its clones. Every later
    /// request asks the KMS again: use it after a permission was revoked, if the provider
    /// [tells no changes](crate::KeyProvider::epoch).
    ///
    /// A call of the KMS in progress still serves its callers, and leaves nothing in memory. A key that is in use at
    /// this moment is wiped after that use.
    pub fn purge_bucket_keys(&self) {
        self.shared.bucket_keys.purge();
    }

    /// Returns the counts of the bucket keys in memory.
    pub fn bucket_key_stats(&self) -> BucketKeyStats {
        self.shared.bucket_keys.stats()
    }

    /// Returns a handle that makes every request as this requester. Key providers and the audit trail see the
    /// requester. The default is [`Requester::anonymous`].
    #[must_use]
    pub fn requested_by(&self, requester: Requester) -> Self {
        Self { requester, ..self.clone() }
    }

    /// Returns a handle that also demands these expectations of every object that it reads.
    ///
    /// Use it in a service that keeps the mode and the key of an object where an attacker who writes the store cannot
    /// write.
    #[must_use]
    pub fn expecting(&self, expected: Expected) -> Self {
        let mut narrowed = self.clone();
        narrowed.expected.push(expected);
        narrowed
    }

    /// Encrypts an object of `plaintext_len` bytes by `body`.
    async fn encrypt_by<T>(
        &self,
        object: &ObjectName,
        mode: AnyMode,
        plaintext_len: usize,
        body: impl FnOnce(&mut Encryptor) -> Result<T>,
    ) -> Result<(Envelope, T)> {
        let pending = PendingEvent::writing(AuditOperation::EncryptObject, object, &mode);
        let answers = self.answers();
        let encrypting = async {
            let len = Some(plaintext_len as u64);
            let (envelope, mut encryptor) = self.encryptor_of(object, &mode, len, &answers).await?;
            Ok((envelope, body(&mut encryptor)?))
        };
        self.audited(pending, &answers, encrypting, |(envelope, _)| Some(envelope)).await
    }

    /// Decrypts an object by `body`.
    async fn decrypt_by<T>(
        &self,
        object: &ObjectName,
        encrypted: &Encrypted,
        unlock: Unlock<'_>,
        body: impl FnOnce(&mut PlaintextReader) -> Result<T>,
    ) -> Result<T> {
        let pending = PendingEvent::reading(AuditOperation::DecryptObject, object, &encrypted.envelope);
        let answers = self.answers();
        let decrypting = async {
            let mut decryptor = self.decryptor_of(object, &encrypted.envelope, unlock, &answers).await?;
            if let Some(manifest) = &encrypted.manifest {
                decryptor = decryptor.with_manifest(manifest)?;
            }
            body(&mut decryptor.sequential())
        };
        self.audited(pending, &answers, decrypting, |_| None).await
    }

    async fn begin_encryption(
        &self,
        object: &ObjectName,
        mode: AnyMode,
        plaintext_len: Option<u64>,
    ) -> Result<(Envelope, Encryptor)> {
        let pending = PendingEvent::writing(AuditOperation::EncryptObject, object, &mode);
        let answers = self.answers();
        let beginning = self.encryptor_of(object, &mode, plaintext_len, &answers);
        self.audited(pending, &answers, beginning, |(envelope, _)| Some(envelope)).await
    }

    async fn decryptor_of(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        answers: &KeyAnswers,
    ) -> Result<Decryptor> {
        let keys = self.unlock(Target::object(object), envelope, unlock, true, answers).await?;
        object::decryptor(envelope, self.object_keys(keys))
    }
}

/// The caller's output of a call that has not succeeded yet; wiped on drop.
struct Unreleased<'a>(&'a mut [u8]);

impl Drop for Unreleased<'_> {
    fn drop(&mut self) {
        wipe(self.0);
    }
}
