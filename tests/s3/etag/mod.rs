//! `StoredEtag`: ETags by mode, and sealed values made from the plaintext.

mod listing;

use std::collections::HashSet;

use atrest::error::{EnvelopeError, Error, Misuse, PartError, Unexpected};
use atrest::multipart::CompletedPart;
use atrest::s3::{Checksum, ChecksumAlgorithm, Etag, PlaintextMd5, StoredEtag};
use atrest::{AnyMode, ModeId, ObjectName, PartNumber, Rewrap, SealedValue, SseS3, ValueSealer};
use atrest_kit::{Service, broken_generator, name};
use proptest::prelude::*;

/// The MD5 of `meow`, of `purr` and of nothing.
const MD5S: [u128; 3] =
    [0x4a4be40c96ac6314e91d93f38043a634, 0x19fbb238f0ff2df60984f6129a3797ac, 0xd41d8cd98f00b204e9800998ecf8427e];

fn md5(of: usize) -> PlaintextMd5 {
    PlaintextMd5::new(MD5S[of].to_be_bytes())
}

fn of_md5(of: usize) -> Etag {
    Etag::of_unencrypted(md5(of))
}

fn of_md5s(of: &[usize]) -> String {
    Etag::of_parts(of.iter().map(|of| of_md5(*of))).unwrap().to_client_string()
}

#[test]
fn the_etag_of_sse_s3_is_the_md5_and_of_the_other_modes_it_changes_at_every_write() {
    let service = Service::new();
    for mode in service.modes() {
        let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let write = |md5| StoredEtag::of_write(&envelope, &encryptor.values(), md5);
        let is_md5 = mode.id() == ModeId::SseS3;
        assert_eq!(Etag::needs_md5(Some(mode.id())), is_md5, "{mode:?}");
        assert_eq!(write(Some(md5(0))).unwrap().0 == of_md5(0), is_md5, "{mode:?}");
        if is_md5 {
            // A random one would be taken for the MD5 by every client that compares it.
            assert!(matches!(write(None), Err(Error::Misuse(Misuse::EtagWithoutMd5))));
            continue;
        }
        let many: HashSet<Etag> =
            [Some(md5(0)), None].into_iter().cycle().take(100).map(|md5| write(md5).unwrap().0).collect();
        assert_eq!(many.len(), 100, "{mode:?}");
        for etag in many {
            let (text, digits) = (etag.to_client_string(), "0123456789abcdef");
            assert!(text.len() == 32 && text.chars().all(|digit| digits.contains(digit)), "{text}");
            assert_eq!(etag.parts(), None);
        }
    }
    assert!(Etag::needs_md5(None));
    assert_eq!(of_md5(2).to_client_string(), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(Etag::of_unencrypted(PlaintextMd5::new([0; 16])).to_client_string(), "0".repeat(32));
}

#[test]
fn a_stored_etag_opens_from_its_bytes_and_shows_no_digits() {
    let service = Service::new();
    for mode in service.modes() {
        let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let (etag, stored) = StoredEtag::of_write(&envelope, &encryptor.values(), Some(md5(0))).unwrap();
        let bytes = stored.to_bytes();
        let sealed = mode.id() == ModeId::SseS3;
        assert_eq!(bytes.len(), if sealed { 63 } else { 22 });
        assert_eq!(bytes[..2], [1, u8::from(sealed)]);
        assert!(!bytes.windows(4).any(|bytes| bytes == &MD5S[0].to_be_bytes()[..4]), "{mode:?}");
        let read = StoredEtag::from_bytes(&bytes).unwrap();
        assert_eq!(read, stored);
        let decryptor = service.decryptor(&name(), &envelope).unwrap();
        assert_eq!(read.open(&envelope, &decryptor.values()).unwrap(), etag);
        assert_eq!(read.open_unencrypted().is_err(), sealed);

        let digits = etag.to_client_string();
        for shown in [format!("{etag:?}"), format!("{stored:?}"), format!("{:?}", etag.to_header_value())] {
            assert!(!shown.contains(&digits[..6]), "{shown}");
        }
    }
    let unencrypted = StoredEtag::of_unencrypted(of_md5(1));
    let bytes = unencrypted.to_bytes();
    assert_eq!(StoredEtag::from_bytes(&bytes).unwrap().open_unencrypted().unwrap(), of_md5(1));
    for len in 0..bytes.len() {
        assert!(StoredEtag::from_bytes(&bytes[..len]).is_err(), "{len}");
    }
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        StoredEtag::from_bytes(&bytes)
    };
    assert!(matches!(changed(0, 2), Err(Error::Envelope(EnvelopeError::UnsupportedVersion(2)))));
    assert!(matches!(changed(1, 2), Err(Error::Inauthentic)));
    assert!(matches!(StoredEtag::from_bytes(&[&bytes[..], &[0]].concat()), Err(Error::Inauthentic)));
}

#[test]
fn an_unsealed_etag_beside_an_sse_s3_object_is_refused() {
    let service = Service::new();
    let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), SseS3).unwrap();
    let forged = StoredEtag::of_unencrypted(of_md5(0));
    assert!(matches!(forged.open(&envelope, &encryptor.values()), Err(Error::Inauthentic)));
    assert!(matches!(service.sse.blocking().open_etag(&name(), &envelope, &forged), Err(Error::Inauthentic)));
}

#[test]
fn a_rewrap_keeps_the_etag_and_seals_it_where_the_object_becomes_one_of_sse_s3() {
    let service = Service::new();
    let sse = service.sse.blocking();
    let unlock = atrest::Unlock::Server;
    let kms = atrest::SseKms::new("alias/app");
    let (envelope, encryptor) = sse.encryptor(&name(), kms.clone()).unwrap();
    let (etag, stored) = StoredEtag::of_write(&envelope, &encryptor.values(), None).unwrap();
    let rewrapped = sse.rewrap(Rewrap::of(&name(), &envelope, unlock).to(&name(), SseS3)).unwrap();
    let decryptor = service.decryptor(&name(), &rewrapped).unwrap();
    let kept = stored.after_rewrap(&rewrapped, &decryptor.values()).unwrap();
    assert_eq!(sse.open_etag(&name(), &rewrapped, &kept).unwrap(), etag);

    // From SSE-S3 it stays sealed: it is still the MD5. The keyring alone no longer opens it.
    let back = sse.rewrap(Rewrap::of(&name(), &rewrapped, unlock).to(&name(), kms)).unwrap();
    let decryptor = service.decryptor(&name(), &back).unwrap();
    let still = kept.after_rewrap(&back, &decryptor.values()).unwrap();
    assert_eq!(still, kept);
    assert_eq!(still.open(&back, &decryptor.values()).unwrap(), etag);
    assert!(matches!(sse.open_etag(&name(), &back, &still), Err(Error::Unexpected(Unexpected::Mode))));
}

#[test]
fn the_etag_of_parts_is_the_md5_over_their_etags_and_how_many_they_are() {
    assert_eq!(of_md5s(&[0]), "98e809a3fe6eca26725a111e45f3216e-1");
    assert_eq!(of_md5s(&[0, 1, 2]), "a09d9d6b9df03fe0b02b662f46fcda79-3");
    assert_eq!(of_md5s(&[1, 0, 2]), "6c6d40c3963015d064213ba43a9bf71d-3");
    // The parts' ETags count as they were answered, whatever they are made of; these and theirs were seen in the wild.
    let random =
        ["5973ae733b102b22143dafe3996814ba", "123a2d6c816f1a941f261d02747cdde6", "46f9536e629e5cf77d46358b1aa9b2f7"];
    let object = Etag::of_parts(random.map(|part| Etag::parse(part).unwrap())).unwrap();
    assert_eq!(object.to_client_string(), "c250c98b36641df01850f0534afd3d25-3");
    assert_eq!(object.parts(), Some(3));

    assert_eq!(Etag::of_parts([]), None);
    assert_eq!(Etag::of_parts([of_md5(0), object]), None, "no part was uploaded in parts");
    let parts = |count| Etag::of_parts(std::iter::repeat_n(of_md5(0), count));
    assert_eq!(parts(65_536).unwrap().parts(), Some(65_536));
    assert_eq!(parts(65_537), None);
}

#[test]
fn an_etag_is_read_as_it_is_written_and_nothing_else_is_one() {
    let digits = "00a23cff8a21eba4bbfb8d6c4a4b2bd6";
    for text in [digits.to_owned(), format!("{digits}-1"), format!("{digits}-10000"), format!("{digits}-4294967295")] {
        let etag = Etag::parse(&text).unwrap();
        assert_eq!(etag.to_client_string(), text);
        assert_eq!(etag.to_header_value(), format!("\"{text}\""));
        assert_eq!(Etag::parse(&format!("\"{text}\"")), Some(etag));
        assert_eq!(format!("{etag:?}"), format!("Etag {{ parts: {:?}, .. }}", etag.parts()));
        assert!(etag.to_header_value().is_sensitive());
    }
    for text in [
        "".to_owned(),
        "-1".into(),
        "\"\"".into(),
        digits.to_uppercase(),
        digits[1..].into(),
        format!("{digits}0"),
        format!("+{}", &digits[1..]),
        format!(" {digits}"),
        format!("\"{digits}"),
        format!("{digits}\""),
        format!("\"\"{digits}\"\""),
        format!("W/\"{digits}\""),
        format!("{digits}-"),
        format!("{digits}-0"),
        format!("{digits}-01"),
        format!("{digits}-+1"),
        format!("{digits}--1"),
        format!("{digits}-1-1"),
        format!("{digits}-4294967296"),
        format!("{digits}-x"),
        format!("{}å", &digits[2..]),
    ] {
        assert_eq!(Etag::parse(&text), None, "{text}");
    }
}

#[test]
fn where_the_generator_fails_there_is_no_encryptor_to_draw_an_etag_from() {
    let sse = Service::with(|builder| builder.generator(broken_generator)).sse;
    // The encryptor's own draws come from the generator too, so it is one that worked when it was made.
    assert!(matches!(sse.blocking().encryptor(&name(), SseS3), Err(Error::Random(_))));
}

/// One of each algorithm.
fn checksums() -> Vec<Checksum> {
    let value = |algorithm: &ChecksumAlgorithm| vec![0xAB; algorithm.value_len()];
    ChecksumAlgorithm::ALL.iter().map(|algorithm| Checksum::new(*algorithm, &value(algorithm)).unwrap()).collect()
}

fn overhead(mode: &AnyMode) -> usize {
    if mode.id() == ModeId::DsseKms { 82 } else { 41 }
}

#[test]
fn what_is_made_from_the_plaintext_is_sealed_beside_an_object_in_every_mode() {
    let service = Service::new();
    for mode in service.modes() {
        let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let (md5, etag) = (md5(0), of_md5(0));
        let sealed_md5 = md5.seal(&encryptor.values()).unwrap();
        // As releases before stored ETags had it.
        let sealed_etag = encryptor.values().seal("s3/etag", &[&md5.to_bytes()[..], &[0; 4]].concat()).unwrap();
        let opened =
            |sealed: &SealedValue, by: &ValueSealer| StoredEtag::from_sealed_value(sealed.clone()).open(&envelope, by);
        assert_eq!(sealed_md5.as_bytes().len(), 16 + overhead(&mode));
        assert_eq!(sealed_etag.as_bytes().len(), 20 + overhead(&mode));
        let sealed: Vec<SealedValue> =
            checksums().iter().map(|checksum| checksum.seal(&encryptor.values()).unwrap()).collect();

        let decryptor = service.decryptor(&name(), &envelope).unwrap();
        assert_eq!(PlaintextMd5::open(&decryptor.values(), &sealed_md5).unwrap().to_bytes(), md5.to_bytes());
        assert_eq!(opened(&sealed_etag, &decryptor.values()).unwrap(), etag);
        for (checksum, sealed) in checksums().iter().zip(&sealed) {
            assert_eq!(sealed.as_bytes().len(), checksum.value().len() + overhead(&mode));
            assert!(!sealed.as_bytes().windows(4).any(|bytes| bytes == [0xAB; 4]), "the value is stored unencrypted");
            for algorithm in ChecksumAlgorithm::ALL {
                match Checksum::open(*algorithm, &decryptor.values(), sealed) {
                    Ok(opened) => assert_eq!((*algorithm, &opened), (checksum.algorithm(), checksum)),
                    Err(error) => {
                        assert!(matches!(error, Error::Inauthentic), "{error:?}");
                        assert_ne!(*algorithm, checksum.algorithm());
                    }
                }
            }
        }

        // Neither is another object's, nor one the other.
        let (other, _) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
        let other = service.decryptor(&name(), &other).unwrap();
        assert!(matches!(opened(&sealed_etag, &other.values()), Err(Error::Inauthentic)));
        assert!(matches!(PlaintextMd5::open(&other.values(), &sealed_md5), Err(Error::Inauthentic)));
        assert!(matches!(opened(&sealed_md5, &decryptor.values()), Err(Error::Inauthentic)));
        assert!(matches!(PlaintextMd5::open(&decryptor.values(), &sealed_etag), Err(Error::Inauthentic)));
    }
}

#[test]
fn what_is_made_from_a_part_is_sealed_beside_it_and_what_is_made_from_the_whole_beside_the_object() {
    let service = Service::new();
    let sse = service.sse.blocking();
    let number = PartNumber::new(1).unwrap();
    for mode in service.modes() {
        let upload = sse.begin_multipart(&name(), b"upload", mode.clone()).unwrap();
        let (mut part, seal) = upload.part(number).unwrap();
        let of_part = Etag::of_part(upload.envelope(), &part.values(), Some(md5(0))).unwrap();
        assert_eq!(of_part == of_md5(0), mode.id() == ModeId::SseS3);
        let without = Etag::of_part(upload.envelope(), &part.values(), None);
        assert_eq!(matches!(without, Err(Error::Misuse(Misuse::EtagWithoutMd5))), mode.id() == ModeId::SseS3);
        let checksum = checksums().remove(1);
        let sealed = checksum.seal(&part.values()).unwrap();
        let (mut stored, mut output) = (Vec::new(), vec![0; 1_024]);
        let written = part.update(b"meow", &mut output).unwrap();
        stored.extend_from_slice(&output[..written]);
        let finished = part.finish(&mut output).unwrap();
        stored.extend_from_slice(&output[..finished.written]);
        let receipt = seal.receipt(&finished, of_part.to_client_string().as_bytes()).unwrap();

        let opened = upload.open_receipt(&receipt).unwrap();
        assert_eq!(Etag::parse(str::from_utf8(&opened.label).unwrap()), Some(of_part));
        assert_eq!(Checksum::open(checksum.algorithm(), &opened.values(), &sealed).unwrap(), checksum);
        assert!(matches!(Checksum::open(checksum.algorithm(), &upload.values(), &sealed), Err(Error::Inauthentic)));
        let of_upload = checksum.seal(&upload.values()).unwrap();
        assert_eq!(Checksum::open(checksum.algorithm(), &upload.values(), &of_upload).unwrap(), checksum);

        let label = of_part.to_client_string();
        let listed = CompletedPart::new(number, label.as_bytes(), &receipt, &stored);
        let unlock = service.unlock(mode.id());
        let completed = sse.complete_multipart(&upload, unlock, [listed]).unwrap();
        let values = completed.decryptor.values();
        let of_upload = |parts: &[Etag]| StoredEtag::of_upload(&completed.envelope, &values, parts.iter().copied());
        let (etag, stored_etag) = of_upload(&[of_part]).unwrap();
        assert_eq!(Some(etag), Etag::of_parts([of_part]));
        assert!(matches!(of_upload(&[]), Err(Error::Part(PartError::None))));

        let decryptor = service.decryptor(&name(), &completed.envelope).unwrap();
        assert_eq!(stored_etag.open(&completed.envelope, &decryptor.values()).unwrap(), etag);
        assert_eq!(etag.parts(), Some(1));
        let part = decryptor.with_manifest(&completed.manifest).unwrap().part_decryptor(number).unwrap();
        assert_eq!(Checksum::open(checksum.algorithm(), &part.values(), &sealed).unwrap(), checksum);
        if mode.id() == ModeId::SseS3 {
            assert_eq!(sse.open_etag(&name(), &completed.envelope, &stored_etag).unwrap(), etag);
            assert!(matches!(stored_etag.open(&completed.envelope, &part.values()), Err(Error::Inauthentic)));
        }
    }
}

#[test]
fn a_sealed_value_of_another_length_is_none_that_was_sealed_here() {
    let service = Service::new();
    let (envelope, encryptor) = service.sse.blocking().encryptor(&ObjectName::unbound(), SseS3).unwrap();
    let decryptor = service.decryptor(&ObjectName::unbound(), &envelope).unwrap();
    for len in [0, 3, 5, 15, 17, 19, 21, 33] {
        let seal = |name| encryptor.values().seal(name, &vec![7; len]).unwrap();
        assert!(matches!(PlaintextMd5::open(&decryptor.values(), &seal("s3/md5")), Err(Error::Inauthentic)), "{len}");
        let etag = StoredEtag::from_sealed_value(seal("s3/etag"));
        assert!(matches!(etag.open(&envelope, &decryptor.values()), Err(Error::Inauthentic)), "{len}");
        let listed = service.sse.blocking().open_etag(&ObjectName::unbound(), &envelope, &etag);
        assert!(matches!(listed, Err(Error::Inauthentic)), "{len}");
        let opened = Checksum::open(ChecksumAlgorithm::Crc32c, &decryptor.values(), &seal("s3/checksum/crc32c"));
        assert!(matches!(opened, Err(Error::Inauthentic)), "{len}");
    }
    let sealed = encryptor.values().seal("s3/checksum/crc32c", &[7; 4]).unwrap();
    assert_eq!(Checksum::open(ChecksumAlgorithm::Crc32c, &decryptor.values(), &sealed).unwrap().value(), [7; 4]);
}

#[test]
fn a_checksum_has_the_length_the_header_and_the_name_of_its_algorithm() {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256, Sha512, XxHash3, XxHash64, XxHash128};
    let table = [
        (Crc32, "CRC32", "x-amz-checksum-crc32", 4),
        (Crc32c, "CRC32C", "x-amz-checksum-crc32c", 4),
        (Crc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", 8),
        (Sha1, "SHA1", "x-amz-checksum-sha1", 20),
        (Sha256, "SHA256", "x-amz-checksum-sha256", 32),
        (Sha512, "SHA512", "x-amz-checksum-sha512", 64),
        (Md5, "MD5", "x-amz-checksum-md5", 16),
        (XxHash64, "XXHASH64", "x-amz-checksum-xxhash64", 8),
        (XxHash3, "XXHASH3", "x-amz-checksum-xxhash3", 8),
        (XxHash128, "XXHASH128", "x-amz-checksum-xxhash128", 16),
    ];
    assert_eq!(table.map(|(algorithm, ..)| algorithm), ChecksumAlgorithm::ALL);
    for (algorithm, name, header, len) in table {
        assert_eq!((algorithm.as_str(), algorithm.to_string().as_str(), algorithm.value_len()), (name, name, len));
        assert_eq!(algorithm.header_name(), header);
        assert_eq!(ChecksumAlgorithm::from_name(name), Some(algorithm));
        assert_eq!(ChecksumAlgorithm::from_name(&name.to_lowercase()), None);
        for wrong in (0..=70).filter(|wrong| *wrong != len) {
            assert_eq!(Checksum::new(algorithm, &vec![1; wrong]), None);
        }
        let checksum = Checksum::new(algorithm, &vec![0xFB; len]).unwrap();
        assert_eq!(checksum.value(), vec![0xFB; len]);
        assert_eq!(checksum.to_base64(), data_encoding::BASE64.encode(&vec![0xFB; len]));
        assert_eq!(Checksum::from_base64(algorithm, &checksum.to_base64()), Some(checksum));
        assert_eq!(format!("{checksum:?}"), format!("Checksum {{ algorithm: {algorithm:?}, .. }}"));
    }
    assert_eq!(format!("{:?}", md5(0)), "PlaintextMd5(..)");
    let long = "+".repeat(100);
    for base64 in
        ["", "yZRlqg", "yZRlqg=", "yZRlqg===", "yZRlqh==", "yZRl-_==", " yZRlqg==", "yZRlqg==\n", "yZRlqqqq", &long]
    {
        assert_eq!(Checksum::from_base64(Crc32c, base64), None, "{base64}");
    }
}

#[test]
fn a_checksum_algorithm_that_is_younger_than_this_release_needs_a_name_and_a_length() {
    let blake3 = ChecksumAlgorithm::other("BLAKE3", 32).unwrap();
    assert_eq!((blake3.as_str(), blake3.value_len()), ("BLAKE3", 32));
    assert_eq!(blake3.header_name(), "x-amz-checksum-blake3");
    assert_eq!(format!("{blake3:?}"), "Other(\"BLAKE3\" of 32 bytes)");
    let service = Service::new();
    let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), SseS3).unwrap();
    let checksum = Checksum::new(blake3, &[7; 32]).unwrap();
    let sealed = checksum.seal(&encryptor.values()).unwrap();
    let decryptor = service.decryptor(&name(), &envelope).unwrap();
    assert_eq!(Checksum::open(blake3, &decryptor.values(), &sealed).unwrap(), checksum);
    assert_eq!(decryptor.values().open("s3/checksum/blake3", &sealed).unwrap(), [7; 32]);
    let other = ChecksumAlgorithm::other("BLAKE2", 32).unwrap();
    assert!(matches!(Checksum::open(other, &decryptor.values(), &sealed), Err(Error::Inauthentic)));

    assert_eq!(ChecksumAlgorithm::other("CRC32", 4), Some(ChecksumAlgorithm::Crc32));
    assert_eq!(ChecksumAlgorithm::from_name("BLAKE3"), None);
    let long = "X".repeat(25);
    for (name, len) in [("CRC32", 8), ("", 4), ("crc32", 4), ("A/B", 4), ("A\0", 4), ("B3", 0), ("B3", 65), (&long, 4)]
    {
        assert_eq!(ChecksumAlgorithm::other(name, len), None, "{name} {len}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_etag_reads_as_itself(digits in any::<[u8; 16]>(), parts in 1_usize..40) {
        let part = Etag::of_unencrypted(PlaintextMd5::new(digits));
        prop_assert_eq!(Etag::parse(&part.to_client_string()), Some(part));
        let object = Etag::of_parts(std::iter::repeat_n(part, parts)).unwrap();
        prop_assert_eq!(Etag::parse(&object.to_client_string()), Some(object));
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in "\\PC{0,60}", hex in "\"?[0-9a-fA-F]{30,34}-?[0-9+]{0,12}\"?") {
        for text in [text, hex] {
            if let Some(etag) = Etag::parse(&text) {
                prop_assert_eq!(etag.to_client_string(), text.trim_matches('"'));
            }
            for algorithm in ChecksumAlgorithm::ALL {
                if let Some(checksum) = Checksum::from_base64(*algorithm, &text) {
                    prop_assert_eq!(checksum.to_base64(), text.clone());
                }
            }
        }
    }
}
