//! [`EncryptedFile`]: a Parquet file that is encrypted as it is written, over the tokio adapter.

use atrest::tokio::EncryptWriter;
use atrest::{Envelope, ObjectName, Sse, SseS3};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::{ParquetError, Result};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Writes body and envelope as one object of a trailer container. It leaves no object if it is dropped before the end;
/// an upload in parts that `inner` has begun stays until it is aborted, or until a lifecycle rule of the store ends it.
pub(crate) struct EncryptedFile<W> {
    /// `None` once the file is complete, and after a write that failed or was dropped while it waited. Such a write has
    /// taken an unknown part of its bytes: a file that is completed after it would have a gap.
    writer: Option<EncryptWriter<W>>,
    envelope: Envelope,
}

impl<W: AsyncWrite + Unpin> EncryptedFile<W> {
    /// Begins to write. The `Sse` has the container, so that every envelope has one length.
    pub(crate) async fn begin(sse: &Sse, name: &ObjectName, inner: W) -> atrest::Result<Self> {
        let (envelope, encryptor) = sse.encryptor(name, SseS3).await?;
        Ok(Self { writer: Some(EncryptWriter::new(encryptor, inner)), envelope })
    }
}

impl<W: AsyncWrite + Unpin + Send> AsyncFileWriter for EncryptedFile<W> {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        async move {
            let mut writer = self.writer.take().ok_or_else(over)?;
            writer.write_all(&bytes).await?;
            self.writer = Some(writer);
            Ok(())
        }
        .boxed()
    }

    /// Seals the end of the body, and ends the object with its envelope. `AsyncArrowWriter` calls this only once the
    /// footer is written.
    fn complete(&mut self) -> BoxFuture<'_, Result<()>> {
        async move {
            let mut inner = self.writer.take().ok_or_else(over)?.finish().await?;
            inner.write_all(self.envelope.as_bytes()).await?;
            Ok(inner.shutdown().await?)
        }
        .boxed()
    }
}

fn over() -> ParquetError {
    ParquetError::General("the file is complete, or a write of it failed".to_owned())
}
