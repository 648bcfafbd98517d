//! How a keyring in a storage is read, checked and replaced: methods of [`Stored`].

use std::io::ErrorKind;
use std::time::Instant;

use super::keyring_record::KeyringRecord;
use super::keyring_shared::Change;
use super::keyring_state::KeyringState;
use super::keyring_storage::{Loaded, Replaced, StorageTag};
use super::keyring_stored::Stored;
use super::sealed_keyring;
use crate::clock::Moment;
use crate::error::{Error, IoError, KeyringError, Limit, Result, Unexpected};

/// An operation on the stored keyring.
pub(super) enum Alteration {
    /// A change of the versions.
    Change(Change),
    /// Takes the stored keyring regardless of its history, and collects the numbers of the lost versions.
    Adopt(std::sync::Arc<std::sync::Mutex<Vec<u32>>>),
    /// Replaces the stored keyring by the one in memory.
    Replace,
}

/// The result of an attempt to store a state.
enum Attempt {
    Stored(KeyringState),
    Conflict,
}

impl Stored {
    /// Reads the storage and takes the stored keyring if it continues the one in memory.
    pub(super) async fn read(&self) -> Result<()> {
        loop {
            let (epoch, known) = {
                let seen = self.seen();
                (seen.epoch, seen.tag.clone())
            };
            let began = Moment::now(&*self.options.sources.clock);
            let Some((sealed, tag)) = self.load(Some(known)).await? else {
                let mut seen = self.seen();
                if seen.epoch != epoch {
                    continue; // a change was stored during this read
                }
                seen.read = began;
                (seen.refused, seen.history, seen.pending) = (None, None, None);
                return Ok(());
            };
            if let Some(outcome) = self.judged_before(epoch, &sealed) {
                return outcome;
            }
            let opened = self.open(&sealed).await;
            let mut seen = self.seen();
            if seen.epoch != epoch {
                continue;
            }
            let continued = opened.and_then(|state| {
                let continued = self.current.get().continued_by(state);
                continued
                    .inspect_err(|rule| seen.history = Some(*rule))
                    .map_err(|rule| Unexpected::History(rule).into())
            });
            return match continued {
                Ok(state) => {
                    self.current.set(state);
                    seen.epoch += 1;
                    (seen.tag, seen.read) = (tag, began);
                    (seen.refused, seen.history, seen.pending) = (None, None, None);
                    Ok(())
                }
                Err(error) => {
                    if is_verdict(&error) {
                        seen.refused = Some((sealed, error.clone()));
                    }
                    Err(error)
                }
            };
        }
    }

    /// Carries out one operation on the stored keyring.
    pub(super) async fn carry_out(&self, alteration: &Alteration) -> Result<KeyringState> {
        let began = Instant::now();
        loop {
            let attempt = match alteration {
                Alteration::Change(change) => self.attempt_change(change).await?,
                Alteration::Adopt(lost) => return self.adopt(lost).await,
                Alteration::Replace => self.attempt_replace().await?,
            };
            match attempt {
                Attempt::Stored(state) => return Ok(state),
                Attempt::Conflict if began.elapsed() > self.options.wait => return Err(KeyringError::Conflict.into()),
                Attempt::Conflict => {}
            }
        }
    }

    async fn attempt_change(&self, change: &Change) -> Result<Attempt> {
        self.read().await.map_err(|error| match error {
            Error::Unexpected(Unexpected::History(_)) => self.as_unavailable(error),
            error => error,
        })?;
        let tag = self.seen().tag.clone();
        let before = self.current.get();
        let changed = before.changed(&**change)?;
        self.store(&before, changed, Some(tag)).await
    }

    /// Replaces the stored keyring by the one in memory, under a generation above both.
    async fn attempt_replace(&self) -> Result<Attempt> {
        // This read takes a stored keyring that continues the one in memory, such as a change whose outcome was
        // unknown. The operator replaces any other.
        let _ = self.read().await;
        let stored = match self.load(None).await {
            Ok(Some(stored)) => Some(stored),
            Ok(None) => None,
            Err(Error::Io(error)) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let before = self.current.get();
        let mut own = before.with_gone_as_disabled()?;
        let mut tag = None;
        if let Some((sealed, found)) = stored {
            tag = Some(found);
            // A keyring that does not open is replaced too: the operator decided that it is the wrong one.
            match self.open(&sealed).await {
                Ok(state) => own.outnumber(&state),
                Err(error) if is_verdict(&error) => {}
                Err(error) => return Err(error),
            }
        }
        own.generation = own.generation.checked_add(1).ok_or(Limit::Keyring)?;
        self.store(&before, own, tag).await
    }

    async fn adopt(&self, lost: &std::sync::Mutex<Vec<u32>>) -> Result<KeyringState> {
        let began = Moment::now(&*self.options.sources.clock);
        let (sealed, tag) = self.load(None).await?.ok_or(ErrorKind::InvalidData).map_err(cannot_be_read)?;
        let opened = self.open(&sealed).await?;
        self.record(&self.current.get(), &opened, None).await?;
        let mut seen = self.seen();
        let (state, numbers) = self.current.get().given_up_for(opened);
        self.current.set(state.clone());
        seen.epoch += 1;
        (seen.tag, seen.read) = (tag, began);
        (seen.refused, seen.history, seen.pending) = (None, None, None);
        *lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = numbers;
        Ok(state)
    }

    /// Records a state, seals it, and stores it if the storage still has this tag.
    async fn store(&self, before: &KeyringState, state: KeyringState, tag: Option<StorageTag>) -> Result<Attempt> {
        let began = Moment::now(&*self.options.sources.clock);
        let sealed = self.seal(state.clone()).await?;
        self.record(before, &state, None).await?;
        let replaced = self.limited(self.storage.clone().replace(sealed.clone(), tag)).await;
        let failed = match replaced {
            Ok(Ok(Replaced::Stored(tag))) => {
                self.take(state.clone(), tag, began);
                return Ok(Attempt::Stored(state));
            }
            Ok(Ok(Replaced::Conflict)) => {
                self.record(before, &state, Some(&KeyringError::Conflict.into())).await?;
                return Ok(Attempt::Conflict);
            }
            Ok(Ok(Replaced::Unknown)) => KeyringError::OutcomeUnknown.into(),
            Ok(Err(error)) if error.kind() == ErrorKind::TimedOut => self.unavailable(cannot_be_changed(error)),
            Ok(Err(error)) => cannot_be_changed(error).into(),
            Err(too_late) => too_late,
        };
        // The bytes may be stored already or arrive later.
        self.seen().pending = Some((sealed, state.clone()));
        let read = self.read().await;
        let now = self.current.get();
        let outcome = match read {
            Ok(()) if now.is(&state) => return Ok(Attempt::Stored(state)),
            Ok(()) if matches!(failed, Error::Keyring(KeyringError::OutcomeUnknown)) => KeyringError::Conflict.into(),
            Ok(()) => failed,
            Err(_) => self.unavailable(KeyringError::OutcomeUnknown),
        };
        self.record(before, &state, Some(&outcome)).await?;
        match outcome {
            Error::Keyring(KeyringError::Conflict) => Ok(Attempt::Conflict),
            outcome => Err(outcome),
        }
    }

    /// Takes a stored state unless a read has already shown this state or a later one.
    fn take(&self, state: KeyringState, tag: StorageTag, began: Moment) {
        let mut seen = self.seen();
        if self.current.get().generation < state.generation {
            let gone = self.current.get().gone.clone();
            let gone = gone.into_iter().filter(|(number, _)| !state.versions.contains_key(number)).collect();
            self.current.set(KeyringState { gone, ..state });
            seen.epoch += 1;
            (seen.tag, seen.read) = (tag, began);
            (seen.refused, seen.history, seen.pending) = (None, None, None);
        }
    }

    async fn load(&self, known: Option<StorageTag>) -> Result<Option<(Vec<u8>, StorageTag)>> {
        match self.limited(self.storage.clone().load(known)).await?.map_err(cannot_be_read)? {
            Loaded::Unchanged => Ok(None),
            Loaded::Sealed(sealed, _) if sealed.len() as u64 > sealed_keyring::MAX_SEALED_LEN => {
                Err(cannot_be_read(ErrorKind::FileTooLarge).into())
            }
            Loaded::Sealed(sealed, tag) => Ok(Some((sealed, tag))),
        }
    }

    async fn open(&self, sealed: &[u8]) -> Result<KeyringState> {
        let pending = self.seen().pending.clone();
        if let Some((_, state)) = pending.filter(|(ours, _)| ours == sealed) {
            return Ok(state);
        }
        let (sealed, root_key) = (sealed.to_vec(), self.root_key.clone());
        let opening = self.worker.run(move || sealed_keyring::open(&sealed, &root_key));
        opening.await.map_err(cannot_be_read)?
    }

    async fn seal(&self, state: KeyringState) -> Result<Vec<u8>> {
        let (root_key, generator) = (self.root_key.clone(), self.options.sources.generator.clone());
        let sealing = self.worker.run(move || sealed_keyring::seal(&state, &root_key, &generator));
        sealing.await.map_err(cannot_be_changed)?
    }

    /// Returns the earlier refusal of the same bytes.
    fn judged_before(&self, epoch: u64, sealed: &[u8]) -> Option<Result<()>> {
        let seen = self.seen();
        let (refused, error) = seen.refused.as_ref()?;
        (seen.epoch == epoch && refused == sealed).then(|| Err(error.clone()))
    }

    async fn record(&self, before: &KeyringState, after: &KeyringState, error: Option<&Error>) -> Result<()> {
        let Some(recorder) = self.recorder.get() else {
            return Ok(());
        };
        let record = KeyringRecord {
            key_id: after.key_id.to_string(),
            primary: after.primary,
            generation: after.generation,
            differences: after.differences_from(before),
            error: error.cloned(),
        };
        recorder.record(record).await
    }
}

/// Returns whether the bytes cause the error, so that it recurs for the same bytes. Passing errors are not remembered.
fn is_verdict(error: &Error) -> bool {
    matches!(error, Error::SealedFile(_) | Error::Inauthentic | Error::Unexpected(Unexpected::History(_)))
}

fn cannot_be_read(error: impl Into<std::io::Error>) -> IoError {
    IoError::new("the stored keyring cannot be read", error.into())
}

fn cannot_be_changed(error: std::io::Error) -> IoError {
    IoError::new("the stored keyring cannot be replaced", error)
}
