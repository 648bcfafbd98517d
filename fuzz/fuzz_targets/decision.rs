//! Any headers on any operation, bucket and stored envelope: decided about without a panic, and never unencrypted where
//! anything was asked for.

#![no_main]

use std::sync::OnceLock;

use atrest::s3::{
    BlockedEncryption, BucketDefault, BucketEncryption, Caller, Completing, CopySource, DefaultEncryption,
    EncryptionHeaders, EncryptionRecord, NewObject, ObjectEncryption, PartWriting, PolicySource, Profile, ReadKind,
    Resource, S3Error, S3Operation, S3Request, S3Rules, Signature, Stored, Transport, Writing,
};
use atrest::{AnyMode, Backend, CustomerKey, DsseKms, Envelope, ObjectName, SseC, SseKms, SseS3};
use atrest_fuzz::Input;
use libfuzzer_sys::fuzz_target;

/// An object and an upload in each mode.
fn stored() -> &'static [[Stored; 2]] {
    static STORED: OnceLock<Vec<[Stored; 2]>> = OnceLock::new();
    STORED.get_or_init(|| {
        let sse = atrest_fuzz::sse(Backend::fastest(), "master", 1, [1; 32], [2; 32]).expect("a keyring").blocking();
        let name = ObjectName::new("photos", "cat.jpg").expect("a name");
        let customer = CustomerKey::from_slice(&mut [b'a'; 32]).expect("a key");
        let modes: [AnyMode; 4] =
            [SseS3.into(), SseKms::new("app").into(), DsseKms::new("app").into(), SseC::new(customer).into()];
        let recorded = |envelope: Envelope| Stored::encrypted(EncryptionRecord::of_envelope(&envelope), envelope);
        let both = |mode: AnyMode| {
            let upload = sse.begin_multipart(&name, b"upload", mode.clone()).expect("an upload").envelope().clone();
            [recorded(sse.encrypt(&name, mode, b"").expect("an object").envelope), recorded(upload)]
        };
        modes.map(both).into()
    })
}

/// A wrong kind of envelope among them; the last ones are unencrypted, and not there.
fn pick(number: u8) -> Stored {
    let (at, kind) = (usize::from(number / 2 % 6), usize::from(number % 2));
    match (at, stored().get(at)) {
        (_, Some(both)) => both[kind].clone(),
        (4, None) => Stored::unencrypted(),
        _ => Stored::absent(),
    }
}

fn is_unencrypted(stored: &Stored) -> bool {
    stored.record().is_some_and(|record| record.mode().is_none())
}

/// Decides, and says what has to hold of the decision.
fn decide(
    rules: &S3Rules,
    request: &S3Request,
    number: u8,
    first: &Stored,
    second: &Stored,
    asks: bool,
    absent: bool,
) -> Result<(), S3Error> {
    let written = |writing: &Writing| {
        if let Writing::Unencrypted(record) = writing {
            assert!(!asks && absent && record.mode().is_none(), "unencrypted");
        }
    };
    let part = |writing: &PartWriting| {
        if let PartWriting::Unencrypted = writing {
            assert!(!asks && is_unencrypted(first), "a part unencrypted");
        }
    };
    let source = || CopySource::new(second.clone(), Resource::object("photos", "dog.jpg"), PolicySource::Unasked);
    match number % 12 {
        0 => written(&rules.decide_write(request, NewObject::Put)?.writing),
        1 => written(&rules.decide_write(request, NewObject::Post)?.writing),
        2 => written(&rules.decide_write(request, NewObject::Multipart { checksum_algorithm: true })?.writing),
        3 => written(&rules.decide_copy(request, &source())?.writing),
        4 => part(&rules.decide_part(request, first)?.writing),
        5 => part(&rules.decide_part_copy(request, first, &source())?.part.writing),
        6 => {
            let decision = rules.decide_complete(request, first)?;
            assert_eq!(matches!(decision.completing, Completing::Unencrypted), is_unencrypted(first));
            let _ = decision.response_headers();
        }
        7 => _ = rules.decide_read(request, ReadKind::Get, first)?.response_headers(),
        8 => _ = rules.decide_read(request, ReadKind::Head, first)?.response_headers(),
        9 => _ = rules.decide_read(request, ReadKind::Attributes, first)?.response_headers(),
        10 => _ = rules.decide_update(request, first, &ObjectEncryption::new("app:1"))?.encryption.mode(),
        _ => rules.decide_other(request, &["s3:ListBucket"])?,
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some([operation, first, second, bucket]) = input.array() else { return };
    let mut configured = BucketEncryption::default();
    configured.bucket_key_enabled = bucket & 8 != 0;
    configured.blocked = (bucket & 16 != 0).then_some(BlockedEncryption::SseC);
    configured.default = match bucket & 3 {
        0 | 1 => DefaultEncryption::SseS3,
        2 => DefaultEncryption::SseKms { key_id: Some("app".to_owned()) },
        _ => DefaultEncryption::DsseKms { key_id: None },
    };
    let absent = bucket & 4 != 0;
    let configured = if absent { BucketDefault::Absent } else { configured.into() };
    let transport = if bucket & 32 == 0 { Transport::Secure } else { Transport::Plain };

    let mut fields = Vec::new();
    while let Some(name) = input.u8() {
        let Some(value) = input.prefixed() else { break };
        let Some(name) = atrest_fuzz::encryption_header(name) else { break };
        fields.push((name, value));
    }
    let Ok(headers) = EncryptionHeaders::from_form_fields(fields.iter().copied()) else { return };
    let asks = fields.iter().any(|(name, _)| !name.starts_with("x-amz-copy-source"));
    let caller = Caller::signed(transport, Signature::V4, "arn:aws:iam::111122223333:user/alice");
    let resource = Resource::object("photos", "cat.jpg");
    let request = S3Request::new(headers, caller, resource, configured, PolicySource::Unasked);
    let mut rules = S3Rules::new();
    if bucket & 64 != 0 {
        rules = rules.with_profile(Profile::CephTests);
    }
    if bucket & 128 != 0 {
        rules = rules.with_bucket_keys(true).with_encryption_without_tls(true);
    }
    let decided = decide(&rules, &request, operation, &pick(first), &pick(second), asks, absent);
    if let Err(error) = decided {
        assert!(!error.to_xml(S3Operation::PutObject, "1", "h").is_empty());
        assert!(!rules.status(&error).is_success());
    }
});
