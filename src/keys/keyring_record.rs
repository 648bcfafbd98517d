//! [`KeyringRecord`], a change for an audit trail, and [`Recorder`], which records changes of a keyring.

use std::future::Future;
use std::pin::Pin;

use crate::error::{Error, Result};

/// A change of a stored keyring, for an audit trail.
#[derive(Clone, Debug)]
pub(crate) struct KeyringRecord {
    pub(crate) key_id: String,
    /// The primary after the change.
    pub(crate) primary: u32,
    /// The generation after the change.
    pub(crate) generation: u64,
    /// The differences, each with its name.
    pub(crate) differences: Vec<(&'static str, String)>,
    /// The reason why the recorded change could not be stored.
    pub(crate) error: Option<Error>,
}

/// Records each change before it is stored, and again if it could not be stored. A change that cannot be recorded is
/// not made.
pub(crate) trait Recorder: Send + Sync + 'static {
    /// Records a change.
    fn record(&self, record: KeyringRecord) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>>;
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::error::AuditError;
    use crate::keys::{Keyring, RootKey};

    #[derive(Default)]
    struct Kept {
        records: Mutex<Vec<String>>,
        fails: Mutex<bool>,
    }

    impl Recorder for Kept {
        fn record(&self, record: KeyringRecord) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>> {
            let KeyringRecord { key_id, primary, generation, differences, error } = record;
            assert!(key_id.starts_with("atrest-"));
            let failed = error.is_some();
            let line = format!("generation {generation}, primary {primary}, {differences:?}, failed: {failed}");
            self.records.lock().unwrap().push(line);
            let fails = *self.fails.lock().unwrap();
            let full = || AuditError::new(std::io::ErrorKind::StorageFull.into());
            Box::pin(async move { if fails { Err(full().into()) } else { Ok(()) } })
        }
    }

    #[test]
    fn a_change_is_on_record_before_it_is_stored_and_again_where_it_was_not() {
        let directory = tempfile::tempdir().unwrap();
        let (path, root_key) = (directory.path().join("master.atrest"), RootKey::generate().unwrap());
        let keyring = Keyring::create_blocking(&path, &root_key).unwrap();
        let kept = Arc::new(Kept::default());
        keyring.record_changes(kept.clone());
        keyring.blocking().rotate().unwrap();
        let rotated =
            r#"generation 2, primary 2, [("enabled", "2"), ("primary", "2"), ("nextVersion", "3")], failed: false"#;
        assert_eq!(*kept.records.lock().unwrap(), [rotated]);

        // A change that cannot be recorded is not made.
        *kept.fails.lock().unwrap() = true;
        let before = fs::read(&path).unwrap();
        assert!(matches!(keyring.blocking().disable(1), Err(Error::Audit(_))));
        assert_eq!((fs::read(&path).unwrap(), keyring.generation()), (before, 2));
        *kept.fails.lock().unwrap() = false;

        // A change that could not be stored is recorded as failed.
        kept.records.lock().unwrap().clear();
        fs::hard_link(&path, directory.path().join("second")).unwrap();
        keyring.blocking().disable(1).unwrap_err();
        let disabled = |failed: bool| format!("generation 3, primary 2, [(\"disabled\", \"1\")], failed: {failed}");
        assert_eq!(*kept.records.lock().unwrap(), [disabled(false), disabled(true)]);
    }
}
