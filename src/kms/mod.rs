// Floor 6. May use floors 0 to 5, and no other module of floor 6.
//! Key providers around other ones, and a KMS in this process.
//!
//! [`Resilient`] bounds what a slow or dead KMS costs, [`Router`] serves several KMSs in one [`Sse`](crate::Sse),
//! [`Observed`] reports each call for metrics, [`Authorized`] authorises requesters for a KMS that cannot, and
//! [`Threads`] runs the calls of a KMS that block. `EmbeddedKms` keeps its keys in one sealed file of this process
//! (feature `embedded-kms`).
//!
//! For another KMS implement [`KeyProvider`](crate::KeyProvider).

mod authorized;
#[cfg(feature = "embedded-kms")]
mod embedded;
mod observed;
mod resilient;
mod router;
mod threads;
#[cfg(feature = "tokio")]
mod tokio_timer;
#[cfg(feature = "tracing")]
mod tracing_observer;
#[cfg(any(feature = "embedded-kms", feature = "testing"))]
pub(crate) mod wrapped_kek;

pub use authorized::{Authorized, KeyAccess, KeyUse};
#[cfg(feature = "embedded-kms")]
pub use embedded::{
    DEFAULT_ALIAS, EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin, KeyInfo, KeyOrigin, KeyPolicy, KeyState, KeyVersion,
    Maintained, Maintenance, NewKey, Permission, Quota,
};
pub use observed::{KmsCall, KmsCounters, KmsKeyCounts, KmsObserver, KmsOutcome, Observed};
pub use resilient::Resilient;
pub use router::Router;
pub use threads::Threads;
#[cfg(feature = "tokio")]
pub use tokio_timer::TokioTimer;
#[cfg(feature = "tracing")]
pub use tracing_observer::TracingObserver;

pub use crate::keys::KmsOperation;
pub use crate::timer::{ThreadTimer, Timer, TimerFuture};
