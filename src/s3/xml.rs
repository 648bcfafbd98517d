//! Parses the XML of S3's clients: small and shallow documents of elements and text.
//!
//! `quick-xml` finds the tags; what it lets pass and XML or S3 does not is refused here. Nothing is expanded, and
//! nothing recurses.

use std::iter;

use quick_xml::NsReader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

/// What S3's documents begin with.
pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// The namespace of S3's elements.
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The most bytes of a document.
const MAX_LEN: usize = 64 * 1_024;
/// How deep elements lie in each other at most.
const MAX_DEPTH: usize = 8;
/// The most elements of a document; a sensible one has ten.
const MAX_ELEMENTS: usize = 256;

/// A document is no XML, or more than is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed;

impl<T: Into<quick_xml::Error>> From<T> for Malformed {
    fn from(_: T) -> Self {
        Self
    }
}

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// A document: its elements in the order of their start tags.
#[derive(Default)]
pub(super) struct Document {
    elements: Vec<Node>,
    /// Where those stand that are not closed yet, the root first.
    open: Vec<usize>,
}

struct Node {
    depth: usize,
    name: String,
    /// Its own, without that of the elements in it.
    text: String,
}

impl Document {
    pub(super) fn parse(xml: &[u8]) -> Result<Self> {
        let text = str::from_utf8(xml).map_err(|_| Malformed)?;
        if text.len() > MAX_LEN || !text.chars().all(is_xml) {
            return Err(Malformed);
        }
        let mut reader = NsReader::from_str(text);
        reader.config_mut().enable_all_checks(true);
        reader.config_mut().expand_empty_elements = true;
        let mut document = Self::default();
        let mut at_start = true;
        loop {
            let (namespace, event) = reader.read_resolved_event()?;
            match event {
                Event::Decl(declaration) if at_start => check_declaration(&declaration)?,
                Event::Start(start) => {
                    check_namespace(&namespace)?;
                    check_attributes(&start)?;
                    document.begin(start.local_name().as_ref())?;
                }
                Event::End(_) => {
                    document.open.pop().ok_or(Malformed)?;
                }
                Event::Text(text) if text.contains("]]>") => return Err(Malformed),
                Event::Text(text) if document.open.is_empty() && is_blank(&text) => {}
                Event::Text(text) => document.text()?.push_str(&text.xml10_content()),
                Event::CData(text) => document.text()?.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => reference_into(document.text()?, &reference)?,
                Event::Comment(_) => {}
                Event::Eof => return if document.open.is_empty() { Ok(document) } else { Err(Malformed) },
                Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => return Err(Malformed),
            }
            at_start = false;
        }
    }

    /// The root, by this name.
    pub(super) fn root(&self, name: &str) -> Result<Element<'_>> {
        let (node, below) = self.elements.split_first().ok_or(Malformed)?;
        if node.name == name { Ok(Element { node, below }) } else { Err(Malformed) }
    }

    fn begin(&mut self, name: &str) -> Result<()> {
        let second_root = self.open.is_empty() && !self.elements.is_empty();
        if second_root || self.open.len() == MAX_DEPTH || self.elements.len() == MAX_ELEMENTS {
            return Err(Malformed);
        }
        self.open.push(self.elements.len());
        self.elements.push(Node { depth: self.open.len(), name: name.into(), text: String::new() });
        Ok(())
    }

    /// Where text goes; outside of the root there is no place for any.
    fn text(&mut self) -> Result<&mut String> {
        let at = self.open.last().ok_or(Malformed)?;
        self.elements.get_mut(*at).map(|node| &mut node.text).ok_or(Malformed)
    }
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    node: &'d Node,
    /// All that lies in it.
    below: &'d [Node],
}

impl<'d> Element<'d> {
    pub(super) fn name(self) -> &'d str {
        &self.node.name
    }

    /// The text of an element that has nothing else.
    pub(super) fn text(self) -> Result<&'d str> {
        if self.below.is_empty() { Ok(&self.node.text) } else { Err(Malformed) }
    }

    /// The text of one whose value is a word: white space around it does not count.
    pub(super) fn word(self) -> Result<&'d str> {
        self.text().map(|text| text.trim_matches(is_white_space))
    }

    /// In upper or lower case, as clients send it.
    pub(super) fn boolean(self) -> Result<bool> {
        match self.word()? {
            word if word.eq_ignore_ascii_case("true") => Ok(true),
            word if word.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(Malformed),
        }
    }

    /// The elements in one that has no text.
    pub(super) fn children(self) -> Result<impl Iterator<Item = Element<'d>>> {
        let mut rest = if is_blank(&self.node.text) { self.below } else { return Err(Malformed) };
        Ok(iter::from_fn(move || {
            let (node, after) = rest.split_first()?;
            let len = after.iter().take_while(|other| other.depth > node.depth).count();
            let (below, next) = after.split_at_checked(len)?;
            rest = next;
            Some(Element { node, below })
        }))
    }

    /// The elements of these names in one that has no others, each at most once.
    pub(super) fn fields<const N: usize>(self, names: [&str; N]) -> Result<[Option<Element<'d>>; N]> {
        let mut fields = [None; N];
        for child in self.children()? {
            let field = names.iter().zip(&mut fields).find(|(name, _)| **name == child.name());
            let (_, field) = field.ok_or(Malformed)?;
            if field.replace(child).is_some() {
                return Err(Malformed);
            }
        }
        Ok(fields)
    }
}

/// `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`, the last two if they please.
fn check_declaration(declaration: &BytesDecl<'_>) -> Result<()> {
    let mut known = ["version", "encoding", "standalone"].iter();
    let mut has_version = false;
    for attribute in Attributes::new(declaration, "xml".len()) {
        let Attribute { key, value } = attribute.map_err(|_| Malformed)?;
        let name = key.as_ref();
        let taken = match name {
            "version" => value == "1.0",
            "encoding" => value.eq_ignore_ascii_case("UTF-8"),
            "standalone" => matches!(&*value, "yes" | "no"),
            _ => false,
        };
        // Each at most once and in this order: what comes before it is not looked for again.
        if !taken || !known.any(|known| *known == name) {
            return Err(Malformed);
        }
        has_version |= name == "version";
    }
    if has_version { Ok(()) } else { Err(Malformed) }
}

/// S3's namespace, or none at all.
fn check_namespace(namespace: &ResolveResult<'_>) -> Result<()> {
    match namespace {
        ResolveResult::Unbound | ResolveResult::Bound(Namespace(NAMESPACE)) => Ok(()),
        ResolveResult::Bound(_) | ResolveResult::Unknown(_) => Err(Malformed),
    }
}

/// S3's elements have no attributes; these declare namespaces.
fn check_attributes(start: &BytesStart<'_>) -> Result<()> {
    for attribute in start.attributes() {
        let Attribute { key, value } = attribute.map_err(|_| Malformed)?;
        if key.as_namespace_binding().is_none() || value.contains(['<', '&']) {
            return Err(Malformed);
        }
    }
    Ok(())
}

/// A character by its number, or one of the five that XML names; there is no other entity, as there is no DTD.
fn reference_into(text: &mut String, reference: &BytesRef<'_>) -> Result<()> {
    match reference.resolve_char_ref()? {
        Some(character) if is_xml(character) => text.push(character),
        Some(_) => return Err(Malformed),
        None => text.push_str(resolve_xml_entity(reference).ok_or(Malformed)?),
    }
    Ok(())
}

/// Spec: XML 1.0, production 2.
fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Spec: XML 1.0, production 3.
fn is_white_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' ')
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_white_space)
}
