//! Root keys wrapped by a key provider: the file of three lines, and the provider's requests.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use atrest::error::{KeyProviderError, KeyProviderErrorKind as Kind, SealedFileError, Unexpected};
use atrest::{
    Error, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, Requester, RootKey, UnwrappedKey,
    WrappedKey,
};
use data_encoding::BASE64;

use super::{assert_is_private, io_kind, is_same};
use atrest_kit::{KMS_KEY, TableKms};

const KEY: [u8; 32] = [0x52; 32];
const ID: &str = "kms:key/root";

/// A KMS with one key and stated answers, which refuses other wrapped keys.
struct Answers {
    generates_as: String,
    unwraps_as: String,
    wrapped: Vec<u8>,
    refuses: Option<Kind>,
    requests: Mutex<Vec<KeyRequest>>,
}

impl Answers {
    fn rightly() -> Self {
        Self {
            generates_as: ID.to_owned(),
            unwraps_as: ID.to_owned(),
            wrapped: (0..32).collect(),
            refuses: None,
            requests: Mutex::default(),
        }
    }

    fn create(self, at: &Path) -> Result<RootKey, Error> {
        RootKey::create_wrapped_blocking(at, Arc::new(self), "alias/root", &operator())
    }

    fn open(self, at: &Path) -> Result<RootKey, Error> {
        RootKey::open_wrapped_blocking(at, Arc::new(self), ID, &operator())
    }

    fn note(&self, request: &KeyRequest) -> Result<(), KeyProviderError> {
        self.requests.lock().unwrap().push(request.clone());
        self.refuses.map_or(Ok(()), |kind| Err(KeyProviderError::new(kind, request.key_id())))
    }
}

impl KeyProvider for Answers {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            self.note(&request)?;
            let kek = KeyEncryptionKey::from_bytes(&mut KEY.clone()).unwrap();
            Ok(GeneratedKey::new(self.generates_as.clone(), self.wrapped.clone(), kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            self.note(&request)?;
            if wrapped.as_bytes() != self.wrapped {
                return Err(KeyProviderError::new(Kind::Rejected, request.key_id()));
            }
            Ok(UnwrappedKey::new(self.unwraps_as.clone(), KeyEncryptionKey::from_bytes(&mut KEY.clone()).unwrap()))
        })
    }
}

fn operator() -> Requester {
    Requester::new("storage-service")
}

fn provider_kind(error: Error) -> Kind {
    match error {
        Error::KeyProvider(error) => error.kind(),
        other => panic!("not of the provider: {other:?}"),
    }
}

/// A wrapped root key under [`Answers::rightly`].
fn created() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.wrapped");
    Answers::rightly().create(&path).unwrap();
    let file = fs::read(&path).unwrap();
    (directory, path, file)
}

#[test]
fn a_key_provider_keeps_the_root_key_and_a_file_keeps_it_wrapped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.wrapped");
    let kms = Arc::new(Answers::rightly());
    let created = RootKey::create_wrapped_blocking(&path, kms.clone(), "alias/root", &operator()).unwrap();
    let opened = RootKey::open_wrapped_blocking(&path, kms.clone(), ID, &operator()).unwrap();
    let key = RootKey::from_bytes(&mut KEY.clone()).unwrap();
    assert!(is_same(&created, &key) && is_same(&opened, &key));

    let wrapped = BASE64.encode(&kms.wrapped);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("atrest-root-key 1\n{ID}\n{wrapped}\n"));
    assert_is_private(&path);
    let requests = kms.requests.lock().unwrap();
    let asked: Vec<_> = requests.iter().map(|request| (request.key_id(), request.requester())).collect();
    let unwrapping = (ID, &operator());
    // Once to see that it opens, and once at a start.
    assert_eq!(asked, [("alias/root", &operator()), unwrapping, unwrapping]);
    for request in requests.iter() {
        assert_eq!(request.context().iter().collect::<Vec<_>>(), [("atrest:purpose", "root key")]);
    }
}

#[test]
fn every_root_key_that_is_created_is_another() {
    let directory = tempfile::tempdir().unwrap();
    let kms = Arc::new(TableKms::default());
    let [one, other] = ["one", "other"].map(|name| {
        let path = directory.path().join(name);
        let created = RootKey::create_wrapped_blocking(&path, kms.clone(), "alias/root", &operator()).unwrap();
        let opened = RootKey::open_wrapped_blocking(&path, kms.clone(), KMS_KEY, &operator()).unwrap();
        assert!(is_same(&created, &opened));
        opened
    });
    assert!(!is_same(&one, &other));
}

#[test]
fn the_longest_id_and_wrapped_key_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.wrapped");
    let id = "k".repeat(2_048);
    let longest = || {
        let (wrapped, id) = (vec![0xA5; 6_144], id.clone());
        Arc::new(Answers { generates_as: id.clone(), unwraps_as: id, wrapped, ..Answers::rightly() })
    };
    RootKey::create_wrapped_blocking(&path, longest(), "alias/root", &operator()).unwrap();
    RootKey::open_wrapped_blocking(&path, longest(), &id, &operator()).unwrap();
}

#[test]
fn a_wrapped_root_key_that_was_lost_is_not_made_anew_and_one_that_is_there_is_not_replaced() {
    let (_directory, path, file) = created();
    assert_eq!(io_kind(Answers::rightly().create(&path).unwrap_err()), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), file);
    fs::remove_file(&path).unwrap();
    assert_eq!(io_kind(Answers::rightly().open(&path).unwrap_err()), ErrorKind::NotFound);
    assert!(!path.exists());
    let nowhere = path.join("none");
    assert_eq!(io_kind(Answers::rightly().create(&nowhere).unwrap_err()), ErrorKind::NotFound);
}

#[test]
fn the_caller_and_not_the_file_says_which_kms_key_it_is() {
    let (_directory, path, _) = created();
    for other in ["kms:key/other", "kms:key/Root", "alias/root", ""] {
        let kms = Arc::new(Answers::rightly());
        let refused = RootKey::open_wrapped_blocking(&path, kms.clone(), other, &operator()).unwrap_err();
        assert!(matches!(refused, Error::Unexpected(Unexpected::KmsKey)), "{refused:?}");
        assert!(kms.requests.lock().unwrap().is_empty(), "the provider is not asked");
    }
}

#[test]
fn another_provider_does_not_open_a_root_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.wrapped");
    RootKey::create_wrapped_blocking(&path, Arc::new(TableKms::default()), "alias/root", &operator()).unwrap();
    let other = Arc::new(TableKms::default());
    let refused = RootKey::open_wrapped_blocking(&path, other, KMS_KEY, &operator()).unwrap_err();
    assert_eq!(provider_kind(refused), Kind::Rejected);
}

#[test]
fn what_the_provider_refuses_is_refused() {
    let (directory, path, _) = created();
    let new = directory.path().join("new.wrapped");
    for kind in [Kind::NotFound, Kind::Disabled, Kind::PendingDeletion, Kind::AccessDenied, Kind::Unavailable] {
        let refuses = || Answers { refuses: Some(kind), ..Answers::rightly() };
        assert_eq!(provider_kind(refuses().open(&path).unwrap_err()), kind);
        assert_eq!(provider_kind(refuses().create(&new).unwrap_err()), kind);
        assert!(!new.exists(), "no file without a key");
    }
}

#[test]
fn an_answer_with_another_key_or_of_another_length_is_refused() {
    let (directory, path, _) = created();
    let new = directory.path().join("new.wrapped");
    let other = Answers { unwraps_as: "kms:key/other".to_owned(), ..Answers::rightly() };
    assert_eq!(provider_kind(other.open(&path).unwrap_err()), Kind::WrongKey);
    for id in ["".to_owned(), "two\nlines".to_owned(), "k".repeat(2_049)] {
        let answers = Answers { generates_as: id, ..Answers::rightly() };
        assert_eq!(provider_kind(answers.create(&new).unwrap_err()), Kind::WrongKey);
    }
    for len in [0, 6_145] {
        let answers = Answers { wrapped: vec![1; len], ..Answers::rightly() };
        assert_eq!(provider_kind(answers.create(&new).unwrap_err()), Kind::WrongLength);
    }
    assert!(!new.exists(), "no file without a key");
}

#[test]
fn a_changed_byte_anywhere_in_the_file_is_an_error() {
    let (_directory, path, file) = created();
    for at in 0..file.len() {
        let to_a_line_feed = file[at] ^ b'\n';
        for change in (0..8).map(|bit| 1 << bit).chain([0xFF, to_a_line_feed]).filter(|change| *change != 0) {
            let mut changed = file.clone();
            changed[at] ^= change;
            fs::write(&path, &changed).unwrap();
            let refused = Answers::rightly().open(&path).map(|_| changed[at]).unwrap_err();
            let fits = match refused {
                Error::SealedFile(SealedFileError::NotASealedFile) => at < 16,
                Error::SealedFile(SealedFileError::Unsupported(_)) => at == 16 || at == 17,
                Error::Unexpected(Unexpected::KmsKey) => (18..18 + ID.len()).contains(&at),
                Error::SealedFile(SealedFileError::Malformed(_)) => at >= 16,
                Error::KeyProvider(ref error) => error.kind() == Kind::Rejected && at > 18 + ID.len(),
                _ => false,
            };
            assert!(fits, "byte {at} changed by {change}: {refused:?}");
        }
    }
}

#[test]
fn a_file_cut_short_or_made_longer_is_an_error() {
    let (_directory, path, file) = created();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        match Answers::rightly().open(&path).unwrap_err() {
            Error::SealedFile(error) => error,
            Error::KeyProvider(error) => panic!("{:?} was asked for: {error}", String::from_utf8_lossy(bytes)),
            other => panic!("{other:?}"),
        }
    };
    for len in 0..file.len() {
        let error = refused(&file[..len]);
        let fits = match error {
            SealedFileError::NotASealedFile => len < 16,
            SealedFileError::Malformed(_) => len >= 16,
            _ => false,
        };
        assert!(fits, "{len}: {error:?}");
    }
    for more in [&b"\n"[..], b" ", b"\0", b"x\n", &[b'='; 20_000]] {
        assert!(matches!(refused(&[&file, more].concat()), SealedFileError::Malformed(_)));
    }
    let too_long = [&b"atrest-root-key 1\n"[..], &[b'k'; 16 * 1024], b"\nAAAA\n"].concat();
    assert_eq!(refused(&too_long), SealedFileError::Malformed("it is too long"));
}

#[test]
fn what_is_in_the_file_has_one_spelling() {
    let (_directory, path, file) = created();
    let text = String::from_utf8(file).unwrap();
    let wrapped = BASE64.encode(&(0..32).collect::<Vec<u8>>());
    assert!(wrapped.ends_with("8=") && text.contains(&wrapped));
    let spellings = [
        text.replace('\n', "\r\n"),
        text.replace("key 1\n", "key  1\n"),
        text.replace("key 1\n", "key 01\n"),
        text.replace("key 1\n", "key 2\n"),
        text.replace("8=\n", "9=\n"),
        text.replace("=\n", "\n"),
        text.replace("=\n", " =\n"),
        text.replace(&wrapped, &format!("{}\n{}", &wrapped[..20], &wrapped[20..])),
        text.replace(&wrapped, ""),
        text.replace(&wrapped, &BASE64.encode(&[1; 6_145])),
        text.replace(ID, ""),
        text.replace(ID, &"k".repeat(2_049)),
        text.replace(ID, "tab\tbed"),
        format!("\u{feff}{text}"),
        text.to_uppercase(),
    ];
    for spelling in spellings {
        assert_ne!(spelling, text);
        fs::write(&path, &spelling).unwrap();
        let refused = Answers::rightly().open(&path).unwrap_err();
        assert!(matches!(refused, Error::SealedFile(_)), "{spelling:?}: {refused:?}");
    }
    fs::write(&path, &text).unwrap();
    Answers::rightly().open(&path).unwrap();
}

#[test]
fn a_root_key_that_would_not_open_again_is_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.wrapped");
    let unable = Answers { unwraps_as: "kms:key/other".to_owned(), ..Answers::rightly() };
    assert_eq!(provider_kind(unable.create(&path).unwrap_err()), Kind::WrongKey);
    assert!(!path.exists());
}

/// Each poll returns at once: slow work runs on another thread, and its answer wakes the caller.
#[test]
fn the_async_form_gives_the_same_key_and_its_future_may_move_between_threads() {
    fn movable<F: Future + Send>(future: F) -> F {
        future
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.wrapped");
    let kms = Arc::new(TableKms::default());
    let by = operator();
    let created = movable(RootKey::create_wrapped(&path, kms.clone(), "alias/root", &by));
    let created = pollster::block_on(created).unwrap();
    let opened = movable(RootKey::open_wrapped(&path, kms.clone(), KMS_KEY, &by));
    assert!(is_same(&created, &pollster::block_on(opened).unwrap()));
    let again = pollster::block_on(RootKey::create_wrapped(&path, kms.clone(), "alias/root", &by)).unwrap_err();
    assert_eq!(io_kind(again), ErrorKind::AlreadyExists);
    let missing = pollster::block_on(RootKey::open_wrapped(directory.path().join("none"), kms, KMS_KEY, &by));
    assert_eq!(io_kind(missing.unwrap_err()), ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_the_file_is_refused_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.wrapped");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let kms = Arc::new(TableKms::default());
    let refused = pollster::block_on(RootKey::open_wrapped(&path, kms, KMS_KEY, &operator())).unwrap_err();
    assert_eq!(io_kind(refused), ErrorKind::InvalidInput);
}
