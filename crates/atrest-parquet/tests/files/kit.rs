//! A lake with a memory KMS and simulated time; files in memory.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use atrest::testing::MemoryKms;
use atrest::{Clock, KeyProviderErrorKind as Kind, KmsKeys, ObjectName, Sse, SseKms};
use atrest_parquet::{CachePolicy, ColumnModes, FileKeys, KeyError, ParquetKeys};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter, ProjectionMask};
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::SchemaDescriptor;

pub(crate) const ROWS: usize = 800;
pub(crate) const ROW_GROUPS: usize = 8;

/// A clock that stands still until a test moves it, in milliseconds.
#[derive(Clone, Default)]
pub(crate) struct Time(Arc<(AtomicU64, AtomicI64)>);

impl Time {
    pub(crate) fn pass(&self, time: Duration) {
        self.0.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Moves the wall clock alone.
    pub(crate) fn move_wall(&self, millis: i64) {
        self.0.1.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Time {
    fn wall(&self) -> SystemTime {
        let passed = self.0.0.load(Ordering::SeqCst).checked_add_signed(self.0.1.load(Ordering::SeqCst)).unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_millis(passed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.0.load(Ordering::SeqCst))
    }
}

/// Two KMS keys, and a handle that accepts both.
pub(crate) struct Lake {
    pub(crate) kms: Arc<MemoryKms>,
    pub(crate) general: String,
    pub(crate) payments: String,
    pub(crate) sse: Sse,
    pub(crate) time: Time,
    pub(crate) keys: ParquetKeys,
}

impl Lake {
    pub(crate) fn new() -> Self {
        Self::with_cache(CachePolicy::default())
    }

    pub(crate) fn with_cache(policy: CachePolicy) -> Self {
        let kms = Arc::new(MemoryKms::new());
        let (general, payments) = (kms.create_key("general").unwrap(), kms.create_key("payments").unwrap());
        let accepted = KmsKeys::only([&*general, &*payments]);
        let time = Time::default();
        let sse = Sse::builder().kms(kms.clone(), accepted).clock(Arc::new(time.clone())).build().unwrap();
        let keys = ParquetKeys::new(sse.clone()).with_cache(policy);
        Self { kms, general, payments, sse, time, keys }
    }

    /// Two columns with keys of their own, the rest under the key of the footer: three keys.
    pub(crate) fn modes(&self) -> ColumnModes {
        ColumnModes::new(SseKms::new(&*self.general))
            .with_column("iban", SseKms::new(&*self.payments))
            .with_column("name", SseKms::new(&*self.general))
    }

    /// Other keys over the same KMS, which have kept nothing yet.
    pub(crate) fn fresh(&self) -> ParquetKeys {
        ParquetKeys::new(self.sse.clone())
    }

    /// The calls of the KMS so far: generates and unwraps.
    pub(crate) fn calls(&self) -> (u64, u64) {
        let calls = self.kms.calls();
        (calls.generate, calls.unwrap)
    }
}

pub(crate) fn name() -> ObjectName {
    ObjectName::new("lake", "people/part-0.parquet").unwrap()
}

pub(crate) fn people() -> RecordBatch {
    let rows = 0..ROWS;
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64)));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("Marianne {row}"))));
    let iban: ArrayRef = Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("DE89 3704 {row}"))));
    let city: ArrayRef = Arc::new(StringArray::from_iter_values(rows.map(|row| format!("Buxtehude {row}"))));
    RecordBatch::try_from_iter([("id", id), ("name", name), ("iban", iban), ("city", city)]).unwrap()
}

pub(crate) fn schema_of(batch: &RecordBatch) -> SchemaDescriptor {
    ArrowSchemaConverter::new().convert(&batch.schema()).unwrap()
}

/// Writes a file of eight row groups.
pub(crate) fn write_with(batch: &RecordBatch, encryption: Option<Arc<FileEncryptionProperties>>) -> Bytes {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROWS / ROW_GROUPS));
    let properties = match encryption {
        Some(encryption) => properties.with_file_encryption_properties(encryption),
        None => properties,
    };
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

pub(crate) fn write(file: &FileKeys, modes: &ColumnModes) -> Bytes {
    let batch = people();
    write_with(&batch, Some(file.encryption_blocking(modes, &schema_of(&batch)).unwrap()))
}

/// Reads a whole file as one batch.
pub(crate) fn read(file: &FileKeys, stored: &Bytes) -> Result<RecordBatch> {
    read_columns(file, stored, &[])
}

/// Reads the named columns of a file, or all.
pub(crate) fn read_columns(file: &FileKeys, stored: &Bytes, columns: &[&str]) -> Result<RecordBatch> {
    let options = ArrowReaderOptions::new().with_file_decryption_properties(file.decryption()?);
    let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(stored.clone(), options)?;
    assert_eq!(builder.metadata().num_row_groups(), ROW_GROUPS);
    if !columns.is_empty() {
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    let mut reader = builder.with_batch_size(ROWS).build()?;
    Ok(reader.next().expect("a file has rows")?)
}

/// The key of this metadata, as a reader of the file gets it.
pub(crate) fn retrieved(file: &FileKeys, metadata: &[u8]) -> Result<Vec<u8>> {
    Ok(file.decryption()?.footer_key(Some(metadata))?.into_owned())
}

/// The reason why atrest refused, which is the source of parquet's error.
pub(crate) fn reason(error: &ParquetError) -> &KeyError {
    let source = error.source().unwrap_or_else(|| panic!("no source: {error:?}"));
    source.downcast_ref().unwrap_or_else(|| panic!("another source: {source:?}"))
}

/// The kind of the key provider's error.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    match reason(&result.unwrap_err()) {
        KeyError::Atrest(atrest::Error::KeyProvider(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}
