//! Any bytes as a bucket policy, and any request: what is read answers, and answers consistently.

#![no_main]

use atrest::s3::{BucketPolicy, ConditionKey, ConditionValues, HostPolicy, PolicyRequest, RequestFacts, Verdict};
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
        texts.push(String::from_utf8_lossy(input.prefixed()?).into_owned());
    }
    let [action, resource, principal, header] = &texts[..] else {
        return None;
    };
    let document = input.0;
    let policy = match BucketPolicy::from_json(document) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let Ok(host) = HostPolicy::from_json(document) {
                assert_eq!(host.document().as_bytes(), document);
                assert!(host.not_understood().contains(&error), "what refuses the document is named");
            }
            return None;
        }
    };
    let host = HostPolicy::from_json(document).expect("what is understood is a document");
    assert!(host.not_understood().is_empty());
    assert!(document.len() <= BucketPolicy::MAX_LEN);
    for refused in ["\"NotAction\":", "\"NotResource\":"] {
        assert!(!document.windows(refused.len()).any(|window| window == refused.as_bytes()), "{refused} was ignored");
    }

    let set = |bit: u8| (switches & bit != 0).then_some(header.as_str());
    let conditions = ConditionValues::new(switches & 1 != 0)
        .with_server_side_encryption(set(2))
        .with_kms_key_id(set(4))
        .with_customer_algorithm(set(8));
    let mut facts = RequestFacts::new();
    if switches & 16 != 0 {
        facts = facts
            .with_principal_tag("t", header)
            .with_request_tag(action, header)
            .with_user_agent(header)
            .with_principal_arn(principal);
    }
    if switches & 32 != 0 {
        facts = facts
            .with_source_ip([10, 0, 0, switches].into())
            .with_tls_version(1, switches % 4)
            .with_via_aws_service(true);
        facts = facts.with_time(std::time::SystemTime::UNIX_EPOCH).with_called_via([header, action]);
    }
    if switches & 64 != 0 {
        facts = facts.with_service_principal(header).with_federated_provider(principal).with_canonical_user(action);
    }
    let conditions = conditions.with_facts(&facts);
    for (key, _) in conditions.iter() {
        assert_eq!(ConditionKey::from_name(&key.to_string()).as_ref(), Some(key));
    }
    let ask = |principal: Option<&str>, action: &str| {
        policy.evaluate(&PolicyRequest { principal, action, resource, conditions: &conditions })
    };
    let anonymous = ask(None, action);
    assert_eq!(anonymous, ask(None, &action.to_ascii_uppercase()), "the case of an action says nothing");
    let named = ask(Some(principal), action);
    // Who is left out of a statement may be told something else.
    assert!(
        document.windows(12).any(|window| window.eq_ignore_ascii_case(b"NotPrincipal"))
            || document.contains(&b'\\')
            || anonymous == Verdict::Neither
            || named == anonymous
            || named == Verdict::Deny,
        "what everyone is told, each is told, unless it is told no"
    );
    Some(())
}
