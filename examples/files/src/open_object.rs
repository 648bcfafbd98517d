//! `OpenObject`: an object that is being read whole, as a range, or as one part.

use std::io::Write;

use atrest::{ByteRange, Decryptor, Envelope, PartNumber, Unlock};

use crate::customer_key::KeyBunch;
use crate::failure::{About, Failure, Outcome};
use crate::objects::{Body, StoredObject};
use crate::report::printable;
use crate::store::Store;
use crate::streams::{finish, pump};

/// An object's body and its decryptor.
pub(crate) struct OpenObject {
    pub(crate) envelope: Envelope,
    pub(crate) body: Body,
    decryptor: Decryptor,
}

/// The result of a range read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RangeRead {
    /// The plaintext bytes of the range.
    pub(crate) plaintext_len: u64,
    /// The body bytes that were read for the range.
    pub(crate) fetched_len: u64,
}

impl OpenObject {
    pub(crate) fn open(store: &Store, name: &str, unlock: Unlock<'_>) -> Outcome<Self> {
        Self::unlock(store, name, store.objects().open(name)?, unlock)
    }

    /// Opens an object with the one of several customer keys that the envelope recognises.
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

    /// Decrypts the object into `target`, chunk by chunk. Each chunk is authentic; only `Ok` means that the object is
    /// complete. Returns the plaintext length in bytes.
    pub(crate) fn decrypt(&self, mut target: impl Write) -> Outcome<u64> {
        let mut reader = self.decryptor.sequential();
        let mut pumped_len = 0;
        self.body.read_all(&self.decryptor, |stored| {
            pumped_len += pump(stored, &mut target, &mut reader)?;
            Ok(())
        })?;
        Ok(pumped_len + finish(reader, target)?)
    }

    /// Decrypts a range into `target`, and reads only the bytes of the body that the range needs.
    pub(crate) fn decrypt_range(&self, range: impl Into<ByteRange>, mut target: impl Write) -> Outcome<RangeRead> {
        let plan = self.decryptor.range(range, self.body_len()?)?;
        let mut reader = plan.reader();
        let mut read = RangeRead::default();
        // Each fetch lies in one part, so it is read from one file.
        self.body.read_ranges(&self.decryptor, plan.fetches(), |fetched| {
            read.plaintext_len += pump(fetched, &mut target, &mut reader)?;
            Ok(())
        })?;
        read.fetched_len = plan.fetches().iter().map(|fetch| fetch.end - fetch.start).sum();
        read.plaintext_len += finish(reader, target)?;
        Ok(read)
    }

    /// Decrypts one part into `target`, without the other parts.
    pub(crate) fn decrypt_part(&self, number: PartNumber, mut target: impl Write) -> Outcome<u64> {
        let files = self.body.part_files()?;
        let mut reader = self.decryptor.part_decryptor(number)?.sequential();
        let pumped_len = pump(files.open(number)?, &mut target, &mut reader)?;
        Ok(pumped_len + finish(reader, target)?)
    }

    /// The authenticated plaintext length in bytes. Also verifies that the body ends where it should.
    pub(crate) fn plaintext_len(&self) -> Outcome<u64> {
        let stored_len = self.body.stored_len()?;
        let fetch = self.decryptor.end_fetch(stored_len)?;
        let mut end = Vec::new();
        self.body.read_ranges(&self.decryptor, &[fetch], |stored| {
            stored.read_to_end(&mut end)?;
            Ok(())
        })?;
        let verified = self.decryptor.verify_end(stored_len, &end)?;
        verified.plaintext_len().ok_or_else(|| Failure::rule("the plaintext length is unknown"))
    }

    /// The number of parts, if the object was put in parts.
    pub(crate) fn parts(&self) -> Outcome<Option<usize>> {
        Ok(Some(self.decryptor.parts()?.len()).filter(|&parts| parts > 0))
    }

    /// The length of the body. The manifest knows the length of all parts, so their files need not be opened.
    fn body_len(&self) -> Outcome<u64> {
        match &self.body {
            Body::Parts(_) => self.decryptor.ciphertext_len().map_or_else(|| self.body.stored_len(), Ok),
            Body::Whole(_) => self.body.stored_len(),
        }
    }
}
