//! The conformance suite over the provider: whole, and with faults of the service that it has to notice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atrest::kms::{Authorized, KeyAccess, KeyState, Resilient};
use atrest::testing::{Capability, KeyProviderSuite};
use atrest::{KeyProvider, Requester};
use atrest_aws_kms::AwsKms;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::http::{Answer, Request, Server};
use crate::kms::{Keys, REGION, client, provider};

fn suite(kms: Arc<dyn KeyProvider>, keys: &Arc<Keys>, key_id: &str) -> KeyProviderSuite {
    let (off, on) = (keys.admin(), keys.admin());
    KeyProviderSuite::new(kms, key_id, "alias/none")
        .other_key_id(&keys.two)
        .disabled_by(move |key| off.disable_key(key).unwrap(), move |key| on.enable_key(key).unwrap())
        .lacks(Capability::Epochs)
}

#[test]
fn aws_kms_conforms_by_arn_and_by_alias_bare_and_behind_resilience() {
    let keys = Keys::new();
    for key_id in [&*keys.one, "alias/one"] {
        let served = keys.clone();
        let server = Arc::new(Server::start(move |request| served.answer(request)));
        let builder = move || AwsKms::builder(client(&server, REGION)).default_key("alias/one");
        let inner = builder.clone();
        let bare = move || -> Arc<dyn KeyProvider> { Arc::new(builder().build().unwrap()) };
        let inner = move || -> Arc<dyn KeyProvider> { Arc::new(inner().without_sdk_retries().build().unwrap()) };
        suite(bare(), &keys, key_id).made_by(bare).lacks(Capability::Requesters).run();
        let suite = suite(inner(), &keys, key_id).made_by(inner).lacks(Capability::Requesters);
        suite.behind("resilience", |kms| Arc::new(Resilient::new(kms))).run();
    }
}

#[test]
fn aws_kms_behind_an_authorization_refuses_requesters_too() {
    let keys = Keys::new();
    let served = keys.clone();
    let (kms, _server) = provider(move |request| served.answer(request), |builder| builder);
    let allows = |access: &KeyAccess<'_>| access.requester().as_str() != "mallory";
    let suite = suite(kms, &keys, "alias/one").forbidden_requester(Requester::new("mallory"));
    suite.behind("an authorization", move |kms| Arc::new(Authorized::new(kms, allows))).run();
}

/// A fault of the service.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    ForgetsTheContext,
    JoinsTheContext,
    RepeatsKeys,
    AnswersWithTheAlias,
    AnswersForEveryKey,
    GivesAShortKey,
    GivesNoCiphertext,
    GivesGarbage,
    FailsInsteadOfRefusing,
    DeniesInsteadOfRefusing,
    HangsOnDamage,
    DiesMidAnswer,
    ForgetsTheState,
}

/// What the service answers with this fault. The last data key is kept for the fault that repeats it.
fn faulty(keys: &Keys, fault: Fault, last: &Mutex<Option<Value>>, request: &Request) -> Answer {
    let is_decrypt = request.target.ends_with("Decrypt");
    let mut asked = Request { target: request.target.clone(), body: request.body.clone() };
    match fault {
        Fault::ForgetsTheContext => asked.body["EncryptionContext"] = json!({}),
        Fault::JoinsTheContext => {
            let pairs = asked.body["EncryptionContext"].as_object().into_iter().flatten();
            let joined: String = pairs.map(|(name, value)| format!("{name}{}", value.as_str().unwrap())).collect();
            asked.body["EncryptionContext"] = json!({ "joined": joined });
        }
        Fault::AnswersForEveryKey if is_decrypt => asked.body["KeyId"] = json!(keys.one),
        Fault::ForgetsTheState if is_decrypt => {
            let admin = keys.admin();
            if admin.describe_key(&keys.one).unwrap().state == KeyState::Disabled {
                admin.enable_key(&keys.one).unwrap();
                let answer = keys.answer(&asked);
                admin.disable_key(&keys.one).unwrap();
                return answer;
            }
        }
        _ => {}
    }
    let answer = keys.answer(&asked);
    let Answer::Http { status, body, .. } = &answer else { return answer };
    let mut json: Value = serde_json::from_slice(body).unwrap();
    match (fault, status) {
        (Fault::RepeatsKeys, 200) if !is_decrypt => {
            let mut last = last.lock().unwrap();
            json = last.get_or_insert(json).clone();
        }
        (Fault::AnswersWithTheAlias, 200) if !is_decrypt => json["KeyId"] = request.body["KeyId"].clone(),
        (Fault::AnswersForEveryKey, 200) => json["KeyId"] = request.body["KeyId"].clone(),
        (Fault::GivesAShortKey, 200) => json["Plaintext"] = json!(BASE64.encode(&[7; 16])),
        (Fault::GivesNoCiphertext, 200) if !is_decrypt => json["CiphertextBlob"] = json!(""),
        (Fault::GivesGarbage, 200) => {
            return Answer::Http { status: 200, headers: Vec::new(), body: b"{\"Plaintext\": 7".to_vec() };
        }
        (Fault::FailsInsteadOfRefusing, 400) => return Answer::error(500, "KMSInternalException", ""),
        (Fault::DeniesInsteadOfRefusing, 400) => return Answer::error(400, "AccessDeniedException", ""),
        (Fault::HangsOnDamage, 400) if is_decrypt => return Answer::Never,
        (Fault::DiesMidAnswer, 200) => return Answer::Dies(body.clone()),
        _ => {}
    }
    Answer::json(*status, &json)
}

#[test]
fn the_suite_notices_every_fault_of_the_service() {
    let faults = [
        (Fault::ForgetsTheContext, "unwrapping with an empty context succeeds"),
        (Fault::JoinsTheContext, "unwrapping with {a: bc} for {ab: c} succeeds"),
        (Fault::RepeatsKeys, "two calls generated the same key"),
        (Fault::AnswersWithTheAlias, "a resolved key id is not an alias"),
        (Fault::AnswersForEveryKey, "unwrapping with another key succeeds"),
        (Fault::GivesAShortKey, "not so: a key is generated with a context: WrongLength"),
        (Fault::GivesNoCiphertext, "not so: a key is generated with a context: WrongLength"),
        (Fault::GivesGarbage, "not so: a key is generated with a context: Unavailable"),
        (Fault::FailsInsteadOfRefusing, "unwrapping with a byte changed fails as if it could succeed later"),
        (Fault::DeniesInsteadOfRefusing, "unwrapping with a byte changed fails as AccessDenied"),
        (Fault::HangsOnDamage, "unwrapping with a byte changed fails as Unavailable"),
        (Fault::DiesMidAnswer, "not so: a key is generated with a context: Unavailable"),
        (Fault::ForgetsTheState, "unwrapping under a disabled key succeeds"),
    ];
    for (fault, expected) in faults {
        let keys = Keys::new();
        let (served, last) = (keys.clone(), Mutex::new(None));
        // Only a service that never answers is waited for: with a short limit a busy machine would fail too.
        let limit = Duration::from_millis(if fault == Fault::HangsOnDamage { 300 } else { 5_000 });
        let answer = move |request: &Request| faulty(&served, fault, &last, request);
        let (kms, _server) = provider(answer, |builder| builder.time_limit(limit));
        let suite = suite(kms, &keys, "alias/one").lacks(Capability::Requesters);
        let report = suite.report_in(|| |task| pollster::block_on(task));
        assert!(report.failures().any(|failure| failure.contains(expected)), "{fault:?}: {report}");
    }
}
