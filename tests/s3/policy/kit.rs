//! Test kit: requests and policy documents.

use atrest::s3::{BucketPolicy, ConditionValues, PolicyRequest, Verdict};
use serde_json::{Value, json};

pub(crate) const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

/// Five policies that services have: TLS, encryption, a KMS key of the owner, no customer keys, and the writers.
pub(crate) const FIVE: &str = r#"{"Version": "2012-10-17", "Id": "five", "Statement": [
    {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    {"Sid": "Kms", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*",
     "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": ["aws:kms", "aws:kms:dsse"]}}},
    {"Sid": "Key", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*",
     "Condition": {"ArnNotLikeIfExists":
        {"s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:*:111122223333:key/*"}}},
    {"Sid": "NoCustomerKeys", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*",
     "Condition": {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}},
    {"Sid": "Writers", "Effect": "Allow", "Principal": {"AWS": ["444455556666", "arn:aws:iam::111122223333:user/alice"]},
     "Action": ["s3:GetObject*", "s3:PutObject"], "Resource": "arn:aws:s3:::b/*"}
]}"#;

#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) principal: Option<&'a str>,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) values: ConditionValues<'a>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(action: &'a str) -> Self {
        let resource = "arn:aws:s3:::b/photos/cat.jpg";
        Self { principal: Some(ALICE), action, resource, values: ConditionValues::new(true) }
    }

    pub(crate) fn of(&self, policy: &BucketPolicy) -> Verdict {
        let Self { principal, action, resource, values } = *self;
        policy.evaluate(&PolicyRequest { principal, action, resource, conditions: &values })
    }
}

pub(crate) fn policy(document: &str) -> BucketPolicy {
    BucketPolicy::from_json(document.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

/// A statement that denies everything, with some of its elements set otherwise; null leaves one out.
pub(crate) fn statement(changes: Value) -> Value {
    let mut statement = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"});
    for (element, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => statement.as_object_mut().unwrap().remove(element),
            value => statement.as_object_mut().unwrap().insert(element.clone(), value.clone()),
        };
    }
    statement
}

/// The document of such a statement.
pub(crate) fn document(changes: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": [statement(changes)]}).to_string()
}

/// Whether such a statement is about the request.
pub(crate) fn is_about(changes: Value, ask: Ask<'_>) -> bool {
    match ask.of(&policy(&document(changes))) {
        Verdict::Deny => true,
        Verdict::Neither => false,
        Verdict::Allow => panic!("nothing is allowed"),
    }
}
