//! How fast 64 MiB are read and written in a local directory, by the bare store and by the encrypted one.
//!
//! ```text
//! cargo bench -p atrest-object-store --bench local
//! ```

use std::time::{Duration, Instant};

use atrest::{Keyring, Sse};
use atrest_object_store::{EncryptedStore, Placement};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, Result};

const LEN: usize = 64 << 20;
const ROUNDS: usize = 9;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let inner = || LocalFileSystem::new_with_prefix(directory.path());
    println!("64 MiB, GB/s, best of {ROUNDS} | put | get().bytes() | get().into_stream() | 1000 x 4 KiB, ms");
    measure("bare", &inner()?).await?;
    for placement in [Placement::InFront, Placement::Behind] {
        let sse = Sse::builder().keyring(Keyring::generate()?).envelope_len(1024).build()?;
        let store = EncryptedStore::builder(inner()?, sse, "lake").placement(placement).build()?;
        measure(&format!("{placement:?}"), &store).await?;
    }
    Ok(())
}

async fn measure(name: &str, store: &impl ObjectStore) -> Result<()> {
    let location = Path::from(name);
    let bytes = Bytes::from(vec![7; LEN]);
    let ranges: Vec<_> = (0..1_000).map(|number| number * 65_000..number * 65_000 + 4_096).collect();
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let mut began = Instant::now();
        let mut lap = |index: usize| {
            best[index] = best[index].min(began.elapsed());
            began = Instant::now();
        };
        store.put(&location, bytes.clone().into()).await?;
        lap(0);
        assert_eq!(store.get(&location).await?.bytes().await?.len(), LEN);
        lap(1);
        let mut pieces = store.get(&location).await?.into_stream();
        let mut len = 0;
        while let Some(piece) = pieces.try_next().await? {
            len += piece.len();
        }
        assert_eq!(len, LEN);
        lap(2);
        store.get_ranges(&location, &ranges).await?;
        lap(3);
    }
    let speed = |time: Duration| LEN as f64 / time.as_secs_f64() / 1e9;
    let [put, whole, stream, ranges] = best;
    let ms = ranges.as_secs_f64() * 1e3;
    println!("{name} | {:.2} | {:.2} | {:.2} | {ms:.1}", speed(put), speed(whole), speed(stream));
    Ok(())
}
