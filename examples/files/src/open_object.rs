//! An object that is being read: whole, a range of it, or one of its parts.

use std::io::Write;

use atrest::{ByteRange, Decryptor, Envelope, PartNumber, Unlock};

use crate::customer_key::KeyBunch;
use crate::failure::{About, Failure, Outcome};
use crate::objects::{Body, StoredObject};
use crate::report::printable;
use crate::store::Store;
use crate::streams::{finish, pump};

/// An object's body, and what decrypts it.
pub(crate) struct OpenObject {
    pub(crate) envelope: Envelope,
    pub(crate) body: Body,
    decryptor: Decryptor,
}

/// What a range read took and gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RangeRead {
    /// The plaintext bytes that were asked for and written.
    pub(crate) plaintext_len: u64,
    /// The body bytes that had to be read for them.
    pub(crate) fetched_len: u64,
}

impl OpenObject {
    pub(crate) fn open(store: &Store, name: &str, unlock: Unlock<'_>) -> Outcome<Self> {
        Self::unlock(store, name, store.objects().open(name)?, unlock)
    }

    /// The same for someone with several customer keys: the envelope tells which one is its own.
    pub(crate) fn open_with_keys(store: &Store, name: &str, keys: &KeyBunch) -> Outcome<Self> {
        let stored = store.objects().open(name)?;
        let unlock = keys.unlock(&stored.envelope)?;
        Self::unlock(store, name, stored, unlock)
    }

    pub(crate) fn unlock(store: &Store, name: &str, stored: StoredObject, unlock: Unlock<'_>) -> Outcome<Self> {
        let StoredObject { envelope, body, .. } = stored;
        let object = store.object(name)?;
        let decryptor = store.sse().blocking().decryptor(&object, &envelope, unlock).about(printable(name))?;
        let decryptor = body.list_parts(decryptor).about(printable(name))?;
        Ok(Self { envelope, body, decryptor })
    }

    /// Decrypts everything into `target`, chunk by chunk; what `target` gets is authentic, but only with the `Ok` at the
    /// end is it known to be all. Returns the length of the plaintext.
    pub(crate) fn decrypt(&self, mut target: impl Write) -> Outcome<u64> {
        let mut reader = self.decryptor.sequential();
        let mut pumped_len = 0;
        self.body.read_all(&self.decryptor, |stored| {
            pumped_len += pump(stored, &mut target, &mut reader)?;
            Ok(())
        })?;
        Ok(pumped_len + finish(reader, target)?)
    }

    /// Decrypts a range into `target`, reading only those bytes of the body that it needs.
    pub(crate) fn decrypt_range(&self, range: impl Into<ByteRange>, mut target: impl Write) -> Outcome<RangeRead> {
        let plan = self.decryptor.range(range, self.body_len()?)?;
        let mut reader = plan.reader();
        let mut read = RangeRead::default();
        // Each lies in one part, so each is read from one file.
        self.body.read_ranges(&self.decryptor, plan.fetches(), |fetched| {
            read.plaintext_len += pump(fetched, &mut target, &mut reader)?;
            Ok(())
        })?;
        read.fetched_len = plan.fetches().iter().map(|fetch| fetch.end - fetch.start).sum();
        read.plaintext_len += finish(reader, target)?;
        Ok(read)
    }

    /// Decrypts one part into `target`, without looking at the others.
    pub(crate) fn decrypt_part(&self, number: PartNumber, mut target: impl Write) -> Outcome<u64> {
        let files = self.body.part_files()?;
        let mut reader = self.decryptor.part_decryptor(number)?.sequential();
        let pumped_len = pump(files.open(number)?, &mut target, &mut reader)?;
        Ok(pumped_len + finish(reader, target)?)
    }

    /// The length of the plaintext, authenticated, and so is that the body ends where it should.
    pub(crate) fn plaintext_len(&self) -> Outcome<u64> {
        let stored_len = self.body.stored_len()?;
        let fetch = self.decryptor.end_fetch(stored_len)?;
        let mut end = Vec::new();
        self.body.read_ranges(&self.decryptor, &[fetch], |stored| {
            stored.read_to_end(&mut end)?;
            Ok(())
        })?;
        let verified = self.decryptor.verify_end(stored_len, &end)?;
        verified.plaintext_len().ok_or_else(|| Failure::rule("a length that nobody knows"))
    }

    /// How many parts it was put in, if in parts.
    pub(crate) fn parts(&self) -> Outcome<Option<usize>> {
        Ok(Some(self.decryptor.parts()?.len()).filter(|&parts| parts > 0))
    }

    /// The length of the body: of parts the manifest knows it, which saves looking at every file.
    fn body_len(&self) -> Outcome<u64> {
        match &self.body {
            Body::Parts(_) => self.decryptor.ciphertext_len().map_or_else(|| self.body.stored_len(), Ok),
            Body::Whole(_) => self.body.stored_len(),
        }
    }
}
