//! `World`: a store, its acknowledged objects, and the checks after a process was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::program::{CHUNK_LEN, MODES, Program, Run, all_files, customer_key_for, pattern};

/// The task during which the program is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A put into a store that does not exist yet.
    FirstPut,
    Put,
    PutInParts,
    PutDirectory,
    Rotate,
    Rewrap,
    EncryptExisting,
}

/// One call of the program, to be killed and then repeated.
pub(crate) struct Attempt {
    pub(crate) arguments: Vec<String>,
    task: Task,
    /// The objects under these names after the call has ended.
    writes: BTreeMap<String, Vec<u8>>,
}

pub(crate) struct World {
    pub(crate) program: Program,
    /// The stored objects that have been acknowledged or seen.
    objects: BTreeMap<String, Vec<u8>>,
    /// The unencrypted files of an older program.
    plain: BTreeMap<String, Vec<u8>>,
    /// The highest version that the program has reported as the primary.
    primary: u32,
    attempts: usize,
}

impl World {
    /// Creates a store with an object in every mode and one in parts, except for a first put.
    pub(crate) fn new(task: Task) -> Self {
        Self::of(Program::new(), task)
    }

    pub(crate) fn of(program: Program, task: Task) -> Self {
        let mut world = Self { program, objects: BTreeMap::new(), plain: BTreeMap::new(), primary: 1, attempts: 0 };
        if task != Task::FirstPut {
            for mode in MODES {
                let bytes = pattern(CHUNK_LEN + mode.len());
                world.program.put(mode, mode, &bytes);
                world.objects.insert((*mode).to_owned(), bytes);
            }
            let attempt = world.attempt(Task::PutInParts);
            let run = world.program.run(&attempt.arguments);
            assert_eq!(run.code, Some(0), "{}", run.stderr);
            world.check_after(&attempt, &run, "its beginning");
        }
        world
    }

    /// The next call, with contents that never existed before.
    pub(crate) fn attempt(&mut self, task: Task) -> Attempt {
        self.attempts += 1;
        let attempts = self.attempts;
        let contents = |len: usize| pattern(len + attempts)[attempts..].to_vec();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut writes = BTreeMap::new();
        let arguments = match task {
            Task::FirstPut | Task::Put => {
                writes.insert("sse-s3".to_owned(), contents(300_000));
                if task == Task::Put {
                    self.leave_in_the_clear("sse-s3", contents(1_000));
                }
                words(&["put", "sse-s3", "source"])
            }
            Task::PutInParts => {
                writes.insert("in-parts".to_owned(), contents(300_000));
                self.leave_in_the_clear("in-parts", contents(1_000));
                words(&["put", "--part-size", "40000", "--threads", "3", "in-parts", "source"])
            }
            Task::PutDirectory => {
                for number in 0..4 {
                    let name = format!("directory/{number}");
                    let bytes = contents(20_000 * (number + 1));
                    let path = self.program.path("sources").join(&name);
                    fs::create_dir_all(path.parent().expect("it has one")).expect("made");
                    fs::write(&path, &bytes).expect("written");
                    writes.insert(name, bytes);
                }
                words(&["put", "--part-size", "50000", "sources"])
            }
            Task::Rotate => words(&["rotate"]),
            Task::Rewrap => {
                self.rotate();
                words(&["rewrap"])
            }
            Task::EncryptExisting => {
                for number in 0..3 {
                    let name = format!("old/{attempts}-{number}");
                    let bytes = contents(20_000 * (number + 1));
                    self.leave_in_the_clear(&name, bytes.clone());
                    writes.insert(name, bytes);
                }
                words(&["encrypt-existing"])
            }
        };
        if let [(_, bytes)] = &writes.iter().collect::<Vec<_>>()[..] {
            fs::write(self.program.path("source"), bytes).expect("written");
        }
        Attempt { arguments, task, writes }
    }

    /// Checks, whatever happened to the program, that every acknowledged object exists and that no object is
    /// incomplete.
    #[track_caller]
    pub(crate) fn check_after(&mut self, attempt: &Attempt, run: &Run, at: &str) {
        let task = attempt.task;
        let done = run.code == Some(0);
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        if !self.program.path("atrest-store").exists() {
            assert!(!done && task == Task::FirstPut, "{task:?} at {at}: the store is gone");
            return;
        }
        let names: BTreeSet<_> = self.objects.keys().chain(attempt.writes.keys()).cloned().collect();
        for name in names {
            let found = self.cat(&name);
            let new = attempt.writes.get(&name);
            let old = self.objects.get(&name);
            let is_new = new.is_some() && found.as_ref() == new;
            if new.is_some() && (done || acknowledged(&said, &name)) {
                assert!(is_new, "{task:?} at {at}: {name} is not what was acknowledged");
            } else {
                assert!(is_new || found.as_ref() == old, "{task:?} at {at}: {name} is neither the old nor the new");
            }
            if let Some(bytes) = found {
                self.objects.insert(name, bytes);
            }
        }
        self.check_plain(attempt, done, at);
        self.check_versions(task, done, &said, at);
        self.check_inventory(task, at);

        self.program.ok(["gc"]);
        assert_eq!(self.program.files("tmp").len() + self.program.files("uploads").len(), 0, "{task:?} at {at}");
        let bodies = fs::read_dir(self.program.path("atrest-store/bodies")).expect("there").count();
        assert_eq!(bodies, self.objects.len(), "{task:?} at {at}: orphaned bodies");
        let verified = self.program.ok_text(["verify", "--customer-key", "customer.key"]);
        let all = self.objects.len();
        assert!(verified.ends_with(&format!("{all} of {all} verified\n")), "{task:?} at {at}: {verified}");
    }

    /// Checks that each unencrypted file still exists, or is an object, or was overwritten by an object; briefly file
    /// and object may both exist, but one of them always does.
    fn check_plain(&mut self, attempt: &Attempt, done: bool, at: &str) {
        let task = attempt.task;
        let mut left = BTreeMap::new();
        for (name, bytes) in std::mem::take(&mut self.plain) {
            let object = self.objects.get(&name);
            let replaced = object.is_some() && (object == Some(&bytes) || object == attempt.writes.get(&name));
            match fs::read(self.plain_path(&name)) {
                Ok(found) => {
                    assert!(!done, "{task:?} at {at}: {name} is still unencrypted");
                    assert_eq!(found, bytes, "{task:?} at {at}: {name}");
                    left.insert(name, bytes);
                }
                Err(_) => assert!(replaced, "{task:?} at {at}: {name} is lost"),
            }
        }
        self.plain = left;
    }

    /// Checks that the primary never decreases, and that a complete rewrap leaves no object under an older version.
    fn check_versions(&mut self, task: Task, done: bool, said: &str, at: &str) {
        if let Some(primary) = primary_in(said) {
            assert!(primary > self.primary, "{task:?} at {at}: {primary} after {}", self.primary);
            self.primary = primary;
        }
        if task == Task::Rewrap && done {
            for row in self.inventory() {
                let version = &row["key_version"];
                assert!(version.is_null() || *version == self.primary, "{task:?} at {at}: {row}");
            }
        }
    }

    /// Checks that the inventory lists every entry, encrypted or not, without problems.
    fn check_inventory(&self, task: Task, at: &str) {
        let (mut encrypted, mut in_the_clear) = (BTreeSet::new(), BTreeSet::new());
        for row in self.inventory() {
            assert!(row["problem"].is_null(), "{task:?} at {at}: {row}");
            if !row["upload_id"].is_null() {
                continue; // a file of a killed writer
            }
            let name = row["key"].as_str().expect("a name").to_owned();
            let set = if row["status"] == "NOT-SSE" { &mut in_the_clear } else { &mut encrypted };
            assert!(set.insert(name), "{task:?} at {at}: {row} twice");
        }
        assert_eq!(encrypted, self.objects.keys().cloned().collect(), "{task:?} at {at}");
        let plain = self.program.path("atrest-store/plain");
        let files = if plain.exists() { all_files(&plain).len() } else { 0 };
        assert_eq!(in_the_clear.len(), files, "{task:?} at {at}");
    }

    fn leave_in_the_clear(&mut self, name: &str, bytes: Vec<u8>) {
        let path = self.plain_path(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("made");
        fs::write(&path, &bytes).expect("written");
        self.plain.insert(name.to_owned(), bytes);
    }

    fn inventory(&self) -> Vec<serde_json::Value> {
        let rows = self.program.ok_text(["inventory", "--json"]);
        rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect()
    }

    fn rotate(&mut self) {
        let said = self.program.ok_text(["rotate"]);
        self.primary = primary_in(&said).expect("it says which");
    }

    /// An object's contents; `None` if it does not exist.
    fn cat(&self, name: &str) -> Option<Vec<u8>> {
        let mut arguments = vec!["cat", name];
        arguments.extend(customer_key_for(name));
        let run = self.program.run(arguments);
        if run.code != Some(0) {
            assert!(run.stderr.contains("no such object"), "{name}: {}", run.stderr);
            return None;
        }
        Some(run.stdout)
    }

    fn plain_path(&self, name: &str) -> std::path::PathBuf {
        self.program.path("atrest-store/plain").join(name)
    }
}

/// Whether the program has reported an object as stored.
fn acknowledged(said: &str, name: &str) -> bool {
    let complete = &said[..said.rfind('\n').map_or(0, |end| end + 1)];
    complete.lines().any(|line| {
        line.starts_with(&format!("stored {name}: ")) || (line.starts_with("encrypted ") && line.ends_with(name))
    })
}

fn primary_in(said: &str) -> Option<u32> {
    let version = said.lines().find_map(|line| line.strip_prefix("the primary is now version "))?;
    Some(version.parse().expect("a number"))
}
