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
            man::pages(&root, tool).iter().try_for_each(|page| write(directory, page))?;
        }
        None => output::data(&man::page(&root, tool).text)?,
    }
    Ok(Exit::Done)
}

fn write(directory: &Path, page: &Page) -> Result<(), Error> {
    let file = directory.join(&page.file);
    fs::write(&file, &page.text).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot write {}", file.display()))
            .why(reason(&error))
            .fix(format!("mkdir -p {0} && mptcpize man {0}", shell::operand(directory.display())))
    })
}
