//! [`Permits`], a limit of calls at the same time; it needs no runtime.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

/// A number of permits, which callers get in the order of their requests.
pub(super) struct Permits(Mutex<State>);

struct State {
    free: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// A permit for one call. It goes to the next caller when it is dropped.
pub(super) struct Permit {
    permits: Option<Arc<Permits>>,
    has_waited: bool,
}

impl Permit {
    /// Returns whether the caller waited until another one left.
    pub(super) fn has_waited(&self) -> bool {
        self.has_waited
    }
}

impl Permits {
    pub(super) fn new(free: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free, waiting: VecDeque::new() })))
    }

    /// Waits for a permit. A caller that leaves takes none.
    pub(super) async fn acquire(self: &Arc<Self>) -> Permit {
        let granted = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Permit { permits: Some(self.clone()), has_waited: false };
            }
            // Callers that left would fill the queue for as long as every call hangs.
            if state.waiting.len().is_power_of_two() {
                state.waiting.retain(|waiting| !waiting.is_canceled());
            }
            let (grant, granted) = oneshot::channel();
            state.waiting.push_back(grant);
            granted
        };
        // A sender is only dropped with the permits themselves, which this future holds.
        granted.await.unwrap_or(Permit { permits: None, has_waited: true })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(permits) = self.permits.take() else { return };
        loop {
            let next = {
                let mut state = permits.lock();
                let next = state.waiting.pop_front();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self { permits: Some(permits.clone()), has_waited: true }) {
                Ok(()) => return,
                // The caller left; the permit goes to the one behind it.
                Err(mut permit) => permit.permits = None,
            }
        }
    }
}
