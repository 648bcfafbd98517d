//! `Inventory`: the fields of a row, and CSV and JSON that other parsers read back.

use std::io;

use atrest::error::{KeyProviderErrorKind, KeyringError, Unexpected};
use atrest::rotation::{Entry, Inventory, InventoryRow, InventoryTotal, InventoryTotals, Status};
use atrest::{Backend, DsseKms, Error, Keyring, MasterKey, ModeId, ObjectName, Sse, SseKms, SseS3, VersionState};
use atrest_kit::{KMS_KEY, Service};
use serde_json::Value;

fn name(key: impl AsRef<[u8]>) -> ObjectName {
    ObjectName::new("photos", key).unwrap()
}

fn stored(service: &Service, name: &ObjectName, mode: impl Into<atrest::AnyMode>) -> Entry {
    let stored = service.sse.blocking().encrypt(name, mode.into(), b"meow").unwrap();
    Entry::object(name.clone(), stored.envelope.encode()).with_stored_len(stored.ciphertext.len() as u64)
}

/// The tables in both forms, and the totals.
struct Written {
    csv: Vec<Vec<String>>,
    json: Vec<Value>,
    totals: InventoryTotals,
}

fn inventory(sse: &Sse, entries: Vec<Entry>) -> Written {
    let (mut csv, mut json) = (String::from(InventoryRow::CSV_HEADER), String::new());
    let totals = Inventory::new(sse)
        .blocking()
        .run(entries.into_iter().map(Ok), |row| {
            csv.push_str(&row.to_csv());
            json.push_str(&row.to_json());
            Ok(())
        })
        .unwrap();
    Written { csv: parsed_csv(&csv), json: parsed_json(&json), totals }
}

/// The rows without the header, which names as many columns as each has.
fn parsed_csv(csv: &str) -> Vec<Vec<String>> {
    assert!(csv.ends_with("\r\n"));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert!(reader.headers().unwrap().len() > 5);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn parsed_json(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_row_says_how_each_object_is_stored() {
    let service = Service::new();
    let key_id = service.keyring.key_id();
    let plain = Entry::unencrypted(name("plain")).with_stored_len(12);
    let mut entries =
        vec![plain, stored(&service, &name("s3"), SseS3), stored(&service, &name("kms"), SseKms::new("a"))];
    entries.push(stored(&service, &name("c"), service.sse_c()));
    let (_, encryptor) = service.sse.blocking().encryptor(&name("streamed"), SseS3).unwrap();
    let (streamed, _) = service.sse.blocking().encryptor(&name("streamed"), SseS3).unwrap();
    let len = atrest_kit::seal(encryptor, b"meow", 4).unwrap().len() as u64;
    entries.push(Entry::object(name("streamed"), streamed.encode()).with_stored_len(len));
    entries.push(Entry::object(name("unknown length"), streamed.encode()));
    let mut rows = vec![
        ("NOT-SSE", "", "", "", "", "12", "12"),
        ("SSE-S3", "", &key_id, "1", "", "76", "4"),
        ("SSE-KMS", "DISABLED", KMS_KEY, "", "", "76", "4"),
        ("SSE-C", "", "", "", "", "76", "4"),
        ("SSE-S3", "", &key_id, "1", "", "76", "4"),
        ("SSE-S3", "", &key_id, "1", "", "", ""),
    ];
    if Backend::available().count() > 1 {
        entries.push(stored(&service, &name("dsse"), DsseKms::new("a")));
        rows.push(("DSSE-KMS", "", &key_id, "1", KMS_KEY, "148", "4"));
    }
    let written = inventory(&service.sse, entries);
    assert_eq!(written.csv.len(), rows.len());
    for (row, (status, bucket_key, key, version, inner, stored, plaintext)) in written.csv.iter().zip(&rows) {
        let middle = [*status, *bucket_key, *key, *version, *inner, *stored, *plaintext, ""];
        assert_eq!(row[5..], middle, "{}", row[2]);
    }
    for (csv, json) in written.csv.iter().zip(&written.json) {
        same(csv, json);
    }
}

/// A row of CSV and the same as JSON.
fn same(csv: &[String], json: &Value) {
    let columns: Vec<&str> = InventoryRow::CSV_HEADER.trim_end().split(',').collect();
    assert_eq!(json.as_object().unwrap().len(), columns.len());
    for (column, csv) in columns.iter().zip(csv) {
        let json = match &json[column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Bool(enabled) => if *enabled { "ENABLED" } else { "DISABLED" }.into(),
            number => number.to_string(),
        };
        assert_eq!(json, *csv, "{column}");
    }
}

#[test]
fn a_row_says_why_an_object_could_not_be_opened() {
    let service = Service::new();
    let mut entries = vec![stored(&service, &name("retired"), SseS3)];
    service.keyring.blocking().rotate().unwrap();
    entries.push(stored(&service, &name("disabled"), SseS3));
    service.keyring.blocking().rotate().unwrap();
    for version in [1, 2] {
        service.keyring.blocking().disable(version).unwrap();
    }
    service.keyring.blocking().retire_losing_what_it_wraps(1).unwrap();
    let fine = stored(&service, &name("fine"), SseS3);
    entries.push(Entry::object(ObjectName::unbound(), fine.envelope().unwrap()));
    entries.push(Entry::object(name("damaged"), b"meow".to_vec()));
    entries.push(stored(&Service::new(), &name("of another keyring"), SseS3));
    entries.push(fine);
    let mut problems = Vec::new();
    Inventory::new(&service.sse)
        .blocking()
        .run(entries.into_iter().map(Ok), |row| {
            problems.push((row.problem().cloned(), row.status()));
            Ok(())
        })
        .unwrap();
    let provider = |error: &Option<Error>| match error {
        Some(Error::KeyProvider(error)) => (error.kind(), error.key_version()),
        other => panic!("{other:?}"),
    };
    assert_eq!(provider(&problems[0].0), (KeyProviderErrorKind::NotFound, Some(1)));
    assert_eq!(provider(&problems[1].0), (KeyProviderErrorKind::Disabled, Some(2)));
    assert!(matches!(problems[2].0, Some(Error::Unexpected(Unexpected::Bound))));
    assert!(matches!(problems[3], (Some(Error::Envelope(_)), Status::Damaged)));
    assert!(matches!(problems[4].0, Some(Error::Unexpected(Unexpected::KeyringId))));
    assert!(problems[5].0.is_none());
}

#[test]
fn names_and_key_ids_of_any_bytes_come_back_from_both_tables() {
    let nasty = "a\"quoted\", key; id\\ with 'everything' = é\u{2028}";
    let version = (1, VersionState::Enabled, MasterKey::generate().unwrap());
    let keyring = Keyring::from_versions(nasty, 1, [version]).unwrap();
    let sse = Sse::builder().keyring(keyring).build().unwrap();
    let all: Vec<u8> = (0..=255).collect();
    let object = ObjectName::new(&all, b",\"\r\n;=+@-/a b%20")
        .unwrap()
        .with_realm(b"\"")
        .unwrap()
        .with_version_id(b"\0\xFF")
        .unwrap();
    let envelope = sse.blocking().encrypt(&object, SseS3, b"meow").unwrap().envelope.encode();
    let written = inventory(&sse, vec![Entry::upload(object, &all[..], envelope)]);
    let (row, json) = (&written.csv[0], &written.json[0]);
    same(row, json);
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    assert_eq!(decoded(&row[0]), b"\"");
    assert_eq!(decoded(&row[1]), all);
    assert_eq!(row[2], "%2C%22%0D%0A%3B%3D%2B%40-/a%20b%2520");
    assert_eq!(decoded(&row[3]), b"\0\xFF");
    assert_eq!(decoded(&row[4]), all);
    assert_eq!(row[7], nasty);
    let totals = parsed_csv(&written.totals.to_csv());
    assert_eq!((&*totals[0][1], &parsed_json(&written.totals.to_json())[0]["key_id"]), (nasty, &Value::from(nasty)));
}

#[test]
fn totals_are_by_mode_and_key_in_objects_and_bytes() {
    let service = Service::new();
    let mut entries = Vec::new();
    for at in 0..3 {
        entries.push(stored(&service, &name(format!("{at}")), SseS3));
    }
    service.keyring.blocking().rotate().unwrap();
    entries.push(stored(&service, &name("new"), SseS3));
    entries.push(stored(&service, &name("kms"), SseKms::new("a")));
    entries.push(Entry::unencrypted(name("plain")).with_stored_len(7));
    entries.push(Entry::object(name("damaged"), b"meow".to_vec()).with_stored_len(9));
    let written = inventory(&service.sse, entries);
    let found: Vec<_> = written
        .totals
        .totals()
        .map(|total| {
            (total.status, total.key_version, total.objects, total.stored_len, total.plaintext_len, total.problems)
        })
        .collect();
    let mode = Status::Encrypted;
    let expected = [
        (mode(ModeId::SseS3), Some(1), 3, 3 * 76, 12, 0),
        (mode(ModeId::SseS3), Some(2), 1, 76, 4, 0),
        (mode(ModeId::SseKms), None, 1, 76, 4, 0),
        (Status::Unencrypted, None, 1, 7, 7, 0),
        (Status::Damaged, None, 1, 9, 0, 1),
    ];
    assert_eq!(found, expected);
    let csv = parsed_csv(&written.totals.to_csv());
    assert!(written.totals.to_csv().starts_with(InventoryTotal::CSV_HEADER));
    assert_eq!(csv[0], ["SSE-S3", &*service.keyring.key_id(), "1", "", "3", "0", "228", "12", "0"]);
    let json = parsed_json(&written.totals.to_json());
    assert_eq!((&json[1]["key_version"], &json[3]["status"]), (&Value::from(2), &Value::from("NOT-SSE")));
}

#[test]
fn keys_that_somebody_made_up_take_no_more_than_ten_thousand_totals() {
    let service = Service::new();
    let stored = stored(&service, &name("a"), SseS3);
    let at = stored.envelope().unwrap().windows(8).position(|window| window == [0, 2, 0, 4, 0, 0, 0, 1]).unwrap() + 4;
    let forged = (1..=10_005_u32).map(|version| {
        let mut envelope = stored.envelope().unwrap().to_vec();
        envelope[at..at + 4].copy_from_slice(&version.to_be_bytes());
        Ok(Entry::object(name("a"), envelope))
    });
    let totals = Inventory::new(&service.sse).blocking().run(forged, |_| Ok(())).unwrap();
    assert_eq!(totals.totals().count(), 10_001);
    let rest = totals.totals().find(|total| total.key_id.is_none()).unwrap();
    assert_eq!((rest.objects, rest.status), (5, Status::Encrypted(ModeId::SseS3)));
}

#[test]
fn an_inventory_is_a_walk_that_a_version_can_be_retired_on() {
    let service = Service::new();
    let old = stored(&service, &name("old"), SseS3);
    service.keyring.blocking().rotate().unwrap();
    service.keyring.blocking().disable(1).unwrap();
    let refused = |entries| {
        let written = inventory(&service.sse, entries);
        match service.keyring.blocking().retire(1, written.totals.usage().unwrap()).unwrap_err() {
            Error::Keyring(error) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(vec![old]), KeyringError::VersionInUse { version: 1, objects: 1, uploads: 0 });
    let damaged = Entry::object(name("damaged"), b"meow".to_vec());
    assert_eq!(refused(vec![damaged]), KeyringError::UsageUnclear(1));
    let plain = Entry::unencrypted(name("plain"));
    let new = stored(&service, &name("new"), SseS3);
    let written = inventory(&service.sse, vec![plain, new]);
    service.keyring.blocking().retire(1, written.totals.usage().unwrap()).unwrap();
}

#[test]
fn an_error_of_the_listing_or_of_whoever_takes_the_rows_ends_the_inventory() {
    let service = Service::new();
    let failing = [Ok(Entry::unencrypted(name("a"))), Err(io::ErrorKind::TimedOut.into())];
    let outcome = Inventory::new(&service.sse).blocking().run(failing, |_| Ok(()));
    assert!(matches!(outcome, Err(Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
    let full = |_: &InventoryRow<'_>| Err(io::ErrorKind::StorageFull.into());
    let outcome = Inventory::new(&service.sse).blocking().run([Ok(Entry::unencrypted(name("a")))], full);
    assert!(matches!(outcome, Err(Error::Io(error)) if error.kind() == io::ErrorKind::StorageFull));
}

#[test]
fn a_version_that_another_process_makes_during_the_walk_is_no_problem() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = atrest::RootKey::create_file(directory.path().join("root.key")).unwrap();
    let path = directory.path().join("keyring.atrest");
    let keyring = atrest::Keyring::create_blocking(&path, &root_key).unwrap();
    let sse = Sse::builder().keyring(keyring).build().unwrap();
    let elsewhere = atrest::Keyring::open_blocking(&path, &root_key).unwrap();
    let entries = ["a", "b"].map(|key| {
        let elsewhere = elsewhere.clone();
        move || {
            let version = elsewhere.blocking().rotate().unwrap();
            let other = Sse::builder().keyring(elsewhere).build().unwrap();
            let stored = other.blocking().encrypt(&name(key), SseS3, b"meow").unwrap();
            assert_eq!(stored.envelope.key_version(), Some(version));
            Ok(Entry::object(name(key), stored.envelope.encode()))
        }
    });
    let mut rows = 0;
    let listing = entries.into_iter().map(|entry| entry());
    Inventory::new(&sse)
        .blocking()
        .run(listing, |row| {
            assert!(row.problem().is_none(), "{:?}", row.problem());
            rows += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn an_upload_that_is_listed_as_an_object_is_a_problem_in_every_mode() {
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.sse.blocking().begin_multipart(&name("a"), b"upload", mode).unwrap();
        let envelope = upload.envelope().encode();
        let written = inventory(
            &service.sse,
            vec![Entry::object(name("a"), envelope.clone()), Entry::upload(name("a"), b"upload", envelope)],
        );
        let problem = written.csv[0].last().unwrap();
        assert!(problem.contains("not complete"), "{problem}");
        assert_eq!(written.csv[1].last().unwrap(), "");
    }
}

#[test]
fn no_debug_of_an_entry_shows_what_stands_in_its_envelope() {
    let service = Service::new();
    let shown = format!("{:?}", stored(&service, &name("a"), SseS3));
    assert!(shown.contains("envelope_len") && !shown.contains("137, 65, 82"), "{shown}");
}
