//! A model test: random histories of two processes that share a keyring without working locks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use atrest::{
    Encrypted, Error, Keyring, KeyringStorage, Loaded, Replaced, RootKey, StorageFuture, StorageTag, VersionState,
};
use proptest::prelude::*;

use super::kit::{history, read, write};

/// The identity of a key: a number for each key that was ever made.
type Keys = BTreeMap<u32, u64>;

/// One stored state of a keyring.
#[derive(Clone)]
struct Blob {
    sealed: Vec<u8>,
    keys: Keys,
    /// The states that it descends from, and itself.
    ancestors: BTreeSet<usize>,
}

/// The stored state, and all earlier ones.
struct Directory {
    blobs: Vec<Blob>,
    current: usize,
    last_key: u64,
    root_key: RootKey,
}

/// The storage as one process sees it.
struct Front {
    directory: Arc<Mutex<Directory>>,
    /// What the process reads next instead of the stored bytes: it read before another process wrote, under a lock that
    /// excludes no other process.
    stale: Mutex<Option<usize>>,
    /// The keys that the process knows, if it is about to store all of them.
    own: Mutex<Option<(Keys, usize)>>,
}

fn tag(blob: usize) -> StorageTag {
    StorageTag::new((blob as u64).to_be_bytes())
}

impl KeyringStorage for Front {
    fn load(self: Arc<Self>, known: Option<StorageTag>) -> StorageFuture<Loaded> {
        Box::pin(async move {
            let directory = self.directory.lock().unwrap();
            let seen = self.stale.lock().unwrap().unwrap_or(directory.current);
            Ok(match known == Some(tag(seen)) {
                true => Loaded::Unchanged,
                false => Loaded::Sealed(directory.blobs[seen].sealed.clone(), tag(seen)),
            })
        })
    }

    fn replace(self: Arc<Self>, sealed: Vec<u8>, expected: Option<StorageTag>) -> StorageFuture<Replaced> {
        Box::pin(async move {
            let mut directory = self.directory.lock().unwrap();
            let stale = self.stale.lock().unwrap().take();
            let seen = stale.unwrap_or(directory.current);
            if expected != Some(tag(seen)) {
                return Ok(Replaced::Conflict);
            }
            let (keys, parent) = match self.own.lock().unwrap().take() {
                Some((own, parent)) => {
                    // Where versions come back that were gone, others may refuse it: they may know them as retired.
                    let versions = Keyring::from_sealed_blocking(&sealed, &directory.root_key).unwrap().versions();
                    let known = &directory.blobs[parent].keys;
                    let none_is_back = versions.iter().all(|version| known.contains_key(&version.number));
                    (own, Some(parent).filter(|_| none_is_back))
                }
                None => (directory.blobs[seen].keys.clone(), Some(seen)),
            };
            let blob = directory.store(sealed, &keys, parent);
            Ok(Replaced::Stored(tag(blob)))
        })
    }
}

impl Directory {
    fn store(&mut self, sealed: Vec<u8>, known: &Keys, parent: Option<usize>) -> usize {
        let versions = Keyring::from_sealed_blocking(&sealed, &self.root_key).unwrap().versions();
        let mut keys = Keys::new();
        for version in versions {
            let key = known.get(&version.number).copied().unwrap_or_else(|| {
                self.last_key += 1;
                self.last_key
            });
            keys.insert(version.number, key);
        }
        let blob = self.blobs.len();
        let mut ancestors = parent.map(|parent| self.blobs[parent].ancestors.clone()).unwrap_or_default();
        ancestors.insert(blob);
        self.blobs.push(Blob { sealed, keys, ancestors });
        self.current = blob;
        blob
    }
}

/// A process: from its start to its restart.
struct Process {
    front: Arc<Front>,
    keyring: Keyring,
    /// Every key that the process has seen.
    keys: Keys,
    /// The stored state that the process last read or wrote.
    at: usize,
    /// The versions that the process retired.
    retired: BTreeSet<u32>,
    /// The objects that the process acknowledged.
    objects: Vec<Encrypted>,
}

impl Process {
    fn start(directory: &Arc<Mutex<Directory>>) -> Self {
        let front = Arc::new(Front { directory: directory.clone(), stale: Mutex::default(), own: Mutex::default() });
        let root_key = directory.lock().unwrap().root_key.clone();
        let keyring = Keyring::builder_in(front.clone()).open_blocking(&root_key).unwrap();
        let directory = directory.lock().unwrap();
        let (keys, at) = (directory.blobs[directory.current].keys.clone(), directory.current);
        drop(directory);
        Self { front, keyring, keys, at, retired: BTreeSet::new(), objects: Vec::new() }
    }

    /// Reads again, and holds the answer against what the model knows of both histories.
    fn reload(&mut self) {
        let outcome = self.keyring.blocking().reload();
        let directory = self.front.directory.lock().unwrap();
        let seen = self.front.stale.lock().unwrap().unwrap_or(directory.current);
        let stored = directory.blobs[seen].clone();
        drop(directory);
        let is_fork = stored.keys.iter().any(|(number, key)| self.keys.get(number).is_some_and(|own| own != key));
        let is_successor = stored.ancestors.contains(&self.at);
        match outcome {
            Ok(()) => {
                assert!(!is_fork, "a fork that is not reported");
                self.took(seen, &stored.keys);
            }
            Err(error) => {
                let rule = history::<()>(&self.keyring, Err(error));
                assert!(!is_successor, "{rule:?}: what continues the own history is refused");
            }
        }
        if is_fork {
            history(&self.keyring, write(&self.keyring));
            // What the refused write began to read in the background is done before the next step.
            assert!(self.keyring.blocking().reload().is_err());
        }
    }

    fn took(&mut self, blob: usize, keys: &Keys) {
        self.at = blob;
        for (number, key) in keys {
            self.keys.entry(*number).or_insert(*key);
        }
    }

    /// Changes the keyring; the model follows what was read and stored.
    fn change(&mut self, change: impl FnOnce(&Keyring) -> atrest::Result<()>) -> bool {
        // What the change reads first is what a reload reads.
        self.reload();
        let outcome = change(&self.keyring);
        self.front.stale.lock().unwrap().take();
        if outcome.is_ok() {
            let directory = self.front.directory.lock().unwrap();
            let (current, keys) = (directory.current, directory.blobs[directory.current].keys.clone());
            drop(directory);
            self.took(current, &keys);
        }
        outcome.is_ok()
    }

    fn write(&mut self) {
        match write(&self.keyring) {
            Ok(object) => self.objects.push(object),
            Err(_) => self.reload(),
        }
    }

    /// Checks that every acknowledged object opens, or that the error states why not.
    fn check(&self) {
        for object in &self.objects {
            let number = object.envelope.key_version().unwrap();
            let state = self.keyring.versions().iter().find(|version| version.number == number).map(|v| v.state);
            match state {
                Some(VersionState::Enabled | VersionState::Staged) => {
                    assert_eq!(read(&self.keyring, object).unwrap(), b"meow", "version {number}");
                }
                Some(_) => {}
                None => assert!(self.retired.contains(&number), "version {number} was lost without a word"),
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Rotate,
    Stage,
    Activate(u32),
    Disable(u32),
    Enable(u32),
    Retire(u32),
    Raise(u32),
    Write,
    Reload,
    Restart,
    /// An old file is put back.
    PutBack(prop::sample::Index),
    /// The next change is based on an old read, under a lock that excludes no other process.
    LoseTheLock(prop::sample::Index),
    Adopt,
    ReplaceByOwn,
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let step = prop_oneof![
        4 => Just(Step::Rotate),
        1 => Just(Step::Stage),
        1 => (1..6_u32).prop_map(Step::Activate),
        2 => (1..6_u32).prop_map(Step::Disable),
        1 => (1..6_u32).prop_map(Step::Enable),
        2 => (1..6_u32).prop_map(Step::Retire),
        1 => (1..9_u32).prop_map(Step::Raise),
        5 => Just(Step::Write),
        3 => Just(Step::Reload),
        1 => Just(Step::Restart),
        2 => any::<prop::sample::Index>().prop_map(Step::PutBack),
        2 => any::<prop::sample::Index>().prop_map(Step::LoseTheLock),
        1 => Just(Step::Adopt),
        1 => Just(Step::ReplaceByOwn),
    ];
    prop::collection::vec((any::<bool>(), step), 1..60)
}

fn take(process: &mut Process, directory: &Arc<Mutex<Directory>>, step: Step) {
    match step {
        Step::Rotate => drop(process.change(|keyring| keyring.blocking().rotate().map(drop))),
        Step::Stage => drop(process.change(|keyring| keyring.blocking().stage().map(drop))),
        Step::Activate(number) => drop(process.change(|keyring| keyring.blocking().activate(number))),
        Step::Disable(number) => drop(process.change(|keyring| keyring.blocking().disable(number))),
        Step::Enable(number) => drop(process.change(|keyring| keyring.blocking().enable(number))),
        Step::Raise(number) => drop(process.change(|keyring| keyring.blocking().raise_next_version(number))),
        Step::Retire(number) => {
            if process.change(|keyring| keyring.blocking().retire_losing_what_it_wraps(number)) {
                process.retired.insert(number);
            }
        }
        Step::Write => process.write(),
        Step::Reload => process.reload(),
        Step::Restart => *process = Process::start(directory),
        Step::PutBack(index) => {
            let mut directory = directory.lock().unwrap();
            directory.current = index.index(directory.blobs.len());
        }
        Step::LoseTheLock(index) => {
            let blob = index.index(directory.lock().unwrap().blobs.len());
            *process.front.stale.lock().unwrap() = Some(blob);
        }
        Step::Adopt => {
            process.front.stale.lock().unwrap().take();
            let lost = process.keyring.blocking().adopt_stored_losing_own_versions().unwrap();
            process.objects.retain(|object| !lost.contains(&object.envelope.key_version().unwrap()));
            let directory = directory.lock().unwrap();
            process.at = directory.current;
            // What it retired is forgotten too: the other history may give the number to another key.
            let versions = process.keyring.versions();
            process.keys.retain(|number, _| versions.iter().any(|version| version.number == *number));
            process.keys.extend(directory.blobs[directory.current].keys.clone());
            process.retired.retain(|number| !directory.blobs[directory.current].keys.contains_key(number));
        }
        Step::ReplaceByOwn => {
            process.front.stale.lock().unwrap().take();
            // What continues the own history is taken before the own state is stored.
            process.reload();
            *process.front.own.lock().unwrap() = Some((process.keys.clone(), process.at));
            process.keyring.blocking().replace_stored_by_own().unwrap();
            process.at = directory.lock().unwrap().current;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_processes_do_no_key_is_lost_unsaid_and_no_number_is_two_keys(steps in steps()) {
        let root_key = RootKey::generate().unwrap();
        let sealed = Keyring::generate().unwrap().blocking().seal(&root_key).unwrap();
        let directory = Directory { blobs: Vec::new(), current: 0, last_key: 0, root_key };
        let directory = Arc::new(Mutex::new(directory));
        directory.lock().unwrap().store(sealed, &Keys::new(), None);
        let mut processes = [Process::start(&directory), Process::start(&directory)];
        for (second, step) in steps {
            let process = &mut processes[usize::from(second)];
            take(process, &directory, step);
            for process in &processes {
                process.check();
            }
        }
        // Objects of either process never turn out as those of another key in the other, while it says that it is no
        // fork.
        let [one, two] = &mut processes;
        one.front.stale.lock().unwrap().take();
        one.reload();
        if one.keyring.blocking().reload().is_ok() {
            for object in &two.objects {
                let number = object.envelope.key_version().unwrap();
                if one.keys.get(&number) == two.keys.get(&number) {
                    prop_assert!(!matches!(read(&one.keyring, object), Err(Error::Inauthentic)));
                }
            }
        }
    }
}
