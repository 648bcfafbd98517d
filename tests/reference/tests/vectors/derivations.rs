//! Derivations and small encodings on their own.

use atrest_reference::name::ctx;
use atrest_reference::object::Reader;
use atrest_reference::sealed_file::{KmsKey, open_file, open_keyring, seal_file, seal_keyring};
use atrest_reference::wrap::{unwrap, verifier, wk_wn, wrap};
use atrest_reference::{Error, message, multipart, parse, value};

use crate::cases::{array, hex, json, keys, list, name, pairs, plaintext, text, u64_of};

#[test]
fn the_wrap_of_an_upload_goes_through_every_stated_step() {
    let wrap_case = &json("derivations.json")["wrap"];
    let kek = array(&wrap_case["kek"]);
    let object = name(&wrap_case["name"]);
    let mut envelope = parse::decode(&hex(&wrap_case["envelope"])).expect("an envelope");
    assert_eq!(envelope.state, 2);
    assert_eq!(envelope.wrap_salt, array(&wrap_case["wrap_salt"]));
    assert_eq!(envelope.header(), hex(&wrap_case["header"]));
    assert_eq!(ctx(object.as_ref()), hex(&wrap_case["ctx"]));
    assert_eq!(envelope.verifier, array(&wrap_case["verifier"]));
    assert_eq!(verifier(&kek, &envelope.wrap_salt, 1), envelope.verifier);
    let derived = wk_wn(&kek, &envelope.wrap_salt, &envelope.header(), &ctx(object.as_ref()));
    assert_eq!(derived, array(&wrap_case["wk_wn"]));
    let data_key = unwrap(&envelope, &kek, object.as_ref()).expect("the key");
    assert_eq!(data_key, array(&wrap_case["data_key"]));
    envelope.wrapped_key = [0; 48];
    wrap(&mut envelope, &kek, object.as_ref(), &data_key);
    assert_eq!(envelope.encode(), hex(&wrap_case["envelope"]));
}

#[test]
fn verifiers_differ_by_mode_as_stated() {
    let case = &json("derivations.json")["verifiers_by_mode"];
    for mode in 1..=4 {
        let expected: [u8; 32] = array(&case[mode.to_string()]);
        assert_eq!(verifier(&array(&case["kek"]), &array(&case["wrap_salt"]), mode), expected);
    }
}

#[test]
fn every_name_has_its_one_ctx() {
    let derivations = json("derivations.json");
    let cases = list(&derivations, "ctx");
    assert_eq!(cases.len(), 4);
    for case in cases {
        assert_eq!(ctx(name(&case["name"]).as_ref()), hex(&case["ctx"]));
    }
}

#[test]
fn every_sealed_value_opens_and_seals_again() {
    let derivations = json("derivations.json");
    let cases = list(&derivations, "sealed_values");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let salts: Vec<[u8; 24]> = list(case, "salts").iter().map(array).collect();
        let (data_keys, of, name) = (keys(&case["data_keys"]), array(&case["of"]), text(&case["name"]));
        let (plain, sealed) = (hex(&case["value"]), hex(&case["sealed"]));
        assert_eq!(value::open(&data_keys, &of, &name, &sealed), Ok(plain.clone()));
        assert_eq!(value::seal(&data_keys, &of, &name, &salts, &plain), Ok(sealed));
    }
}

#[test]
fn every_wrong_sealed_value_is_refused_with_its_class() {
    let derivations = json("derivations.json");
    let cases = list(&derivations, "wrong_sealed_values");
    assert_eq!(cases.len(), 29);
    for case in cases {
        let (data_keys, of) = (keys(&case["data_keys"]), array(&case["of"]));
        let opened = value::open(&data_keys, &of, &text(&case["name"]), &hex(&case["sealed"]));
        assert_eq!(opened.map_err(Error::class), Err(text(&case["expect"])), "{}", case["case"]);
    }
}

#[test]
fn reserved_names_of_values_are_misuse() {
    let (data_keys, of) = ([[1; 32]], [0; 24]);
    for name in ["", "atrest/receipt", &"n".repeat(256)] {
        assert_eq!(value::seal(&data_keys, &of, name, &[[2; 24]], b"v"), Err(Error::Misuse));
        assert_eq!(value::open(&data_keys, &of, name, b""), Err(Error::Misuse));
    }
}

#[test]
fn every_wrong_receipt_is_refused_with_its_class() {
    let derivations = json("derivations.json");
    let cases = list(&derivations, "wrong_receipts");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let opened = multipart::open_receipt(&keys(&case["data_keys"]), &hex(&case["sealed"]));
        assert_eq!(opened.map_err(Error::class), Err(text(&case["expect"])), "{}", case["case"]);
    }
}

#[test]
fn the_sealed_keyring_opens_and_seals_again() {
    let case = &json("derivations.json")["sealed_keyring"];
    let (root_key, sealed) = (array(&case["root_key"]), hex(&case["sealed"]));
    let keyring = open_keyring(&root_key, &sealed).expect("a keyring");
    assert_eq!(keyring.key_id, text(&case["key_id"]));
    assert_eq!(keyring.generation, u64_of(&case["generation"]));
    assert_eq!(u64::from(keyring.primary), u64_of(&case["primary"]));
    assert_eq!(u64::from(keyring.next_version), u64_of(&case["next_version"]));
    let versions = list(case, "versions");
    assert_eq!(keyring.versions.len(), versions.len());
    for (version, expected) in keyring.versions.iter().zip(versions) {
        assert_eq!(u64::from(version.number), u64_of(&expected["version"]));
        assert_eq!(u64::from(version.state), u64_of(&expected["state"]));
        assert_eq!(version.created, u64_of(&expected["created"]));
        assert_eq!(version.master_key, array(&expected["key"]));
    }
    let salt = sealed[11..43].try_into().expect("32 bytes");
    assert_eq!(seal_keyring(&root_key, &salt, &keyring), sealed);
}

#[test]
fn every_wrong_sealed_file_is_refused_with_its_class() {
    let derivations = json("derivations.json");
    let cases = list(&derivations, "wrong_sealed_files");
    assert_eq!(cases.len(), 24);
    for case in cases {
        let opened = open_keyring(&array(&case["root_key"]), &hex(&case["sealed"]));
        assert_eq!(opened.map_err(Error::class), Err(text(&case["expect"])), "{}", case["case"]);
    }
}

#[test]
fn a_file_of_another_kind_opens_as_that_kind_alone() {
    let root_key = [7; 32];
    let file = seal_file(&root_key, 2, &[8; 32], b"{}");
    assert_eq!(open_file(&root_key, 2, &file), Ok(b"{}".to_vec()));
    assert_eq!(open_file(&root_key, 1, &file), Err(Error::Unsupported));
}

#[test]
fn every_wrapped_kek_of_the_embedded_kms_opens_and_wraps_again() {
    let derivations = json("derivations.json");
    let cases = list(&derivations, "kms_blobs");
    assert_eq!(cases.len(), 2);
    for case in cases {
        let key = KmsKey {
            key: array(&case["kms_key"]),
            version: u64_of(&case["version"]) as u32,
            key_id: text(&case["key_id"]),
            pairs: pairs(&case["pairs"]),
        };
        let (kek, blob) = (array(&case["kek"]), hex(&case["blob"]));
        assert_eq!(key.unwrap(&blob), Ok(kek));
        assert_eq!(key.wrap(&array(&case["salt"]), &kek), blob);
        let mut other = key.clone();
        other.pairs.push(("b".to_owned(), String::new()));
        assert_eq!(other.unwrap(&blob), Err(Error::Inauthentic));
        assert_eq!(key.unwrap(&blob[..84]), Err(Error::Malformed));
    }
}

#[test]
fn every_inline_container_opens() {
    let derivations = json("derivations.json");
    let cases = list(&derivations, "inline");
    assert_eq!(cases.len(), 2);
    for case in cases {
        let bytes = hex(&case["bytes"]);
        let reader = Reader { name: None, keks: keys(&case["keks"]), keys: None };
        assert_eq!(reader.decrypt_inline(&bytes), Ok(plaintext(u64_of(&case["plaintext_len"]))));
        let envelope_len = u64_of(&case["envelope_len"]) as usize;
        assert_eq!(parse::check_first_16(&bytes), Ok(envelope_len));
        let envelope = parse::decode(&bytes[..envelope_len]).expect("an envelope");
        let layers = envelope.layers().len();
        let manifest_len = u64_of(&case["manifest_len"]);
        let stated = envelope.manifest().map_or(0, |m| multipart::manifest_len(m.0, layers));
        assert_eq!(stated, manifest_len);
        let cut = |len: usize| reader.decrypt_inline(&bytes[..len]);
        assert_eq!(cut(15), Err(Error::NotAnEnvelope));
        assert_eq!(cut(envelope_len - 1), Err(Error::Malformed));
        assert_eq!(cut(envelope_len + manifest_len as usize), Err(Error::Truncated));
        if manifest_len > 0 {
            assert_eq!(cut(envelope_len + 100), Err(Error::Truncated));
        }
    }
}

#[test]
fn lengths_are_as_stated_in_both_directions() {
    let derivations = json("derivations.json");
    for bad in list(&derivations, "bad_lengths") {
        assert_eq!(message::plaintext_len(u64_of(bad)), None, "{bad}");
    }
    let lengths = list(&derivations, "lengths");
    assert_eq!(lengths.len(), 8);
    for row in lengths {
        let [plain, one, two] = [0, 1, 2].map(|i| u64_of(&row[i]));
        assert_eq!(message::stored_len(plain, 1), Some(one));
        assert_eq!(message::stored_len(plain, 2), Some(two));
        assert_eq!(message::plaintext_len(one), Some(plain));
        assert_eq!(message::plaintext_len(two), Some(one));
    }
}

#[test]
fn the_bounds_of_a_message_are_exact() {
    let most = message::MAX_PLAINTEXT;
    assert!(message::ciphertext_len(most).is_some());
    assert_eq!(message::ciphertext_len(most + 1), None);
    let two = message::max_plaintext(2);
    assert!(message::stored_len(two, 2).is_some());
    assert_eq!(message::stored_len(two + 1, 2), None);
}
