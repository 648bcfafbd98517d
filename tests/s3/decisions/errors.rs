//! Every `S3Error`: status, XML, and its mapping from the library's errors.

use std::collections::BTreeSet;

use atrest::error::{CustomerKeyError, Limit, Misuse, PartError, Unexpected};
use atrest::s3::{
    BucketEncryption, BucketPolicy, ObjectEncryption, Profile, S3Error, S3ErrorKind as Kind, S3Operation, S3Rules,
    check_parts, read_part_number,
};
use atrest::{Error, KeyProviderError, KeyProviderErrorKind as Refusal};

use super::kit::*;

/// The answer of each kind that no decision gives; the rows cover the others.
#[test]
fn every_kind_has_a_code_a_status_and_a_message() {
    let codes = [
        "AccessDenied",
        "BadDigest",
        "EntityTooLarge",
        "EntityTooSmall",
        "IncompleteBody",
        "InternalError",
        "InvalidArgument",
        "InvalidEncryptionAlgorithmError",
        "InvalidPart",
        "InvalidPartNumber",
        "InvalidPartOrder",
        "InvalidRange",
        "InvalidRequest",
        "KMS.DisabledException",
        "KMS.InvalidKeyUsageException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
        "MalformedPolicy",
        "MalformedXML",
        "NoSuchKey",
        "NoSuchUpload",
        "ServerSideEncryptionConfigurationNotFoundError",
        "ServiceUnavailable",
        "SlowDown",
    ];
    let mut seen = BTreeSet::new();
    for kind in Kind::ALL {
        let error = S3Error::new(*kind);
        assert_eq!(error.kind(), *kind);
        assert!(status(&error) >= 400, "{kind:?}");
        assert!(error.message().len() > 10 && error.message() == error.to_string(), "{kind:?}");
        assert!(error.argument().is_none());
        let fixed = S3Rules::new().with_profile(Profile::CephTests).status(&error) == S3Rules::new().status(&error);
        assert_eq!(fixed, *kind != Kind::CustomerKeyWrong, "{kind:?}");
        seen.insert(error.code().to_owned());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), codes);
    assert_eq!(Kind::ALL.iter().collect::<BTreeSet<_>>().len(), Kind::ALL.len());
}

#[test]
fn the_errors_of_kms_name_the_key() {
    let arn = "arn:aws:kms:eu-west-1:111122223333:key/134f2428-cec1-4b25-a1ae-9048164dba47";
    let uuid = "134f2428-cec1-4b25-a1ae-9048164dba47";
    // Grade R.
    let told: [(Refusal, &str, u16, &str, String); 7] = [
        (Refusal::NotFound, "fake-key-id", 400, "KMS.NotFoundException", "Invalid keyId 'fake-key-id'".to_owned()),
        (Refusal::NotFound, arn, 400, "KMS.NotFoundException", format!("Key '{arn}' does not exist")),
        (Refusal::NotFound, uuid, 400, "KMS.NotFoundException", format!("Key '{uuid}' does not exist")),
        (Refusal::Disabled, arn, 400, "KMS.DisabledException", format!("{arn} is disabled.")),
        (Refusal::PendingDeletion, arn, 400, "KMS.KMSInvalidStateException", format!("{arn} is pending deletion.")),
        (Refusal::AccessDenied, arn, 403, "AccessDenied", "Access Denied".to_owned()),
        // Grade I.
        (
            Refusal::Throttled,
            arn,
            503,
            "SlowDown",
            "Please reduce your request rate for operations involving AWS KMS.".to_owned(),
        ),
    ];
    for (refusal, key_id, status, code, message) in told {
        let error = S3Error::of_write(&Error::from(KeyProviderError::new(refusal, key_id)));
        assert_eq!((super::kit::status(&error), error.code(), error.message()), (status, code, message));
    }
    for (refusal, status) in
        [(Refusal::Unavailable, 503), (Refusal::Rejected, 500), (Refusal::WrongKey, 500), (Refusal::WrongLength, 500)]
    {
        let error = S3Error::of_write(&Error::from(KeyProviderError::new(refusal, arn)));
        assert_eq!(super::kit::status(&error), status, "{refusal}");
        assert!(!error.message().contains(arn));
    }
}

#[test]
fn what_a_kms_refuses_on_the_way_is_answered_by_name() {
    let world = World::new();
    let put = |named: &str| {
        let decision = asked(&world, |_| Operation::Put, &[(W, "aws:kms"), (K, named)]).unwrap();
        let outcome = world.sse.blocking().encrypt(&world.name, written(&decision), b"meow");
        S3Error::of_read(&outcome.unwrap_err())
    };
    let get = || {
        let decision = asked(&world, |w| Operation::Get(w.object(SSE_KMS)), &[]).unwrap();
        let Decided::Read(read) = decision else { panic!("a read") };
        let atrest::s3::Reading::Encrypted(access) = &read.reading else { panic!("encrypted") };
        let outcome = world.sse.blocking().decryptor(&world.name, &world.objects[SSE_KMS], access.unlock());
        S3Error::of_read(&outcome.unwrap_err())
    };
    // Grade R, all of them.
    let unknown = put("fake-key-id");
    assert_eq!((unknown.code(), &*unknown.message()), ("KMS.NotFoundException", "Invalid keyId 'fake-key-id'"));
    world.kms.disable(KMS_KEY);
    for error in [put(KMS_KEY), get()] {
        assert_eq!((error.code(), error.message()), ("KMS.DisabledException", format!("{KMS_KEY} is disabled.")));
    }
    world.kms.schedule_deletion(KMS_KEY);
    let error = get();
    let message = format!("{KMS_KEY} is pending deletion.");
    assert_eq!((error.code(), error.message()), ("KMS.KMSInvalidStateException", message));
}

#[test]
fn what_is_wrong_with_the_keyring_is_nothing_to_a_client() {
    for refusal in [Refusal::NotFound, Refusal::Disabled, Refusal::Unavailable] {
        let error = Error::from(KeyProviderError::new(refusal, "master").with_key_version(3));
        let error = S3Error::of_read(&error);
        assert_eq!((error.kind(), error.code()), (Kind::Internal, "InternalError"));
        assert!(!error.to_xml(S3Operation::PutObject, "1", "").contains("master"));
    }
}

#[test]
fn what_the_library_says_is_answered_in_the_words_of_s3() {
    let cases: [(Error, u16, &str); 20] = [
        (CustomerKeyError::Required.into(), 400, "InvalidRequest"),
        (CustomerKeyError::NotExpected.into(), 400, "InvalidRequest"),
        (CustomerKeyError::Mismatch.into(), 403, "AccessDenied"),
        (CustomerKeyError::WrongLength.into(), 400, "InvalidArgument"),
        (PartError::Number(0).into(), 400, "InvalidArgument"),
        (PartError::Invalid(3).into(), 400, "InvalidPart"),
        (PartError::Order(3).into(), 400, "InvalidPartOrder"),
        (PartError::None.into(), 400, "MalformedXML"),
        (PartError::NotFound(3).into(), 416, "InvalidPartNumber"),
        (PartError::Page.into(), 500, "InternalError"),
        (Error::UploadNotComplete, 404, "NoSuchKey"),
        (Limit::Message.into(), 400, "EntityTooLarge"),
        (Limit::Multipart.into(), 400, "EntityTooLarge"),
        (Limit::Context.into(), 400, "InvalidArgument"),
        (Limit::EnvelopeLen(300).into(), 400, "InvalidArgument"),
        (Limit::KeyId.into(), 400, "KMS.NotFoundException"),
        (Limit::Value.into(), 500, "InternalError"),
        (Error::Inauthentic, 500, "InternalError"),
        (Error::Truncated, 500, "InternalError"),
        (Misuse::EmptyName.into(), 500, "InternalError"),
    ];
    for (error, status, code) in cases {
        let answer = S3Error::of_read(&error);
        assert_eq!((super::kit::status(&answer), answer.code()), (status, code), "{error}");
    }
    assert_eq!(S3Error::of_read(&Error::from(Unexpected::Mode)).kind(), Kind::StoredUnexpected);
    let number = S3Error::of_read(&Error::from(PartError::Number(10_001)));
    assert_eq!(number.argument(), Some(("partNumber", Some("10001"))));
}

#[test]
fn a_range_beyond_the_object_is_not_satisfiable() {
    let world = World::new();
    let envelope = &world.objects[0];
    let decryptor = world.sse.blocking().decryptor(&world.name, envelope, atrest::Unlock::Server).unwrap();
    let body_len = atrest::ModeId::SseS3.ciphertext_len(4).unwrap();
    let error = decryptor.range(4..5, body_len).unwrap_err();
    let answer = S3Error::of_read(&error);
    assert_eq!((status(&answer), answer.code()), (416, "InvalidRange"));
    let answer = answer.with_range_requested("bytes=4-4");
    let elements: Vec<_> = answer.elements().collect();
    assert_eq!(elements, [("RangeRequested", "bytes=4-4"), ("ActualObjectSize", "4")]);
    let missing = S3Error::of_read(&Error::from(PartError::NotFound(7))).with_actual_part_count(3);
    let elements: Vec<_> = missing.elements().collect();
    assert_eq!(elements, [("PartNumberRequested", "7"), ("ActualPartCount", "3")]);
}

/// Transfer managers ask every object for its part 1.
#[test]
fn a_part_number_is_one_to_ten_thousand_and_comes_without_a_range() {
    assert_eq!(read_part_number("1", None).unwrap().get(), 1);
    assert_eq!(read_part_number("10000", None).unwrap().get(), 10_000);
    let shown = |text: &str| {
        let error = read_part_number(text, None).unwrap_err();
        assert_eq!((status(&error), error.kind()), (400, Kind::PartNumber), "{text}");
        error.argument().unwrap().1.map(str::to_owned)
    };
    for text in ["0", "10001", "-1", "+1", "1.0", " 1", "", "one", "99999999999"] {
        assert_eq!(shown(text).as_deref(), Some(text));
    }
    assert_eq!(shown(KEY), None, "a key where it does not belong");
    let error = read_part_number("1", Some("bytes=0-4")).unwrap_err();
    assert_eq!((status(&error), error.code()), (400, "InvalidRequest"));
    assert_eq!(error.message(), "Cannot specify both Range header and partNumber query parameter");
}

#[test]
fn documents_that_are_not_understood_are_answered_as_s3_does() {
    let put = |rules: &str| {
        let body = format!("<ServerSideEncryptionConfiguration>{rules}</ServerSideEncryptionConfiguration>");
        S3Error::from(BucketEncryption::from_xml(body.as_bytes()).unwrap_err())
    };
    let rule = |inner: &str| {
        format!("<Rule><ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault></Rule>")
    };
    let aes = rule("<SSEAlgorithm>AES256</SSEAlgorithm>");
    // Grade R.
    for rules in [String::new(), format!("{aes}{aes}")] {
        let error = put(&rules);
        assert_eq!((status(&error), error.code()), (400, "MalformedXML"));
        let standard = "The XML you provided was not well-formed or did not validate against our published schema";
        assert_eq!(error.message(), standard);
    }
    let error = put(&rule("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>"));
    assert_eq!((status(&error), error.code()), (400, "InvalidArgument"));
    assert_eq!(
        error.message(),
        "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
    );
    assert_eq!(error.argument(), Some(("ApplyServerSideEncryptionByDefault", None)));
    let error = put(&rule("<SSEAlgorithm>AES512</SSEAlgorithm>"));
    assert_eq!((status(&error), error.code()), (400, "MalformedXML"));
    // Grade A.
    let update = ObjectEncryption::from_xml(b"<ObjectEncryption><SSE-S3/></ObjectEncryption>").unwrap_err();
    let error = S3Error::from(update);
    assert_eq!((error.kind(), error.code()), (Kind::UpdateTarget, "InvalidRequest"));

    let policy = BucketPolicy::from_json(b"{}").unwrap_err();
    assert_eq!(S3Error::from(&policy).code(), "MalformedPolicy");
}

#[test]
fn the_xml_is_what_s3_sends() {
    let error = S3Error::new(Kind::CustomerKeyConflict).with_argument("x-amz-server-side-encryption", "AES256");
    assert_eq!(
        error.to_xml(S3Operation::PutObject, "656c76696e6727732072657175657374", "aG9zdA=="),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidArgument</Code><Message>Server Side Encryption with \
         Customer provided key is incompatible with the encryption method specified</Message>\
         <ArgumentName>x-amz-server-side-encryption</ArgumentName><ArgumentValue>AES256</ArgumentValue>\
         <RequestId>656c76696e6727732072657175657374</RequestId><HostId>aG9zdA==</HostId></Error>"
    );
    let bare = S3Error::new(Kind::MethodUnknown).with_argument("x-amz-server-side-encryption", "").to_xml(
        S3Operation::GetObject,
        "",
        "",
    );
    assert!(bare.contains("<ArgumentValue></ArgumentValue></Error>"), "{bare}");
    let named =
        S3Error::new(Kind::BucketKmsKeyNotApplicable).with_argument_name("A").to_xml(S3Operation::GetObject, "", "");
    assert!(named.contains("<ArgumentName>A</ArgumentName></Error>"), "{named}");
}

#[test]
fn the_xml_holds_whatever_a_client_sends_as_text() {
    let hostile = "</Message><Code>x</Code>&amp;\"'\0\u{1}\u{fffe}\r\n\u{1f600}";
    let error = S3Error::new(Kind::KmsKeyIdInvalid).with_subject(hostile).with_argument("name", hostile);
    let error = error.with_element("Key", hostile);
    let xml = error.to_xml(S3Operation::PutObject, hostile, hostile);
    let mut reader = quick_xml::Reader::from_str(&xml);
    let mut elements = Vec::new();
    loop {
        match reader.read_event().expect("well-formed") {
            quick_xml::events::Event::Start(start) => {
                elements.push(start.name().as_ref().to_owned());
            }
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(elements, ["Error", "Code", "Message", "ArgumentName", "ArgumentValue", "Key", "RequestId", "HostId"]);
    assert!(!xml.contains('\0') && !xml.contains('\u{1}') && xml.contains('\u{1f600}'));
}

#[test]
fn what_a_write_asks_for_and_the_service_does_not_take_is_the_clients_to_change() {
    let refused = |error: Unexpected| S3Error::of_write(&Error::from(error));
    assert_eq!(status(&refused(Unexpected::KmsKey)), 403);
    assert_eq!(status(&refused(Unexpected::Mode)), 400);
    // What is not of the request stays what it is.
    assert_eq!(refused(Unexpected::KeyringId).kind(), Kind::StoredUnexpected);
    assert_eq!(S3Error::of_write(&Error::Inauthentic).kind(), Kind::Internal);
}

#[test]
fn a_policy_is_refused_by_the_name_of_what_is_not_understood() {
    let refused = |document: &str| {
        S3Error::from(&atrest::s3::BucketPolicy::from_json(document.as_bytes()).unwrap_err()).message()
    };
    assert_eq!(refused("{"), "This policy contains invalid Json");
    let document =
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Deny","Principal":"*","NotAction":"s3:*"}]}"#;
    assert!(refused(document).contains("\"NotAction\""), "{}", refused(document));
}

#[test]
fn a_body_of_another_length_than_declared_is_the_clients_error() {
    let world = World::new();
    for body in [&b"meo"[..], b"meow!"] {
        let sse = world.sse.blocking();
        let (_, mut encryptor) = sse.encryptor_of_len(&world.name, atrest::SseS3, 4).unwrap();
        let mut output = vec![0; 1_024];
        let failed = encryptor.update(body, &mut output).and_then(|_| encryptor.finish(&mut output));
        let error = S3Error::of_write(&failed.unwrap_err());
        assert_eq!((error.code(), status(&error)), ("IncompleteBody", 400), "{body:?}");
    }
}

#[test]
fn a_service_answers_its_own_errors_in_the_same_words() {
    let error =
        S3Error::custom(http::StatusCode::CONFLICT, "OperationAborted", "A conflicting operation is in progress.")
            .with_element("BucketName", "photos");
    assert_eq!((error.kind(), error.code(), status(&error)), (Kind::Custom, "OperationAborted", 409));
    assert_eq!(error.message(), "A conflicting operation is in progress.");
    assert!(
        error.to_xml(S3Operation::Other, "1", "h").contains("<BucketName>photos</BucketName><RequestId>1</RequestId>")
    );
}

#[test]
fn the_declaration_is_left_out_where_the_service_leaves_it_out() {
    for operation in S3Operation::ALL {
        let without = [S3Operation::CopyObject, S3Operation::UploadPartCopy, S3Operation::CompleteMultipartUpload];
        let xml = S3Error::new(Kind::Internal).to_xml(operation, "1", "h");
        assert_eq!(xml.starts_with("<?xml"), !without.contains(&operation), "{operation:?}");
    }
}

#[test]
fn a_list_of_parts_is_checked_against_the_limits_of_s3() {
    let refused = |parts: Vec<(u32, u64)>| check_parts(parts).err().map(|error| error.kind());
    let full = 5 << 20;
    assert_eq!(refused(vec![(1, 0)]), None, "the last may be short");
    assert_eq!(refused(vec![(1, full), (7, full), (10_000, 1)]), None);
    assert_eq!(refused((1..=10_000).map(|number| (number, full)).collect()), None);
    assert_eq!(refused((1..=10_001).map(|number| (number, full)).collect()), Some(Kind::MalformedXml));
    assert_eq!(refused(vec![]), Some(Kind::MalformedXml));
    assert_eq!(refused(vec![(0, full)]), Some(Kind::PartNumber));
    assert_eq!(refused(vec![(10_001, full)]), Some(Kind::PartNumber));
    assert_eq!(refused(vec![(2, full), (1, full)]), Some(Kind::PartOrder));
    assert_eq!(refused(vec![(2, full), (2, full)]), Some(Kind::PartOrder));
    let small = check_parts([(1, full), (2, full - 1), (3, full)]).unwrap_err();
    assert_eq!((small.code(), status(&small)), ("EntityTooSmall", 400));
    let size = (full - 1).to_string();
    let elements: Vec<_> = small.elements().collect();
    assert_eq!(elements, [("ProposedSize", &*size), ("MinSizeAllowed", "5242880"), ("PartNumber", "2")]);
}

#[test]
fn kms_errors_name_the_resolved_key() {
    let arn = |resource: &str| format!("arn:aws:kms:us-east-1:111122223333:{resource}");
    let told = |kind, named: &str, resolved: Option<&str>| {
        let error = KeyProviderError::new(kind, named);
        let error = resolved.map_or(error.clone(), |resolved| error.with_resolved_key_id(resolved));
        S3Error::of_write(&Error::from(error)).message()
    };
    let uuid = "134f2428-cec1-4b25-a1ae-9048164dba47";
    let (key, alias) = (arn(&format!("key/{uuid}")), arn("alias/nope"));
    let mrk = arn("key/mrk-134f2428cec14b25a1ae9048164dba47");
    assert_eq!(told(Refusal::NotFound, uuid, Some(&key)), format!("Key '{key}' does not exist"));
    assert_eq!(
        told(Refusal::NotFound, "mrk-134f2428cec14b25a1ae9048164dba47", Some(&mrk)),
        format!("Key '{mrk}' does not exist")
    );
    assert_eq!(told(Refusal::NotFound, "alias/nope", Some(&alias)), format!("Alias {alias} is not found."));
    assert_eq!(told(Refusal::NotFound, "alias/nope", None), "Alias alias/nope is not found.");
    assert_eq!(told(Refusal::NotFound, "word", None), "Invalid keyId 'word'");
    assert_eq!(told(Refusal::OtherRegion, "arn:aws:kms:us-west-2:111122223333:key/1", None), "Invalid arn us-west-2");
    assert_eq!(told(Refusal::Disabled, "alias/app", Some(&key)), format!("{key} is disabled."));
    assert_eq!(told(Refusal::PendingDeletion, uuid, Some(&key)), format!("{key} is pending deletion."));
    assert_eq!(told(Refusal::AccessDenied, "alias/app", Some(&key)), "Access Denied");
    // A client gets no 403 because the service's own credentials expired.
    let own = Error::from(KeyProviderError::new(Refusal::Misconfigured, &key).with_transience(true));
    for error in [S3Error::of_read(&own), S3Error::of_write(&own)] {
        assert_eq!((error.code(), status(&error)), ("InternalError", 500));
    }
    for (kind, code) in [
        (Refusal::InvalidState, "KMS.KMSInvalidStateException"),
        (Refusal::InvalidKeyUsage, "KMS.InvalidKeyUsageException"),
    ] {
        let error = S3Error::of_read(&Error::from(KeyProviderError::new(kind, &key)));
        assert_eq!((error.code(), status(&error)), (code, 400));
        assert!(error.message().contains(&key));
    }
}
