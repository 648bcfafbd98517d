//! Who may use a key, whether the key may be used, and how a provider tells that this changed.

use std::sync::Arc;
use std::thread;

use futures_util::future::join_all;

use super::{ARN, Check, Checker, TEAM, expect_refusal, is_denied, pairs, refused};
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind};
use crate::keys::UNKNOWN_EPOCH;
use crate::testing::conformance::checker::handed_over;
use crate::testing::conformance::{AT_ONCE, Capability, Hook, KeyProviderSuite};

/// The number of calls of `epoch` that have to be answered within the deadline: a provider that does I/O for it answers
/// fewer.
const EPOCHS: usize = 100_000;

pub(super) const CHECKS: &[Check] = &[
    Check::task("the requester is authorised", |checker| Box::pin(authorises(checker)))
        .if_given(|suite| suite.forbidden.is_some()),
    Check::task("a disabled key is refused", |checker| Box::pin(obeys(checker, &DISABLED)))
        .if_given(|suite| suite.states.is_some()),
    Check::task("a revoked permission is gone", |checker| Box::pin(obeys(checker, &REVOKED)))
        .if_given(|suite| suite.permissions.is_some()),
    Check::task("the epoch is cheap, and another one only after a change", |checker| Box::pin(keeps_epochs(checker))),
];

/// A change of a key that a suite's hooks make and undo.
pub(super) struct Change {
    /// Returns the hooks.
    hooks: fn(&KeyProviderSuite) -> Option<&(Hook, Hook)>,
    /// What the hooks do.
    doing: [&'static str; 2],
    /// The case while the change is in force.
    pub(super) during: &'static str,
    /// The kind of error then.
    kind: Kind,
}

pub(super) const DISABLED: Change = Change {
    hooks: |suite| suite.states.as_ref(),
    doing: ["disabling the key", "enabling the key"],
    during: "a disabled key",
    kind: Kind::Disabled,
};

pub(super) const REVOKED: Change = Change {
    hooks: |suite| suite.permissions.as_ref(),
    doing: ["revoking the permission", "restoring the permission"],
    during: "a revoked permission",
    kind: Kind::AccessDenied,
};

impl Change {
    /// Makes the change.
    pub(super) fn make(&self, checker: &Checker, key_id: &str) {
        self.run(0, checker, key_id);
    }

    /// Takes the change back.
    pub(super) fn undo(&self, checker: &Checker, key_id: &str) {
        self.run(1, checker, key_id);
    }

    pub(super) fn is_reason_of(&self, error: &KeyProviderError) -> bool {
        error.kind() == self.kind
    }

    /// Runs a hook on a thread without a runtime, and checks that the provider tells what it did.
    fn run(&self, at: usize, checker: &Checker, key_id: &str) {
        let Some((make, undo)) = (self.hooks)(&checker.suite) else { return };
        let doing = self.doing[at];
        let named = [&*checker.suite.key_id, key_id];
        let before = named.map(|named| checker.epoch(named, doing));
        checker.begins(doing.to_owned());
        let hook = if at == 0 {
            checker.changes(key_id, undo);
            Some((Arc::clone(make), key_id.to_owned()))
        } else {
            checker.take_undo()
        };
        // The supervisor takes back the change of a check that it no longer waits for.
        let Some((hook, changed)) = hook else { return };
        let done = thread::spawn(move || hook(&changed)).join();
        checker.expect(done.is_ok(), || format!("{doing} panicked"));
        if checker.suite.has(Capability::Epochs) {
            for (named, before) in named.iter().zip(before) {
                let is_told = before == UNKNOWN_EPOCH || checker.epoch(named, doing) != before;
                checker.expect(is_told, || format!("the epoch is the same after {doing}"));
            }
        }
    }
}

async fn authorises(checker: Checker) {
    let Some(forbidden) = &checker.suite.forbidden else { return };
    let context = pairs(&[ARN, TEAM]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let key_ids = [&*checker.suite.key_id, generated.key_id()];
    let by_forbidden = |key_id: &str| checker.request_by(forbidden, key_id, &context);
    for key_id in key_ids {
        let answer = checker.asks(by_forbidden(key_id), "a forbidden requester").await;
        expect_refusal(&checker, answer.err(), "generating for a forbidden requester", is_denied);
    }
    let unwraps = || async {
        let request = by_forbidden(generated.key_id());
        refused(&checker, generated.wrapped(), request, "a forbidden requester", is_denied).await
    };
    unwraps().await;
    checker.opens(&generated, &context, "a requester that may").await;
    // Nothing that was given to others is given to it, before or at the same time.
    unwraps().await;
    join_all((0..AT_ONCE).map(|number| {
        let (checker, generated, context, unwraps) = (&checker, &generated, &context, &unwraps);
        async move {
            if number % 2 == 0 {
                checker.opens(generated, context, "a requester that may, beside others").await;
            } else {
                unwraps().await;
            }
        }
    }))
    .await;
    let asked = join_all(key_ids.iter().cycle().take(AT_ONCE).enumerate().map(|(number, key_id)| {
        let request = if number / 2 % 2 == 0 { checker.request(key_id, &context) } else { by_forbidden(key_id) };
        let is_forbidden = request.requester() == forbidden;
        let checker = &checker;
        async move { (is_forbidden, checker.asks(request, "requesters at the same time").await) }
    }));
    for (is_forbidden, answer) in asked.await {
        if is_forbidden {
            expect_refusal(&checker, answer.err(), "generating for a forbidden requester", is_denied);
        } else {
            checker.expect_ok(answer, "a key is generated for a requester that may, beside others");
        }
    }
}

async fn obeys(checker: Checker, change: &'static Change) {
    let context = pairs(&[ARN, TEAM]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    checker.opens(&generated, &context, "a context").await;
    change.make(&checker, generated.key_id());
    let is_right = |error: &KeyProviderError| change.is_reason_of(error);
    let during = change.during;
    for key_id in [&*checker.suite.key_id, generated.key_id()] {
        let answer = checker.asks(checker.request(key_id, &context), during).await;
        expect_refusal(&checker, answer.err(), &format!("generating under {during}"), is_right);
    }
    let answer = checker.unwraps(generated.wrapped(), checker.request(generated.key_id(), &context), during).await;
    expect_refusal(&checker, answer.err(), &format!("unwrapping under {during}"), is_right);
    change.undo(&checker, generated.key_id());
    let again = format!("{during} that is no longer");
    checker.opens(&generated, &context, &again).await;
    checker.generates(&context, &again).await;
}

async fn keeps_epochs(checker: Checker) {
    let context = pairs(&[ARN]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let resolved = generated.key_id();
    let expect_same = |key_id: &str, before: u64, what: &str| {
        let is_same = checker.epoch(key_id, what) == before;
        checker.expect(is_same, || format!("the epoch is another one after {what}"));
    };
    for key_id in [&*checker.suite.key_id, resolved] {
        let before = checker.epoch(key_id, "a key");
        checker.begins(format!("epoch ({EPOCHS} times)"));
        let changes = (0..EPOCHS).filter(|_| checker.suite.provider.epoch(key_id) != before).count();
        checker.expect(changes == 0, || "the epoch is another one though nothing changed".to_owned());
        checker.opens(&generated, &context, "a context").await;
        checker.generates(&context, "a context").await;
        expect_same(key_id, before, "calls of the provider");
        checker.begins("unwrap_key (a context)".to_owned());
        let call = checker.provider().unwrap_key(generated.wrapped().clone(), checker.request(resolved, &context));
        // Also on the thread that has to go on with the call.
        let unwrapped = handed_over(call, || expect_same(key_id, before, "the begin of a call")).await;
        checker.expect_ok(unwrapped, "a key is unwrapped by a call during which the epoch was asked for");
    }
    for key_id in ["", &*checker.suite.unknown_key_id] {
        checker.epoch(key_id, "a key that the provider does not know");
    }
}
