//! The sections of a page that are written as text: those below the options in `--help`, and all of a
//! page that is no verb's. In the order of man-pages(7), whatever order they are written in.

use std::fmt::Write;

use super::roff::{bold, commands, escaped, paragraphs, text};

/// The sections that every page may have, in their order; those of a page's own stand before them.
const LAST: [&str; 6] = ["Exit status", "Environment", "Files", "Notes", "Examples", "See also"];

/// The heading of the section that ends a page.
const SEE_ALSO: &str = "See also";

/// The heading of commands.
const EXAMPLES: &str = "Examples";

/// The heading of what may be set around a program.
const ENVIRONMENT: &str = "Environment";

/// The heading of files.
const FILES: &str = "Files";

/// What keeps programs on TCP: whoever looks for it begins on the page of whatever verb is at work.
const OFF: &str = "  MPTCPIZE=off";

/// What is said of it on pages that have nothing of their own to say.
const OFF_BY_DEFAULT: &str = "  MPTCPIZE=off  a program that is started with it stays on TCP, and so do \
its children, whatever is enabled; see mptcpize(8)";

/// The row of verbs that keep all they do in the kernel.
const FILES_BY_DEFAULT: &str = "  /run/mptcpize  the state of this boot, with the journal of `mptcpize \
setup`; nothing is read from it or written to it here";

/// A heading, and the lines below it.
struct Section<'a> {
    heading: &'a str,
    lines: Vec<&'a str>,
}

/// The sections of a text: each begins with a line at the margin that ends in a colon.
fn read(written: &str) -> Vec<Section<'_>> {
    let mut all: Vec<Section<'_>> = Vec::new();
    for line in written.lines().filter(|line| !line.is_empty()) {
        match line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            Some(heading) => all.push(Section { heading, lines: Vec::new() }),
            None => all.last_mut().expect("a text begins with a heading").lines.push(line),
        }
    }
    all
}

/// Adds what every page has to the sections of one that lacks it.
fn complete(all: &mut Vec<Section<'_>>) {
    let mut of = |heading| match all.iter().position(|section| section.heading == heading) {
        Some(at) => at,
        None => {
            all.push(Section { heading, lines: Vec::new() });
            all.len() - 1
        }
    };
    let (environment, files) = (of(ENVIRONMENT), of(FILES));
    if !all[environment].lines.first().is_some_and(|line| line.starts_with(OFF)) {
        all[environment].lines.insert(0, OFF_BY_DEFAULT);
    }
    if all[files].lines.is_empty() {
        all[files].lines.push(FILES_BY_DEFAULT);
    }
}

/// Adds the sections of a text. `above` is the page of the verb above, the first that is seen also;
/// `examples` are those that are made already.
///
/// A row that is set in by two blanks is a term; what is said of it follows after two blanks or more, or in a line that is set in further. Among the
/// examples such rows are commands, and what is said stands below them. Other lines are paragraphs.
pub(super) fn add(page: &mut String, written: &str, above: Option<&str>, examples: Option<&str>) {
    let mut all = read(written);
    complete(&mut all);
    let has = |all: &[Section<'_>], name| all.iter().any(|section| section.heading == name);
    if !has(&all, SEE_ALSO) && above.is_some() {
        all.push(Section { heading: SEE_ALSO, lines: Vec::new() });
    }
    if examples.is_some() {
        all.push(Section { heading: EXAMPLES, lines: Vec::new() });
    }
    let place = |section: &Section<'_>| {
        LAST.iter().position(|last| *last == section.heading).map_or(0, |place| place + 1)
    };
    // Those of the page's own keep their order.
    all.sort_by_key(place);
    for Section { heading, lines } in &all {
        let _ = writeln!(page, ".SH {}", escaped(&heading.to_uppercase()));
        match *heading {
            SEE_ALSO => see_also(page, above, lines),
            EXAMPLES => match examples {
                Some(made) => page.push_str(made),
                None => commanded(page, lines),
            },
            _ => rows(page, lines),
        }
    }
}

fn rows(page: &mut String, lines: &[&str]) {
    let mut first = true;
    for line in lines {
        match line.strip_prefix("  ") {
            Some(row) if row.starts_with("  ") => {
                let _ = writeln!(page, "{}", paragraphs(row.trim_start(), ".IP"));
            }
            Some(row) => {
                let (term, said) = row.split_once("  ").unwrap_or((row, ""));
                let _ = writeln!(page, ".TP\n{}", bold(term));
                if !said.is_empty() {
                    let _ = writeln!(page, "{}", paragraphs(said.trim_start(), ".IP"));
                }
            }
            None => {
                let between = if first { "" } else { ".PP\n" };
                let _ = writeln!(page, "{between}{}", paragraphs(line, ".PP"));
            }
        }
        first = false;
    }
}

/// Commands that stand together, and below them what they do.
fn commanded(page: &mut String, lines: &[&str]) {
    let mut together: Vec<&str> = Vec::new();
    let mut first = true;
    let mut next = |page: &mut String| {
        if !std::mem::take(&mut first) {
            page.push_str(".PP\n");
        }
    };
    for line in lines {
        match line.strip_prefix("  ") {
            Some(row) if row.starts_with("  ") => {
                next(page);
                let said = paragraphs(row.trim_start(), ".PP");
                let _ = writeln!(page, "{said}\n{}", commands(&together));
                together.clear();
            }
            Some(row) => together.push(row),
            None => {
                next(page);
                let _ = writeln!(page, "{}", paragraphs(line, ".PP"));
            }
        }
    }
    if !together.is_empty() {
        let _ = writeln!(page, "{}", commands(&together));
    }
}

fn see_also(page: &mut String, above: Option<&str>, lines: &[&str]) {
    let named: Vec<&str> = lines.iter().map(|line| line.trim_start()).collect();
    let above = above.filter(|above| !named.iter().any(|line| has(line, above)));
    let all: Vec<&str> = above.into_iter().chain(named).collect();
    let _ = writeln!(page, "{}", text(&all.join(", ")));
}

/// Is this page among those of the line?
fn has(line: &str, page: &str) -> bool {
    line.split([' ', ',', ';']).any(|word| word == page)
}
