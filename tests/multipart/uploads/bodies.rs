//! Bodies and manifests that differ from the completed upload.

use atrest::{Encrypted, Error};

use super::everywhere;
use atrest_kit::parts::{Part, Stored, attempt};
use atrest_kit::{Body, C, Steps, class, fetch, read_streamed};

fn joined(parts: &[&Part]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.stored.clone()).collect()
}

const EITHER: [&str; 2] = ["Inauthentic", "Truncated"];

#[test]
fn parts_dropped_repeated_reordered_replaced_foreign_or_appended_are_refused_in_every_way() {
    everywhere(|service, mode, object| {
        let [upload, other] = [0, 1].map(|_| service.begin(object, mode));
        let lens = [(1, C + 10), (2, C + 10), (3, 40)];
        let parts: Vec<_> = lens.iter().map(|(number, len)| attempt(&upload, *number, 0, *len)).collect();
        // Another attempt with the very same bytes, one with others, and the same part of another upload.
        let (same, older) = (attempt(&upload, 2, 0, C + 10), attempt(&upload, 2, 1, C + 10));
        let foreign = attempt(&other, 2, 0, C + 10);
        let stored = Stored { completed: service.complete(&upload, &parts).unwrap(), parts: parts.clone() };
        let whole = Body::of_parts(format!("{mode:?}"), service, object, &stored);
        let [one, two, three] = [&parts[0], &parts[1], &parts[2]];
        for (what, list, classes) in [
            ("the first part dropped", vec![two, three], &EITHER[..]),
            ("a middle part dropped", vec![one, three], &EITHER),
            ("the last part dropped", vec![one, two], &["Truncated"]),
            ("all parts dropped", vec![], &["Truncated"]),
            ("a part repeated", vec![one, one, two, three], &["Inauthentic"]),
            ("a part repeated in another's place", vec![one, one, three], &["Inauthentic"]),
            ("parts reordered", vec![two, one, three], &["Inauthentic"]),
            ("parts reversed", vec![three, two, one], &EITHER),
            ("an attempt with the same bytes", vec![one, &same, three], &["Inauthentic"]),
            ("another attempt", vec![one, &older, three], &["Inauthentic"]),
            ("a part of another upload", vec![one, &foreign, three], &["Inauthentic"]),
            ("a part appended", vec![one, two, three, three], &["Inauthentic"]),
            ("another upload's part appended", vec![one, two, three, &foreign], &["Inauthentic"]),
        ] {
            whole.assert_refused(what, &joined(&list), classes);
        }
    });
}

#[test]
fn every_changed_byte_of_a_small_body_and_its_manifest_is_refused() {
    everywhere(|service, mode, object| {
        let stored = service.put(object, mode, &[(1, 3), (4, 0), (6, 9)]);
        let (body, manifest) = (stored.body(), &stored.completed.manifest);
        let unlisted = service.decryptor(object, stored.envelope()).unwrap();
        let reader = unlisted.with_manifest(manifest).unwrap();
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 0x10;
            let read = read_streamed(&reader, &changed, &Steps::of(50));
            assert!(stored.plain().starts_with(&read.released));
            assert_eq!(class(&read.end.unwrap_err()), "Inauthentic", "byte {at}");
        }
        for at in 0..manifest.len() {
            let mut changed = manifest.clone();
            changed[at] ^= 0x10;
            let refused = unlisted.with_manifest(&changed);
            assert!(matches!(refused, Err(Error::Inauthentic)), "byte {at}: {refused:?}");
        }
    });
}

#[test]
fn a_manifest_longer_shorter_empty_older_or_foreign_is_refused() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let parts = [attempt(&upload, 1, 0, 10), attempt(&upload, 2, 0, 10)];
        let [older, completed] = [0, 1].map(|_| service.complete(&upload, &parts).unwrap());
        let foreign = service.put(object, mode, &[(1, 10), (2, 10)]).completed;
        let fewer = service.complete(&upload, &parts[..1]).unwrap();
        let unlisted = service.decryptor(object, &completed.envelope).unwrap();
        let manifest = &completed.manifest;
        for (what, manifest) in [
            ("of an older completion of the same parts", older.manifest.clone()),
            ("of another upload", foreign.manifest.clone()),
            ("of fewer parts", fewer.manifest),
            ("longer", [&manifest[..], b"\0"].concat()),
            ("shorter by a byte", manifest[..manifest.len() - 1].to_vec()),
            ("shorter by a record", manifest[..manifest.len() - 36].to_vec()),
            ("one byte", vec![0]),
            ("a part in its place", parts[0].stored.clone()),
        ] {
            let refused = unlisted.with_manifest(&manifest);
            assert!(matches!(refused, Err(Error::Inauthentic)), "{what}: {refused:?}");
            let stored = Encrypted::new(completed.envelope.clone(), joined(&[&parts[0], &parts[1]]));
            let refused = service.decrypt(object, &stored.with_manifest(manifest));
            assert!(matches!(refused, Err(Error::Inauthentic)), "{what}: {refused:?}");
        }
        assert!(matches!(unlisted.with_manifest(&[]), Err(Error::Truncated)));
        // Given twice, or to what has none.
        let listed = unlisted.with_manifest(manifest).unwrap();
        assert_eq!(listed.with_manifest(manifest).unwrap().parts().unwrap(), listed.parts().unwrap());
        let plain = service.sse.blocking().encrypt(object, mode.clone(), b"meow").unwrap();
        let whole = service.decryptor(object, &plain.envelope).unwrap();
        assert!(matches!(whole.with_manifest(manifest), Err(Error::Inauthentic)));
        assert!(matches!(service.decrypt(object, &plain.with_manifest(manifest.clone())), Err(Error::Inauthentic)));
        assert_eq!(whole.parts().unwrap(), [], "it was not uploaded in parts");
        assert!(matches!(whole.part(atrest_kit::parts::number(2)), Err(Error::Part(_))));
    });
}

#[test]
fn without_its_manifest_an_object_is_refused_in_every_way_of_reading_and_goes_on_being_refused() {
    everywhere(|service, mode, object| {
        let stored = service.put(object, mode, &[(1, C), (2, 10)]);
        let (body, unlisted) = (stored.body(), service.decryptor(object, stored.envelope()).unwrap());
        let len = body.len() as u64;
        let required = |error: Error| assert!(matches!(error, Error::ManifestRequired), "{error:?}");
        let without = Encrypted::new(stored.envelope().clone(), body.clone());
        let without = Body::open(format!("{mode:?}"), service, object, without, stored.plain());
        without.assert_refused("no manifest", &body, &["ManifestRequired"]);
        required(unlisted.sequential().finish(&mut [0; 100]).unwrap_err());
        required(unlisted.sequential().push(&body, &mut bytes::BytesMut::new()).unwrap_err());
        required(unlisted.range(0..1, len).unwrap_err());
        required(unlisted.end_fetch(len).unwrap_err());
        required(unlisted.verify_end(len, &body).unwrap_err());
        required(unlisted.parts().unwrap_err());
        required(unlisted.part(atrest_kit::parts::number(1)).unwrap_err());
        required(unlisted.part_decryptor(atrest_kit::parts::number(1)).unwrap_err());
        for body in [body, Vec::new()] {
            required(service.decrypt(object, &Encrypted::new(stored.envelope().clone(), body)).unwrap_err());
        }
        assert_eq!(unlisted.plaintext_len(), Some(C as u64 + 10), "the envelope authenticates it");
        assert_eq!(unlisted.ciphertext_len(), None);
    });
}

#[test]
fn the_end_of_the_last_part_verifies_and_a_changed_one_does_not() {
    everywhere(|service, mode, object| {
        for last in [0, 1, C - 1, C, 2 * C] {
            let stored = service.put(object, mode, &[(1, 10), (2, last)]);
            let (body, reader) = (stored.body(), stored.completed.decryptor.clone());
            let len = body.len() as u64;
            let end = reader.end_fetch(len).unwrap();
            assert!(end.end == len && end.start >= reader.parts().unwrap()[1].ciphertext.start);
            let mut fetched = fetch(&body, &[end]);
            assert_eq!(reader.verify_end(len, &fetched).unwrap().plaintext_len(), Some(10 + last as u64));
            // The outer layer's tag is last in both kinds of body.
            *fetched.last_mut().unwrap() ^= 1;
            assert!(matches!(reader.verify_end(len, &fetched), Err(Error::Inauthentic)));
            assert!(matches!(reader.end_fetch(len - 1), Err(Error::Truncated)));
            assert!(matches!(reader.end_fetch(len + 1), Err(Error::Inauthentic)));
        }
    });
}

#[test]
fn a_container_without_its_manifest_is_not_made() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let one = attempt(&upload, 1, 0, 100);
        let completed = service.complete(&upload, std::slice::from_ref(&one)).unwrap();
        let whole = Encrypted::new(completed.envelope.clone(), one.stored.clone());
        assert!(matches!(whole.to_inline(), Err(Error::ManifestRequired)));
        let cut = whole.clone().with_manifest(&completed.manifest[1..]);
        assert!(matches!(cut.to_inline(), Err(Error::ManifestRequired)));
        let inline = whole.with_manifest(completed.manifest).to_inline().unwrap();
        assert_eq!(service.decrypt(object, &Encrypted::from_inline(&inline).unwrap()).unwrap(), one.plain);
        let under_way = Encrypted::new(upload.envelope().clone(), one.stored);
        assert!(matches!(under_way.to_inline(), Err(Error::UploadNotComplete)));
    });
}
