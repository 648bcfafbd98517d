//! Tampering: every byte of a small object changed, every boundary of a large one moved, pieces of one object put into
//! another. Each change gives the error class of the oracle, and all returned plaintext is authentic.

mod belonging;
mod chunks;
mod failing;
mod matrix;

use atrest::Result;
use atrest_reference::envelope::DSSE_KMS;
use atrest_reference::message::{self, plaintext_len};

use atrest_kit::sample::{Sample, write_of_mode};
use atrest_kit::{C, Steps, backends, class, plain};

/// One chunk and its 16 bytes, as stored.
const SEALED: usize = C + 16;

/// A small object with every optional field in its envelope.
fn small(mode: u8) -> Sample {
    let mut write = write_of_mode(mode, 1);
    write.len_known = true;
    write.envelope_len = Some(800);
    Sample::new(write, plain(40))
}

/// Three full chunks and a last one.
fn large(mode: u8) -> Sample {
    Sample::of_mode(mode, 2, plain(3 * C + 500))
}

/// Reads the stored bytes in every way and holds each to the oracle's verdict.
fn assert_refused(sample: &Sample, envelope: &[u8], body: &[u8], what: &str) {
    let verdict = sample.reader().decrypt(envelope, None, body).expect_err(what).class();
    let lens = [body.len() as u64, plaintext_len(body.len() as u64).unwrap_or(0)];
    let cut = sample.body.starts_with(body) && envelope == sample.envelope;
    // If no object has a body of this length and the bytes are wrong too, either error may come first. The same holds for
    // a body that contradicts the length in its envelope.
    let either = plaintext_len(lens[0]).is_none() && (!cut || sample.write.len_known);
    // A range is planned from the length alone, which in DSSE-KMS may be the length of no inner message.
    let two_layers = sample.write.mode == DSSE_KMS;
    let either_by_range = either || two_layers && plaintext_len(lens[1]).is_none();
    // A range reader uses the header in the envelope alone.
    let header_alone = differs_in_a_header_alone(sample, body);

    let hold = |way: &str, either: bool, result: Result<Vec<u8>>| match result {
        Err(error) => {
            let class = class(&error);
            let allowed = class == verdict || either && ["Truncated", "Inauthentic"].contains(&class.as_str());
            assert!(allowed, "{what}, {way}: {error:?}, the oracle says {verdict}");
        }
        Ok(read) => {
            assert!(way.starts_with("range") && header_alone, "{what}, {way}: not refused");
            assert!(read == sample.plaintext, "{what}, {way}: other bytes");
        }
    };
    for backend in backends() {
        let sse = sample.sse(backend);
        hold("one shot", either, sample.decrypt(&sse, envelope, body));
        match sample.body(&sse, envelope) {
            Err(error) => hold("opening", false, Err(error)),
            Ok(sound) => {
                for steps in [Steps::of(body.len().max(1)), Steps::of(1_001)] {
                    sound.read_in_every_way(body, &steps, |way, read| {
                        hold(way, if way.starts_with("range") { either_by_range } else { either }, read);
                    });
                }
            }
        }
    }
}

/// Returns whether the body differs from the object's in headers of messages alone.
fn differs_in_a_header_alone(sample: &Sample, body: &[u8]) -> bool {
    let but_for_header =
        |one: &[u8], other: &[u8]| one.len() == other.len() && one.len() > 56 && one[56..] == other[56..];
    let inner = |body: &[u8]| message::open(&sample.write.outer.data_key, &message::object_context(), body);
    let inner_alone = match (inner(body), inner(&sample.body)) {
        (Ok(inner), Ok(of_sample)) => sample.write.inner.is_some() && but_for_header(&inner, &of_sample),
        _ => false,
    };
    but_for_header(body, &sample.body) || inner_alone
}
