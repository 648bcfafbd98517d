//! Keys, wrapped keys and key ids.

use super::{
    ARN, Check, Checker, TEAM, expect_refusal, is_about_bytes, is_about_either, is_about_the_key, pairs, refused,
};
use crate::keys::{MAX_WRAPPED_LEN, WrappedKey, is_alias, is_key_id};

pub(super) const CHECKS: &[Check] = &[
    Check::task("keys are fresh, wrapped and unwrapped", |checker| Box::pin(wraps_fresh_keys(checker))),
    Check::task("damaged wrapped keys are refused", |checker| Box::pin(refuses_damaged_bytes(checker))),
    Check::task("unknown and other keys are refused", |checker| Box::pin(refuses_other_keys(checker))),
    Check::task("an empty key id is a default key or unknown", |checker| Box::pin(answers_the_empty_id(checker))),
];

async fn wraps_fresh_keys(checker: Checker) {
    for context in [pairs(&[ARN, TEAM]), pairs(&[])] {
        let Some(one) = checker.generates(&context, "a context").await else { return };
        let Some(two) = checker.generates(&context, "the same context").await else { return };
        let expect = |holds, otherwise: &str| checker.expect(holds, || otherwise.to_owned());
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

async fn refuses_damaged_bytes(checker: Checker) {
    let context = pairs(&[ARN, TEAM]);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let bytes = generated.wrapped().as_bytes();
    // An empty wrapped key is a failure of another check.
    let Some(last) = bytes.len().checked_sub(1) else { return };
    let request = || checker.request(generated.key_id(), &context);
    // Text that is changed by one bit may still be text; by its highest bit it is none.
    for (bit, places) in [(0x01, places(bytes.len())), (0x80, vec![0, 1.min(last), bytes.len() / 2, last])] {
        for at in places {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= bit;
            let what = if at == last { "its last byte changed" } else { "a byte changed" };
            if !refused(&checker, &WrappedKey::new(damaged), request(), what, is_about_bytes).await {
                break;
            }
        }
    }
    let wrong = [
        ("its last byte missing", bytes[..last].to_vec()),
        ("its first byte missing", bytes[1..].to_vec()),
        ("no bytes", Vec::new()),
        ("one byte", bytes[..1].to_vec()),
        ("bytes that no key wrapped", b"bytes that no key wrapped".to_vec()),
        ("an additional byte", [bytes, b"x"].concat()),
        ("itself twice", [bytes, bytes].concat()),
        ("6,144 zero bytes", vec![0; MAX_WRAPPED_LEN]),
    ];
    for (what, wrong) in wrong {
        refused(&checker, &WrappedKey::new(wrong), request(), what, is_about_bytes).await;
    }
    for len in places(bytes.len()) {
        if !refused(&checker, &WrappedKey::new(&bytes[..len]), request(), "its end missing", is_about_bytes).await {
            break;
        }
    }
    checker.opens(&generated, &context, "the undamaged bytes").await;
}

/// Returns up to 64 places in so many bytes, evenly spread, with the first and the last.
fn places(len: usize) -> Vec<usize> {
    let count = len.min(64);
    (0..count).map(|number| number * (len - 1) / (count - 1).max(1)).collect()
}

async fn refuses_other_keys(checker: Checker) {
    let context = pairs(&[ARN, TEAM]);
    let unknown = &checker.suite.unknown_key_id;
    let answer = checker.asks(checker.request(unknown, &context), "an unknown key").await;
    expect_refusal(&checker, answer.err(), "generating under an unknown key", is_about_the_key);
    let Some(generated) = checker.generates(&context, "a context").await else { return };
    let resolved = generated.key_id();
    let others = [
        ("an unknown key", unknown.clone()),
        ("a key id of one letter more", format!("{resolved}x")),
        ("a key id of one letter less", resolved.chars().take(resolved.chars().count().saturating_sub(1)).collect()),
    ];
    for (what, key_id) in others {
        refused(&checker, generated.wrapped(), checker.request(&key_id, &context), what, is_about_either).await;
    }
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
        refused => {
            expect_refusal(&checker, refused.err(), "generating without a key id", is_about_the_key);
        }
    }
}
