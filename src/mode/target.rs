//! [`Target`], the object or the upload that an envelope belongs to.

use std::borrow::Cow;

use crate::error::Result;
use crate::object::ObjectName;

/// The object or the upload that an envelope belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) object: &'a ObjectName,
    pub(crate) upload_id: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    pub(crate) fn object(object: &'a ObjectName) -> Self {
        Self { object, upload_id: None }
    }

    pub(crate) fn upload(object: &'a ObjectName, upload_id: &'a [u8]) -> Self {
        Self { object, upload_id: Some(upload_id) }
    }

    /// Returns the bytes that bind a wrap to the names.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::UploadId`](crate::error::Misuse::UploadId) if the upload id does not suit the name.
    pub(crate) fn binding(&self) -> Result<Cow<'a, [u8]>> {
        self.upload_id.map_or_else(|| Ok(self.object.binding(b"")), |id| self.object.upload_binding(id))
    }
}
