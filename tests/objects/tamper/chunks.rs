//! Every boundary of a large object, changed.

use atrest::Error;
use atrest_reference::envelope::DSSE_KMS;
use atrest_reference::message::{object_context, seal};

use super::{SEALED, assert_refused, large};
use atrest_kit::sample::modes;
use atrest_kit::{C, Steps, backends, class, fetch, read_streamed};

#[test]
fn chunks_dropped_swapped_or_repeated_are_refused() {
    for mode in modes() {
        let sample = large(mode);
        let pieces = pieces(&sample.body);
        assert_eq!(pieces.len(), 5);
        for i in 1..pieces.len() {
            let mut dropped = pieces.clone();
            dropped.remove(i);
            assert_refused(&sample, &sample.envelope, &dropped.concat(), &format!("mode {mode}, chunk {i} dropped"));
            let mut repeated = pieces.clone();
            repeated.insert(i, pieces[i].clone());
            assert_refused(&sample, &sample.envelope, &repeated.concat(), &format!("mode {mode}, chunk {i} repeated"));
            for j in 1..i {
                let mut swapped = pieces.clone();
                swapped.swap(i, j);
                assert_refused(
                    &sample,
                    &sample.envelope,
                    &swapped.concat(),
                    &format!("mode {mode}, {i} and {j} swapped"),
                );
                let mut replaced = pieces.clone();
                replaced[i] = pieces[j].clone();
                assert_refused(&sample, &sample.envelope, &replaced.concat(), &format!("mode {mode}, {i} became {j}"));
            }
        }
    }
}

#[test]
fn a_body_cut_near_a_chunk_boundary_is_refused_and_at_one_it_is_truncated() {
    for mode in modes() {
        let sample = large(mode);
        for boundary in [0, 56, 72, 56 + SEALED, 56 + 2 * SEALED, 56 + 3 * SEALED, sample.body.len()] {
            for len in boundary.saturating_sub(17)..(boundary + 18).min(sample.body.len()) {
                let what = format!("mode {mode}, cut to {len}");
                assert_refused(&sample, &sample.envelope, &sample.body[..len], &what);
            }
        }
        for boundary in [0, 56, 56 + SEALED, 56 + 3 * SEALED] {
            let cut = sample.decrypt(&sample.sse(backends()[0]), &sample.envelope, &sample.body[..boundary]);
            assert!(matches!(cut, Err(Error::Truncated)), "mode {mode}, cut to {boundary}: {cut:?}");
        }
    }
}

#[test]
fn a_bit_flipped_in_any_chunk_gives_out_the_chunks_before_it_and_no_more() {
    for mode in modes() {
        let sample = large(mode);
        for chunk in 0..4 {
            for at in [56 + SEALED * chunk, 56 + SEALED * (chunk + 1) - 1] {
                let mut body = sample.body.clone();
                let at = at.min(body.len() - 1);
                body[at] ^= 4;
                assert_refused(&sample, &sample.envelope, &body, &format!("mode {mode}, byte {at}"));
                for backend in backends() {
                    let decryptor = sample.decryptor(&sample.sse(backend), &sample.envelope).unwrap();
                    let released = read_streamed(&decryptor, &body, &Steps::of(3_000)).released;
                    assert!(released.len() <= C * chunk, "mode {mode}: {} bytes", released.len());
                }
            }
        }
    }
}

#[test]
fn whoever_holds_the_outer_data_key_alone_cannot_change_the_inner_layer() {
    if !modes().contains(&DSSE_KMS) {
        return;
    }
    let sample = large(DSSE_KMS);
    let (outer, inner) = (&sample.write.outer, sample.write.inner.as_ref().unwrap());
    let context = object_context();
    let message = seal(&inner.data_key, &context, &inner.message_salt, &sample.plaintext);
    let resealed = |inner: &[u8]| seal(&outer.data_key, &context, &outer.message_salt, inner);
    assert!(resealed(&message) == sample.body);
    let mut changed: Vec<(String, Vec<u8>)> = Vec::new();
    for at in [0, 23, 24, 55, 56, 56 + SEALED, message.len() - 1] {
        let mut other = message.clone();
        other[at] ^= 1;
        changed.push((format!("byte {at}"), other));
    }
    for len in [0, 1, 55, 56, 71, 72, 56 + SEALED, 56 + 2 * SEALED + 15, message.len() - 1] {
        changed.push((format!("cut to {len}"), message[..len].to_vec()));
    }
    changed.push(("longer".to_owned(), [&message[..], &[0]].concat()));
    let other = seal(&[77; 32], &context, &inner.message_salt, &sample.plaintext);
    changed.push(("another data key".to_owned(), other));
    for (what, inner) in changed {
        let verdict = sample.reader().decrypt(&sample.envelope, None, &resealed(&inner));
        assert_eq!(verdict, Err(atrest_reference::Error::Inauthentic), "{what}");
        assert_refused(&sample, &sample.envelope, &resealed(&inner), &what);
    }
}

#[test]
fn the_end_of_an_object_verifies_only_where_it_is() {
    for mode in modes() {
        let sample = large(mode);
        let sse = sample.sse(backends()[0]);
        let decryptor = sample.decryptor(&sse, &sample.envelope).unwrap();
        for len in [sample.body.len() - 1, 56 + 2 * SEALED + 300, 56 + SEALED + 16, 72 + 400] {
            let Ok(end) = decryptor.end_fetch(len as u64) else { continue };
            let refused = decryptor.verify_end(len as u64, &fetch(&sample.body, &[end]));
            assert_eq!(class(&refused.unwrap_err()), "Inauthentic", "mode {mode}, {len}");
        }
        let end = decryptor.end_fetch(sample.body.len() as u64).unwrap();
        let verified = decryptor.verify_end(sample.body.len() as u64, &fetch(&sample.body, &[end])).unwrap();
        assert_eq!(verified.plaintext_len(), Some(sample.plaintext.len() as u64));
    }
}

/// The stored chunks of a message, the header as the first piece.
fn pieces(body: &[u8]) -> Vec<Vec<u8>> {
    let (header, chunks) = body.split_at(56);
    [header].into_iter().chain(chunks.chunks(SEALED)).map(<[u8]>::to_vec).collect()
}
