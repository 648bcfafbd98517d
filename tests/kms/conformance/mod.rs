//! The conformance suite for key providers: `MemoryKms` passes, and providers with one fault each fail.

mod epoch_faults;
mod faulty;
mod runtime_faults;
mod subtle;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atrest::kms::{Authorized, KeyAccess, KeyUse, Resilient};
use atrest::testing::{Capability, KeyProviderSuite, MemoryKms};
use atrest::{
    Error, GeneratedKey, KeyFuture, KeyProvider, KeyProviderErrorKind, KeyRequest, KmsKeys, ObjectName, Requester, Sse,
    SseKms, Unlock, UnwrappedKey, WrappedKey,
};
use atrest_kit::ManualTime;
use epoch_faults::{EpochFault, Tells};
use faulty::{Fault, Wrong};
use runtime_faults::{CurrentElseOwn, FirstRuntime, OwnsARuntime};
use subtle::{Change, Subtle, SubtleFault};
use tokio::runtime::Builder;

use crate::scripted::{Scripted, Step};

/// The deadline of a call, of which each provider that hangs uses up many.
const DEADLINE: Duration = Duration::from_secs(1);

struct Kms {
    memory: Arc<MemoryKms>,
    /// The memory KMS, which refuses the requester `mallory`, and all others while their permission is revoked.
    authorized: Arc<Authorized>,
    is_allowed: Arc<AtomicBool>,
    one: String,
    two: String,
}

impl Kms {
    fn new() -> Self {
        let memory = Arc::new(MemoryKms::new());
        let (one, two) = (memory.create_key("one").unwrap(), memory.create_key("two").unwrap());
        memory.alias("alias/one", &one);
        let is_allowed = Arc::new(AtomicBool::new(true));
        Self { authorized: Arc::new(authorized(&memory, &is_allowed)), memory, is_allowed, one, two }
    }

    fn suite(&self, provider: Arc<dyn KeyProvider>, key_id: &str) -> KeyProviderSuite {
        let switch = |change: fn(&MemoryKms, &str)| {
            let (memory, authorized) = (self.memory.clone(), self.authorized.clone());
            move |key_id: &str| {
                change(&memory, key_id);
                authorized.changed();
            }
        };
        let allow = |allowed: bool| {
            let (is_allowed, authorized) = (self.is_allowed.clone(), self.authorized.clone());
            move |_: &str| {
                is_allowed.store(allowed, Ordering::SeqCst);
                authorized.changed();
            }
        };
        KeyProviderSuite::new(provider, key_id, "memory-kms:key/none")
            .other_key_id(&self.two)
            .forbidden_requester(Requester::new("mallory"))
            .disabled_by(switch(MemoryKms::disable), switch(MemoryKms::enable))
            .revoked_by(allow(false), allow(true))
            .lacks(Capability::RequestIds)
    }

    /// The suite of the authorized KMS, by alias, which is made anew for each instance.
    fn whole_suite(&self) -> KeyProviderSuite {
        let (memory, is_allowed) = (self.memory.clone(), self.is_allowed.clone());
        let suite = self.suite(self.authorized.clone(), "alias/one");
        suite.made_by(move || Arc::new(authorized(&memory, &is_allowed)))
    }
}

fn authorized(memory: &Arc<MemoryKms>, is_allowed: &Arc<AtomicBool>) -> Authorized {
    let is_allowed = is_allowed.clone();
    let allows =
        move |access: &KeyAccess<'_>| access.requester().as_str() != "mallory" && is_allowed.load(Ordering::SeqCst);
    Authorized::new(memory.clone(), allows)
}

#[test]
fn the_memory_kms_conforms_by_id_and_by_alias_bare_and_behind_resilience() {
    let kms = Kms::new();
    let bare = KeyProviderSuite::new(kms.memory.clone(), &kms.one, "memory-kms:key/none").other_key_id(&kms.two);
    let bare = bare.lacks(Capability::Requesters).lacks(Capability::States).lacks(Capability::RequestIds);
    for suite in [bare, kms.whole_suite()] {
        suite.run();
        suite.behind("resilience", |kms| Arc::new(Resilient::new(kms))).run();
    }
}

/// The failures without a runtime.
fn failures_without(suite: KeyProviderSuite) -> Vec<String> {
    let report = suite.report_in(|| |task| pollster::block_on(task));
    report.failures().map(str::to_owned).collect()
}

/// The failures in current-thread runtimes.
fn failures(provider: Arc<dyn KeyProvider>, kms: &Kms) -> Vec<String> {
    let suite = kms.suite(provider, "alias/one").deadline(DEADLINE);
    let report = suite.report_in(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        move |task| runtime.block_on(task)
    });
    report.failures().map(str::to_owned).collect()
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
        (Fault::AsksNoOne, "unwrapping with a forbidden requester succeeds"),
        (Fault::KeepsUnwrapping, "unwrapping under a disabled key succeeds"),
        (Fault::Hangs, "unwrap_key (a byte changed) hangs: no answer within 1 s"),
        (Fault::StaysBusy, "not so: a key is generated with abandoned calls before it: Throttled"),
        (Fault::NamesAnotherKey, "names the key \"somebody's\""),
        (Fault::Panics, "unwrap_key (its last byte missing) panicked: what the test is about"),
    ];
    for (fault, expected) in faults {
        let kms = Kms::new();
        let wrong = Arc::new(Wrong::new(kms.authorized.clone(), kms.memory.clone(), fault));
        let failures = failures_without(kms.suite(wrong, "alias/one").deadline(DEADLINE));
        assert_noticed(&failures, &format!("{fault:?}"), expected);
    }
}

#[test]
fn a_provider_that_is_wrong_in_few_calls_does_not_conform() {
    let changes: [(Change, &str); 11] = [
        (|name, value| (name.to_owned(), value.chars().take(255).collect()), "another last letter of a long value"),
        (|name, value| (name.chars().take(255).collect(), value.to_owned()), "another last letter of a long name"),
        (|name, value| (name.to_owned(), value.trim_start().to_owned()), "a space before a value"),
        (|name, value| (name.trim_end().to_owned(), value.to_owned()), "a space after a name"),
        (|name, value| (name.to_owned(), value.replace('\t', " ")), "another space"),
        (|name, value| (name.to_owned(), value.replace('+', " ")), "a plus sign for a space"),
        (|name, value| (name.to_owned(), value.replace("%62", "b")), "a percent code for a letter"),
        (|name, value| (name.to_owned(), value.replace("\\u0062", "b")), "an escape for a letter"),
        (|name, value| (name.to_owned(), value.replace('ﬁ', "fi")), "a letter that looks the same"),
        (|name, value| (name.to_owned(), value.trim_end_matches(".0").to_owned()), "another number of the same value"),
        (|name, value| (name.to_owned(), value.split('\0').take(1).collect()), "other letters after a NUL character"),
    ];
    let changes =
        changes.map(|(change, what)| (SubtleFault::Changes(change), format!("unwrapping with {what} succeeds")));
    let faults = [
        (SubtleFault::TakesSixtyPairs, "unwrapping with another value of the hundredth pair succeeds"),
        (SubtleFault::KeepsForAll, "the requester is authorised: unwrapping with a forbidden requester succeeds"),
        (SubtleFault::KeepsForEach, "a disabled key is refused: unwrapping under a disabled key succeeds"),
        (SubtleFault::KeepsForEach, "a revoked permission is gone: unwrapping under a revoked permission succeeds"),
        (SubtleFault::SharesCalls, "the requester is authorised: unwrapping with a forbidden requester succeeds"),
        (SubtleFault::GivesInTurn, "two calls generated the same key"),
        (SubtleFault::RemembersItsOwn, "a key is unwrapped with a key of another instance of the provider: Rejected"),
        (SubtleFault::RemembersItsOwn, "an object is read by another instance of the provider"),
        (SubtleFault::TakesAnOldFormat, "unwrapping with its end missing succeeds"),
        (SubtleFault::IgnoresItsHeader, "unwrapping with a byte changed succeeds"),
        (SubtleFault::WakesTheFirstTask, "generate_key (a call that another task polled first) hangs"),
        (SubtleFault::FindsKeysByPrefix, "unwrapping with a key id of one letter more succeeds"),
        (SubtleFault::ShowsKeysInErrors, "an error of kind Rejected shows a key"),
        (SubtleFault::PanicsAtLongValues, "generate_key (an ARN of 65,535 bytes) panicked"),
    ];
    let faults = faults.map(|(fault, expected)| (fault, expected.to_owned()));
    for (fault, expected) in changes.into_iter().chain(faults) {
        let kms = Kms::new();
        let key_id = kms.one.clone();
        let suite = kms.whole_suite().behind("a fault", move |kms| Arc::new(Subtle::new(kms, &key_id, fault)));
        let failures = failures_without(suite.deadline(DEADLINE));
        assert_noticed(&failures, &expected, &expected);
    }
}

#[test]
fn a_provider_that_tells_changes_wrongly_does_not_conform() {
    let faults = [
        (EpochFault::Forgets, "the epoch is the same after disabling the key"),
        (EpochFault::Forgets, "the epoch is the same after restoring the permission"),
        (EpochFault::Forgets, "with bucket keys, a disabled key is refused: writing under a disabled key succeeds"),
        (EpochFault::KnowsAliasesOnly, "the epoch is the same after enabling the key"),
        (EpochFault::KnowsAliasesOnly, "reading under a revoked permission succeeds"),
        (EpochFault::LearnsLate, "the epoch is the same after revoking the permission"),
        (EpochFault::RisesByCalls, "the epoch is another one after calls of the provider"),
        (EpochFault::RisesByCalls, "one bucket costs more than one call of generate_key"),
        (EpochFault::RisesWhenAsked, "the epoch is another one though nothing changed"),
        (EpochFault::AsksTheBackend, "epoch (100000 times) hangs: no answer within 1 s"),
        (EpochFault::WaitsForCalls, "epoch (the begin of a call) hangs: no answer within 1 s"),
        (EpochFault::Panics, "epoch (a key) panicked: what the test is about"),
    ];
    for (fault, expected) in faults {
        let suite = Kms::new().whole_suite().behind("a fault", move |kms| Arc::new(Tells::new(kms, fault)));
        let failures = failures_without(suite.deadline(DEADLINE));
        assert_noticed(&failures, &format!("{fault:?}"), expected);
    }
    let suite =
        Kms::new().whole_suite().behind("a fault", |kms| Arc::new(Tells::new(kms, EpochFault::BlocksOnItsRuntime)));
    let report = suite.report();
    assert!(!report.conforms());
    let only_in_runtimes = |failure: &str| failure.ends_with("(in current-thread runtimes, in multi-thread runtimes)");
    assert!(report.failures().all(only_in_runtimes), "{report}");
}

/// The suite of a scripted KMS, which has request ids.
fn scripted_suite(kms: &Arc<Scripted>) -> KeyProviderSuite {
    let suite = KeyProviderSuite::new(kms.clone(), "alias/app", "memory-kms:key/none");
    suite.lacks(Capability::Requesters).lacks(Capability::States)
}

/// Gives each answer of another provider the same request id.
struct OneId(Arc<dyn KeyProvider>);

impl KeyProvider for OneId {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move { Ok(self.0.clone().generate_key(request).await?.with_request_id("call-1")) })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move { Ok(self.0.clone().unwrap_key(wrapped, request).await?.with_request_id("call-1")) })
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.0.epoch(key_id)
    }
}

#[test]
fn a_provider_that_loses_or_repeats_the_request_ids_of_another_one_is_noticed() {
    let kms = Scripted::new(&ManualTime::new());
    let (suite, key_id) = (scripted_suite(&kms), kms.key_id.clone());
    let rebuilds =
        move |kms| -> Arc<dyn KeyProvider> { Arc::new(Subtle::new(kms, &key_id, SubtleFault::TakesSixtyPairs)) };
    let failures = failures_without(suite.clone().behind("one that rebuilds answers", rebuilds));
    assert_noticed(&failures, "generate", "an answer of generate_key has no request id");
    assert_noticed(&failures, "unwrap", "an answer of unwrap_key has no request id");
    let failures = failures_without(suite.clone().behind("one id for all", |kms| Arc::new(OneId(kms))));
    for call in ["generate_key", "unwrap_key"] {
        assert_noticed(&failures, call, &format!("two answers have the same request id, one of them of {call}"));
    }
    suite.run();
}

#[test]
fn failures_that_differ_in_the_request_id_only_are_reported_once() {
    let kms = Scripted::new(&ManualTime::new());
    kms.always(Step::Fail(KeyProviderErrorKind::Throttled));
    let report = scripted_suite(&kms).report();
    let failures: Vec<_> = report.failures().collect();
    let of_calls = failures.iter().filter(|failure| failure.starts_with("concurrent calls get their own keys: "));
    assert_eq!(of_calls.count(), 1, "{report}");
    assert!(failures.iter().all(|failure| !failure.contains("call-") && !failure.contains("(in ")), "{report}");
}

#[test]
fn a_provider_that_returns_no_wrapped_key_is_blamed_for_that_only() {
    let kms = Scripted::new(&ManualTime::new());
    kms.always(Step::NoWrappedKey);
    let failures = failures_without(scripted_suite(&kms));
    assert_noticed(&failures, "no wrapped key", "a wrapped key has 1 to 6,144 bytes, not 0");
    assert!(failures.iter().all(|failure| !failure.contains("panicked")), "{failures:#?}");
}

#[test]
fn a_check_that_panics_or_hangs_leaves_no_key_disabled() {
    for fault in [Fault::PanicsWhenDisabled, Fault::HangsWhenDisabled] {
        let kms = Kms::new();
        let wrong = Arc::new(Wrong::new(kms.authorized.clone(), kms.memory.clone(), fault));
        let failures = failures_without(kms.suite(wrong, "alias/one").deadline(DEADLINE));
        assert_noticed(&failures, &format!("{fault:?}"), "a disabled key is refused: unwrap_key (a disabled key)");
        let checks: BTreeSet<_> = failures.iter().map(|failure| failure.split_once(": ").unwrap().0).collect();
        let expected = ["a disabled key is refused", "with bucket keys, a disabled key is refused"];
        assert_eq!(checks, BTreeSet::from(expected), "{failures:#?}");
    }
}

#[test]
fn a_provider_that_works_in_the_callers_runtime_deadlocks_and_is_noticed() {
    let kms = Kms::new();
    let failures = failures(Arc::new(CurrentElseOwn(kms.authorized.clone())), &kms);
    assert_noticed(&failures, "CurrentElseOwn", "a call may block a thread of the runtime: generate_key");
}

#[test]
fn a_provider_whose_connection_belongs_to_its_first_runtime_is_noticed() {
    let kms = Kms::new();
    let failures = failures(Arc::new(FirstRuntime::new(kms.authorized.clone())), &kms);
    assert_noticed(&failures, "FirstRuntime", "a provider works while another runtime is idle: generate_key");
}

#[test]
fn a_provider_that_cannot_be_dropped_in_a_runtime_is_noticed() {
    let suite = Kms::new().whole_suite().behind("a runtime", |kms| Arc::new(OwnsARuntime::new(kms)));
    let report = suite.report();
    let failures: Vec<_> = report.failures().collect();
    let [only] = failures[..] else { panic!("{failures:?}") };
    assert!(only.contains("dropping the last handle inside a runtime panicked"), "{only}");
    assert!(only.ends_with("(in current-thread runtimes, in multi-thread runtimes)"), "{only}");
}

#[test]
fn a_suite_that_says_nothing_of_requesters_and_states_fails() {
    let kms = Kms::new();
    let silent = KeyProviderSuite::new(kms.memory.clone(), &*kms.one, "memory-kms:key/none");
    let silent = silent.lacks(Capability::RequestIds);
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
    assert!(text.starts_with("the provider does not conform: 57 checks passed, 2 failures\n- "), "{text}");
    let said = silent.lacks(Capability::Requesters).lacks(Capability::States);
    let said = said.behind("one", |kms| kms).behind("another", |kms| kms).report();
    assert!(said.conforms());
    let text = said.to_string();
    for line in [
        "the provider behind one and another conforms: 57 checks passed",
        "passed without a runtime, calls: 13",
        "passed in multi-thread runtimes, objects with bucket keys: 6",
        "not applicable: which requester is refused: the backend lacks Requesters",
        "not applicable: that a permission can be revoked: `revoked_by` is not set",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
    }
    assert_eq!(said.unchecked().len(), 7);
}

#[test]
fn a_check_that_panics_or_hangs_is_not_counted_among_those_that_passed() {
    for fault in [Fault::Panics, Fault::Hangs] {
        let kms = Kms::new();
        let wrong = Arc::new(Wrong::new(kms.authorized.clone(), kms.memory.clone(), fault));
        let suite = kms.suite(wrong, "alias/one").deadline(DEADLINE);
        let report = suite.report_in(|| |task| pollster::block_on(task));
        let failures: Vec<_> = report.failures().collect();
        let checks: BTreeSet<_> = failures.iter().map(|failure| failure.split_once(": ").unwrap().0).collect();
        let counts = format!("{} checks passed, {} failures\n", 25 - checks.len(), failures.len());
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
