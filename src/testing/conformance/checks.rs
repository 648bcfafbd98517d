//! [`CHECKS`], what the suite checks in each kind of runtime.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_util::future::join_all;
use pollster::block_on;

use super::checker::Checker;
use super::{AT_ONCE, Hook, SuiteTask};
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind, Result};
use crate::keys::{EncryptionContext, KeyRequest, MAX_WRAPPED_LEN, WrappedKey, is_alias, is_key_id};

/// A check, as a task for a runtime.
pub(super) type Check = fn(Checker) -> SuiteTask;

/// The pairs of a context.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// The checks, each with its name.
pub(super) const CHECKS: &[(&str, Check)] = &[
    ("keys are fresh, wrapped and unwrapped", |checker| Box::pin(wraps_fresh_keys(checker))),
    ("every context is possible", |checker| Box::pin(takes_every_context(checker))),
    ("a wrapped key is bound to its context", |checker| Box::pin(binds_the_context(checker))),
    ("damaged wrapped keys are refused", |checker| Box::pin(refuses_damaged_bytes(checker))),
    ("unknown and other keys are refused", |checker| Box::pin(refuses_other_keys(checker))),
    ("an empty key id is a default key or unknown", |checker| Box::pin(answers_the_empty_id(checker))),
    ("abandoned calls do no harm", |checker| Box::pin(survives_abandoned_calls(checker))),
    ("concurrent calls get their own keys", |checker| Box::pin(keeps_calls_apart(checker))),
    ("a call may block a thread of the runtime", |checker| Box::pin(works_while_blocking(checker))),
];

/// The check of a suite that names a forbidden requester.
pub(super) const OF_REQUESTERS: (&str, Check) =
    ("the requester is authorised", |checker| Box::pin(authorises(checker)));

/// The check of a suite that can disable a key.
pub(super) const OF_STATES: (&str, Check) = ("a disabled key is refused", |checker| Box::pin(obeys_the_state(checker)));

const ARN: (&str, &str) = ("aws:s3:arn", "arn:aws:s3:::photos/cat.jpg");
const TEAM: (&str, &str) = ("team", "photos");

async fn wraps_fresh_keys(checker: Checker) {
    for context in [pairs(&[ARN, TEAM]), pairs(&[])] {
        let Some(one) = checker.generates(&context, "a context").await else { return };
        let Some(two) = checker.generates(&context, "the same context").await else { return };
        let expect = |holds, otherwise: &str| checker.expect(holds, || otherwise.to_owned());
        expect(one.kek().expose_secret() != two.kek().expose_secret(), "two calls generated the same key");
        expect(one.wrapped() != two.wrapped(), "two calls returned the same wrapped key");
        let len = one.wrapped().as_bytes().len();
        checker
            .expect((1..=MAX_WRAPPED_LEN).contains(&len), || format!("a wrapped key has 1 to 6,144 bytes, not {len}"));
        expect(is_key_id(one.key_id()), "a resolved key id has 1 to 2,048 bytes and no control characters");
        expect(!is_alias(one.key_id()), "a resolved key id is not an alias");
        expect(one.key_id() == two.key_id(), "a key id resolves to the same key each time");
        checker.opens(&one, &context, "a context").await;
        checker.opens(&two, &context, "the same context").await;
        let again = checker.asks(checker.request(one.key_id(), &context), "the resolved id").await;
        if let Some(again) = checker.expect_ok(again, "a key is generated under a resolved id") {
            expect(again.key_id() == one.key_id(), "a resolved id resolves to itself");
        }
    }
}

async fn takes_every_context(checker: Checker) {
    let full = |arn_len: usize| {
        // 2 bytes for the number of pairs, and 4 with each pair.
        let rest = EncryptionContext::MAX_SHOWN_LEN - 2 - (4 + ARN.0.len() + arn_len) - (4 + "pad".len());
        "x".repeat(rest)
    };
    let contexts = [
        ("an empty value", pairs(&[("a", ""), ARN])),
        ("names and values that are not ASCII", pairs(&[("ключ", "значение ✓ 🗝"), ARN])),
        ("separators in names and values", pairs(&[("a=b:c,d&e/f\"g", "h=i:j,k&l/m\"n\\"), ARN])),
        ("8,192 bytes of pairs", pairs(&[("pad", &full(ARN.1.len())), ARN])),
    ];
    for (what, context) in contexts {
        if let Some(generated) = checker.generates(&context, what).await {
            checker.opens(&generated, &context, what).await;
        }
    }
}

async fn binds_the_context(checker: Checker) {
    let all = [ARN, TEAM];
    let dog = ("aws:s3:arn", "arn:aws:s3:::photos/dog.jpg");
    let others: &[(&str, Pairs<'_>, Pairs<'_>)] = &[
        ("an empty context", &all, &[]),
        ("no ARN", &all, &[TEAM]),
        ("a pair missing", &all, &[ARN]),
        ("the ARN of another object", &all, &[dog, TEAM]),
        ("another value", &all, &[ARN, ("team", "videos")]),
        ("another case of a name", &all, &[ARN, ("Team", "photos")]),
        ("another case of a value", &all, &[ARN, ("team", "Photos")]),
        ("a space after a value", &all, &[ARN, ("team", "photos ")]),
        ("an additional pair", &all, &[ARN, TEAM, ("z", "1")]),
        ("an additional pair with an empty value", &all, &[ARN, ("a", ""), TEAM]),
        ("name and value exchanged", &[ARN, ("a", "b")], &[ARN, ("b", "a")]),
        ("the values of two names exchanged", &[("a", "1"), ("b", "2")], &[("a", "2"), ("b", "1")]),
        // Encodings without lengths are ambiguous.
        ("{a: bc} for {ab: c}", &[("ab", "c")], &[("a", "bc")]),
        ("{abc: } for {ab: c}", &[("ab", "c")], &[("abc", "")]),
        ("one pair for two", &[("a", "b"), ("c", "d")], &[("a", "bcd")]),
        ("two pairs for one", &[("a", "b,c=d")], &[("a", "b"), ("c", "d")]),
        ("a colon moved", &[("a", "b:c")], &[("a:b", "c")]),
        ("an equals sign moved", &[("a", "b=c")], &[("a=b", "c")]),
        ("another form of the same letter", &[("a", "é")], &[("a", "e\u{301}")]),
    ];
    for (what, wrapped_with, unwrapped_with) in others {
        let Some(generated) = checker.generates(&pairs(wrapped_with), "a context").await else { return };
        let request = checker.request(generated.key_id(), &pairs(unwrapped_with));
        refused(&checker, generated.wrapped(), request, what, is_about_bytes).await;
    }
}

async fn refuses_damaged_bytes(checker: Checker) {
    let context = pairs(&[ARN, TEAM]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let bytes = generated.wrapped().as_bytes();
    let last = bytes.len().saturating_sub(1);
    for at in [0, 1, bytes.len() / 2, last] {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 0x80;
        let request = checker.request(generated.key_id(), &context);
        let what = if at == last { "its last byte changed" } else { "a byte changed" };
        refused(&checker, &WrappedKey::new(damaged), request, what, is_about_bytes).await;
    }
    let wrong = [
        ("its last byte missing", bytes[..last].to_vec()),
        ("its first byte missing", bytes[1..].to_vec()),
        ("no bytes", Vec::new()),
        ("one byte", bytes[..1].to_vec()),
        ("bytes that no key wrapped", b"bytes that no key wrapped".to_vec()),
        ("an additional byte", [bytes, b"x"].concat()),
        ("6,144 zero bytes", vec![0; MAX_WRAPPED_LEN]),
    ];
    for (what, wrong) in wrong {
        let request = checker.request(generated.key_id(), &context);
        refused(&checker, &WrappedKey::new(wrong), request, what, is_about_bytes).await;
    }
    checker.opens(&generated, &context, "the undamaged bytes").await;
}

async fn refuses_other_keys(checker: Checker) {
    let context = pairs(&[ARN, TEAM]);
    let unknown = &checker.suite.unknown_key_id;
    let answer = checker.asks(checker.request(unknown, &context), "an unknown key").await;
    expect_refusal(&checker, answer.err(), "generating under an unknown key", is_about_the_key);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let request = checker.request(unknown, &context);
    let is_either = |error: &KeyProviderError| is_about_the_key(error) || is_about_bytes(error);
    refused(&checker, generated.wrapped(), request, "an unknown key", is_either).await;
    if let Some(other) = &checker.suite.other_key_id {
        refused(&checker, generated.wrapped(), checker.request(other, &context), "another key", is_about_bytes).await;
        let other = checker.asks(checker.request(other, &context), "another key").await;
        if let Some(other) = checker.expect_ok(other, "a key is generated under the other key") {
            checker.expect(other.key_id() != generated.key_id(), || "two keys resolve to one id".to_owned());
            checker.opens(&other, &context, "another key").await;
        }
    }
}

async fn answers_the_empty_id(checker: Checker) {
    let context = pairs(&[ARN]);
    match checker.asks(checker.request("", &context), "no key id").await {
        Ok(generated) => {
            checker.expect(is_key_id(generated.key_id()), || "the default key has no resolved id".to_owned());
            checker.opens(&generated, &context, "the default key").await;
        }
        error => expect_refusal(&checker, error.err(), "generating without a key id", is_about_the_key),
    }
}

async fn survives_abandoned_calls(checker: Checker) {
    let context = pairs(&[ARN, TEAM]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    checker.begins("a generate_key that is dropped before its first poll".to_owned());
    drop(checker.provider().generate_key(checker.request(&checker.suite.key_id, &context)));
    for _ in 0..3 {
        checker.begins("a generate_key that is dropped after its first poll".to_owned());
        poll_once(checker.provider().generate_key(checker.request(&checker.suite.key_id, &context)));
        checker.begins("an unwrap_key that is dropped after its first poll".to_owned());
        let request = checker.request(generated.key_id(), &context);
        poll_once(checker.provider().unwrap_key(generated.wrapped().clone(), request));
    }
    checker.generates(&context, "abandoned calls before it").await;
    checker.opens(&generated, &context, "abandoned calls before it").await;
}

async fn keeps_calls_apart(checker: Checker) {
    join_all((0..AT_ONCE).map(|number| checker.gets_its_own_key(number))).await;
}

/// Does what a service does that calls `sse.blocking()` inside a runtime: its thread drives nothing else meanwhile.
async fn works_while_blocking(checker: Checker) {
    block_on(checker.gets_its_own_key(0));
    block_on(join_all((0..AT_ONCE).map(|number| checker.gets_its_own_key(number))));
}

async fn authorises(checker: Checker) {
    let Some(forbidden) = &checker.suite.forbidden else { return };
    let context = pairs(&[ARN, TEAM]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let is_denied = |error: &KeyProviderError| error.kind() == Kind::AccessDenied;
    for key_id in [&*checker.suite.key_id, generated.key_id()] {
        let answer = checker.asks(checker.request_by(forbidden, key_id, &context), "a forbidden requester").await;
        expect_refusal(&checker, answer.err(), "generating for a forbidden requester", is_denied);
    }
    let request = checker.request_by(forbidden, generated.key_id(), &context);
    let answer = checker.unwraps(generated.wrapped(), request, "a forbidden requester").await;
    expect_refusal(&checker, answer.err(), "unwrapping for a forbidden requester", is_denied);
    checker.opens(&generated, &context, "a requester that may").await;
}

async fn obeys_the_state(checker: Checker) {
    let Some((disable, enable)) = &checker.suite.states else { return };
    let context = pairs(&[ARN, TEAM]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let is_disabled = |error: &KeyProviderError| error.kind() == Kind::Disabled;
    changes(&checker, disable, "disabling the key", generated.key_id());
    for key_id in [&*checker.suite.key_id, generated.key_id()] {
        let answer = checker.asks(checker.request(key_id, &context), "a disabled key").await;
        expect_refusal(&checker, answer.err(), "generating under a disabled key", is_disabled);
    }
    let request = checker.request(generated.key_id(), &context);
    let answer = checker.unwraps(generated.wrapped(), request, "a disabled key").await;
    expect_refusal(&checker, answer.err(), "unwrapping under a disabled key", is_disabled);
    changes(&checker, enable, "enabling the key", generated.key_id());
    checker.opens(&generated, &context, "a key that was enabled again").await;
    checker.generates(&context, "a key that was enabled again").await;
}

/// Runs a hook on a thread without a runtime.
fn changes(checker: &Checker, hook: &Hook, step: &str, key_id: &str) {
    checker.begins(step.to_owned());
    let (hook, key_id) = (Arc::clone(hook), key_id.to_owned());
    let done = thread::spawn(move || hook(&key_id)).join();
    checker.expect(done.is_ok(), || format!("{step} panicked"));
}

/// Expects that unwrapping fails, for a reason that is right and that never passes by itself.
async fn refused(
    checker: &Checker,
    wrapped: &WrappedKey,
    request: KeyRequest,
    what: &str,
    is_right: impl Fn(&KeyProviderError) -> bool,
) {
    let asked = request.key_id().to_owned();
    let error = match checker.unwraps(wrapped, request, what).await {
        // The library refuses the answer of another key.
        Ok(unwrapped) if unwrapped.key_id() != asked => return,
        Ok(_) => None,
        Err(error) => Some(error),
    };
    expect_refusal(checker, error, &format!("unwrapping with {what}"), is_right);
}

fn expect_refusal(
    checker: &Checker,
    error: Option<KeyProviderError>,
    what: &str,
    is_right: impl Fn(&KeyProviderError) -> bool,
) {
    let Some(error) = error else { return checker.expect(false, || format!("{what} succeeds")) };
    checker.expect(is_right(&error), || format!("{what} fails as {:?}", error.kind()));
    checker.expect(!error.is_transient(), || format!("{what} fails as if it could succeed later"));
}

/// Returns whether the error blames the wrapped key. Only a missing version of the key may be `NotFound`.
fn is_about_bytes(error: &KeyProviderError) -> bool {
    match error.kind() {
        Kind::Rejected | Kind::WrongKey | Kind::WrongLength => true,
        Kind::NotFound => error.key_version().is_some(),
        _ => false,
    }
}

/// Returns whether the error blames the key id. A KMS may hide which keys exist.
fn is_about_the_key(error: &KeyProviderError) -> bool {
    matches!(error.kind(), Kind::NotFound | Kind::AccessDenied)
}

fn poll_once<T>(call: impl Future<Output = T>) {
    let mut call = pin!(call);
    let _: Poll<T> = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

/// Builds a context as the library passes it to a provider: the caller's pairs and the object's ARN.
fn pairs(pairs: Pairs<'_>) -> EncryptionContext {
    let (arn, callers): (Vec<_>, Vec<_>) = pairs.iter().partition(|(name, _)| *name == ARN.0);
    let callers =
        callers.iter().try_fold(EncryptionContext::new(), |context, (name, value)| context.with(*name, *value));
    let callers: Result<_> = callers;
    callers.expect("the pairs are valid").shown_for(arn.first().map(|(_, arn)| (*arn).to_owned()))
}
