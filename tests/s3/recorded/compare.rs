//! The differences between an answer and the recorded one.

use std::collections::BTreeMap;

use super::answer::{Answer, Refusal};
use super::case::{Case, Rule};
use super::world::World;

/// An error whose ArgumentValue the service makes from the customer key; here the element is absent, on purpose.
const MADE_FROM_A_KEY: &str = "The secret key was improperly encoded. The secret key must be Base64 encoded.";

pub(crate) fn differences(world: &World, case: &Case, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let expect = &case.expect;
    match (&answer.error, expect.status) {
        (None, Some(status)) if (200..300).contains(&status) => {}
        (Some(refusal), Some(status)) if refusal.status == status => {}
        (Some(refusal), None) if expect.refused && (400..500).contains(&refusal.status) => {}
        (None, status) => found.push(format!("answered, and not refused with {status:?}")),
        (Some(refusal), status) => found.push(format!("{} {}, not {status:?}", refusal.status, refusal.error)),
    }
    match &answer.error {
        Some(refusal) => refused(world, case, refusal, &mut found),
        None => {
            if expect.code.is_some() {
                found.push(format!("answered, and not {:?}", expect.code));
            }
        }
    }
    if let Some(expected) = &expect.headers {
        let given: BTreeMap<_, _> = answer
            .headers
            .iter()
            .flat_map(|headers| headers.iter())
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(name, value)| (name.to_ascii_lowercase(), world.fill(value))).collect();
        if given != expected {
            found.push(format!("headers {given:?}, not {expected:?}"));
        }
    }
    if let Some(etag) = &expect.etag
        && answer.etag.as_ref().map(|etag| etag.trim_matches('"')) != Some(etag)
    {
        found.push(format!("ETag {:?}, not {etag}", answer.etag));
    }
    if expect.etag_is_md5.is_some() && expect.etag_is_md5 != answer.etag_is_md5 {
        found.push(format!("the ETag is the MD5: {:?}, not {:?}", answer.etag_is_md5, expect.etag_is_md5));
    }
    if let Some(rule) = &expect.rule {
        configured(world, rule, answer.configuration.as_deref(), &mut found);
    }
    if let Some(order) = &expect.order {
        let xml = answer.configuration.as_deref().unwrap_or_default();
        let places: Vec<_> = order.iter().filter_map(|name| xml.find(&format!("<{name}>"))).collect();
        if !places.is_sorted() || places.len() != order.len() {
            found.push(format!("the order of {xml}"));
        }
    }
    found
}

fn refused(world: &World, case: &Case, refusal: &Refusal, found: &mut Vec<String>) {
    let (expect, error) = (&case.expect, &refusal.error);
    if expect.code.as_ref().is_some_and(|code| error.code() != code) {
        found.push(format!("{}, not {:?}", error.code(), expect.code));
    }
    let message = expect.message.as_ref().map(|message| world.fill(message));
    if message.as_ref().is_some_and(|message| error.message() != *message) {
        found.push(format!("{:?}, not {message:?}", error.message()));
    }
    let given = error.argument();
    let expected = expect.argument.as_ref().map(|argument| {
        let pair = argument.as_ref();
        pair.map(|(name, value)| {
            let value = value.as_deref().filter(|_| error.message() != MADE_FROM_A_KEY);
            (name.as_str(), value)
        })
    });
    if expected.is_some_and(|expected| expected != given) {
        found.push(format!("argument {given:?}, not {expected:?}"));
    }
    if expect.argument_name.is_some() && given.map(|(name, _)| name) != expect.argument_name.as_deref() {
        found.push(format!("argument {given:?}, not {:?}", expect.argument_name));
    }
    if expect.declaration.is_some_and(|declaration| refusal.xml.starts_with("<?xml") != declaration) {
        found.push("the XML declaration".to_owned());
    }
    let elements = elements(&refusal.xml);
    let argument = ["ArgumentName", "ArgumentValue"].into_iter().take(match given {
        None => 0,
        Some((_, None)) => 1,
        Some((_, Some(_))) => 2,
    });
    let expected: Vec<_> = ["Code", "Message"].into_iter().chain(argument).chain(["RequestId", "HostId"]).collect();
    if elements != expected {
        found.push(format!("elements {elements:?}"));
    }
    for (name, value) in &case.headers {
        let is_key = name.to_ascii_lowercase().ends_with("customer-key");
        if is_key && value.len() > 8 && refusal.xml.contains(value) {
            found.push("the key is repeated".to_owned());
        }
    }
}

/// The elements below the root.
fn elements(xml: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut elements = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(start) => elements.push(start.name().as_ref().to_owned()),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    elements.split_off(1)
}

fn configured(world: &World, rule: &Rule, xml: Option<&str>, found: &mut Vec<String>) {
    let xml = xml.unwrap_or_default();
    let element = |name: &str| {
        let (_, rest) = xml.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
    };
    let bucket_key = match &rule.bucket_key {
        Some(value) if value == "?" => element("BucketKeyEnabled"),
        other => other.clone(),
    };
    let expected = [
        ("SSEAlgorithm", rule.algorithm.clone()),
        ("KMSMasterKeyID", rule.key_id.as_ref().map(|key_id| world.fill(key_id))),
        ("BucketKeyEnabled", bucket_key),
        ("EncryptionType", rule.blocked.clone()),
    ];
    for (name, expected) in expected {
        let given = element(name);
        if given != expected {
            found.push(format!("{name} {given:?}, not {expected:?}"));
        }
    }
}
