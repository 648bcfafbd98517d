//! Objects that are written in parts.

use atrest_object_store::{EncryptedStore, Placement, StoreError};
use bytes::Bytes;
use futures_util::FutureExt;
use object_store::{MultipartUpload, ObjectStoreExt, WriteMultipart};

use crate::kit::{ENVELOPE, Memory, PLACEMENTS, at, built, get, plaintext, put_parts, store, store_error};
use crate::spy::{Fault, Request};

const MIN_PART: usize = 5 << 20;

fn parts(spy: &Memory) -> Vec<usize> {
    let len = |request| match request {
        Request::Part { len } => Some(len),
        _ => None,
    };
    spy.requests().into_iter().filter_map(len).collect()
}

async fn begin(store: &EncryptedStore<Memory>) -> Box<dyn MultipartUpload> {
    store.put_multipart(&at("object")).await.unwrap()
}

#[tokio::test]
async fn an_object_in_parts_reads_back_as_one() {
    for placement in PLACEMENTS {
        for lens in [&[][..], &[0], &[1], &[16_384], &[16_383, 1, 0, 16_385], &[1; 50], &[100_000, 5]] {
            let (store, _, _) = store(placement);
            let bytes = plaintext(lens.iter().sum());
            put_parts(&store, "object", &bytes, lens).await.unwrap();
            assert_eq!(get(&store, "object").await.unwrap(), bytes, "{placement:?} {lens:?}");
            assert_eq!(store.head(&at("object")).await.unwrap().size, bytes.len() as u64);
        }
    }
}

#[tokio::test]
async fn no_stored_part_but_the_last_is_smaller_than_5_mib_if_those_of_the_caller_are_not() {
    for placement in PLACEMENTS {
        for lens in [[MIN_PART, MIN_PART, MIN_PART, 2_100_000], [MIN_PART + 1, MIN_PART + 16_383, MIN_PART, 0]] {
            let (store, spy, _) = store(placement);
            let bytes = plaintext(lens.iter().sum());
            spy.requests();
            put_parts(&store, "object", &bytes, &lens).await.unwrap();
            let parts = parts(&spy);
            let (last, others) = parts.split_last().unwrap();
            assert!(others.iter().all(|len| *len >= MIN_PART), "{placement:?} {parts:?}");
            // No part was added for the end of the message or for the envelope.
            let with_bytes = lens.iter().filter(|len| **len > 0).count();
            assert_eq!(parts.len(), with_bytes, "{placement:?} {parts:?}");
            assert!(*last > 0);
            assert_eq!(get(&store, "object").await.unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn the_stored_parts_of_a_known_upload_have_the_expected_lengths() {
    let (store, spy, _) = store(Placement::InFront);
    let lens = [MIN_PART, MIN_PART, MIN_PART, 2_109_440];
    put_parts(&store, "object", &plaintext(lens.iter().sum()), &lens).await.unwrap();
    // 320 chunks of 16,400 bytes; the first has the envelope and the header, the last the end of the message.
    let last = 2_109_440 + 16 * (2_109_440 / 16_384 + 1);
    assert_eq!(parts(&spy), [5_248_000 + 1_024 + 56, 5_248_000, 5_248_000, last]);
}

#[tokio::test]
async fn the_future_of_the_first_part_is_ready_at_once() {
    let (store, spy, _) = store(Placement::InFront);
    let mut upload = begin(&store).await;
    spy.requests();
    upload.put_part(plaintext(MIN_PART).into()).now_or_never().unwrap().unwrap();
    assert_eq!(spy.requests(), []);
    upload.put_part(plaintext(MIN_PART).into()).await.unwrap();
    assert_eq!(parts(&spy).len(), 1);
}

#[tokio::test]
async fn the_failure_of_a_part_is_that_of_the_next_call_and_that_of_the_last_part_is_that_of_complete() {
    let (store, spy, _) = store(Placement::InFront);
    let mut upload = begin(&store).await;
    upload.put_part(plaintext(MIN_PART).into()).await.unwrap();
    spy.fault_at(0, Fault::Fails);
    upload.put_part(plaintext(MIN_PART).into()).await.unwrap_err();
    spy.calm();
    let error = upload.complete().await.unwrap_err();
    assert_eq!(store_error(&error), Some(&StoreError::PartMissing));
    assert!(get(&store, "object").await.is_err());

    let mut upload = begin(&store).await;
    upload.put_part(plaintext(MIN_PART).into()).await.unwrap();
    spy.fault_at(0, Fault::Fails);
    upload.complete().await.unwrap_err();
    spy.calm();
    assert_eq!(store_error(&upload.complete().await.unwrap_err()), Some(&StoreError::UploadOver));
    assert!(get(&store, "object").await.is_err());
}

#[tokio::test]
async fn an_upload_whose_part_was_not_awaited_is_not_completed() {
    let (store, _, _) = store(Placement::InFront);
    let mut upload = begin(&store).await;
    drop(upload.put_part(plaintext(MIN_PART).into()));
    drop(upload.put_part(plaintext(MIN_PART).into()));
    let error = upload.complete().await.unwrap_err();
    assert_eq!(store_error(&error), Some(&StoreError::PartMissing));
}

#[tokio::test]
async fn a_cancelled_upload_leaves_nothing_readable() {
    for placement in PLACEMENTS {
        for parts in 0..3 {
            for aborts in [true, false] {
                let (store, _, _) = store(placement);
                let mut upload = begin(&store).await;
                for _ in 0..parts {
                    upload.put_part(plaintext(100_000).into()).await.unwrap();
                }
                if aborts {
                    upload.abort().await.unwrap();
                    let part = upload.put_part(plaintext(5).into()).await.unwrap_err();
                    assert_eq!(store_error(&part), Some(&StoreError::UploadOver));
                    assert_eq!(store_error(&upload.complete().await.unwrap_err()), Some(&StoreError::UploadOver));
                }
                drop(upload);
                let error = get(&store, "object").await.unwrap_err();
                assert!(matches!(error, object_store::Error::NotFound { .. }), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_complete_that_is_dropped_does_not_complete_later_without_its_parts() {
    let (store, _, _) = store(Placement::InFront);
    let mut upload = begin(&store).await;
    upload.put_part(plaintext(100_000).into()).await.unwrap();
    drop(upload.complete());
    // It was not polled, so nothing was done, and it can be called again.
    upload.complete().await.unwrap();
    assert_eq!(get(&store, "object").await.unwrap(), plaintext(100_000));
}

#[tokio::test]
async fn equal_parts_are_equal_in_every_placement() {
    for placement in PLACEMENTS {
        for lens in [&[MIN_PART, MIN_PART, 3][..], &[100, 11 << 20, 5], &[7 << 20], &[MIN_PART - 1_080]] {
            let (store, spy, _) = built(placement, |builder| builder.equal_parts(MIN_PART));
            let bytes = plaintext(lens.iter().sum());
            spy.requests();
            put_parts(&store, "object", &bytes, lens).await.unwrap();
            let parts = parts(&spy);
            let (last, others) = parts.split_last().unwrap();
            assert!(others.iter().all(|len| *len == MIN_PART), "{placement:?} {parts:?}");
            assert!((1..=MIN_PART).contains(last), "{placement:?} {parts:?}");
            assert_eq!(get(&store, "object").await.unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn the_writers_of_object_store_work_on_an_upload() {
    for placement in PLACEMENTS {
        let (store, _, _) = store(placement);
        let bytes = plaintext(12 << 20);
        let mut writer = WriteMultipart::new(begin(&store).await);
        for piece in bytes.chunks(100_003) {
            writer.write(piece);
        }
        writer.finish().await.unwrap();
        assert_eq!(get(&store, "object").await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_part_in_several_pieces_is_sealed_as_one() {
    let (store, _, _) = store(Placement::Behind);
    let bytes = plaintext(50_000);
    let pieces: object_store::PutPayload = bytes.chunks(777).map(Bytes::copy_from_slice).collect();
    let mut upload = begin(&store).await;
    upload.put_part(pieces.clone()).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(get(&store, "object").await.unwrap(), bytes);
    store.put(&at("object"), pieces).await.unwrap();
    assert_eq!(get(&store, "object").await.unwrap(), bytes);
    assert_eq!(store.inner().bare().head(&at("object")).await.unwrap().size, 50_000 + 56 + 4 * 16 + ENVELOPE);
}
