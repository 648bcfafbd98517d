//! [`GrantTokens`], the tokens that go with the calls of AWS KMS.

use std::fmt;
use std::sync::Arc;

use atrest::KeyRequest;

/// Gives the grant tokens of a request; the default gives none.
#[derive(Clone, Default)]
pub(crate) struct GrantTokens(Option<Arc<Gives>>);

type Gives = dyn Fn(&KeyRequest) -> Vec<String> + Send + Sync;

impl GrantTokens {
    pub(crate) fn new(gives: impl Fn(&KeyRequest) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(gives)))
    }

    /// Returns the tokens for a call; `None` without tokens.
    pub(crate) fn of(&self, request: &KeyRequest) -> Option<Vec<String>> {
        self.0.as_ref().map(|gives| gives(request)).filter(|tokens| !tokens.is_empty())
    }
}

impl fmt::Debug for GrantTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "GrantTokens(..)" } else { "GrantTokens(none)" })
    }
}
