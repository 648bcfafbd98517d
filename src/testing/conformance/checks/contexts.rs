//! Encryption contexts: every one is possible, and no two are alike.

use super::{ARN, Check, Checker, Pairs, TEAM, expect_refusal, is_about_bytes, pairs, refused};
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind};
use crate::keys::EncryptionContext;

pub(super) const CHECKS: &[Check] = &[
    Check::task("every context is possible", |checker| Box::pin(takes_every_context(checker))),
    Check::task("a wrapped key is bound to its context", |checker| Box::pin(binds_the_context(checker))),
];

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
        ("one hundred pairs", many("a value")),
    ];
    for (what, context) in contexts {
        if let Some(generated) = checker.generates(&context, what).await {
            checker.opens(&generated, &context, what).await;
        }
    }
    // An object that atrest 0.4 wrote may have an ARN that a backend does not take.
    let (context, what) = (pairs(&[(ARN.0, &"x".repeat(65_535))]), "an ARN of 65,535 bytes");
    match checker.asks(checker.request(&checker.suite.key_id, &context), what).await {
        Ok(generated) => checker.opens(&generated, &context, what).await,
        Err(error) => {
            let is_answered = |error: &KeyProviderError| error.kind() != Kind::Panicked;
            expect_refusal(&checker, Some(error), &format!("generating with {what}"), is_answered);
        }
    }
}

/// Returns a hundred pairs, of which the last in their order has this value.
fn many(last: &str) -> EncryptionContext {
    let value = |number| if number == 99 { last } else { "a value" };
    let names: Vec<_> = (0..100).map(|number| format!("name {number:02}")).collect();
    pairs(&names.iter().enumerate().map(|(number, name)| (&**name, value(number))).collect::<Vec<_>>())
}

async fn binds_the_context(checker: Checker) {
    let all = [ARN, TEAM];
    let [long, other_long] = ["b", "c"].map(|last| "x".repeat(4_000) + last);
    let (long, other_long) = (&*long, &*other_long);
    let dog = ("aws:s3:arn", "arn:aws:s3:::photos/dog.jpg");
    let bucket = ("aws:s3:arn", "arn:aws:s3:::photos");
    let others: &[(&str, Pairs<'_>, Pairs<'_>)] = &[
        ("an empty context", &all, &[]),
        ("no ARN", &all, &[TEAM]),
        ("a pair missing", &all, &[ARN]),
        ("the ARN of another object", &all, &[dog, TEAM]),
        ("the ARN of the bucket", &all, &[bucket, TEAM]),
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
        ("a letter that looks the same", &[("a", "fi")], &[("a", "ﬁ")]),
        ("a space before a value", &[("a", "b")], &[("a", " b")]),
        ("a space after a name", &[("a", "b")], &[("a ", "b")]),
        ("another space", &[("a", "b c")], &[("a", "b\tc")]),
        // Decoded once too often.
        ("a plus sign for a space", &[("a", "b c")], &[("a", "b+c")]),
        ("a percent code for a letter", &[("a", "b")], &[("a", "%62")]),
        ("an escape for a letter", &[("a", "b")], &[("a", "\\u0062")]),
        ("another number of the same value", &[("a", "1")], &[("a", "1.0")]),
        // Cut off.
        ("another last letter of a long value", &[("a", long)], &[("a", other_long)]),
        ("another last letter of a long name", &[(long, "a")], &[(other_long, "a")]),
    ];
    let others = others.iter().map(|(what, with, other)| (*what, pairs(with), pairs(other)));
    let last_of_many = ("another value of the hundredth pair", many("a value"), many("another"));
    for (what, wrapped_with, unwrapped_with) in others.chain([last_of_many]) {
        let Some(generated) = checker.generates(&wrapped_with, "a context").await else { return };
        let request = checker.request(generated.key_id(), &unwrapped_with);
        refused(&checker, generated.wrapped(), request, what, is_about_bytes).await;
    }
    // A backend need not take a NUL character.
    let (one, two) = (pairs(&[("a", "b\0c")]), pairs(&[("a", "b\0d")]));
    if let Ok(generated) = checker.asks(checker.request(&checker.suite.key_id, &one), "a NUL character").await {
        let request = checker.request(generated.key_id(), &two);
        refused(&checker, generated.wrapped(), request, "other letters after a NUL character", is_about_bytes).await;
    }
}
