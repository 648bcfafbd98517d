//! Every recorded answer about encryption is given as it was recorded: see `tests/recorded/README.md`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "recorded/answer.rs"]
mod answer;
#[path = "recorded/case.rs"]
mod case;
#[path = "recorded/compare.rs"]
mod compare;
#[path = "recorded/world.rs"]
mod world;

use std::collections::BTreeMap;

use answer::answer;
use case::{Case, File};
use compare::differences;
use world::World;

const OWN: &str = include_str!("recorded/cases.json");

fn cases(text: &str) -> Vec<Case> {
    serde_json::from_str::<File>(text).expect("a file of recorded cases").cases
}

#[test]
fn every_recorded_request_is_answered_as_recorded() {
    let other = std::env::var_os("ATREST_RECORDED");
    let text = other.as_ref().map_or_else(|| OWN.to_owned(), |path| std::fs::read_to_string(path).expect("the file"));
    let cases = cases(&text);
    assert!(!cases.is_empty(), "no case");
    let world = World::new(true);
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut different, mut not_run) = (Vec::new(), Vec::new());
    for case in &cases {
        let (agree, total) = groups.entry(&case.group).or_default();
        *total += 1;
        match answer(&world, case) {
            Err(why) => not_run.push(format!("{} {}: cannot be run: {why}", case.case, case.op)),
            Ok(answer) => {
                let differences = differences(&world, case, &answer);
                if differences.is_empty() {
                    *agree += 1;
                } else {
                    different.push(format!("{} {}: {}", case.case, case.op, differences.join("; ")));
                }
            }
        }
    }
    for (group, (agree, total)) in groups {
        println!("{group} {agree} of {total}");
    }
    let shown = different.join("\n");
    if other.is_some() {
        println!("{shown}");
    } else {
        assert!(different.is_empty(), "{} cases are answered otherwise:\n{shown}", different.len());
    }
    assert!(not_run.is_empty(), "{}", not_run.join("\n"));
}

#[test]
fn a_service_that_applies_no_bucket_keys_answers_none_of_the_recorded_requests_with_one() {
    let world = World::new(false);
    let mut with_it_on = 0;
    let on = World::new(true);
    for case in cases(OWN) {
        let has_bucket_key = |world: &World| {
            let answer = answer(world, &case).expect("a case that can be run");
            answer
                .headers
                .is_some_and(|headers| headers.contains_key("x-amz-server-side-encryption-bucket-key-enabled"))
        };
        assert!(!has_bucket_key(&world), "{} {}", case.case, case.op);
        with_it_on += usize::from(has_bucket_key(&on));
    }
    assert!(with_it_on >= 10, "the cases ask for bucket keys: {with_it_on}");
}
