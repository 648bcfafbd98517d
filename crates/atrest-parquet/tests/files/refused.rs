//! What is refused: other files, exchanged columns, keys that may not be used, and modes that do not fit.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use atrest::{
    CustomerKey, Encrypted, KeyProviderErrorKind as Kind, Keyring, KmsKeys, ObjectName, Sse, SseC, SseKms, SseS3,
};
use atrest_parquet::{ColumnModes, KeyError, ParquetKeys};
use parquet::encryption::encrypt::FileEncryptionProperties;

use super::kit::{
    Lake, ROW_GROUPS, kind, name, people, read, read_columns, reason, retrieved, schema_of, write, write_with,
};

fn other_names() -> Vec<ObjectName> {
    vec![
        ObjectName::new("lake", "people/part-1.parquet").unwrap(),
        ObjectName::new("lak", "epeople/part-0.parquet").unwrap(),
        ObjectName::new("sea", "people/part-0.parquet").unwrap(),
        name().with_realm("a restored lake").unwrap(),
    ]
}

#[test]
fn a_file_opens_under_no_other_name() {
    let lake = Lake::new();
    let stored = write(&lake.keys.file(name()).unwrap(), &lake.modes());
    // Also while its keys are kept for its own name.
    read(&lake.keys.file(name()).unwrap(), &stored).unwrap();
    for other in other_names() {
        let refused = read(&lake.keys.file(other.clone()).unwrap(), &stored).unwrap_err();
        match reason(&refused) {
            // The KMS compares the ARN of the file, which has no realm.
            KeyError::Atrest(atrest::Error::KeyProvider(error)) => assert_eq!(error.kind(), Kind::Rejected),
            KeyError::Atrest(atrest::Error::Inauthentic) => assert_eq!(other, other_names()[3]),
            reason => panic!("{other:?}: {reason:?}"),
        }
    }

    let keys = ParquetKeys::new(Sse::builder().keyring(Keyring::generate().unwrap()).build().unwrap());
    let stored = write(&keys.file(name()).unwrap(), &ColumnModes::new(SseS3));
    for other in other_names() {
        let refused = read(&keys.file(other).unwrap(), &stored).unwrap_err();
        assert!(matches!(reason(&refused), KeyError::Atrest(atrest::Error::Inauthentic)), "{refused:?}");
    }
}

#[test]
fn the_metadata_of_another_column_opens_no_column() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let genuine = file.encryption_blocking(&lake.modes(), &schema_of(&people())).unwrap();
    let (names, keys, metadata) = genuine.column_keys();
    let of: HashMap<String, _> = names.iter().cloned().zip(keys.iter().zip(&metadata)).collect();
    // Only a holder of the footer's key can write such a footer.
    let written = |named_by: &dyn Fn(&str) -> String| {
        let footer = FileEncryptionProperties::builder(genuine.footer_key().clone());
        let footer = footer.with_footer_key_metadata(genuine.footer_key_metadata().unwrap().clone());
        let built = names.iter().fold(footer, |built, path| {
            let (key, _) = of[path];
            let (_, metadata) = of[&named_by(path)];
            built.with_column_key_and_metadata(path, key.clone(), metadata.clone())
        });
        write_with(&people(), Some(built.build().unwrap()))
    };
    assert_eq!(read(&file, &written(&str::to_owned)).unwrap(), people());
    let exchanged = written(&|path| match path {
        "iban" => "name".to_owned(),
        "name" => "iban".to_owned(),
        path => path.to_owned(),
    });
    let refused = read(&file, &exchanged).unwrap_err().to_string();
    assert!(refused.contains("Unable to decrypt column"), "{refused}");
}

#[test]
fn the_error_of_the_key_provider_arrives_with_its_kind() {
    for refusal in [Kind::AccessDenied, Kind::NotFound, Kind::Throttled, Kind::Unavailable, Kind::Rejected] {
        let lake = Lake::new();
        let file = lake.keys.file(name()).unwrap();
        let stored = write(&file, &lake.modes());
        lake.kms.fail_with(Some(refusal));
        assert_eq!(kind(read(&file, &stored)), refusal);
        assert_eq!(kind(file.encryption_blocking(&lake.modes(), &schema_of(&people()))), refusal);
    }
}

#[test]
fn a_reader_without_the_key_of_one_column_reads_the_others_and_asks_for_it_once() {
    let lake = Lake::new();
    let stored = write(&lake.keys.file(name()).unwrap(), &lake.modes());
    lake.kms.disable(&lake.payments);
    let file = lake.keys.file(name()).unwrap();
    let others = read_columns(&file, &stored, &["id", "name", "city"]).unwrap();
    assert_eq!(others.column_by_name("name"), people().column_by_name("name"));
    let refused = || read(&file, &stored).unwrap_err().to_string();
    assert!(refused().contains("the key is disabled") && refused().contains(&lake.payments), "{}", refused());
    // One call for the footer, one for the name, and one for the iban, in spite of all row groups.
    assert_eq!((lake.calls().1, ROW_GROUPS), (3, 8));
    // A second later it is asked for again.
    lake.kms.enable(&lake.payments);
    assert!(refused().contains("the key is disabled"), "{}", refused());
    lake.time.pass(Duration::from_secs(1));
    assert_eq!(read(&file, &stored).unwrap(), people());
    assert_eq!(lake.calls().1, 4);
}

#[test]
fn a_kms_key_that_the_service_does_not_accept_is_not_asked_for() {
    let lake = Lake::new();
    let stored = write(&lake.keys.file(name()).unwrap(), &lake.modes());
    let sse = Sse::builder().kms(lake.kms.clone(), KmsKeys::only([&*lake.payments])).build().unwrap();
    let refused = read(&ParquetKeys::new(sse).file(name()).unwrap(), &stored).unwrap_err();
    assert!(matches!(reason(&refused), KeyError::Atrest(atrest::Error::Unexpected(_))), "{refused:?}");
    assert_eq!(lake.calls().1, 0);
}

#[test]
fn modes_that_do_not_fit_the_schema_generate_no_key() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let refused = |modes: &ColumnModes| {
        let refused = file.encryption_blocking(modes, &schema_of(&people())).unwrap_err();
        reason(&refused).clone()
    };
    let other = || SseKms::new(&*lake.payments);
    let misspelt = refused(&lake.modes().with_column("ibam", other()));
    assert!(matches!(&misspelt, KeyError::NoSuchColumn(path) if path == "ibam"), "{misspelt:?}");
    let misspelt = refused(&lake.modes().with_unencrypted("Id"));
    assert!(matches!(&misspelt, KeyError::NoSuchColumn(path) if path == "Id"), "{misspelt:?}");
    let both = refused(&lake.modes().with_unencrypted("iban"));
    assert!(matches!(&both, KeyError::Contradiction(path) if path == "iban"), "{both:?}");
    let nothing = ["id", "name", "iban", "city"].into_iter();
    let nothing = nothing.fold(ColumnModes::new(SseKms::new(&*lake.general)), ColumnModes::with_unencrypted);
    assert!(matches!(refused(&nothing), KeyError::NothingEncrypted));
    let customer = || SseC::new(CustomerKey::generate().unwrap());
    let too_long = "c".repeat(65_001);
    let modes = ColumnModes::new(SseKms::new(&*lake.general)).with_column(&*too_long, other());
    assert!(matches!(refused(&modes), KeyError::ColumnTooLong));
    assert!(matches!(refused(&ColumnModes::new(customer())), KeyError::CustomerKey));
    assert!(matches!(refused(&lake.modes().with_column("id", customer())), KeyError::CustomerKey));
    assert_eq!(lake.calls(), (0, 0));
}

#[test]
fn a_file_without_a_name_of_its_own_gets_no_keys() {
    let keys = Lake::new().keys;
    for name in [ObjectName::unbound(), name().with_version_id("7").unwrap()] {
        assert!(matches!(keys.file(name).unwrap_err(), KeyError::FileName));
    }
}

/// Key metadata of this object, as the documentation describes it.
fn metadata_of(stored: &Encrypted) -> Vec<u8> {
    [b"APK\x01\x00\0\0".as_slice(), &stored.to_inline().unwrap()].concat()
}

#[test]
fn no_object_of_a_store_passes_for_a_key() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let sse = lake.sse.blocking();
    let object = |name: &ObjectName, plaintext: &[u8]| {
        metadata_of(&sse.encrypt(name, SseKms::new(&*lake.general), plaintext).unwrap())
    };
    let own = name().with_version_id("parquet-key/1 footer").unwrap();
    assert_eq!(
        retrieved(&file, &object(&own, &[7; 32])).unwrap(),
        [7; 32],
        "the test makes metadata as the crate does"
    );
    // A client of the service writes an object under the name of the file, with a key that the client knows.
    let planted = retrieved(&file, &object(&name(), &[7; 32])).unwrap_err();
    assert!(matches!(reason(&planted), KeyError::Atrest(atrest::Error::Inauthentic)), "{planted:?}");
    for len in [0, 16, 31, 33] {
        let refused = retrieved(&file, &object(&own, &vec![7; len])).unwrap_err();
        assert!(matches!(reason(&refused), KeyError::NotKeyMetadata), "{len}: {refused:?}");
    }
}

#[test]
fn a_changed_file_does_not_read_back_as_another() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let stored = write(&file, &lake.modes());
    let mut refused = 0;
    let places = (0..stored.len()).step_by(stored.len() / 97);
    for at in places.clone() {
        let mut changed = stored.to_vec();
        changed[at] ^= 1;
        match read(&file, &changed.into()) {
            Ok(batch) => assert_eq!(batch, people(), "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    // What reads back all the same is a length that parquet does not use, or the first magic.
    assert!(refused > places.count() * 9 / 10, "{refused}");
}

/// What the documentation warns of. If this test fails, parquet has learned to refuse such a file: say so there.
#[test]
fn parquet_panics_at_a_module_that_is_shorter_than_a_nonce() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let mut stored = write(&file, &lake.modes()).to_vec();
    // The length of the first module, the header of a page, behind the magic.
    stored[4..8].fill(0);
    let stored = stored.into();
    catch_unwind(AssertUnwindSafe(|| read(&file, &stored))).unwrap_err();
}
