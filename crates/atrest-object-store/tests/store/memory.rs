//! The memory that an upload and a read take.

use std::sync::Arc;

use async_trait::async_trait;
use atrest_object_store::{EncryptedStore, Placement};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::kit::{Keys, PLACEMENTS, at, get, get_range, plaintext, put_parts, store};
use crate::spy::Fault;

/// A store that forgets what it is given.
#[derive(Debug)]
struct Sink;

#[derive(Debug)]
struct SinkUpload;

fn stored() -> PutResult {
    PutResult { e_tag: None, version: None, extensions: Default::default() }
}

#[async_trait]
impl MultipartUpload for SinkUpload {
    fn put_part(&mut self, _: PutPayload) -> UploadPart {
        std::future::ready(Ok(())).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        Ok(stored())
    }

    async fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

impl std::fmt::Display for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

#[async_trait]
impl ObjectStore for Sink {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Ok(stored())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(SinkUpload))
    }

    async fn get_opts(&self, _: &Path, _: GetOptions) -> Result<GetResult> {
        Err(crate::spy::failure())
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures_util::stream::empty().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(crate::spy::failure())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(crate::spy::failure())
    }
}

/// Returns the peak of the memory that an upload of so many parts of 5 MiB takes, in bytes.
fn peak(placement: Placement, equal: bool, part: &Bytes, parts: usize) -> u64 {
    let builder = EncryptedStore::builder(Arc::new(Sink), Keys::new().sse(), "lake").placement(placement);
    let store = if equal { builder.equal_parts(6 << 20) } else { builder }.build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let upload = async {
        let mut upload = store.put_multipart(&at("object")).await.unwrap();
        for _ in 0..parts {
            upload.put_part(part.clone().into()).await.unwrap();
        }
        upload.complete().await.unwrap();
    };
    allocation_counter::measure(|| runtime.block_on(upload)).bytes_max
}

#[test]
fn the_peak_of_an_upload_does_not_depend_on_its_length() {
    let part = plaintext(5 << 20);
    for placement in PLACEMENTS {
        for equal in [false, true] {
            let (short, long) = (peak(placement, equal, &part, 13), peak(placement, equal, &part, 205));
            println!("{placement:?}, equal parts {equal}: {short} bytes at 65 MiB, {long} bytes at 1 GiB");
            assert!(long < short + (1 << 20), "{placement:?} {equal}: {short} {long}");
            assert!(long < 24 << 20, "{placement:?} {equal}: {long}");
        }
    }
}

#[test]
fn a_store_that_lies_about_a_length_makes_no_reader_reserve_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for placement in [Placement::InFront, Placement::Attributes] {
        for told in [(64 << 20) + 1_u64, 1 << 40, 1 << 45] {
            for warm in [false, true] {
                let (store, spy, _) = store(placement);
                let len = 2 << 20;
                runtime.block_on(put_parts(&store, "object", &plaintext(len), &[len])).unwrap();
                if warm {
                    runtime.block_on(get(&store, "object")).unwrap();
                }
                let envelope = if placement == Placement::InFront { 1_024 } else { 0 };
                let stored = told + 56 + 16 * (told / 16_384 + 1) + envelope;
                spy.on_request(move |_, _| Some(Fault::Size(stored)));
                for range in [None, Some(0..told), Some(7..told / 2)] {
                    let reading = async {
                        match range.clone() {
                            None => get(&store, "object").await,
                            Some(range) => get_range(&store, "object", range).await,
                        }
                    };
                    let peak = allocation_counter::measure(|| {
                        assert!(runtime.block_on(reading).is_err());
                    });
                    assert!(peak.bytes_max < 70 << 20, "{placement:?} {told} {warm} {range:?}: {}", peak.bytes_max);
                }
            }
        }
    }
}
