//! [`Principals`], the requesters that a statement applies to.
//!
//! Spec: AWS IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".

use super::error::{PolicyError, PolicyErrorKind};
use super::{Effect, PolicyRequest};
use crate::principal::{Arn, Identity, is_account_id};

/// The requesters that a statement applies to.
#[derive(Clone, Debug)]
pub(super) enum Principals {
    /// Every requester, including anonymous requesters.
    Everyone,
    These(Vec<Principal>),
    /// Every requester except these.
    AllBut(Vec<Principal>),
}

/// One principal of a list.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    kind: PrincipalKind,
    name: Box<str>,
}

/// The kind of a principal: the name under which a policy lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrincipalKind {
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

/// Every identity of a requester, parsed once for one evaluation.
pub(super) struct Identities<'a> {
    aws: Option<Identity<'a>>,
    service: Option<&'a str>,
    federated: Option<&'a str>,
    canonical_user: Option<&'a str>,
}

impl<'a> Identities<'a> {
    pub(super) fn of(request: &PolicyRequest<'a>) -> Self {
        let facts = request.conditions.host_facts();
        Self {
            aws: request.principal.map(Identity::new),
            service: facts.and_then(|facts| facts.service_principal.as_deref()),
            federated: facts.and_then(|facts| facts.federated_provider.as_deref()),
            canonical_user: facts.and_then(|facts| facts.canonical_user.as_deref()),
        }
    }
}

impl Principals {
    pub(super) fn include(&self, requester: &Identities<'_>, effect: Effect) -> bool {
        match self {
            Self::Everyone => true,
            Self::These(list) => list.iter().any(|principal| principal.covers(requester)),
            // SECURITY: an account in the list excludes only its root user from a Deny, but all its requesters from an
            // Allow. The real service requires that the account of each exception is also listed.
            Self::AllBut(list) => match effect {
                Effect::Deny => !list.iter().any(|principal| principal.names(requester)),
                Effect::Allow => !list.iter().any(|principal| principal.covers(requester)),
            },
        }
    }
}

impl Principal {
    pub(super) fn new(kind: PrincipalKind, text: &str) -> Result<Self, PolicyError> {
        let is_principal = match kind {
            PrincipalKind::Aws => is_of_aws(text),
            PrincipalKind::Service => is_host_name(text),
            PrincipalKind::Federated => is_host_name(text) || is_provider_arn(text),
            PrincipalKind::CanonicalUser => {
                text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
        };
        if is_principal {
            Ok(Self { kind, name: text.into() })
        } else {
            Err(PolicyError::new(PolicyErrorKind::InvalidPrincipal, text))
        }
    }

    fn covers(&self, requester: &Identities<'_>) -> bool {
        self.is(requester, |identity| identity.is_covered_by(&self.name))
    }

    fn names(&self, requester: &Identities<'_>) -> bool {
        self.is(requester, |identity| identity.is_named_by(&self.name))
    }

    fn is(&self, requester: &Identities<'_>, of_aws: impl Fn(&Identity<'_>) -> bool) -> bool {
        let name = Some(&*self.name);
        match self.kind {
            PrincipalKind::Aws => requester.aws.as_ref().is_some_and(of_aws),
            PrincipalKind::Service => requester.service == name,
            PrincipalKind::Federated => requester.federated == name,
            PrincipalKind::CanonicalUser => requester.canonical_user == name,
        }
    }
}

/// Returns whether the text is an account id, or the ARN of an account's root, a user, a role or a session.
fn is_of_aws(text: &str) -> bool {
    // Principals have no wildcards within a name. A wildcard would be compared as part of the name.
    if is_account_id(text) || text.contains(['*', '?', '$']) {
        return is_account_id(text);
    }
    let Some(arn) = Arn::parse(text) else {
        return false;
    };
    match (arn.service, arn.resource.split_once('/')) {
        ("iam", None) => arn.resource == "root" && !arn.account.is_empty(),
        ("iam", Some(("role" | "user", name))) | ("sts", Some(("assumed-role" | "federated-user", name))) => {
            !name.is_empty()
        }
        _ => false,
    }
}

/// Returns whether the text is the host name of a service, such as `logging.s3.amazonaws.com`, or of a web identity
/// provider, such as `accounts.google.com`.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

fn is_provider_arn(text: &str) -> bool {
    let provider = Arn::parse(text).filter(|arn| arn.service == "iam" && is_account_id(arn.account));
    let name = provider.and_then(|arn| arn.resource.split_once('/'));
    let is_provider =
        name.is_some_and(|(kind, name)| matches!(kind, "saml-provider" | "oidc-provider") && !name.is_empty());
    is_provider && !text.contains(['*', '?', '$'])
}
