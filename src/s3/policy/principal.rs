//! Who a statement is about.
//!
//! Spec: AWS IAM User Guide, "AWS JSON policy elements: Principal".

use super::error::{PolicyError, PolicyErrorKind};

/// The principals of a statement.
#[derive(Clone, Debug)]
pub(super) enum Principals {
    /// Everyone, the anonymous too.
    Everyone,
    Named(Vec<Principal>),
}

#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// Everyone in an account: the ARN of its root means no less.
    Account(String),
    /// A user or a session, by its ARN.
    One(String),
    /// A role by its ARN, and all its sessions, whose ARNs have the role's account and name but not its path.
    Role { arn: String, account: String, name: String },
}

impl Principals {
    pub(super) fn include(&self, requester: Option<&str>) -> bool {
        match (self, requester) {
            (Self::Everyone, _) => true,
            (Self::Named(_), None) => false,
            (Self::Named(principals), Some(requester)) => {
                principals.iter().any(|principal| principal.includes(requester))
            }
        }
    }

    /// Of the texts under `AWS`.
    pub(super) fn from_texts(texts: &[&str]) -> Result<Self, PolicyError> {
        let named = texts.iter().filter(|text| **text != "*").map(|text| Principal::from_text(text));
        let named = named.collect::<Result<_, _>>()?;
        Ok(if texts.contains(&"*") { Self::Everyone } else { Self::Named(named) })
    }
}

impl Principal {
    fn from_text(text: &str) -> Result<Self, PolicyError> {
        let refused = || PolicyError::new(PolicyErrorKind::InvalidPrincipal, text);
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Account(text.to_owned()));
        }
        // A wildcard for part of a name does not exist here, and would be taken for a name.
        if text.contains(['*', '?', '$']) {
            return Err(refused());
        }
        let arn = Arn::parse(text).ok_or_else(refused)?;
        match (arn.service, arn.resource.split_once('/')) {
            ("iam", None) if arn.resource == "root" && !arn.account.is_empty() => {
                Ok(Self::Account(arn.account.to_owned()))
            }
            ("iam", Some(("role", path))) if !path.is_empty() => {
                let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
                Ok(Self::Role { arn: text.to_owned(), account: arn.account.to_owned(), name: name.to_owned() })
            }
            ("iam", Some(("user", name))) | ("sts", Some(("assumed-role" | "federated-user", name)))
                if !name.is_empty() =>
            {
                Ok(Self::One(text.to_owned()))
            }
            _ => Err(refused()),
        }
    }

    fn includes(&self, requester: &str) -> bool {
        match self {
            Self::One(arn) => arn == requester,
            Self::Account(id) => id == requester || Arn::parse(requester).is_some_and(|arn| arn.account == id),
            Self::Role { arn, account, name } => {
                let session = Arn::parse(requester).filter(|arn| arn.service == "sts" && arn.account == account);
                let role = session.and_then(|arn| arn.resource.strip_prefix("assumed-role/")?.split_once('/'));
                arn == requester || role.is_some_and(|(role, _)| role == name)
            }
        }
    }
}

/// An ARN of IAM or of its session service, which know no regions: `arn:aws:iam::ACCOUNT:RESOURCE`.
struct Arn<'a> {
    service: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (service, rest) = text.strip_prefix("arn:aws:")?.split_once("::")?;
        let (account, resource) = rest.split_once(':')?;
        matches!(service, "iam" | "sts").then_some(Self { service, account, resource })
    }
}
