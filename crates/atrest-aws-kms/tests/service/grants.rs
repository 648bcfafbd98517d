//! Grant tokens: what is sent with which call, and what the service says of them.

use std::sync::{Arc, Mutex};

use atrest::{
    Encrypted, EncryptionContext, Error, KeyProviderError, KeyProviderErrorKind as Kind, KmsKeys, ObjectName,
    Requester, Result, Sse, SseKms, Unlock,
};
use atrest_aws_kms::{AwsKms, AwsKmsBuilder};
use serde_json::{Value, json};

use crate::http::Server;
use crate::kms::{Keys, provider};

/// A service over a server that notes the tokens of each request.
struct World {
    sse: Sse,
    tokens: Arc<Mutex<Vec<Value>>>,
    _server: Server,
}

impl World {
    fn new(keys: &Arc<Keys>, with: impl FnOnce(AwsKmsBuilder) -> AwsKmsBuilder) -> Self {
        let (served, tokens) = (keys.clone(), Arc::new(Mutex::new(Vec::new())));
        let noted = tokens.clone();
        let (kms, server): (Arc<AwsKms>, _) = provider(
            move |request| {
                noted.lock().unwrap().push(request.body["GrantTokens"].clone());
                served.answer(request)
            },
            with,
        );
        let sse = Sse::builder().kms(kms, KmsKeys::only([&*keys.one, &*keys.forbidden])).build().unwrap();
        Self { sse, tokens, _server: server }
    }

    fn put(&self, key_id: &str) -> Result<Encrypted> {
        self.sse.blocking().encrypt(&object(), SseKms::new(key_id), b"meow")
    }

    /// The tokens of the requests since the last call.
    fn sent(&self) -> Vec<Value> {
        std::mem::take(&mut self.tokens.lock().unwrap())
    }
}

fn object() -> ObjectName {
    ObjectName::new("photos", "cat.jpg").unwrap()
}

fn failure<T>(result: Result<T>) -> KeyProviderError {
    match result {
        Err(Error::KeyProvider(error)) => error,
        _ => panic!("the call did not fail with its provider"),
    }
}

#[test]
fn a_grant_that_has_not_arrived_counts_by_its_token_in_writes_and_reads() {
    let keys = Keys::new();
    let without = World::new(&keys, |builder| builder);
    assert_eq!(failure(without.put("alias/forbidden")).kind(), Kind::AccessDenied);
    assert_eq!(without.sent(), [Value::Null], "no token, no field");

    let token = keys.grant(&keys.forbidden);
    let (sent, of) = (token.clone(), [keys.forbidden.clone(), "alias/forbidden".to_owned()]);
    let with = World::new(&keys, move |builder| {
        builder.grant_tokens(move |request| match of.iter().any(|key_id| key_id == request.key_id()) {
            true => vec![sent.clone()],
            false => Vec::new(),
        })
    });
    let stored = with.put("alias/forbidden").unwrap();
    assert_eq!(stored.envelope.kms_key_id(), Some(&*keys.forbidden));
    assert_eq!(with.sse.blocking().decrypt(&object(), &stored, Unlock::Server).unwrap(), b"meow");
    assert_eq!(with.sent(), [json!([token]), json!([token])]);
    let denied = failure(without.sse.blocking().decrypt(&object(), &stored, Unlock::Server));
    assert_eq!((denied.kind(), denied.is_transient()), (Kind::AccessDenied, false));

    with.put("alias/one").unwrap();
    assert_eq!(with.sent(), [Value::Null], "the token of another key is not sent");
}

#[test]
fn the_token_of_another_key_allows_nothing_and_forbids_nothing() {
    let keys = Keys::new();
    let token = keys.grant(&keys.two);
    let world = World::new(&keys, move |builder| builder.grant_tokens(move |_| vec![token.clone()]));
    world.put("alias/one").unwrap();
    assert_eq!(failure(world.put("alias/forbidden")).kind(), Kind::AccessDenied);
}

#[test]
fn tokens_that_aws_kms_does_not_take_are_an_error_of_the_service_and_no_clients() {
    let keys = Keys::new();
    let valid = keys.grant(&keys.one);
    for (tokens, code) in [
        (vec![valid.clone(), "made up".to_owned()], "InvalidGrantTokenException"),
        (vec![valid; 11], "ValidationException"),
    ] {
        let world = World::new(&keys, move |builder| builder.grant_tokens(move |_| tokens.clone()));
        let error = failure(world.put("alias/one"));
        assert_eq!((error.kind(), error.is_transient()), (Kind::Misconfigured, false));
        let cause = error.cause().unwrap().downcast_ref::<atrest_aws_kms::AwsKmsError>().unwrap();
        assert_eq!(cause.code(), Some(code));
    }
}

#[test]
fn the_tokens_are_asked_for_at_each_call_with_all_that_is_known_of_it() {
    let keys = Keys::new();
    let (token, asked) = (keys.grant(&keys.forbidden), Arc::new(Mutex::new(Vec::new())));
    let noted = asked.clone();
    let world = World::new(&keys, move |builder| {
        builder.grant_tokens(move |request| {
            let context = request.context().get("team").map(str::to_owned);
            let known = (request.key_id().to_owned(), request.requester().as_str().to_owned(), context);
            let mut noted = noted.lock().unwrap();
            noted.push(known);
            // The grant arrives after the second call.
            if noted.len() > 2 { Vec::new() } else { vec![token.clone()] }
        })
    });
    let sse = world.sse.requested_by(Requester::new("alice"));
    let mode = SseKms::new("alias/forbidden");
    let mode = mode.with_context(EncryptionContext::new().with("team", "photos").unwrap());
    let stored = sse.blocking().encrypt(&object(), mode, b"meow").unwrap();
    sse.blocking().decrypt(&object(), &stored, Unlock::Server).unwrap();
    assert_eq!(failure(sse.blocking().decrypt(&object(), &stored, Unlock::Server)).kind(), Kind::AccessDenied);
    let known = |key_id: &str| (key_id.to_owned(), "alice".to_owned(), Some("photos".to_owned()));
    assert_eq!(*asked.lock().unwrap(), [known("alias/forbidden"), known(&keys.forbidden), known(&keys.forbidden)]);
}

#[test]
fn a_source_of_tokens_that_panics_fails_its_call_alone() {
    let keys = Keys::new();
    let world = World::new(&keys, |builder| {
        builder.grant_tokens(|request| if request.key_id() == "alias/one" { panic!("no token") } else { Vec::new() })
    });
    assert_eq!(failure(world.put("alias/one")).kind(), Kind::Panicked);
    assert!(world.sent().is_empty(), "no call was made");
    world.put(&keys.one).unwrap();
}
