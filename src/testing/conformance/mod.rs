//! [`KeyProviderSuite`], the conformance suite for key providers; [`SuiteReport`], its result; and [`Capability`].

mod checker;
mod checks;
mod report;
mod settings;
mod supervised;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::keys::KeyProvider;
use crate::object::Requester;
use checker::Seen;
use report::Cell;
use settings::SETTINGS;
use supervised::Supervisor;

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
/// A factory of providers.
type NewProvider = Arc<dyn Fn() -> Arc<dyn KeyProvider> + Send + Sync>;

/// Something that not every backend has. The suite checks it, unless it is said that the backend lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// The provider authorises the requester of each call: [`KeyProviderSuite::forbidden_requester`]. For a backend
    /// without it, [`kms::Authorized`](crate::kms::Authorized) adds it.
    Requesters,
    /// Keys can be disabled and enabled: [`KeyProviderSuite::disabled_by`].
    States,
    /// The provider tells changes: its [`epoch`](KeyProvider::epoch) is another number after each change that
    /// [`disabled_by`](KeyProviderSuite::disabled_by) or [`revoked_by`](KeyProviderSuite::revoked_by) makes.
    Epochs,
    /// Each answer has the request id of the backend, and no two answers have the same one:
    /// [`GeneratedKey::request_id`](crate::GeneratedKey::request_id) and
    /// [`UnwrappedKey::request_id`](crate::UnwrappedKey::request_id). A provider around another one passes the id on;
    /// one that answers from a cache of its own lacks this.
    RequestIds,
}

/// The conformance suite for key providers, which checks that a provider does what the library relies on.
///
/// [`run`](Self::run) checks the provider without a runtime, in current-thread runtimes and in multi-thread runtimes of
/// tokio: its calls, and objects with [bucket keys](crate::SseKms::with_bucket_key) through an [`Sse`](crate::Sse).
/// Every call has a deadline, so that a provider that hangs fails the suite; the report lists all failures.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use atrest::kms::Resilient;
/// use atrest::testing::{Capability, KeyProviderSuite, MemoryKms};
///
/// let kms = Arc::new(MemoryKms::new());
/// let (one, two) = (kms.create_key("one")?, kms.create_key("two")?);
/// let (off, on) = (kms.clone(), kms.clone());
/// let suite = KeyProviderSuite::new(kms, &one, "memory-kms:key/none")
///     .other_key_id(&two)
///     .disabled_by(move |key_id| off.disable(key_id), move |key_id| on.enable(key_id))
///     .lacks(Capability::Requesters)
///     .lacks(Capability::Epochs)
///     .lacks(Capability::RequestIds);
///
/// suite.run();
/// suite.behind("resilience", |kms| Arc::new(Resilient::new(kms))).run();
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
    /// The providers around the one that is checked, the innermost first.
    layers: Vec<String>,
    key_id: String,
    other_key_id: Option<String>,
    unknown_key_id: String,
    requester: Requester,
    forbidden: Option<Requester>,
    states: Option<(Hook, Hook)>,
    permissions: Option<(Hook, Hook)>,
    made_by: Option<NewProvider>,
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
            layers: Vec::new(),
            key_id: key_id.into(),
            other_key_id: None,
            unknown_key_id: unknown_key_id.into(),
            requester: Requester::anonymous(),
            forbidden: None,
            states: None,
            permissions: None,
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

    /// Sets how the requester's permission to use a key is taken away and given back. Both hooks get the resolved key
    /// id, run on a thread of their own, and return when the change is in force: the suite checks that a requester
    /// without the permission gets nothing, also of what was given out before.
    pub fn revoked_by(
        mut self,
        revoke: impl Fn(&str) + Send + Sync + 'static,
        restore: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        self.permissions = Some((Arc::new(revoke), Arc::new(restore)));
        self
    }

    /// Sets how another provider over the same backend is made, as after a restart or on another machine: the suite
    /// checks that it unwraps what the first one wrapped, and that its last handle can be dropped inside a runtime.
    pub fn made_by(mut self, make: impl Fn() -> Arc<dyn KeyProvider> + Send + Sync + 'static) -> Self {
        self.made_by = Some(Arc::new(make));
        self
    }

    /// Returns the same suite for the provider behind another one. Failures name the layer.
    pub fn behind<W>(self, layer: &str, wrap: W) -> Self
    where
        W: Fn(Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> + Send + Sync + 'static,
    {
        let layers = [self.layers, vec![layer.to_owned()]].concat();
        let provider = wrap(self.provider);
        let made_by = self.made_by.map(|make| -> NewProvider { Arc::new(move || wrap(make())) });
        Self { provider, layers, made_by, ..self }
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

    /// Runs the suite without a runtime, in current-thread runtimes and in multi-thread runtimes.
    ///
    /// # Panics
    ///
    /// Panics if the provider does not conform. The message lists every failure.
    pub fn run(&self) {
        self.report().print_or_panic();
    }

    /// Runs the suite in runtimes of another kind. The factory returns a new runtime, as a function that runs one task
    /// to its end; the suite calls that function from one thread, and from sixteen threads at once.
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
    ///
    /// # Performance
    ///
    /// A call that hangs costs the deadline, and leaves a thread behind that waits for it.
    pub fn report(&self) -> SuiteReport {
        let settings = SETTINGS.iter().map(|setting| (setting.name, Arc::new(setting.new_runtime) as NewRuntime));
        self.report_of(settings)
    }

    /// Does what [`run_in`](Self::run_in) does, and returns the result instead of panicking.
    pub fn report_in<B>(&self, new_runtime: impl Fn() -> B + Send + Sync + 'static) -> SuiteReport
    where
        B: Fn(SuiteTask) + Send + Sync + 'static,
    {
        let new_runtime: NewRuntime = Arc::new(move || -> BlockOn { Arc::new(new_runtime()) });
        self.report_of([("in these runtimes", new_runtime)])
    }

    fn report_of(&self, settings: impl IntoIterator<Item = (&'static str, NewRuntime)>) -> SuiteReport {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let cells = settings.into_iter().map(|(setting, new_runtime)| {
            let supervisor = Supervisor::new(self.clone(), new_runtime, seen.clone());
            let mut cell = Cell::new(setting);
            for group in checks::GROUPS {
                cell.begin(group.name);
                for check in group.checks.iter().copied().flatten().filter(|check| (check.applies)(self)) {
                    cell.add(check.name, supervisor.run(check));
                }
            }
            cell
        });
        let (unsaid, not_applicable) = self.declarations();
        SuiteReport::new(&self.layers, cells.collect(), unsaid, not_applicable)
    }

    /// Returns whether the backend is said to have this.
    fn has(&self, capability: Capability) -> bool {
        !self.lacks.contains(&capability)
    }

    /// Returns what the suite should say, and what it therefore does not check.
    fn declarations(&self) -> (Vec<String>, Vec<String>) {
        let (mut unsaid, mut not_applicable) = (Vec::new(), Vec::new());
        let capabilities = [
            (Capability::Requesters, self.forbidden.is_some(), "forbidden_requester", "which requester is refused"),
            (Capability::States, self.states.is_some(), "disabled_by", "that a disabled key is refused"),
        ];
        for (capability, is_set, method, what) in capabilities {
            match (is_set, self.has(capability)) {
                (true, _) => {}
                (false, false) => not_applicable.push(format!("{what}: the backend lacks {capability:?}")),
                (false, true) => {
                    unsaid.push(format!("the suite has neither `{method}` nor `lacks(Capability::{capability:?})`"));
                }
            }
        }
        if !self.has(Capability::RequestIds) {
            not_applicable.push("that each answer has a request id: the backend lacks RequestIds".to_owned());
        }
        let told = "that a change ends bucket keys in memory at once";
        if !self.has(Capability::Epochs) {
            not_applicable.push(format!("{told}: the backend lacks Epochs"));
        } else if self.states.is_none() && self.permissions.is_none() {
            not_applicable.push(format!("{told}: neither `disabled_by` nor `revoked_by` is set"));
        }
        let optional = [
            (self.other_key_id.is_some(), "other_key_id", "that another key unwraps nothing"),
            (self.permissions.is_some(), "revoked_by", "that a permission can be revoked"),
            (self.made_by.is_some(), "made_by", "that another instance unwraps, and can be dropped in a runtime"),
        ];
        let unset = optional.into_iter().filter(|(is_set, ..)| !is_set);
        not_applicable.extend(unset.map(|(_, method, what)| format!("{what}: `{method}` is not set")));
        (unsaid, not_applicable)
    }
}

impl std::fmt::Debug for KeyProviderSuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut suite = f.debug_struct("KeyProviderSuite");
        suite.field("key_id", &self.key_id).field("other_key_id", &self.other_key_id);
        suite.field("unknown_key_id", &self.unknown_key_id).field("requester", &self.requester);
        suite.field("layers", &self.layers).field("lacks", &self.lacks);
        suite.field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
