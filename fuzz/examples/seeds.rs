//! Writes the seeds of the fuzz targets from the vectors and the manual: `cargo run --manifest-path fuzz/Cargo.toml
//! --example seeds`.
//!
//! What it writes is kept beside the targets, so this runs only where the vectors or a target's input has changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use atrest::rotation::{Entry, EnvelopeStore, StoreFuture, Sweep, SweepEvent};
use atrest::s3::{BlockedEncryption, BucketEncryption, DefaultEncryption, ObjectEncryption};
use atrest::{Backend, ObjectName};
use atrest_fuzz::key_store;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

const LONGEST_ENVELOPE: usize = 1_100;
const LONGEST_BODY: usize = 500;
const BOUNDARIES: [&str; 3] = ["sse-s3 16384 bytes", "sse-c 32768 bytes", "dsse-kms 16383 bytes"];

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = fuzz.join("../tests/vectors/data");
    let accepted = cases(&vectors.join("accept.json"));
    let refused = cases(&vectors.join("reject.json"));

    let mut envelopes = Seeds::new(fuzz, "envelope_decode");
    let mut objects = Seeds::new(fuzz, "sequential_decrypt");
    // Of what is refused a part is enough: the fuzzer finds the next flipped bit by itself.
    for case in accepted.iter().chain(refused.iter().step_by(4)) {
        let envelope = hex(&case["envelope"]);
        if envelope.len() <= LONGEST_ENVELOPE {
            envelopes.write(&envelope);
        }
        let (name, body) = (text(&case["case"]), BASE64.decode(text(&case["body"]).as_bytes()).expect("base64"));
        if body.len() <= LONGEST_BODY || BOUNDARIES.contains(&name) {
            objects.extend(object(case, &envelope, &body));
        }
    }

    let derivations = fs::read_to_string(vectors.join("derivations.json")).expect("the vectors are there");
    let derivations: Value = serde_json::from_str(&derivations).expect("JSON");
    manifests(&mut Seeds::new(fuzz, "manifest_open"), &accepted, &derivations);

    completions(&mut Seeds::new(fuzz, "completion"), &vectors.join("completion.json"));

    let mut plans = Seeds::new(fuzz, "range_plan");
    let shapes = [(0, 0, 0), (1, 0, 1), (16_384, 16_383, 16_385), (40_000, 100, 33_000), (49_151, 7, 7)];
    for (at, (len, start, end)) in shapes.into_iter().cycle().take(20).enumerate() {
        let (switches, kind) = (at as u8 % 8, at as u8 / 5);
        plans.write(&plan(switches, len, kind, start, end));
    }

    let mut cursors = Seeds::new(fuzz, "cursor_decode");
    sweeps(|saved| cursors.write(&saved[..saved.len() - 8]));

    policies(&mut Seeds::new(fuzz, "policy"));

    let mut xml = Seeds::new(fuzz, "bucket_encryption_xml");
    documents().iter().for_each(|document| xml.write(document.as_bytes()));

    requests(&mut Seeds::new(fuzz, "headers"), &mut Seeds::new(fuzz, "decision"));

    let format = fs::read_to_string(fuzz.join("../src/manual/format.md")).expect("the manual is there");
    key_stores(&mut Seeds::new(fuzz, "keystore_open"), &format);
    wrapped_keys(&mut Seeds::new(fuzz, "kms_unwrap"));
}

/// As `completion` reads them: records under the vectors' version 3, the same without their tags, and what is kept.
fn completions(seeds: &mut Seeds, vectors: &Path) {
    let vectors = fs::read_to_string(vectors).expect("the vectors are there");
    let vectors: Value = serde_json::from_str(&vectors).expect("JSON");
    let all = |kind: &str| vectors[kind].as_array().expect("cases").clone();
    let refused = all("reject").into_iter().filter(|case| case["name"].is_array()).step_by(4);
    for (at, case) in all("accept").into_iter().chain(refused).enumerate() {
        let record = hex(&case["record"]);
        if record.len() > LONGEST_ENVELOPE {
            continue;
        }
        let mut head = vec![at as u8];
        head.extend(hex(&case["customer_key"]));
        for component in &case["name"].as_array().expect("a name")[..4] {
            push(&mut head, &hex(component));
        }
        seeds.write(&[&[0], &head[..], &record].concat());
        if let Some(untagged) = record.len().checked_sub(32) {
            seeds.write(&[&[1], &head[..], &record[..untagged]].concat());
        }
    }
    let head = [&[2][..], &[0; 1 + 32 + 4 * 2]].concat();
    let header = [7; 56];
    let kept = [&b"\x89ARSA\r\n\x1a\x01"[..], &[0, 0, 0, 1], &76_u64.to_be_bytes(), &header, b"\0\x04etag", &[9; 115]];
    seeds.write(&[&head[..], &kept.concat()].concat());
    seeds.write(&[&head[..], b"\x89ARSL\r\n\x1a\x01", &4_u64.to_be_bytes(), &[5; 32]].concat());
}

/// As `policy` reads them: requests, each with a policy that is about it; one policy that is refused.
fn policies(seeds: &mut Seeds) {
    let encryption = "s3:x-amz-server-side-encryption";
    let kms_key_id = "s3:x-amz-server-side-encryption-aws-kms-key-id";
    let customer_algorithm = "s3:x-amz-server-side-encryption-customer-algorithm";
    let key = "arn:aws:kms:r:111122223333:key/k";
    let user = json!({"AWS": "arn:aws:iam::111122223333:user/alice"});
    let cases = [
        (3, "AES256", json!("*"), json!({"StringNotEquals": {encryption: "AES256"}})),
        (1, "", json!({"AWS": "*"}), json!({"Null": {encryption: "true"}})),
        (0, "", json!("*"), json!({"Bool": {"aws:SecureTransport": "false"}})),
        (5, key, user.clone(), json!({"ArnNotLikeIfExists": {kms_key_id: ["arn:aws:kms:*:111122223333:key/?", key]}})),
        (9, "AES256", json!({"AWS": ["111122223333"]}), json!({"StringLike": {customer_algorithm: "AES*"}})),
        (15, "aws:kms", user, json!({"StringEqualsIfExists": {encryption: ["aws:kms"]}, "Null": {kms_key_id: false}})),
        (1, "", json!({"AWS": "arn:aws:iam::111122223333:role/p/r"}), json!({"NumericEquals": {"s3:max-keys": 1}})),
    ];
    for (switches, header, principal, condition) in cases {
        let mut seed = vec![switches];
        let requester = match switches {
            1 => "arn:aws:sts::111122223333:assumed-role/r/s",
            _ => "arn:aws:iam::111122223333:user/alice",
        };
        for text in ["s3:PutObject", "arn:aws:s3:::b/a/k", requester, header] {
            push(&mut seed, text.as_bytes());
        }
        let [deny, allow] = [("Deny", "s3:Put*"), ("Allow", "*")].map(|(effect, action)| {
            json!({"Sid": effect, "Effect": effect, "Principal": principal, "Action": [action, "s3:?etObject"],
                "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*k"], "Condition": condition})
        });
        seed.extend(json!({"Version": "2012-10-17", "Id": "i", "Statement": [deny, allow]}).to_string().bytes());
        seeds.write(&seed);
    }
}

/// Bodies of PutBucketEncryption and UpdateObjectEncryption: answers, what clients send, and what is refused.
fn documents() -> Vec<String> {
    let mut bucket = BucketEncryption::new_bucket(BlockedEncryption::SseC);
    let mut documents = vec![bucket.to_xml()];
    let key_id = Some("a&b<c>\"é".to_owned());
    bucket.bucket_key_enabled = true;
    for default in [DefaultEncryption::SseKms { key_id: key_id.clone() }, DefaultEncryption::DsseKms { key_id }] {
        bucket.default = default;
        documents.push(bucket.to_xml());
    }
    documents.push(ObjectEncryption::new("arn:aws:kms:us-east-1:111122223333:key/1234abcd").to_xml());
    let rule = |inside: &str| {
        format!("<ServerSideEncryptionConfiguration><Rule>{inside}</Rule></ServerSideEncryptionConfiguration>")
    };
    let default = |inside: &str| {
        rule(&format!("<ApplyServerSideEncryptionByDefault>{inside}</ApplyServerSideEncryptionByDefault>"))
    };
    let prefixed = default("<SSEAlgorithm>AES256</SSEAlgorithm>")
        .replace("</", "</s:")
        .replace('<', "<s:")
        .replace("<s:/s:", "</s:")
        .replacen('>', " xmlns:s='http://s3.amazonaws.com/doc/2006-03-01/'>", 1);
    documents.extend([
        default("<SSEAlgorithm>AES256</SSEAlgorithm>"),
        default("<SSEAlgorithm>aws:kms<!-- - --></SSEAlgorithm><KMSMasterKeyID>&#x6B;<![CDATA[<]]></KMSMasterKeyID>"),
        default("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>"),
        default("<SSEAlgorithm>aws:fsx</SSEAlgorithm>"),
        rule("<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>"),
        rule("<BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes/>"),
        prefixed,
        "<ObjectEncryption><SSE-S3/></ObjectEncryption>".into(),
        "<!DOCTYPE l [<!ENTITY a \"&b;\">]><ObjectEncryption>&a;</ObjectEncryption>".into(),
        "<?xml version='1.0' encoding='UTF-8' standalone='no'?><?pi?><ObjectEncryption/>".into(),
    ]);
    documents
}

/// As `headers` and `decision` read them: what clients send, in each operation.
fn requests(headers: &mut Seeds, decisions: &mut Seeds) {
    let key = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";
    let customer = |first: u8| vec![(first, "AES256"), (first + 1, key), (first + 2, "Xsqb0+sHwAbNQ65I395/0w==")];
    let sent: [Vec<(u8, &str)>; 7] = [
        vec![],
        vec![(0, "AES256")],
        vec![(0, "aws:kms"), (1, "alias/app"), (2, "eyJ0ZWFtIjoicGhvdG9zIn0="), (3, "true")],
        vec![(0, "aws:kms:dsse"), (1, "app"), (3, "false")],
        customer(4),
        customer(7),
        [customer(4), customer(7)].concat(),
    ];
    for (at, fields) in (0_u8..).zip(&sent) {
        let mut seed = Vec::new();
        for (name, value) in fields {
            seed.push(*name);
            push(&mut seed, value.as_bytes());
        }
        headers.write(&seed);
        for operation in 0..11_u8 {
            // An object or an upload in the mode that the headers are about, and a source in the other.
            let kind = u8::from((4..7).contains(&operation));
            let stored = if at >= 4 { 6 } else { operation % 3 * 2 };
            let bucket = [0, 4, 2, 16, 35][usize::from((at + operation) % 5)];
            decisions.write(&[&[operation, stored + kind, stored, bucket], &seed[..]].concat());
        }
    }
}

/// As `keystore_open` reads them: payloads, a file, and what is nearly a payload.
fn key_stores(seeds: &mut Seeds, manual: &str) {
    let (_, shown) = manual.split_once("```json\n").expect("the manual shows a payload");
    let (shown, _) = shown.split_once("```").expect("it ends");
    let shown = shown.replace("32 bytes in base64", &BASE64.encode(&[5; 32]));
    let small = String::from_utf8(key_store::payload()).expect("JSON is text");
    for change in 0..16 {
        seeds.write(&[&[1, change], shown.as_bytes()].concat());
        seeds.write(&[&[1, change + 128], small.as_bytes()].concat());
    }
    seeds.write(&[&[0, 0], &key_store::sealed(small.as_bytes())[..]].concat());
    let key = BASE64.encode(&[5; 32]);
    let of_state = |state| shown.replace(r#""pending-deletion", "deletion": 1795366804123"#, state);
    let (disabled, enabled) = (of_state(r#""disabled""#), of_state(r#""enabled""#));
    for (this, that) in [
        (r#""per_second": 100, "burst": 200"#, r#""per_second": 1, "burst": 1"#),
        (r#"{ "per_second": 100, "burst": 200 }"#, "[100, 200]"),
        (r#"{ "per_second": 100, "burst": 200 }"#, "null"),
        (r#""everyone""#, r#"{ "everyone": null }"#),
        (r#""everyone""#, r#"["service", "a", "service"]"#),
        (r#"["alice"]"#, r#""everyone""#),
        (r#""generated""#, r#"{ "imported": null }"#),
        (r#""generated""#, r#""imported""#),
        (r#""rotation_days": 365"#, r#""rotation_days": null"#),
        (r#""tags": { "team": "photos" }"#, r#""tags": {}"#),
        (r#""number": 1"#, r#""number": 4294967295"#),
        (r#""generation": 17"#, r#""generation": 18446744073709551615"#),
        (r#""generation": 17"#, r#""generation": 18446744073709551614"#),
        (r#""generation": 3"#, r#""generation": 18446744073709551615"#),
        (r#""next_version": 3"#, r#""next_version": 4294967295"#),
        (r#""written": 1795280404123"#, r#""written": 18446744073709551615"#),
        (r#""created": 1795280404123"#, r#""created": 18446744073709551615"#),
        (r#""description": """#, r#""description": "\u00e9 \n""#),
        (&key, &key[4..]),
    ] {
        let changed = enabled.replace(this, that);
        assert_ne!(changed, enabled, "{this} stands there");
        seeds.write(&[&[1, 5], changed.as_bytes()].concat());
    }
    for text in [&*disabled, &*enabled, "", "[]", "{}", r#"{"version":2}"#] {
        seeds.write(&[&[1, 9], text.as_bytes()].concat());
    }
}

/// As `kms_unwrap` reads them: real wrapped keys under every name, with every kind of change, and generated ones.
fn wrapped_keys(seeds: &mut Seeds) {
    let strange =
        ["", "alias/none", "arn:aws:kms:local:000000000000:key/alias/app", "00000000-0000-4000-8000-000000000009"];
    for (at, (key, pairs, wrapped)) in key_store::wrapped().into_iter().enumerate() {
        let front = |kind: u8, name: u8, given: &str| {
            let mut front = vec![kind, name << 1 | key as u8];
            push(&mut front, given.as_bytes());
            front.push(pairs.len() as u8);
            for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
                push(&mut front, text.as_bytes());
            }
            front
        };
        for name in 0..4 {
            seeds.write(&[&front(0, name, "")[..], &wrapped].concat());
        }
        seeds.write(&[&front(0, 9, strange[at % strange.len()])[..], &wrapped].concat());
        seeds.write(&[&front(129, 0, "")[..], &wrapped].concat());
        for how in 0..4 {
            seeds.write(&[&front(1, 0, "")[..], &[at as u8, how, at as u8 * 16, 1]].concat());
            seeds.write(&[&front(2, how, "")[..], &[how, at as u8 * 16, 1]].concat());
        }
        seeds.write(&[&front(1, 0, "")[..], &[at as u8, 0, 0, 0]].concat());
        seeds.write(&[&front(131, 0, "")[..], &[0, 0, 0]].concat());
    }
}

/// Cursors and reports of small sweeps, the checksum still behind them.
fn sweeps(mut save: impl FnMut(&[u8]) + Send) {
    let sse = atrest_fuzz::sse(Backend::fastest(), "master", 1, [1; 32], [2; 32]).expect("a keyring");
    let entry = |at: usize| {
        let name = ObjectName::new("photos", format!("{at}")).and_then(|name| name.with_realm("r")).expect("a name");
        Ok(match at % 3 {
            0 => Entry::unencrypted(name),
            1 => Entry::object(name, b"damaged".to_vec()),
            _ => Entry::upload(name, b"an upload".to_vec(), b"damaged".to_vec()),
        })
    };
    for entries in 0..4 {
        let sweep = Sweep::new(&sse).checkpoint_every(1).on_event(|event| {
            if let SweepEvent::Checkpoint(cursor) = event {
                save(&cursor.to_bytes());
            }
            Ok(())
        });
        let report = sweep.blocking().rewrap((0..entries).map(entry), &Untouched).expect("a report");
        save(&report.to_bytes());
    }
}

/// A store that nothing here writes to.
struct Untouched;

impl EnvelopeStore for Untouched {
    fn replace<'a>(&'a self, _: &'a Entry, _: &'a [u8], _: &'a [u8]) -> StoreFuture<'a, bool> {
        unreachable!("nothing needs a rewrap")
    }

    fn read<'a>(&'a self, _: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        unreachable!("nothing needs a rewrap")
    }
}

/// As `manifest_open` reads them: manifests, receipts and values as they are stored, honest records and honest
/// receipts.
fn manifests(seeds: &mut Seeds, accepted: &[Value], derivations: &Value) {
    for (at, case) in accepted.iter().filter(|case| case.get("manifest").is_some()).enumerate() {
        let (layers, at) = (case["data_keys"].as_array().expect("keys").len(), at as u8);
        let switches = (at & 1) | if layers == 2 { 2 } else { 0 };
        seeds.write(&[&[switches, 0], &hex(&case["manifest"])[..]].concat());
        seeds.write(&[&[switches, 1], &hex(&case["receipts"][0])[..]].concat());
        let (mut records, mut end) = (Vec::new(), 0);
        let parts = case["parts"].as_array().expect("parts");
        for part in parts {
            end += part[1].as_u64().expect("a length");
            let number = part[0].as_u64().expect("a number") as u32;
            records.extend([&number.to_be_bytes()[..], &end.to_be_bytes(), &vec![7; 24 * layers]].concat());
        }
        let count = u32::try_from(parts.len()).expect("few");
        let head = [&count.to_be_bytes()[..], &end.to_be_bytes(), &(end / 3).to_be_bytes(), &(end / 2).to_be_bytes()];
        seeds.write(&[&[switches, 3], &head.concat()[..], &records].concat());
        let receipt = [&3_u32.to_be_bytes()[..], &end.to_be_bytes(), &vec![6; 56 * layers], b"\0\x04etag"];
        seeds.write(&[&[switches, 4], &receipt.concat()[..]].concat());
    }
    for value in derivations["sealed_values"].as_array().expect("values") {
        let two = value["data_keys"].as_array().expect("keys").len() == 2;
        seeds.write(&[&[if two { 2 } else { 0 }, 2], &hex(&value["sealed"])[..]].concat());
    }
}

/// As `sequential_decrypt` reads it; nothing for what was uploaded in parts.
fn object(case: &Value, envelope: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    if envelope.get(10) != Some(&1) {
        return None;
    }
    let mut seed = vec![(body.len() & 1) as u8, body.len() as u8];
    let name = case["name"].as_array();
    for component in 0..4 {
        push(&mut seed, &name.map(|name| hex(&name[component])).unwrap_or_default());
    }
    let keks: Vec<Vec<u8>> = case["keks"].as_array()?.iter().map(hex).collect();
    seed.push((keks.len() > 1).into());
    keks.iter().for_each(|kek| seed.extend(kek));
    push(&mut seed, envelope);
    seed.extend(body);
    Some(seed)
}

/// As `range_plan` reads it.
fn plan(switches: u8, len: u16, kind: u8, start: u64, end: u64) -> Vec<u8> {
    let mut seed = vec![switches];
    seed.extend(len.to_be_bytes());
    seed.push(kind);
    seed.extend(start.to_be_bytes());
    seed.extend(end.to_be_bytes());
    seed.extend(u64::from(len).wrapping_add(72).to_be_bytes());
    seed.extend([switches ^ kind, 0, 9]);
    seed
}

struct Seeds {
    folder: PathBuf,
    seen: BTreeSet<Vec<u8>>,
}

impl Seeds {
    fn new(fuzz: &Path, target: &str) -> Self {
        let folder = fuzz.join("seeds").join(target);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for the seeds");
        Self { folder, seen: BTreeSet::new() }
    }

    fn write(&mut self, seed: &[u8]) {
        if self.seen.insert(seed.to_vec()) {
            let name = format!("{:03}", self.seen.len());
            fs::write(self.folder.join(name), seed).expect("a seed is written");
        }
    }

    fn extend(&mut self, seed: Option<Vec<u8>>) {
        seed.iter().for_each(|seed| self.write(seed));
    }
}

fn cases(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the vectors are there");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    all["cases"].as_array().expect("cases").clone()
}

fn push(seed: &mut Vec<u8>, bytes: &[u8]) {
    seed.extend(u16::try_from(bytes.len()).expect("short").to_be_bytes());
    seed.extend(bytes);
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).expect("hex")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
