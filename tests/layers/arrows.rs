//! Which file of a crate uses which: read from the paths in its text, so that circles are seen.
//!
//! An arrow goes from a file to the file that defines what it names by `crate::`, `super::`, `self::`
//! or by the name of a module of its own. Tests inside a file are left out: they may look anywhere.
//! A file that names something of the head (mod.rs) of its own folder draws no arrow: the two are
//! one room, whose words the head defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of a crate by the path of their module, each with those that it uses.
pub(super) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Reads the arrows of the crate whose sources lie below `source`.
pub(super) fn of(source: &Path) -> Arrows {
    let files = super::files(source);
    let texts: BTreeMap<String, String> = files
        .iter()
        .map(|file| (module(file.strip_prefix(source).expect("below")), code(&super::read(file))))
        .collect();
    let mut arrows = Arrows::new();
    for (module, text) in &texts {
        let mut used = BTreeSet::new();
        for path in paths(module, text, &texts) {
            let target = (1..=path.len()).rev().map(|length| path[..length].join("::"));
            let target = target.clone().find(|name| texts.contains_key(name));
            // `module` itself, or the head of a folder that it lies in.
            let is_own =
                |target: &String| target == module || module.starts_with(&format!("{target}::"));
            used.extend(target.filter(|target| !is_own(target)));
        }
        arrows.insert(module.clone(), used);
    }
    arrows
}

/// `host/netns/mod.rs` is `host::netns`; the crate's root has no name.
fn module(file: &Path) -> String {
    let whole = file.with_extension("").display().to_string().replace('/', "::");
    match whole.as_str() {
        "lib" | "main" => whole,
        _ => whole.strip_suffix("::mod").unwrap_or(&whole).to_owned(),
    }
}

/// The text without comments, without the tests, and without what says how far an item is seen.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut seen = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("pub(in ") {
        seen.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    seen + rest
}

/// All paths that the text of a module names, from the root of the crate on.
fn paths(module: &str, text: &str, all: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let base: Vec<String> = match module {
        "lib" | "main" => Vec::new(),
        module => module.split("::").map(str::to_owned).collect(),
    };
    let mut found = Vec::new();
    let mut rest = text;
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    // Each path begins where a name begins that is no part of another path.
    while let Some(at) = rest.find(is_letter) {
        let before = &rest[..at];
        rest = &rest[at..];
        let end = rest.find(|letter: char| !is_letter(letter)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let continues = after.starts_with("::");
        if continues && !before.ends_with("::") && !before.ends_with('.') {
            let child = match base.is_empty() {
                true => name.to_owned(),
                false => format!("{module}::{name}"),
            };
            let start = match name {
                "crate" => Some(Vec::new()),
                "self" => Some(base.clone()),
                "super" => Some(base[..base.len().saturating_sub(1)].to_vec()),
                _ if all.contains_key(&child) => {
                    Some(child.split("::").map(str::to_owned).collect())
                }
                _ => None,
            };
            if let Some(start) = start {
                expand(&start, &after[2..], &mut found);
            }
        }
        rest = after;
    }
    found
}

/// The paths behind `start`: `a::b`, `{a, b::{c, d}}`, `super::a`.
fn expand(start: &[String], text: &str, found: &mut Vec<Vec<String>>) {
    let text = text.trim_start();
    if let Some(list) = text.strip_prefix('{') {
        let mut depth = 0;
        let mut from = 0;
        for (at, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    expand(start, &list[from..at], found);
                    from = at + 1;
                    if letter == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    let mut path = start.to_vec();
    match name {
        "" | "self" => {}
        "super" => {
            path.pop();
        }
        name => path.push(name.to_owned()),
    }
    match after.strip_prefix("::") {
        Some(after) => expand(&path, after, found),
        None => found.push(path),
    }
}

/// The circles: sets of files each of which reaches the others.
pub(super) fn circles(arrows: &Arrows) -> Vec<Vec<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|file| (file.as_str(), reached(arrows, file))).collect();
    let mut found: Vec<Vec<&str>> = Vec::new();
    for (file, ahead) in &reach {
        if ahead.contains(file) && !found.iter().any(|circle| circle.contains(file)) {
            let mutual = ahead.iter().filter(|other| reach[**other].contains(file));
            found.push(mutual.copied().collect());
        }
    }
    found
}

/// All files that one leads to; itself only where it is in a circle.
fn reached<'a>(arrows: &'a Arrows, from: &'a str) -> BTreeSet<&'a str> {
    let mut all: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        let next = arrows.get(file).into_iter().flatten();
        open.extend(next.map(String::as_str).filter(|next| all.insert(next)));
    }
    all
}
