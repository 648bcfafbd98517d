//! `Words`: the sorted words of a command line.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use super::{Endpoint, PutMode};
use crate::failure::{Failure, Outcome};
use crate::kms::KmsKind;
use crate::store::StoreOptions;

/// A command takes its own words; any word that is left is an error.
#[derive(Default)]
pub(crate) struct Words {
    plain: VecDeque<OsString>,
    pub(crate) help: bool,
    pub(crate) store: StoreOptions,
    /// The given options without a value.
    switches: Vec<&'static str>,
    /// The given options with a text value.
    values: Vec<(&'static str, String)>,
    key_files: Vec<PathBuf>,
}

const SWITCHES: [&str; 4] = ["all", "csv", "json", "everyone"];
const VALUES: [&str; 10] =
    ["mode", "key-id", "range", "part", "part-size", "threads", "alias", "description", "rotate-every", "days"];

impl Words {
    pub(crate) fn read(mut parser: lexopt::Parser) -> Outcome<Self> {
        let mut words = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Value(word) => words.plain.push_back(word),
                Short('h') | Long("help") => words.help = true,
                Long("store") => words.store.directory = Some(parser.value()?.into()),
                Long("kms") => words.store.kms = Some(kms_kind(&parser.value()?.string()?)?),
                Long("as") => words.store.requester = Some(parser.value()?.string()?),
                Long("customer-key") => words.key_files.push(parser.value()?.into()),
                Long(option) => {
                    if let Some(switch) = SWITCHES.into_iter().find(|switch| *switch == option) {
                        words.switches.push(switch);
                    } else if let Some(name) = VALUES.into_iter().find(|name| *name == option) {
                        words.values.push((name, parser.value()?.string()?));
                    } else {
                        return Err(argument.unexpected().into());
                    }
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(words)
    }

    /// Whether an option without a value was given.
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        let given = self.switches.len();
        self.switches.retain(|switch| *switch != name);
        self.switches.len() < given
    }

    /// The value of an option; the last one, if it was given several times.
    pub(crate) fn value(&mut self, name: &str) -> Option<String> {
        let value = self.values.iter().rev().find(|(option, _)| *option == name).map(|(_, value)| value.clone());
        self.values.retain(|(option, _)| *option != name);
        value
    }

    /// How many positional words are left.
    pub(crate) fn len(&self) -> usize {
        self.plain.len()
    }

    pub(crate) fn put_mode(&mut self) -> Outcome<PutMode> {
        let mode = self.value("mode");
        Ok(match mode.as_deref().unwrap_or("sse-s3") {
            "sse-s3" => PutMode::SseS3,
            "sse-kms" => PutMode::SseKms { key_id: self.value("key-id") },
            "dsse-kms" => PutMode::DsseKms { key_id: self.value("key-id") },
            "sse-c" => PutMode::SseC { key_file: self.key_file()?.ok_or_else(|| missing("--customer-key FILE"))? },
            other => return Err(Failure::usage(format!("no such mode: {other}"))),
        })
    }

    pub(crate) fn key_file(&mut self) -> Outcome<Option<PathBuf>> {
        let key_file = self.key_files.pop();
        if !self.key_files.is_empty() {
            return Err(Failure::usage("more than one --customer-key"));
        }
        Ok(key_file)
    }

    pub(crate) fn key_files(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.key_files)
    }

    /// The customer keys; a mode that needs one can still take it.
    pub(crate) fn key_files_too(&self) -> Vec<PathBuf> {
        self.key_files.clone()
    }

    pub(crate) fn endpoint(&mut self) -> Option<Endpoint> {
        let word = self.plain.pop_front()?;
        Some(if word == "-" { Endpoint::Standard } else { Endpoint::File(word.into()) })
    }

    pub(crate) fn path(&mut self, what: &str) -> Outcome<PathBuf> {
        self.plain.pop_front().map(PathBuf::from).ok_or_else(|| missing(what))
    }

    pub(crate) fn text(&mut self, what: &str) -> Outcome<String> {
        let word = self.plain.pop_front().ok_or_else(|| missing(what))?;
        word.into_string().map_err(|word| Failure::usage(format!("{what} is not UTF-8: {}", word.display())))
    }

    pub(crate) fn number(&mut self, what: &str) -> Outcome<u32> {
        let text = self.text(what)?;
        text.parse().map_err(|_| Failure::usage(format!("{what} is a number, and not {text}")))
    }

    /// An unknown option is an error, never ignored: the user may expect `--mode` on `get` to have an effect.
    pub(crate) fn nothing_left(self) -> Outcome<()> {
        let options = self.values.iter().map(|(option, _)| *option).chain(self.switches.iter().copied());
        let mut options = options.chain(self.key_files.iter().map(|_| "customer-key"));
        let left = match (self.plain.front(), options.next()) {
            (Some(word), _) => word.display().to_string(),
            (None, Some(option)) => format!("--{option}"),
            (None, None) => return Ok(()),
        };
        Err(Failure::usage(format!("does not belong to this command: {left}")))
    }
}

fn kms_kind(name: &str) -> Outcome<KmsKind> {
    let kind = KmsKind::ALL.into_iter().find(|kind| kind.name() == name);
    kind.ok_or_else(|| Failure::usage(format!("no such KMS: {name} (files, embedded)")))
}

pub(crate) fn missing(what: &str) -> Failure {
    Failure::usage(format!("missing: {what}"))
}
