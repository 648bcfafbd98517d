//! Any headers on any operation, bucket and stored envelope: decided about without a panic, and never in the clear where
//! anything was asked for.

#![no_main]

use std::sync::OnceLock;

use atrest::s3::{
    Access, Bucket, BucketEncryption, DefaultEncryption, EncryptionHeaders, ObjectEncryption, Operation, Profile,
    S3Request, Stored, Transport, Write, condition_values, decide,
};
use atrest::{AnyMode, Backend, CustomerKey, DsseKms, Envelope, Expected, ObjectName, SseC, SseKms, SseS3};
use atrest_fuzz::Input;
use libfuzzer_sys::fuzz_target;

type Recorded = (Envelope, Expected);

/// An object and an upload in each mode.
fn stored() -> &'static [[Recorded; 2]] {
    static STORED: OnceLock<Vec<[Recorded; 2]>> = OnceLock::new();
    STORED.get_or_init(|| {
        let sse = atrest_fuzz::sse(Backend::fastest(), "master", 1, [1; 32], [2; 32]).expect("a keyring").blocking();
        let name = ObjectName::new("photos", "cat.jpg").expect("a name");
        let customer = CustomerKey::from_bytes(&mut [b'a'; 32]).expect("it is not zero");
        let modes: [AnyMode; 4] =
            [SseS3.into(), SseKms::new("app").into(), DsseKms::new("app").into(), SseC::new(customer).into()];
        let recorded = |envelope: Envelope| {
            let expected = Expected::exactly(&envelope);
            (envelope, expected)
        };
        let both = |mode: AnyMode| {
            let upload = sse.begin_multipart(&name, b"upload", mode.clone()).expect("an upload").envelope().clone();
            [recorded(sse.encrypt(&name, mode, b"").expect("an object").envelope), recorded(upload)]
        };
        modes.map(both).into()
    })
}

/// A wrong kind of envelope among them: the fifth is in the clear.
fn pick(number: u8) -> Stored<'static> {
    let (at, kind) = (usize::from(number / 2 % 5), usize::from(number % 2));
    stored()
        .get(at)
        .map_or(Stored::InTheClear, |both| Stored::Encrypted { envelope: &both[kind].0, expected: &both[kind].1 })
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some([operation, first, second, bucket]) = input.array() else { return };
    let (first, second) = (pick(first), pick(second));
    let target = ObjectEncryption::new("app");
    let operation = match operation % 11 {
        0 => Operation::PutObject,
        1 => Operation::PostObject,
        2 => Operation::CopyObject { source: first },
        3 => Operation::CreateMultipartUpload,
        4 => Operation::UploadPart { upload: first },
        5 => Operation::UploadPartCopy { upload: first, source: second },
        6 => Operation::CompleteMultipartUpload { upload: first },
        7 => Operation::GetObject { object: first },
        8 => Operation::HeadObject { object: first },
        9 => Operation::GetObjectAttributes { object: first },
        _ => Operation::UpdateObjectEncryption { object: first, target: &target },
    };
    let mut configured = BucketEncryption::default();
    configured.bucket_key_enabled = bucket & 8 != 0;
    configured.blocks_customer_keys = bucket & 16 != 0;
    configured.default = match bucket & 3 {
        0 | 1 => DefaultEncryption::SseS3,
        2 => DefaultEncryption::SseKms { key_id: Some("app".to_owned()) },
        _ => DefaultEncryption::DsseKms { key_id: None },
    };
    let configured = Some(configured).filter(|_| bucket & 4 == 0);
    let transport = if bucket & 32 == 0 { Transport::Secure } else { Transport::Plain };

    let mut fields = Vec::new();
    while let Some(name) = input.u8() {
        let Some(value) = input.prefixed() else { break };
        let Some(name) = atrest_fuzz::encryption_header(name) else { break };
        fields.push((name, value));
    }
    let Ok(headers) = EncryptionHeaders::from_form_fields(fields.iter().copied()) else { return };
    let asks = fields.iter().any(|(name, _)| !name.starts_with("x-amz-copy-source"));
    let of = configured.as_ref().map_or(Bucket::StoresInTheClear, Bucket::Encrypts);
    let mut request = S3Request::new(operation, &headers, transport, of);
    if bucket & 64 != 0 {
        request = request.profile(Profile::CephTests);
    }
    assert!(condition_values(&request).iter().any(|(name, _)| name == "aws:SecureTransport"));
    match decide(&request) {
        Ok(decision) => {
            if let Some(Write::InTheClear) = decision.write {
                assert!(!asks && configured.is_none(), "in the clear");
            }
            if let Some(Access::InTheClear) = decision.upload {
                assert!(!asks && matches!(first, Stored::InTheClear), "a part in the clear");
            }
            if let Stored::Encrypted { envelope, .. } = first {
                decision.response_headers(Some(envelope));
            }
        }
        Err(error) => assert!(!error.to_xml("/", "1").is_empty()),
    }
});
