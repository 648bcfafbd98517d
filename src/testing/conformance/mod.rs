//! [`KeyProviderSuite`], the conformance suite for key providers; [`SuiteReport`], its result; and [`Capability`].

mod checker;
mod checks;
mod report;
mod supervised;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;

use crate::keys::KeyProvider;
use crate::object::Requester;
use checks::{CHECKS, OF_REQUESTERS, OF_STATES};
use supervised::{Supervisor, in_threads};

pub use report::SuiteReport;

/// The number of calls that the suite makes at once.
const AT_ONCE: usize = 16;

/// A part of the suite, as a future that the caller's runtime runs to its end.
pub type SuiteTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime: a function that runs one task to its end.
type BlockOn = Arc<dyn Fn(SuiteTask) + Send + Sync>;
/// A factory of runtimes.
type NewRuntime = Arc<dyn Fn() -> BlockOn + Send + Sync>;
/// A hook that changes a key of the backend.
type Hook = Arc<dyn Fn(&str) + Send + Sync>;

/// Something that not every backend has. A suite has to say how to check it, or that the backend lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// The provider authorises the requester of each call: [`KeyProviderSuite::forbidden_requester`]. For a backend
    /// without it, [`kms::Authorized`](crate::kms::Authorized) adds it.
    Requesters,
    /// Keys can be disabled and enabled: [`KeyProviderSuite::disabled_by`].
    States,
}

/// The conformance suite for key providers, which checks that a provider does what the library relies on.
///
/// [`run`](Self::run) needs no runtime. [`run_in`](Self::run_in) takes a factory of runtimes; a provider must also
/// conform in current-thread and in multi-thread runtimes. Each run makes about three hundred calls to the provider.
/// Every call has a deadline, so that a provider that hangs fails the suite; the report lists all failures.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use atrest::testing::{Capability, KeyProviderSuite, MemoryKms};
/// use tokio::runtime::Builder;
///
/// let kms = Arc::new(MemoryKms::new());
/// let (one, two) = (kms.create_key("one")?, kms.create_key("two")?);
/// let (off, on) = (kms.clone(), kms.clone());
/// let suite = KeyProviderSuite::new(kms, &one, "memory-kms:key/none")
///     .other_key_id(&two)
///     .disabled_by(move |key_id| off.disable(key_id), move |key_id| on.enable(key_id))
///     .lacks(Capability::Requesters);
///
/// suite.run();
/// suite.run_in(|| {
///     let runtime = Builder::new_current_thread().enable_all().build().unwrap();
///     move |task| runtime.block_on(task)
/// });
/// suite.run_in(|| {
///     let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
///     move |task| runtime.block_on(task)
/// });
/// # Ok(()) }
/// ```
///
/// # Security
///
/// A provider that ignores the requester gives every key to every requester. The suite fails if it is given neither a
/// [`forbidden_requester`](Self::forbidden_requester) nor [`Capability::Requesters`] among the things that the backend
/// [`lacks`](Self::lacks).
#[derive(Clone)]
#[must_use = "the suite checks nothing until it is run"]
pub struct KeyProviderSuite {
    provider: Arc<dyn KeyProvider>,
    key_id: String,
    other_key_id: Option<String>,
    unknown_key_id: String,
    requester: Requester,
    forbidden: Option<Requester>,
    states: Option<(Hook, Hook)>,
    made_by: Option<Arc<dyn Fn() -> Arc<dyn KeyProvider> + Send + Sync>>,
    lacks: Vec<Capability>,
    deadline: Duration,
}

impl KeyProviderSuite {
    /// Creates a suite for a provider.
    ///
    /// `key_id` names a key, by alias or id, that the requester may use. `unknown_key_id` names a key that does not
    /// exist.
    pub fn new(provider: Arc<dyn KeyProvider>, key_id: impl Into<String>, unknown_key_id: impl Into<String>) -> Self {
        Self {
            provider,
            key_id: key_id.into(),
            other_key_id: None,
            unknown_key_id: unknown_key_id.into(),
            requester: Requester::anonymous(),
            forbidden: None,
            states: None,
            made_by: None,
            lacks: Vec::new(),
            deadline: Duration::from_secs(10),
        }
    }

    /// Names a second key that the requester may use: the suite checks that it does not unwrap a key that the first key
    /// wrapped.
    pub fn other_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.other_key_id = Some(key_id.into());
        self
    }

    /// Sets the requester of all calls. The default is [`Requester::anonymous`].
    pub fn requested_by(mut self, requester: Requester) -> Self {
        self.requester = requester;
        self
    }

    /// Names a requester that may not use the key: the suite checks that its calls fail with `AccessDenied`.
    pub fn forbidden_requester(mut self, requester: Requester) -> Self {
        self.forbidden = Some(requester);
        self
    }

    /// Sets how a key is disabled and enabled. Both hooks get the resolved key id, run on a thread of their own, and
    /// return when the change is in force: the suite checks that a disabled key generates and unwraps nothing.
    pub fn disabled_by(
        mut self,
        disable: impl Fn(&str) + Send + Sync + 'static,
        enable: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        self.states = Some((Arc::new(disable), Arc::new(enable)));
        self
    }

    /// Sets how a provider is made: the suite checks that the last handle of a provider can be dropped inside a
    /// runtime.
    pub fn made_by(mut self, make: impl Fn() -> Arc<dyn KeyProvider> + Send + Sync + 'static) -> Self {
        self.made_by = Some(Arc::new(make));
        self
    }

    /// Declares that the backend does not have this. The report lists it as not applicable.
    pub fn lacks(mut self, capability: Capability) -> Self {
        self.lacks.push(capability);
        self
    }

    /// Sets the deadline of each call. The default is 10 seconds.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs the suite without a runtime: on one thread, and on sixteen threads at once.
    ///
    /// # Panics
    ///
    /// Panics if the provider does not conform. The message lists every failure.
    pub fn run(&self) {
        self.report().print_or_panic();
    }

    /// Runs the suite in runtimes. The factory returns a new runtime, as a function that runs one task to its end; the
    /// suite calls that function from one thread, and from sixteen threads at once.
    ///
    /// # Panics
    ///
    /// Panics if the provider does not conform in these runtimes. The message lists every failure.
    pub fn run_in<B>(&self, new_runtime: impl Fn() -> B + Send + Sync + 'static)
    where
        B: Fn(SuiteTask) + Send + Sync + 'static,
    {
        self.report_in(new_runtime).print_or_panic();
    }

    /// Does what [`run`](Self::run) does, and returns the result instead of panicking.
    pub fn report(&self) -> SuiteReport {
        self.report_in(|| |task| block_on(task))
    }

    /// Does what [`run_in`](Self::run_in) does, and returns the result instead of panicking.
    ///
    /// # Performance
    ///
    /// A call that hangs costs the deadline, and leaves a thread behind that waits for it.
    pub fn report_in<B>(&self, new_runtime: impl Fn() -> B + Send + Sync + 'static) -> SuiteReport
    where
        B: Fn(SuiteTask) + Send + Sync + 'static,
    {
        let new_runtime: NewRuntime = Arc::new(move || -> BlockOn { Arc::new(new_runtime()) });
        let mut report = SuiteReport::default();
        self.check_declarations(&mut report);
        let supervisor = Supervisor::new(self.clone(), new_runtime);
        let of_requesters = self.forbidden.as_ref().map(|_| &OF_REQUESTERS);
        let of_states = self.states.as_ref().map(|_| &OF_STATES);
        for (name, check) in CHECKS.iter().chain(of_requesters).chain(of_states) {
            supervisor.in_one_runtime(name, *check, &mut report);
        }
        supervisor.run("concurrent threads get their own keys", in_threads, &mut report);
        supervisor.run("a provider works while another runtime is idle", supervised::beside_idle_runtime, &mut report);
        if self.made_by.is_some() {
            let name = "the last handle of a provider can be dropped inside a runtime";
            supervisor.run(name, supervised::dropped_inside, &mut report);
        }
        report
    }

    fn check_declarations(&self, report: &mut SuiteReport) {
        let given = [
            (Capability::Requesters, self.forbidden.is_some(), "forbidden_requester", "which requester is refused"),
            (Capability::States, self.states.is_some(), "disabled_by", "that a disabled key is refused"),
        ];
        for (capability, is_given, method, what) in given {
            match (is_given, self.lacks.contains(&capability)) {
                (true, _) => {}
                (false, true) => report.not_applicable(format!("{what}: the backend lacks {capability:?}")),
                (false, false) => report.fail(
                    "the suite is complete",
                    format!("the suite has neither `{method}` nor `lacks(Capability::{capability:?})`"),
                ),
            }
        }
        if self.other_key_id.is_none() {
            report.not_applicable("that another key unwraps nothing: `other_key_id` is not set".to_owned());
        }
        if self.made_by.is_none() {
            report.not_applicable("that the last handle can be dropped in a runtime: `made_by` is not set".to_owned());
        }
    }
}

impl std::fmt::Debug for KeyProviderSuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut suite = f.debug_struct("KeyProviderSuite");
        suite.field("key_id", &self.key_id).field("other_key_id", &self.other_key_id);
        suite.field("unknown_key_id", &self.unknown_key_id).field("requester", &self.requester);
        suite.field("lacks", &self.lacks).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
