//! [`CallOptions`], what one call or one path decides for itself, and [`Call`], a call whose options are settled.

use atrest::geometry::Layers;
use atrest::{Access, AnyMode, Expected, ObjectName, Requester, Sse};
use object_store::path::Path;

/// What one call, one handle or one path decides: the mode of a write, the requester, and the access of a reader.
///
/// Give it to a call in its `extensions`, to all calls of a handle by
/// [`EncryptedStore::with_options`](crate::EncryptedStore::with_options), or to paths by
/// [`EncryptedStoreBuilder::rule`](crate::EncryptedStoreBuilder::rule). The call goes before the handle, and the handle
/// before the path. It is taken out of the `extensions` before they reach the inner store.
///
/// ```
/// use atrest::Requester;
/// use atrest_object_store::CallOptions;
/// use object_store::{Extensions, GetOptions};
///
/// let alice = CallOptions::new().with_requester(Requester::new("arn:aws:iam::111122223333:user/alice"));
/// let mut extensions = Extensions::new();
/// extensions.insert(alice);
/// let options = GetOptions::new().with_extensions(extensions);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    mode: Option<AnyMode>,
    requester: Option<Requester>,
    access: Option<Access>,
}

impl CallOptions {
    /// Creates options that decide nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the same options with the mode in which objects are written; for a copy, in which the copy is written.
    #[must_use]
    pub fn with_mode(self, mode: impl Into<AnyMode>) -> Self {
        Self { mode: Some(mode.into()), ..self }
    }

    /// Returns the same options with the requester that key providers and the audit trail see.
    #[must_use]
    pub fn with_requester(self, requester: Requester) -> Self {
        Self { requester: Some(requester), ..self }
    }

    /// Returns the same options with the expectations of a reader, and the customer key of SSE-C.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access: Some(access), ..self }
    }

    /// Returns these options, with those of `other` where these decide nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            mode: self.mode.or(other.mode),
            requester: self.requester.or(other.requester),
            access: self.access.or(other.access),
        }
    }

    pub(crate) fn mode(&self) -> Option<&AnyMode> {
        self.mode.as_ref()
    }
}

/// A call whose options are settled.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) location: Path,
    pub(crate) name: ObjectName,
    /// The handle of the requester.
    pub(crate) sse: Sse,
    pub(crate) requester: Requester,
    pub(crate) access: Access,
    pub(crate) mode: AnyMode,
    /// The layers of every object at this path.
    pub(crate) layers: Layers,
}

impl Call {
    /// Settles a call at a path whose mode is `mode`, unless the options name another one.
    pub(crate) fn new(location: &Path, name: ObjectName, sse: &Sse, options: CallOptions, mode: AnyMode) -> Self {
        let layers = mode.id().layers();
        let requester = options.requester.unwrap_or_default();
        Self {
            location: location.clone(),
            name,
            sse: sse.requested_by(requester.clone()),
            requester,
            access: options.access.unwrap_or_else(|| Access::new(Expected::new())),
            mode: options.mode.unwrap_or(mode),
            layers,
        }
    }
}
