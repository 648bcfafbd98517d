//! Ranges against a plain slice: plaintext, fetched bytes, and ends.

mod pieces;

use std::ops::Range;

use atrest::error::{Misuse, PartError};
use atrest::{AnyMode, ByteRange, Decryptor, Encrypted, Error, ModeId, PartNumber, RangePlan, Result, SseS3, Unlock};
use atrest_kit::{C, LENS, Read, Service, Steps, name, pass, plain};

/// Fetches these ranges, as a store would.
fn fetch(body: &[u8], fetches: &[Range<u64>]) -> Vec<u8> {
    fetches.iter().flat_map(|fetch| body[fetch.start as usize..fetch.end as usize].to_vec()).collect()
}

fn read(decryptor: &Decryptor, range: impl Into<ByteRange>, body: &[u8]) -> Result<Vec<u8>> {
    let plan = decryptor.range(range, body.len() as u64)?;
    let fetched = fetch(body, plan.fetches());
    let whole = plan.decrypt(&fetched);
    for step in [1000, C + 16, 1 << 20] {
        match (&whole, stream(&plan, &fetched, step).into_result()) {
            (Ok(whole), streamed) => assert_eq!(&streamed.unwrap(), whole),
            (Err(error), streamed) => assert_eq!(streamed.unwrap_err().to_string(), error.to_string()),
        }
    }
    whole
}

fn stream(plan: &RangePlan, fetched: &[u8], step: usize) -> Read {
    pass(plan.reader(), fetched, &Steps::of(step))
}

/// The slice that HTTP defines for a range.
fn expected(plaintext: &[u8], start: u64, end: u64) -> Option<&[u8]> {
    let end = end.min(plaintext.len() as u64);
    (start < end).then(|| &plaintext[start as usize..end as usize])
}

fn both_lengths(service: &Service, mode: &AnyMode, plaintext: &[u8]) -> [Encrypted; 2] {
    let known = service.sse.blocking().encrypt(&name(), mode.clone(), plaintext).unwrap();
    [known, service.streamed(&name(), mode, plaintext)]
}

#[test]
fn open_ended_and_suffix_ranges_are_clipped_as_in_http() {
    let service = Service::new();
    for mode in service.modes() {
        for len in LENS {
            let plaintext = plain(len);
            for stored in both_lengths(&service, &mode, &plaintext) {
                let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
                let body = &stored.ciphertext;
                for at in [0, 1, C - 1, C, C + 1, 2 * C, 3 * C + 499, 3 * C + 500, 1 << 40].map(|at| at as u64) {
                    let from = read(&decryptor, at.., body).ok();
                    // The whole of an empty object is empty, asked from Rust; HTTP has no such range.
                    let whole_of_empty = Some(&plaintext[..]).filter(|whole| whole.is_empty() && at == 0);
                    assert_eq!(from.as_deref(), expected(&plaintext, at, u64::MAX).or(whole_of_empty), "{len} {at}..");
                    let header = ByteRange::parse(&format!("bytes={at}-")).unwrap().unwrap();
                    let from = read(&decryptor, header, body).ok();
                    assert_eq!(from.as_deref(), expected(&plaintext, at, u64::MAX), "{len} bytes={at}-");
                    let last = read(&decryptor, ByteRange::last(at), body).ok();
                    let start = (len as u64).saturating_sub(at);
                    assert_eq!(last.as_deref(), expected(&plaintext, start, u64::MAX), "{len} -{at}");
                    let inclusive = read(&decryptor, 0..=at, body).ok();
                    assert_eq!(inclusive.as_deref(), expected(&plaintext, 0, at + 1), "{len} 0..={at}");
                }
                let all = read(&decryptor, 0..=u64::MAX, body).ok();
                assert_eq!(all.as_deref(), expected(&plaintext, 0, u64::MAX));
            }
        }
    }
}

#[test]
fn an_empty_or_reversed_range_is_refused_and_only_after_the_end_has_verified() {
    let service = Service::new();
    let stored = service.streamed(&name(), &SseS3.into(), &plain(C + 10));
    let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
    #[expect(clippy::reversed_empty_ranges, reason = "a client may ask for one")]
    for range in [5..5, 9..4, 0..0, C as u64 + 10..C as u64 + 11] {
        let plan = decryptor.range(range, stored.ciphertext.len() as u64).unwrap();
        assert_eq!(plan.plaintext_range(), None);
        let mut fetched = fetch(&stored.ciphertext, plan.fetches());
        assert!(matches!(plan.decrypt(&fetched), Err(Error::RangeNotSatisfiable { .. })));
        fetched[3] ^= 1;
        assert!(matches!(plan.decrypt(&fetched), Err(Error::Inauthentic)), "the length is not verified");
    }
}

#[test]
fn a_clipped_range_fails_where_the_stored_length_lies() {
    let service = Service::new();
    let plaintext = plain(3 * C + 500);
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &plaintext);
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        // Cut so that the length is still one that an object has.
        let cut = &stored.ciphertext[..stored.ciphertext.len() - 100];
        for range in [ByteRange::from(10..u64::MAX), ByteRange::last(50), (C as u64..).into()] {
            assert!(matches!(read(&decryptor, range, cut), Err(Error::Inauthentic)), "{mode:?}");
        }
        // What lies before it does not depend on the end.
        assert_eq!(read(&decryptor, 10..20, cut).unwrap(), plaintext[10..20]);
    }
}

#[test]
fn four_kib_of_a_large_object_fetch_two_chunks_at_most() {
    let service = Service::new();
    let plaintext = plain(64 * C);
    for mode in service.modes() {
        let most = if mode.id() == ModeId::DsseKms { 3 } else { 2 };
        let stored = service.streamed(&name(), &mode, &plaintext);
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        for start in [0, 1, C - 1, C - 2048, 20 * C - 1, 64 * C - 4096].map(|start| start as u64) {
            let plan = decryptor.range(start..start + 4096, stored.ciphertext.len() as u64).unwrap();
            let fetched: u64 = plan.fetches().iter().map(|fetch| fetch.end - fetch.start).sum();
            assert!(fetched <= most * (C as u64 + 16), "{mode:?} {start}: {fetched}");
            assert_eq!(plan.plaintext_range(), Some(start..start + 4096));
            assert_eq!(
                plan.decrypt(&fetch(&stored.ciphertext, plan.fetches())).unwrap(),
                plaintext[start as usize..][..4096]
            );
        }
    }
}

#[test]
fn a_verified_end_gives_the_length_and_refuses_at_once_from_then_on() {
    let service = Service::new();
    for mode in service.modes() {
        for len in LENS {
            let stored = service.streamed(&name(), &mode, &plain(len));
            let body_len = stored.ciphertext.len() as u64;
            let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
            assert_eq!(decryptor.plaintext_len(), None);
            let end = decryptor.end_fetch(body_len).unwrap();
            let last = fetch(&stored.ciphertext, &[end]);
            let knowing = decryptor.verify_end(body_len, &last).unwrap();
            assert_eq!(knowing.plaintext_len(), Some(len as u64));
            let behind = knowing.range(len.max(1) as u64.., body_len);
            assert!(matches!(behind, Err(Error::RangeNotSatisfiable { .. })));
            let mut damaged = last.clone();
            damaged[0] ^= 1;
            assert!(matches!(decryptor.verify_end(body_len, &damaged), Err(Error::Inauthentic)));
            assert!(matches!(decryptor.verify_end(body_len, &last[1..]), Err(Error::Truncated)));
        }
    }
}

#[test]
fn a_length_in_the_envelope_is_held_against_the_stored_one_before_anything_is_fetched() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.sse.blocking().encrypt(&name(), mode, &plain(C + 1000)).unwrap();
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let body_len = stored.ciphertext.len() as u64;
        assert_eq!(decryptor.plaintext_len(), Some(C as u64 + 1000));
        assert!(matches!(decryptor.range(0..1, body_len - 1), Err(Error::Inauthentic)));
        assert!(matches!(decryptor.range(0..1, body_len + 1), Err(Error::Inauthentic)));
        assert!(matches!(decryptor.range(0..1, 71), Err(Error::Truncated)));
    }
}

#[test]
fn bytes_missing_from_a_fetch_or_too_many_of_them_are_noticed() {
    let service = Service::new();
    let stored = service.streamed(&name(), &SseS3.into(), &plain(3 * C));
    let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
    let plan = decryptor.range(10..2 * C as u64, stored.ciphertext.len() as u64).unwrap();
    let fetched = fetch(&stored.ciphertext, plan.fetches());
    for missing in [1, 15, 16, C, C + 16, fetched.len()] {
        let short = &fetched[..fetched.len() - missing];
        assert!(matches!(plan.decrypt(short), Err(Error::Truncated)));
        let read = stream(&plan, short, C);
        assert!(matches!(read.end, Err(Error::Truncated)));
        assert!(plain(3 * C)[10..].starts_with(&read.released));
    }
    let long = [&fetched[..], b"x"].concat();
    assert!(matches!(plan.decrypt(&long), Err(Error::Misuse(Misuse::FetchedLen))));
    assert!(matches!(stream(&plan, &long, C).end, Err(Error::Misuse(Misuse::FetchedLen))));
    let mut reader = plan.reader();
    let mut output = vec![0; 4 * C];
    assert!(reader.update(&long, &mut output).is_err());
    assert!(
        matches!(reader.update(&fetched, &mut output), Err(Error::Misuse(Misuse::FetchedLen))),
        "it goes on failing"
    );
}

#[test]
fn a_length_that_no_object_has_is_truncated_and_one_beyond_the_format_is_a_limit() {
    let service = Service::new();
    let stored = service.streamed(&name(), &SseS3.into(), b"meow");
    let decryptor = service.sse.blocking().decryptor(&name(), &stored.envelope, Unlock::Server).unwrap();
    for len in [0, 1, 55, 56, 71, 16_456, 16_471] {
        assert!(matches!(decryptor.range(0..1, len), Err(Error::Truncated)), "{len}");
        assert!(matches!(decryptor.end_fetch(len), Err(Error::Truncated)), "{len}");
    }
    for len in [1 << 53, u64::MAX - 1, u64::MAX] {
        assert!(matches!(decryptor.range(0..1, len), Err(Error::LimitExceeded(_))), "{len}");
        assert!(matches!(decryptor.end_fetch(len), Err(Error::LimitExceeded(_))), "{len}");
    }
}

#[test]
fn a_range_header_is_read_in_all_its_forms_and_ignored_where_it_is_none() {
    let range = |header: &str| ByteRange::parse(header).unwrap();
    let resolved = |header: &str| range(header).map(|range| range.resolve(100).map(|range| range.range()).ok());
    for (header, expected) in [
        ("bytes=0-9", Some(0..10)),
        ("bytes=0-0", Some(0..1)),
        ("bytes=90-", Some(90..100)),
        ("bytes=-10", Some(90..100)),
        ("bytes=-1000", Some(0..100)),
        ("bytes=50-1000", Some(50..100)),
        ("BYTES=0-9", Some(0..10)),
        ("Bytes = 0-9", Some(0..10)),
        (" bytes=\t0 - 9 ", Some(0..10)),
        ("bytes=0-9,", Some(0..10)),
        ("bytes=, 0-9", Some(0..10)),
        ("bytes=0-99999999999999999999999", Some(0..100)),
        ("bytes=-99999999999999999999999", Some(0..100)),
        // Well formed, and outside.
        ("bytes=100-", None),
        ("bytes=100-200", None),
        ("bytes=-0", None),
        ("bytes=99999999999999999999999-", None),
    ] {
        assert_eq!(resolved(header), Some(expected), "{header:?}");
    }
    for header in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5",
        "bytes=9-0",
        "bytes=0--9",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=0x1-2",
        "bytes=1.0-2",
        "bytes:0-9",
        "pages=0-9",
        "items=0-9,20-29",
        "bytes=0-9,x",
        "bytes=x,0-9",
        "bytes=0-9;20-29",
        "bytes=\u{a0}0-9",
        "=0-9",
    ] {
        assert_eq!(range(header), None, "{header:?}");
    }
    for header in ["bytes=0-9,20-29", "bytes=0-, -5", "bytes=0-9,0-9", "BYTES = 0-1 ,\t5-6,,7-"] {
        assert!(matches!(ByteRange::parse(header), Err(Error::SeveralRanges)), "{header:?}");
    }
}

#[test]
fn a_range_resolves_against_the_length_of_an_object_that_is_not_encrypted_too() {
    let resolved = ByteRange::from(10..=19).resolve(100).unwrap();
    assert_eq!((resolved.range(), resolved.range_len(), resolved.object_len()), (10..20, 10, 100));
    assert_eq!(resolved.content_range().unwrap(), "bytes 10-19/100");
    for (header, expected) in
        [("bytes=0-", "bytes 0-99/100"), ("bytes=-1", "bytes 99-99/100"), ("bytes=50-500", "bytes 50-99/100")]
    {
        let range = ByteRange::parse(header).unwrap().unwrap();
        assert_eq!(range.resolve(100).unwrap().content_range().unwrap(), expected);
    }
    // Two entry points to an empty object.
    let whole = ByteRange::from(0..).resolve(0).unwrap();
    assert_eq!((whole.range(), whole.content_range()), (0..0, None));
    for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
        let refused = ByteRange::parse(header).unwrap().unwrap().resolve(0);
        assert!(matches!(refused, Err(Error::RangeNotSatisfiable { plaintext_len: 0, .. })), "{header}");
    }
    for refused in [ByteRange::from(0..0), ByteRange::from(1..), ByteRange::last(5), ByteRange::from(0..=0)] {
        assert!(refused.resolve(0).is_err());
    }
    assert!(ByteRange::from(0..=u64::MAX).resolve(u64::MAX).is_ok());
}

#[test]
fn a_plan_says_its_content_range_once_the_length_is_authenticated() {
    let service = Service::new();
    let plaintext = plain(2 * C + 7);
    for mode in service.modes() {
        let [known, unknown] = both_lengths(&service, &mode, &plaintext);
        for (stored, is_known) in [(known, true), (unknown, false)] {
            let len = stored.ciphertext.len() as u64;
            let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
            let end = decryptor.end_fetch(len).unwrap();
            let verified = decryptor.verify_end(len, &stored.ciphertext[end.start as usize..end.end as usize]).unwrap();
            for (header, expected) in [
                ("bytes=0-4", "bytes 0-4/32775"),
                ("bytes=5-", "bytes 5-32774/32775"),
                ("bytes=-3", "bytes 32772-32774/32775"),
                ("bytes=32770-40000", "bytes 32770-32774/32775"),
            ] {
                let range = ByteRange::parse(header).unwrap().unwrap();
                let before = decryptor.range(range, len).unwrap().resolved();
                assert_eq!(before.is_some(), is_known, "{mode:?} {header}");
                let after = verified.range(range, len).unwrap().resolved().unwrap();
                assert_eq!(after.content_range().as_deref(), Some(expected), "{mode:?} {header}");
                assert_eq!(Some(after), ByteRange::resolve(range, plaintext.len() as u64).ok());
            }
        }
    }
}

#[test]
fn part_1_of_an_object_that_was_not_uploaded_in_parts_is_the_whole_object() {
    let service = Service::new();
    let (one, two) = (PartNumber::new(1).unwrap(), PartNumber::new(2).unwrap());
    for mode in service.modes() {
        for len in [0, C + 3] {
            let plaintext = plain(len);
            let [known, unknown] = both_lengths(&service, &mode, &plaintext);
            for (stored, is_known) in [(known, true), (unknown, false)] {
                let stored_len = stored.ciphertext.len() as u64;
                let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
                if !is_known {
                    assert!(matches!(decryptor.part(one), Err(Error::Part(PartError::EndNotVerified(1)))));
                }
                let end = decryptor.end_fetch(stored_len).unwrap();
                let end = &stored.ciphertext[end.start as usize..end.end as usize];
                let verified = decryptor.verify_end(stored_len, end).unwrap();
                let part = verified.part(one).unwrap();
                assert_eq!((part.plaintext, part.ciphertext), (0..len as u64, 0..stored_len));
                assert!(read(&verified.part_decryptor(one).unwrap(), 0.., &stored.ciphertext).unwrap() == plaintext);
                for refused in [verified.part(two).err(), verified.part_decryptor(two).err()] {
                    assert!(matches!(refused, Some(Error::Part(PartError::NotFound(2)))));
                }
            }
        }
    }
}
