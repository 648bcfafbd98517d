//! [`Bucket`], a bucket of moto for one test, and a store in it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use atrest_object_store::{EncryptedStore, Placement};
use bytes::Bytes;
use futures_util::lock;
use http::Method;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as HttpConnection;
use hyper_util::rt::TokioExecutor;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientOptions, Result, RetryConfig};
use tokio::runtime::Builder;

use super::server::Moto;
use crate::kit::{Keys, put};
use crate::spy::{Fault, Spy};

/// Moto refuses requests for objects that are not signed, and looks at no signature.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request";

/// Returns the server of all tests; `None` if the environment says to do without.
fn moto() -> Option<&'static Moto> {
    static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
    MOTO.get_or_init(Moto::start).as_ref()
}

/// A bucket of one test.
pub(crate) struct Bucket {
    moto: &'static Moto,
    name: String,
}

impl Bucket {
    /// Creates a bucket; `None` if the environment says to do without moto.
    pub(crate) async fn new() -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("lake-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let bucket = Self { moto: moto()?, name };
        bucket.ask(Method::PUT, "", "").await;
        Some(bucket)
    }

    /// Keeps all versions of objects from now on.
    pub(crate) async fn keep_versions(&self) {
        let status = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.ask(Method::PUT, "?versioning", status).await;
    }

    pub(crate) fn builder(&self) -> AmazonS3Builder {
        // A failure is to be seen, and not to be waited for.
        let retry = RetryConfig { max_retries: 1, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() };
        AmazonS3Builder::new()
            .with_endpoint(self.moto.url())
            .with_allow_http(true)
            .with_http_connector(OneByOne)
            .with_region("us-east-1")
            .with_bucket_name(&self.name)
            .with_access_key_id("AKIDEXAMPLE")
            .with_secret_access_key("secret")
            .with_retry(retry)
    }

    /// Returns the bare store, which copies as S3 itself does.
    pub(crate) fn s3(&self) -> AmazonS3 {
        self.builder().with_copy_if_not_exists(S3CopyIfNotExists::Multipart).build().unwrap()
    }

    /// Puts an object in the middle of a request of another store, as another process does.
    pub(crate) fn put_meanwhile(&self, placement: Placement, keys: &Keys, location: &str, bytes: Bytes) -> Fault {
        // Its client is its own: the other one may have a request under way.
        let builder = EncryptedStore::builder(self.s3(), keys.sse(), "lake").placement(placement);
        let (store, location) = (builder.build().unwrap(), location.to_owned());
        let putting = move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(put(&store, &location, bytes));
        };
        Fault::First(Box::new(|| thread::spawn(putting).join().unwrap()))
    }

    /// Makes a request of the API of S3 that `object_store` does not have.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &str) -> String {
        let separator = if path.is_empty() || path.starts_with('?') { "" } else { "/" };
        let url = format!("{}/{}{separator}{path}", self.moto.url(), self.name);
        let request = http::Request::builder().method(method).uri(url).header("authorization", SIGNED);
        let request = request.body(body.to_owned().into()).unwrap();
        let answer = client().execute(request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        String::from_utf8(answer.into_body().bytes().await.unwrap().to_vec()).unwrap()
    }

    /// Returns the ids of the uploads that are under way.
    pub(crate) async fn uploads(&self) -> Vec<String> {
        all_of(&self.ask(Method::GET, "?uploads", "").await, "UploadId")
    }

    /// Returns the lengths of the parts that are stored of the uploads under way.
    pub(crate) async fn parts(&self) -> Vec<String> {
        let uploads = self.ask(Method::GET, "?uploads", "").await;
        let mut parts = Vec::new();
        for (key, id) in all_of(&uploads, "Key").into_iter().zip(all_of(&uploads, "UploadId")) {
            parts.extend(all_of(&self.ask(Method::GET, &format!("{key}?uploadId={id}"), "").await, "Size"));
        }
        parts
    }
}

/// Returns a store in a bucket of its own, its inner store, its keys and the bucket; `None` without moto.
pub(crate) async fn lake(placement: Placement) -> Option<(EncryptedStore<Spy<AmazonS3>>, Spy<AmazonS3>, Keys, Bucket)> {
    let bucket = Bucket::new().await?;
    let (spy, keys) = (Spy::new(bucket.s3()), Keys::new());
    let builder = EncryptedStore::builder(spy.clone(), keys.sse(), "lake").placement(placement);
    Some((builder.build().unwrap(), spy, keys, bucket))
}

/// Returns the texts of all elements of this name.
pub(crate) fn all_of(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect()
}

#[derive(Debug)]
struct OneByOne;

impl HttpConnector for OneByOne {
    fn connect(&self, _: &ClientOptions) -> Result<HttpClient> {
        Ok(client())
    }
}

fn client() -> HttpClient {
    // Each request has a connection of its own, so that none outlives the runtime that made it.
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    HttpClient::new(Queue { client, turn: lock::Mutex::default() })
}

/// Makes one request at a time: moto checks a condition and stores an object with its attributes in several steps.
#[derive(Debug)]
struct Queue {
    client: Client<HttpConnection, HttpRequestBody>,
    turn: lock::Mutex<()>,
}

#[async_trait]
impl HttpService for Queue {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let _turn = self.turn.lock().await;
        let answer =
            self.client.request(request).await.map_err(|error| HttpError::new(HttpErrorKind::Request, error))?;
        let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(broken))))
    }
}
