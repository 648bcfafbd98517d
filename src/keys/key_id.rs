//! Rules for ids of KMS keys: which can be stored, which are aliases, which name one key, which name replicas.

/// The maximum length of a key id in bytes.
pub(crate) const MAX_KEY_ID_LEN: usize = 2_048;

/// Returns whether a key id can be stored: 1 to 2,048 bytes, no control character.
pub(crate) fn is_key_id(key_id: &str) -> bool {
    (1..=MAX_KEY_ID_LEN).contains(&key_id.len()) && !key_id.chars().any(char::is_control)
}

/// Returns whether the key id is an alias (`alias/..` or its ARN), which may name another key later.
pub(crate) fn is_alias(key_id: &str) -> bool {
    key_id.starts_with("alias/") || Arn::parse(key_id).is_some_and(|arn| arn.resource.starts_with("alias/"))
}

/// Returns whether the key id is the ARN of one key: `arn:aws:kms:REGION:ACCOUNT:key/..`.
pub(crate) fn is_key_arn(key_id: &str) -> bool {
    Arn::parse(key_id).is_some_and(|arn| arn.service == "kms" && arn.resource.starts_with("key/"))
}

/// Returns whether both are ARNs of one multi-Region key in different Regions: same partition, account and id, and the
/// id begins with `mrk-`.
///
/// Spec: AWS KMS, "Multi-Region keys in AWS KMS".
pub(crate) fn are_replicas(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (Arn::parse(one), Arn::parse(other)) else { return false };
    let is_multi_region = one.resource.strip_prefix("key/mrk-").is_some_and(|id| !id.is_empty());
    is_multi_region && Arn { region: "", ..one } == Arn { region: "", ..other } && one.service == "kms"
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.strip_prefix("arn:")?.splitn(5, ':');
        let mut next = || fields.next();
        let (partition, service, region, account, resource) = (next()?, next()?, next()?, next()?, next()?);
        Some(Self { partition, service, region, account, resource })
    }
}
