//! The XML of S3: the encryption of a bucket, and the encryption of one object.
//!
//! The grade beside a case is that of its facts: R is a recorded answer of the service, A its documentation.

mod random;

use atrest::s3::BucketEncryptionError::{
    self, BucketKeyInvalid, KeyIdNotApplicable, KmsKeyMissing, KmsKeyNotArn, MalformedXml, NotSseKms, ToOtherMode,
    UnknownAlgorithm,
};
use atrest::s3::{BlockedEncryption, BucketEncryption, DefaultEncryption, ObjectEncryption};

const NS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A body of PutBucketEncryption with one rule.
fn rule(inside: &str) -> String {
    format!(
        "<ServerSideEncryptionConfiguration xmlns=\"{NS}\"><Rule>{inside}</Rule></ServerSideEncryptionConfiguration>"
    )
}

fn default(inside: &str) -> String {
    format!("<ApplyServerSideEncryptionByDefault>{inside}</ApplyServerSideEncryptionByDefault>")
}

fn by_default(inside: &str) -> String {
    rule(&default(inside))
}

const AES256: &str = "<SSEAlgorithm>AES256</SSEAlgorithm>";

fn parsed(xml: &str) -> Result<BucketEncryption, BucketEncryptionError> {
    BucketEncryption::from_xml(xml.as_bytes())
}

fn bucket(default: DefaultEncryption, bucket_key_enabled: bool, blocks_customer_keys: bool) -> BucketEncryption {
    let mut bucket = BucketEncryption::default();
    bucket.default = default;
    bucket.bucket_key_enabled = bucket_key_enabled;
    bucket.blocked = blocks_customer_keys.then_some(BlockedEncryption::SseC);
    bucket
}

fn kms(key_id: &str) -> DefaultEncryption {
    DefaultEncryption::SseKms { key_id: Some(key_id.into()) }
}

#[track_caller]
fn refused(xml: &str, error: BucketEncryptionError) {
    assert_eq!(parsed(xml), Err(error), "{xml}");
}

#[test]
fn every_configuration_that_s3_knows_is_read() {
    use DefaultEncryption::{DsseKms, SseKms, SseS3};
    let kms_word = "<SSEAlgorithm>aws:kms</SSEAlgorithm>";
    let with_key = format!("{kms_word}<KMSMasterKeyID>{ARN}</KMSMasterKeyID>");
    let key_first = format!("<KMSMasterKeyID>alias/app</KMSMasterKeyID>{kms_word}");
    let blocked = |types: &str| format!("<BlockedEncryptionTypes>{types}</BlockedEncryptionTypes>");
    let (none, sse_c) = ("<EncryptionType>NONE</EncryptionType>", "<EncryptionType>SSE-C</EncryptionType>");
    let unblocked = || {
        let mut unblocked = bucket(SseS3, false, false);
        unblocked.blocked = Some(BlockedEncryption::None);
        unblocked
    };
    let cases = [
        (default(AES256), bucket(SseS3, false, false)),
        (default(kms_word), bucket(SseKms { key_id: None }, false, false)),
        (default(&with_key), bucket(kms(ARN), false, false)),
        (default(&key_first), bucket(kms("alias/app"), false, false)),
        (default("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>"), bucket(DsseKms { key_id: None }, false, false)),
        (default(&with_key) + "<BucketKeyEnabled>true</BucketKeyEnabled>", bucket(kms(ARN), true, false)),
        // R: it is taken, and no object says so.
        (default(AES256) + "<BucketKeyEnabled>true</BucketKeyEnabled>", bucket(SseS3, true, false)),
        ("<BucketKeyEnabled> false\n</BucketKeyEnabled>".to_owned() + &default(AES256), bucket(SseS3, false, false)),
        (default(AES256) + &blocked(sse_c), bucket(SseS3, false, true)),
        (default(AES256) + &blocked(none), unblocked()),
        (default(AES256) + &blocked(""), bucket(SseS3, false, false)),
        (default(AES256) + &blocked(&sse_c.repeat(2)), bucket(SseS3, false, true)),
        // A: how the guide blocks and unblocks SSE-C.
        (blocked(sse_c), bucket(SseS3, false, true)),
        (blocked(none), unblocked()),
        // An empty key id counts as absent, with AES256 too.
        (default(&format!("{AES256}<KMSMasterKeyID></KMSMasterKeyID>")), bucket(SseS3, false, false)),
        (default(&format!("{kms_word}<KMSMasterKeyID/>")), bucket(SseKms { key_id: None }, false, false)),
    ];
    for (inside, expected) in cases {
        assert_eq!(parsed(&rule(&inside)), Ok(expected), "{inside}");
    }
}

#[test]
fn the_same_document_is_read_however_xml_writes_it() {
    let spread = "<?xml version='1.0' encoding='utf-8' standalone=\"yes\"?>\r\n<!-- a < b -->\n\
        <ServerSideEncryptionConfiguration>\r\n\t<Rule>\n <ApplyServerSideEncryptionByDefault >\n\
        <SSEAlgorithm> aws:kms <!-- why not --></SSEAlgorithm>\n<KMSMasterKeyID>a&amp;&#x62;<![CDATA[<c>]]></KMSMasterKeyID >\
        </ApplyServerSideEncryptionByDefault>\n</Rule></ServerSideEncryptionConfiguration>\n<!-- the end -->\n";
    let prefixed = format!(
        "\u{FEFF}<s3:ServerSideEncryptionConfiguration xmlns:s3='{NS}' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>\
        <s3:Rule><s3:ApplyServerSideEncryptionByDefault><s3:SSEAlgorithm>aws:kms</s3:SSEAlgorithm>\
        <other:KMSMasterKeyID xmlns:other='{NS}'>a&#38;b&lt;c&gt;</other:KMSMasterKeyID>\
        </s3:ApplyServerSideEncryptionByDefault></s3:Rule></s3:ServerSideEncryptionConfiguration>"
    );
    let plain = by_default("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>a&amp;b&lt;c></KMSMasterKeyID>");
    for xml in [spread, &prefixed, &plain] {
        assert_eq!(parsed(xml), Ok(bucket(kms("a&b<c>"), false, false)), "{xml}");
    }
}

#[test]
fn a_bucket_answers_what_s3_answers() {
    let answer = |algorithm: &str, bucket_key: &str, blocked: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ServerSideEncryptionConfiguration xmlns=\"{NS}\"><Rule>\
            <BucketKeyEnabled>{bucket_key}</BucketKeyEnabled>\
            <ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</ApplyServerSideEncryptionByDefault>\
            {blocked}\
            </Rule></ServerSideEncryptionConfiguration>"
        )
    };
    // R: AES256 and no bucket key; new buckets block SSE-C, and the answer says what was ever said of it.
    let types = |blocked: &str| {
        format!("<BlockedEncryptionTypes><EncryptionType>{blocked}</EncryptionType></BlockedEncryptionTypes>")
    };
    let new = BucketEncryption::new_bucket(BlockedEncryption::SseC);
    assert_eq!(new.to_xml(), answer("AES256</SSEAlgorithm>", "false", &types("SSE-C")));
    let older = BucketEncryption::new_bucket(BlockedEncryption::None);
    assert_eq!(older.to_xml(), answer("AES256</SSEAlgorithm>", "false", ""));
    assert_eq!(older, BucketEncryption::default());
    let key = "aws:kms</SSEAlgorithm><KMSMasterKeyID>a&amp;b</KMSMasterKeyID>";
    assert_eq!(bucket(kms("a&b"), true, false).to_xml(), answer(key, "true", ""));
    let mut said = older.clone();
    said.blocked = Some(BlockedEncryption::None);
    assert_eq!(said.to_xml(), answer("AES256</SSEAlgorithm>", "false", &types("NONE")));
}

#[test]
fn a_delete_puts_back_what_a_new_bucket_has_however_often() {
    // R: 204 both times, and the same answer as a new bucket's.
    for blocks in [false, true] {
        let deleted = bucket(kms(ARN), true, blocks).after_delete();
        assert_eq!(deleted, bucket(DefaultEncryption::SseS3, false, blocks));
        assert_eq!(deleted.after_delete(), deleted);
    }
}

#[test]
fn a_put_keeps_what_it_does_not_speak_of() {
    let before = bucket(kms(ARN), true, true);
    let put = |inside: &str| before.after_put(rule(inside).as_bytes());
    // R: configuring a default does not unblock SSE-C. A: bucket keys are off unless they are asked for.
    assert_eq!(put(&default(AES256)), Ok(bucket(DefaultEncryption::SseS3, false, true)));
    let unblock = "<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>";
    let mut unblocked = bucket(kms(ARN), true, false);
    unblocked.blocked = Some(BlockedEncryption::None);
    assert_eq!(put(unblock), Ok(unblocked));
    assert_eq!(put("<BucketKeyEnabled>false</BucketKeyEnabled>"), Ok(bucket(kms(ARN), false, true)));
    assert_eq!(put("<BlockedEncryptionTypes/>"), Ok(before.clone()));
}

#[test]
fn there_is_exactly_one_rule() {
    // R.
    let rules = |count: usize| {
        let rules = format!("<Rule>{}</Rule>", default(AES256)).repeat(count);
        format!("<ServerSideEncryptionConfiguration>{rules}</ServerSideEncryptionConfiguration>")
    };
    refused(&rules(0), MalformedXml);
    assert!(parsed(&rules(1)).is_ok());
    refused(&rules(2), MalformedXml);
    refused("<ServerSideEncryptionConfiguration/>", MalformedXml);
}

#[test]
fn a_kms_key_is_named_only_where_there_is_one() {
    // R.
    refused(&by_default(&format!("{AES256}<KMSMasterKeyID>{ARN}</KMSMasterKeyID>")), KeyIdNotApplicable);
    refused(&by_default(&format!("<KMSMasterKeyID>{ARN}</KMSMasterKeyID>{AES256}")), KeyIdNotApplicable);
}

#[test]
fn an_algorithm_that_buckets_do_not_have_is_refused_by_name() {
    for algorithm in ["", "aes256", "AES-256", "aws:KMS", "aws:kms:", "aws:fsx", "aws:backup", "rot13", "AES256 AES256"]
    {
        refused(&by_default(&format!("<SSEAlgorithm>{algorithm}</SSEAlgorithm>")), UnknownAlgorithm);
    }
}

#[test]
fn what_is_not_this_requests_xml_is_malformed() {
    let key = |id: &str| format!("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{id}</KMSMasterKeyID>");
    let blocked = |types: &str| format!("<BlockedEncryptionTypes>{types}</BlockedEncryptionTypes>");
    let whole = by_default(AES256);
    let spoilt = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        whole.replace(from, to)
    };
    let cases = [
        // No document, half of one, more than one.
        String::new(),
        " \n".into(),
        "AES256".into(),
        whole[..whole.len() - 1].into(),
        whole.replace("</ServerSideEncryptionConfiguration>", ""),
        whole.repeat(2),
        whole.clone() + "<Rule/>",
        whole.clone() + "AES256",
        "x".to_owned() + &whole,
        whole.clone() + "&#32;",
        whole.clone() + "<![CDATA[ ]]>",
        // Other elements, doubled, missing or misplaced ones.
        rule(""),
        by_default(""),
        by_default(&AES256.repeat(2)),
        by_default(&(key("a") + "<KMSMasterKeyID>a</KMSMasterKeyID>")),
        by_default("<KMSMasterKeyID>a</KMSMasterKeyID>"),
        rule(&default(AES256).repeat(2)),
        rule(&(default(AES256) + &"<BucketKeyEnabled>true</BucketKeyEnabled>".repeat(2))),
        rule(&(default(AES256) + &blocked("").repeat(2))),
        rule(&(default(AES256) + "<Id>rule</Id>")),
        rule(AES256),
        by_default("<SSEAlgorithm><Rule/>AES256</SSEAlgorithm>"),
        by_default("<SSEALGORITHM>AES256</SSEALGORITHM>"),
        spoilt("ServerSideEncryptionConfiguration", "BucketEncryption"),
        // Text where none belongs, and other words.
        rule(&(default(AES256) + "true")),
        rule(&(default(AES256) + "<![CDATA[true]]>")),
        rule(&(default(AES256) + "&lt;")),
        rule(&(default(AES256) + "<BucketKeyEnabled>yes</BucketKeyEnabled>")),
        rule(&(default(AES256) + "<BucketKeyEnabled>1</BucketKeyEnabled>")),
        rule(&(default(AES256) + "<BucketKeyEnabled/>")),
        rule(&blocked("SSE-C")),
        rule(&blocked("<EncryptionType>SSE-KMS</EncryptionType>")),
        rule(&blocked("<EncryptionType/>")),
        rule(&blocked("<Type>SSE-C</Type>")),
        // Both at once is a contradiction.
        rule(&blocked("<EncryptionType>NONE</EncryptionType><EncryptionType>SSE-C</EncryptionType>")),
        // Key ids that nothing can be encrypted under.
        by_default(&key(&"k".repeat(2_049))),
        by_default(&key("a\nb")),
        by_default(&key("a&#9;b")),
        // Namespaces and attributes.
        spoilt(NS, "http://s3.amazonaws.com/doc/2006-03-02/"),
        spoilt(NS, "http://s3.amazonaws.com&#47;doc/2006-03-01/"),
        spoilt("<SSEAlgorithm>", "<SSEAlgorithm xmlns='urn:other'>"),
        spoilt("SSEAlgorithm>", "s3:SSEAlgorithm>"),
        spoilt("SSEAlgorithm>", "xmlns:SSEAlgorithm>"),
        spoilt("<Rule>", "<Rule id='1'>"),
        spoilt("<Rule>", "<Rule xmlns:a='b' xmlns:a='c'>"),
        spoilt("<Rule>", "<Rule xmlns:a=b>"),
        spoilt("<Rule>", "<Rule xmlns:a>"),
        spoilt("<Rule>", "<Rule xmlns:a='<'>"),
        spoilt("<Rule>", "<Rule xmlns:a='&b;'>"),
        // Tags that do not match, comments that are none.
        spoilt("</SSEAlgorithm>", "</SSEalgorithm>"),
        spoilt("</Rule>", "</Rule></Rule>"),
        spoilt("<Rule>", "<Rule><!-- a -- b -->"),
        spoilt("<Rule>", "<Rule><!-- a --->"),
        spoilt("<Rule>", "<Rule><!-- a"),
        spoilt("<Rule>", "< Rule>"),
        // Declarations.
        " <?xml version='1.0'?>".to_owned() + &whole,
        "<?xml version='1.0'?>".repeat(2) + &whole,
        "<?xml version='1.1'?>".to_owned() + &whole,
        "<?xml version='1.0' encoding='ISO-8859-1'?>".to_owned() + &whole,
        "<?xml version='1.0' encoding='UTF-16'?>".to_owned() + &whole,
        "<?xml encoding='UTF-8'?>".to_owned() + &whole,
        "<?xml encoding='UTF-8' version='1.0'?>".to_owned() + &whole,
        "<?xml version='1.0' standalone='maybe'?>".to_owned() + &whole,
        "<?xml version='1.0' version='1.0'?>".to_owned() + &whole,
        "<?xml?>".to_owned() + &whole,
        // Characters.
        by_default(&key("a\u{1}b")),
        by_default(&key("a\u{FFFF}b")),
        by_default(&key("a]]>b")),
        by_default(&key("a&b")),
        by_default(&key("a&b;c")),
    ];
    for xml in &cases {
        refused(xml, MalformedXml);
    }
}

#[test]
fn nothing_is_expanded_and_nothing_is_fetched() {
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let external = "<!DOCTYPE l SYSTEM \"http://localhost/l.dtd\">";
    let key = |reference: &str| {
        by_default(&format!("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{reference}</KMSMasterKeyID>"))
    };
    for xml in [
        format!("{laughs}{}", key("&b;")),
        format!("{laughs}{}", key("k")),
        format!("{external}{}", key("k")),
        format!("<!doctype l>{}", key("k")),
        format!("<?xml-stylesheet href='l.xsl'?>{}", key("k")),
        rule("<?php exit ?>"),
        key("&b;"),
        key("&nbsp;"),
        key("&AMP;"),
        key("&amp"),
        key("&#0;"),
        key("&#x0B;"),
        key("&#xD800;"),
        key("&#xFFFE;"),
        key("&#x110000;"),
        key("&#99999999999999999999;"),
        key("&#;"),
        key("&#x;"),
        key("&;"),
    ] {
        refused(&xml, MalformedXml);
    }
    assert_eq!(parsed(&key("&lt;&gt;&amp;&apos;&quot;&#229;&#x1F600;")).unwrap().default, kms("<>&'\"å😀"));
}

#[test]
fn other_encodings_are_refused() {
    let whole = by_default(AES256);
    let utf_16 = |units: fn(u16) -> [u8; 2]| whole.encode_utf16().flat_map(units).collect::<Vec<u8>>();
    for bytes in [
        utf_16(u16::to_be_bytes),
        utf_16(u16::to_le_bytes),
        [&[0xFF, 0xFE][..], &utf_16(u16::to_le_bytes)].concat(),
        whole.replace("AES256", "AES256\u{80}").into_bytes().into_iter().filter(|byte| *byte != 0xC2).collect(),
    ] {
        assert_eq!(BucketEncryption::from_xml(&bytes), Err(MalformedXml));
    }
}

#[test]
fn a_document_is_bounded_in_length_depth_and_elements() {
    let padded = |len: usize| {
        let (whole, frame) = (by_default(AES256), "<!---->".len());
        format!("<!--{}-->{whole}", " ".repeat(len - whole.len() - frame))
    };
    assert!(parsed(&padded(65_536)).is_ok());
    refused(&padded(65_537), MalformedXml);

    refused(&("<Rule>".repeat(4_000) + &"</Rule>".repeat(4_000)), MalformedXml);
    refused(&rule(&"<Rule>".repeat(4_000)), MalformedXml);

    // The root, the rule and the list are three of 256.
    let listed = |count: usize| {
        let types = "<EncryptionType>SSE-C</EncryptionType>".repeat(count);
        rule(&format!("<BlockedEncryptionTypes>{types}</BlockedEncryptionTypes>"))
    };
    assert!(parsed(&listed(253)).is_ok());
    refused(&listed(254), MalformedXml);
}

#[test]
fn an_object_is_changed_to_sse_kms_and_to_nothing_else() {
    let body = |inside: &str| format!("<ObjectEncryption xmlns=\"{NS}\">{inside}</ObjectEncryption>");
    let read = |inside: &str| ObjectEncryption::from_xml(body(inside).as_bytes());
    let arn = format!("<KMSKeyArn>{ARN}</KMSKeyArn>");

    let alone = ObjectEncryption::new(ARN);
    assert_eq!((alone.kms_key_arn.as_str(), alone.bucket_key_enabled), (ARN, false));
    assert_eq!(read(&format!("<SSE-KMS>{arn}</SSE-KMS>")), Ok(alone.clone()));
    let mut shared = alone.clone();
    shared.bucket_key_enabled = true;
    assert_eq!(read(&format!("<SSE-KMS>{arn}<BucketKeyEnabled>true</BucketKeyEnabled></SSE-KMS>")), Ok(shared.clone()));
    for written in [alone, shared.clone(), ObjectEncryption::new("kms:a<&>\"b")] {
        assert_eq!(ObjectEncryption::from_xml(written.to_xml().as_bytes()), Ok(written));
    }
    assert_eq!(read(&format!("<SSE-KMS>{arn}<BucketKeyEnabled>True</BucketKeyEnabled></SSE-KMS>")), Ok(shared));

    // A: only SSE-KMS, and a KMS key by its ARN.
    for other in ["", "<SSE-S3/>", "<SSEKMS/>", "<SSE-S3><KMSKeyArn>a</KMSKeyArn></SSE-S3>"] {
        assert_eq!(read(other), Err(NotSseKms), "{other}");
    }
    for other in ["<SSE-C/>", "<DSSE-KMS/>", "<DSSE-KMS><KMSKeyArn>a</KMSKeyArn></DSSE-KMS>"] {
        assert_eq!(read(other), Err(ToOtherMode), "{other}");
    }
    for without in ["", "<KMSKeyArn/>", "<BucketKeyEnabled>true</BucketKeyEnabled>"] {
        assert_eq!(read(&format!("<SSE-KMS>{without}</SSE-KMS>")), Err(KmsKeyMissing), "{without}");
    }
    let uuid = "134f2428-cec1-4b25-a1ae-9048164dba47";
    let of_alias = "arn:aws:kms:us-east-1:111122223333:alias/app";
    let long = format!("a:{}", "k".repeat(2_047));
    for named in
        ["alias/app", "app", uuid, of_alias, "arn:aws:kms:us-east-1:111122223333:key/", "arn:", ":", "a/b:c", &long]
    {
        assert_eq!(read(&format!("<SSE-KMS><KMSKeyArn>{named}</KMSKeyArn></SSE-KMS>")), Err(KmsKeyNotArn), "{named}");
    }
    for enabled in ["yes", "1", ""] {
        let body = format!("<SSE-KMS>{arn}<BucketKeyEnabled>{enabled}</BucketKeyEnabled></SSE-KMS>");
        assert_eq!(read(&body), Err(BucketKeyInvalid), "{enabled}");
    }
    for malformed in [
        "SSE-KMS".into(),
        format!("<SSE-KMS>{arn}{arn}</SSE-KMS>"),
        format!("<SSE-KMS>{arn}<KMSMasterKeyID>a</KMSMasterKeyID></SSE-KMS>"),
        format!("<SSE-KMS>{arn}</SSE-KMS><SSE-KMS>{arn}</SSE-KMS>"),
        format!("<SSE-KMS>{arn}</SSE-KMS><SSE-S3/>"),
    ] {
        assert_eq!(read(&malformed), Err(MalformedXml), "{malformed}");
    }
    assert_eq!(ObjectEncryption::from_xml(by_default(AES256).as_bytes()), Err(MalformedXml));
    refused(&body(&format!("<SSE-KMS>{arn}</SSE-KMS>")), MalformedXml);
}
