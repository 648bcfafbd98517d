//! Copies and renames.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use atrest::AnyMode;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, Extensions, GetOptions, GetResultPayload, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, RenameOptions, RenameTargetMode, Result,
};

use crate::begun::Begun;
use crate::call::{Call, CallOptions};
use crate::error::{self, StoreError};
use crate::parts::Parts;
use crate::placement::Placement;
use crate::store::Shared;

/// A copy that must not replace an object is written in one request up to this length, in bytes.
const MAX_CREATED_LEN: u64 = 64 << 20;
/// The end of the name of an object beside the place of its copy.
const BESIDE: &str = ".atrest-copy";

impl<T: ObjectStore> Shared<T> {
    /// Copies an object.
    pub(crate) async fn copy(
        self: &Arc<Self>,
        from: &Path,
        to: &Path,
        call: CallOptions,
        options: CopyOptions,
    ) -> Result<()> {
        if self.is_moved_as_it_is(from, to, &call, options.mode)? {
            self.record_moved(from, to, call).await?;
            return self.inner.copy_opts(from, to, options).await;
        }
        self.rewrite(from, to, call, options).await
    }

    /// Renames an object: copies it, and deletes the source.
    pub(crate) async fn rename(
        self: &Arc<Self>,
        from: &Path,
        to: &Path,
        call: CallOptions,
        options: RenameOptions,
    ) -> Result<()> {
        let mode = match options.target_mode {
            RenameTargetMode::Overwrite => CopyMode::Overwrite,
            RenameTargetMode::Create => CopyMode::Create,
        };
        if self.is_moved_as_it_is(from, to, &call, mode)? {
            self.record_moved(from, to, call).await?;
            return self.inner.rename_opts(from, to, options).await;
        }
        let copying = CopyOptions::new().with_mode(mode).with_extensions(options.extensions);
        self.rewrite(from, to, call, copying).await?;
        if from != to {
            self.delete(from).await?;
        }
        Ok(())
    }

    /// Returns whether the inner store copies the stored bytes itself: unencrypted ones, and those that are bound to no
    /// name and stay in their mode, under its key.
    fn is_moved_as_it_is(&self, from: &Path, to: &Path, call: &CallOptions, mode: CopyMode) -> Result<bool> {
        match (self.is_unencrypted(from), self.is_unencrypted(to)) {
            (true, true) => Ok(true),
            (false, false) => {
                // S3's own copy that must not replace an object drops the attributes, and the envelope with them.
                let drops_envelope = self.layout.placement() == Placement::Attributes && mode == CopyMode::Create;
                let moves = !self.binding.is_bound && call.mode().is_none() && !drops_envelope;
                let mode = |path| self.ruled(path).mode().unwrap_or(&self.mode).clone();
                Ok(moves && is_one(&mode(from), &mode(to)))
            }
            _ => Err(StoreError::AcrossTheFilter.at(to)),
        }
    }

    /// Puts a copy of an encrypted object that the inner store makes itself on record.
    async fn record_moved(&self, from: &Path, to: &Path, options: CallOptions) -> Result<()> {
        if self.is_unencrypted(from) {
            return Ok(());
        }
        let call = self.call(to, options)?;
        let at_place = |error| error::of(&call.location, error);
        let (from, to) = (self.binding.name(from).map_err(at_place)?, self.binding.name(to).map_err(at_place)?);
        call.sse.record_copy(&from, &to).await.map_err(at_place)
    }

    /// Reads an object and writes it under another name.
    async fn rewrite(self: &Arc<Self>, from: &Path, to: &Path, call: CallOptions, options: CopyOptions) -> Result<()> {
        let source = self.call(from, call.clone())?;
        let target = self.call(to, call)?;
        let reading = GetOptions { extensions: options.extensions.clone(), ..GetOptions::default() };
        let read = self.get(&source, reading).await?;
        let (len, attributes) = (read.meta.size, read.attributes);
        let GetResultPayload::Stream(plaintext) = read.payload else {
            return Err(StoreError::OtherBytes.generic());
        };
        let plaintext = Parts::new(plaintext, len);
        let in_one = match options.mode {
            CopyMode::Overwrite => len <= plaintext.part_len(),
            CopyMode::Create => len <= MAX_CREATED_LEN,
        };
        if in_one {
            let whole = plaintext.of_len(u64::MAX).next().await?.unwrap_or_default();
            let mode = match options.mode {
                CopyMode::Overwrite => PutMode::Overwrite,
                CopyMode::Create => PutMode::Create,
            };
            let extensions = options.extensions;
            let writing = PutOptions { mode, attributes, extensions, ..PutOptions::default() };
            return self.put(&target, whole, writing).await.map(drop);
        }
        if options.mode == CopyMode::Overwrite {
            return self.write(&target, to, plaintext, attributes, options.extensions).await.map(drop);
        }
        if self.layout.placement() == Placement::Attributes {
            return Err(StoreError::CreatedLen.at(to));
        }
        // No upload in parts has a condition: the copy is written beside its place, bound to its name, and the inner
        // store puts it there.
        let beside = Path::parse(format!("{to}.{}{BESIDE}", unique()))?;
        let begun = self.write(&target, &beside, plaintext, attributes, options.extensions.clone()).await?;
        let copied = self.inner.copy_opts(&beside, to, options).await;
        // The copy is made or not, whatever becomes of the object beside its place: a sweep names one that stays.
        let _ = begun.undo().await;
        copied
    }

    /// Writes an object in parts at `place`, under the name of the call. Returns what is to be undone once it was
    /// copied, if `place` is another one than that of the call.
    async fn write(
        self: &Arc<Self>,
        call: &Call,
        place: &Path,
        plaintext: Parts,
        attributes: Attributes,
        extensions: Extensions,
    ) -> Result<Begun<T>> {
        let writing = PutMultipartOptions { attributes, extensions, ..PutMultipartOptions::default() };
        let upload = self.begin_upload(call, place, writing).await?;
        let mut begun =
            Begun::new(self, Box::new(upload), Some(place).filter(|place| **place != call.location).cloned());
        let written = async {
            begun.upload(plaintext).await?;
            begun.complete().await
        };
        match written.await {
            Ok(()) => Ok(begun),
            Err(error) => {
                // The first error says more than that of the abort.
                let _ = begun.undo().await;
                Err(error)
            }
        }
    }

    pub(crate) async fn delete(&self, location: &Path) -> Result<()> {
        let one = stream::iter([Ok(location.clone())]).boxed();
        let mut deleted = self.inner.delete_stream(one);
        while let Some(path) = deleted.next().await {
            path?;
        }
        Ok(())
    }
}

/// Returns whether objects of both modes lie under one key.
fn is_one(from: &AnyMode, to: &AnyMode) -> bool {
    match (from, to) {
        (AnyMode::SseS3(from), AnyMode::SseS3(to)) => from == to,
        (AnyMode::SseKms(from), AnyMode::SseKms(to)) => from == to,
        (AnyMode::DsseKms(from), AnyMode::DsseKms(to)) => from == to,
        // Two customer keys are not compared.
        _ => false,
    }
}

/// Returns a text that no other copy of this or another process has at the same time.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{now:x}-{:x}-{:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Returns the place that a copy was meant for, if this is the place beside it: a copy that was cut short left it
/// there, or is under way. The object is bound to the name of the place that it was meant for.
pub(crate) fn meant_for(location: &Path) -> Option<Path> {
    let (to, unique) = location.as_ref().strip_suffix(BESIDE)?.rsplit_once('.')?;
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_unique = unique.split('-').count() == 3 && unique.split('-').all(is_hex);
    Path::parse(to).ok().filter(|_| is_unique)
}

/// Returns the path by which the rule and the filter of the builder judge an object: its own, or the place that a copy
/// was meant for.
pub(crate) fn judged_by(location: &Path) -> Cow<'_, Path> {
    std::iter::successors(meant_for(location), meant_for).last().map_or(Cow::Borrowed(location), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_beside_a_copy_names_the_place_that_it_is_meant_for() {
        let beside = |to: &str| Path::from(format!("{to}.{}{BESIDE}", unique()));
        for to in ["a", "a.b", "a/b.parquet", "a.1-2-3.atrest-copy"] {
            assert_eq!(meant_for(&beside(to)), Some(Path::from(to)));
        }
        for other in [
            "a",
            "a.atrest-copy",
            "a.1-2.atrest-copy",
            "a.1-2-g.atrest-copy",
            "a.1--3.atrest-copy",
            "1-2-3.atrest-copy",
        ] {
            assert_eq!(meant_for(&Path::from(other)), None, "{other}");
        }
    }
}
