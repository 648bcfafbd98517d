//! Random configurations, random bytes, and random pieces of XML.

use atrest::s3::{BlockedEncryption, BucketEncryption, DefaultEncryption, ObjectEncryption};
use proptest::prelude::*;

use super::{bucket, parsed};

/// Key ids of every length and character that one may have.
fn key_ids() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[^\\p{Cc}\u{FFFE}\u{FFFF}]{1,80}")
}

fn buckets() -> impl Strategy<Value = BucketEncryption> {
    let default = prop_oneof![
        Just(DefaultEncryption::SseS3),
        key_ids().prop_map(|key_id| DefaultEncryption::SseKms { key_id }),
        key_ids().prop_map(|key_id| DefaultEncryption::DsseKms { key_id }),
    ];
    (default, any::<bool>(), any::<bool>())
        .prop_map(|(default, bucket_key, blocks)| bucket(default, bucket_key, blocks))
}

/// Pieces of XML, some of which fit together.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "<ServerSideEncryptionConfiguration>",
        "</ServerSideEncryptionConfiguration>",
        "<ObjectEncryption>",
        "</ObjectEncryption>",
        "<Rule>",
        "</Rule>",
        "<Rule/>",
        "<ApplyServerSideEncryptionByDefault>",
        "</ApplyServerSideEncryptionByDefault>",
        "<SSEAlgorithm>",
        "</SSEAlgorithm>",
        "<SSE-KMS>",
        "AES256",
        "aws:kms",
        "<KMSMasterKeyID>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?xml version='1.0'?>",
        "<!DOCTYPE",
        "[",
        "]>",
        "<",
        ">",
        "</",
        "/>",
        "'",
        "\"",
        "&",
        ";",
        "&#x41;",
        "&lt;",
        " ",
        "=",
        "xmlns",
        ":",
        "é",
        "\u{FEFF}",
        "\0",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_bucket_answers_reads_as_the_same_bucket(bucket in buckets()) {
        prop_assert_eq!(parsed(&bucket.to_xml()), Ok(bucket.clone()));
        // What was there counts only where the answer says nothing of blocked types.
        let other = BucketEncryption::new_bucket(BlockedEncryption::SseC);
        let mut expected = bucket.clone();
        expected.blocked = bucket.blocked.or(other.blocked);
        prop_assert_eq!(other.after_put(bucket.to_xml().as_bytes()), Ok(expected));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(BucketEncryption::from_xml(&bytes).is_err());
        prop_assert!(ObjectEncryption::from_xml(&bytes).is_err());
    }

    #[test]
    fn no_pieces_of_xml_make_the_reader_panic(xml in soup()) {
        if let Ok(bucket) = parsed(&xml) {
            prop_assert_eq!(parsed(&bucket.to_xml()), Ok(bucket));
        }
        let _ = ObjectEncryption::from_xml(xml.as_bytes());
    }

    #[test]
    fn a_document_with_one_byte_changed_is_read_or_refused(
        bucket in buckets(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut xml = bucket.to_xml().into_bytes();
        let at = at.index(xml.len());
        xml[at] = byte;
        if let Ok(read) = BucketEncryption::from_xml(&xml) {
            prop_assert_eq!(parsed(&read.to_xml()), Ok(read));
        }
    }
}
