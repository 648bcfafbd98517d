//! What is fetched without a key, and what was fetched in pieces or wider than asked for.

use std::ops::Range;

use atrest::error::Misuse;
use atrest::geometry::{Fetch, Layers, Parts};
use atrest::{ByteRange, Decryptor, Error, RangePlan, SseS3};

use atrest_kit::{C, LENS, Service, name, plain};

/// Answers a fetch as a store does, clipped at the end of the body. Returns the offset of the answer and its bytes.
fn answer(body: &[u8], fetch: &Fetch) -> (u64, Vec<u8>) {
    let len = body.len() as u64;
    let range = match fetch {
        Fetch::Range(range) => range.start.min(len)..range.end.min(len),
        Fetch::From(start) => *start.min(&len)..len,
        Fetch::Last(last) => len.saturating_sub(*last)..len,
        other => panic!("{other:?}"),
    };
    (range.start, body[range.start as usize..range.end as usize].to_vec())
}

fn ranges() -> Vec<ByteRange> {
    let edges = [0, 1, C - 57, C - 1, C, C + 1, 2 * C, 3 * C + 499, 3 * C + 500].map(|at| at as u64);
    let between = edges.into_iter().flat_map(|start| edges.into_iter().map(move |end| ByteRange::from(start..end)));
    let from = edges.into_iter().map(|start| ByteRange::from(start..));
    between.chain(from).chain(edges.into_iter().map(ByteRange::last)).collect()
}

/// Opens a range from exactly the fetched bytes. Returns the bytes, or the error as text.
fn exact(decryptor: &Decryptor, range: ByteRange, body: &[u8]) -> Result<Vec<u8>, String> {
    let plan = decryptor.range(range, body.len() as u64).map_err(|error| error.to_string())?;
    let Range { start, end } = plan.fetch_span();
    plan.decrypt(&body[start as usize..end as usize]).map_err(|error| error.to_string())
}

#[test]
fn what_is_fetched_without_a_key_opens_every_range_of_an_object_of_known_or_unknown_length() {
    let service = Service::new();
    for mode in service.modes() {
        let layers = mode.id().layers();
        for len in LENS {
            let stored = service.streamed(&name(), &mode, &plain(len));
            let (body, decryptor) = (&stored.ciphertext, service.decryptor(&name(), &stored.envelope).unwrap());
            for range in ranges() {
                let expected = exact(&decryptor, range, body);
                let plan = decryptor.range(range, body.len() as u64).unwrap();
                let known = layers.fetch_of_len(range, body.len() as u64).unwrap();
                let (span, what) = (plan.fetch_span(), format!("{mode:?} {len} {range:?}"));
                assert!(known.start <= span.start && span.end <= known.end, "{what}: {known:?} for {span:?}");
                for fetch in [Fetch::Range(known), layers.fetch(range)] {
                    let (offset, bytes) = answer(body, &fetch);
                    let opened = plan.decrypt_pieces([(offset, &bytes[..])]);
                    // A range that begins behind the end says nothing of the end: one more fetch tells.
                    if bytes.is_empty() || offset > span.start {
                        assert!(matches!(fetch, Fetch::Range(_) | Fetch::From(_)) && expected.is_err(), "{what}");
                        continue;
                    }
                    assert!(opened.map_err(|error| error.to_string()) == expected, "{what}: {fetch:?}");
                    assert!(bytes.len() as u64 <= span.end - span.start + 3 * 16_400, "{what}: {fetch:?} is frugal");
                }
            }
        }
    }
}

#[test]
fn lengths_that_no_body_has_are_planned_as_with_a_key() {
    assert!(matches!(Layers::One.fetch_of_len(0..1, 71), Err(Error::Truncated)));
    assert!(matches!(Layers::Two.fetch_of_len(0..1, 72), Err(Error::Inauthentic)));
    assert!(matches!(Layers::One.fetch_of_len(0..1, u64::MAX), Err(Error::LimitExceeded(_))));
    for layers in [Layers::One, Layers::Two] {
        assert!(matches!(layers.fetch(u64::MAX - 1..u64::MAX), Fetch::Last(_)), "behind every end there is the end");
        assert!(matches!(layers.fetch(u64::MAX..), Fetch::Last(_)));
        assert!(matches!(layers.fetch(0..u64::MAX), Fetch::Range(range) if range.end == u64::MAX));
        assert_eq!(layers.fetch(ByteRange::last(u64::MAX)), Fetch::Last(u64::MAX));
    }
}

#[test]
fn parts_are_planned_without_a_key_from_the_lengths_that_a_service_lists() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.put(&name(), &mode, &[(1, C + 1), (2, 0), (3, 1), (9, 2 * C)]);
        let (body, plain, decryptor) = (stored.body(), stored.plain(), &stored.completed.decryptor);
        let listed = stored.parts.iter().map(|part| part.stored.len() as u64);
        let parts = Parts::from_ciphertext_lens(mode.id().layers(), listed).unwrap();
        let of_manifest = decryptor.parts().unwrap().into_iter().map(|part| part.plaintext.end);
        let of_manifest = Parts::new(mode.id().layers(), of_manifest).unwrap();
        for range in ranges() {
            match decryptor.range(range, body.len() as u64) {
                Ok(plan) => {
                    assert_eq!(parts.fetches(range).unwrap(), plan.fetches(), "{mode:?} {range:?}");
                    assert_eq!(of_manifest.fetches(range).unwrap(), plan.fetches());
                    let wanted = plan.plaintext_range().unwrap();
                    // Each part fetched by itself and whole, those of which nothing is wanted too.
                    let whole = decryptor.parts().unwrap().into_iter().map(|part| part.ciphertext);
                    let pieces = whole.map(|at| (at.start, &body[at.start as usize..at.end as usize]));
                    let opened = plan.decrypt_pieces(pieces).unwrap();
                    assert!(opened == plain[wanted.start as usize..wanted.end as usize], "{mode:?} {range:?}");
                }
                Err(error) => assert_eq!(parts.fetches(range).unwrap_err().to_string(), error.to_string()),
            }
        }
        assert!(Parts::from_ciphertext_lens(mode.id().layers(), [71]).is_none());
    }
}

#[test]
fn the_whole_of_parts_that_are_all_empty_is_planned_without_a_key_unless_http_asks() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.put(&name(), &mode, &[(1, 0), (4, 0)]);
        let (body, decryptor) = (stored.body(), &stored.completed.decryptor);
        let listed = stored.parts.iter().map(|part| part.stored.len() as u64);
        let parts = Parts::from_ciphertext_lens(mode.id().layers(), listed).unwrap();
        let plan = decryptor.range(0.., body.len() as u64).unwrap();
        let fetches = parts.fetches(0..).unwrap();
        assert_eq!(fetches, plan.fetches(), "{mode:?}");
        let pieces = fetches.iter().map(|at| (at.start, &body[at.start as usize..at.end as usize]));
        assert_eq!(plan.decrypt_pieces(pieces).unwrap(), [0; 0]);
        let header = ByteRange::parse("bytes=0-").unwrap().unwrap();
        for range in [header, ByteRange::last(1), ByteRange::from(0..1)] {
            let refused = [parts.fetches(range).err(), decryptor.range(range, body.len() as u64).err()];
            for error in refused {
                let refused = matches!(error, Some(Error::RangeNotSatisfiable { plaintext_len: 0, .. }));
                assert!(refused, "{range:?}: {error:?}");
            }
        }
    }
}

/// A plan over two chunks in the middle of an object, the body, and the expected plaintext.
fn middle(service: &Service) -> (RangePlan, Vec<u8>, Vec<u8>) {
    let plain = plain(5 * C);
    let stored = service.streamed(&name(), &SseS3.into(), &plain);
    let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
    let plan = decryptor.range(C as u64 + 10..3 * C as u64 - 10, stored.ciphertext.len() as u64).unwrap();
    (plan, stored.ciphertext, plain[C + 10..3 * C - 10].to_vec())
}

#[test]
fn pieces_open_however_they_are_cut_and_however_much_wider_they_are() {
    let (plan, body, expected) = middle(&Service::new());
    let span = plan.fetch_span();
    for (start, end) in [(span.start, span.end), (0, body.len() as u64), (span.start - 1, span.end + 1)] {
        for step in [1_000, C, C + 16, body.len()] {
            let pieces = (start..end).step_by(step).map(|at| {
                let behind = end.min(at + step as u64);
                (at, &body[at as usize..behind as usize])
            });
            assert!(plan.decrypt_pieces(pieces.clone()).unwrap() == expected, "{start}..{end} by {step}");
            let mut output = vec![0xAA; plan.output_len() + 9];
            assert_eq!(plan.decrypt_into(pieces, &mut output).unwrap(), expected.len());
            assert!(output[..expected.len()] == expected && output[expected.len()..] == [0xAA; 9], "and no more");
        }
    }
    // Pieces that overlap, as coalesced answers do, and empty ones.
    let from = |start: u64| (start, &body[start as usize..span.end as usize]);
    let half = (span.start, &body[span.start as usize..span.start as usize + C]);
    let pieces = [half, from(span.start + 5), (span.start + 5, &[]), from(span.end - 1), from(span.end)];
    assert!(plan.decrypt_pieces(pieces).unwrap() == expected);
}

#[test]
fn pieces_out_of_order_with_a_gap_or_outside_are_misuse_and_too_few_are_truncated() {
    let (plan, body, _) = middle(&Service::new());
    let span = plan.fetch_span();
    let at = |start: u64, end: u64| (start, &body[start as usize..end as usize]);
    let middle = span.start + 100;
    for (what, pieces) in [
        ("swapped", vec![at(middle, span.end), at(span.start, middle)]),
        ("a gap", vec![at(span.start, middle), at(middle + 1, span.end)]),
        ("begins too late", vec![at(span.start + 1, span.end)]),
        ("turns back", vec![at(span.start, middle), at(0, middle), at(middle, span.end)]),
        ("beyond the body", vec![(body.len() as u64 - 10, &body[..span.end as usize])]),
        ("beyond every body", vec![at(span.start, span.end), (u64::MAX, b"x")]),
    ] {
        let refused = plan.decrypt_pieces(pieces);
        assert!(matches!(refused, Err(Error::Misuse(Misuse::FetchedPlace))), "{what}: {refused:?}");
    }
    for (what, pieces) in [("nothing", vec![]), ("an end that is missing", vec![at(span.start, span.end - 1)])] {
        assert!(matches!(plan.decrypt_pieces(pieces), Err(Error::Truncated)), "{what}");
    }
    assert!(matches!(plan.decrypt(&body), Err(Error::Misuse(Misuse::FetchedLen))), "wider, and not said where");
}

#[test]
fn a_range_that_fails_leaves_nothing_in_the_callers_memory() {
    let (plan, body, expected) = middle(&Service::new());
    let span = plan.fetch_span();
    let mut fetched = body[span.start as usize..span.end as usize].to_vec();
    let mut output = vec![0xAA; expected.len()];
    assert_eq!(plan.decrypt_into([(span.start, &fetched[..])], &mut output).unwrap(), expected.len());
    assert!(output == expected);
    let refused = plan.decrypt_into([(span.start, &fetched[..])], &mut output[1..]);
    assert!(matches!(refused, Err(Error::Misuse(Misuse::OutputTooSmall))), "{refused:?}");
    // The first chunk is authentic, and the last is not.
    *fetched.last_mut().unwrap() ^= 1;
    assert!(matches!(plan.decrypt_into([(span.start, &fetched[..])], &mut output), Err(Error::Inauthentic)));
    assert!(output.iter().all(|byte| *byte == 0), "what came before is wiped too");
}
