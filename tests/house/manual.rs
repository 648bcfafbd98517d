//! The sections of the manual that the code cites exist.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_section_of_the_format_that_the_code_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let format = fs::read_to_string(root.join("manual/format.md")).unwrap();
    let headings: Vec<&str> = format.lines().filter_map(|line| line.strip_prefix('#')).collect();
    let headings: Vec<&str> = headings.iter().map(|line| line.trim_start_matches('#').trim()).collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut named = 0;
    for file in files {
        for line in fs::read_to_string(&file).unwrap().lines() {
            if let Some((_, rest)) = line.split_once("format, \"") {
                named += 1;
                let wanted = rest.split('"').next().unwrap();
                assert!(headings.contains(&wanted), "{}: {line}", file.display());
            }
        }
    }
    assert!(named >= 10, "{named}");
}

/// The blocks of one language in a page, each without its fences.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == language {
                blocks.push(block.join("\n"));
            }
        }
    }
    blocks
}

/// The lines of a program without their indentation.
fn unindented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn the_code_that_howto_quotes_is_that_of_the_examples_and_its_other_code_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/manual/howto.md")).unwrap();
    let mut files = Vec::new();
    sources(&root.join("examples"), &mut files);
    let examples: Vec<String> = files.iter().map(|file| unindented(&fs::read_to_string(file).unwrap())).collect();
    let quoted = blocks(&page, "text");
    for block in &quoted {
        let found = examples.iter().any(|example| example.contains(&unindented(block)));
        assert!(found, "no example has this code:\n{block}");
    }
    assert!(quoted.len() >= 10, "{}", quoted.len());
    let fences = page.lines().filter(|line| line.starts_with("```")).count();
    assert_eq!(fences, 2 * (quoted.len() + blocks(&page, "rust").len()), "a block is neither quoted nor compiled");
}

/// The longest line of code that a page of the rendered documentation shows without scrolling.
const PAGE_WIDTH: usize = 92;

#[test]
fn code_and_diagrams_of_the_manual_and_the_readme_fit_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| root.join(page)).into();
    pages.extend(fs::read_dir(root.join("src/manual")).unwrap().map(|entry| entry.unwrap().path()));
    let mut wide = Vec::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let mut in_code = false;
        for line in fs::read_to_string(page).unwrap().lines() {
            in_code ^= line.starts_with("```");
            // rustdoc hides these lines.
            let shown = in_code && !line.starts_with("# ");
            if shown && line.chars().count() > PAGE_WIDTH {
                wide.push(format!("{}: {line}", page.display()));
            }
        }
    }
    assert!(wide.is_empty(), "over {PAGE_WIDTH} columns:\n{}", wide.join("\n"));
}
