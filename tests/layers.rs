//! Holds the floors of the house: every `crate::`, `super::` and `self::` path of every file in `src/` is read,
//! resolved to the top-level module it leads into, and compared with the table below.
//!
//! A file uses floors strictly below its own; files of one directory may use each other; `lib.rs`, the front
//! page, is free. Only `crypto/` names a crate that does cryptography. The scanner reads tokens, not lines, so
//! that nested `use` trees, inline paths, comments and strings are what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, highest first. A top-level module that is not here fails the test.
const FLOORS: &[(u8, &[&str])] = &[
    (8, &["s3", "kms", "adapter", "rotation", "testing", "hazmat", "manual"]),
    (7, &["sse"]),
    (6, &["multipart"]),
    (5, &["mode", "audit"]),
    (4, &["envelope"]),
    (3, &["keys"]),
    (2, &["stream"]),
    (1, &["crypto"]),
    (0, &["clock", "error", "files", "geometry", "object", "secret"]),
];

/// The one exception on the ground: the others may say what went wrong.
const SAME_FLOOR_ALLOWED: &[(&str, &str)] =
    &[("files", "error"), ("geometry", "error"), ("object", "error"), ("secret", "error")];

/// Crates that only `crypto/` may name. `subtle` and `zeroize` are not among them: they are used wherever a
/// secret is held or compared.
const CRYPTO_CRATES: &[&str] = &[
    "aead",
    "aes",
    "aes_gcm",
    "aes_kw",
    "argon2",
    "aws_lc_rs",
    "aws_lc_sys",
    "getrandom",
    "hkdf",
    "hmac",
    "md5",
    "rand",
    "rand_core",
    "ring",
    "sha2",
];

const MAX_LINES: usize = 450;

#[test]
fn every_file_of_the_crate_keeps_to_its_floor() {
    let house = House::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut violations = Vec::new();
    let mut paths = 0;
    for file in &house.files {
        let scan = Scan::of(&file.module, &file.text);
        paths += scan.uses.len();
        violations.extend(house.judge(file, &scan));
    }
    assert!(house.files.len() > 10, "the scanner found no source files");
    assert!(paths > 50, "the scanner found no paths");
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn every_file_of_the_crate_is_short_enough_to_read() {
    let house = House::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let long: Vec<String> = house
        .files
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines, over {MAX_LINES}", file.shown))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

// What a file is, and what may be used from where.

struct House {
    files: Vec<SourceFile>,
    /// Names that `lib.rs` re-exports, with the top-level module each comes from.
    facade: BTreeMap<String, String>,
    /// Modules in files of their own that exist only under `#[cfg(test)]`.
    test_modules: BTreeSet<Vec<String>>,
}

struct SourceFile {
    shown: String,
    module: Vec<String>,
    text: String,
}

impl House {
    fn read(src: &Path) -> Self {
        let mut found = Vec::new();
        list_rust_files(src, &mut found);
        found.sort();
        let files = found
            .into_iter()
            .map(|path| {
                let inside = path.strip_prefix(src).expect("listed under src");
                SourceFile {
                    shown: format!("src/{}", inside.display()),
                    module: module_path(inside),
                    text: fs::read_to_string(&path).expect("a source file is readable UTF-8"),
                }
            })
            .collect();
        Self::of(files)
    }

    fn of(files: Vec<SourceFile>) -> Self {
        let mut house = House { files: Vec::new(), facade: BTreeMap::new(), test_modules: BTreeSet::new() };
        for file in &files {
            let scan = Scan::of(&file.module, &file.text);
            house.test_modules.extend(scan.test_modules);
            if file.module.is_empty() {
                for found in scan.uses.iter().chain(&scan.plain_uses) {
                    let (Some(top), Some(name)) = (found.path.first(), &found.binds) else {
                        continue;
                    };
                    house.facade.insert(name.clone(), top.clone());
                }
            }
        }
        house.files = files;
        house
    }

    fn judge(&self, file: &SourceFile, scan: &Scan) -> Vec<String> {
        let mut violations: Vec<String> =
            scan.oddities.iter().map(|(line, what)| format!("{}:{line}: {what}", file.shown)).collect();
        let Some(top) = file.module.first() else {
            return violations;
        };
        let Some(floor) = floor_of(top) else {
            violations
                .push(format!("{}: the module `{top}` is on no floor; give it one in tests/layers.rs", file.shown));
            return violations;
        };
        if self.test_modules.iter().any(|tests| file.module.starts_with(tests)) {
            return violations;
        }
        for found in &scan.uses {
            if found.in_tests {
                continue;
            }
            if let Some(reason) = self.refuse(top, floor, found) {
                violations.push(format!("{}:{}: {found}: {reason}", file.shown, found.line));
            }
        }
        if top != "crypto" {
            // A nested `use` names its crate once for each leaf; once is enough to say so.
            for (line, name) in scan.crypto_crates.iter().collect::<BTreeSet<_>>() {
                violations.push(format!("{}:{line}: names the crate `{name}`; only crypto/ does", file.shown));
            }
        }
        violations
    }

    fn refuse(&self, top: &str, floor: u8, found: &Found) -> Option<String> {
        let Some(first) = found.path.first() else {
            return Some("uses the crate's root as a whole".into());
        };
        if first == "*" {
            return Some("imports the crate's root with a glob".into());
        }
        let home = if floor_of(first).is_some() {
            first.as_str()
        } else if let Some(home) = self.facade.get(first) {
            home.as_str()
        } else {
            return Some(format!("`{first}` is on no floor and not in lib.rs"));
        };
        if home == top {
            return None;
        }
        let Some(other) = floor_of(home) else {
            return Some(format!("`{home}` is on no floor"));
        };
        if other < floor || SAME_FLOOR_ALLOWED.contains(&(top, home)) {
            None
        } else {
            Some(format!("`{top}` is on floor {floor} and may not use `{home}` on floor {other}"))
        }
    }
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, modules)| modules.contains(&module)).map(|(floor, _)| *floor)
}

fn list_rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is a folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            list_rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `stream/range.rs` is `[stream, range]`, `stream/mod.rs` is `[stream]`, `lib.rs` is `[]`.
fn module_path(inside_src: &Path) -> Vec<String> {
    let mut module: Vec<String> = inside_src
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let is_root_of_folder = matches!(module.last().map(String::as_str), Some("mod"));
    let is_lib = module.len() == 1 && module[0] == "lib";
    if is_root_of_folder || is_lib {
        module.pop();
    }
    module
}

// What a file says.

#[derive(Debug, Clone, PartialEq)]
struct Found {
    line: usize,
    /// As written, for messages.
    written: Vec<String>,
    /// From the crate's root, `super` and `self` resolved.
    path: Vec<String>,
    /// The name that a `use` brings into scope.
    binds: Option<String>,
    in_tests: bool,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.written.join("::"))
    }
}

#[derive(Default)]
struct Scan {
    /// Paths that begin with `crate`, `super` or `self`.
    uses: Vec<Found>,
    /// `use` paths that begin with a plain name; in `lib.rs` these may be modules too.
    plain_uses: Vec<Found>,
    crypto_crates: Vec<(usize, String)>,
    test_modules: Vec<Vec<String>>,
    /// What would lead around the scanner.
    oddities: Vec<(usize, String)>,
}

impl Scan {
    fn of(module: &[String], text: &str) -> Self {
        let tokens = tokens(text);
        Scanner { tokens: &tokens, module: module.to_vec(), nested: Vec::new(), depth: 0, scan: Scan::default() }.run()
    }
}

struct Scanner<'a> {
    tokens: &'a [Token],
    module: Vec<String>,
    /// Inline modules around the present token: the depth of their brace, and whether they are tests.
    nested: Vec<(usize, bool)>,
    depth: usize,
    scan: Scan,
}

impl Scanner<'_> {
    fn run(mut self) -> Scan {
        let mut at = 0;
        let mut pending_test_attribute = false;
        while at < self.tokens.len() {
            let token = &self.tokens[at];
            match token.text.as_str() {
                "#" if self.is(at + 1, "[") || (self.is(at + 1, "!") && self.is(at + 2, "[")) => {
                    let open = if self.is(at + 1, "[") { at + 1 } else { at + 2 };
                    let end = self.matching(open);
                    pending_test_attribute |= self.is_test_attribute(open);
                    if self.is(open + 1, "path") && !self.is_beside(open + 3) {
                        self.odd(token.line, "a `#[path]` out of the folder is on no floor");
                    }
                    at = end + 1;
                    continue;
                }
                "mod" if self.is_name(at + 1) && self.is(at + 2, "{") => {
                    let tests = pending_test_attribute || self.in_tests();
                    pending_test_attribute = false;
                    self.module.push(self.tokens[at + 1].text.clone());
                    self.nested.push((self.depth, tests));
                    self.depth += 1;
                    at += 3;
                    continue;
                }
                "mod" if self.is_name(at + 1) && self.is(at + 2, ";") => {
                    if pending_test_attribute || self.in_tests() {
                        let mut tests = self.module.clone();
                        tests.push(self.tokens[at + 1].text.clone());
                        self.scan.test_modules.push(tests);
                    }
                    pending_test_attribute = false;
                    at += 3;
                    continue;
                }
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.checked_sub(1).expect("braces balance");
                    if self.nested.last().is_some_and(|(depth, _)| *depth == self.depth) {
                        self.nested.pop();
                        self.module.pop();
                    }
                }
                "extern" if self.is(at + 1, "crate") => {
                    if self.is(at + 2, "self") {
                        self.odd(token.line, "`extern crate self` leads around the floors");
                    } else if at + 2 < self.tokens.len() {
                        self.name_crate(at + 2);
                    }
                    at += 3;
                    continue;
                }
                "include" if self.is(at + 1, "!") => {
                    self.odd(token.line, "an `include!` leads around the scanner");
                }
                "use" if !self.is(at + 1, "<") => {
                    pending_test_attribute = false;
                    at = self.use_tree(at + 1, &[]);
                    continue;
                }
                "crate" | "super" | "self" if !self.is_before(at, "::") => {
                    at = self.inline_path(at);
                    continue;
                }
                "pub" | "(" | ")" | "in" => {}
                name => {
                    if self.is(at + 1, "::") && !self.follows_a_path(at) && is_crypto(name) {
                        self.name_crate(at);
                    }
                    pending_test_attribute = false;
                }
            }
            at += 1;
        }
        assert_eq!(self.depth, 0, "braces balance at the end of a file");
        self.scan
    }

    /// Reads one tree of a `use` declaration; gives the index behind it.
    fn use_tree(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let line = self.tokens[at].line;
        let mut path = prefix.to_vec();
        if self.is(at, "::") {
            // `use ::name` is always another crate.
            at += 1;
            path.push("::".into());
        }
        loop {
            if self.is(at, "{") {
                at += 1;
                while !self.is(at, "}") {
                    at = self.use_tree(at, &path);
                    if self.is(at, ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            path.push(self.tokens[at].text.clone());
            at += 1;
            if !self.is(at, "::") {
                break;
            }
            at += 1;
        }
        // `use a::{self}` names `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut binds = path.last().cloned();
        if self.is(at, "as") {
            binds = self.tokens.get(at + 1).map(|token| token.text.clone());
            at += 2;
        }
        self.record(line, path, binds);
        at
    }

    fn inline_path(&mut self, mut at: usize) -> usize {
        let line = self.tokens[at].line;
        let mut written = vec![self.tokens[at].text.clone()];
        at += 1;
        while self.is(at, "::") && self.is_name(at + 1) {
            written.push(self.tokens[at + 1].text.clone());
            at += 2;
        }
        // `self.x`, `pub(crate)`, `pub(super)`: no path.
        if written.len() > 1 {
            self.record(line, written, None);
        }
        at
    }

    fn record(&mut self, line: usize, written: Vec<String>, binds: Option<String>) {
        let mut path = match written.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("super" | "self") => self.module.clone(),
            _ => {
                let name = written.iter().find(|part| *part != "::");
                let in_tests = self.in_tests();
                if let Some(name) = name.filter(|name| is_crypto(name))
                    && !in_tests
                {
                    self.scan.crypto_crates.push((line, name.clone()));
                }
                self.scan.plain_uses.push(Found { line, path: written.clone(), written, binds, in_tests });
                return;
            }
        };
        for part in &written {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => {
                    path.pop();
                }
                _ => path.push(part.clone()),
            }
        }
        let in_tests = self.in_tests();
        self.scan.uses.push(Found { line, written, path, binds, in_tests });
    }

    fn name_crate(&mut self, at: usize) {
        let token = &self.tokens[at];
        if is_crypto(&token.text) && !self.in_tests() {
            self.scan.crypto_crates.push((token.line, token.text.clone()));
        }
    }

    /// Whether a name is the second or later part of a path: `a::hmac`, not `::hmac`.
    fn follows_a_path(&self, at: usize) -> bool {
        self.is_before(at, "::") && at >= 2 && {
            let before = &self.tokens[at - 2].text;
            is_name(before) || before == ">"
        }
    }

    fn is_test_attribute(&self, open: usize) -> bool {
        self.is(open + 1, "cfg")
            && (self.is(open + 3, "test") && self.is(open + 4, ")")
                || self.is(open + 3, "all") && self.is(open + 5, "test"))
    }

    /// Whether a `#[path]` stays in its folder.
    fn is_beside(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text.starts_with('"') && !token.text.contains(['/', '\\']))
    }

    fn matching(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text.as_str() {
                "[" => depth += 1,
                "]" => {
                    depth -= 1;
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
        panic!("an attribute that never closes");
    }

    fn odd(&mut self, line: usize, what: &str) {
        self.scan.oddities.push((line, what.into()));
    }

    fn in_tests(&self) -> bool {
        self.nested.last().is_some_and(|(_, tests)| *tests)
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text == text)
    }

    fn is_before(&self, at: usize, text: &str) -> bool {
        at > 0 && self.is(at - 1, text)
    }

    fn is_name(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| is_name(&token.text))
    }
}

fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
}

fn is_crypto(name: &str) -> bool {
    CRYPTO_CRATES.contains(&name)
}

// Tokens: names, `::`, plain strings and single characters; comments, other literals and lifetimes are left out.

#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    line: usize,
}

impl Lexer<'_> {
    fn next_token(&mut self) -> Option<Token> {
        loop {
            let line = self.line;
            let first = self.peek(0)?;
            match first {
                '/' if self.peek(1) == Some('/') => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.step();
                    }
                }
                '/' if self.peek(1) == Some('*') => self.block_comment(),
                '"' => {
                    let start = self.at;
                    self.string();
                    let text = self.chars[start..self.at.min(self.chars.len())].iter().collect();
                    return Some(Token { line, text });
                }
                '\'' => self.char_or_lifetime(),
                c if c.is_whitespace() => self.step(),
                c if c.is_alphanumeric() || c == '_' => {
                    let mut text = String::new();
                    while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
                        text.push(c);
                        self.step();
                    }
                    if !self.rest_of_literal(&text) {
                        return Some(Token { line, text });
                    }
                }
                ':' if self.peek(1) == Some(':') => {
                    self.step();
                    self.step();
                    return Some(Token { line, text: "::".into() });
                }
                c => {
                    self.step();
                    return Some(Token { line, text: c.into() });
                }
            }
        }
    }

    /// Whether a name was the prefix of a string or of a raw name; takes the string, or the `#`.
    fn rest_of_literal(&mut self, prefix: &str) -> bool {
        match (prefix, self.peek(0)) {
            ("b" | "c", Some('"')) => self.string(),
            ("b", Some('\'')) => self.char_or_lifetime(),
            ("r" | "br" | "cr", Some('"' | '#')) => {
                let mut hashes = 0;
                while self.peek(hashes) == Some('#') {
                    hashes += 1;
                }
                if self.peek(hashes) != Some('"') {
                    // A raw name: the name itself follows as a token of its own.
                    self.step();
                    return true;
                }
                self.raw_string(hashes);
            }
            _ => return false,
        }
        true
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.step();
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.step();
                }
                _ => {}
            }
            self.step();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.step();
        while let Some(c) = self.peek(0) {
            self.step();
            match c {
                '\\' => self.step(),
                '"' => return,
                _ => {}
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        for _ in 0..=hashes {
            self.step();
        }
        while let Some(c) = self.peek(0) {
            self.step();
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                for _ in 0..hashes {
                    self.step();
                }
                return;
            }
        }
    }

    fn char_or_lifetime(&mut self) {
        self.step();
        if self.peek(0) == Some('\\') {
            self.step();
            self.step();
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.step();
            }
            self.step();
        } else if self.peek(1) == Some('\'') {
            self.step();
            self.step();
        } else {
            while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
                self.step();
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn step(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }
}

// The scanner's own tests.

fn violations(file: &str, text: &str) -> Vec<String> {
    let lib = SourceFile {
        shown: "src/lib.rs".into(),
        module: Vec::new(),
        text: "mod error; mod sse; pub use error::{Error, Result as Outcome};\n\
               pub use crate::sse::Sse;"
            .into(),
    };
    let file = SourceFile { shown: format!("src/{file}"), module: module_path(Path::new(file)), text: text.into() };
    let house = House::of(vec![lib, file]);
    let file = &house.files[1];
    house.judge(file, &Scan::of(&file.module, &file.text))
}

#[track_caller]
fn assert_refused(file: &str, text: &str) {
    let found = violations(file, text);
    assert_eq!(found.len(), 1, "{text}\n{found:?}");
}

#[track_caller]
fn assert_allowed(file: &str, text: &str) {
    let found = violations(file, text);
    assert!(found.is_empty(), "{text}\n{found:?}");
}

#[test]
fn a_floor_below_may_be_used() {
    assert_allowed("sse.rs", "use crate::keys::Keyring; use crate::geometry;");
    assert_allowed("keys/wrap.rs", "use super::super::crypto::Hmac;");
    assert_allowed("secret.rs", "use crate::error::Error;");
    assert_allowed("lib.rs", "use crate::sse::Sse;");
}

#[test]
fn files_of_one_directory_may_use_each_other() {
    assert_allowed("stream/range.rs", "use super::geometry; use crate::stream::layers::Layers;");
    assert_allowed("stream/mod.rs", "mod range; use self::range::RangePlan; use range::Fetch;");
}

#[test]
fn a_use_of_a_floor_above_is_refused() {
    assert_refused("stream/mod.rs", "use crate::keys::Keyring;");
    assert_refused("crypto/mod.rs", "pub(crate) use crate::sse::Sse;");
    assert_refused("sse.rs", "use crate::rotation::Sweep;");
}

#[test]
fn a_use_of_another_module_on_the_same_floor_is_refused() {
    assert_refused("rotation.rs", "use crate::testing::MemoryKms;");
    assert_refused("hazmat.rs", "use crate::testing::MemoryKms;");
    assert_refused("error.rs", "use crate::secret::Secret;");
    assert_refused("secret.rs", "use crate::object::ObjectName;");
}

#[test]
fn an_inline_path_is_found() {
    assert_refused("stream/mod.rs", "fn f() -> u8 { let x = crate::envelope::f(); x }");
    assert_refused("stream/mod.rs", "fn f<T: Into<crate::mode::ModeId>>(t: T) {}");
    assert_refused("object.rs", "fn f() { super::sse::f() }");
    assert_refused("stream/a.rs", "macro_rules! m { () => { $crate::sse::f() } }");
}

#[test]
fn a_nested_use_is_found() {
    let text = "use crate::{error::{Error, Result}, crypto::{self, kdf}, keys::{context::{A, B as C}}};";
    assert_eq!(violations("stream/mod.rs", text).len(), 2);
    assert_refused("stream/mod.rs", "use crate::{crypto::*, mode};");
    assert_refused("stream/x.rs", "use super::{geometry, super::{crypto, envelope}};");
}

#[test]
fn super_is_resolved_from_where_it_stands() {
    assert_refused("stream/range.rs", "use super::super::keys::Keyring;");
    assert_refused("stream/range.rs", "mod inner { use super::super::super::keys::Keyring; }");
    assert_allowed("stream/range.rs", "mod inner { use super::super::geometry; use super::X; }");
    assert_refused("stream/range.rs", "mod inner { fn f() { if true { {} } } } use super::super::keys::Keyring;");
    assert_allowed("stream.rs", "mod inner { use super::keys; }");
    assert_refused("stream.rs", "use super::keys;");
}

#[test]
fn visibility_is_a_path_only_where_it_names_one() {
    assert_allowed("stream/range.rs", "pub(crate) struct A; pub(super) struct B; pub(self) struct C;");
    assert_allowed("stream/range.rs", "pub(in crate::stream) struct A;");
    assert_refused("stream/range.rs", "pub(in crate::mode) struct A;");
}

#[test]
fn the_front_page_is_no_way_around() {
    assert_allowed("keys/mod.rs", "use crate::Error; use crate::Outcome;");
    assert_refused("keys/mod.rs", "use crate::Sse;");
    assert_refused("keys/mod.rs", "use crate::Unheard;");
    assert_refused("keys/mod.rs", "use crate::*;");
    assert_refused("sse.rs", "use super::*;");
    assert_refused("keys/mod.rs", "use crate as root;");
    assert_refused("keys/mod.rs", "extern crate self as atrest;");
    assert_refused("keys/mod.rs", "#[path = \"../sse.rs\"] mod other;");
    assert_allowed("keys/mod.rs", "#[path = \"absent.rs\"] mod other;");
    assert_refused("keys/mod.rs", "include!(\"other.rs\");");
}

#[test]
fn comments_strings_and_test_modules_are_left_out() {
    assert_allowed(
        "stream/mod.rs",
        "// crate::sse\n/* crate::sse /* x */ crate::keys */\n/// [`crate::Sse`]\nfn f() {}",
    );
    assert_allowed("stream/mod.rs", r##"const A: &str = "crate::sse::x \" }"; const B: &str = r#"crate::sse " {"#;"##);
    assert_allowed("stream/mod.rs", "fn f<'a>(x: &'a str) -> char { let _ = b'{'; '}' }");
    assert_allowed("stream/mod.rs", "const A: [char; 3] = ['\\'', '\"', '\\u{7d}'];");
    let tests = "#[cfg(test)]\n#[allow(clippy::x)]\nmod tests { use crate::sse::Sse; use hmac::Hmac; mod deep { use crate::mode; } }";
    assert_allowed("stream/mod.rs", tests);
    assert_refused("stream/mod.rs", &format!("{tests} use crate::sse::Sse;"));
    assert_refused("stream/mod.rs", "#[cfg(test)] use std::fmt; mod real { use crate::sse::Sse; }");
    assert_refused("stream/mod.rs", "#[cfg(test)] fn f() {} mod real { use crate::sse::Sse; }");
    assert_refused("stream/mod.rs", "#[cfg(feature = \"testing\")] mod real { use crate::sse::Sse; }");
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_left_out() {
    let stream = SourceFile {
        shown: "src/stream/mod.rs".into(),
        module: module_path(Path::new("stream/mod.rs")),
        text: "#[cfg(test)] mod tests; mod range;".into(),
    };
    let tests = SourceFile {
        shown: "src/stream/tests.rs".into(),
        module: module_path(Path::new("stream/tests.rs")),
        text: "use crate::sse::Sse;".into(),
    };
    let house = House::of(vec![stream, tests]);
    let file = &house.files[1];
    assert!(house.judge(file, &Scan::of(&file.module, &file.text)).is_empty());
}

#[test]
fn only_crypto_names_a_crypto_crate() {
    assert_allowed("crypto/kdf.rs", "use hmac::Hmac; use ::sha2::Sha512;");
    assert_allowed("keys/wrap.rs", "use subtle::ConstantTimeEq; use zeroize::Zeroizing;");
    assert_allowed("keys/wrap.rs", "use crate::crypto::hmac; fn hmac() {} fn f() { hmac(); crypto::hmac::new(); }");
    assert_refused("keys/wrap.rs", "use hmac::{Hmac, Mac as _};");
    assert_refused("keys/wrap.rs", "use {std::fmt, sha2::Sha512 as S};");
    assert_refused("keys/wrap.rs", "use aws_lc_rs as lc;");
    assert_refused("keys/wrap.rs", "use ::rand_core::TryRng;");
    assert_refused("keys/wrap.rs", "extern crate argon2;");
    assert_refused("keys/wrap.rs", "fn f() { let x: ::aes_gcm::Aes256Gcm; }");
    assert_refused("keys/wrap.rs", "fn f() { getrandom::fill(&mut []).ok(); }");
}

#[test]
fn an_unknown_module_is_refused() {
    assert_refused("attic.rs", "");
    assert_refused("attic/mod.rs", "fn f() {}");
    assert_refused("keys/mod.rs", "use crate::attic::X;");
}
