//! `Step`: the places between two writes at which the tests kill the program. `FILES_STOP_AT=NAME` ends the program
//! there as if it had been killed, `NAME:2` when it reaches the step for the second time.

use std::sync::atomic::{AtomicU32, Ordering};

/// Declares the steps, so that each name belongs to exactly one place.
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
    /// A new store is complete beside its final place.
    StoreBuilt = "store-built",
    /// A temporary file exists and is empty.
    TemporaryMade = "temporary-made",
    /// A whole body is written and synced under its temporary name.
    BodyWritten = "body-written",
    /// A body, or all parts of one, are in `bodies/`; no record names them.
    BodyMoved = "body-moved",
    /// A new record is complete under its temporary name.
    RecordWritten = "record-written",
    /// The new record has replaced the old one, whose body still exists.
    RecordReplaced = "record-replaced",
    /// The new envelope of a rewrap has replaced the old one.
    EnvelopeReplaced = "envelope-replaced",
    /// The old body is removed.
    OldBodyRemoved = "old-body-removed",
    /// An upload's directory exists, without a record.
    UploadMade = "upload-made",
    /// An upload's envelope exists, without parts.
    UploadBegun = "upload-begun",
    /// A part is written and synced, without its receipt.
    PartWritten = "part-written",
    /// A part and its receipt are written.
    PartStored = "part-stored",
    /// All parts and the manifest are written, still as an upload.
    ManifestWritten = "manifest-written",
    /// The object is committed, and its upload's directory still exists.
    UploadCommitted = "upload-committed",
    /// The new version of the master key is the primary; the command has not printed it yet.
    Rotated = "rotated",
    /// The cursor of a sweep is stored.
    CursorStored = "cursor-stored",
    /// The report of a sweep is stored, and its cursor still exists.
    ReportStored = "report-stored",
    /// A put is complete, and the unencrypted file that it replaces still exists.
    PlainOverwritten = "plain-overwritten",
    /// An unencrypted file is encrypted to an object, and the file still exists.
    PlainEncrypted = "plain-encrypted",
    /// The unencrypted file is removed.
    PlainRemoved = "plain-removed",
}

/// Parses `NAME` or `NAME:2` to the name and the number; `None` for anything else.
pub(crate) fn parse(stop: &str) -> Option<(&'static str, u32)> {
    let (name, time) = match stop.split_once(':') {
        Some((name, time)) => (name, time.parse().ok().filter(|time| *time > 0)?),
        None => (stop, 1),
    };
    Step::NAMES.iter().find(|known| **known == name).map(|name| (*name, time))
}

/// Marks that the program has reached a step, and ends it if `FILES_STOP_AT` names the step.
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
