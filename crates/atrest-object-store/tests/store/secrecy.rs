//! Nothing of a plaintext or a key is where it should not be.

use atrest_object_store::CallOptions;
use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::kit::{PLACEMENTS, at, built, get, put, put_parts, store};

const SECRET: &[u8] = b"the quick brown fox jumps over the lazy dog ";

#[tokio::test]
async fn no_plaintext_is_in_the_inner_store() {
    for placement in PLACEMENTS {
        for unbound in [false, true] {
            let (store, spy, _) = built(placement, |builder| if unbound { builder.unbound() } else { builder });
            let bytes = bytes::Bytes::from(SECRET.repeat(300_000 / SECRET.len()));
            put(&store, "put", bytes.clone()).await;
            put(&store, "small", bytes.slice(..SECRET.len())).await;
            put_parts(&store, "parts", &bytes, &[100_000, bytes.len() - 100_000]).await.unwrap();
            store.copy(&at("put"), &at("copy")).await.unwrap();
            store.rename(&at("parts"), &at("renamed")).await.unwrap();
            let stored: Vec<_> = spy.bare().list(None).try_collect().await.unwrap();
            assert_eq!(stored.len(), 4);
            for meta in stored {
                let stored = get(spy.bare(), meta.location.as_ref()).await.unwrap();
                for word in SECRET.chunks(8) {
                    let found = stored.windows(word.len()).any(|window| window == word);
                    assert!(!found, "{placement:?} {}", meta.location);
                }
            }
        }
    }
}

#[tokio::test]
async fn the_same_object_is_stored_as_other_bytes_each_time() {
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        let mut seen = Vec::new();
        for _ in 0..3 {
            put(&store, "object", SECRET).await;
            let body = get(spy.bare(), "object").await.unwrap();
            assert!(!seen.contains(&body));
            seen.push(body);
        }
    }
}

#[tokio::test]
async fn no_key_is_in_the_debug_output() {
    let key = std::sync::Arc::new(atrest::CustomerKey::from_bytes(&mut [0x61; 32]).unwrap());
    let access = atrest::Access::new(atrest::Expected::new()).with_customer_key(key.clone());
    let options = CallOptions::new().with_mode(atrest::SseC::new(key)).with_access(access);
    let (store, _, _) = store(PLACEMENTS[0]);
    let store = store.with_options(options.clone());
    put(&store, "object", SECRET).await;
    let upload = store.put_multipart(&at("parts")).await.unwrap();
    for text in [format!("{store:?}"), format!("{store}"), format!("{options:?}"), format!("{upload:?}")] {
        assert!(!text.contains("aaaaaaa") && !text.contains("97, 97, 97"), "{text}");
    }
}
