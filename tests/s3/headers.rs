//! Headers and form fields: any case, any bytes, and nothing secret shown.

use atrest::s3::{EncryptionHeaders, Operation, S3ErrorKind as Kind, mark_sensitive, names};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::kit::*;

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
fn a_header_that_comes_twice_is_refused_by_name() {
    for name in ALL {
        for values in [["AES256", "AES256"], ["", "aws:kms"]] {
            let fields = values.map(|value| (name.to_uppercase(), value));
            let error = EncryptionHeaders::from_form_fields(fields).unwrap_err();
            assert_eq!((error.kind(), error.argument()), (Kind::HeaderRepeated, Some((name, None))));
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(name, HeaderValue::from_static(value));
            }
            assert_eq!(EncryptionHeaders::from_headers(&headers).unwrap_err(), error);
        }
    }
}

#[test]
fn a_header_that_is_too_long_or_no_text_is_refused_and_not_shown() {
    for name in ALL {
        let error = parse(&[(name, &CANARY.repeat(1_000))]).unwrap_err();
        assert_eq!((error.kind(), error.argument()), (Kind::HeaderTooLong, Some((name, None))));
        assert!(!format!("{error:?} {}", error.to_xml("/", "1")).contains(CANARY));
        for value in [&b"AES\xff256"[..], b"AES\t256", b"\0", "AES256\u{e4}".as_bytes()] {
            let error = EncryptionHeaders::from_form_fields([(name, value)]).unwrap_err();
            assert_eq!((error.kind(), error.argument()), (Kind::HeaderNotText, Some((name, None))));
            assert_eq!(error.status().as_u16(), 400);
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
        let bucket = atrest::s3::BucketEncryption::default();
        let request = atrest::s3::S3Request::new(
            Operation::GetObject { object: world.object(SSE_C) },
            &headers,
            atrest::s3::Transport::Secure,
            &bucket,
        );
        assert!(atrest::s3::decide(&request).is_ok());
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
}

#[test]
fn a_context_is_an_object_of_strings_with_each_name_once() {
    let world = World::new();
    let put: Op = |_| Operation::PutObject;
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is answered is what a client can send again.
    #[test]
    fn a_context_comes_back_as_it_was(pairs in proptest::collection::btree_map("\\PC{1,8}", "\\PC{0,8}", 1..6)) {
        prop_assume!(!pairs.contains_key("aws:s3:arn"));
        let world = World::new();
        let text = context(&serde_json::to_string(&pairs).unwrap());
        let decision = asked(&world, |_| Operation::PutObject, &[(W, "aws:kms"), (K, "alias/app"), (X, &text)]).unwrap();
        let encrypted = world.sse.blocking().encrypt(&world.name, written(&decision).clone(), b"").unwrap();
        let headers = decision.response_headers(Some(&encrypted.envelope));
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
            let error = asked(&world, |_| Operation::PutObject, &pairs).unwrap_err();
            let shown = format!("{error:?} {error} {} {:?}", error.to_xml("/a", "b"), headers(&pairs));
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
