//! [`DecryptorReader`]: a Parquet file over a `Decryptor`, for stores that no adapter knows.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

use atrest::geometry::{Container, Fetch};
use atrest::{ByteRange, Decryptor, Envelope, ObjectName, Sse, Unlock};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// How many bytes of the plaintext's end are read with the envelope: most footers are shorter.
const TAIL_LEN: u64 = 64 * 1024;

/// Reads stored bytes from the store, and opens them itself.
pub(crate) struct DecryptorReader {
    store: Arc<dyn ObjectStore>,
    location: Path,
    container: Container,
    decryptor: Decryptor,
    body_len: u64,
    /// The end of the plaintext, and where it begins.
    tail: Bytes,
    tail_start: u64,
}

impl DecryptorReader {
    /// Opens a file of a trailer container. One request brings the envelope, the end of the plaintext and the length.
    pub(crate) async fn open(
        store: Arc<dyn ObjectStore>,
        location: Path,
        sse: &Sse,
        name: &ObjectName,
    ) -> Result<Self> {
        let container = sse.container().ok_or("the Sse has no container")?;
        let Fetch::Last(len) = container.fetch(ByteRange::last(TAIL_LEN)) else { return Err("not a suffix".into()) };
        let suffix = GetOptions::new().with_range(Some(GetRange::Suffix(len)));
        let answer = store.get_opts(&location, suffix).await?;
        let (stored_len, offset) = (answer.meta.size, answer.range.start);
        let fetched = answer.bytes().await?;

        let envelope = Envelope::decode_in(container, stored_len, &fetched)?;
        let decryptor = sse.decryptor(name, &envelope, Unlock::Server).await?;
        let body_len = container.body(stored_len)?.end;
        // Opens the last chunk, which proves that the object ends here.
        let plan = decryptor.range(ByteRange::last(TAIL_LEN), body_len)?;
        let tail = Bytes::from(plan.decrypt_pieces([container.body_piece(stored_len, offset, &fetched)?])?);
        let len = container.plaintext_len(stored_len).ok_or(atrest::Error::Truncated)?;
        let tail_start = len - tail.len() as u64;
        Ok(Self { store, location, container, decryptor, body_len, tail, tail_start })
    }

    /// Reads ranges with as few requests as the store makes of them. An object that was overwritten meanwhile does not
    /// authenticate.
    async fn read(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        let plan = |range: Range<u64>| self.decryptor.range(range, self.body_len);
        let plans = ranges.into_iter().map(plan).collect::<atrest::Result<Vec<_>>>()?;
        let spans: Vec<_> = plans.iter().map(|plan| self.container.stored_range(plan.fetch_span())).collect();
        let fetched = self.store.get_ranges(&self.location, &spans).await?;
        let opened = plans.iter().zip(fetched).map(|(plan, fetched)| plan.decrypt(&fetched).map(Bytes::from));
        Ok(opened.collect::<atrest::Result<_>>()?)
    }

    /// Returns a range that lies in the end of the plaintext.
    fn in_tail(&self, range: &Range<u64>) -> Option<Bytes> {
        let place = |at: u64| usize::try_from(at.checked_sub(self.tail_start)?).ok();
        let (start, end) = (place(range.start)?, place(range.end)?);
        (start <= end && end <= self.tail.len()).then(|| self.tail.slice(start..end))
    }
}

impl AsyncFileReader for DecryptorReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let mut read = self.get_byte_ranges(vec![range]).await?;
            Ok(read.remove(0))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            match ranges.iter().map(|range| self.in_tail(range)).collect() {
                Some(bytes) => Ok(bytes),
                None => self.read(ranges).await.map_err(ParquetError::External),
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let len = self.tail_start + self.tail.len() as u64;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            reader.load_and_finish(self, len).await.map(Arc::new)
        }
        .boxed()
    }
}
