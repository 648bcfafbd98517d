//! [`Spy`], an inner store that records each request, and fails or lies where a test says so.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, Extensions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, TagSet,
    UploadPart,
};

/// One request to the inner store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Put { len: usize },
    Begin,
    Part { len: usize },
    Complete,
    Abort,
    Get { range: Option<GetRange>, if_match: Option<String> },
    Head,
    Ranges,
    Delete,
    List,
    Copy,
    Rename,
}

/// What one request with options was given besides.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) request: Request,
    pub(crate) extensions: Extensions,
    pub(crate) tags: TagSet,
}

/// What happens to one request.
pub(crate) enum Fault {
    /// The store fails before it does anything.
    Fails,
    /// The store does what is asked, and its answer is lost.
    Lost,
    /// There is no such object.
    NotFound,
    /// The condition does not hold.
    Precondition,
    /// The answer lacks its last bytes.
    Short(usize),
    /// The answer has more bytes than its range says.
    Long(usize),
    /// A bit of the answer at this place is another one.
    Flips(usize),
    /// The stream fails after so many bytes.
    Breaks(usize),
    /// The answer says that the object has this length.
    Size(u64),
    /// The answer is that for another object.
    Swapped(Path),
    /// The answer has another e_tag, or none.
    ETag(Option<String>),
    /// The answer says that it is of this version; all such answers have one e_tag.
    Version(usize),
    /// The answer says that it is of another range.
    Moved(i64),
    /// Something happens to the store before it answers.
    First(Box<dyn FnOnce() + Send>),
}

type Hook = Box<dyn FnMut(usize, &Request) -> Option<Fault> + Send>;
/// What a listing says in the place of each object.
type Told = fn(ObjectMeta) -> Vec<ObjectMeta>;

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    given: Vec<Given>,
    /// How many requests were made while the hook was there.
    seen: usize,
    hook: Option<Hook>,
    without_suffixes: bool,
    without_conditions: bool,
    slow: bool,
    denied: HashSet<Path>,
    told: Option<Told>,
}

pub(crate) struct Spy<T> {
    inner: Arc<T>,
    state: Arc<Mutex<State>>,
}

impl<T> Clone for Spy<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), state: self.state.clone() }
    }
}

impl<T: ObjectStore> Spy<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner), state: Arc::default() }
    }

    pub(crate) fn bare(&self) -> &T {
        &self.inner
    }

    /// Returns the requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// Returns what the requests with options were given since the last call.
    pub(crate) fn given(&self) -> Vec<Given> {
        std::mem::take(&mut self.state.lock().unwrap().given)
    }

    /// Calls the hook with each request, which are counted from 0.
    pub(crate) fn on_request(&self, hook: impl FnMut(usize, &Request) -> Option<Fault> + Send + 'static) {
        let mut state = self.state.lock().unwrap();
        state.hook = Some(Box::new(hook));
        state.seen = 0;
    }

    /// Lets one request fail; returns to normal after it.
    pub(crate) fn fault_at(&self, index: usize, fault: Fault) {
        let mut fault = Some(fault);
        self.on_request(move |at, _| if at == index { fault.take() } else { None });
    }

    /// Ends the faults, and returns how many requests there were meanwhile.
    pub(crate) fn calm(&self) -> usize {
        let mut state = self.state.lock().unwrap();
        state.hook = None;
        state.seen
    }

    /// Refuses suffixes from now on, as Azure does.
    pub(crate) fn refuse_suffixes(&self) {
        self.state.lock().unwrap().without_suffixes = true;
    }

    /// Meets every condition from now on.
    pub(crate) fn ignore_conditions(&self) {
        self.state.lock().unwrap().without_conditions = true;
    }

    /// Is not ready at once from now on, neither before nor after a request.
    pub(crate) fn slow_down(&self) {
        self.state.lock().unwrap().slow = true;
    }

    /// Denies to read an object from now on.
    pub(crate) fn deny(&self, location: Path) {
        self.state.lock().unwrap().denied.insert(location);
    }

    /// Says something else of each object in every listing from now on.
    pub(crate) fn tell(&self, told: Told) {
        self.state.lock().unwrap().told = Some(told);
    }

    fn is_slow(&self) -> bool {
        self.state.lock().unwrap().slow
    }

    /// Notes a request with options, and waits before it is made.
    async fn begin_given(&self, request: Request, extensions: &Extensions, tags: TagSet) -> Result<Option<Fault>> {
        let given = Given { request: request.clone(), extensions: extensions.clone(), tags };
        self.state.lock().unwrap().given.push(given);
        self.begin(request).await
    }

    /// Notes a request, and waits before it is made.
    async fn begin(&self, request: Request) -> Result<Option<Fault>> {
        let fault = self.note(request)?;
        pause(self.is_slow()).await;
        Ok(fault)
    }

    /// Waits after a request was made, and loses its answer if it is to be lost.
    async fn end<R>(&self, fault: Option<Fault>, done: Result<R>) -> Result<R> {
        pause(self.is_slow()).await;
        match fault {
            Some(Fault::Lost) => done.and(Err(failure())),
            _ => done,
        }
    }

    fn retold(&self, listed: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.state.lock().unwrap().told {
            Some(told) => listed.map_ok(move |meta| stream::iter(told(meta).into_iter().map(Ok))).try_flatten().boxed(),
            None => listed,
        }
    }

    fn note(&self, request: Request) -> Result<Option<Fault>> {
        let mut state = self.state.lock().unwrap();
        let index = state.seen;
        state.seen += 1;
        let fault = state.hook.as_mut().and_then(|hook| hook(index, &request));
        state.requests.push(request);
        drop(state);
        match fault {
            Some(Fault::Fails) => Err(failure()),
            Some(Fault::NotFound) => Err(Error::NotFound { path: "injected".into(), source: "injected".into() }),
            Some(Fault::Precondition) => {
                Err(Error::Precondition { path: "injected".into(), source: "injected".into() })
            }
            Some(Fault::First(happens)) => {
                happens();
                Ok(None)
            }
            fault => Ok(fault),
        }
    }
}

async fn pause(slow: bool) {
    if slow {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn failure() -> Error {
    Error::Generic { store: "Spy", source: "injected".into() }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ObjectStore> ObjectStore for Spy<T> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let request = Request::Put { len: payload.content_length() };
        let fault = self.begin_given(request, &options.extensions, options.tags.clone()).await?;
        self.end(fault, self.inner.put_opts(location, payload, options).await).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.begin_given(Request::Begin, &options.extensions, options.tags.clone()).await?;
        let upload = self.end(fault, self.inner.put_multipart_opts(location, options).await).await?;
        Ok(Box::new(SpyUpload { upload, spy: self.clone() }))
    }

    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        let request = match options.head {
            true => Request::Head,
            false => Request::Get { range: options.range.clone(), if_match: options.if_match.clone() },
        };
        let fault = self.begin_given(request, &options.extensions, TagSet::default()).await?;
        if self.state.lock().unwrap().denied.contains(location) {
            return Err(Error::PermissionDenied { path: location.to_string(), source: "denied".into() });
        }
        let suffix = matches!(options.range, Some(GetRange::Suffix(_)));
        if suffix && self.state.lock().unwrap().without_suffixes {
            return Err(Error::NotSupported { source: "no suffixes".into() });
        }
        if self.state.lock().unwrap().without_conditions {
            options.if_match = None;
        }
        let location = match &fault {
            Some(Fault::Swapped(other)) => other,
            _ => location,
        };
        let answer = self.inner.get_opts(location, options).await?;
        pause(self.is_slow()).await;
        match fault {
            Some(Fault::Lost) => Err(failure()),
            Some(fault) => Ok(changed(answer, fault).await),
            None => Ok(answer),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.note(Request::Ranges)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (spy, after) = (self.clone(), self.clone());
        let fault = Arc::new(Mutex::new(None));
        let found = fault.clone();
        let noted = locations.then(move |location| {
            let (spy, fault) = (spy.clone(), fault.clone());
            async move {
                let found = spy.begin(Request::Delete).await?;
                *fault.lock().unwrap() = found;
                location
            }
        });
        let deleted = self.inner.delete_stream(noted.boxed());
        let ended = deleted.then(move |location| {
            let (spy, fault) = (after.clone(), found.lock().unwrap().take());
            async move { spy.end(fault, location).await }
        });
        ended.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.note(Request::List) {
            Ok(_) => self.retold(self.inner.list(prefix)),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.note(Request::List) {
            Ok(_) => self.retold(self.inner.list_with_offset(prefix, offset)),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.note(Request::List)?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.begin_given(Request::Copy, &options.extensions, TagSet::default()).await?;
        self.end(fault, self.inner.copy_opts(from, to, options).await).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let fault = self.begin_given(Request::Rename, &options.extensions, TagSet::default()).await?;
        self.end(fault, self.inner.rename_opts(from, to, options).await).await
    }
}

/// Changes an answer that is not a file.
async fn changed(mut answer: GetResult, fault: Fault) -> GetResult {
    let payload = std::mem::replace(&mut answer.payload, GetResultPayload::Stream(stream::empty().boxed()));
    let GetResultPayload::Stream(pieces) = payload else { panic!("a file is changed on disk") };
    let bytes: Vec<Bytes> = pieces.try_collect().await.unwrap();
    let mut bytes = bytes.concat();
    let mut end = None;
    match fault {
        Fault::Short(lacking) => bytes.truncate(bytes.len().saturating_sub(lacking)),
        Fault::Long(more) => bytes.resize(bytes.len() + more, 0x5a),
        Fault::Flips(place) => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1;
            }
        }
        Fault::Breaks(after) => {
            bytes.truncate(after);
            end = Some(Err(failure()));
        }
        Fault::Size(size) => answer.meta.size = size,
        Fault::ETag(e_tag) => answer.meta.e_tag = e_tag,
        Fault::Version(version) => {
            answer.meta.e_tag = Some("\"of every version\"".to_owned());
            answer.meta.version = Some(version.to_string());
        }
        Fault::Moved(by) => {
            answer.range.start = answer.range.start.saturating_add_signed(by);
            answer.range.end = answer.range.end.saturating_add_signed(by);
        }
        _ => {}
    }
    // In several pieces, as a network gives them.
    let pieces: Vec<Result<Bytes>> = bytes.chunks(10_007).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    answer.payload = GetResultPayload::Stream(stream::iter(pieces.into_iter().chain(end)).boxed());
    answer
}

impl<T: ObjectStore> fmt::Display for Spy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spy({})", self.inner)
    }
}

impl<T: ObjectStore> fmt::Debug for Spy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spy({:?})", self.inner)
    }
}

struct SpyUpload<T> {
    upload: Box<dyn MultipartUpload>,
    spy: Spy<T>,
}

impl<T> fmt::Debug for SpyUpload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpyUpload")
    }
}

#[async_trait]
impl<T: ObjectStore> MultipartUpload for SpyUpload<T> {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.spy.note(Request::Part { len: data.content_length() }) {
            Ok(fault) => {
                let (spy, part) = (self.spy.clone(), self.upload.put_part(data));
                async move {
                    pause(spy.is_slow()).await;
                    spy.end(fault, part.await).await
                }
                .boxed()
            }
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.spy.begin(Request::Complete).await?;
        let done = self.upload.complete().await;
        self.spy.end(fault, done).await
    }

    async fn abort(&mut self) -> Result<()> {
        let fault = self.spy.begin(Request::Abort).await?;
        let done = self.upload.abort().await;
        self.spy.end(fault, done).await
    }
}
