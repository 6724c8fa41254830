//! The settings of /etc/mptcpize.toml as they are described: the file that the package brings, and what
//! the description says of defaults and of values. UPDATE=1 writes the file anew.

use std::path::Path;

use mptcpize::config_file;
use mptcpize::output::man::settings::EXAMPLES;
use mptcpize_model::config::Config;
use mptcpize_model::settings::{Section, Setting, Table, What, sections};

/// Columns of the shipped file.
const WIDTH: usize = 100;

fn shipped() -> String {
    let mut text = comment(
        "Settings of mptcpize. A line that begins with # and no blank is an example: take the # away to set \
         it, and where it stands in a section also the one before the section's name in brackets. What \
         the key does, and what holds without it, stands above. The same is in mptcpize.toml(5). A daemon \
         and a gateway read this file again on `systemctl reload mptcpized` and `systemctl reload \
         mptcpize-gateway`.",
    );
    for section in sections(Config::table()) {
        if !section.name.is_empty() {
            text.push_str(&format!("\n\n{}#[{}]\n", comment(&section.about), section.example));
        }
        for setting in &section.keys {
            text.push('\n');
            text.push_str(&entry(setting));
        }
    }
    text
}

fn entry(setting: &Setting) -> String {
    let What::Value { kind, default, examples } = &setting.what else {
        panic!("{} is a section", setting.key)
    };
    let mut text = comment(&setting.about.replace("\n\n", " "));
    text.push_str(&comment(&format!("Value: {kind}. Default: {default}.")));
    for (key, value) in examples {
        text.push_str(&format!("#{key} = {value}\n"));
    }
    text
}

fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.replace('`', "").split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("# {word}"));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    if text.is_empty() {
        return String::new();
    }
    lines.join("\n") + "\n"
}

/// Values of all sections, each with the section that it is in.
fn values() -> Vec<(Section, Setting)> {
    let all = sections(Config::table()).into_iter();
    all.flat_map(|section| {
        let keys = section.keys.clone();
        keys.into_iter().map(move |setting| (section.clone(), setting))
    })
    .collect()
}

/// A file with one line, in its section.
fn file(section: &Section, line: &str) -> String {
    match section.example.as_str() {
        "" => line.to_owned(),
        name => format!("[{name}]\n{line}"),
    }
}

#[test]
fn the_shipped_file_is_made_from_the_definition_of_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/debian/mptcpize.toml");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, shipped()).expect("the tree can be written");
    }
    let found = std::fs::read_to_string(&path).expect("the package has it");
    assert!(
        found == shipped(),
        "UPDATE=1 cargo test --test pure settings:: writes {}",
        path.display()
    );
}

#[test]
fn the_shipped_file_sets_nothing_and_all_of_its_examples_together_are_good() {
    assert_eq!(config_file::read(&shipped()), Ok(Config::default()));
    let uncommented: String = shipped()
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let read = config_file::read(&uncommented).unwrap_or_else(|why| panic!("{why}\n{uncommented}"));
    assert_ne!(read, Config::default());
}

#[test]
fn each_example_alone_is_a_good_file_that_changes_something() {
    for (section, setting) in values() {
        let What::Value { examples, .. } = &setting.what else { panic!("a section in a section") };
        for (key, value) in examples {
            let text = file(&section, &format!("{key} = {value}\n"));
            let read = config_file::read(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
            let gateway = config_file::gateway(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
            let something = read != Config::default() || gateway != Default::default();
            assert!(something, "{text}: it is passed over");
        }
    }
}

#[test]
fn a_default_that_can_be_written_is_taken_and_each_word_of_a_choice_too() {
    let mut tried = 0;
    for (section, setting) in values() {
        let What::Value { kind, default, .. } = &setting.what else { panic!("a section") };
        let mut values: Vec<String> =
            kind.split('"').skip(1).step_by(2).map(|word| format!("\"{word}\"")).collect();
        // Others are said in words.
        let written = default.split(';').next().expect("it has one part");
        if toml::from_str::<toml::Table>(&format!("x = {written}")).is_ok() {
            values.push(written.to_owned());
        }
        for value in values {
            let text =
                file(&section, &format!("{} = {value}\n", setting.key.replace("LINK", "eth0")));
            config_file::read(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
            tried += 1;
        }
    }
    assert!(tried > 30, "only {tried} were tried");
}

#[test]
fn the_defaults_of_the_limits_are_those_that_hold() {
    let text: String = sections(Config::table())
        .into_iter()
        .find(|section| section.name == "gateway.limits")
        .expect("it is there")
        .keys
        .iter()
        .map(|setting| match &setting.what {
            What::Value { default, .. } => format!("{} = {default}\n", setting.key),
            What::Section { .. } => panic!("{} is a section", setting.key),
        })
        .collect();
    let said = config_file::gateway(&format!("[gateway.limits]\n{text}")).expect("they are good");
    assert_eq!(said, Default::default());
}

#[test]
fn the_whole_files_of_the_manual_page_are_good() {
    for (said, file) in EXAMPLES {
        let read = config_file::read(file).unwrap_or_else(|why| panic!("{said} {why}"));
        assert_ne!(read, Config::default(), "{said}");
    }
}
