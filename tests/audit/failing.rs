//! Audit sinks that fail.

use std::error::Error as _;
use std::future::ready;
use std::io;
use std::sync::Arc;

use atrest::audit::{AuditEvent, AuditFuture, AuditSink, AuditTrail};
use atrest::error::Unexpected;
use atrest::rotation::Sweep;
use atrest::{Error, Expected};

use crate::kit::{Audited, CALLS, World};
use crate::sweeps::{Store, listing};

struct Full;

impl AuditSink for Full {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        Box::pin(ready(Err(io::Error::new(io::ErrorKind::StorageFull, "no room in /secret/path"))))
    }
}

#[test]
fn without_a_record_nothing_is_done_or_given_out() {
    let audited = Audited::new();
    let unrecorded = audited.recording_into(Arc::new(Full));
    for mode in audited.modes() {
        let world = World::new(audited.silent(), &mode);
        for (what, _, call) in CALLS {
            let Err(Error::Audit(error)) = call(&unrecorded.sse, &world) else { panic!("{what}") };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(error.source().is_none() && !format!("{error:?}").contains("secret"));
            assert!(error.cause().to_string().contains("no room"));
        }
    }
    let copied = unrecorded.sse.blocking().record_copy(&atrest_kit::name(), &crate::kit::moved());
    assert!(matches!(copied, Err(Error::Audit(_))));
}

#[test]
fn a_best_effort_trail_that_fails_is_passed_over() {
    let audited = Audited::new();
    let trail = AuditTrail::new(Arc::new(Full)).best_effort();
    let unrecorded = audited.with_trail(|builder| builder.audit(trail));
    for mode in audited.modes() {
        let world = World::new(audited.silent(), &mode);
        for (what, _, call) in CALLS {
            assert!(call(&unrecorded.sse, &world).is_ok(), "{what}");
        }
    }
}

#[test]
fn what_fails_anyway_fails_with_its_own_error() {
    let audited = Audited::new();
    let closed = audited.recording_into(Arc::new(Full)).sse.expecting(Expected::new().with_modes([]));
    let mode = audited.modes().remove(0);
    let world = World::new(audited.silent(), &mode);
    for (what, _, call) in CALLS {
        let refused = call(&closed, &world).unwrap_err();
        assert!(matches!(refused, Error::Unexpected(Unexpected::Mode)), "{what}: {refused:?}");
    }
}

#[test]
fn a_sweep_gives_up_where_nothing_can_be_put_on_record() {
    let audited = Audited::new();
    let store = Store::of(&audited.silent(), 20);
    audited.service.keyring.blocking().rotate().unwrap();
    let unrecorded = audited.recording_into(Arc::new(Full));
    let sweep = Sweep::new(&unrecorded.sse).concurrency(1).give_up_after(5);
    let before = store.envelopes();
    let gave_up = sweep.blocking().rewrap(listing(&before), &store).unwrap_err();
    assert!(matches!(gave_up, Error::Audit(_)), "{gave_up:?}");
    assert_eq!(store.envelopes(), before);
}
