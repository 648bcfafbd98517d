//! Principals, actions and resources of a statement, and the combination of several statements.

use atrest::s3::Verdict;
use serde_json::{Value, json};

use super::kit::{ALICE, Ask, is_about, policy, statement};

#[test]
fn a_deny_wins_over_any_allow_wherever_it_stands_and_what_no_statement_is_about_is_neither() {
    let allow = statement(json!({"Effect": "Allow"}));
    let deny = statement(json!({"Action": "s3:PutObject"}));
    let other = statement(json!({"Resource": "arn:aws:s3:::other/*"}));
    let verdict =
        |statements: &[&Value]| Ask::new("s3:PutObject").of(&policy(&json!({"Statement": statements}).to_string()));
    assert_eq!(verdict(&[&allow]), Verdict::Allow);
    assert_eq!(verdict(&[&deny]), Verdict::Deny);
    assert_eq!(verdict(&[&other]), Verdict::Neither);
    assert_eq!(verdict(&[&other, &allow]), Verdict::Allow);
    assert_eq!(verdict(&[&allow, &other]), Verdict::Allow);
    for statements in
        [[&allow, &deny, &other], [&deny, &allow, &other], [&other, &allow, &deny], [&allow, &allow, &deny]]
    {
        assert_eq!(verdict(&statements), Verdict::Deny);
    }
    let one = json!({"Version": "2012-10-17", "Id": "", "Statement": allow}).to_string();
    assert_eq!(Ask::new("s3:PutObject").of(&policy(&one)), Verdict::Allow, "one statement needs no list");
}

#[test]
fn statements_without_a_name_may_be_many() {
    let unnamed = statement(json!({"Sid": ""}));
    policy(&json!({"Statement": [unnamed, unnamed, statement(json!({})), statement(json!({"Sid": "1"}))]}).to_string());
}

#[test]
fn an_action_is_matched_with_wildcards_and_in_any_case() {
    let table: &[(Value, &[&str], &[&str])] = &[
        (
            json!("s3:PutObject"),
            &["s3:PutObject", "S3:putobject", "s3:PUTOBJECT"],
            &["s3:PutObjectAcl", "s3:GetObject"],
        ),
        (json!("S3:pUTobject"), &["s3:PutObject"], &["s3:PutObjec"]),
        (json!("*"), &["s3:PutObject", "s3:ListBucket"], &[]),
        (json!("s3:*"), &["s3:PutObject", "s3:ListBucket"], &["ec2:RunInstances", "s3", "xs3:GetObject"]),
        (json!("s3:*Object"), &["s3:PutObject", "s3:getobject", "s3:Object"], &["s3:PutObjectAcl", "s3:objec"]),
        (json!("s3:?etObject*"), &["s3:GetObject", "s3:GetObjectVersion"], &["s3:PutObject", "s3:etObject"]),
        (json!("s3:*OBJECT*acl"), &["s3:PutObjectAcl", "s3:PutObjectVersionAcl"], &["s3:PutBucketAcl"]),
        (json!(["s3:GetObject", "s3:Put*"]), &["s3:GetObject", "s3:PutObject"], &["s3:ListBucket"]),
    ];
    for (actions, about, not_about) in table {
        for (action, expected) in about.iter().map(|action| (action, true)).chain(not_about.iter().map(|a| (a, false)))
        {
            assert_eq!(is_about(json!({"Action": actions}), Ask::new(action)), expected, "{actions} {action}");
        }
    }
}

#[test]
fn a_resource_is_matched_with_wildcards_that_stand_for_slashes_and_colons_too() {
    let table: &[(Value, &[&str], &[&str])] = &[
        (json!("b"), &["b"], &["b/", "b/k", "B", "bb"]),
        (json!("b/*"), &["b/", "b/k", "b/a/b:c", "b/*"], &["b", "B/k", "bb/k"]),
        (json!("b*"), &["b", "b/k", "bb/k"], &["a"]),
        (json!("*/k"), &["b/k", "other/a/k"], &["b/K", "b/k/"]),
        (json!("b/?"), &["b/k", "b/é", "b/🦀", "b/?"], &["b/", "b/kk", "b/e\u{301}"]),
        (json!("b/*?é"), &["b/xé", "b/éé", "b/éxé"], &["b/é", "b/xe"]),
        (json!("b/??*"), &["b/éé", "b/abc"], &["b/é"]),
        (json!("b/*ab*ab*"), &["b/abab", "b/xabyabz"], &["b/ab", "b/aba"]),
        (json!("b/*ab"), &["b/ab", "b/aab", "b/abab"], &["b/aba"]),
        (json!("b/a*a"), &["b/aa", "b/aba"], &["b/a"]),
        (json!("b/*a?c*c"), &["b/abcc", "b/aabcxc"], &["b/abc"]),
        (json!("b/**k"), &["b/k", "b/xk"], &["b/"]),
        (json!("b/$}{"), &["b/$}{"], &["b/"]),
        (json!(["b", "b/k"]), &["b", "b/k"], &["b/l"]),
    ];
    let arn = |text: &str| format!("arn:aws:s3:::{text}");
    for (resources, about, not_about) in table {
        let patterns = match resources {
            Value::Array(list) => list.iter().map(|one| arn(one.as_str().unwrap())).collect(),
            one => Value::from(arn(one.as_str().unwrap())),
        };
        for (name, expected) in about.iter().map(|name| (name, true)).chain(not_about.iter().map(|name| (name, false)))
        {
            let resource = arn(name);
            let ask = Ask { resource: &resource, ..Ask::new("s3:GetObject") };
            assert_eq!(is_about(json!({"Resource": patterns}), ask), expected, "{resources} {name}");
        }
    }
}

#[test]
fn a_wildcard_pattern_made_to_be_slow_is_answered() {
    // As many as a document may hold.
    for (part, times) in [("*a", 400), ("*a?", 25), ("*a*", 400)] {
        let pattern = format!("arn:aws:s3:::b/{}b", part.repeat(times));
        let resource = format!("arn:aws:s3:::b/{}", "a".repeat(1024));
        let ask = Ask { resource: &resource, ..Ask::new("s3:GetObject") };
        assert!(!is_about(json!({"Resource": pattern}), ask));
        let resource = format!("{resource}b");
        assert!(is_about(json!({"Resource": pattern}), Ask { resource: &resource, ..ask }));
    }
}

#[test]
fn a_principal_is_everyone_an_account_a_user_a_role_or_a_session() {
    const BOB: &str = "arn:aws:iam::111122223333:user/bob";
    const ROLE: &str = "arn:aws:iam::111122223333:role/team/writer";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/writer/one";
    const OTHER_ROLE: &str = "arn:aws:sts::111122223333:assumed-role/writer2/one";
    const STRANGER: &str = "arn:aws:iam::444455556666:user/alice";
    const FEDERATED: &str = "arn:aws:sts::111122223333:federated-user/carol";
    const EVERYONE: &[&str] = &["", ALICE, BOB, ROLE, SESSION, OTHER_ROLE, STRANGER, FEDERATED, "111122223333"];
    const ACCOUNT: &[&str] = &[ALICE, BOB, ROLE, SESSION, OTHER_ROLE, FEDERATED, "111122223333"];
    let table: &[(Value, &[&str])] = &[
        (json!("*"), EVERYONE),
        (json!({"AWS": "*"}), EVERYONE),
        (json!({"AWS": ["*"]}), EVERYONE),
        (json!({"AWS": [ALICE, "*"]}), EVERYONE),
        (json!({"AWS": "111122223333"}), ACCOUNT),
        (json!({"AWS": "arn:aws:iam::111122223333:root"}), ACCOUNT),
        (json!({"AWS": ALICE}), &[ALICE]),
        (json!({"AWS": [ALICE, STRANGER]}), &[ALICE, STRANGER]),
        (json!({"AWS": ROLE}), &[ROLE, SESSION]),
        (json!({"AWS": "arn:aws:iam::111122223333:role/writer"}), &[SESSION]),
        (json!({"AWS": "arn:aws:iam::444455556666:role/writer"}), &[]),
        (json!({"AWS": SESSION}), &[SESSION]),
        (json!({"AWS": FEDERATED}), &[FEDERATED]),
        (json!({"AWS": "444455556666"}), &[STRANGER]),
        (json!({"AWS": "arn:aws:iam:::user/alice"}), &[]),
    ];
    for (principals, included) in table {
        for name in EVERYONE {
            let principal = Some(*name).filter(|name| !name.is_empty());
            let ask = Ask { principal, ..Ask::new("s3:GetObject") };
            assert_eq!(
                is_about(json!({"Principal": principals}), ask),
                included.contains(name),
                "{principals} {name:?}"
            );
        }
    }
    // A session is what the session service says it is.
    let ask = Ask { principal: Some("arn:aws:iam::111122223333:assumed-role/writer/one"), ..Ask::new("s3:GetObject") };
    assert!(!is_about(json!({"Principal": {"AWS": ROLE}}), ask));
    // What is no principal at all is in no account.
    for principal in ["alice", "arn:aws:s3::111122223333:x", "arn:aws:iam::111122223333", ":111122223333:", ""] {
        let ask = Ask { principal: Some(principal), ..Ask::new("s3:GetObject") };
        assert!(!is_about(json!({"Principal": {"AWS": ["111122223333", ALICE, ROLE]}}), ask), "{principal}");
        assert!(is_about(json!({"Principal": "*"}), ask));
    }
}
