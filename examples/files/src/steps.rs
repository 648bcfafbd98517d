//! The places between two writes where a killed program makes a difference. `FILES_STOP_AT=NAME` has it end there as if
//! it had been killed, `NAME:2` when it comes there for the second time: with it the tests visit every one of them.

use std::sync::atomic::{AtomicU32, Ordering};

/// Declares the steps, so that a name and its place cannot go apart.
macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident = $name:literal,)*) => {
        /// A place between two writes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Step {
            $($(#[$doc])* $step,)*
        }

        impl Step {
            /// Every name that `FILES_STOP_AT` takes.
            pub(crate) const NAMES: &'static [&'static str] = &[$($name),*];

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)*
                }
            }
        }
    };
}

steps! {
    /// A new store is complete beside its place.
    StoreBuilt = "store-built",
    /// A temporary file is there, empty.
    TemporaryMade = "temporary-made",
    /// A whole body is written and synced under its temporary name.
    BodyWritten = "body-written",
    /// A body, or all parts of one, lie in `bodies/`; no record names them.
    BodyMoved = "body-moved",
    /// A new record is complete under its temporary name.
    RecordWritten = "record-written",
    /// The new record is in the place of the old one, whose body is still there.
    RecordReplaced = "record-replaced",
    /// The new envelope of a rewrap is in the place of the old one.
    EnvelopeReplaced = "envelope-replaced",
    /// The old body is removed.
    OldBodyRemoved = "old-body-removed",
    /// An upload's directory is there, without anything that says of what.
    UploadMade = "upload-made",
    /// An upload's envelope is there, and no part.
    UploadBegun = "upload-begun",
    /// A part is written and synced, without its receipt.
    PartWritten = "part-written",
    /// A part and its receipt are written.
    PartStored = "part-stored",
    /// All parts and the manifest are written, still as an upload.
    ManifestWritten = "manifest-written",
    /// The object is there, and its upload's directory too.
    UploadCommitted = "upload-committed",
    /// The new version of the master key is the primary; nobody has been told.
    Rotated = "rotated",
    /// The cursor of a sweep is stored.
    CursorStored = "cursor-stored",
    /// The report of a sweep is stored, and its cursor is still there.
    ReportStored = "report-stored",
    /// A put is complete, and what it overwrites still lies in the clear.
    PlainOverwritten = "plain-overwritten",
    /// What lay in the clear is encrypted, and still lies in the clear as well.
    PlainEncrypted = "plain-encrypted",
    /// What lay in the clear is removed.
    PlainRemoved = "plain-removed",
}

/// The name and the number of `NAME` or `NAME:2`; `None` for anything else.
pub(crate) fn parse(stop: &str) -> Option<(&'static str, u32)> {
    let (name, time) = match stop.split_once(':') {
        Some((name, time)) => (name, time.parse().ok().filter(|time| *time > 0)?),
        None => (stop, 1),
    };
    Step::NAMES.iter().find(|known| **known == name).map(|name| (*name, time))
}

/// The program has come to a step; here it ends where `FILES_STOP_AT` says so.
pub(crate) fn reach(step: Step) {
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let stop = std::env::var("FILES_STOP_AT").ok();
    let Some((_, time)) = stop.as_deref().and_then(parse).filter(|(name, _)| *name == step.name()) else {
        return;
    };
    if TIMES.fetch_add(1, Ordering::Relaxed) + 1 == time {
        std::process::abort();
    }
}
