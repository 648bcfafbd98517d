//! What a query costs over encrypted files, in requests and in simulated round trips; and that readers and writers of
//! both ways understand one another.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::OnceLock;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;

use super::*;

/// One second of the clock of the tests, which stands still but for requests.
const ROUND_TRIP: Duration = Duration::from_secs(1);
const PLACEMENTS: [Placement; 3] = [Placement::Behind, Placement::InFront, Placement::Attributes];

/// The table as a Parquet file.
async fn plaintext() -> Bytes {
    static FILE: OnceLock<Bytes> = OnceLock::new();
    if let Some(file) = FILE.get() {
        return file.clone();
    }
    let mut file = Vec::new();
    table::write(&mut file).await.unwrap();
    FILE.get_or_init(|| file.into()).clone()
}

async fn unencrypted() -> Lake {
    let lake = Lake::unencrypted(ROUND_TRIP);
    lake.store.put(&location(), plaintext().await.into()).await.unwrap();
    lake
}

async fn encrypted(placement: Placement) -> (Lake, Sse) {
    let sse = sse(placement).unwrap();
    let lake = Lake::encrypted(ROUND_TRIP, &sse, placement).unwrap();
    lake.store.put(&location(), plaintext().await.into()).await.unwrap();
    (lake, sse)
}

async fn cost(lake: &Lake, hint: Option<usize>, options: &ArrowReaderOptions) -> [Cost; 2] {
    lake.query(options, async || Ok(lake.reader(hint))).await.unwrap()
}

fn requests(costs: [Cost; 2]) -> [u64; 2] {
    costs.map(|cost| cost.requests)
}

fn round_trips(costs: [Cost; 2]) -> [u64; 2] {
    costs.map(|cost| cost.time.as_secs())
}

/// An encrypted file costs some percent more bytes: whole chunks at both ends of a range, and their tags.
fn assert_few_more_bytes(encrypted: [Cost; 2], unencrypted: [Cost; 2]) {
    for (encrypted, unencrypted) in encrypted.iter().zip(unencrypted) {
        assert!(encrypted.bytes >= unencrypted.bytes);
        assert!(encrypted.bytes <= unencrypted.bytes * 103 / 100, "{} {}", encrypted.bytes, unencrypted.bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_of_an_encrypted_file_makes_the_requests_and_takes_the_round_trips_of_an_unencrypted_one() {
    let options = ArrowReaderOptions::new();
    let expected = cost(&unencrypted().await, None, &options).await;
    assert_eq!((requests(expected), round_trips(expected)), ([11, 11], [11, 11]));
    for placement in PLACEMENTS {
        let costs = cost(&encrypted(placement).await.0, None, &options).await;
        // The first range needs an envelope in front as well, which flies beside it.
        let cold = if placement == Placement::InFront { 12 } else { 11 };
        assert_eq!((requests(costs), round_trips(costs)), ([cold, 11], [11, 11]), "{placement:?}");
        assert_few_more_bytes(costs, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_the_footer_saves_the_same_request() {
    let options = ArrowReaderOptions::new();
    let expected = cost(&unencrypted().await, HINT, &options).await;
    assert_eq!((requests(expected), round_trips(expected)), ([10, 10], [10, 10]));
    for placement in PLACEMENTS {
        let costs = cost(&encrypted(placement).await.0, HINT, &options).await;
        let cold = if placement == Placement::InFront { 11 } else { 10 };
        assert_eq!((requests(costs), round_trips(costs)), ([cold, 10], [10, 10]), "{placement:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_are_read_by_the_page_index_with_the_requests_of_an_unencrypted_file() {
    let pages = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let expected = cost(&unencrypted().await, HINT, &pages).await;
    let (lake, _) = encrypted(Placement::Behind).await;
    let costs = cost(&lake, HINT, &pages).await;
    assert_eq!((requests(costs), round_trips(costs)), (requests(expected), round_trips(expected)));
    assert_few_more_bytes(costs, expected);
}

#[tokio::test(start_paused = true)]
async fn a_reader_over_a_decryptor_gets_envelope_and_footer_in_one_request() {
    let (lake, sse) = encrypted(Placement::Behind).await;
    let bare: Arc<dyn ObjectStore> = Arc::new(lake.bare.clone());
    let name = name().unwrap();
    let open = async || DecryptorReader::open(bare.clone(), location(), &sse, &name).await;
    let costs = lake.query(&ArrowReaderOptions::new(), open).await.unwrap();
    assert_eq!((requests(costs), round_trips(costs)), ([10, 10], [10, 10]));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_the_tokio_adapter_wrote_is_an_object_of_the_store() {
    let sse = sse(Placement::Behind).unwrap();
    let lake = Lake::encrypted(ROUND_TRIP, &sse, Placement::Behind).unwrap();
    let inner = BufWriter::new(Arc::new(lake.bare.clone()), location());
    table::write(EncryptedFile::begin(&sse, &name().unwrap(), inner).await.unwrap()).await.unwrap();
    assert_eq!(lake.store.head(&location()).await.unwrap().size, plaintext().await.len() as u64);
    assert_eq!(lake.store.get(&location()).await.unwrap().bytes().await.unwrap(), plaintext().await);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_never_completed_after_a_write_that_was_dropped() {
    let sse = sse(Placement::Behind).unwrap();
    let (near, mut far) = tokio::io::duplex(1);
    let mut file = EncryptedFile::begin(&sse, &name().unwrap(), near).await.unwrap();
    // The other end takes one byte and then none, so that the write waits with some of its bytes taken.
    let written = tokio::time::timeout(ROUND_TRIP, file.write(vec![0; 1 << 20].into())).await;
    assert!(written.is_err());
    // From now on it takes everything.
    tokio::spawn(async move { tokio::io::copy(&mut far, &mut tokio::io::sink()).await });
    for refused in [file.write(Bytes::from_static(b"more")).await, file.complete().await] {
        assert!(refused.unwrap_err().to_string().contains("a write of it failed"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_written_in_parts_through_the_store_has_the_length_of_the_unencrypted_file_in_listings() {
    let (lake, _) = encrypted(Placement::Behind).await;
    lake.bare.take();
    table::write(BufWriter::new(lake.store.clone(), location())).await.unwrap();
    let (written, _) = lake.bare.take();
    let unencrypted = Lake::unencrypted(ROUND_TRIP);
    table::write(BufWriter::new(unencrypted.store.clone(), location())).await.unwrap();
    assert_eq!(written, unencrypted.bare.take().0);
    let listed = lake.store.list_with_delimiter(Some(&Path::from("2026"))).await.unwrap();
    assert_eq!(listed.objects[0].size, plaintext().await.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_changed_byte_of_a_column_fails_the_query_through_both_readers() {
    let (lake, sse) = encrypted(Placement::Behind).await;
    let bare: Arc<dyn ObjectStore> = Arc::new(lake.bare.clone());
    let mut stored = Vec::from(bare.get(&location()).await.unwrap().bytes().await.unwrap());
    // In the first column of the first row group.
    stored[100_000] ^= 1;
    bare.put(&location(), stored.into()).await.unwrap();

    let through_store = table::query(lake.reader(None), ArrowReaderOptions::new(), IDS).await.unwrap_err();
    let reader = DecryptorReader::open(bare, location(), &sse, &name().unwrap()).await.unwrap();
    let by_hand = table::query(reader, ArrowReaderOptions::new(), IDS).await.unwrap_err();
    for error in [through_store, by_hand] {
        assert!(is_inauthentic(&error), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_program_runs_to_its_end() {
    run().await.unwrap();
}

fn is_inauthentic(error: &ParquetError) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if matches!(error.downcast_ref(), Some(atrest::Error::Inauthentic)) {
            return true;
        }
        source = error.source();
    }
    false
}
