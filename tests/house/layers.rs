//! The floors of the crate: this test reads every `crate::`, `super::` and `self::` path of every file in `src/`,
//! resolves it to a top-level module, and compares it with the table below.
//!
//! A file uses floors strictly below its own; files of one directory may use each other; `lib.rs`, the front
//! page, is free. Only `crypto/` names a crate that does cryptography. `syn` parses the files; the bodies of macros,
//! which have no syntax of their own, are read as tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemExternCrate, ItemMod, ItemUse, Macro, UseTree};

/// The floors, highest first. A top-level module that is not here fails the test.
const FLOORS: &[(u8, &[&str])] = &[
    (8, &["s3", "adapter", "rotation", "testing", "hazmat", "manual"]),
    (7, &["sse"]),
    (6, &["multipart", "kms"]),
    (5, &["mode", "trail"]),
    (4, &["envelope"]),
    (3, &["keys"]),
    (2, &["stream"]),
    (1, &["crypto"]),
    (
        0,
        &[
            "byte_range",
            "clock",
            "codec",
            "error",
            "files",
            "geometry",
            "object",
            "offload",
            "principal",
            "secret",
            "timer",
            "workers",
        ],
    ),
];

/// The exceptions on the ground floor: most of its modules may use `error`.
const SAME_FLOOR_ALLOWED: &[(&str, &str)] = &[
    ("byte_range", "error"),
    ("files", "error"),
    ("geometry", "byte_range"),
    ("geometry", "error"),
    ("object", "codec"),
    ("object", "error"),
    ("offload", "error"),
    ("secret", "error"),
    ("timer", "clock"),
    ("workers", "error"),
];

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
    "graviola",
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
fn the_first_line_of_every_module_of_a_floor_names_its_floor() {
    let house = House::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for (floor, modules) in FLOORS {
        for module in *modules {
            let file = house.files.iter().find(|file| file.module == [*module]).expect("the table names a module");
            let line = file.text.lines().next().unwrap_or_default();
            let says = line.strip_prefix(&format!("// Floor {floor}")).is_some_and(|rest| rest.starts_with([',', '.']));
            assert!(says, "{} is on floor {floor}, but its first line is: {line}", file.shown);
        }
    }
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
            violations.push(format!(
                "{}: the module `{top}` is on no floor; give it one in tests/house/layers.rs",
                file.shown
            ));
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
    /// The path as written, for messages.
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
    /// Constructs that would bypass the scanner.
    oddities: Vec<(usize, String)>,
}

impl Scan {
    fn of(module: &[String], text: &str) -> Self {
        let file = syn::parse_file(text).expect("a source file parses");
        let mut scanner = Scanner { module: module.to_vec(), in_tests: false, scan: Self::default() };
        scanner.visit_file(&file);
        scanner.scan
    }
}

struct Scanner {
    module: Vec<String>,
    in_tests: bool,
    scan: Scan,
}

impl<'ast> Visit<'ast> for Scanner {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.attrs.iter().any(leads_out_of_the_folder) {
            self.odd(item, "a `#[path]` out of the folder is on no floor");
        }
        let outside = self.in_tests;
        self.in_tests |= item.attrs.iter().any(is_test_attribute);
        self.module.push(item.ident.to_string());
        if item.content.is_none() && self.in_tests {
            self.scan.test_modules.push(self.module.clone());
        }
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.in_tests = outside;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.use_tree(&item.tree, &[]);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        if item.ident == "self" {
            self.odd(item, "`extern crate self` leads around the floors");
        }
        self.names_crate(item.span().start().line, &item.ident.to_string());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.inline_path(path.span().start().line, written);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        if item.path.is_ident("include") {
            self.odd(item, "an `include!` leads around the scanner");
        }
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

impl Scanner {
    fn use_tree(&mut self, tree: &UseTree, prefix: &[String]) {
        let extended = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        let line = tree.span().start().line;
        match tree {
            UseTree::Path(path) => self.use_tree(&path.tree, &extended(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(tree, prefix)),
            UseTree::Glob(_) => self.record(line, [prefix, &["*".into()]].concat(), None),
            // `use a::{self}` names `a`.
            UseTree::Name(name) if name.ident == "self" && !prefix.is_empty() => {
                self.record(line, prefix.to_vec(), prefix.last().cloned());
            }
            UseTree::Name(name) => self.record(line, extended(&name.ident), Some(name.ident.to_string())),
            UseTree::Rename(name) => self.record(line, extended(&name.ident), Some(name.rename.to_string())),
        }
    }

    /// A path outside of a `use`. One name alone (`self`, `crate` in `pub(crate)`, a local) leads nowhere.
    fn inline_path(&mut self, line: usize, written: Vec<String>) {
        match written.first().map(String::as_str) {
            _ if written.len() < 2 => {}
            Some("crate" | "super" | "self") => self.record(line, written, None),
            Some(name) => self.names_crate(line, name),
            None => {}
        }
    }

    /// The paths in the body of a macro: names with `::` between them.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 || path.is_empty() {
                        self.inline_path(line, std::mem::take(&mut path));
                        line = name.span().start().line;
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.inline_path(line, std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.inline_path(line, path);
    }

    fn record(&mut self, line: usize, written: Vec<String>, binds: Option<String>) {
        let in_tests = self.in_tests;
        let mut path = match written.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("super" | "self") => self.module.clone(),
            first => {
                self.names_crate(line, first.unwrap_or_default());
                self.scan.plain_uses.push(Found { line, path: written.clone(), written, binds, in_tests });
                return;
            }
        };
        for part in &written {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(path.pop()),
                _ => path.push(part.clone()),
            }
        }
        self.scan.uses.push(Found { line, written, path, binds, in_tests });
    }

    fn names_crate(&mut self, line: usize, name: &str) {
        if CRYPTO_CRATES.contains(&name) && !self.in_tests {
            self.scan.crypto_crates.push((line, name.into()));
        }
    }

    fn odd(&mut self, item: &impl Spanned, what: &str) {
        self.scan.oddities.push((item.span().start().line, what.into()));
    }
}

/// `cfg(test)`, alone or as the first of `all(..)`.
fn is_test_attribute(attribute: &Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let condition: String = list.tokens.to_string().split_whitespace().collect();
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test"))
}

fn leads_out_of_the_folder(attribute: &Attribute) -> bool {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return false };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &pair.value else { return false };
    pair.path.is_ident("path") && path.value().contains(['/', '\\'])
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
