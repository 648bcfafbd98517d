//! Clocks that a test sets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use atrest::Clock;

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
