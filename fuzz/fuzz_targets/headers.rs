//! Any fields as encryption headers: parsed or refused, by names of any case, and nothing secret in what is shown.

#![no_main]

use atrest::s3::{EncryptionHeaders, S3Operation, mark_sensitive, names};
use atrest_fuzz::Input;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (mut fields, mut map) = (Vec::new(), HeaderMap::new());
    while let Some(name) = input.u8() {
        let Some(value) = input.prefixed() else { break };
        let Some(name) = atrest_fuzz::encryption_header(name) else { break };
        fields.push((name.to_uppercase(), value));
        if let Ok(value) = HeaderValue::from_bytes(value) {
            map.append(HeaderName::from_static(name), value);
        }
    }
    let of_form = EncryptionHeaders::from_form_fields(fields.iter().map(|(name, value)| (name, value)));
    let complete = map.len() == fields.len();
    // The same fields as the query of a presigned URL, every byte escaped.
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", escaped(name.as_bytes()), escaped(value)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let of_query = EncryptionHeaders::from_request(&HeaderMap::new(), Some(&query));
    assert_eq!(
        format!("{of_query:?}"),
        format!("{:?}", EncryptionHeaders::from_form_fields(fields.iter().map(|(name, value)| (name, value))))
    );
    let of_headers = EncryptionHeaders::from_headers(&map);
    match (&of_form, &of_headers) {
        // Which of two faults is told depends on the order of the fields, which a map does not keep.
        (Ok(form), Ok(headers)) if complete => assert_eq!(format!("{form:?}"), format!("{headers:?}")),
        (Err(error), Err(_)) => {
            assert!(error.to_xml(S3Operation::PutObject, "1", "h").len() < 1_000, "a value is shown")
        }
        _ => assert!(!complete, "they differ: {of_form:?} {of_headers:?}"),
    }
    mark_sensitive(&mut map);
    for name in names::SENSITIVE {
        assert!(map.get_all(name).iter().all(HeaderValue::is_sensitive));
    }
});
