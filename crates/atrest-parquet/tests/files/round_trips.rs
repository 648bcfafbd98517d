//! Files that read back, in each mode and kind of reader; what of them is visible; and how often the KMS is asked.

use std::future::ready;
use std::io::{self, Cursor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use atrest::audit::{AuditEvent, AuditFuture, AuditOperation, AuditSink, AuditTrail, MemorySink};
use atrest::{Backend, DsseKms, Keyring, KmsKeys, ObjectName, Requester, Sse, SseKms, SseS3};
use atrest_parquet::{CachePolicy, ColumnModes, KeyError, ParquetKeys};
use bytes::Bytes;
use futures_util::StreamExt;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::file::metadata::FooterTail;

use super::kit::{Lake, ROW_GROUPS, ROWS, name, people, read, read_columns, reason, schema_of, write, write_with};

fn contains(stored: &[u8], text: &str) -> bool {
    stored.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_file_reads_back_with_one_call_of_the_kms_for_each_key() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let stored = write(&file, &lake.modes());
    assert_eq!(lake.calls(), (3, 0));
    assert_eq!(read(&file, &stored).unwrap(), people());
    assert_eq!(lake.calls(), (3, 3), "footer, iban and name");
    for _ in 0..3 {
        assert_eq!(read_columns(&file, &stored, &["id", "iban"]).unwrap().num_columns(), 2);
    }
    assert_eq!((lake.calls(), lake.keys.kept()), ((3, 3), 3));
}

#[test]
fn parquet_asks_for_a_key_in_each_row_group_which_the_kept_keys_serve() {
    let lake = Lake::with_cache(CachePolicy::uncached());
    let file = lake.keys.file(name()).unwrap();
    let stored = write(&file, &lake.modes());
    read(&file, &stored).unwrap();
    let (_, unwraps) = lake.calls();
    assert!(unwraps > 2 * ROW_GROUPS as u64, "parquet asked {unwraps} times");
    assert_eq!(lake.keys.kept(), 0);
}

#[test]
fn bucket_keys_serve_all_files_of_a_lake_with_one_call_for_each_kms_key() {
    let lake = Lake::new();
    let mode = |key_id: &str| SseKms::new(key_id).with_bucket_key(true);
    let modes = ColumnModes::new(mode(&lake.general)).with_column("iban", mode(&lake.payments));
    for number in 0..10 {
        let file = lake.keys.file(ObjectName::new("lake", format!("people/part-{number}.parquet")).unwrap()).unwrap();
        let stored = write(&file, &modes);
        assert_eq!(read(&file, &stored).unwrap(), people());
    }
    assert_eq!(lake.calls(), (2, 2));
}

#[test]
fn every_mode_of_the_service_wraps_the_keys_and_each_key_is_another() {
    let lake = Lake::new();
    let keyring = Keyring::generate().unwrap();
    let builder = || Sse::builder().keyring(keyring.clone()).kms(lake.kms.clone(), KmsKeys::only([&*lake.general]));
    // With envelopes of a fixed length too, as those of a store.
    for sse in [builder(), builder().envelope_len(1_024)] {
        let keys = ParquetKeys::new(sse.build().unwrap());
        let file = keys.file(name()).unwrap();
        let mut modes = ColumnModes::new(SseS3).with_column("iban", SseKms::new(&*lake.general));
        if Backend::available().count() > 1 {
            modes = modes.with_column("name", DsseKms::new(&*lake.general));
        }
        assert_eq!(read(&file, &write(&file, &modes)).unwrap(), people());

        let encryption = file.encryption_blocking(&modes, &schema_of(&people())).unwrap();
        let (_, mut generated, _) = encryption.column_keys();
        generated.sort();
        generated.dedup();
        // The columns city and id have the key of the footer.
        assert_eq!(generated.len(), if Backend::available().count() > 1 { 3 } else { 2 });
        assert!(generated.contains(encryption.footer_key()));
    }
}

#[test]
fn every_column_is_encrypted_unless_it_is_named_as_unencrypted() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let general = || ColumnModes::new(SseKms::new(&*lake.general));
    let own = || general().with_column("iban", SseKms::new(&*lake.payments));
    let marks = ["Marianne 7", "DE89 3704 7", "Buxtehude 7"];
    let visible = |stored: &Bytes| marks.map(|mark| contains(stored, mark));
    assert_eq!(visible(&write_with(&people(), None)), [true; 3], "the marks are found where they are");
    assert_eq!(visible(&write(&file, &general())), [false; 3]);
    assert_eq!(visible(&write(&file, &own())), [false; 3]);
    let partly = write(&file, &own().with_unencrypted("city"));
    assert_eq!(visible(&partly), [false, false, true]);
    assert_eq!(visible(&write(&file, &general().with_unencrypted("city"))), [false, false, true]);
    assert_eq!(read(&file, &partly).unwrap(), people());
    // Nor are the names of columns, which the footer has.
    assert!(!contains(&write(&file, &general()), "city"));
}

#[test]
fn a_nested_column_is_named_by_its_path() {
    let lake = Lake::new();
    let street: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("Deichstr. {row}"))));
    let city: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("Buxtehude {row}"))));
    let field = |name: &str, array: &ArrayRef| {
        let schema = RecordBatch::try_from_iter([(name, array.clone())]).unwrap().schema();
        (Arc::new(schema.field(0).clone()), array.clone())
    };
    let address: ArrayRef = Arc::new(StructArray::from(vec![field("street", &street), field("city", &city)]));
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let batch = RecordBatch::try_from_iter([("id", id), ("address", address)]).unwrap();

    let file = lake.keys.file(name()).unwrap();
    let modes = ColumnModes::new(SseKms::new(&*lake.general))
        .with_column("address.street", SseKms::new(&*lake.payments))
        .with_unencrypted("address.city");
    let stored = write_with(&batch, Some(file.encryption_blocking(&modes, &schema_of(&batch)).unwrap()));
    assert_eq!(["Deichstr. 7", "Buxtehude 7"].map(|mark| contains(&stored, mark)), [false, true]);
    assert_eq!(read(&file, &stored).unwrap(), batch);
}

#[test]
fn the_async_reader_reads_in_both_kinds_of_runtime() {
    let lake = Lake::new();
    let writer = lake.keys.file(name()).unwrap();
    let schema = schema_of(&people());
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for runtime in [current, several] {
        // Each call of the KMS waits for another thread.
        lake.kms.delay(std::time::Duration::from_millis(1));
        let encryption = runtime.block_on(writer.encryption(&lake.modes(), &schema)).unwrap();
        let stored = write_with(&people(), Some(encryption));
        let file = lake.fresh().file(name()).unwrap();
        let batches: Vec<_> = runtime.block_on(async {
            let options = ArrowReaderOptions::new().with_file_decryption_properties(file.decryption().unwrap());
            let builder = ParquetRecordBatchStreamBuilder::new_with_options(Cursor::new(stored), options);
            let stream = builder.await.unwrap().with_batch_size(ROWS).build().unwrap();
            stream.map(Result::unwrap).collect().await
        });
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), ROWS);
        assert_eq!(batches[0].column(2), &people().column(2).slice(0, batches[0].num_rows()));
    }
}

/// A sink that refuses while a flag is set.
#[derive(Default)]
struct Sink {
    events: MemorySink,
    is_full: AtomicBool,
}

impl AuditSink for Sink {
    fn record(&self, event: AuditEvent) -> AuditFuture {
        if self.is_full.load(Ordering::SeqCst) {
            return Box::pin(ready(Err(io::ErrorKind::StorageFull.into())));
        }
        self.events.record(event)
    }
}

#[test]
fn the_trail_names_requester_file_and_column_once_for_each_key_of_each_reader() {
    let lake = Lake::new();
    let sink = Arc::new(Sink::default());
    let sse = Sse::builder().kms(lake.kms.clone(), KmsKeys::all()).audit(AuditTrail::new(sink.clone()));
    let sse = sse.build().unwrap().requested_by(Requester::new("alice"));
    let file = ParquetKeys::new(sse).file(name()).unwrap();
    // The operations and parameters of the events since the last call, by part.
    let recorded = || {
        let events = sink.events.events();
        sink.events.clear();
        let mut recorded: Vec<_> = events
            .iter()
            .map(|event| {
                assert_eq!(event.requester().as_str(), "alice");
                let object = event.object().unwrap();
                assert_eq!((object.bucket(), object.key()), (name().bucket(), name().key()));
                let part = String::from_utf8(object.version_id().to_vec()).unwrap();
                (part, event.operation(), !event.parameters().is_empty())
            })
            .collect();
        recorded.sort_by(|one, other| one.0.cmp(&other.0));
        recorded
    };
    let expected = |operation, is_served_again| {
        let parts = ["parquet-key/1 column iban", "parquet-key/1 column name", "parquet-key/1 footer"];
        parts.map(|part| (part.to_owned(), operation, is_served_again))
    };
    let stored = write(&file, &lake.modes());
    assert_eq!(recorded(), expected(AuditOperation::EncryptObject, false));
    read(&file, &stored).unwrap();
    assert_eq!(recorded(), expected(AuditOperation::DecryptObject, false));
    for _ in 0..2 {
        read(&file, &stored).unwrap();
        assert_eq!(recorded(), expected(AuditOperation::DecryptObject, true), "served by kept keys");
    }
    assert_eq!(lake.calls().1, 3);

    sink.is_full.store(true, Ordering::SeqCst);
    let refused = read(&file, &stored).unwrap_err();
    assert!(matches!(reason(&refused), KeyError::Atrest(atrest::Error::Audit(_))), "{refused:?}");
}

/// What the documentation warns of. If this test fails, parquet has learned to refuse such a file: say so there.
#[test]
fn parquet_reads_an_unencrypted_file_in_the_place_of_an_encrypted_one_and_its_last_bytes_tell() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let (forged, genuine) = (write_with(&people(), None), write(&file, &lake.modes()));
    assert_eq!(read(&file, &forged).unwrap(), people());
    assert_eq!(lake.calls().1, 0, "no key was asked for");
    let is_encrypted = |stored: &Bytes| {
        let tail: &[u8; 8] = stored.last_chunk().unwrap();
        FooterTail::try_new(tail).unwrap().is_encrypted_footer()
    };
    assert_eq!((is_encrypted(&forged), is_encrypted(&genuine)), (false, true));
}
