//! [`Document`] and [`Element`], the parsed XML of a client: a small, shallow document of elements and text.
//!
//! `quick-xml` finds the tags. This module refuses what `quick-xml` accepts but XML or S3 does not. The parser expands
//! no entity definitions and does not recurse.

use std::iter;

use quick_xml::NsReader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

/// The XML declaration at the beginning of S3's documents.
pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// The namespace of S3's elements.
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The maximum length of a document, in bytes.
const MAX_LEN: usize = 64 * 1_024;
/// The maximum depth of nested elements.
const MAX_DEPTH: usize = 8;
/// The maximum number of elements in a document; a typical document has ten.
const MAX_ELEMENTS: usize = 256;

/// The error of a document that is not XML, not the expected XML, or exceeds a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed;

impl<T: Into<quick_xml::Error>> From<T> for Malformed {
    fn from(_: T) -> Self {
        Self
    }
}

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// A parsed document: its elements in the order of their start tags.
#[derive(Default)]
pub(super) struct Document {
    elements: Vec<Node>,
    /// The indices of the elements that are not closed yet, the root first.
    open: Vec<usize>,
}

struct Node {
    depth: usize,
    name: String,
    /// The element's own text, without the text of its children.
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

    /// Returns the root element. Refuses a root with another name.
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

    /// Returns the text of the innermost open element. Refuses text outside the root.
    fn text(&mut self) -> Result<&mut String> {
        let at = self.open.last().ok_or(Malformed)?;
        self.elements.get_mut(*at).map(|node| &mut node.text).ok_or(Malformed)
    }
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    node: &'d Node,
    /// The element's descendants.
    below: &'d [Node],
}

impl<'d> Element<'d> {
    pub(super) fn name(self) -> &'d str {
        &self.node.name
    }

    /// Returns the text. Refuses an element with children.
    pub(super) fn text(self) -> Result<&'d str> {
        if self.below.is_empty() { Ok(&self.node.text) } else { Err(Malformed) }
    }

    /// Returns the text without surrounding white space.
    pub(super) fn word(self) -> Result<&'d str> {
        self.text().map(|text| text.trim_matches(is_white_space))
    }

    /// Returns the text as a boolean, in upper or lower case, as clients send it.
    pub(super) fn boolean(self) -> Result<bool> {
        match self.word()? {
            word if word.eq_ignore_ascii_case("true") => Ok(true),
            word if word.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(Malformed),
        }
    }

    /// Returns the children. Refuses an element with text.
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

    /// Returns the children with these names. Refuses other children and repeated children.
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

/// Checks `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`. The last two attributes are optional.
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
        // The iterator only advances, so each attribute may come once at most, and only in this order.
        if !taken || !known.any(|known| *known == name) {
            return Err(Malformed);
        }
        has_version |= name == "version";
    }
    if has_version { Ok(()) } else { Err(Malformed) }
}

/// Checks that an element is in S3's namespace or in no namespace.
fn check_namespace(namespace: &ResolveResult<'_>) -> Result<()> {
    match namespace {
        ResolveResult::Unbound | ResolveResult::Bound(Namespace(NAMESPACE)) => Ok(()),
        ResolveResult::Bound(_) | ResolveResult::Unknown(_) => Err(Malformed),
    }
}

/// Checks that an element has no attributes except namespace declarations, as S3's elements have none.
fn check_attributes(start: &BytesStart<'_>) -> Result<()> {
    for attribute in start.attributes() {
        let Attribute { key, value } = attribute.map_err(|_| Malformed)?;
        if key.as_namespace_binding().is_none() || value.contains(['<', '&']) {
            return Err(Malformed);
        }
    }
    Ok(())
}

/// Appends a character that is referenced by its number or by one of the five names of XML. Without a DTD there are no
/// other entities.
fn reference_into(text: &mut String, reference: &BytesRef<'_>) -> Result<()> {
    match reference.resolve_char_ref()? {
        Some(character) if is_xml(character) => text.push(character),
        Some(_) => return Err(Malformed),
        None => text.push_str(resolve_xml_entity(reference).ok_or(Malformed)?),
    }
    Ok(())
}

/// Returns whether XML allows this character.
///
/// Spec: XML 1.0, production 2.
fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Returns whether XML counts this character as white space.
///
/// Spec: XML 1.0, production 3.
fn is_white_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' ')
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_white_space)
}
