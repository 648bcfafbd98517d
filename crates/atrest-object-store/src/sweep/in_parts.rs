//! Rewrites of long objects, in parts.

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::{Error, GetOptions, GetRange, ObjectStore, PutMultipartOptions, Result};

use super::rewriter::{Described, Rewriter, StoreSweepError, generic};
use crate::begun::Begun;
use crate::call::Call;
use crate::parts::Parts;
use crate::placement::{Placement, attribute};
use crate::request::{Same, ask, if_still, same_object, strong_e_tag};
use crate::source::Source;

impl<T: ObjectStore> Rewriter<'_, T> {
    /// Writes an object in parts with another envelope if its envelope is still `old`, and if the object is still the
    /// same one when the upload is completed. Returns whether it was written.
    pub(super) async fn rewrite_in_parts(&self, call: &Call, old: &[u8], new: &[u8]) -> Result<bool> {
        let (shared, layout) = (self.shared(), self.shared().layout);
        let Some(Described { meta, mut attributes, envelope }) = self.described(call).await? else { return Ok(false) };
        let Some(body) = layout.body(meta.size).filter(|_| envelope == old) else { return Ok(false) };
        if strong_e_tag(&meta).is_none() && !self.overwrites() {
            return Err(generic(StoreSweepError::NoCondition));
        }
        let still = || if_still(&GetOptions::default(), &meta);
        let asked = GetRange::Bounded(body.clone());
        let answer = match ask(&shared.inner, &shared.learnt, call, still(), Some(asked)).await {
            Ok(answer) => answer,
            Err(Error::Precondition { .. } | Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        if same_object(&meta, &answer.meta) == Same::No {
            return Ok(false);
        }
        let (range, payload) = (answer.range, answer.payload);
        let piece = |bytes: Bytes| stream::iter([Ok(bytes)]);
        let body_of = Source::new(payload, &range).cut(body)?;
        let fresh = Bytes::copy_from_slice(new);
        let stored = match layout.placement() {
            Placement::InFront => piece(fresh).chain(body_of).boxed(),
            Placement::Behind => body_of.chain(piece(fresh)).boxed(),
            Placement::Attributes => {
                attributes.insert(attribute(), Base64::encode_string(new).into());
                body_of
            }
        };
        let parts = Parts::new(stored, meta.size);
        let parts = match shared.equal_parts {
            Some(len) => parts.of_len(len as u64),
            None => parts,
        };
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = shared.inner.put_multipart_opts(&call.location, options).await?;
        let mut begun = Begun::new(shared, upload, None);
        let written = async {
            begun.upload(parts).await?;
            // An upload has no condition, so the object is looked at as late as can be.
            let head = GetOptions { head: true, ..still() };
            match ask(&shared.inner, &shared.learnt, call, head, None).await {
                Ok(now) if same_object(&meta, &now.meta) != Same::No => begun.complete().await.map(|()| true),
                Ok(_) | Err(Error::Precondition { .. } | Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        };
        let written = written.await;
        match &written {
            Ok(true) => self.wrote(&call.location, meta.size),
            // The first error says more than that of the abort.
            _ => drop(begun.undo().await),
        }
        written
    }
}
