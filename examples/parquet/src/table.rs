//! The table: how it is written, and the query.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use futures_util::TryStreamExt;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderOptions, RowFilter};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::arrow::{AsyncArrowWriter, ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;

/// The number of rows, of 8 columns each.
pub(crate) const ROWS: u64 = 1_000_000;
const ROW_GROUP_LEN: u64 = ROWS / 8;

/// Writes the table to a file.
pub(crate) async fn write(file: impl AsyncFileWriter) -> Result<()> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROW_GROUP_LEN as usize)).build();
    let mut writer = AsyncArrowWriter::try_new(file, batch(0..0)?.schema(), Some(properties))?;
    for start in (0..ROWS).step_by(25_000) {
        writer.write(&batch(start..start + 25_000)?).await?;
    }
    writer.close().await?;
    Ok(())
}

/// `select id, b where id in ids`: `b` is read only where a row group has such an `id`.
pub(crate) async fn query(
    file: impl AsyncFileReader + Unpin + 'static,
    options: ArrowReaderOptions,
    ids: Range<i64>,
) -> Result<Vec<RecordBatch>> {
    let builder = ParquetRecordBatchStreamBuilder::new_with_options(file, options).await?;
    let columns = |names: &[&'static str]| ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let (id, id_and_b) = (columns(&["id"]), columns(&["id", "b"]));
    let wanted = ArrowPredicateFn::new(id, move |batch: RecordBatch| {
        Ok(BooleanArray::from_unary(batch.column(0).as_primitive::<Int64Type>(), |id| ids.contains(&id)))
    });
    let filter = RowFilter::new(vec![Box::new(wanted)]);
    builder.with_projection(id_and_b).with_row_filter(filter).build()?.try_collect().await
}

/// Returns whether these are all rows of the query, in order and with their values.
pub(crate) fn is_answer(batches: &[RecordBatch], ids: Range<i64>) -> bool {
    let rows = batches.iter().flat_map(|batch| {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>().values().iter().copied();
        column(0).zip(column(1)).collect::<Vec<_>>()
    });
    rows.eq(ids.map(|id| (id, value(2, id as u64) as i64)))
}

/// Rows of the table.
fn batch(rows: Range<u64>) -> Result<RecordBatch, ArrowError> {
    let values = |column| rows.clone().map(move |row| value(column, row));
    let integers =
        |column| -> ArrayRef { Arc::new(Int64Array::from_iter_values(values(column).map(|value| value as i64))) };
    let floats = |column| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(values(column).map(|value| value as f64 / 1e9)))
    };
    let texts = |column| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(values(column).map(|value| format!("{value:016x}"))))
    };
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64)));
    RecordBatch::try_from_iter([
        ("id", id),
        ("a", integers(1)),
        ("b", integers(2)),
        ("c", integers(3)),
        ("d", floats(4)),
        ("e", floats(5)),
        ("f", texts(6)),
        ("g", texts(7)),
    ])
}

/// A value that does not compress: SplitMix64 of its place.
fn value(column: u64, row: u64) -> u64 {
    let mut mixed = (row * 8 + column).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
