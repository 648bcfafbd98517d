//! Why a sweep does not go on from saved bytes.

/// Bytes that are no saved cursor or report of a sweep, or one of another sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The bytes do not begin as a saved cursor or report does, or they are the other of the two.
    #[error("not the saved bytes of this: a cursor and a report of a sweep are two things")]
    NotACursor,
    /// The bytes are of another version, from an older or a newer release: begin the sweep anew.
    #[error("the saved bytes have version {0}, which this release does not read: begin the sweep anew")]
    UnsupportedVersion(u8),
    /// The bytes were damaged, or are none that were ever saved.
    #[error("the saved bytes are malformed: {0}")]
    Malformed(&'static str),
    /// The cursor is of a sweep that does something else.
    #[error("the cursor is of a sweep that does something else")]
    OtherSweep,
}
