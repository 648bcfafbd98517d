//! [`Pin`], the PIN of a token's user.

use std::fmt;

use zeroize::Zeroizing;

/// The PIN of a token's user, wiped on drop.
pub struct Pin(pub(crate) Zeroizing<String>);

impl Pin {
    /// Takes a PIN.
    pub fn new(pin: impl Into<String>) -> Self {
        Self(Zeroizing::new(pin.into()))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}
