//! Known keys, known randomness, and randomness that a test makes itself.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex};

use atrest::{Keyring, MasterKey, VersionState};
use rand_core::{TryCryptoRng, TryRng};

/// A keyring of one version.
pub fn keyring(key_id: &str, version: u32, key: [u8; 32]) -> atrest::Result<Keyring> {
    keyring_of(key_id, version, &[(version, key)])
}

/// A keyring of several versions, all enabled.
pub fn keyring_of(key_id: &str, primary: u32, keys: &[(u32, [u8; 32])]) -> atrest::Result<Keyring> {
    let version =
        |(number, mut key): (u32, [u8; 32])| (number, VersionState::Enabled, MasterKey::from_bytes(&mut key).unwrap());
    Keyring::from_versions(key_id, primary, keys.iter().copied().map(version))
}

/// A generator of which each draw is a call of this function.
#[derive(Clone, Copy, Debug)]
pub struct Draws<F>(pub F);

impl<E: StdError, F: FnMut(&mut [u8]) -> Result<(), E>> TryRng for Draws<F> {
    type Error = E;

    fn try_next_u32(&mut self) -> Result<u32, E> {
        unreachable!("the library draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, E> {
        unreachable!("the library draws bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), E> {
        (self.0)(bytes)
    }
}

impl<E: StdError, F: FnMut(&mut [u8]) -> Result<(), E>> TryCryptoRng for Draws<F> {}

/// A generator whose draws fail, after they have written something.
pub fn broken_generator() -> impl TryCryptoRng<Error = fmt::Error> {
    Draws(|bytes: &mut [u8]| {
        bytes[0] = 1;
        Err(fmt::Error)
    })
}

/// A generator whose draws are full of this byte.
pub fn stuck_generator(byte: u8) -> impl TryCryptoRng<Error = Infallible> {
    Draws(move |bytes: &mut [u8]| {
        bytes.fill(byte);
        Ok(())
    })
}

/// Randomness that is known beforehand. A draw of more than is left panics, because the test would not check it.
#[derive(Clone, Debug, Default)]
pub struct Playback(Arc<Mutex<VecDeque<u8>>>);

impl Playback {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(bytes.iter().copied().collect())))
    }

    pub fn is_used_up(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

impl TryRng for Playback {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        let mut left = self.0.lock().unwrap();
        buffer.fill_with(|| left.pop_front().expect("no more randomness than was prepared"));
        Ok(())
    }
}

impl TryCryptoRng for Playback {}
