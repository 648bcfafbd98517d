//! [`Sources`]: the clock and the random generator of one keyring or one KMS.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock, millis};
use crate::crypto::Generator;

/// The clock and the random generator of one keyring or one KMS.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) generator: Generator,
}

impl Sources {
    /// Returns the wall clock's time in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        millis(self.clock.wall())
    }
}

/// The clock of this machine and the random generator of the operating system.
impl Default for Sources {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), generator: Generator::default() }
    }
}
