//! [`Bucket`], a bucket of moto for one test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::lock;
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, RetryConfig};

use super::server::Moto;

/// Returns the server, which all tests share as long as one of them uses it.
fn moto() -> Option<Arc<Moto>> {
    static SHARED: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(moto) = shared.upgrade() {
        return Some(moto);
    }
    let moto = Arc::new(Moto::start()?);
    *shared = Arc::downgrade(&moto);
    Some(moto)
}

/// A bucket of its own.
pub(crate) struct Bucket {
    moto: Arc<Moto>,
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
            .with_client_options(options())
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

    /// Makes a request of the API of S3 that `object_store` does not have.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &str) -> String {
        let separator = if path.is_empty() || path.starts_with('?') { "" } else { "/" };
        let url = format!("{}/{}{separator}{path}", self.moto.url(), self.name);
        let request = http::Request::builder().method(method).uri(url).body(body.to_owned().into()).unwrap();
        let client = ReqwestConnector::default().connect(&options()).unwrap();
        let answer = client.execute(request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        String::from_utf8(answer.into_body().bytes().await.unwrap().to_vec()).unwrap()
    }

    /// Returns the ids of the uploads that are under way.
    pub(crate) async fn uploads(&self) -> Vec<String> {
        all_of(&self.ask(Method::GET, "?uploads", "").await, "UploadId")
    }
}

fn options() -> ClientOptions {
    ClientOptions::new().with_allow_http(true)
}

/// Returns the texts of all elements of this name.
pub(crate) fn all_of(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect()
}

/// Makes one request at a time: moto checks a condition and stores an object with its attributes in several steps.
#[derive(Debug)]
struct OneByOne;

impl HttpConnector for OneByOne {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Queue { client, turn: lock::Mutex::default() }))
    }
}

#[derive(Debug)]
struct Queue {
    client: HttpClient,
    turn: lock::Mutex<()>,
}

#[async_trait]
impl HttpService for Queue {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let _turn = self.turn.lock().await;
        self.client.execute(request).await
    }
}
