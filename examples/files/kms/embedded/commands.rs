//! The `keys` commands: what can be done with KMS keys and their store.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use atrest::error::KeyStoreError;
use atrest::kms::{EmbeddedKms, KeyAdmin, KeyPolicy, NewKey, Permission};
use atrest::{Error, Requester, RootKey};

use super::{Embedded, OWNER, kms_file, or_in_use, show};
use crate::cli::{Words, missing};
use crate::customer_key::write_new;
use crate::failure::{About, Failure, Outcome};
use crate::kms::{Kms, KmsKind};
use crate::store::{Config, Store, StoreOptions};

/// AWS's own, and the longest.
const DEFAULT_WAITING_DAYS: u32 = 30;
const PERMISSIONS: [(&str, Permission); 3] =
    [("write", Permission::Generate), ("read", Permission::Unwrap), ("administer", Permission::Administer)];

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

/// What to do with one key.
pub(crate) enum What {
    Show,
    Enable,
    Disable,
    Rotate,
    Delete { days: u32 },
    Cancel,
    Allow { permission: Permission, requesters: Vec<Requester> },
    OwnerOnly,
}

/// A backup, and the file of the root key that it alone is sealed under.
pub(crate) struct Backup {
    file: PathBuf,
    root_key: PathBuf,
}

pub(crate) fn parse(words: &mut Words) -> Outcome<KeysCommand> {
    let verb = words.text("a `keys` command")?;
    let what = match verb.as_str() {
        "create" => return Ok(KeysCommand::Create(new_key(words)?)),
        "ls" => return Ok(KeysCommand::Ls),
        "alias" => return Ok(KeysCommand::Alias { alias: words.text("alias/NAME")?, key: words.text("KEY")? }),
        "maintain" => return Ok(KeysCommand::Maintain),
        "log" => return Ok(KeysCommand::Log),
        "backup" => return backup(words).map(KeysCommand::Backup),
        "restore" => return backup(words).map(KeysCommand::Restore),
        "show" => What::Show,
        "enable" => What::Enable,
        "disable" => What::Disable,
        "rotate" => What::Rotate,
        "delete" => What::Delete { days: days(words, "days")?.unwrap_or(DEFAULT_WAITING_DAYS) },
        "cancel" => What::Cancel,
        "owner-only" => What::OwnerOnly,
        "allow" => {
            let (key, permission) = (words.text("KEY")?, permission(&words.text("write, read or administer")?)?);
            let mut requesters = vec![Requester::new(words.text("REQUESTER")?)];
            while words.len() > 0 {
                requesters.push(Requester::new(words.text("REQUESTER")?));
            }
            return Ok(KeysCommand::With { key, what: What::Allow { permission, requesters } });
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

fn permission(word: &str) -> Outcome<Permission> {
    let found = PERMISSIONS.into_iter().find(|(name, _)| *name == word);
    found.map(|(_, permission)| permission).ok_or_else(|| missing("write, read or administer"))
}

fn backup(words: &mut Words) -> Outcome<Backup> {
    Ok(Backup { file: words.path("FILE")?, root_key: words.path("KEYFILE")? })
}

pub(crate) fn run(command: KeysCommand, options: &StoreOptions, out: &mut impl Write) -> Outcome<()> {
    // Where there is no store yet this makes one with an embedded KMS; any other refuses.
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
            writeln!(out, "{alias} leads to {}", admin.describe_key(&key)?.arn)?;
        }
        KeysCommand::With { key, what } => with_key(&admin, &key, what, out)?,
        KeysCommand::Maintain => {
            let maintained = embedded.kms.maintain()?;
            for (what, keys) in [("rotated", maintained.rotated), ("deleted", maintained.deleted)] {
                writeln!(out, "{} {what}", keys.len())?;
                keys.iter().try_for_each(|key| writeln!(out, "{what}  {key}"))?;
            }
        }
        KeysCommand::Log => write!(out, "{}", embedded.log()?)?,
        KeysCommand::Backup(to) => back_up(embedded, &to, out)?,
        // It has come first: the store cannot be opened before.
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
            writeln!(out, "disabled {key}: what is under it is not lost, and opens again once it is enabled")?;
        }
        What::Rotate => {
            let version = admin.rotate_key(key)?;
            writeln!(out, "{key} writes under version {version}, and opens what is under the older ones")?;
        }
        What::Delete { days } => {
            let waiting = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
            let due = show::time(admin.schedule_deletion(key, waiting)?);
            writeln!(out, "from {due} on `keys maintain` deletes {key}, and then whatever is under it is lost")?;
            writeln!(out, "until then it is refused; `keys cancel` takes the deletion back")?;
        }
        What::Cancel => {
            admin.cancel_deletion(key)?;
            writeln!(out, "{key} stays; `keys enable` has it work again")?;
        }
        What::Allow { permission, requesters } => {
            // Without a policy it is the owner's: whoever comes to it comes beside the owner.
            let owner = Requester::new(OWNER);
            let owners = PERMISSIONS.into_iter().map(|(_, permission)| permission);
            let owners = || owners.fold(KeyPolicy::new(), |policy, permission| policy.allow(permission, [&owner]));
            let policy = admin.describe_key(key)?.policy.unwrap_or_else(owners);
            admin.set_policy(key, Some(policy.allow(permission, &requesters)))?;
            write!(out, "{}", show::one(&admin.describe_key(key)?))?;
        }
        What::OwnerOnly => {
            admin.set_policy(key, None)?;
            writeln!(out, "{key} is its owner's alone: {OWNER}")?;
        }
    }
    Ok(())
}

fn back_up(embedded: &Embedded, to: &Backup, out: &mut impl Write) -> Outcome<()> {
    let root_key = RootKey::create_file(&to.root_key).about(to.root_key.display())?;
    write_new(&to.file, &embedded.admin().backup(&root_key)?)?;
    let (file, root_key) = (to.file.display(), to.root_key.display());
    writeln!(out, "every key is in {file}, which {root_key} opens: keep them apart")?;
    Ok(())
}

/// In the place of keys that are lost, and of no others.
fn restore(from: &Backup, options: &StoreOptions, out: &mut impl Write) -> Outcome<()> {
    let config = Config::read(options)?;
    let keys = options.directory().join("keys");
    let (file, root_key_file) = (kms_file(&keys), keys.join("root.key"));
    let root_key = match root_key_file.try_exists()? {
        true => RootKey::open_file(&root_key_file),
        false => RootKey::create_file(&root_key_file),
    };
    let root_key = root_key.about(root_key_file.display())?;
    let backup_key = RootKey::open_file(&from.root_key).about(from.root_key.display())?;
    let backup = fs::read(&from.file).about(from.file.display())?;
    let kms = EmbeddedKms::at(&file).store_id(config.keys_id).restore(&backup, &backup_key, &root_key);
    kms.map_err(or_in_use).about(file.display())?;
    writeln!(out, "the keys are as they were when {} was written", from.file.display())?;
    Ok(())
}
