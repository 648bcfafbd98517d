//! The one-shot calls that write to the caller's memory.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use atrest::audit::{AuditEvent, AuditFuture, AuditSink, AuditTrail};
use atrest::error::Misuse;
use atrest::{AnyMode, Encrypted, Error, Sse};
use atrest_kit::{C, LENS, Service, name, plain};

#[test]
fn calls_into_the_callers_memory_write_and_read_what_the_allocating_calls_do() {
    let service = Service::new();
    let mut output = vec![0xEE; 4 * C + 1_000];
    for mode in service.modes() {
        for len in LENS {
            let what = format!("{mode:?} of {len}");
            let blocking = service.sse.blocking();
            let (envelope, written) = blocking.encrypt_into(&name(), mode.clone(), &plain(len), &mut output).unwrap();
            assert_eq!(mode.id().ciphertext_len(len as u64), Some(written as u64), "{what}");
            assert!(output[written..].iter().all(|byte| *byte == 0xEE), "{what}: no byte behind the body is touched");
            let stored = Encrypted::new(envelope, &output[..written]);
            assert_eq!(stored.envelope.plaintext_len(), Some(len as u64), "{what}: the length is known");
            assert!(service.decrypt(&name(), &stored).unwrap() == plain(len), "{what}");
            output.fill(0xEE);
            let read = blocking.decrypt_into(&name(), &stored, service.unlock(mode.id()), &mut output[..len]).unwrap();
            assert!(read == len && output[..len] == plain(len), "{what}");
            output.fill(0xEE);
        }
    }
}

#[test]
fn an_output_that_is_a_byte_too_short_is_refused_and_holds_nothing() {
    let service = Service::new();
    let misused = |error| matches!(error, Error::Misuse(Misuse::OutputTooSmall));
    for mode in service.modes() {
        let stored = service.sse.blocking().encrypt(&name(), mode.clone(), &plain(2 * C + 1)).unwrap();
        let mut output = vec![0; stored.ciphertext.len() - 1];
        let blocking = service.sse.blocking();
        assert!(misused(blocking.encrypt_into(&name(), mode.clone(), &plain(2 * C + 1), &mut output).unwrap_err()));
        assert!(output.iter().all(|byte| *byte == 0), "{mode:?}");
        let output = &mut output[..2 * C];
        assert!(misused(blocking.decrypt_into(&name(), &stored, service.unlock(mode.id()), output).unwrap_err()));
        assert!(output.iter().all(|byte| *byte == 0), "{mode:?}");
    }
}

#[test]
fn an_object_of_parts_is_read_into_the_callers_memory_with_its_manifest() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.put(&name(), &mode, &[(1, 2 * C), (2, 0), (3, C + 5)]);
        let unlisted = stored.with_body(stored.body());
        let mut output = vec![0; stored.plain().len()];
        let listed = unlisted.clone().with_manifest(&stored.completed.manifest[..]);
        let blocking = service.sse.blocking();
        let read = blocking.decrypt_into(&name(), &listed, service.unlock(mode.id()), &mut output).unwrap();
        assert!(read == output.len() && output == stored.plain(), "{mode:?}");
        let unlisted = Encrypted::new(unlisted.envelope.clone(), unlisted.ciphertext.clone());
        let refused = blocking.decrypt_into(&name(), &unlisted, service.unlock(mode.id()), &mut output);
        assert!(matches!(refused, Err(Error::ManifestRequired)), "{mode:?}: {refused:?}");
        assert!(output.iter().all(|byte| *byte == 0), "{mode:?}");
    }
}

/// A sink that never answers, or refuses.
struct Sink {
    answers: bool,
}

impl AuditSink for Sink {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        let answers = self.answers;
        Box::pin(async move {
            if !answers {
                std::future::pending::<()>().await;
            }
            Err(std::io::Error::other("full"))
        })
    }
}

#[test]
fn plaintext_is_wiped_if_the_trail_does_not_record_the_call_or_the_caller_stops_waiting() {
    let service = Service::new();
    let audited = |answers| -> Sse {
        let builder = Sse::builder().keyring(service.keyring.clone());
        builder.audit(AuditTrail::new(Arc::new(Sink { answers }))).build().unwrap()
    };
    let mode = AnyMode::from(atrest::SseS3);
    let stored = service.sse.blocking().encrypt(&name(), mode, &plain(C)).unwrap();
    let mut output = vec![0xEE; C];
    let refused = audited(true).blocking().decrypt_into(&name(), &stored, atrest::Unlock::Server, &mut output);
    assert!(matches!(refused, Err(Error::Audit(_))), "{refused:?}");
    assert!(output.iter().all(|byte| *byte == 0), "refused");
    output.fill(0xEE);
    {
        let (sse, object) = (audited(false), name());
        let mut waiting = pin!(sse.decrypt_into(&object, &stored, atrest::Unlock::Server, &mut output));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(output.iter().all(|byte| *byte == 0), "cancelled");
}
