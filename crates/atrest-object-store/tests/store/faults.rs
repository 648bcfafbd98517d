//! Inner stores that fail, lie, or change between two requests.

use atrest_object_store::{EncryptedStore, Placement, StoreError};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutOptions, Result};

use crate::kit::{Memory, PLACEMENTS, at, built, get, get_range, plaintext, put, put_parts, store, store_error};
use crate::spy::{Fault, Request};

const LEN: usize = (2 << 20) + 500;

/// The reads that a suite makes; each gives the expected bytes or an error.
async fn read(store: &EncryptedStore<Memory>, number: usize) -> Result<(Bytes, Bytes)> {
    let bytes = plaintext(LEN);
    let expected = |range: std::ops::Range<usize>| bytes.slice(range);
    let object = at("object");
    Ok(match number {
        0 => (get(store, "object").await?, expected(0..LEN)),
        1 => (get_range(store, "object", 1_000_000..1_000_009).await?, expected(1_000_000..1_000_009)),
        2 => (get_range(store, "object", GetRange::Suffix(9)).await?, expected(LEN - 9..LEN)),
        3 => (get_range(store, "object", GetRange::Suffix(1_500_000)).await?, expected(LEN - 1_500_000..LEN)),
        4 => (get_range(store, "object", GetRange::Offset(10)).await?, expected(10..LEN)),
        5 => (get_range(store, "object", 5..1_900_000).await?, expected(5..1_900_000)),
        6 => {
            let ranges = [0..5, 30_000..30_002, 1_900_000..1_900_001];
            (store.get_ranges(&object, &ranges).await?.concat().into(), {
                [expected(0..5), expected(30_000..30_002), expected(1_900_000..1_900_001)].concat().into()
            })
        }
        7 => {
            store.copy(&object, &at("copy")).await?;
            (get(store, "copy").await?, expected(0..LEN))
        }
        _ => unreachable!(),
    })
}

const READS: usize = 8;

async fn filled(placement: Placement, cached: bool, in_parts: bool) -> (EncryptedStore<Memory>, Memory) {
    let (store, spy, _) = built(placement, |builder| if cached { builder } else { builder.without_cache() });
    if in_parts {
        put_parts(&store, "object", &plaintext(LEN), &[LEN / 2, LEN - LEN / 2]).await.unwrap();
    } else {
        put(&store, "object", plaintext(LEN)).await;
    }
    // Another object of the same length, and one of another length.
    put(&store, "other", plaintext(LEN + 1).slice(1..)).await;
    put(&store, "short", plaintext(100)).await;
    (store, spy)
}

/// Runs each read with a fault at each of its requests in turn: with a cold and with a warm cache and without one.
async fn at_each_request(fault: impl Fn() -> Fault, outcome: impl Fn(usize, &Result<(Bytes, Bytes)>)) {
    for placement in PLACEMENTS {
        for (cached, warm, in_parts) in [(true, false, false), (true, true, true), (false, false, true)] {
            let (store, spy) = filled(placement, cached, in_parts).await;
            for number in 0..READS {
                let prepare = async || {
                    store.purge();
                    if warm {
                        get(&store, "object").await.unwrap();
                    }
                };
                prepare().await;
                spy.on_request(|_, _| None);
                read(&store, number).await.unwrap();
                let requests = spy.calm();
                for index in 0..requests {
                    prepare().await;
                    spy.fault_at(index, fault());
                    let got = read(&store, number).await;
                    spy.calm();
                    if let Ok((got, expected)) = &got {
                        assert_eq!(got, expected, "{placement:?} read {number} request {index}");
                    }
                    outcome(number, &got);
                }
            }
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(LEN));
        }
    }
}

fn anything(_: usize, _: &Result<(Bytes, Bytes)>) {}

#[tokio::test]
async fn a_store_that_fails_at_any_request_fails_the_read() {
    at_each_request(|| Fault::Fails, |number, got| assert!(got.is_err(), "{number}")).await;
}

#[tokio::test]
async fn a_short_answer_is_never_a_short_read() {
    for lacking in [1, 15, 16, 17, 1_024, 16_400, 1 << 20, usize::MAX] {
        at_each_request(|| Fault::Short(lacking), anything).await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error() {
    for after in [0, 1, 1_024, 5_000, 1_000_000] {
        at_each_request(|| Fault::Breaks(after), anything).await;
    }
}

#[tokio::test]
async fn a_long_answer_gives_no_other_bytes() {
    for more in [1, 16, 100_000] {
        at_each_request(|| Fault::Long(more), anything).await;
    }
}

#[tokio::test]
async fn a_changed_bit_anywhere_gives_no_changed_byte() {
    for place in [0, 30, 1_000, 1_030, 1_070, 1_090, 17_000, 1_000_000] {
        at_each_request(|| Fault::Flips(place), anything).await;
    }
}

#[tokio::test]
async fn an_answer_of_another_object_gives_none_of_its_bytes() {
    for other in ["other", "short"] {
        at_each_request(|| Fault::Swapped(at(other)), anything).await;
    }
}

#[tokio::test]
async fn a_lie_about_the_length_gives_no_wrong_bytes() {
    for size in [0, 1, 71, 1_095, 1_096, 20_000, LEN as u64, u64::MAX - 1, u64::MAX] {
        at_each_request(|| Fault::Size(size), anything).await;
    }
}

#[tokio::test]
async fn an_answer_of_another_place_gives_no_wrong_bytes() {
    for by in [-16_400, -1, 1, 16_400] {
        at_each_request(|| Fault::Moved(by), anything).await;
    }
}

#[tokio::test]
async fn another_missing_or_weak_e_tag_in_one_answer_gives_no_wrong_bytes() {
    for e_tag in [None, Some("other".to_owned()), Some("W/\"0\"".to_owned())] {
        at_each_request(|| Fault::ETag(e_tag.clone()), anything).await;
    }
}

#[tokio::test]
async fn an_object_that_is_gone_at_any_request_is_an_error_or_read_again() {
    at_each_request(|| Fault::NotFound, anything).await;
    at_each_request(|| Fault::Precondition, anything).await;
}

#[tokio::test]
async fn an_object_that_is_overwritten_before_any_request_is_read_in_one_of_its_versions() {
    for placement in PLACEMENTS {
        for (cached, warm) in [(true, false), (true, true), (false, false)] {
            let (store, spy) = filled(placement, cached, false).await;
            for number in 0..READS {
                let mut index = 0;
                loop {
                    put(&store, "object", plaintext(LEN)).await;
                    store.purge();
                    if warm {
                        get(&store, "object").await.unwrap();
                    }
                    // The new version is the old one shifted by a byte, of the same length.
                    let writer = store.clone();
                    let overwrite = move || {
                        let bytes = plaintext(LEN + 1).slice(1..);
                        let written = writer.put_opts_now(bytes);
                        written.unwrap();
                    };
                    spy.fault_at(index, Fault::First(Box::new(overwrite)));
                    let got = read(&store, number).await;
                    let requests = spy.calm();
                    let (got, old) = got.unwrap_or_else(|error| panic!("{placement:?} {number} {index}: {error}"));
                    let new = read_of_new(number);
                    assert!(got == old || got == new, "{placement:?} read {number} request {index}");
                    index += 1;
                    // The write of the new version is a request too.
                    if index + 1 >= requests {
                        break;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn another_version_with_the_same_e_tag_between_two_requests_is_read_again() {
    // A store whose e_tags tell nothing of an overwrite, and which meets every condition: only versions differ.
    for placement in PLACEMENTS {
        for (cached, warm) in [(true, false), (true, true), (false, false)] {
            let (store, spy) = filled(placement, cached, false).await;
            spy.ignore_conditions();
            let stored = async || {
                let stored = spy.bare().get(&at("object")).await.unwrap();
                let options = PutOptions { attributes: stored.attributes.clone(), ..PutOptions::default() };
                (stored.bytes().await.unwrap(), options)
            };
            let old = stored().await;
            // The new version is the old one shifted by a byte, of the same length.
            put(&store, "object", plaintext(LEN + 1).slice(1..)).await;
            let new = stored().await;
            for number in 0..READS {
                for index in 0.. {
                    spy.bare().put_opts(&at("object"), old.0.clone().into(), old.1.clone()).await.unwrap();
                    store.purge();
                    if warm {
                        spy.on_request(|_, _| Some(Fault::Version(0)));
                        get(&store, "object").await.unwrap();
                    }
                    let (bare, new) = (spy.clone(), new.clone());
                    spy.on_request(move |at_index, _| {
                        if at_index == index {
                            let (object, bytes, options) = (at("object"), new.0.clone(), new.1.clone());
                            let written = bare.bare().put_opts(&object, bytes.into(), options);
                            written.now_or_never().unwrap().unwrap();
                        }
                        Some(Fault::Version((at_index >= index).into()))
                    });
                    let got = read(&store, number).await;
                    let requests = spy.calm();
                    let (got, old) = got.unwrap_or_else(|error| panic!("{placement:?} {number} {index}: {error}"));
                    let new = read_of_new(number);
                    assert!(got == old || got == new, "{placement:?} read {number} request {index}");
                    if index >= requests {
                        break;
                    }
                }
            }
        }
    }
}

/// What a read of the new version gives.
fn read_of_new(number: usize) -> Bytes {
    let bytes = plaintext(LEN + 1).slice(1..);
    match number {
        0 | 7 => bytes,
        1 => bytes.slice(1_000_000..1_000_009),
        2 => bytes.slice(LEN - 9..),
        3 => bytes.slice(LEN - 1_500_000..),
        4 => bytes.slice(10..),
        5 => bytes.slice(5..1_900_000),
        _ => [&bytes[0..5], &bytes[30_000..30_002], &bytes[1_900_000..1_900_001]].concat().into(),
    }
}

/// Writes within a request of another call.
trait PutNow {
    fn put_opts_now(&self, bytes: Bytes) -> Result<()>;
}

impl PutNow for EncryptedStore<Memory> {
    fn put_opts_now(&self, bytes: Bytes) -> Result<()> {
        let store = self.clone();
        // The write yields between pieces, so it runs on a runtime of its own.
        let writing = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { store.put(&at("object"), bytes.into()).await.map(drop) })
        };
        std::thread::spawn(writing).join().unwrap()
    }
}

#[tokio::test]
async fn an_object_that_is_overwritten_at_every_request_is_an_error_that_says_so() {
    for placement in [Placement::InFront, Placement::Behind] {
        let (store, spy) = filled(placement, false, false).await;
        let writer = store.clone();
        spy.on_request(move |_, request| {
            let writer = writer.clone();
            matches!(request, Request::Get { .. })
                .then(|| Fault::First(Box::new(move || writer.put_opts_now(plaintext(LEN)).unwrap())))
        });
        let error = get_range(&store, "object", 1_000_000..1_000_009).await.unwrap_err();
        assert_eq!(store_error(&error), Some(&StoreError::Overwritten), "{error}");
        assert!(matches!(error, Error::Precondition { .. }));
        spy.calm();
    }
}

#[tokio::test]
async fn a_stream_that_has_failed_fails_for_ever() {
    for fault in [|| Fault::Flips(1_500_000), || Fault::Breaks(1_500_000), || Fault::Short(20_000)] {
        for placement in PLACEMENTS {
            let (store, spy) = filled(placement, true, true).await;
            get(&store, "object").await.unwrap();
            spy.on_request(move |_, _| Some(fault()));
            let got = store.get_opts(&at("object"), GetOptions::new()).await.unwrap();
            let mut pieces = got.into_stream();
            let mut read = 0;
            let first = loop {
                match pieces.next().await {
                    Some(Ok(piece)) => {
                        assert_eq!(piece, plaintext(LEN)[read..read + piece.len()]);
                        read += piece.len();
                    }
                    Some(Err(error)) => break error,
                    None => panic!("a clean end after {read} bytes"),
                }
            };
            assert!(read < LEN);
            for _ in 0..3 {
                let again = pieces.next().await.expect("no end follows an error").unwrap_err();
                assert!(again.to_string().contains(&text(&first)), "{again} / {first}");
            }
        }
    }
}

/// The text of an error without that of the store in front of it.
fn text(error: &Error) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[tokio::test]
async fn a_whole_suite_with_a_failure_at_each_request_leaves_old_or_new_objects() {
    async fn suite(store: &EncryptedStore<Memory>) -> Result<()> {
        let bytes = plaintext(6 << 20);
        store.put(&at("put"), bytes.slice(..100_000).into()).await?;
        put_parts_of(store, "parts", &bytes).await?;
        store.copy(&at("parts"), &at("copy")).await?;
        store.rename(&at("put"), &at("renamed")).await?;
        store.copy_if_not_exists(&at("copy"), &at("created")).await?;
        store.get_ranges(&at("copy"), &[0..1, 5_000_000..5_000_001]).await?;
        store.head(&at("copy")).await?;
        store.list(None).try_collect::<Vec<_>>().await?;
        store.list_with_offset(None, &at("copy")).try_collect::<Vec<_>>().await?;
        store.list_with_delimiter(None).await?;
        store.delete(&at("created")).await
    }
    async fn put_parts_of(store: &EncryptedStore<Memory>, location: &str, bytes: &Bytes) -> Result<()> {
        let mut upload = store.put_multipart(&at(location)).await?;
        for part in [bytes.slice(..5 << 20), bytes.slice(5 << 20..)] {
            upload.put_part(part.into()).await?;
        }
        upload.complete().await.map(drop)
    }
    for placement in PLACEMENTS {
        let (counted, spy, _) = store(placement);
        spy.on_request(|_, _| None);
        suite(&counted).await.unwrap();
        let requests = spy.calm();
        assert!(requests > 15, "{requests}");
        for index in 0..requests {
            let (store, spy, _) = store(placement);
            spy.fault_at(index, Fault::Fails);
            let done = suite(&store).await;
            spy.calm();
            assert!(done.is_err(), "{placement:?} request {index}");
            let whole = plaintext(6 << 20);
            for meta in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
                let got = get(&store, meta.location.as_ref()).await.unwrap();
                assert!(got == whole || got == whole[..100_000], "{placement:?} {index} {}", meta.location);
                assert_eq!(meta.size, got.len() as u64);
            }
        }
    }
}

#[tokio::test]
async fn a_whole_object_shorter_than_the_store_said_has_no_clean_end() {
    // An upload in parts states no length, so that its end alone shows how long it is.
    for placement in [Placement::InFront, Placement::Attributes] {
        for (len, told) in [(100_000, 100_001), (100_000, 900_000), (2 << 20, (2 << 20) + 5), (2 << 20, 1 << 40)] {
            let (store, spy, _) = built(placement, |builder| builder);
            put_parts(&store, "object", &plaintext(len), &[len]).await.unwrap();
            let stored = move |len: usize| {
                let chunks = len as u64 / 16_384 + 1;
                len as u64 + 56 + 16 * chunks + if placement == Placement::InFront { 1_024 } else { 0 }
            };
            assert_eq!(spy.bare().head(&at("object")).await.unwrap().size, stored(len));
            for warm in [false, true] {
                spy.on_request(move |_, _| Some(Fault::Size(stored(told))));
                if let Ok(answer) = store.get(&at("object")).await {
                    let range = answer.range.clone();
                    let mut pieces = answer.into_stream();
                    let mut given = 0;
                    let end = loop {
                        match pieces.next().await {
                            Some(Ok(piece)) => given += piece.len() as u64,
                            end => break end,
                        }
                    };
                    assert!(end.is_some(), "{given} bytes and a clean end, promised {range:?} {placement:?} {warm}");
                    assert!(matches!(pieces.next().await, Some(Err(_))));
                }
                spy.calm();
                assert_eq!(get(&store, "object").await.unwrap(), plaintext(len));
            }
        }
    }
}
