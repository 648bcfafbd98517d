//! The bytes of key metadata: what was written opens for ever, and everything else is a clear error.

use atrest::{Keyring, MasterKey, ObjectName, Sse, SseS3, VersionState};
use atrest_parquet::{ColumnModes, FileKeys, KeyError, ParquetKeys};
use data_encoding::HEXLOWER;

use super::kit::{people, reason, retrieved, schema_of};

fn file() -> FileKeys {
    let version = (1, VersionState::Enabled, MasterKey::from_bytes(&mut [1; 32]).unwrap());
    let keyring = Keyring::from_versions("lake", 1, [version]).unwrap();
    let keys = ParquetKeys::new(Sse::builder().keyring(keyring).build().unwrap());
    keys.file(ObjectName::new("lake", "people/part-0.parquet").unwrap()).unwrap()
}

/// The metadata of the footer and of the column iban, as they are written now.
fn written() -> Vec<Vec<u8>> {
    let modes = ColumnModes::new(SseS3).with_column("iban", SseS3).with_unencrypted("id").with_unencrypted("name");
    let encryption = file().encryption_blocking(&modes.with_unencrypted("city"), &schema_of(&people())).unwrap();
    let (_, _, mut metadata) = encryption.column_keys();
    metadata.insert(0, encryption.footer_key_metadata().unwrap().clone());
    metadata
}

/// Lines of `key metadata` in hexadecimal, which release 0.4 wrote.
const GOLDEN: &str = include_str!("golden-0.4");

#[test]
fn what_was_written_opens_for_ever() {
    let file = file();
    let mut opened = 0;
    for line in GOLDEN.lines() {
        let (key, metadata) = line.split_once(' ').unwrap();
        let metadata = HEXLOWER.decode(metadata.as_bytes()).unwrap();
        assert_eq!(HEXLOWER.encode(&retrieved(&file, &metadata).unwrap()), key);
        opened += 1;
    }
    assert_eq!(opened, 2);
}

#[test]
fn the_metadata_is_laid_out_as_documented() {
    let [footer, column] = written().try_into().unwrap();
    let (footer, column) = (footer.strip_prefix(b"APK\x01\x00\0\0"), column.strip_prefix(b"APK\x01\x01\0\x04iban"));
    for stored in [footer.unwrap(), column.unwrap()] {
        let stored = atrest::Encrypted::from_inline(stored).unwrap();
        assert_eq!(stored.envelope.plaintext_len(), Some(32));
        assert_eq!(stored.ciphertext.len(), 56 + 32 + 16);
    }
}

#[test]
fn every_truncation_and_every_changed_byte_is_refused() {
    let file = file();
    for metadata in written() {
        retrieved(&file, &metadata).unwrap();
        for len in 0..metadata.len() {
            let refused = retrieved(&file, &metadata[..len]).unwrap_err();
            let reason = reason(&refused);
            assert!(matches!(reason, KeyError::NotKeyMetadata | KeyError::Atrest(_)), "{len}: {reason:?}");
        }
        for at in 0..metadata.len() {
            let mut changed = metadata.clone();
            changed[at] ^= 1;
            let refused = retrieved(&file, &changed).unwrap_err();
            match reason(&refused) {
                KeyError::UnsupportedVersion(version) => assert_eq!((at, *version), (3, 0)),
                KeyError::NotKeyMetadata | KeyError::Atrest(_) => {}
                reason => panic!("{at}: {reason:?}"),
            }
        }
        let refused = retrieved(&file, &[metadata, vec![0]].concat()).unwrap_err();
        assert!(matches!(reason(&refused), KeyError::Atrest(_)), "{refused:?}");
    }
}

#[test]
fn metadata_of_other_tools_is_named_as_such() {
    let pyarrow = br#"{"keyMaterialType":"PKMT1","internalStorage":true,"isFooterKey":true}"#;
    for metadata in [pyarrow.as_slice(), b"", b"kf", b"APK", &[0; 300]] {
        let refused = retrieved(&file(), metadata).unwrap_err();
        assert!(matches!(reason(&refused), KeyError::NotKeyMetadata), "{refused:?}");
        assert!(refused.to_string().contains("by other means"), "{refused}");
    }
    let newer = retrieved(&file(), b"APK\x02").unwrap_err();
    assert!(matches!(reason(&newer), KeyError::UnsupportedVersion(2)) && newer.to_string().contains("upgrade"));
}
