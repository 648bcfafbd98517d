//! Tables that are written and queried with SQL through the factory.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest::testing::MemoryKms;
use atrest::{KeyProviderErrorKind as Kind, KmsKeys, Sse, SseKms};
use atrest_datafusion::AtrestEncryption;
use atrest_parquet::{ColumnModes, KeyError, ParquetKeys};
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::DataFusionError;
use datafusion::config::TableParquetOptions;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use tempfile::TempDir;

const ROWS: usize = 4_000;
const FACTORY: &str = "'format.crypto.factory_id' 'people'";

/// A lake in a directory, and a session that has written nothing yet.
struct Lake {
    kms: Arc<MemoryKms>,
    payments: String,
    sse: Sse,
    modes: ColumnModes,
    directory: TempDir,
    session: SessionContext,
}

impl Lake {
    async fn new() -> Self {
        let kms = Arc::new(MemoryKms::new());
        let (general, payments) = (kms.create_key("general").unwrap(), kms.create_key("payments").unwrap());
        let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([&*general, &*payments])).build().unwrap();
        let modes = ColumnModes::new(SseKms::new(&*general)).with_column("iban", SseKms::new(&*payments));
        let session = session(&sse, &modes);
        let rows = 0..ROWS;
        let id: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64)));
        let country: ArrayRef = Arc::new(StringArray::from_iter_values(rows.clone().map(|row| ["DE", "FR"][row % 2])));
        let iban: ArrayRef = Arc::new(StringArray::from_iter_values(rows.map(|row| format!("DE89 3704 {row}"))));
        let people = RecordBatch::try_from_iter([("id", id), ("country", country), ("iban", iban)]).unwrap();
        session.register_batch("source", people).unwrap();
        Self { kms, payments, sse, modes, directory: tempfile::tempdir().unwrap(), session }
    }

    fn place(&self) -> String {
        format!("{}/people/", self.directory.path().display())
    }

    /// Writes the table in files of several row groups.
    async fn copy(&self, options: &str) -> Result<()> {
        let options = ["'format.max_row_group_size' '500'", options].join(", ");
        self.run(&format!("COPY source TO '{}' STORED AS PARQUET OPTIONS ({options})", self.place())).await?;
        Ok(())
    }

    async fn create(&self, session: &SessionContext, columns: &str, options: &str) -> Result<()> {
        let place = self.place();
        let create = format!("CREATE EXTERNAL TABLE people {columns} STORED AS PARQUET LOCATION '{place}' {options}");
        session.sql(&create).await?.collect().await?;
        Ok(())
    }

    async fn run(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        self.session.sql(sql).await?.collect().await
    }

    /// The calls of the KMS so far: generates and unwraps.
    fn calls(&self) -> (u64, u64) {
        let calls = self.kms.calls();
        (calls.generate, calls.unwrap)
    }
}

/// A session in which a row group of each file is read on its own.
fn session(sse: &Sse, modes: &ColumnModes) -> SessionContext {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4));
    let factory = AtrestEncryption::new(ParquetKeys::new(sse.clone()), modes.clone(), "lake");
    session.runtime_env().register_parquet_encryption_factory("people", Arc::new(factory));
    session
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

fn contains(file: &Path, text: &str) -> bool {
    fs::read(file).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

/// The reason why atrest refused.
fn reason(error: &DataFusionError) -> &KeyError {
    let mut source: Option<&dyn Error> = Some(error);
    while let Some(error) = source {
        if let Some(reason) = error.downcast_ref() {
            return reason;
        }
        source = error.source();
    }
    panic!("no reason of atrest: {error:?}")
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> Kind {
    match reason(&outcome.unwrap_err()) {
        KeyError::Atrest(atrest::Error::KeyProvider(error)) => error.kind(),
        reason => panic!("{reason:?}"),
    }
}

fn number(batches: &[RecordBatch]) -> i64 {
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test]
async fn a_table_is_written_and_queried_with_one_call_of_the_kms_for_each_key_of_each_file() {
    let lake = Lake::new().await;
    lake.copy(FACTORY).await.unwrap();
    let files = files(lake.directory.path());
    let keys = 2 * files.len() as u64;
    assert!(!files.is_empty());
    assert!(files.iter().all(|file| !contains(file, "DE89 3704") && !contains(file, "country")), "{files:?}");
    assert_eq!(lake.calls(), (keys, 0));

    lake.create(&lake.session, "", &format!("OPTIONS ({FACTORY})")).await.unwrap();
    let query = "SELECT id FROM people WHERE iban = 'DE89 3704 1234'";
    assert_eq!(number(&lake.run(query).await.unwrap()), 1_234);
    let query = "SELECT count(*) FROM people WHERE country = 'FR' AND iban LIKE 'DE89%'";
    assert_eq!(number(&lake.run(query).await.unwrap()), ROWS as i64 / 2);
    assert_eq!(lake.calls(), (keys, keys));
}

#[tokio::test]
async fn the_control_an_unencrypted_table_shows_its_values_and_a_copy_without_the_option_is_one() {
    let lake = Lake::new().await;
    lake.copy("'format.compression' 'uncompressed'").await.unwrap();
    let files = files(lake.directory.path());
    assert!(files.iter().any(|file| contains(file, "DE89 3704")), "{files:?}");
    // Which a table with the option reads, as the documentation says.
    lake.create(&lake.session, "", &format!("OPTIONS ({FACTORY})")).await.unwrap();
    assert_eq!(number(&lake.run("SELECT count(iban) FROM people").await.unwrap()), ROWS as i64);
    assert_eq!(lake.calls(), (0, 0));
}

#[tokio::test]
async fn a_table_without_the_option_does_not_read_encrypted_files() {
    let lake = Lake::new().await;
    lake.copy(FACTORY).await.unwrap();
    let refused = lake.create(&lake.session, "", "").await.unwrap_err().to_string();
    assert!(refused.contains("decryption properties were not provided"), "{refused}");
}

#[tokio::test]
async fn a_query_that_may_not_use_the_key_of_a_column_reads_the_others() {
    let lake = Lake::new().await;
    lake.copy(FACTORY).await.unwrap();
    lake.kms.disable(&lake.payments);
    lake.create(&lake.session, "", &format!("OPTIONS ({FACTORY})")).await.unwrap();
    let others = "SELECT count(*) FROM people WHERE country = 'FR' AND id >= 0";
    assert_eq!(number(&lake.run(others).await.unwrap()), ROWS as i64 / 2);
    for query in ["SELECT max(iban) FROM people", "SELECT id FROM people WHERE iban = 'DE89 3704 7'"] {
        let refused = lake.run(query).await.unwrap_err().to_string();
        assert!(refused.contains("the key is disabled") && refused.contains(&lake.payments), "{refused}");
    }
}

#[tokio::test]
async fn a_file_in_the_place_of_another_is_refused() {
    let lake = Lake::new().await;
    let (one, two) =
        (lake.directory.path().join("people/one.parquet"), lake.directory.path().join("people/two.parquet"));
    for file in [&one, &two] {
        let copy = format!("COPY source TO '{}' STORED AS PARQUET OPTIONS ({FACTORY})", file.display());
        lake.run(&copy).await.unwrap();
    }
    let held = fs::read(&one).unwrap();
    fs::copy(&two, &one).unwrap();
    let create = || async { lake.create(&lake.session, "", &format!("OPTIONS ({FACTORY})")).await };
    assert_eq!(kind(create().await), Kind::Rejected);
    fs::write(&one, held).unwrap();
    create().await.unwrap();
    assert_eq!(number(&lake.run("SELECT count(iban) FROM people").await.unwrap()), 2 * ROWS as i64);
}

#[tokio::test]
async fn partitions_and_inserts_have_keys_and_a_second_session_reads_them() {
    let lake = Lake::new().await;
    let columns = "(id BIGINT, iban VARCHAR, country VARCHAR)";
    lake.create(&lake.session, columns, &format!("PARTITIONED BY (country) OPTIONS ({FACTORY})")).await.unwrap();
    lake.run("INSERT INTO people SELECT id, iban, country FROM source").await.unwrap();
    lake.run("INSERT INTO people VALUES (-1, 'DE00 0000', 'FR')").await.unwrap();
    let files = files(lake.directory.path());
    assert!(files.len() > 2 && files.iter().all(|file| !contains(file, "DE89 3704")), "{files:?}");

    let second = session(&lake.sse, &lake.modes);
    lake.create(&second, columns, &format!("PARTITIONED BY (country) OPTIONS ({FACTORY})")).await.unwrap();
    let query = second.sql("SELECT count(iban) FROM people WHERE country = 'FR'").await.unwrap();
    assert_eq!(number(&query.collect().await.unwrap()), ROWS as i64 / 2 + 1);
}

#[tokio::test]
async fn a_data_frame_is_written_under_the_factory() {
    let lake = Lake::new().await;
    let mut options = TableParquetOptions::new();
    options.crypto.factory_id = Some("people".to_owned());
    let people = lake.session.table("source").await.unwrap();
    people.write_parquet(&lake.place(), DataFrameWriteOptions::new(), Some(options)).await.unwrap();
    lake.create(&lake.session, "", &format!("OPTIONS ({FACTORY})")).await.unwrap();
    assert_eq!(number(&lake.run("SELECT count(iban) FROM people").await.unwrap()), ROWS as i64);
    assert!(lake.calls().0 > 0);
}

#[tokio::test]
async fn an_option_in_the_query_and_a_column_that_is_not_there_are_refused() {
    let lake = Lake::new().await;
    let with_option = format!("{FACTORY}, 'format.crypto.factory_options.footer_key' 'alias/other'");
    let refused = lake.copy(&with_option).await.unwrap_err().to_string();
    assert!(refused.contains("takes no options") && refused.contains("footer_key"), "{refused}");

    let without = format!("COPY (SELECT id FROM source) TO '{}' STORED AS PARQUET OPTIONS ({FACTORY})", lake.place());
    let refused = lake.run(&without).await.unwrap_err();
    assert!(matches!(reason(&refused), KeyError::NoSuchColumn(path) if path == "iban"), "{refused:?}");
    assert_eq!((lake.calls(), files(lake.directory.path())), ((0, 0), Vec::<PathBuf>::new()));
}
