//! Any bytes as a bucket policy, and any request: what is read answers, and answers consistently.

#![no_main]

use atrest::s3::{BucketPolicy, ConditionValues, PolicyRequest, Verdict};
use atrest_fuzz::Input;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = check(bytes);
});

fn check(bytes: &[u8]) -> Option<()> {
    let mut input = Input(bytes);
    let switches = input.u8()?;
    let mut texts = Vec::new();
    for _ in 0..4 {
        texts.push(String::from_utf8_lossy(input.prefixed()?));
    }
    let [action, resource, principal, header] = &texts[..] else {
        return None;
    };
    let document = input.0;
    let policy = match BucketPolicy::from_json(document) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    assert!(document.len() <= BucketPolicy::MAX_LEN);
    for refused in ["\"NotAction\":", "\"NotResource\":", "\"NotPrincipal\":", "\"Federated\":"] {
        assert!(!document.windows(refused.len()).any(|window| window == refused.as_bytes()), "{refused} was ignored");
    }

    let set = |bit: u8| (switches & bit != 0).then_some(&**header);
    let conditions = ConditionValues::new(switches & 1 != 0)
        .server_side_encryption(set(2))
        .kms_key_id(set(4))
        .customer_algorithm(set(8));
    let ask = |principal: Option<&str>, action: &str| {
        policy.evaluate(&PolicyRequest { principal, action, resource, conditions: &conditions })
    };
    let anonymous = ask(None, action);
    assert_eq!(anonymous, ask(None, &action.to_ascii_uppercase()), "the case of an action says nothing");
    let named = ask(Some(principal), action);
    assert!(
        anonymous == Verdict::Neither || named == anonymous || named == Verdict::Deny,
        "what everyone is told, each is told, unless it is told no"
    );
    Some(())
}
