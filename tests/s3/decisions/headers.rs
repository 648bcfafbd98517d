//! Headers and form fields: any letter case, any bytes, and no secret in `Debug`.

use atrest::s3::{EncryptionHeaders, S3ErrorKind as Kind, S3Operation, mark_sensitive, names};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::kit::*;

const ALL: [&str; 10] = [W, K, X, B, C_ALGORITHM, C_KEY, C_MD5, S_ALGORITHM, S_KEY, S_MD5];

fn map(pairs: Pairs<'_>) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

#[test]
fn the_names_are_those_of_the_service() {
    let named = [
        names::SERVER_SIDE_ENCRYPTION,
        names::KMS_KEY_ID,
        names::CONTEXT,
        names::BUCKET_KEY_ENABLED,
        names::CUSTOMER_ALGORITHM,
        names::CUSTOMER_KEY,
        names::CUSTOMER_KEY_MD5,
        names::SOURCE_CUSTOMER_ALGORITHM,
        names::SOURCE_CUSTOMER_KEY,
        names::SOURCE_CUSTOMER_KEY_MD5,
    ];
    assert_eq!(named, ALL);
    for name in named {
        assert_eq!(HeaderName::from_static(name).as_str(), name, "lower case, as `http` wants it");
    }
}

#[test]
fn a_header_that_comes_twice_is_one_where_the_values_agree_and_else_refused_by_name() {
    for name in ALL {
        let both = |values: [&'static str; 2]| {
            let of_form = EncryptionHeaders::from_form_fields(values.map(|value| (name.to_uppercase(), value)));
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(name, HeaderValue::from_static(value));
            }
            (of_form, EncryptionHeaders::from_headers(&headers))
        };
        let (of_form, of_headers) = both(["AES256", "AES256"]);
        assert!(of_form.is_ok() && of_headers.is_ok(), "{name}");
        // Of a bucket key the value counts.
        let differ = if name == B { ["true", "false"] } else { ["", "aws:kms"] };
        // Of a context the pairs count: "e30=" has none, and "" is no context.
        let differ = if name == X { ["", "e30="] } else { differ };
        let (of_form, of_headers) = both(differ);
        let error = of_form.unwrap_err();
        assert_eq!((error.kind(), error.argument()), (Kind::HeaderRepeated, Some((name, None))));
        assert_eq!(of_headers.unwrap_err(), error);
    }
}

#[test]
fn the_parameters_of_a_presigned_url_count_as_headers() {
    let world = World::new();
    let encoded = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let query = |pairs: Pairs<'_>| {
        let pairs = pairs.iter().map(|(name, value)| format!("{}={}", name.to_uppercase(), encoded(value)));
        let others = ["X-Amz-Algorithm=AWS4-HMAC-SHA256".to_owned(), "versionId".to_owned(), String::new()];
        others.into_iter().chain(pairs).collect::<Vec<_>>().join("&")
    };
    let parsed =
        |headers: Pairs<'_>, pairs: Pairs<'_>| EncryptionHeaders::from_request(&map(headers), Some(&query(pairs)));
    let ask = Ask::of(parsed(&[], &CUSTOMER).unwrap());
    assert!(ask.decide(Operation::Get(world.object(SSE_C))).is_ok());
    assert!(parsed(&CUSTOMER, &CUSTOMER).is_ok(), "a header and the same parameter are one");
    let split = Ask::of(parsed(&CUSTOMER[..1], &CUSTOMER[1..]).unwrap());
    assert!(split.decide(Operation::Get(world.object(SSE_C))).is_ok());
    for other in [(C_KEY, OTHER), (C_ALGORITHM, "aes"), (C_MD5, OTHER_MD5)] {
        let error = parsed(&CUSTOMER, &[other]).unwrap_err();
        assert_eq!((error.kind(), error.argument()), (Kind::HeaderRepeated, Some((other.0, None))));
        assert!(!format!("{error:?}").contains(KEY));
    }
    assert_eq!(
        Ask::of(parsed(&[(W, "AES256")], &CUSTOMER).unwrap()).kind(Operation::Put),
        Some(Kind::CustomerKeyConflict)
    );
    for query in ["%", "%zz=%", "&&&=&", "x-amz-server-side-encryption", "%ff=%ff", "=x-amz-server-side-encryption"] {
        let _ = EncryptionHeaders::from_request(&HeaderMap::new(), Some(query));
    }
    let bare = EncryptionHeaders::from_request(&HeaderMap::new(), Some(W)).unwrap();
    assert_eq!(Ask::of(bare).kind(Operation::Put), Some(Kind::MethodUnknown), "it is there, and empty");
}

#[test]
fn a_bucket_key_is_asked_for_in_any_case_and_with_any_method() {
    for value in ["true", "True", "TRUE", " true"] {
        for method in ["aws:kms", "AES256", "aws:kms:dsse"] {
            let decision = Ask::new(&[(W, method), (B, value)]).decide(Operation::Put).unwrap();
            let Some(atrest::s3::Writing::Encrypt(encryption)) = decision.writing() else { panic!("encrypted") };
            assert!(encryption.bucket_key_asked());
        }
    }
    let both = EncryptionHeaders::from_form_fields([(B, "True"), (B, "true")]);
    assert!(both.is_ok(), "two that say the same are one");
    let differ = EncryptionHeaders::from_form_fields([(B, "True"), (B, "False")]).unwrap_err();
    assert_eq!(differ.kind(), Kind::HeaderRepeated);
    assert_eq!(Ask::new(&[(W, "AES256"), (B, "1")]).kind(Operation::Put), Some(Kind::BucketKeyInvalid));
}

/// Base64 is decoded leniently, and only a write reports a wrong length.
#[test]
fn a_key_is_read_as_the_service_reads_it() {
    use data_encoding::BASE64;
    use md5::{Digest, Md5};
    let world = World::new();
    let put = |key: &str, md5: &str| Ask::new(&[CUSTOMER[0], (C_KEY, key), (C_MD5, md5)]).kind(Operation::Put);
    let get = |key: &str, md5: &str| {
        Ask::new(&[CUSTOMER[0], (C_KEY, key), (C_MD5, md5)]).kind(Operation::Get(world.object(SSE_C)))
    };
    for lenient in
        [format!(" {KEY}"), format!("{}\t{}", &KEY[..8], &KEY[8..]), format!("!#{KEY}-_"), format!("{KEY}YQ")]
    {
        assert_eq!((put(&lenient, KEY_MD5), get(&lenient, KEY_MD5)), (None, None), "{lenient}");
    }
    for len in [1, 24, 31, 33, 64] {
        let bytes = vec![b'a'; len];
        let (key, md5) = (BASE64.encode(&bytes), BASE64.encode(&Md5::digest(&bytes)));
        assert_eq!(put(&key, &md5), Some(Kind::CustomerKeyInvalid), "{len}");
        assert_eq!(get(&key, &md5), Some(Kind::CustomerKeyWrong), "{len}");
        assert_eq!(put(&key, KEY_MD5), Some(Kind::CustomerKeyMd5Mismatch), "{len}");
    }
    for nothing in ["", "a", "ZZ", "####", "AAA", "!=!"] {
        assert_eq!(put(nothing, KEY_MD5), Some(Kind::CustomerKeyTooShort), "{nothing}");
    }
    for padded in ["====", "AQ==AQ==", "A===", "=A=="] {
        assert_eq!(put(padded, KEY_MD5), Some(Kind::CustomerKeyMd5Mismatch), "{padded}");
    }
    assert_eq!(put("\u{e9}", KEY_MD5), Some(Kind::CustomerKeyNotAscii));
    for strict in [format!("!!{KEY_MD5}"), KEY_MD5.trim_end_matches('=').to_owned(), String::new()] {
        assert_eq!(put(KEY, &strict), Some(Kind::CustomerKeyMd5Mismatch), "an MD5 is not read leniently: {strict}");
    }
}

#[test]
fn a_header_that_is_too_long_or_no_text_is_refused_and_not_shown() {
    for name in ALL {
        let error = parse(&[(name, &CANARY.repeat(1_000))]).unwrap_err();
        assert_eq!((error.kind(), error.argument()), (Kind::HeaderTooLong, Some((name, None))));
        assert!(!format!("{error:?} {}", error.to_xml(S3Operation::PutObject, "1", "")).contains(CANARY));
        // What is wrong with a key or an MD5 is told by the rules of SSE-C.
        let is_key = [C_KEY, C_MD5, S_KEY, S_MD5].contains(&name);
        for value in [&b"AES\xff256"[..], b"AES\t256", b"\0", "AES256\u{e4}".as_bytes()] {
            if is_key {
                assert!(EncryptionHeaders::from_form_fields([(name, value)]).is_ok());
                continue;
            }
            let error = EncryptionHeaders::from_form_fields([(name, value)]).unwrap_err();
            assert_eq!((error.kind(), error.argument()), (Kind::HeaderNotText, Some((name, None))));
            assert_eq!(status(&error), 400);
        }
    }
}

#[test]
fn form_fields_are_the_same_as_headers_in_any_case() {
    let world = World::new();
    let fields = CUSTOMER.map(|(name, value)| (name.to_uppercase(), value));
    let others = [("Content-Type".to_owned(), "image/jpeg"), ("key".to_owned(), "cat.jpg"), ("ä".to_owned(), "")];
    let of_form = EncryptionHeaders::from_form_fields(fields.into_iter().chain(others)).unwrap();
    let of_headers = EncryptionHeaders::from_headers(&map(&CUSTOMER)).unwrap();
    assert_eq!(format!("{of_form:?}"), format!("{of_headers:?}"));
    for headers in [of_form, of_headers] {
        assert!(Ask::of(headers).decide(Operation::Get(world.object(SSE_C))).is_ok());
    }
}

#[test]
fn a_request_without_encryption_headers_has_none() {
    assert!(parse(&[("x-amz-date", "20260401T000000Z"), ("host", "photos"), ("x-amz", "")]).unwrap().is_empty());
    for name in ALL {
        assert!(!parse(&[(name, "")]).unwrap().is_empty(), "an empty header is there: {name}");
    }
}

#[test]
fn what_belongs_in_no_log_is_marked() {
    let mut headers = map(&[&CUSTOMER[..], &SOURCE, &[(W, "aws:kms"), (X, "e30="), ("host", "photos")]].concat());
    mark_sensitive(&mut headers);
    for (name, value) in &headers {
        let secret = [C_KEY, C_MD5, S_KEY, S_MD5, X].contains(&name.as_str());
        assert_eq!(value.is_sensitive(), secret, "{name}");
    }
    assert!(!format!("{headers:?}").contains(KEY));
}

#[test]
fn debug_shows_no_key_no_md5_and_no_value_of_the_context() {
    let context = context(&format!(r#"{{"team":"{CANARY}"}}"#));
    let all = [&CUSTOMER[..], &SOURCE, &[(W, "aws:kms"), (K, "alias/app"), (X, &context), (B, "true")]].concat();
    let shown = format!("{:?}", headers(&all));
    for secret in [KEY, KEY_MD5, CANARY, &context] {
        assert!(!shown.contains(secret), "{shown}");
    }
    for public in ["alias/app", "team", "true"] {
        assert!(shown.contains(public), "{shown}");
    }
    let misplaced = format!("{:?}", headers(&[(W, "aws:kms"), (K, KEY)]));
    assert!(!misplaced.contains(KEY), "a customer key in the header of the KMS key is not shown: {misplaced}");
}

#[test]
fn a_context_is_an_object_of_strings_with_each_name_once() {
    let world = World::new();
    let put: Op = |_| Operation::Put;
    let long = format!(r#"{{"a":"{}"}}"#, "b".repeat(8_192));
    let deep = format!("{}{}", r#"{"a":"#.repeat(2_000), "}".repeat(2_000));
    let refused = [
        "",
        "[]",
        "1",
        "null",
        "\"a\"",
        "{",
        "{}{}",
        r#"{"a":1}"#,
        r#"{"a":null}"#,
        r#"{"a":{"b":"c"}}"#,
        r#"{"a":["b"]}"#,
        r#"{"a":"b","a":"c"}"#,
        r#"{"a":"b","\u0061":"c"}"#,
        r#"{"":"b"}"#,
        r#"{"aws:s3:arn":"b"}"#,
        r#"{"aws:s3:arn":"arn:aws:s3:::photos/cat.jpg","aws:s3:arn":"arn:aws:s3:::photos/cat.jpg"}"#,
        &long,
        &deep,
    ];
    for json in refused {
        let text = context(json);
        assert_eq!(kind(asked(&world, put, &[(W, "aws:kms"), (X, &text)])), Some(Kind::ContextInvalid), "{json}");
    }
    for text in ["{}", "e30", "e30=\u{20}", "e30==", "====", "e31="] {
        assert_eq!(kind(asked(&world, put, &[(W, "aws:kms"), (X, text)])), Some(Kind::ContextInvalid), "{text}");
    }
    for json in ["{}", " { \"a\" : \"b\" } ", r#"{"a":"","b":"\u00e4\ud83d\ude00","aws:s3":"c"}"#] {
        let text = context(json);
        assert!(asked(&world, put, &[(W, "aws:kms"), (X, &text)]).is_ok(), "{json}");
    }
}

#[test]
fn the_pair_that_the_library_adds_may_be_sent_with_the_value_it_has_and_is_answered() {
    let world = World::new();
    let text = context(&format!(r#"{{"a":"1","aws:s3:arn":"{RESOURCE}","team":"zoo"}}"#));
    let decision = asked(&world, |_| Operation::Put, &[(W, "aws:kms"), (K, "alias/app"), (X, &text)]).unwrap();
    let encrypted = world.sse.blocking().encrypt(&world.name, written(&decision), b"meow").unwrap();
    assert_eq!(encrypted.envelope.context().unwrap().len(), 2, "it is not stored");
    let headers = decision.response_headers(&recorded(&world, &decision));
    assert_eq!(headers[X], text);
    let alone = context(&format!(r#"{{"aws:s3:arn":"{RESOURCE}"}}"#));
    let decision = asked(&world, |_| Operation::Put, &[(W, "aws:kms"), (K, "alias/app"), (X, &alone)]).unwrap();
    assert_eq!(decision.response_headers(&recorded(&world, &decision))[X], alone);
    let other = context(r#"{"aws:s3:arn":"arn:aws:s3:::photos/dog.jpg"}"#);
    assert_eq!(kind(asked(&world, |_| Operation::Put, &[(W, "aws:kms"), (X, &other)])), Some(Kind::ContextInvalid));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A client can send the headers of the answer again.
    #[test]
    fn a_context_comes_back_as_it_was(pairs in proptest::collection::btree_map("\\PC{1,8}", "\\PC{0,8}", 1..6)) {
        prop_assume!(!pairs.contains_key("aws:s3:arn"));
        let world = World::new();
        let text = context(&serde_json::to_string(&pairs).unwrap());
        let decision = asked(&world, |_| Operation::Put, &[(W, "aws:kms"), (K, "alias/app"), (X, &text)]).unwrap();
        let headers = decision.response_headers(&recorded(&world, &decision));
        prop_assert_eq!(headers[X].to_str().unwrap(), text);
    }
}

#[test]
fn a_key_that_stands_where_it_does_not_belong_is_shown_nowhere() {
    let world = World::new();
    let raw = "a".repeat(32);
    for secret in [KEY_MD5, &*raw] {
        for pairs in [
            [(C_ALGORITHM, secret), (C_KEY, KEY), (C_MD5, KEY_MD5)],
            [(W, secret), (C_KEY, KEY), (C_MD5, KEY_MD5)],
            [(W, secret), (K, "alias/app"), (B, "true")],
        ] {
            let error = asked(&world, |_| Operation::Put, &pairs).unwrap_err();
            let shown =
                format!("{error:?} {error} {} {:?}", error.to_xml(S3Operation::PutObject, "1", ""), headers(&pairs));
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_field_of_a_form_is_known_with_spaces_around_its_name() {
    let form = EncryptionHeaders::from_form_fields([(format!(" {W}\t"), "AES256")]).unwrap();
    assert_eq!(format!("{form:?}"), format!("{:?}", headers(&[(W, "AES256")])));
}

#[test]
fn marking_looks_at_any_number_of_headers() {
    let mut many = http::HeaderMap::new();
    for at in 0..24_000 {
        many.insert(http::HeaderName::try_from(format!("x-{at}")).unwrap(), http::HeaderValue::from_static("a"));
    }
    many.insert(http::HeaderName::try_from(C_KEY).unwrap(), http::HeaderValue::from_static(KEY));
    while many.try_reserve(1).is_ok() && many.len() < 24_576 {
        let at = many.len();
        many.insert(http::HeaderName::try_from(format!("y-{at}")).unwrap(), http::HeaderValue::from_static("a"));
    }
    atrest::s3::mark_sensitive(&mut many);
    assert!(many[C_KEY].is_sensitive());
}
