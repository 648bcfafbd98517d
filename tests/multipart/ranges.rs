//! Random multipart objects against a plain slice: random splits, uploads in any order with repeated parts, every way
//! of reading, and the fetched bytes of the store.

use std::cell::RefCell;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use atrest::geometry::Layers;
use atrest::io::{DecryptAt, DecryptReader, ReadAt};
use atrest::{ByteRange, Decryptor, Error, ModeId};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use atrest_kit::parts::{Part, Stored, number, plain_of};
use atrest_kit::{C, Service, Steps, name, read_streamed};

const SEALED: u64 = C as u64 + 16;

/// How a client uploads: the parts in ascending order, each with its number, its length and how often it is uploaded;
/// the order in which the attempts arrive; and how long labels are.
#[derive(Clone, Debug)]
struct Uploading {
    mode: usize,
    parts: Vec<(u32, usize, u32)>,
    order: Vec<Index>,
    label_len: usize,
}

fn lengths() -> impl Strategy<Value = usize> {
    let boundary = select(vec![0, 0, 1, 17, C - 1, C, C + 1, 2 * C - 1, 2 * C, 2 * C + 1]);
    prop_oneof![3 => boundary, 1 => 0..40_000_usize]
}

fn uploading() -> impl Strategy<Value = Uploading> {
    let number = prop_oneof![3 => 1..20_u32, 1 => 1..10_001_u32];
    let parts = btree_map(number, (lengths(), 1..4_u32), 1..7);
    (0..4_usize, parts, vec(any::<Index>(), 24), select(vec![0_usize, 1, 32, 255])).prop_map(
        |(mode, parts, order, label_len)| Uploading {
            mode,
            parts: parts.into_iter().map(|(number, (len, attempts))| (number, len, attempts)).collect(),
            order,
            label_len,
        },
    )
}

fn put(service: &Service, uploading: &Uploading) -> (Stored, ModeId) {
    let modes = service.modes();
    let mode = &modes[uploading.mode % modes.len()];
    let upload = service.begin(&name(), mode);
    let mut waiting: Vec<_> =
        uploading.parts.iter().flat_map(|(part, len, attempts)| (0..*attempts).map(|at| (*part, *len, at))).collect();
    let mut made: Vec<(u32, Part)> = Vec::new();
    for index in uploading.order.iter().cycle() {
        if waiting.is_empty() {
            break;
        }
        let (part, len, attempt) = waiting.remove(index.index(waiting.len()));
        // Earlier attempts have other bytes and lengths.
        let plain = plain_of(part, attempt, len + attempt as usize);
        let label = vec![attempt as u8; uploading.label_len];
        let (stored, receipt) = upload.encrypt_part(number(part), &plain, &label).unwrap();
        made.push((attempt, Part { number: number(part), label, receipt, stored, plain }));
    }
    // The client lists whichever attempt was answered last.
    let listed: Vec<_> = uploading
        .parts
        .iter()
        .map(|(part, ..)| made.iter().rev().find(|(_, made)| made.number.get() == *part).unwrap().1.clone())
        .collect();
    (Stored { completed: service.complete(&upload, &listed).unwrap(), parts: listed }, mode.id())
}

fn reader(service: &Service, stored: &Stored) -> Decryptor {
    service.reader(&name(), stored.envelope(), &stored.completed.manifest).unwrap()
}

/// A requested range, and the slice that HTTP defines for it.
fn asked(shape: usize, start: usize, end: usize, len: usize) -> (ByteRange, Range<usize>) {
    let (start, end) = (start.min(end), start.max(end));
    let (range, slice): (ByteRange, _) = match shape {
        0 => ((start as u64..end as u64).into(), start..end),
        1 => ((start as u64..=end as u64).into(), start..end + 1),
        2 => ((start as u64..).into(), start..len.max(start)),
        3 => (ByteRange::last(end as u64), len.saturating_sub(end)..len),
        _ => ((start as u64..u64::MAX).into(), start..len.max(start)),
    };
    (range, slice.start..slice.end.min(len).max(slice.start))
}

/// Offsets at which something changes, in an object of these parts, or anywhere.
fn offset(at: Index, anywhere: usize, plain_ends: &[u64]) -> usize {
    let len = *plain_ends.last().unwrap() as usize;
    let mut points = vec![0, 1, C, len / 2, len.saturating_sub(1), len, len + 1, anywhere % (len + 10)];
    points.extend(plain_ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end + 1].map(|at| at as usize)));
    points[at.index(points.len())]
}

/// The fetches lie in the parts that are touched, and are no more than the messages of what is wanted of each and two
/// chunks around each edge.
fn assert_frugal(decryptor: &Decryptor, fetches: &[Range<u64>], wanted: &Range<usize>, layers: Layers) {
    let wanted = wanted.start as u64..wanted.end as u64;
    let touched: Vec<_> =
        decryptor.parts().unwrap().into_iter().filter(|part| overlap(&part.plaintext, &wanted).is_some()).collect();
    let (first, last) = (touched.first().unwrap(), touched.last().unwrap());
    let mut behind = first.ciphertext.start;
    for fetch in fetches {
        assert!(behind <= fetch.start && fetch.start < fetch.end && fetch.end <= last.ciphertext.end);
        assert!(behind == fetch.start || behind == first.ciphertext.start, "without a gap");
        behind = fetch.end;
    }
    let fetched: u64 = fetches.iter().map(|fetch| fetch.end - fetch.start).sum();
    let parts = decryptor.parts().unwrap();
    let needed: u64 = parts
        .iter()
        .filter(|part| part.ciphertext.start >= first.ciphertext.start && part.ciphertext.end <= last.ciphertext.end)
        .map(|part| {
            let bytes = overlap(&part.plaintext, &wanted).map_or(0, |bytes| bytes.end - bytes.start);
            layers.ciphertext_len(bytes).unwrap()
        })
        .sum();
    assert!(fetched <= needed + 2 * 2 * SEALED, "{fetched} bytes fetched where {needed} are needed");
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> Option<Range<u64>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (both.start < both.end).then_some(both)
}

/// A store that records the ranges that were read.
struct Recording<'a>(&'a [u8], RefCell<Vec<Range<u64>>>);

impl ReadAt for Recording<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let rest = &self.0[offset as usize..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.1.borrow_mut().push(offset..offset + len as u64);
        Ok(len)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_range_of_parts_is_the_slice_and_fetches_little_more(
        uploading in uploading(),
        ranges in vec((0..5_usize, any::<Index>(), any::<Index>(), 0..200_000_usize), 8),
        input in 1..40_000_usize,
    ) {
        let service = Service::new();
        let (stored, mode) = put(&service, &uploading);
        let (plain, body, reader) = (stored.plain(), stored.body(), reader(&service, &stored));
        let ends: Vec<_> = reader.parts().unwrap().iter().map(|part| part.plaintext.end).collect();
        for (shape, start, end, anywhere) in ranges {
            let (start, end) = (offset(start, anywhere, &ends), offset(end, anywhere, &ends));
            let (range, slice) = asked(shape, start, end, plain.len());
            match reader.range(range, body.len() as u64) {
                Err(Error::RangeNotSatisfiable { plaintext_len, .. }) => {
                    prop_assert!(slice.is_empty() && plaintext_len == plain.len() as u64, "{:?}", slice);
                }
                Err(error) => prop_assert!(false, "{:?}: {:?}", slice, error),
                Ok(plan) if plain.is_empty() => {
                    prop_assert_eq!(plan.plaintext_range(), Some(0..0), "the whole of an empty object");
                    prop_assert!(plan.decrypt(&atrest_kit::fetch(&body, plan.fetches())).unwrap().is_empty());
                }
                Ok(plan) => {
                    prop_assert!(!slice.is_empty());
                    prop_assert_eq!(plan.plaintext_range(), Some(slice.start as u64..slice.end as u64));
                    assert_frugal(&reader, plan.fetches(), &slice, mode.layers());
                    let fetched = atrest_kit::fetch(&body, plan.fetches());
                    let span = plan.fetch_span();
                    prop_assert!(fetched == body[span.start as usize..span.end as usize]);
                    prop_assert!(plan.decrypt(&fetched).unwrap() == plain[slice.clone()], "{:?}", slice);
                    let streamed = atrest_kit::pass(plan.reader(), &fetched, &Steps::of(input)).into_result();
                    prop_assert!(streamed.unwrap() == plain[slice]);
                }
            }
        }
    }

    #[test]
    fn parts_read_in_order_in_any_steps_are_the_object(
        uploading in uploading(),
        input in vec(0..40_000_usize, 0..4),
    ) {
        let service = Service::new();
        let (stored, _) = put(&service, &uploading);
        let (plain, body, reader) = (stored.plain(), stored.body(), reader(&service, &stored));
        let steps = Steps(input.into_iter().chain([1_000]).collect());
        prop_assert!(read_streamed(&reader, &body, &steps).into_result().unwrap() == plain);
        prop_assert!(service.decrypt(&name(), &stored.with_body(body.clone())).unwrap() == plain);
        let mut cut = 0;
        for (info, part) in reader.parts().unwrap().iter().zip(&stored.parts) {
            prop_assert_eq!(info.number, part.number);
            prop_assert_eq!(info.ciphertext.clone(), cut..cut + part.stored.len() as u64);
            cut = info.ciphertext.end;
            let alone = reader.part_decryptor(info.number).unwrap();
            prop_assert!(read_streamed(&alone, &part.stored, &steps).into_result().unwrap() == part.plain);
        }
        prop_assert_eq!(cut, body.len() as u64);
    }

    #[test]
    fn a_reader_that_seeks_and_one_that_reads_at_offsets_agree_with_the_slice(
        uploading in uploading(),
        moves in vec((0..3_usize, any::<Index>(), 0..200_000_usize, 1..30_000_usize), 1..12),
    ) {
        let service = Service::new();
        let (stored, mode) = put(&service, &uploading);
        let (plain, body, decryptor) = (stored.plain(), stored.body(), reader(&service, &stored));
        let ends: Vec<_> = decryptor.parts().unwrap().iter().map(|part| part.plaintext.end).collect();
        let mut seeking = DecryptReader::new(decryptor.clone(), Cursor::new(&body));
        let mut position = 0;
        for (how, at, anywhere, len) in moves {
            let target = offset(at, anywhere, &ends);
            let to = match how {
                0 => SeekFrom::Start(target as u64),
                1 => SeekFrom::Current(target as i64 - position as i64),
                _ => SeekFrom::End(target as i64 - plain.len() as i64),
            };
            prop_assert_eq!(seeking.seek(to).unwrap(), target as u64);
            let expected = &plain[target.min(plain.len())..(target + len).min(plain.len()).max(target.min(plain.len()))];
            let mut read = Vec::new();
            (&mut seeking).take(len as u64).read_to_end(&mut read).unwrap();
            prop_assert!(read == expected, "{} from {}", len, target);
            position = target + read.len();

            let recording = Recording(&body, RefCell::default());
            let random = DecryptAt::new(decryptor.clone(), &recording, 0..body.len() as u64);
            let mut buffer = vec![0; len];
            let read = random.read_at(&mut buffer, target as u64).unwrap();
            prop_assert!(buffer[..read] == *expected);
            if !expected.is_empty() {
                let fetched = recording.1.into_inner();
                assert_frugal(&decryptor, &fetched, &(target..target + read), mode.layers());
            }
        }
        prop_assert_eq!(seeking.seek(SeekFrom::End(0)).unwrap(), plain.len() as u64);
    }

    #[test]
    fn pages_of_a_manifest_say_what_the_whole_says(uploading in uploading(), from in 0..8_u32, more in 0..8_u32) {
        let service = Service::new();
        let (stored, _) = put(&service, &uploading);
        let unlisted = service.decryptor(&name(), stored.envelope()).unwrap();
        let all = reader(&service, &stored).parts().unwrap();
        let within = all.get(from as usize..(from + more).min(all.len() as u32).max(from) as usize).unwrap_or_default();
        match unlisted.manifest_page(from..from + more) {
            Err(Error::Part(atrest::error::PartError::Page)) => prop_assert!(within.is_empty()),
            Err(error) => prop_assert!(false, "{:?}", error),
            Ok(page) => {
                let fetch = page.fetch();
                let listed = page.open(&stored.completed.manifest[fetch.start as usize..fetch.end as usize]).unwrap();
                prop_assert_eq!(listed.len(), within.len());
                for (part, info) in listed.iter().zip(within) {
                    prop_assert_eq!((part.number, &part.plaintext), (info.number, &info.plaintext));
                    let of_part = &stored.parts.iter().find(|part| part.number == info.number).unwrap();
                    let read = read_streamed(&part.decryptor, &of_part.stored, &Steps::of(C)).into_result();
                    prop_assert!(read.unwrap() == of_part.plain);
                }
            }
        }
    }
}

#[test]
fn four_kib_of_many_small_parts_fetch_one_or_two_of_them() {
    let service = Service::new();
    for mode in service.modes() {
        let parts: Vec<_> = (1..=200).map(|number| (number, 5_000 + number as usize)).collect();
        let stored = service.put(&name(), &mode, &parts);
        let (plain, body, reader) = (stored.plain(), stored.body(), stored.completed.decryptor.clone());
        for start in (0..plain.len() - 4_096).step_by(9_973) {
            let plan = reader.range(start as u64..start as u64 + 4_096, body.len() as u64).unwrap();
            assert!(plan.fetches().len() <= 2, "one or two parts");
            let fetched: u64 = plan.fetches().iter().map(|fetch| fetch.end - fetch.start).sum();
            assert!(fetched <= 2 * (5_200 + 144), "{mode:?}: {fetched}");
            assert!(plan.decrypt(&atrest_kit::fetch(&body, plan.fetches())).unwrap() == plain[start..start + 4_096]);
        }
    }
}

#[test]
fn one_read_at_an_offset_is_one_read_of_the_source_however_many_parts_it_crosses() {
    struct Counting(Vec<u8>, std::sync::atomic::AtomicU32);

    impl atrest::io::ReadAt for Counting {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.0.read_at(buffer, offset)
        }
    }

    let service = Service::new();
    for mode in service.modes() {
        let parts: Vec<_> = (1..=100).map(|number| (number, (number % 3) as usize)).collect();
        let stored = service.put(&name(), &mode, &parts);
        let source = Counting(stored.body(), Default::default());
        let len = source.0.len() as u64;
        let reader = DecryptAt::new(stored.completed.decryptor.clone(), &source, 0..len);
        let mut plain = vec![0; stored.plain().len()];
        reader.read_exact_at(&mut plain, 0).unwrap();
        assert!(plain == stored.plain());
        assert_eq!(source.1.load(std::sync::atomic::Ordering::Relaxed), 1, "{mode:?}");
    }
}
