//! Audit events (`TracingSink`), calls of a key provider (`kms::TracingObserver`) and the builder's warning as events of
//! `tracing`.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use atrest::audit::TracingSink;
use atrest::kms::{Observed, TracingObserver};
use atrest::{
    EncryptionContext, Expected, KeyProvider, KeyProviderErrorKind as Kind, KeyRequest, KmsKeys, ObjectName, Requester,
    Sse, SseKms, SseS3,
};
use futures_util::FutureExt;
use pollster::block_on;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::kit::{ALICE, Audited, context};
use atrest_kit::{Faulty, KMS_KEY, ManualTime, TableKms, name};

/// Level and fields of every event.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(Level, Fields)>>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, String)>);

impl Seen {
    pub(crate) fn lines(&self) -> Vec<(Level, Fields)> {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["atrest::audit", "atrest::kms", "atrest::sse::builder"].contains(&metadata.target())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().push((*event.metadata().level(), fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn fields(fields: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn what_was_done_is_information_and_what_was_refused_a_warning_with_all_that_is_known_as_fields() {
    let audited = Audited::new();
    let sse = audited.recording_into(Arc::new(TracingSink::new())).sse;
    let seen = Seen::default();
    tracing::subscriber::with_default(seen.clone(), || {
        sse.blocking().encrypt(&name(), SseKms::new("alias/app").with_context(context()), b"meow").unwrap();
        sse.blocking().encrypt(&ObjectName::new("photos", b"\xFF cat").unwrap(), SseS3, b"meow").unwrap();
        sse.expecting(Expected::new().with_modes([])).blocking().encrypt(&name(), SseS3, b"meow").unwrap_err();
    });
    let seen = seen.lines();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].0, Level::INFO);
    let expected = fields(&[
        ("operation", "PutObject"),
        ("requester", ALICE),
        ("mode", "SSE-KMS"),
        ("bucket", "photos"),
        ("key", "2026/cat.jpg"),
        ("requested_key_id", "alias/app"),
        ("key_id", KMS_KEY),
        ("context", "{\"team\": \"the-team-of-photos\"}"),
        ("key_provider_answers", "GenerateDataKey from call (7f3a)"),
    ]);
    assert_eq!(seen[0].1.0, expected);
    let keyring = audited.service.keyring.key_id();
    let expected = fields(&[
        ("operation", "PutObject"),
        ("requester", ALICE),
        ("mode", "SSE-S3"),
        ("bucket", "photos"),
        ("key", "%FF%20cat"),
        ("encoding", "url"),
        ("key_id", &keyring),
        ("key_version", "1"),
    ]);
    assert_eq!(seen[1].1.0, expected);
    assert_eq!(seen[2].0, Level::WARN);
    let error = &seen[2].1.0.last().unwrap();
    assert!(error.0 == "error" && error.1.contains("the mode is not accepted"), "{error:?}");
}

#[test]
fn a_call_of_a_kms_is_a_line_for_developers_and_one_that_fails_a_warning_with_its_time() {
    /// A caller that polls a call once, while 20 ms go by, and leaves.
    fn leaves<T>(mut call: impl Future<Output = T> + Unpin, time: &ManualTime) {
        assert!((&mut call).now_or_never().is_none());
        time.advance(std::time::Duration::from_millis(20));
    }

    /// Never answers.
    struct Hangs;

    impl KeyProvider for Hangs {
        fn generate_key(self: Arc<Self>, _: KeyRequest) -> atrest::KeyFuture<atrest::GeneratedKey> {
            Box::pin(std::future::pending())
        }

        fn unwrap_key(
            self: Arc<Self>,
            _: atrest::WrappedKey,
            _: KeyRequest,
        ) -> atrest::KeyFuture<atrest::UnwrappedKey> {
            Box::pin(std::future::pending())
        }
    }

    let time = ManualTime::new();
    let observed = |kms: Arc<dyn KeyProvider>| {
        Arc::new(Observed::new(kms, Arc::new(TracingObserver::new())).with_clock(Arc::new(time.clone())))
    };
    let secret = EncryptionContext::new().with("team", "the-team-of-photos").unwrap();
    let request = |key_id: &str| KeyRequest::new(key_id, secret.clone(), Requester::new(ALICE));
    let kms = Faulty::new(Arc::new(TableKms::default()));
    let seen = Seen::default();
    tracing::subscriber::with_default(seen.clone(), || {
        let generated = block_on(observed(kms.clone()).generate_key(request("alias/app"))).unwrap();
        block_on(observed(kms.clone()).unwrap_key(generated.wrapped().clone(), request(KMS_KEY))).unwrap();
        kms.refuse(Some(Kind::Throttled));
        block_on(observed(kms.clone()).generate_key(request("alias/app"))).unwrap_err();
        leaves(observed(Arc::new(Hangs)).generate_key(request("alias/app")), &time);
    });
    let line = |operation, asked, more: &[(&'static str, &str)]| {
        let first = [("operation", operation), ("requested_key_id", asked), ("requester", ALICE)];
        fields(&[&first[..], more].concat())
    };
    let error = "key \"alias/app\": too many requests, try again later (request 7f3a)";
    let request_id = ("key_provider_request_id", "7f3a");
    let key = [("seconds", "0.0"), ("key_id", KMS_KEY), request_id];
    let expected = [
        (Level::DEBUG, line("generate", "alias/app", &key)),
        (Level::DEBUG, line("unwrap", KMS_KEY, &key)),
        (Level::WARN, line("generate", "alias/app", &[("seconds", "0.0"), ("error", error), request_id])),
        (Level::DEBUG, line("generate", "alias/app", &[("seconds", "0.02"), ("abandoned", "true")])),
    ];
    let lines: Vec<_> = seen.lines().into_iter().map(|(level, fields)| (level, fields.0)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn each_alias_among_the_accepted_kms_keys_is_a_warning_at_build() {
    const ALIAS_ARN: &str = "arn:aws:kms:eu-central-1:111122223333:alias/logs";
    let built = |keys: KmsKeys| {
        let seen = Seen::default();
        tracing::subscriber::with_default(seen.clone(), || {
            Sse::builder().kms(Arc::new(TableKms::default()), keys).build().unwrap();
        });
        seen.lines().into_iter().map(|(level, fields)| (level, fields.0)).collect::<Vec<_>>()
    };
    let message = "KmsKeys::only names an alias, which accepts no object: name the key's resolved id";
    let warning = |alias| (Level::WARN, fields(&[("message", message), ("alias", alias)]));
    assert_eq!(built(KmsKeys::only([KMS_KEY, "alias/app", ALIAS_ARN])), [warning("alias/app"), warning(ALIAS_ARN)]);
    for keys in [KmsKeys::only([KMS_KEY]), KmsKeys::all()] {
        assert_eq!(built(keys), []);
    }
}
