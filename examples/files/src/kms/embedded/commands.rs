//! The `keys` commands for KMS keys and the key store.

use std::io::Write;
use std::time::Duration;

use atrest::Error;
use atrest::error::KeyStoreError;
use atrest::kms::{KeyAdmin, NewKey};

use super::backup::{self, Backup, back_up, restore};
use super::policy::{self, Given, allow, forbid};
use super::{OWNER, show};
use crate::cli::Words;
use crate::failure::{Failure, Outcome};
use crate::kms::{Kms, KmsKind};
use crate::store::{Store, StoreOptions};

/// The default waiting period of AWS, which is also the longest.
const DEFAULT_WAITING_DAYS: u32 = 30;

pub(crate) enum KeysCommand {
    Create(NewKey),
    Ls,
    Alias { alias: String, key: String },
    With { key: String, what: What },
    Maintain,
    Log,
    Backup(Backup),
    Restore(Backup),
}

/// An action on one key.
pub(crate) enum What {
    Show,
    Enable,
    Disable,
    Rotate,
    Delete { days: u32 },
    Cancel,
    Allow(Given),
    Forbid(Given),
    OwnerOnly,
}

pub(crate) fn parse(words: &mut Words) -> Outcome<KeysCommand> {
    let verb = words.text("a `keys` command")?;
    let what = match verb.as_str() {
        "create" => return Ok(KeysCommand::Create(new_key(words)?)),
        "ls" => return Ok(KeysCommand::Ls),
        "alias" => return Ok(KeysCommand::Alias { alias: words.text("alias/NAME")?, key: words.text("KEY")? }),
        "maintain" => return Ok(KeysCommand::Maintain),
        "log" => return Ok(KeysCommand::Log),
        "backup" => return backup::parse(words).map(KeysCommand::Backup),
        "restore" => return backup::parse(words).map(KeysCommand::Restore),
        "show" => What::Show,
        "enable" => What::Enable,
        "disable" => What::Disable,
        "rotate" => What::Rotate,
        "delete" => What::Delete { days: days(words, "days")?.unwrap_or(DEFAULT_WAITING_DAYS) },
        "cancel" => What::Cancel,
        "owner-only" => What::OwnerOnly,
        "allow" | "forbid" => {
            let (key, given) = (words.text("KEY")?, policy::parse(words)?);
            let what = if verb == "allow" { What::Allow(given) } else { What::Forbid(given) };
            return Ok(KeysCommand::With { key, what });
        }
        other => return Err(Failure::usage(format!("no such `keys` command: {other}"))),
    };
    Ok(KeysCommand::With { key: words.text("KEY")?, what })
}

fn new_key(words: &mut Words) -> Outcome<NewKey> {
    let mut key = NewKey::new().description(words.value("description").unwrap_or_default());
    if let Some(alias) = words.value("alias") {
        key = key.alias(alias);
    }
    Ok(match days(words, "rotate-every")? {
        Some(days) => key.rotated_every_days(days),
        None => key,
    })
}

fn days(words: &mut Words, option: &str) -> Outcome<Option<u32>> {
    let days = words.value(option);
    let parse = |text: String| {
        text.parse().map_err(|_| Failure::usage(format!("--{option} is a number of days, and not {text}")))
    };
    days.map(parse).transpose()
}

pub(crate) fn run(command: KeysCommand, options: &StoreOptions, out: &mut impl Write) -> Outcome<()> {
    // Without a store, this creates one with an embedded KMS; a store with another KMS refuses.
    let options = StoreOptions { kms: options.kms.or(Some(KmsKind::Embedded)), ..options.clone() };
    let store = match &command {
        KeysCommand::Restore(backup) => return restore(backup, &options, out),
        KeysCommand::Create(_) => Store::open_or_create(&options)?,
        _ => Store::open(&options)?,
    };
    let Kms::Embedded(embedded) = store.kms() else {
        return Err(Failure::usage("`keys` is for a store with --kms embedded"));
    };
    let admin = embedded.admin();
    match command {
        KeysCommand::Create(new) => {
            let key = admin.create_key(new)?;
            writeln!(out, "created {}", key.arn)?;
        }
        KeysCommand::Ls => write!(out, "{}", show::table(&admin.list_keys()?))?,
        KeysCommand::Alias { alias, key } => {
            match admin.create_alias(&alias, &key) {
                Err(Error::KeyStore(KeyStoreError::AliasExists)) => admin.move_alias(&alias, &key),
                outcome => outcome,
            }?;
            writeln!(out, "{alias} is an alias of {}", admin.describe_key(&key)?.arn)?;
        }
        KeysCommand::With { key, what } => with_key(&admin, &key, what, out)?,
        KeysCommand::Maintain => {
            let maintained = embedded.owned()?.maintain()?;
            for (what, keys) in [("rotated", maintained.rotated), ("deleted", maintained.deleted)] {
                writeln!(out, "{} {what}", keys.len())?;
                keys.iter().try_for_each(|key| writeln!(out, "{what}  {key}"))?;
            }
        }
        KeysCommand::Log => write!(out, "{}", embedded.log()?)?,
        KeysCommand::Backup(to) => back_up(embedded, &to, out)?,
        // Handled before: the store could not be opened.
        KeysCommand::Restore(_) => {}
    }
    Ok(())
}

fn with_key(admin: &KeyAdmin, key: &str, what: What, out: &mut impl Write) -> Outcome<()> {
    match what {
        What::Show => write!(out, "{}", show::one(&admin.describe_key(key)?))?,
        What::Enable => {
            admin.enable_key(key)?;
            writeln!(out, "enabled {key}")?;
        }
        What::Disable => {
            admin.disable_key(key)?;
            writeln!(out, "disabled {key}: objects under it do not open until `keys enable`")?;
        }
        What::Rotate => {
            let version = admin.rotate_key(key)?;
            writeln!(out, "{key} writes under version {version}; objects under older versions still open")?;
        }
        What::Delete { days } => {
            let waiting = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
            let due = show::time(admin.schedule_deletion(key, waiting)?);
            writeln!(out, "from {due} on `keys maintain` deletes {key}, and every object under it is then lost")?;
            writeln!(out, "until then the key is refused; `keys cancel` cancels the deletion")?;
        }
        What::Cancel => {
            admin.cancel_deletion(key)?;
            writeln!(out, "{key} is not deleted; `keys enable` enables it")?;
        }
        What::Allow(given) => {
            allow(admin, key, given)?;
            write!(out, "{}", show::one(&admin.describe_key(key)?))?;
        }
        What::Forbid(given) => {
            forbid(admin, key, given)?;
            write!(out, "{}", show::one(&admin.describe_key(key)?))?;
        }
        What::OwnerOnly => {
            admin.set_policy(key, None)?;
            writeln!(out, "only the owner may use {key}: {OWNER}")?;
        }
    }
    Ok(())
}
