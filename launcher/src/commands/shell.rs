//! `mptcpize completions`, `mptcpize man`, and `mptcpize complete`, which the completion scripts
//! call: all from the definition of the command line.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::complete::{self, Kind};
use crate::cli::shell::{Complete, Completions, Man, Shell};
use crate::error::{Error, Exit, reason};
use crate::host::completions;
use crate::locations::Locations;
use crate::output::man::{Page, Tool};
use crate::output::{self, completion, man};
use mptcpize_model::shell;

/// Prints the completion script of a shell.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(arguments: &Completions) -> anyhow::Result<Exit> {
    output::data(match arguments.shell {
        Shell::Bash => completion::BASH,
        Shell::Zsh => completion::ZSH,
        Shell::Fish => completion::FISH,
    })?;
    Ok(Exit::Done)
}

/// Prints what fits at the end of the words, as `output::completion` describes.
///
/// # Errors
/// Standard output cannot be written.
pub fn complete(arguments: &Complete, locations: &Locations) -> anyhow::Result<Exit> {
    let mut root = Cli::command();
    root.build();
    let words: Vec<String> =
        arguments.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let answer = complete::complete(&root, &words);
    let (kind, names) = match answer.kind {
        Kind::Words => (String::from("words"), Vec::new()),
        Kind::Link => (String::from("words"), completions::links()),
        Kind::Relay => (String::from("words"), completions::relays(locations)),
        Kind::Namespace => (String::from("words"), completions::namespaces()),
        Kind::Unit { user } => (String::from("words"), completions::units(user)),
        Kind::File => (String::from("files"), Vec::new()),
        Kind::Directory => (String::from("directories"), Vec::new()),
        // The words begin behind `mptcpize`.
        Kind::Program(index) => (format!("program {}", index + 1), Vec::new()),
    };
    let mut text = format!("{kind}\n");
    for name in names {
        text.push_str(&format!("{}{name}{}\t\n", answer.before, answer.after));
    }
    for candidate in answer.candidates {
        text.push_str(&format!("{}\t{}\n", candidate.word, candidate.help));
    }
    output::data(&text)?;
    Ok(Exit::Done)
}

/// Writes the manual pages, or prints the first.
///
/// # Errors
/// 1 a page cannot be written.
pub fn man(arguments: &Man) -> anyhow::Result<Exit> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let tool = Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };
    match &arguments.directory {
        Some(directory) => {
            let pages = man::pages(&root, tool);
            pages.iter().try_for_each(|page| {
                write(directory, page).map_err(|error| match of_verb(directory, &pages) {
                    Some(title) => error.fix(format!("man {title}")),
                    None => error,
                })
            })?;
        }
        None => output::data(&man::page(&root, tool).text)?,
    }
    Ok(Exit::Done)
}

/// The page that was meant, where a verb stands in place of a directory that is not there.
fn of_verb(directory: &Path, pages: &[Page]) -> Option<String> {
    let word = directory.to_str().filter(|_| !directory.exists())?;
    let title = format!("mptcpize-{}", word.strip_prefix("mptcpize-").unwrap_or(word));
    pages.iter().any(|page| page.file == format!("{title}.8")).then_some(title)
}

fn write(directory: &Path, page: &Page) -> Result<(), Error> {
    let file = directory.join(&page.file);
    fs::write(&file, &page.text).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot write {}", file.display()))
            .why(reason(&error))
            .fix(format!("mkdir -p {0} && mptcpize man {0}", shell::operand(directory.display())))
    })
}
