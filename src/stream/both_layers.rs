//! [`through_both`]: passes chunks through both layers of DSSE-KMS at once, divided among workers.
//!
//! ```text
//! chunks of the first layer     |  0  |  1  |  2  |  3  |  4  |  5  |      a span for each worker
//! its output, cut again          [ carry ][   |   ] |   |   ][   |  rest
//! chunks of the second layer    |   0   |   1   |   2   |   3   |
//! ```
//!
//! Each worker passes a span of consecutive chunks through both layers while they are in its nearest cache. A chunk of
//! the second layer that lies in two spans is processed after them.

use std::mem;

use super::split_front;
use crate::error::Result;
use crate::geometry::in_object;
use crate::workers::{Workers, divide};

/// The number of chunks of the first layer that a worker passes on at once.
const PIPE_CHUNKS: usize = 4;
/// The fewest chunks of a span: its two ends then never lie in one chunk of the second layer.
const MIN_CHUNKS: usize = 16;
/// Spans for each thread: few, since the chunk between two spans is processed alone; enough that all end together.
const SPANS_PER_THREAD: usize = 4;

/// One layer: processes the chunk with this index.
pub(super) trait Layer: Fn(u64, &[u8], &mut [u8]) -> Result<()> + Sync {}

impl<F: Fn(u64, &[u8], &mut [u8]) -> Result<()> + Sync> Layer for F {}

/// Consecutive chunks of the first layer, and what they give.
struct Span<'a> {
    /// The index of the first chunk in the first layer.
    first: u64,
    input: &'a [u8],
    /// What the second layer has staged; for the first span alone.
    carry: &'a [u8],
    /// The end of the chunk of the second layer that begins in the span before.
    head: &'a mut [u8],
    /// The index of the next chunk in the second layer.
    second: u64,
    output: &'a mut [u8],
    /// The beginning of the chunk of the second layer that ends in the next span.
    tail: &'a mut [u8],
}

/// Passes whole chunks through both layers, of which the first chunk has the index `first_index` in the first layer.
/// `carry` is what the second layer has staged of its chunk `second_index`. Both layers make `OUT` bytes of `IN` bytes.
///
/// Fills `output`, and returns what the second layer has to stage next: fewer bytes than a chunk.
///
/// # Errors
///
/// Returns the first error of a layer. The output is then filled in part, and the caller wipes it.
pub(super) fn through_both<const IN: usize, const OUT: usize>(
    workers: &dyn Workers,
    (first_index, first): (u64, impl Layer),
    (second_index, second): (u64, impl Layer),
    carry: &[u8],
    input: &[u8],
    mut output: &mut [u8],
) -> Result<Vec<u8>> {
    let chunks = input.len() / IN;
    let count = workers.threads().saturating_mul(SPANS_PER_THREAD).min(chunks / MIN_CHUNKS).max(1);
    // Between each two spans, a chunk of the second layer; at the end, what is left of the last span.
    let mut edges = vec![0; (count - 1) * IN + (carry.len() + chunks * OUT) % IN];
    let (mut spans, mut between, mut rest) = (Vec::new(), Vec::new(), &mut edges[..]);
    // The first span begins with the carry, from which all places in the second layer are counted.
    let (mut begun, mut place, mut before, mut head) = (0, 0, carry, &mut [][..]);
    for at in 0..count {
        let taken = chunks / count + usize::from(at < chunks % count);
        let end = place + before.len() + taken * OUT;
        let (from, to) = ((place + head.len()) / IN, end / IN);
        let (tail, next_head) = if at + 1 < count {
            split_front(&mut rest, IN).split_at_mut(end % IN)
        } else {
            (mem::take(&mut rest), &mut [][..])
        };
        spans.push(Span {
            first: first_index + in_object(begun),
            input: &input[begun * IN..(begun + taken) * IN],
            carry: mem::take(&mut before),
            head: mem::replace(&mut head, next_head),
            second: second_index + in_object(from),
            output: split_front(&mut output, (to - from) * OUT),
            tail,
        });
        if at + 1 < count {
            between.push((second_index + in_object(to), split_front(&mut output, OUT)));
        }
        (begun, place) = (begun + taken, end);
    }
    divide(workers, spans.into_iter(), |span| pass::<IN, OUT>(span, &first, &second))?;
    let (edges_between, last) = edges.split_at(between.len() * IN);
    for ((index, output), chunk) in between.into_iter().zip(edges_between.chunks_exact(IN)) {
        second(index, chunk, output)?;
    }
    Ok(last.to_vec())
}

/// Passes one span through both layers, a few chunks at a time.
fn pass<const IN: usize, const OUT: usize>(span: Span<'_>, first: &impl Layer, second: &impl Layer) -> Result<()> {
    let Span { first: mut index, input, carry, head, second: mut next, mut output, tail } = span;
    let mut pipe = vec![0; IN + PIPE_CHUNKS * OUT];
    pipe[..carry.len()].copy_from_slice(carry);
    let (mut filled, mut head) = (carry.len(), head);
    for group in input.chunks(PIPE_CHUNKS * IN) {
        for chunk in group.chunks_exact(IN) {
            first(index, chunk, &mut pipe[filled..filled + OUT])?;
            (index, filled) = (index + 1, filled + OUT);
        }
        let mut passed = &pipe[..filled];
        let (of_head, rest) = passed.split_at(head.len().min(filled));
        split_front(&mut head, of_head.len()).copy_from_slice(of_head);
        passed = rest;
        let whole = passed.chunks_exact(IN);
        let left = whole.remainder().len();
        for chunk in whole {
            second(next, chunk, split_front(&mut output, OUT))?;
            next += 1;
        }
        pipe.copy_within(filled - left..filled, 0);
        filled = left;
    }
    tail.copy_from_slice(&pipe[..filled]);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::num::NonZeroUsize;

    use super::*;
    use crate::error::Error;
    use crate::workers::ScopedThreads;

    /// A layer that marks each chunk with its index, and makes it longer or shorter.
    fn layer<const IN: usize, const OUT: usize>(mark: u8) -> impl Layer {
        move |index, input: &[u8], output: &mut [u8]| {
            assert_eq!((input.len(), output.len()), (IN, OUT));
            for (at, byte) in output.iter_mut().enumerate() {
                *byte = input[at % IN] ^ (index as u8).wrapping_mul(mark) ^ at as u8;
            }
            Ok(())
        }
    }

    /// One layer over whole chunks.
    fn one_by_one<const IN: usize, const OUT: usize>(layer: impl Layer, first: u64, input: &[u8]) -> Vec<u8> {
        let mut output = vec![0; input.len() / IN * OUT];
        for (at, (chunk, output)) in input.chunks_exact(IN).zip(output.chunks_exact_mut(OUT)).enumerate() {
            layer(first + at as u64, chunk, output).unwrap();
        }
        output
    }

    /// Both layers one after the other.
    fn expected<const IN: usize, const OUT: usize>(carry: &[u8], input: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let passed = [carry, &one_by_one::<IN, OUT>(layer::<IN, OUT>(3), 1_000, input)].concat();
        let output = one_by_one::<IN, OUT>(layer::<IN, OUT>(5), 77, &passed);
        (output, passed[passed.len() / IN * IN..].to_vec())
    }

    fn assert_passes<const IN: usize, const OUT: usize>() {
        let bytes: Vec<u8> = (0..400 * IN).map(|at| (at * 7 + at / 256) as u8).collect();
        for threads in 1..=3 {
            let workers = ScopedThreads::new(NonZeroUsize::new(threads).unwrap());
            for chunks in (1..70).chain([100, 257, 399]) {
                for carried in 0..IN {
                    let (carry, input) = (&bytes[..carried], &bytes[IN..][..chunks * IN]);
                    let (output, rest) = expected::<IN, OUT>(carry, input);
                    let mut filled = vec![0; output.len()];
                    let (first, second) = ((1_000, layer::<IN, OUT>(3)), (77, layer::<IN, OUT>(5)));
                    let left = through_both::<IN, OUT>(&workers, first, second, carry, input, &mut filled).unwrap();
                    assert_eq!((filled, left), (output, rest), "{threads} threads, {chunks} chunks after {carried}");
                }
            }
        }
    }

    #[test]
    fn spans_give_what_one_layer_after_the_other_gives() {
        assert_passes::<8, 9>();
        assert_passes::<9, 8>();
    }

    #[test]
    fn an_error_of_either_layer_in_any_chunk_is_returned() {
        let workers = ScopedThreads::new(NonZeroUsize::new(2).unwrap());
        let failing = |at: u64| {
            move |index, input: &[u8], output: &mut [u8]| {
                output[..8].copy_from_slice(&input[..8]);
                if index == at { Err(Error::Inauthentic) } else { Ok(()) }
            }
        };
        let outcome = |first: u64, second: u64| {
            let (first, second) = ((0, failing(first)), (0, failing(second)));
            through_both::<8, 9>(&workers, first, second, &[], &[7; 64 * 8], &mut [0; 72 * 9])
        };
        assert!(outcome(64, 72).is_ok());
        for at in 0..72 {
            assert!(matches!(outcome(64, at), Err(Error::Inauthentic)), "{at}");
            assert!(at >= 64 || matches!(outcome(at, 72), Err(Error::Inauthentic)), "{at}");
        }
    }
}
