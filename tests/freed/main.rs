//! Freed memory holds no plaintext, except plaintext that the caller received.
//!
//! This test is a program of its own because its global allocator looks into every block that is freed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Cursor, Read};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use atrest::http_body::DecryptBody;
use atrest::io::{DecryptAt, DecryptReader};
use atrest::streams::DecryptStream;
use atrest::{BucketKeys, Encrypted, KmsKeys, ObjectName, Requester, Sse, SseKms, Unlock};
use atrest_kit::freed::{Freed, MARK, with_plaintext};
use atrest_kit::polled::{Pieces, polled};
use atrest_kit::{C, ManualTime, OneKey, Service, Steps, name};
use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use http_body::Body as _;

#[global_allocator]
static ALLOCATOR: Freed = Freed;

/// Three chunks and a bit of the mark, of which the last stored byte was changed.
fn tampered(service: &Service, mode: &atrest::AnyMode) -> Encrypted {
    let mut stored = service.streamed(&name(), mode, &vec![MARK; 3 * C + 500]);
    *stored.ciphertext.last_mut().unwrap() ^= 1;
    stored
}

#[test]
fn the_allocator_sees_a_plaintext_that_is_left() {
    assert_eq!(with_plaintext(|| drop(vec![MARK; 1_000])).1, 1);
    assert_eq!(with_plaintext(|| drop(vec![MARK; 15])).1, 0);
    let mut grown = vec![MARK; 100];
    assert_eq!(with_plaintext(|| grown.reserve_exact(100_000)).1, 1, "it moved");
}

/// PITFALL: the chunks before the bad one are plaintext, and lie in the memory that the error gives back.
#[test]
fn nothing_of_an_object_that_proves_inauthentic_is_left_in_freed_memory() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = tampered(&service, &mode);
        let len = stored.ciphertext.len() as u64;
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let (decrypted, left) = with_plaintext(|| service.decrypt(&name(), &stored).is_err());
        assert_eq!((decrypted, left), (true, 0), "{mode:?} at once");

        let plan = decryptor.range(100.., len).unwrap();
        let span = plan.fetch_span();
        let fetched = &stored.ciphertext[span.start as usize..span.end as usize];
        let (decrypted, left) = with_plaintext(|| plan.decrypt(fetched).is_err());
        assert_eq!((decrypted, left), (true, 0), "{mode:?} by range");

        let mut damaged = stored.ciphertext.clone();
        damaged[56 + 2 * (C + 16) + 100] ^= 1; // in the third chunk
        for step in [damaged.len(), 2 * (C + 16)] {
            let mut opened = Vec::<Bytes>::new();
            let (failed, left) = with_plaintext(|| {
                let mut reader = decryptor.sequential();
                let mut pieces = damaged.chunks(step).map(BytesMut::from);
                pieces.any(|mut piece| reader.open_in_place(&mut piece, &mut opened).is_err())
            });
            assert_eq!((failed, left), (true, 0), "{mode:?} in place");
        }

        let mut piece = vec![0; C];
        let (failed, left) = with_plaintext(|| {
            let mut reader = DecryptReader::new(decryptor.clone(), Cursor::new(&stored.ciphertext));
            while reader.read(&mut piece).is_ok_and(|read| read > 0) {}
            reader.read(&mut piece).is_err()
        });
        assert_eq!((failed, left), (true, 0), "{mode:?} through a reader");

        let at = DecryptAt::new(decryptor.clone(), &stored.ciphertext[..], 0..len);
        let mut room = vec![0; 4 * C];
        let (failed, left) = with_plaintext(|| at.read_at(&mut room, 100).is_err());
        assert_eq!((failed, left), (true, 0), "{mode:?} at an offset");
    }
}

#[test]
fn a_reader_leaves_nothing_of_the_last_chunk_when_it_is_dropped() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.streamed(&name(), &mode, &vec![MARK; C + 500]);
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        // Read to the end in small pieces, and abandoned inside the last chunk.
        for reads in [3 * C, C / 100 + 2] {
            let mut piece = [0; 100];
            let ((), left) = with_plaintext(|| {
                let mut reader = DecryptReader::new(decryptor.clone(), Cursor::new(&stored.ciphertext));
                for _ in 0..reads {
                    if reader.read(&mut piece).unwrap() == 0 {
                        break;
                    }
                }
            });
            assert_eq!(left, 0, "{mode:?}");
        }
    }
}

#[test]
fn a_stream_or_body_leaves_nothing_that_it_opened_and_did_not_give() {
    let service = Service::new();
    for mode in service.modes() {
        // The consumer takes the first chunk, which has no mark, and leaves.
        let mut plaintext = vec![0; C];
        plaintext.resize(8 * C, MARK);
        let stored = service.streamed(&name(), &mode, &plaintext);
        let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
        let pieces = || Pieces::of(&stored.ciphertext, &Steps::of(stored.ciphertext.len()));
        let (given, left) = with_plaintext(|| {
            let mut stream = pin!(DecryptStream::new(decryptor.sequential(), pieces()));
            polled(|context| stream.as_mut().poll_next(context)).unwrap().unwrap().len()
        });
        assert_eq!((given, left), (C, 0), "{mode:?} by a stream");
        let (given, left) = with_plaintext(|| {
            let mut body = pin!(DecryptBody::new(decryptor.sequential(), pieces()));
            let frame = polled(|context| body.as_mut().poll_frame(context)).unwrap().unwrap();
            frame.into_data().unwrap().len()
        });
        assert_eq!((given, left), (C, 0), "{mode:?} by a body");
    }
}

/// A service with two bucket keys in memory, whose bytes are the mark, in simulated time.
struct WithBucketKeys {
    time: ManualTime,
    sse: Sse,
}

impl WithBucketKeys {
    fn new(kms: Arc<OneKey>) -> Self {
        let time = ManualTime::new();
        let limits = BucketKeys::new().with_max_keys(3).with_max_keys_per_requester(2).with_max_uses(1);
        let sse = Sse::builder().kms(kms, KmsKeys::only(["one-kms:key/1"])).bucket_keys(limits);
        let sse = sse.clock(Arc::new(time.clone())).build().unwrap();
        let stored = put(&sse, "photos");
        assert_eq!(sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
        assert_eq!(sse.bucket_key_stats().keys, 2, "one of the write, one of the read");
        Self { time, sse }
    }
}

fn put(sse: &Sse, bucket: &str) -> Encrypted {
    let object = ObjectName::new(bucket, "2026/cat.jpg").unwrap();
    sse.blocking().encrypt(&object, SseKms::new("one-kms:key/1").with_bucket_key(true), b"meow").unwrap()
}

#[test]
fn nothing_of_a_bucket_key_is_left_when_it_leaves_the_cache() {
    type End = fn(WithBucketKeys) -> Option<Sse>;
    // How keys leave the cache, and how many calls of the KMS and keys in it there are afterwards.
    let ends: [(&str, End, (u64, usize)); 6] = [
        ("a purge", |world| (world.sse.purge_bucket_keys(), Some(world.sse)).1, (2, 0)),
        ("age", |world| (world.time.advance(Duration::from_secs(300)), Some(world.sse)).1, (2, 0)),
        ("uses", |world| (put(&world.sse, "photos"), Some(world.sse)).1, (3, 2)),
        ("too many keys of a requester", |world| (put(&world.sse, "videos"), Some(world.sse)).1, (3, 2)),
        (
            "too many keys",
            |world| {
                let bob = world.sse.requested_by(Requester::new("bob"));
                for bucket in ["photos", "videos"] {
                    put(&bob, bucket);
                }
                Some(world.sse)
            },
            (4, 3),
        ),
        ("the end of the service", |_| None, (0, 0)),
    ];
    // Outlives all services: its own copy of the key is not wiped.
    let kms = OneKey::new("one-kms:key/1", b"wrapped", [MARK; 32]);
    for (how, end, expected) in ends {
        let world = WithBucketKeys::new(kms.clone());
        let ((_kept, stats), left) = with_plaintext(|| {
            let kept = end(world);
            let stats = kept.as_ref().map(Sse::bucket_key_stats).unwrap_or_default();
            (kept, stats)
        });
        assert_eq!(((stats.calls, stats.keys), left), (expected, 0), "{how}");
    }
}

#[test]
fn nothing_of_a_sealed_value_that_proves_inauthentic_is_left() {
    let service = Service::new();
    let object = ObjectName::new("photos", "value").unwrap();
    for mode in service.modes() {
        let (envelope, encryptor) = service.sse.blocking().encryptor(&object, mode).unwrap();
        let sealed = encryptor.values().seal("name", &[MARK; 2_000]).unwrap();
        let mut bytes = sealed.into_bytes();
        *bytes.last_mut().unwrap() ^= 1;
        let sealed = atrest::SealedValue::from_bytes(bytes);
        let decryptor = service.decryptor(&object, &envelope).unwrap();
        let (opened, left) = with_plaintext(|| decryptor.values().open("name", &sealed).is_err());
        assert_eq!((opened, left), (true, 0));
    }
}
