//! Recorded answers of S3 about encryption, reproduced exactly: see `tests/recorded/README.md`.

mod answer;
mod bucket_keys;
mod case;
mod compare;
mod service;
mod world;

use std::collections::BTreeMap;

use answer::answer;
use case::{Case, File};
use compare::differences;
use world::World;

const OWN: &str = include_str!("../../recorded/cases.json");

/// The cases of a file. A case of another form is returned as text, with the reason.
fn read(text: &str) -> Vec<Result<Case, String>> {
    let file: File = serde_json::from_str(text).expect("a file of recorded cases");
    let of_form =
        |case: serde_json::Value| serde_json::from_value(case.clone()).map_err(|error| format!("{case}: {error}"));
    file.cases.into_iter().map(of_form).collect()
}

fn cases(text: &str) -> Vec<Case> {
    read(text).into_iter().collect::<Result<_, _>>().expect("cases of the form")
}

#[test]
fn every_recorded_request_is_answered_as_recorded() {
    let other = std::env::var_os("ATREST_RECORDED");
    let text = other.as_ref().map_or_else(|| OWN.to_owned(), |path| std::fs::read_to_string(path).expect("the file"));
    let cases = read(&text);
    assert!(!cases.is_empty(), "no case");
    let world = World::new(true);
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut different, mut not_run) = (Vec::new(), Vec::new());
    for case in &cases {
        let case = match case {
            Ok(case) => case,
            Err(why) => {
                not_run.push(format!("cannot be run: {why}"));
                continue;
            }
        };
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

#[test]
fn a_difference_from_what_was_recorded_is_seen() {
    let world = World::new(true);
    let spoilt = |name: &str, value: &str| {
        let mut file: serde_json::Value = serde_json::from_str(OWN).unwrap();
        for case in file["cases"].as_array_mut().unwrap() {
            if case["expect"].get(name).is_some() {
                case["expect"][name] = serde_json::from_str(value).unwrap();
            }
        }
        let cases = cases(&file.to_string());
        let answers = cases.iter().map(|case| differences(&world, case, &answer(&world, case).unwrap()));
        answers.filter(|differences| !differences.is_empty()).count()
    };
    assert_eq!(spoilt("grade", "\"R\""), 0);
    for (name, value) in [
        ("status", "418"),
        ("code", "\"Other\""),
        ("message", "\"other\""),
        ("argument", "[\"other\", null]"),
        ("headers", "{\"other\": \"header\"}"),
        ("etag", "\"other\""),
        ("rule", "{\"algorithm\": \"other\"}"),
        ("order", "[\"Other\"]"),
    ] {
        assert!(spoilt(name, value) > 0, "{name}");
    }
}

/// A case of another form is reported, and hides no other.
#[test]
fn a_case_that_cannot_be_read_is_told_apart_from_the_others() {
    let text = r#"{"cases": [
        {"case": 1, "group": "g", "op": "PutObject", "headers": [["x-amz-server-side-encryption"]], "expect": {}},
        {"case": "2", "group": "g", "op": "PutBucketEncryption", "bucket": {"blocks": true}, "expect": {"status": 200},
         "rules": [{"algorithm": "AES256", "bucket_key": 1}]}
    ]}"#;
    let read = read(text);
    assert!(read[0].as_ref().err().unwrap().contains(r#""case":1"#));
    let case = read[1].as_ref().ok().unwrap();
    let world = World::new(true);
    let answer = answer(&world, case).unwrap();
    assert!(differences(&world, case, &answer).is_empty());
    let configuration = answer.configuration.unwrap();
    assert!(configuration.contains("<BucketKeyEnabled>true") && configuration.contains("<EncryptionType>SSE-C"));
}

/// An error names an unusable KMS key as the service does, however the request named it.
#[test]
fn an_error_of_the_kms_names_the_resolved_key() {
    let world = World::new(false);
    let uuid = "134f2428-cec1-4b25-a1ae-9048164dba47";
    let account = "arn:aws:kms:us-east-1:111111111111";
    let told = |named: &str, state: Option<&str>| {
        let mut case: Case = cases(OWN).into_iter().find(|case| case.op == "PutObject").unwrap();
        case.kms = state.map(str::to_owned);
        case.headers = vec![
            ("x-amz-server-side-encryption".to_owned(), "aws:kms".to_owned()),
            ("x-amz-server-side-encryption-aws-kms-key-id".to_owned(), named.to_owned()),
        ];
        answer(&world, &case).unwrap().error.expect("it is refused").error.message()
    };
    let app = world.fill("{arn:app}");
    let (_, id) = app.rsplit_once('/').unwrap();
    for named in [&*app, id, "alias/app", &format!("{account}:alias/app")] {
        assert_eq!(told(named, Some("disabled")), format!("{app} is disabled."), "{named}");
        assert_eq!(told(named, Some("pending")), format!("{app} is pending deletion."), "{named}");
    }
    assert_eq!(told(uuid, None), format!("Key '{account}:key/{uuid}' does not exist"));
    assert_eq!(told(&format!("{account}:key/{uuid}"), None), format!("Key '{account}:key/{uuid}' does not exist"));
    assert_eq!(told("alias/nope", None), format!("Alias {account}:alias/nope is not found."));
    assert_eq!(told(&format!("{account}:alias/nope"), None), format!("Alias {account}:alias/nope is not found."));
    assert_eq!(told("word", None), "Invalid keyId 'word'");
    assert_eq!(told(&format!("arn:aws:kms:eu-west-1:111111111111:key/{uuid}"), None), "Invalid arn eu-west-1");
    let mrk = "mrk-134f2428cec14b25a1ae9048164dba47";
    assert_eq!(told(mrk, None), format!("Key '{account}:key/{mrk}' does not exist"));
}
