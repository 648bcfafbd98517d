//! The conformance suite for key providers: `MemoryKms` passes, and providers with one fault each fail.

mod faulty;
mod runtime_faults;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atrest::kms::{Authorized, KeyUse};
use atrest::testing::{Capability, KeyProviderSuite, MemoryKms};
use atrest::{Error, KeyProvider, KeyProviderErrorKind, KmsKeys, ObjectName, Requester, Sse, SseKms, Unlock};
use faulty::{Fault, Wrong};
use runtime_faults::{CurrentElseOwn, FirstRuntime, OwnsARuntime};

use crate::runtimes;

struct Kms {
    memory: Arc<MemoryKms>,
    one: String,
    two: String,
}

impl Kms {
    fn new() -> Self {
        let memory = Arc::new(MemoryKms::new());
        let (one, two) = (memory.create_key("one").unwrap(), memory.create_key("two").unwrap());
        memory.alias("alias/one", &one);
        Self { memory, one, two }
    }

    /// The memory KMS, which refuses the requester `mallory`.
    fn authorized(&self) -> Arc<dyn KeyProvider> {
        let allows = |access: &atrest::kms::KeyAccess<'_>| access.requester().as_str() != "mallory";
        Arc::new(Authorized::new(self.memory.clone(), allows))
    }

    fn suite(&self, provider: Arc<dyn KeyProvider>, key_id: &str) -> KeyProviderSuite {
        let (off, on) = (self.memory.clone(), self.memory.clone());
        KeyProviderSuite::new(provider, key_id, "memory-kms:key/none")
            .other_key_id(&self.two)
            .forbidden_requester(Requester::new("mallory"))
            .disabled_by(move |key_id| off.disable(key_id), move |key_id| on.enable(key_id))
    }
}

#[test]
fn the_memory_kms_conforms_by_id_and_by_alias() {
    let kms = Kms::new();
    let bare = KeyProviderSuite::new(kms.memory.clone(), &kms.one, "memory-kms:key/none");
    runtimes::conforms(&bare.lacks(Capability::Requesters).lacks(Capability::States));
    for key_id in [&*kms.one, "alias/one"] {
        let kms = Kms::new();
        let provider = kms.authorized();
        let suite = kms.suite(provider, key_id).made_by(move || Kms::new().authorized());
        runtimes::conforms(&suite);
    }
}

/// The failures in current-thread runtimes.
fn failures(provider: Arc<dyn KeyProvider>, kms: &Kms) -> Vec<String> {
    let suite = kms.suite(provider, "alias/one").deadline(Duration::from_secs(3));
    suite.report_in(runtimes::current_thread).failures().map(str::to_owned).collect()
}

#[track_caller]
fn assert_noticed(failures: &[String], fault: &str, expected: &str) {
    assert!(failures.iter().any(|failure| failure.contains(expected)), "{fault}: {failures:#?}");
}

#[test]
fn a_provider_that_is_wrong_in_one_way_does_not_conform() {
    let faults = [
        (Fault::IgnoresContext, "unwrapping with an empty context succeeds"),
        (Fault::RepeatsKeys, "two calls generated the same key"),
        (Fault::GivesTheAlias, "a resolved key id is not an alias"),
        (Fault::IgnoresTheKey, "unwrapping with another key succeeds"),
        (Fault::MixesCalls, "concurrent calls get their own keys"),
        (Fault::NeedsARuntime, "generate_key (a context) panicked"),
        (Fault::JoinsNamesAndValues, "unwrapping with {a: bc} for {ab: c} succeeds"),
        (Fault::JoinsPairsByCommas, "unwrapping with two pairs for one succeeds"),
        (Fault::LowersNames, "unwrapping with another case of a name succeeds"),
        (Fault::DropsEmptyValues, "unwrapping with an additional pair with an empty value succeeds"),
        (Fault::TakesOneKilobyte, "a key is generated with 8,192 bytes of pairs"),
        (Fault::AlwaysUnavailable, "unwrapping with a byte changed fails as Unavailable"),
        (Fault::AlwaysUnavailable, "fails as if it could succeed later"),
        (Fault::AlwaysDenied, "unwrapping with another value fails as AccessDenied"),
        (Fault::HidesDisabled, "unwrapping under a disabled key fails as NotFound"),
        (Fault::RejectsTheEmptyId, "generating without a key id fails as Rejected"),
        (Fault::AsksNoOne, "unwrapping for a forbidden requester succeeds"),
        (Fault::KeepsUnwrapping, "unwrapping under a disabled key succeeds"),
        (Fault::Hangs, "unwrap_key (a byte changed) hangs: no answer within 3 s"),
        (Fault::StaysBusy, "not so: a key is generated with abandoned calls before it: Throttled"),
        (Fault::NamesAnotherKey, "names the key \"somebody's\""),
        (Fault::Panics, "unwrap_key (its last byte missing) panicked: what the test is about"),
    ];
    for (fault, expected) in faults {
        let kms = Kms::new();
        let wrong = Arc::new(Wrong::new(kms.authorized(), kms.memory.clone(), fault));
        let suite = kms.suite(wrong, "alias/one").deadline(Duration::from_secs(3));
        let failures: Vec<_> = suite.report().failures().map(str::to_owned).collect();
        assert_noticed(&failures, &format!("{fault:?}"), expected);
    }
}

#[test]
fn a_provider_that_works_in_the_callers_runtime_deadlocks_and_is_noticed() {
    let kms = Kms::new();
    let failures = failures(Arc::new(CurrentElseOwn(kms.authorized())), &kms);
    assert_noticed(&failures, "CurrentElseOwn", "a call may block a thread of the runtime: generate_key");
}

#[test]
fn a_provider_whose_connection_belongs_to_its_first_runtime_is_noticed() {
    let kms = Kms::new();
    let failures = failures(Arc::new(FirstRuntime::new(kms.authorized())), &kms);
    assert_noticed(&failures, "FirstRuntime", "a provider works while another runtime is idle: generate_key");
}

#[test]
fn a_provider_that_cannot_be_dropped_in_a_runtime_is_noticed() {
    let kms = Kms::new();
    let suite = kms.suite(Arc::new(OwnsARuntime::new(kms.authorized())), "alias/one");
    let suite = suite.made_by(|| Arc::new(OwnsARuntime::new(Kms::new().authorized())));
    let [without, current_thread, multi_thread] = runtimes::reports(&suite);
    assert!(without.conforms(), "{without}");
    for report in [current_thread, multi_thread] {
        let failures: Vec<_> = report.failures().collect();
        assert!(
            matches!(&failures[..], [only] if only.contains("dropping the last handle inside a runtime panicked")),
            "{failures:?}"
        );
    }
}

#[test]
fn a_suite_that_says_nothing_of_requesters_and_states_fails() {
    let kms = Kms::new();
    let silent = KeyProviderSuite::new(kms.memory.clone(), &*kms.one, "memory-kms:key/none");
    let report = silent.report();
    let failures: Vec<_> = report.failures().collect();
    assert_eq!(
        failures,
        [
            "the suite is complete: the suite has neither `forbidden_requester` nor `lacks(Capability::Requesters)`",
            "the suite is complete: the suite has neither `disabled_by` nor `lacks(Capability::States)`",
        ]
    );
    let panicked = catch_unwind(AssertUnwindSafe(|| silent.run())).unwrap_err();
    let text = panicked.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("the provider does not conform: 11 checks passed, 2 failures\n- "), "{text}");
    let said = silent.lacks(Capability::Requesters).lacks(Capability::States).report();
    assert!(said.conforms());
    let text = said.to_string();
    assert!(text.contains("not applicable: which requester is refused: the backend lacks Requesters"), "{text}");
    assert_eq!(said.unchecked().len(), 4);
}

#[test]
fn a_check_that_panics_or_hangs_is_not_counted_among_those_that_passed() {
    for fault in [Fault::Panics, Fault::Hangs] {
        let kms = Kms::new();
        let wrong = Arc::new(Wrong::new(kms.authorized(), kms.memory.clone(), fault));
        let report = kms.suite(wrong, "alias/one").deadline(Duration::from_secs(3)).report();
        let failures: Vec<_> = report.failures().collect();
        let checks: BTreeSet<_> = failures.iter().map(|failure| failure.split_once(": ").unwrap().0).collect();
        let counts = format!("{} checks passed, {} failures\n", 13 - checks.len(), failures.len());
        assert!(report.to_string().contains(&counts), "{counts}: {report}");
    }
}

#[test]
fn an_authorized_provider_is_asked_about_resolved_ids_only() {
    let kms = Kms::new();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = asked.clone();
    let provider = Arc::new(Authorized::new(kms.memory.clone(), move |access| {
        noted.lock().unwrap().push((access.key_use(), access.key_id().to_owned()));
        true
    }));
    let request =
        |key_id: &str| atrest::KeyRequest::new(key_id, atrest::EncryptionContext::new(), Requester::new("alice"));
    let generated = pollster::block_on(provider.clone().generate_key(request("alias/one"))).unwrap();
    pollster::block_on(provider.clone().unwrap_key(generated.wrapped().clone(), request(&kms.one))).unwrap();
    let expected = [(KeyUse::Generate, kms.one.clone()), (KeyUse::Unwrap, kms.one.clone())];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn after_a_change_of_what_is_allowed_no_cached_bucket_key_serves_the_requester() {
    let kms = Kms::new();
    let is_allowed = Arc::new(AtomicBool::new(true));
    let allowed = is_allowed.clone();
    let provider = Arc::new(Authorized::new(kms.memory.clone(), move |_| allowed.load(Ordering::SeqCst)));
    let sse = Sse::builder().kms(provider.clone(), KmsKeys::only([&*kms.one])).build().unwrap();
    let (object, mode) = (ObjectName::new("photos", "cat.jpg").unwrap(), SseKms::new(&*kms.one).with_bucket_key(true));
    let write = || sse.blocking().encrypt(&object, mode.clone(), b"meow");
    let stored = write().unwrap();
    write().unwrap();
    assert_eq!(kms.memory.calls().generate, 1);
    is_allowed.store(false, Ordering::SeqCst);
    write().unwrap();
    provider.changed();
    for refused in [write().err(), sse.blocking().decrypt(&object, &stored, Unlock::Server).err()] {
        let Some(Error::KeyProvider(error)) = refused else { panic!("not refused") };
        assert_eq!(error.kind(), KeyProviderErrorKind::AccessDenied);
    }
}
