//! Sealed values: bound to one object, upload, part or completed upload, and refused for any other.

use atrest::error::{Limit, Misuse};
use atrest::{Error, ModeId, ObjectName, Rewrap, SealedValue, SseS3, Unlock};

use super::everywhere;
use atrest_kit::parts::{attempt, number};
use atrest_kit::{C, Service, name};

fn is_inauthentic<T: std::fmt::Debug>(result: atrest::Result<T>) {
    assert!(matches!(result, Err(Error::Inauthentic)), "{result:?}");
}

#[test]
fn a_value_of_an_object_is_sealed_before_and_after_its_body_and_opens_for_it_alone() {
    everywhere(|service, mode, object| {
        let begin = || service.sse.blocking().encryptor(object, mode.clone()).unwrap();
        let [(envelope, encryptor), (other, _)] = [begin(), begin()];
        let before = encryptor.values().seal("md5", b"of the plaintext").unwrap();
        let decryptor = service.decryptor(object, &envelope).unwrap();
        let after = decryptor.values().seal("md5", b"of the plaintext").unwrap();
        assert_ne!(before, after, "a fresh salt each time");
        for sealed in [before, after] {
            let stored = SealedValue::from_bytes(sealed.as_bytes());
            assert_eq!(decryptor.values().open("md5", &stored).unwrap(), b"of the plaintext");
            assert_eq!(encryptor.values().open("md5", &stored).unwrap(), b"of the plaintext");
            is_inauthentic(decryptor.values().open("md6", &stored));
            is_inauthentic(decryptor.values().open("MD5", &stored));
            is_inauthentic(service.decryptor(object, &other).unwrap().values().open("md5", &stored));
            for at in 0..stored.as_bytes().len() {
                let mut changed = stored.clone().into_bytes();
                changed[at] ^= 1;
                is_inauthentic(decryptor.values().open("md5", &SealedValue::from_bytes(changed)));
                is_inauthentic(decryptor.values().open("md5", &SealedValue::from_bytes(&stored.as_bytes()[..at])));
            }
            is_inauthentic(
                decryptor.values().open("md5", &SealedValue::from_bytes([stored.as_bytes(), b"\0"].concat())),
            );
        }
    });
}

#[test]
fn values_of_the_upload_of_each_part_and_of_the_whole_are_told_apart() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let seal = |part: u32| {
            let (mut encryptor, seal) = upload.part(number(part)).unwrap();
            let (mut stored, plain) = (bytes::BytesMut::new(), super::plain_of(part, 0, 100));
            encryptor.push(&plain, &mut stored).unwrap();
            let value = encryptor.values().seal("md5", &[part as u8; 16]).unwrap();
            let label = vec![];
            let receipt = seal.receipt(&encryptor.finish_into(&mut stored).unwrap(), &label).unwrap();
            (super::Part { number: number(part), label, receipt, stored: stored.to_vec(), plain }, value)
        };
        let [(one, of_one), (two, of_two)] = [seal(1), seal(2)];
        let another_attempt = attempt(&upload, 1, 0, 100);
        let of_upload = upload.values().seal("md5", b"of the upload").unwrap();

        // While the upload is under way.
        let receipts = [&one, &two].map(|part| upload.open_receipt(&part.receipt).unwrap());
        assert_eq!(receipts[0].values().open("md5", &of_one).unwrap(), [1; 16]);
        assert_eq!(receipts[1].values().open("md5", &of_two).unwrap(), [2; 16]);
        is_inauthentic(receipts[0].values().open("md5", &of_two));
        is_inauthentic(receipts[1].values().open("md5", &of_one));
        is_inauthentic(receipts[0].values().open("md5", &of_upload));
        is_inauthentic(upload.open_receipt(&another_attempt.receipt).unwrap().values().open("md5", &of_one));
        is_inauthentic(upload.values().open("md5", &of_one));
        let resumed = service.resume(object, upload.envelope()).unwrap();
        assert_eq!(resumed.values().open("md5", &of_upload).unwrap(), b"of the upload");
        is_inauthentic(service.begin(object, mode).values().open("md5", &of_upload));

        // Completed.
        let completed = service.complete(&upload, &[one, two]).unwrap();
        let of_whole = completed.decryptor.values().seal("md5", b"of the whole").unwrap();
        let unlisted = service.decryptor(object, &completed.envelope).unwrap();
        let reader = unlisted.with_manifest(&completed.manifest).unwrap();
        assert_eq!(unlisted.values().open("md5", &of_whole).unwrap(), b"of the whole", "no manifest is needed");
        assert_eq!(reader.values().open("md5", &of_whole).unwrap(), b"of the whole");
        let part = reader.part_decryptor(number(1)).unwrap();
        assert_eq!(part.values().open("md5", &of_one).unwrap(), [1; 16]);
        let page = unlisted.manifest_page(1..2).unwrap();
        let fetch = page.fetch();
        let listed = page.open(&completed.manifest[fetch.start as usize..fetch.end as usize]).unwrap();
        assert_eq!(listed[0].decryptor.values().open("md5", &of_two).unwrap(), [2; 16]);
        for wrong in [&of_two, &of_upload, &of_whole] {
            is_inauthentic(part.values().open("md5", wrong));
        }
        for wrong in [&of_one, &of_two, &of_upload] {
            is_inauthentic(reader.values().open("md5", wrong));
        }
    });
}

#[test]
fn names_and_lengths_of_values_are_bounded_on_sealing_and_on_opening() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let stored = service.sse.blocking().encrypt(object, mode.clone(), b"meow").unwrap();
        let decryptor = service.decryptor(object, &stored.envelope).unwrap();
        let longest = "n".repeat(255);
        let two_bytes_each = "\u{e9}".repeat(128);
        for name in ["", "atrest/", "atrest/receipt", "atrest/x", &"n".repeat(256), &two_bytes_each] {
            let sealed = SealedValue::from_bytes([1; 100]);
            for refused in [
                decryptor.values().seal(name, b"v").map(drop),
                decryptor.values().open(name, &sealed).map(drop),
                upload.values().seal(name, b"v").map(drop),
                upload.values().open(name, &sealed).map(drop),
            ] {
                assert!(matches!(refused, Err(Error::Misuse(Misuse::ValueName))), "{name}: {refused:?}");
            }
        }
        let overhead = if mode.id() == ModeId::DsseKms { 82 } else { 41 };
        for name in ["n", "atrest", "Atrest/x", "/", " ", "\0", &longest] {
            for len in [0, 1, 16, 65_535] {
                let value = vec![7; len];
                let sealed = decryptor.values().seal(name, &value).unwrap();
                assert_eq!(sealed.as_bytes().len(), len + overhead);
                assert!(decryptor.values().open(name, &sealed).unwrap() == value);
            }
        }
        let refused = decryptor.values().seal("n", &vec![7; 65_536]);
        assert!(matches!(refused, Err(Error::LimitExceeded(Limit::Value))), "{refused:?}");
        is_inauthentic(decryptor.values().open("n", &SealedValue::from_bytes(vec![1; 65_536 + overhead])));
    });
}

#[test]
fn copies_that_are_made_by_rewrap_share_their_values() {
    everywhere(|service, mode, object| {
        let stored = service.put(object, mode, &[(1, C)]);
        let value = stored.completed.decryptor.values().seal("md5", b"shared").unwrap();
        let unlock = service.unlock(mode.id());
        let copy = ObjectName::new("photos", "copy").unwrap();
        let envelope = service
            .sse
            .blocking()
            .rewrap(Rewrap::of(object, stored.envelope(), unlock).to(&copy, mode.clone()))
            .unwrap();
        let of_copy = service.decryptor(&copy, &envelope).unwrap();
        assert_eq!(of_copy.values().open("md5", &value).unwrap(), b"shared");
        let another = service.put(object, mode, &[(1, C)]).completed.decryptor;
        is_inauthentic(another.values().open("md5", &value));
    });
}

#[test]
fn a_value_shows_nothing_of_what_was_sealed() {
    let service = Service::new();
    let stored = service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    let decryptor = service.sse.blocking().decryptor(&name(), &stored.envelope, Unlock::Server).unwrap();
    let sealed = decryptor.values().seal("md5", b"a canary that would be seen").unwrap();
    assert!(!sealed.as_bytes().windows(6).any(|window| window == b"canary"));
    assert_eq!(format!("{sealed:?}"), "SealedValue(68 bytes)");
}
