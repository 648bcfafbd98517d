//! Every way to write a body against every way to read one: one boundary table of lengths and steps, for one message, for
//! two layers and for parts.

use atrest::{ByteRange, PartInfo};

use atrest_kit::{C, READERS, Service, Steps, backends, for_every_body, for_every_written_body, steps};

#[test]
fn every_way_of_reading_opens_every_body_at_every_length_and_step() {
    for_every_body(&Service::new(), |body| {
        for step in steps(body.plain.len()) {
            body.assert_opens(&Steps::of(step));
        }
        body.assert_opens(&Steps(vec![1, 0, C, 16_400, 50_000]));
    });
}

#[test]
fn every_way_of_writing_writes_what_opens_and_is_as_long_as_stated_at_every_length_and_step() {
    for_every_written_body(&Service::new(), |body| {
        for (way, read) in &READERS[..1] {
            let read = read(body, &body.stored.ciphertext, &Steps::of(C)).into_result();
            assert!(read.unwrap() == body.plain, "{}, {way}", body.what);
        }
        let stored_len = body.stored.ciphertext.len() as u64;
        if body.stored.manifest.is_none() {
            let stated = body.stored.envelope.mode().ciphertext_len(body.plain.len() as u64);
            assert_eq!(stated, Some(stored_len), "{}", body.what);
        }
        assert!(body.decryptor.ciphertext_len().is_none_or(|stated| stated == stored_len), "{}", body.what);
    });
}

#[test]
fn every_range_around_every_boundary_is_the_slice_in_every_way() {
    for_every_body(&Service::new(), |body| {
        let len = body.plain.len();
        let mut edges = vec![0, 1, C - 1, C, C + 1, 2 * C - 1, 2 * C, 2 * C + 1, 3 * C, len - len.min(1), len, len + 1];
        edges.sort_unstable();
        edges.dedup();
        for (at, start) in edges.iter().enumerate() {
            for end in &edges[at..] {
                body.assert_range(*start as u64..*end as u64, *start..*end, &Steps::of(C + 16));
            }
        }
        for at in [0, 1, C, len] {
            body.assert_range(at as u64.., at..len.max(at), &Steps::of(5_000));
            body.assert_range(ByteRange::last(at as u64), len.saturating_sub(at)..len, &Steps::of(5_000));
        }
    });
}

#[test]
fn every_way_of_reading_opens_every_range_on_every_backend_in_every_step() {
    for backend in backends() {
        for_every_body(&Service::on(backend), |body| {
            let len = body.plain.len();
            for step in steps(len) {
                body.assert_range(100.., 100.min(len)..len, &Steps::of(step));
            }
        });
    }
}

#[test]
fn a_byte_changed_in_any_chunk_is_refused_in_every_way() {
    for_every_body(&Service::new(), |body| {
        let (stored, sealed) = (&body.stored.ciphertext, C + 16);
        let ends = [56, 71, 72, sealed + 55, sealed + 56, 2 * sealed + 56, stored.len() - 16, stored.len() - 1];
        // Where the length is known, a range reads no chunk without plaintext: no empty part, and not the empty chunk
        // behind a full one. A range reads no header either.
        let known = body.stored.envelope.plaintext_len().is_some();
        let read = |start: usize, end: usize, len: u64| {
            let empty_end = known && len.is_multiple_of(C as u64);
            start + 56..end - if empty_end { 16 } else { 0 }
        };
        let parts = body.decryptor.parts().unwrap();
        let of_part = |part: &PartInfo| {
            let len = part.plaintext.end - part.plaintext.start;
            read(part.ciphertext.start as usize, part.ciphertext.end as usize, len)
        };
        let chunks: Vec<_> = match parts.is_empty() {
            true => vec![read(0, stored.len(), body.plain.len() as u64)],
            false => parts.iter().filter(|part| !part.plaintext.is_empty()).map(of_part).collect(),
        };
        for at in ends.into_iter().filter(|at| chunks.iter().any(|chunks| chunks.contains(at))) {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            body.assert_refused(&format!("byte {at} changed"), &changed, &["Inauthentic"]);
        }
    });
}

#[test]
fn a_body_cut_short_or_longer_is_refused_in_every_way() {
    for_every_body(&Service::new(), |body| {
        let stored = &body.stored.ciphertext;
        let ends = body.decryptor.parts().unwrap().into_iter().map(|part| part.ciphertext.end as usize);
        let ends = ends.flat_map(|end| [end - 17, end - 16, end, end + 1, end + 56]);
        let cuts = [0, 55, 56, 71, 72, C, C + 72, 2 * C + 88, stored.len() - 16, stored.len() - 1];
        for cut in cuts.into_iter().chain(ends) {
            if let Some(stored) = stored.get(..cut).filter(|cut| cut.len() < stored.len()) {
                body.assert_refused(&format!("cut to {cut}"), stored, &["Inauthentic", "Truncated"]);
            }
        }
        for more in [1, 16, 72, C + 16] {
            let longer = [&stored[..], &vec![0; more]].concat();
            body.assert_refused(&format!("longer by {more}"), &longer, &["Inauthentic", "Truncated"]);
        }
    });
}
