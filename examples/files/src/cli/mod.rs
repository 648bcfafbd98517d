//! [`Command`], and its parser: the command line.

mod values;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use atrest::{ByteRange, PartNumber};

pub(crate) use values::size_text;
pub(crate) use words::{Words, missing};

use crate::failure::{Failure, Outcome};
use crate::kms::embedded::{self, KeysCommand};
use crate::put::Parts;
use crate::store::StoreOptions;

pub(crate) const HELP: &str = include_str!("help.txt");

/// Enough to keep a disk busy while other threads encrypt.
const DEFAULT_THREADS: usize = 4;
const MAX_THREADS: usize = 64;

/// A parsed command line.
pub(crate) struct Invocation {
    pub(crate) store: StoreOptions,
    pub(crate) command: Command,
}

pub(crate) enum Command {
    Help,
    Put(Put),
    Get(Get),
    GetAll(GetAll),
    Cat(Cat),
    Ls,
    Stat(Stat),
    Verify(Verify),
    Inventory(Format),
    EncryptExisting(EncryptExisting),
    Rotate,
    Rewrap(Rewrap),
    Disable { version: u32 },
    Enable { version: u32 },
    Retire { version: u32 },
    Gc,
    KmsCreate { name: String },
    Keys(KeysCommand),
    CustomerKey { path: PathBuf },
    Demo { path: PathBuf },
}

pub(crate) struct Put {
    pub(crate) from: PutFrom,
    pub(crate) mode: PutMode,
    pub(crate) parts: Option<Parts>,
}

pub(crate) enum PutFrom {
    One { name: String, source: Endpoint },
    Directory(PathBuf),
}

/// The mode of a new object, with its parameters.
pub(crate) enum PutMode {
    SseS3,
    /// Uses the KMS's default key if no key is named.
    SseKms {
        key_id: Option<String>,
    },
    DsseKms {
        key_id: Option<String>,
    },
    SseC {
        key_file: PathBuf,
    },
}

pub(crate) struct Get {
    pub(crate) name: String,
    pub(crate) target: Option<Endpoint>,
    pub(crate) key_file: Option<PathBuf>,
}

pub(crate) struct GetAll {
    pub(crate) target: PathBuf,
    pub(crate) key_files: Vec<PathBuf>,
}

pub(crate) struct Cat {
    pub(crate) name: String,
    pub(crate) what: What,
    pub(crate) key_file: Option<PathBuf>,
}

/// Which part of an object to read.
pub(crate) enum What {
    All,
    Range(ByteRange),
    Part(PartNumber),
}

pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) key_file: Option<PathBuf>,
}

pub(crate) struct Verify {
    /// All objects, if no name is given.
    pub(crate) name: Option<String>,
    pub(crate) key_files: Vec<PathBuf>,
}

/// The output format of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Csv,
    Json,
}

pub(crate) struct EncryptExisting {
    pub(crate) mode: PutMode,
    pub(crate) key_files: Vec<PathBuf>,
}

pub(crate) struct Rewrap {
    pub(crate) all: bool,
    pub(crate) key_files: Vec<PathBuf>,
}

/// The source or target of plaintext.
pub(crate) enum Endpoint {
    /// `-`: standard input or standard output.
    Standard,
    File(PathBuf),
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Outcome<Invocation> {
    let mut words = Words::read(lexopt::Parser::from_iter(arguments))?;
    let store = std::mem::take(&mut words.store);
    if words.help {
        return Ok(Invocation { store, command: Command::Help });
    }
    let command = command(&mut words)?;
    words.nothing_left()?;
    Ok(Invocation { store, command })
}

fn command(words: &mut Words) -> Outcome<Command> {
    let verb = words.text("a command")?;
    Ok(match verb.as_str() {
        "help" => Command::Help,
        "put" => Command::Put(Put {
            mode: words.put_mode()?,
            parts: parts(words)?,
            from: match words.len() {
                1 => {
                    let directory = words.path("DIR")?;
                    // Only a put with valid arguments creates a store.
                    if !directory.is_dir() {
                        return Err(missing("PATH or - (or a DIR that is there)"));
                    }
                    PutFrom::Directory(directory)
                }
                _ => PutFrom::One {
                    name: words.text("NAME")?,
                    source: words.endpoint().ok_or_else(|| missing("PATH or -"))?,
                },
            },
        }),
        "get" if words.switch("all") => {
            Command::GetAll(GetAll { target: words.path("DIR")?, key_files: words.key_files() })
        }
        "get" => Command::Get(Get { name: words.text("NAME")?, target: words.endpoint(), key_file: words.key_file()? }),
        "cat" => Command::Cat(Cat { name: words.text("NAME")?, what: what(words)?, key_file: words.key_file()? }),
        "ls" => Command::Ls,
        "stat" => Command::Stat(Stat { name: words.text("NAME")?, key_file: words.key_file()? }),
        "verify" => Command::Verify(Verify {
            name: if words.len() == 0 { None } else { Some(words.text("NAME")?) },
            key_files: words.key_files(),
        }),
        "inventory" => Command::Inventory(match (words.switch("csv"), words.switch("json")) {
            (false, false) => Format::Table,
            (true, false) => Format::Csv,
            (false, true) => Format::Json,
            (true, true) => return Err(Failure::usage("--csv or --json, not both")),
        }),
        "encrypt-existing" => {
            // Several keys may open existing objects; exactly one encrypts new ones.
            let key_files = words.key_files_too();
            let mode = words.put_mode()?;
            words.key_files();
            Command::EncryptExisting(EncryptExisting { mode, key_files })
        }
        "rotate" => Command::Rotate,
        "rewrap" => Command::Rewrap(Rewrap { all: words.switch("all"), key_files: words.key_files() }),
        "disable" => Command::Disable { version: words.number("VERSION")? },
        "enable" => Command::Enable { version: words.number("VERSION")? },
        "retire" => Command::Retire { version: words.number("VERSION")? },
        "gc" => Command::Gc,
        "kms-create" => Command::KmsCreate { name: words.text("NAME")? },
        "keys" => embedded::parse(words).map(Command::Keys)?,
        "customer-key" => Command::CustomerKey { path: words.path("FILE")? },
        "demo" => Command::Demo { path: words.path("PATH")? },
        other => return Err(Failure::usage(format!("no such command: {other}"))),
    })
}

fn parts(words: &mut Words) -> Outcome<Option<Parts>> {
    let Some(len) = words.value("part-size") else {
        return Ok(None);
    };
    let len = values::parse_part_len(&len)?;
    let threads = match words.value("threads") {
        None => DEFAULT_THREADS,
        Some(text) => match text.parse() {
            Ok(threads @ 1..=MAX_THREADS) => threads,
            _ => return Err(Failure::usage(format!("1 to {MAX_THREADS} threads, and not {text}"))),
        },
    };
    Ok(Some(Parts { len, threads }))
}

fn what(words: &mut Words) -> Outcome<What> {
    Ok(match (words.value("range"), words.value("part")) {
        (None, None) => What::All,
        (Some(range), None) => What::Range(values::parse_range(&range)?),
        (None, Some(number)) => {
            let parsed = number.parse().ok().and_then(|number| PartNumber::new(number).ok());
            What::Part(parsed.ok_or_else(|| {
                Failure::usage(format!("a part is a number of 1 to {}, and not {number}", PartNumber::S3_MAX))
            })?)
        }
        (Some(_), Some(_)) => return Err(Failure::usage("--range or --part, not both")),
    })
}
