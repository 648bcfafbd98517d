//! The `files` example, killed at every step between two writes, and at random moments. Every acknowledged object
//! survives, an interrupted write leaves the whole old or the whole new object, and the next run succeeds.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::Run;
use crate::steps::{self, Step};
use crate::world::{Task, World};

/// The steps of each task, in the order in which the program reaches them.
const STOPS: &[(Task, &[&str])] = &[
    (Task::FirstPut, &["store-built", "temporary-made", "body-written", "body-moved", "record-written"]),
    (
        Task::Put,
        &[
            "temporary-made",
            "body-written",
            "body-moved",
            "temporary-made:2",
            "record-written",
            "record-replaced",
            "old-body-removed",
            "plain-overwritten",
        ],
    ),
    (
        Task::PutInParts,
        &[
            "upload-made",
            "temporary-made",
            "record-written",
            "upload-begun",
            "part-written",
            "part-stored",
            "manifest-written",
            "body-moved",
            "temporary-made:2",
            "record-written:2",
            "record-replaced",
            "old-body-removed",
            "upload-committed",
            "plain-overwritten",
        ],
    ),
    (Task::PutDirectory, &["body-written", "body-moved", "record-written", "record-replaced", "old-body-removed"]),
    (Task::Rotate, &["rotated"]),
    (Task::Rewrap, &["temporary-made", "record-written", "envelope-replaced", "cursor-stored", "report-stored"]),
    (
        Task::EncryptExisting,
        &[
            "temporary-made",
            "body-written",
            "body-moved",
            "record-written",
            "record-replaced",
            "plain-encrypted",
            "plain-removed",
        ],
    ),
];

#[test]
fn a_program_that_stops_between_any_two_steps_loses_nothing() {
    let visited = stop_at_each_step(STOPS.iter(), World::new);
    let all: BTreeSet<_> = Step::NAMES.iter().copied().collect();
    assert_eq!(visited, all, "every step is visited");
}

/// The library writes the file of an embedded KMS, and its own tests kill it there.
#[cfg(feature = "embedded-kms")]
#[test]
fn a_program_that_stops_leaves_a_store_with_an_embedded_kms_that_opens() {
    let embedded = |task| World::of(crate::program::Program::with_options(&["--kms", "embedded"]), task);
    stop_at_each_step(STOPS.iter().filter(|(task, _)| matches!(task, Task::FirstPut | Task::Rewrap)), embedded);
}

/// Returns the steps that were visited.
fn stop_at_each_step<'a>(
    stops: impl Iterator<Item = &'a (Task, &'static [&'static str])>,
    new_world: impl Fn(Task) -> World,
) -> BTreeSet<&'static str> {
    let mut visited = BTreeSet::new();
    for &(task, stops) in stops {
        let mut world = new_world(task);
        for step in stops {
            let attempt = world.attempt(task);
            let run = world.program.stop_at(step, &attempt.arguments);
            world.check_after(&attempt, &run, step);
            visited.insert(steps::parse(step).expect("a step").0);

            let run = world.program.run(&attempt.arguments);
            assert_eq!(run.code, Some(0), "{task:?} after {step}: {}", run.stderr);
            world.check_after(&attempt, &run, step);
            // Only the first put creates the store.
            if task == Task::FirstPut {
                world = new_world(task);
            }
        }
    }
    visited
}

#[test]
fn a_program_that_is_killed_at_any_moment_loses_nothing() {
    let rounds = std::env::var("FILES_KILL_ROUNDS").map_or(40, |rounds| rounds.parse().expect("a number"));
    let mut worlds: Vec<_> = STOPS.iter().map(|(task, _)| (*task, World::new(*task), Duration::ZERO)).collect();
    for (task, world, took) in &mut worlds {
        *took = run_to_the_end(*task, world);
    }
    let mut killed = 0;
    for round in 0..rounds {
        let at = round % worlds.len();
        let (task, world, took) = &mut worlds[at];
        if *task == Task::FirstPut {
            *world = World::new(*task);
        }
        let attempt = world.attempt(*task);
        let delay = took.mul_f64(random_fraction());
        let mut child = world.program.spawn(&attempt.arguments);
        thread::sleep(delay);
        let _ = child.kill(); // the process may have ended already
        let run = Run::from(child.wait_with_output().expect("it has ended"));
        killed += usize::from(run.code.is_none());
        world.check_after(&attempt, &run, &format!("{delay:?}"));

        let run = world.program.run(&attempt.arguments);
        assert_eq!(run.code, Some(0), "{task:?} after {delay:?}: {}", run.stderr);
        world.check_after(&attempt, &run, &format!("{delay:?}"));
    }
    #[cfg(unix)]
    assert!(killed > 0, "none of {rounds} was killed before its end");
    #[cfg(not(unix))]
    let _ = killed;
}

fn run_to_the_end(task: Task, world: &mut World) -> Duration {
    let attempt = world.attempt(task);
    let began = Instant::now();
    let run = world.program.run(&attempt.arguments);
    let took = began.elapsed();
    assert_eq!(run.code, Some(0), "{task:?}: {}", run.stderr);
    world.check_after(&attempt, &run, "its end");
    took
}

/// A random number from 0 to 1, different in every run.
fn random_fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random % 10_000) as f64 / 10_000.0
}
