//! An HTTP service that keeps uploads encrypted in a directory, and answers downloads whole or in ranges.
//!
//! ```text
//! cargo run -p atrest-axum-upload -- create /tmp/uploads     # makes the keys, once
//! cargo run -p atrest-axum-upload -- serve /tmp/uploads 127.0.0.1:3000
//!
//! curl -T cat.jpg http://127.0.0.1:3000/cat.jpg              # upload, of known length
//! curl -T - http://127.0.0.1:3000/log.txt < log.txt          # upload, of unknown length (chunked)
//! curl -o same.jpg http://127.0.0.1:3000/cat.jpg             # download
//! curl -r 100-199 http://127.0.0.1:3000/cat.jpg              # a range: 206 and Content-Range
//! curl -r -500 http://127.0.0.1:3000/cat.jpg                 # the last 500 bytes
//! curl -I http://127.0.0.1:3000/cat.jpg                      # the length of the plaintext
//! curl -X DELETE http://127.0.0.1:3000/cat.jpg
//! ```
//!
//! An object is one file: its envelope, of a fixed length, and its body. Both are written under another name first, so
//! that an upload is there completely or not at all. Memory does not grow with the size of an object.

use std::error::Error;
use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use atrest::http_body::DecryptBody;
use atrest::streams::EncryptStream;
use atrest::{ByteRange, Decryptor, Envelope, Keyring, ObjectName, RootKey, Sse, SseS3, Unlock};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Name, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use futures_util::StreamExt;
use http_body::Body as _;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

/// Every envelope is padded to this length in bytes, so that a body begins at a known place.
const ENVELOPE_LEN: usize = 1024;

struct Store {
    directory: PathBuf,
    sse: Sse,
    uploads: AtomicU64,
}

impl Store {
    /// Makes the keys of a new store.
    fn create(directory: &Path) -> Result<(), Box<dyn Error>> {
        std::fs::create_dir_all(directory.join("objects"))?;
        std::fs::create_dir_all(directory.join("unfinished"))?;
        let root_key = RootKey::create_file(directory.join("root.key"))?; // better: on another disk
        Keyring::create_blocking(directory.join("keyring.atrest"), &root_key)?;
        Ok(())
    }

    async fn open(directory: PathBuf) -> Result<Self, Box<dyn Error>> {
        let root_key = RootKey::open_file(directory.join("root.key"))?;
        let keyring = Keyring::open(directory.join("keyring.atrest"), &root_key).await?;
        let sse = Sse::builder().keyring(keyring).envelope_len(ENVELOPE_LEN).build()?;
        // What an earlier process did not finish is no object.
        let mut unfinished = fs::read_dir(directory.join("unfinished")).await?;
        while let Some(file) = unfinished.next_entry().await? {
            fs::remove_file(file.path()).await?;
        }
        Ok(Self { directory, sse, uploads: AtomicU64::new(0) })
    }

    /// The object of this name, and its file. A name is one plain component of a path.
    fn object(&self, name: &str) -> Result<(ObjectName, PathBuf), Failure> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.len() > 200 || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(Failure::of(StatusCode::BAD_REQUEST, "a name has letters, digits, '.', '_' and '-'"));
        }
        Ok((ObjectName::new("uploads", name)?, self.directory.join("objects").join(name)))
    }

    fn unfinished(&self) -> PathBuf {
        self.directory.join("unfinished").join(self.uploads.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

async fn upload(State(store): State<Arc<Store>>, Name(name): Name<String>, body: Body) -> Result<StatusCode, Failure> {
    let (object, path) = store.object(&name)?;
    // With a Content-Length, a body of another length is an error and no object.
    let (envelope, encryptor) = match body.size_hint().exact() {
        Some(len) => store.sse.encryptor_of_len(&object, SseS3, len).await?,
        None => store.sse.encryptor(&object, SseS3).await?,
    };
    let unfinished = store.unfinished();
    let written = write(&unfinished, &envelope, EncryptStream::new(encryptor, body.into_data_stream())).await;
    if let Err(failure) = written {
        fs::remove_file(&unfinished).await?;
        return Err(failure);
    }
    fs::rename(&unfinished, &path).await?;
    Ok(StatusCode::CREATED)
}

/// Writes envelope and body to a new file. The stream ends only where the request does, and never after an error.
async fn write<S>(path: &Path, envelope: &Envelope, mut stored: EncryptStream<S>) -> Result<(), Failure>
where
    EncryptStream<S>: futures_util::Stream<Item = atrest::Result<axum::body::Bytes>> + Unpin,
{
    let mut file = File::create_new(path).await?;
    file.write_all(envelope.as_bytes()).await?;
    while let Some(piece) = stored.next().await {
        file.write_all(&piece?).await?;
    }
    file.sync_all().await?;
    Ok(())
}

async fn download(
    State(store): State<Arc<Store>>,
    Name(name): Name<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (object, path) = store.object(&name)?;
    let mut file = File::open(path).await?;
    let body_len = file.metadata().await?.len().saturating_sub(ENVELOPE_LEN as u64);
    let envelope = Envelope::decode(&read(&mut file, 0, ENVELOPE_LEN as u64).await?)?;
    let decryptor = store.sse.decryptor(&object, &envelope, Unlock::Server).await?;
    let decryptor = knowing_its_length(decryptor, &mut file, body_len).await?;

    // A header that is malformed, or asks for several ranges, gets the whole object.
    let range = headers.get(header::RANGE).and_then(|range| ByteRange::parse(range.to_str().ok()?).ok()?);
    let plan = decryptor.range(range.unwrap_or((0..).into()), body_len)?;
    let fetch = plan.fetch_span();
    file.seek(SeekFrom::Start(ENVELOPE_LEN as u64 + fetch.start)).await?;
    let stored = ReaderStream::with_capacity(file.take(fetch.end - fetch.start), 64 * 1024);
    // The body's exact size becomes the Content-Length. A damaged object breaks the response off.
    let body = DecryptBody::new(plan.reader(), Body::from_stream(stored));

    let mut response = Body::new(body).into_response();
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let content_range = plan.resolved().and_then(|resolved| resolved.content_range());
    if let Some(content_range) = content_range.filter(|_| range.is_some()) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(header::CONTENT_RANGE, header_value(&content_range)?);
    }
    Ok(response)
}

/// Verifies where the object ends, if its length was not known when it was written.
async fn knowing_its_length(decryptor: Decryptor, file: &mut File, body_len: u64) -> Result<Decryptor, Failure> {
    if decryptor.plaintext_len().is_some() {
        return Ok(decryptor);
    }
    let fetch = decryptor.end_fetch(body_len)?;
    let last = read(file, ENVELOPE_LEN as u64 + fetch.start, fetch.end - fetch.start).await?;
    Ok(decryptor.verify_end(body_len, &last)?)
}

async fn read(file: &mut File, offset: u64, len: u64) -> Result<Vec<u8>, Failure> {
    file.seek(SeekFrom::Start(offset)).await?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn remove(State(store): State<Arc<Store>>, Name(name): Name<String>) -> Result<StatusCode, Failure> {
    fs::remove_file(store.object(&name)?.1).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a client is told instead of an answer.
struct Failure(Box<Response>);

impl Failure {
    fn of(status: StatusCode, text: &'static str) -> Self {
        Self(Box::new((status, format!("{text}\n")).into_response()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::NotFound {
            return Self::of(StatusCode::NOT_FOUND, "no such object");
        }
        eprintln!("{error}");
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, "the object could not be read or written")
    }
}

impl From<atrest::Error> for Failure {
    fn from(error: atrest::Error) -> Self {
        match error {
            atrest::Error::RangeNotSatisfiable { plaintext_len, .. } => {
                let headers = [(header::CONTENT_RANGE, format!("bytes */{plaintext_len}"))];
                Self(Box::new((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()))
            }
            // The request's body broke off, or has not the length that it said.
            atrest::Error::Io(_) | atrest::Error::Misuse(_) => {
                Self::of(StatusCode::BAD_REQUEST, "an incomplete upload")
            }
            error => {
                eprintln!("ALARM: {error}");
                Self::of(StatusCode::INTERNAL_SERVER_ERROR, "the object cannot be read")
            }
        }
    }
}

fn header_value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| Failure::of(StatusCode::INTERNAL_SERVER_ERROR, "no header"))
}

async fn serve(directory: PathBuf, address: &str) -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Store::open(directory).await?);
    let router = Router::new().route("/{name}", put(upload).get(download).delete(remove)).with_state(store);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["create", directory] => Store::create(Path::new(directory)),
        ["serve", directory, address] => {
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(directory.into(), address))
        }
        _ => Err("axum_upload create DIRECTORY | serve DIRECTORY ADDRESS".into()),
    }
}
