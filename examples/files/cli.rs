//! The command line: words in, one [`Command`] out.

use std::ffi::OsString;
use std::path::PathBuf;

use atrest::ByteRange;
use lexopt::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::kms::DEFAULT_ALIAS;

pub(crate) const HELP: &str = "\
files [--store DIR] COMMAND      an encrypted object store in a directory (default: ./atrest-store)

  put [--mode MODE] NAME PATH|-  store a file, or standard input, under a name
      --mode sse-s3              under the store's master key (the default)
      --mode sse-kms             under a KMS key: --key-id ID (default: alias/default)
      --mode dsse-kms            in two layers, one of each: --key-id ID
      --mode sse-c               under a key of your own: --customer-key FILE
  get NAME [PATH|-]              write it to a file (default: its own name, here), once all of it has verified
  cat [--range RANGE] NAME       write it to standard output; RANGE is A-B (both included), A- or -N
  ls                             list what is stored, as the envelopes say
  stat NAME                      what is known of an object
  verify [NAME]                  read and authenticate everything
  rotate                         write new objects under a new master key
  rewrap [--all]                 renew the envelopes that need it, or all; no body is touched
  gc                             remove what killed writers left behind
  kms-create NAME                make the KMS key files-kms:NAME, also known as alias/NAME
  customer-key FILE              make a customer key
  demo PATH                      the whole story, on a file of yours

get, cat, stat, verify and rewrap take --customer-key FILE too; verify and rewrap take several.
Exit code: 0 done, 1 failed or not authentic, 2 wrong usage.
";

/// A command line, understood.
pub(crate) struct Invocation {
    /// `--store`, where it was given.
    pub(crate) store: Option<PathBuf>,
    pub(crate) command: Command,
}

pub(crate) enum Command {
    Help,
    Put(Put),
    Get(Get),
    Cat(Cat),
    Ls,
    Stat(Stat),
    Verify(Verify),
    Rotate,
    Rewrap(Rewrap),
    Gc,
    KmsCreate { name: String },
    CustomerKey { path: PathBuf },
    Demo { path: PathBuf },
}

pub(crate) struct Put {
    pub(crate) name: String,
    pub(crate) mode: PutMode,
    pub(crate) source: Endpoint,
}

/// The mode of a new object, with what it takes.
pub(crate) enum PutMode {
    SseS3,
    SseKms { key_id: String },
    DsseKms { key_id: String },
    SseC { key_file: PathBuf },
}

pub(crate) struct Get {
    pub(crate) name: String,
    pub(crate) target: Option<Endpoint>,
    pub(crate) key_file: Option<PathBuf>,
}

pub(crate) struct Cat {
    pub(crate) name: String,
    pub(crate) range: Option<ByteRange>,
    pub(crate) key_file: Option<PathBuf>,
}

pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) key_file: Option<PathBuf>,
}

pub(crate) struct Verify {
    /// All objects where there is none.
    pub(crate) name: Option<String>,
    pub(crate) key_files: Vec<PathBuf>,
}

pub(crate) struct Rewrap {
    pub(crate) all: bool,
    pub(crate) key_files: Vec<PathBuf>,
}

/// Where plaintext comes from or goes to.
pub(crate) enum Endpoint {
    /// `-`: standard input or standard output.
    Standard,
    File(PathBuf),
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Outcome<Invocation> {
    let mut words = Words::read(lexopt::Parser::from_iter(arguments))?;
    let store = words.store.take();
    if words.help {
        return Ok(Invocation { store, command: Command::Help });
    }
    let command = words.command()?;
    words.nothing_left()?;
    Ok(Invocation { store, command })
}

/// The words of a command line, sorted; a command takes what is its own, and what is left is an error.
#[derive(Default)]
struct Words {
    plain: std::collections::VecDeque<OsString>,
    help: bool,
    all: bool,
    store: Option<PathBuf>,
    mode: Option<String>,
    key_id: Option<String>,
    range: Option<String>,
    key_files: Vec<PathBuf>,
}

impl Words {
    fn read(mut parser: lexopt::Parser) -> Outcome<Self> {
        let mut words = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Value(word) => words.plain.push_back(word),
                Short('h') | Long("help") => words.help = true,
                Long("all") => words.all = true,
                Long("store") => words.store = Some(parser.value()?.into()),
                Long("mode") => words.mode = Some(parser.value()?.string()?),
                Long("key-id") => words.key_id = Some(parser.value()?.string()?),
                Long("range") => words.range = Some(parser.value()?.string()?),
                Long("customer-key") => words.key_files.push(parser.value()?.into()),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(words)
    }

    fn command(&mut self) -> Outcome<Command> {
        let verb = self.text("a command")?;
        Ok(match verb.as_str() {
            "help" => Command::Help,
            "put" => Command::Put(Put {
                mode: self.put_mode()?,
                name: self.text("NAME")?,
                source: self.endpoint().ok_or_else(|| missing("PATH or -"))?,
            }),
            "get" => {
                Command::Get(Get { name: self.text("NAME")?, target: self.endpoint(), key_file: self.key_file()? })
            }
            "cat" => Command::Cat(Cat {
                name: self.text("NAME")?,
                range: self.range.take().as_deref().map(parse_range).transpose()?,
                key_file: self.key_file()?,
            }),
            "ls" => Command::Ls,
            "stat" => Command::Stat(Stat { name: self.text("NAME")?, key_file: self.key_file()? }),
            "verify" => Command::Verify(Verify {
                name: if self.plain.is_empty() { None } else { Some(self.text("NAME")?) },
                key_files: std::mem::take(&mut self.key_files),
            }),
            "rotate" => Command::Rotate,
            "rewrap" => Command::Rewrap(Rewrap {
                all: std::mem::take(&mut self.all),
                key_files: std::mem::take(&mut self.key_files),
            }),
            "gc" => Command::Gc,
            "kms-create" => Command::KmsCreate { name: self.text("NAME")? },
            "customer-key" => Command::CustomerKey { path: self.path("FILE")? },
            "demo" => Command::Demo { path: self.path("PATH")? },
            other => return Err(Failure::usage(format!("no such command: {other}"))),
        })
    }

    fn put_mode(&mut self) -> Outcome<PutMode> {
        let mode = self.mode.take();
        let kms_key = |words: &mut Self| words.key_id.take().unwrap_or_else(|| DEFAULT_ALIAS.to_owned());
        Ok(match mode.as_deref().unwrap_or("sse-s3") {
            "sse-s3" => PutMode::SseS3,
            "sse-kms" => PutMode::SseKms { key_id: kms_key(self) },
            "dsse-kms" => PutMode::DsseKms { key_id: kms_key(self) },
            "sse-c" => PutMode::SseC { key_file: self.key_file()?.ok_or_else(|| missing("--customer-key FILE"))? },
            other => return Err(Failure::usage(format!("no such mode: {other}"))),
        })
    }

    fn key_file(&mut self) -> Outcome<Option<PathBuf>> {
        let key_file = self.key_files.pop();
        if !self.key_files.is_empty() {
            return Err(Failure::usage("more than one --customer-key"));
        }
        Ok(key_file)
    }

    fn endpoint(&mut self) -> Option<Endpoint> {
        let word = self.plain.pop_front()?;
        Some(if word == "-" { Endpoint::Standard } else { Endpoint::File(word.into()) })
    }

    fn path(&mut self, what: &str) -> Outcome<PathBuf> {
        self.plain.pop_front().map(PathBuf::from).ok_or_else(|| missing(what))
    }

    fn text(&mut self, what: &str) -> Outcome<String> {
        let word = self.plain.pop_front().ok_or_else(|| missing(what))?;
        word.into_string().map_err(|word| Failure::usage(format!("{what} is not UTF-8: {}", word.display())))
    }

    /// An option that the command does not know is a mistake, never ignored: `--mode` on `get` may be meant.
    fn nothing_left(self) -> Outcome<()> {
        let left = if let Some(word) = self.plain.front() {
            word.display().to_string()
        } else if self.all {
            "--all".to_owned()
        } else if self.mode.is_some() {
            "--mode".to_owned()
        } else if self.key_id.is_some() {
            "--key-id".to_owned()
        } else if self.range.is_some() {
            "--range".to_owned()
        } else if !self.key_files.is_empty() {
            "--customer-key".to_owned()
        } else {
            return Ok(());
        };
        Err(Failure::usage(format!("does not belong to this command: {left}")))
    }
}

/// `A-B` (both included), `A-` or `-N`, as in the HTTP header.
fn parse_range(text: &str) -> Outcome<ByteRange> {
    let wrong = || Failure::usage(format!("not a range: {text} (A-B, A- or -N)"));
    let number = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    Ok(match (first, last) {
        ("", suffix_len) => ByteRange::last(number(suffix_len)?),
        (first, "") => (number(first)?..).into(),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(wrong());
            }
            (first..=last).into()
        }
    })
}

fn missing(what: &str) -> Failure {
    Failure::usage(format!("missing: {what}"))
}
