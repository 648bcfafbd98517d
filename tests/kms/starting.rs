//! A service that starts while its KMS is down or is warmed at its start, and what reaches a service through
//! `Resilient` when a provider answers wrongly; in simulated time.

use std::sync::Arc;
use std::time::Duration;

use atrest::kms::{KmsCounters, Observed, Resilient, Timer};
use atrest::{
    Encrypted, Error, KeyProviderErrorKind as Kind, Keyring, KmsKeys, ObjectName, Result, Sse, SseKms, SseS3, Unlock,
};
use atrest_kit::ManualTime;

use crate::scripted::{Scripted, Step};

const SECOND: Duration = Duration::from_secs(1);

/// A service with a keyring of its own, as every start of it builds one, on a KMS behind `Resilient`.
struct World {
    time: ManualTime,
    kms: Arc<Scripted>,
    resilient: Arc<Resilient>,
    counters: Arc<KmsCounters>,
    keyring: Keyring,
}

impl World {
    fn new() -> Self {
        let time = ManualTime::new();
        let kms = Scripted::new(&time);
        let resilient = Arc::new(Resilient::new(kms.clone()).with_timer(Arc::new(time.clone())));
        let counters = Arc::new(KmsCounters::new());
        Self { time, kms, resilient, counters, keyring: Keyring::generate().unwrap() }
    }

    fn start(&self) -> Sse {
        let observed = Observed::new(self.resilient.clone(), self.counters.clone());
        let observed = observed.with_clock(Arc::new(self.time.clone()));
        let builder = Sse::builder().keyring(self.keyring.clone()).clock(Arc::new(self.time.clone()));
        builder.kms(Arc::new(observed), KmsKeys::only([&*self.kms.key_id])).build().unwrap()
    }

    fn put(&self, sse: &Sse, key: &str) -> Result<Encrypted> {
        self.time.run(sse.encrypt(&object(key), mode(), b"meow"))
    }

    fn get(&self, sse: &Sse, key: &str, stored: &Encrypted) -> Result<Vec<u8>> {
        self.time.run(sse.decrypt(&object(key), stored, Unlock::Server))
    }
}

fn mode() -> SseKms {
    SseKms::new("alias/app")
}

fn object(key: &str) -> ObjectName {
    ObjectName::new("photos", key).unwrap()
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    match result {
        Err(Error::KeyProvider(error)) => Some(error.kind()),
        _ => None,
    }
}

#[test]
fn a_service_starts_while_its_kms_is_down_serves_what_needs_none_and_recovers_with_one_probe() {
    for down in [Step::Hang, Step::Fail(Kind::Unavailable), Step::FailLate(Kind::Unavailable)] {
        let world = World::new();
        let (time, kms) = (&world.time, &world.kms);
        // Written before the restart.
        let earlier = world.put(&world.start(), "earlier").unwrap();
        let calls = kms.calls();

        kms.always(down);
        let sse = world.start();
        assert_eq!(kms.calls(), calls, "a start calls no KMS: {down:?}");
        let warmed = time.run(sse.warm_bucket_key(&object("any"), &mode()));
        assert_eq!(kind(warmed), Some(Kind::Unavailable), "the service goes on without: {down:?}");
        for at in 0..20 {
            let name = format!("s3/{at}");
            let stored = time.run(sse.encrypt(&object(&name), SseS3, b"meow")).unwrap();
            assert_eq!(world.get(&sse, &name, &stored).unwrap(), b"meow");

            let before = Timer::now(time);
            assert_eq!(kind(world.put(&sse, "kms")), Some(Kind::Unavailable), "{down:?}");
            assert_eq!(kind(world.get(&sse, "earlier", &earlier)), Some(Kind::Unavailable), "{down:?}");
            assert!(Timer::now(time) - before <= 2 * 8 * SECOND);
        }
        assert!(world.resilient.is_open());
        assert_eq!(kind(time.run(sse.check_kms("alias/app"))), Some(Kind::Unavailable));

        // Alive again: the first call after the waiting time is the probe, and all others pass behind it.
        kms.always(Step::After(Duration::from_millis(50)));
        time.advance(5 * SECOND);
        let calls = kms.calls();
        assert_eq!(world.get(&sse, "earlier", &earlier).unwrap(), b"meow");
        assert_eq!((kms.calls() - calls, world.resilient.is_open()), (1, false));
        let stored = world.put(&sse, "kms").unwrap();
        assert_eq!(world.get(&sse, "kms", &stored).unwrap(), b"meow");
        time.run(sse.check_kms("alias/app")).unwrap();
        let counts = world.counters.key(&kms.key_id);
        assert_eq!((counts.unwrapped, counts.last_used), (3, Some(atrest::Clock::wall(time))), "{down:?}");
    }
}

#[test]
fn a_service_that_was_warmed_at_its_start_writes_when_its_kms_dies_and_one_that_was_not_does_not() {
    let world = World::new();
    let (warmed, cold) = (world.start(), world.start());
    let with_bucket_key = mode().with_bucket_key(true);
    world.time.run(warmed.warm_bucket_key(&object("any"), &with_bucket_key)).unwrap();
    assert_eq!(world.kms.calls(), 1);
    world.kms.always(Step::Hang);
    let put = |sse: &Sse, key: &str| world.time.run(sse.encrypt(&object(key), with_bucket_key.clone(), b"meow"));
    let stored: Vec<_> = (0..100).map(|at| put(&warmed, &at.to_string()).unwrap()).collect();
    assert_eq!(world.kms.calls(), 1);
    assert_eq!(kind(put(&cold, "cold")), Some(Kind::Unavailable));
    // What was warmed writes; the first read needs the KMS.
    assert_eq!(kind(world.get(&warmed, "0", &stored[0])), Some(Kind::Unavailable));
    world.kms.always(Step::Answer);
    world.time.advance(5 * SECOND);
    for (at, stored) in stored.iter().enumerate() {
        assert_eq!(world.get(&cold, &at.to_string(), stored).unwrap(), b"meow");
    }
}

#[test]
fn an_answer_that_is_wrong_fails_its_object_is_not_asked_for_again_and_opens_no_breaker() {
    let world = World::new();
    let (sse, mode) = (world.start(), SseKms::new(&*world.kms.key_id));
    let stored = world.put(&sse, "cat").unwrap();
    // What a write and a read fail with; a step that concerns only the other one changes nothing.
    let faults: &[(Step, Option<Kind>, Option<Kind>)] = &[
        (Step::WrongKey, Some(Kind::WrongKey), Some(Kind::WrongKey)),
        (Step::NoWrappedKey, Some(Kind::WrongLength), None),
        (Step::OtherKek, None, None),
        (Step::Panic, Some(Kind::Panicked), Some(Kind::Panicked)),
        (Step::Fail(Kind::Rejected), Some(Kind::Rejected), Some(Kind::Rejected)),
        (Step::Fail(Kind::Misconfigured), Some(Kind::Misconfigured), Some(Kind::Misconfigured)),
    ];
    for &(fault, written, read) in faults {
        // More often than would open the breaker.
        for _ in 0..6 {
            let calls = world.kms.calls();
            world.kms.next([fault]);
            let outcome = world.time.run(sse.encrypt(&object("dog"), mode.clone(), b"meow"));
            assert_eq!((outcome.is_ok(), kind(outcome)), (written.is_none(), written), "a write with {fault:?}");
            world.kms.next([fault]);
            let outcome = world.get(&sse, "cat", &stored);
            if fault == Step::OtherKek {
                assert!(matches!(outcome, Err(Error::Inauthentic)), "{outcome:?}");
            } else {
                assert_eq!((outcome.is_ok(), kind(outcome)), (read.is_none(), read), "a read with {fault:?}");
            }
            assert_eq!(world.kms.calls() - calls, 2, "{fault:?}");
        }
        assert!(!world.resilient.is_open(), "{fault:?}");
        assert_eq!(world.get(&sse, "cat", &stored).unwrap(), b"meow", "{fault:?} leaves nothing behind");
    }
}
