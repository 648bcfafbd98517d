//! No audit sink receives a secret or a value made from a secret.

use std::sync::Arc;

use atrest::audit::{AuditEvent, AuditFuture, AuditSink, AuditTrail, MemorySink};
use atrest::{CustomerKey, Keyring, KmsKeys, MasterKey, Sse, VersionState};
use data_encoding::{BASE64, BASE64URL, HEXLOWER};

use crate::kit::{CALLS, World};
use atrest_kit::{KMS_KEY, Service, TableKms, name};

/// A secret that has no word in common with an event.
const MASTER: [u8; 32] = *b"Zq7-canary-Xw9-of-a-Kj2-Vb8-Pm4x";

/// The number of bytes of a secret in a row that count as a leak.
const TRACE: usize = 6;

/// Every form in which a secret may appear: the bytes, hex, numbers, and base64 from each of its three offsets.
fn traces(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut traces = Vec::new();
    for window in secret.windows(TRACE) {
        traces.push(window.to_vec());
        traces.push(HEXLOWER.encode(window).into_bytes());
        traces.push(HEXLOWER.encode(window).to_uppercase().into_bytes());
        traces.push(format!("{window:?}").trim_matches(['[', ']']).as_bytes().to_vec());
    }
    for window in secret.windows(9) {
        traces.push(BASE64.encode(window).into_bytes());
        traces.push(BASE64URL.encode(window).into_bytes());
    }
    traces
}

fn shows_nothing(shown: &[u8], secret: &[u8], what: &str) {
    for trace in traces(secret) {
        let found = shown.windows(trace.len()).any(|window| window == trace);
        assert!(!found, "{what}: {}", String::from_utf8_lossy(shown));
    }
}

#[test]
fn a_leak_would_be_found() {
    let secret = *b"a secret that leaks";
    for shown in [
        format!("{:?}", &secret[3..]),
        HEXLOWER.encode(&secret),
        BASE64.encode(&secret),
        format!("x{}", BASE64URL.encode(&[b"y", &secret[..]].concat())),
        String::from_utf8_lossy(&secret[5..12]).into_owned(),
    ] {
        let found = traces(&secret).iter().any(|trace| shown.as_bytes().windows(trace.len()).any(|w| w == trace));
        assert!(found, "{shown}");
    }
}

#[test]
fn no_sink_shows_a_key_or_plaintext_or_what_was_made_from_them() {
    let master = MasterKey::from_bytes(&mut MASTER.clone()).unwrap();
    let keyring = Keyring::from_versions("the-keyring", 1, [(1, VersionState::Enabled, master)]).unwrap();
    let (kms, customer_key) = (Arc::new(TableKms::default()), Arc::new(CustomerKey::generate().unwrap()));
    let service = |sink: Option<Arc<dyn AuditSink>>| {
        let builder = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([KMS_KEY]));
        let builder = sink.into_iter().fold(builder, |builder, sink| builder.audit(AuditTrail::new(sink)));
        let (keyring, kms, customer_key) = (keyring.clone(), kms.clone(), customer_key.clone());
        Service { sse: builder.build().unwrap(), keyring, kms, customer_key }
    };
    let sinks = Arc::new(Sinks::new());
    let audited = service(Some(sinks.clone()));
    let plaintext = b"Wv3-canary-Lx5-to-be-Hy6-hidden";
    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("the master key", MASTER.into()),
        ("the customer key", customer_key.expose_secret().to_vec()),
        ("the plaintext", plaintext.to_vec()),
    ];
    sinks.watched(|| {
        for mode in audited.modes() {
            let world = World::new(service(None), &mode);
            for (_, _, call) in CALLS {
                call(&audited.sse, &world).unwrap();
            }
            let stored = audited.sse.blocking().encrypt(&name(), mode, plaintext).unwrap();
            audited.decrypt(&name(), &stored).unwrap();
            let mut damaged = stored.clone();
            damaged.ciphertext[60] ^= 1;
            audited.decrypt(&name(), &damaged).unwrap_err();
            // After the fixed part of 16 bytes; the last 48.
            let envelope = stored.envelope.encode();
            secrets.push(("salt and verifier", envelope[16..80].into()));
            secrets.push(("the wrapped key", envelope[envelope.len() - 48..].into()));
            secrets.push(("salt and commitment of the body", stored.ciphertext[..56].into()));
        }
    });
    for (sink, shown) in sinks.shown() {
        assert!(shown.contains("2026/cat.jpg"), "{sink} has shown something");
        for (what, secret) in &secrets {
            shows_nothing(shown.as_bytes(), secret, what);
        }
    }
}

/// Every sink of this build.
struct Sinks {
    directory: tempfile::TempDir,
    memory: MemorySink,
    #[cfg(feature = "audit-json")]
    json: atrest::audit::JsonLines,
    #[cfg(feature = "tracing")]
    seen: crate::to_tracing::Seen,
}

impl Sinks {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            memory: MemorySink::new(),
            #[cfg(feature = "audit-json")]
            json: atrest::audit::JsonLines::builder(directory.path().join("audit.jsonl")).open().unwrap(),
            #[cfg(feature = "tracing")]
            seen: Default::default(),
            directory,
        }
    }

    /// Collects the events of `tracing`.
    fn watched(&self, work: impl FnOnce()) {
        #[cfg(feature = "tracing")]
        tracing::subscriber::with_default(self.seen.clone(), work);
        #[cfg(not(feature = "tracing"))]
        work();
    }

    fn shown(&self) -> Vec<(String, String)> {
        let events = self.memory.events();
        let mut shown = vec![("memory".to_owned(), format!("{events:?} {events:#?}"))];
        #[cfg(feature = "tracing")]
        shown.push(("tracing".to_owned(), format!("{:?}", self.seen.lines())));
        for file in std::fs::read_dir(self.directory.path()).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "jsonl") {
                shown.push((file.display().to_string(), std::fs::read_to_string(file).unwrap()));
            }
        }
        shown
    }
}

impl AuditSink for Sinks {
    fn record(&self, event: AuditEvent) -> AuditFuture {
        let answers = [
            self.memory.record(event.clone()),
            #[cfg(feature = "tracing")]
            atrest::audit::TracingSink::new().record(event.clone()),
            #[cfg(feature = "audit-json")]
            self.json.record(event.clone()),
        ];
        Box::pin(async move {
            for answer in answers {
                answer.await?;
            }
            Ok(())
        })
    }
}
