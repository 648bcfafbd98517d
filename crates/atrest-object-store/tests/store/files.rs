//! A local file, which the store reads itself.

use std::fs;

use atrest_object_store::{EncryptedStore, Placement};
use object_store::local::LocalFileSystem;
use object_store::{GetOptions, GetRange, ObjectStore};

use crate::kit::{CHUNK, Keys, at, atrest_error, get, get_range, plaintext, put, put_parts};

fn store(directory: &tempfile::TempDir, placement: Placement) -> EncryptedStore<LocalFileSystem> {
    let inner = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    EncryptedStore::builder(inner, Keys::new().sse(), "lake").placement(placement).build().unwrap()
}

const IN_FILES: [Placement; 2] = [Placement::InFront, Placement::Behind];

async fn reads(store: &impl ObjectStore, bytes: &bytes::Bytes) {
    assert_eq!(get(store, "object").await.unwrap(), *bytes);
    let len = bytes.len() as u64;
    for range in [0..1, 16_383..16_385, len - 1..len, 5..len] {
        let expected = &bytes[range.start as usize..range.end as usize];
        assert_eq!(get_range(store, "object", range).await.unwrap(), expected);
    }
    assert_eq!(get_range(store, "object", GetRange::Suffix(9)).await.unwrap(), bytes[bytes.len() - 9..]);
    let ranges = store.get_ranges(&at("object"), &[0..5, len - 5..len + 100, 0..1, 20_000..20_001]).await.unwrap();
    assert_eq!(ranges[1], bytes[bytes.len() - 5..]);
    assert_eq!(ranges[3], bytes[20_000..20_001]);
}

#[tokio::test]
async fn files_of_every_length_are_read_whole_and_by_ranges() {
    for placement in IN_FILES {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory, placement);
        for len in [2 * CHUNK, 1 << 20, (5 << 20) + 3] {
            let bytes = plaintext(len);
            put(&store, "object", bytes.clone()).await;
            reads(&store, &bytes).await;
            put_parts(&store, "object", &bytes, &[len / 2, len - len / 2]).await.unwrap();
            reads(&store, &bytes).await;
        }
    }
}

#[test]
fn files_are_read_without_a_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, Placement::InFront);
    futures_executor(async {
        let bytes = plaintext(3 << 20);
        put(&store, "object", bytes.clone()).await;
        reads(&store, &bytes).await;
    });
}

/// Waits without a runtime of tokio.
fn futures_executor<F: Future>(future: F) -> F::Output {
    struct Wakes(std::thread::Thread);
    impl std::task::Wake for Wakes {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = std::pin::pin!(future);
    let waker = std::sync::Arc::new(Wakes(std::thread::current())).into();
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[tokio::test]
async fn a_file_that_was_cut_or_changed_is_an_error() {
    for placement in IN_FILES {
        for len in [40_000, 3 << 20] {
            let directory = tempfile::tempdir().unwrap();
            let store = store(&directory, placement);
            put(&store, "object", plaintext(len)).await;
            let path = directory.path().join("object");
            let stored = fs::read(&path).unwrap();
            for cut in [1, 16, 1_000, 16_400, 20_000, stored.len() - 1, stored.len()] {
                fs::write(&path, &stored[..stored.len() - cut]).unwrap();
                get(&store, "object").await.unwrap_err();
                store.get_ranges(&at("object"), &[0..len as u64]).await.unwrap_err();
            }
            for place in [0, 100, 1_023, 1_024, 1_060, 1_080, 20_000, stored.len() - 1] {
                let mut changed = stored.clone();
                changed[place] ^= 1;
                fs::write(&path, &changed).unwrap();
                let error = get(&store, "object").await.unwrap_err();
                let _ = atrest_error(&error);
            }
            fs::write(&path, &stored).unwrap();
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(len));
        }
    }
}

#[tokio::test]
async fn a_file_that_is_overwritten_while_it_is_read_is_read_to_its_end() {
    use futures_util::StreamExt;
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, Placement::InFront);
    put(&store, "object", plaintext(4 << 20)).await;
    let got = store.get_opts(&at("object"), GetOptions::new()).await.unwrap();
    let mut pieces = got.into_stream();
    let first = pieces.next().await.unwrap().unwrap();
    put(&store, "object", plaintext(10)).await;
    let mut all = first.to_vec();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(all, plaintext(4 << 20));
}
