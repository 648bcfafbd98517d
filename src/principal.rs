// Floor 0, a noun: any module may use it.
//! [`Identity`], the requester, and the rule for which principals of a policy cover it. Bucket policies and KMS key
//! policies share the rule.
//!
//! Spec: AWS IAM User Guide, "AWS JSON policy elements: Principal".

/// The requester: an ARN, an account id or another name, parsed once for all principals of a policy.
#[derive(Clone, Copy)]
pub(crate) struct Identity<'a> {
    text: &'a str,
    arn: Option<Arn<'a>>,
}

impl<'a> Identity<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, arn: Arn::parse(text) }
    }

    /// Returns whether a principal of a policy covers this identity: it is the identity itself, its role or its
    /// account.
    pub(crate) fn is_covered_by(&self, listed: &str) -> bool {
        self.is_named_by(listed) || account(listed).is_some_and(|account| self.account() == Some(account))
    }

    /// Returns the same as `is_covered_by`, but an account covers only its root user. Lists of exceptions use it,
    /// because they list an exception's account beside the exception.
    pub(crate) fn is_named_by(&self, listed: &str) -> bool {
        listed == self.text || self.is_root_of(listed) || self.is_session_of(listed)
    }

    fn account(&self) -> Option<&'a str> {
        self.arn.map_or_else(|| account(self.text), |arn| Some(arn.account))
    }

    /// Returns whether both are the same account, written as its id or as its root's ARN.
    fn is_root_of(&self, listed: &str) -> bool {
        account(self.text).is_some_and(|id| account(listed) == Some(id))
    }

    /// Returns whether this is a session of the listed role. A session's ARN has the role's account and name, but not
    /// its path.
    fn is_session_of(&self, listed: &str) -> bool {
        let session = self.arn.filter(|arn| arn.service == "sts");
        let session =
            session.and_then(|arn| Some((arn, arn.resource.strip_prefix("assumed-role/")?.split_once('/')?.0)));
        let Some((session, role)) = session else {
            return false;
        };
        let listed = Arn::parse(listed).filter(|arn| arn.service == "iam" && arn.account == session.account);
        let path = listed.and_then(|arn| arn.resource.strip_prefix("role/"));
        path.is_some_and(|path| path.rsplit_once('/').map_or(path, |(_, name)| name) == role)
    }
}

/// Returns the account that a principal names as a whole, by its id or by its root's ARN.
fn account(text: &str) -> Option<&str> {
    if is_account_id(text) {
        return Some(text);
    }
    let root = Arn::parse(text).filter(|arn| arn.service == "iam" && arn.resource == "root");
    root.map(|arn| arn.account).filter(|account| !account.is_empty())
}

/// Returns whether the text is an account id: twelve digits.
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An ARN of IAM or STS, which have no regions: `arn:aws:iam::ACCOUNT:RESOURCE`.
#[derive(Clone, Copy)]
pub(crate) struct Arn<'a> {
    pub(crate) service: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (service, rest) = text.strip_prefix("arn:aws:")?.split_once("::")?;
        let (account, resource) = rest.split_once(':')?;
        matches!(service, "iam" | "sts").then_some(Self { service, account, resource })
    }
}
