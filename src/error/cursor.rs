//! [`CursorError`]: the error of refused bytes of a saved cursor or report.

/// The reason why the bytes of a saved cursor or report were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The bytes do not begin as the expected saved cursor or report.
    #[error("not the expected saved bytes: a sweep saves a cursor and a report, which are not interchangeable")]
    NotACursor,
    /// The bytes have the version of an older or newer release: start the sweep again.
    #[error("the saved bytes have version {0}, which this release does not read: start the sweep again")]
    UnsupportedVersion(u8),
    /// The bytes are damaged, or no sweep saved them.
    #[error("the saved bytes are malformed: {0}")]
    Malformed(&'static str),
    /// The cursor belongs to a sweep with another task.
    #[error("the cursor belongs to a sweep with another task")]
    OtherSweep,
}
