//! [`Breaker`], which stops calls to a provider that does not answer, and lets one call find out when it does again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A circuit breaker over all calls of one provider.
pub(super) struct Breaker {
    /// The number of failures in a row that opens the breaker.
    threshold: u32,
    /// How long the breaker stays open before one call may try.
    open_for: Duration,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Rises at every change of the phase: a call that began in an earlier phase changes nothing.
    era: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Calls pass.
    Closed { failures: u32 },
    /// No call passes until this time.
    Open { until: Duration },
    /// One call passes, the probe, and is not answered yet.
    Probing,
}

/// The leave to make one call. A probe that is dropped without a result lets another call be the probe.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    era: u64,
    is_probe: bool,
}

impl Breaker {
    pub(super) fn new(threshold: u32, open_for: Duration) -> Self {
        let state = State { phase: Phase::Closed { failures: 0 }, era: 0 };
        Self { threshold, open_for, state: Mutex::new(state) }
    }

    /// Lets a call pass, or returns how long no call will.
    pub(super) fn admit(&self, now: Duration) -> Result<Pass<'_>, Duration> {
        let mut state = self.lock();
        let is_probe = match state.phase {
            Phase::Closed { .. } => false,
            Phase::Open { until } if now < until => return Err(until - now),
            Phase::Open { .. } => {
                state.enter(Phase::Probing);
                true
            }
            Phase::Probing => return Err(self.open_for),
        };
        Ok(Pass { breaker: self, era: state.era, is_probe })
    }

    /// Returns whether calls are refused, or one probes.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.lock().phase, Phase::Closed { .. })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }
}

impl Pass<'_> {
    /// Records whether the provider answered: an error by which it refuses is an answer.
    pub(super) fn finish(self, answered: bool, now: Duration) {
        let Breaker { threshold, open_for, .. } = *self.breaker;
        let mut state = self.breaker.lock();
        if state.era != self.era {
            return;
        }
        let open = Phase::Open { until: now.saturating_add(open_for) };
        match state.phase {
            Phase::Closed { failures } if !answered && failures + 1 >= threshold => state.enter(open),
            Phase::Closed { failures } => {
                state.phase = Phase::Closed { failures: if answered { 0 } else { failures + 1 } };
            }
            Phase::Probing if answered => state.enter(Phase::Closed { failures: 0 }),
            Phase::Probing => state.enter(open),
            Phase::Open { .. } => {}
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if self.is_probe && state.era == self.era {
            state.enter(Phase::Open { until: Duration::ZERO });
        }
    }
}
