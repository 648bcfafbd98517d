//! Trailer containers: `trailer.json`.

use atrest_reference::Error;
use atrest_reference::object::encrypt;
use data_encoding::BASE64;
use serde_json::Value;

use crate::cases::{Case, json, list, text, u64_of};
use crate::write_of;

struct Trailer {
    case: Case,
    stored: Vec<u8>,
    fixed_len: usize,
    layers: usize,
    modes: Vec<String>,
}

impl Trailer {
    fn read(value: &Value) -> Trailer {
        let stored = BASE64.decode(text(&value["stored"]).as_bytes()).expect("base64");
        let fixed_len = u64_of(&value["envelope_len"]) as usize;
        let (body, envelope) = stored.split_at(stored.len().saturating_sub(fixed_len));
        Trailer {
            case: Case::of_parts(&value["case"], value, envelope.to_vec(), body.to_vec()),
            stored: stored.clone(),
            fixed_len,
            layers: if value["store_of_dsse"].as_bool().expect("a boolean") { 2 } else { 1 },
            modes: list(value, "modes").iter().map(text).collect(),
        }
    }

    fn open(&self, len: usize) -> Result<Vec<u8>, Error> {
        self.case.reader().decrypt_trailer(&self.stored[..len], self.fixed_len, self.layers)
    }
}

fn load(list_name: &str) -> Vec<Trailer> {
    list(&json("trailer.json"), list_name).iter().map(Trailer::read).collect()
}

#[test]
fn every_trailer_container_opens_and_is_written_again_byte_for_byte() {
    let cases = load("accept");
    assert_eq!(cases.len(), 9);
    for trailer in cases {
        let (case, len) = (&trailer.case, trailer.stored.len());
        assert_eq!(trailer.open(len), Ok(case.plaintext()), "{}", case.name);
        let (envelope, body) = encrypt(&write_of(case), &case.plaintext()).expect(&case.name);
        assert_eq!([body, envelope].concat(), trailer.stored, "{}", case.name);
        assert_eq!(case.reader().decrypt_inline(&trailer.stored), Err(Error::NotAnEnvelope));
    }
}

#[test]
fn no_cut_of_a_trailer_container_opens() {
    for trailer in load("accept") {
        let shortest = trailer.fixed_len + 72 * trailer.layers;
        for len in 0..trailer.stored.len() {
            let expected = if len < shortest { Error::Truncated } else { Error::NotAnEnvelope };
            assert_eq!(trailer.open(len), Err(expected), "{} cut to {len}", trailer.case.name);
        }
    }
}

#[test]
fn every_wrong_trailer_container_is_refused_with_its_class() {
    let cases = load("reject");
    assert_eq!(cases.len(), 31);
    for trailer in cases {
        // The oracle's reader accepts every mode.
        if trailer.modes.len() < 4 {
            assert_eq!(trailer.case.name, "a mode that is not allowed");
            continue;
        }
        let refused = trailer.open(trailer.stored.len()).expect_err(&trailer.case.name).class();
        assert!(trailer.case.expects(&refused), "{}: {refused}", trailer.case.name);
    }
}
