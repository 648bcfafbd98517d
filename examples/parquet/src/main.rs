//! Parquet in an encrypted lake: a table is written and queried through each placement of the envelope, beside the
//! same table in an unencrypted store, and the requests and bytes of both are printed.
//!
//! ```text
//! cargo run --release -p atrest-parquet-lake
//! ```
//!
//! The store is in memory, and each request takes 20 ms. A query is cold when it is the first read of the file, and
//! warm when it is the second; of three such pairs the shortest times are printed.
//!
//! - `store_reader.rs` is a reader over any `ObjectStore`: plaintext comes out of an `EncryptedStore`.
//! - `encrypted_file.rs` and `decryptor_reader.rs` do without `EncryptedStore`, for stores of other kinds: a writer
//!   over the tokio adapter, and a reader over a `Decryptor`. Both ways write the same objects.

mod decryptor_reader;
mod encrypted_file;
mod metered;
mod store_reader;
mod table;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use atrest::{Container, Keyring, ObjectName, Sse};
use atrest_object_store::{EncryptedStore, Placement};
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::memory::InMemory;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::PageIndexPolicy;
use tokio::time::Instant;

use decryptor_reader::DecryptorReader;
use encrypted_file::EncryptedFile;
use metered::Metered;
use store_reader::StoreReader;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The rows that the query wants: all in one row group.
const IDS: Range<i64> = 500_000..520_000;
/// Suffices for the footer, and saves a request.
const HINT: Option<usize> = Some(64 * 1024);

type Bare = Metered<Arc<InMemory>>;

/// A store whose requests are counted, and the store over it that readers and writers use.
struct Lake {
    bare: Bare,
    store: Arc<dyn ObjectStore>,
    /// The same store, if it encrypts.
    encrypted: Option<EncryptedStore<Bare>>,
}

impl Lake {
    fn unencrypted(round_trip: Duration) -> Self {
        let bare = Metered::new(Arc::new(InMemory::new()), round_trip);
        Self { store: Arc::new(bare.clone()), encrypted: None, bare }
    }

    fn encrypted(round_trip: Duration, sse: &Sse, placement: Placement) -> Result<Self> {
        let bare = Metered::new(Arc::new(InMemory::new()), round_trip);
        let store = EncryptedStore::builder(bare.clone(), sse.clone(), "lake").placement(placement).build()?;
        Ok(Self { bare, store: Arc::new(store.clone()), encrypted: Some(store) })
    }

    /// Returns a reader of the file through the store.
    fn reader(&self, hint: Option<usize>) -> StoreReader {
        StoreReader { store: self.store.clone(), location: location(), hint }
    }

    /// Runs the query twice, through a new reader each time: cold, and warm.
    async fn query<R: AsyncFileReader + Unpin + 'static>(
        &self,
        options: &ArrowReaderOptions,
        open: impl AsyncFn() -> Result<R>,
    ) -> Result<[Cost; 2]> {
        self.encrypted.iter().for_each(EncryptedStore::purge);
        Ok([self.query_once(options, &open).await?, self.query_once(options, &open).await?])
    }

    async fn query_once<R: AsyncFileReader + Unpin + 'static>(
        &self,
        options: &ArrowReaderOptions,
        open: &impl AsyncFn() -> Result<R>,
    ) -> Result<Cost> {
        self.bare.take();
        let began = Instant::now();
        let rows = table::query(open().await?, options.clone(), IDS).await?;
        let (time, (requests, bytes)) = (began.elapsed(), self.bare.take());
        if !table::is_answer(&rows, IDS) {
            return Err("the query gave other rows".into());
        }
        Ok(Cost { requests, bytes, time })
    }
}

/// What one query costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    requests: u64,
    bytes: u64,
    time: Duration,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4} GETs {:>11} bytes {:>4} ms", self.requests, self.bytes, self.time.as_millis())
    }
}

fn location() -> Path {
    Path::from("2026/table.parquet")
}

/// The name that the file is bound to: the one that `EncryptedStore` gives it.
fn name() -> atrest::Result<ObjectName> {
    ObjectName::new("lake", location().as_ref())
}

/// Builds an `Sse` for a placement. A service opens its keyring at each start; here it is made anew.
fn sse(placement: Placement) -> atrest::Result<Sse> {
    let sse = Sse::builder().keyring(Keyring::generate()?);
    match placement {
        Placement::Behind => sse.container(Container::trailer(1024)).build(),
        Placement::InFront => sse.container(Container::inline(1024)).build(),
        _ => sse.build(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    run().await
}

async fn run() -> Result<()> {
    const ROUND_TRIP: Duration = Duration::from_millis(20);
    let unencrypted = Lake::unencrypted(ROUND_TRIP);
    write("unencrypted", &unencrypted).await?;
    show("unencrypted", &unencrypted).await?;

    for (name, placement) in [
        ("in front", Placement::InFront),
        ("in the attributes", Placement::Attributes),
        ("behind, the default", Placement::Behind),
    ] {
        let sse = sse(placement)?;
        let lake = Lake::encrypted(ROUND_TRIP, &sse, placement)?;
        write(name, &lake).await?;
        show(name, &lake).await?;
        if placement == Placement::Behind {
            by_hand(&lake, &sse).await?;
        }
    }
    Ok(())
}

/// Writes the table through the store.
async fn write(name: &str, lake: &Lake) -> Result<()> {
    let began = Instant::now();
    table::write(BufWriter::new(lake.store.clone(), location())).await?;
    written(name, lake, began);
    Ok(())
}

/// Queries the table through the store.
async fn show(name: &str, lake: &Lake) -> Result<()> {
    let whole_chunks = ArrowReaderOptions::new();
    let pages = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    for (how, hint, options) in
        [("", None, &whole_chunks), (", footer hint", HINT, &whole_chunks), (", hint, page index", HINT, &pages)]
    {
        query(&format!("{name}{how}"), lake, options, async || Ok(lake.reader(hint))).await?;
    }
    Ok(())
}

/// Writes and queries the table without `EncryptedStore`.
async fn by_hand(lake: &Lake, sse: &Sse) -> Result<()> {
    let bare: Arc<dyn ObjectStore> = Arc::new(lake.bare.clone());
    let name = name()?;
    let began = Instant::now();
    let file = EncryptedFile::begin(sse, &name, BufWriter::new(bare.clone(), location())).await?;
    table::write(file).await?;
    written("by hand", lake, began);

    let open = async || DecryptorReader::open(bare.clone(), location(), sse, &name).await;
    query("by hand", lake, &ArrowReaderOptions::new(), open).await?;
    // The store reads what the writer wrote.
    let through_store = async || Ok(lake.reader(None));
    query("by hand, through the store", lake, &ArrowReaderOptions::new(), through_store).await
}

/// Queries the table cold and warm, three times, and prints the shortest times.
async fn query<R: AsyncFileReader + Unpin + 'static>(
    name: &str,
    lake: &Lake,
    options: &ArrowReaderOptions,
    open: impl AsyncFn() -> Result<R>,
) -> Result<()> {
    let [mut cold, mut warm] = lake.query(options, &open).await?;
    for _ in 1..3 {
        let again = lake.query(options, &open).await?;
        cold.time = cold.time.min(again[0].time);
        warm.time = warm.time.min(again[1].time);
    }
    println!("  {name:<40}{cold}, warm {warm}");
    Ok(())
}

fn written(name: &str, lake: &Lake, began: Instant) {
    let (requests, bytes) = lake.bare.take();
    println!("\n{name:<42}{requests:>4} requests {bytes:>11} bytes {:>6} ms", began.elapsed().as_millis());
}
