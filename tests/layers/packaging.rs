//! Recipes of packages that no script fills in, because their tools read them as they are: they say what
//! Cargo.toml says, and lead to files that are there.

use std::path::Path;
use std::process::Command;

/// Each with its line of the version.
const RECIPES: [(&str, &str); 4] = [
    ("mptcpize.spec", "Version:        "),
    ("PKGBUILD", "pkgver="),
    ("openwrt/Makefile", "PKG_VERSION:="),
    ("mptcpize.nix", "  version = "),
];

fn read(file: &str) -> String {
    super::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file))
}

/// A value of `[workspace.package]`.
fn of_workspace(key: &str) -> String {
    let text = read("Cargo.toml");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
    line.expect("the workspace says it").trim_matches(['[', ']', '"']).to_owned()
}

#[test]
fn every_recipe_names_the_version_and_the_address_of_the_workspace() {
    for (recipe, start) in RECIPES {
        let text = read(&format!("scripts/packaging/{recipe}"));
        let version = text.lines().find_map(|line| line.strip_prefix(start));
        let version = version.map(|version| version.trim_matches(['"', ';']));
        assert_eq!(version, Some(env!("CARGO_PKG_VERSION")), "{recipe}");
        assert!(text.contains(&of_workspace("homepage")), "{recipe}");
    }
    let openwrt = read("scripts/packaging/openwrt/Makefile");
    assert!(openwrt.contains(&format!("PKG_MAINTAINER:={}\n", of_workspace("authors"))));
}

/// What scripts/install reads of the tree, by the words that it is written in there.
#[test]
fn the_files_that_are_installed_are_there() {
    let script = read("scripts/install");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for word in script.split(['"', ' ', '\n', ';', '\t']) {
        let path = word.strip_prefix("$here/").map(|rest| format!("scripts/{rest}"));
        let path = path.or_else(|| Some(word.replace("$commands/", "launcher/src/commands/")));
        let path = path.filter(|path| path != word && !path.contains('$'));
        if let Some(path) = path {
            assert!(root.join(&path).exists(), "{path}");
            seen += 1;
        }
    }
    assert!(seen > 5, "only {seen} were seen");
}

/// OpenWrt's own functions, as far as the script calls them: they print what they are told.
const RC_COMMON: &str = r#"
    config_load() { :; }
    config_get_bool() { eval "$1=$ON"; }
    procd_open_instance() { :; }
    procd_set_param() { echo "$*"; }
    procd_close_instance() { echo whole; }
    procd_add_reload_trigger() { :; }
    . "$SCRIPT"
    start_service
"#;

#[test]
fn the_init_script_of_openwrt_starts_the_daemon_only_where_it_is_switched_on() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scripts/packaging/openwrt/files/mptcpize.init");
    let started = |on: &str| {
        let mut shell = Command::new("busybox");
        shell.args(["sh", "-euc", RC_COMMON]).env("ON", on).env("SCRIPT", &script);
        let output = shell.output().expect("busybox is here (package busybox)");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).expect("it prints text")
    };
    assert_eq!(started("0"), "");
    let on = started("1");
    assert!(on.starts_with("command /usr/bin/mptcpize daemon\nrespawn "), "{on}");
    assert!(on.ends_with("file /etc/mptcpize.toml\nwhole\n"), "{on}");
}

/// pacman goes on after a function of a package's own script has failed; a hook can end the transaction.
#[test]
fn pacman_keeps_the_package_where_its_effects_cannot_be_taken_back() {
    let hook = read("scripts/packaging/mptcpize.hook");
    let lines: Vec<&str> = hook.lines().collect();
    for line in ["Operation = Remove", "When = PreTransaction", "AbortOnFail"] {
        assert!(lines.contains(&line), "{line}: {hook}");
    }
    let recipe = read("scripts/packaging/PKGBUILD");
    let value = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {key}: {text}"))
    };
    assert_eq!(value(&hook, "Target = "), value(&recipe, "pkgname="));
    // Where the recipe puts it: Arch has no /usr/libexec.
    assert_eq!(value(&hook, "Exec = "), "/usr/lib/mptcpize/before-removal");
    assert!(recipe.contains("--libexec lib ") && recipe.contains("/usr/share/libalpm/hooks/"));
    assert!(!read("scripts/packaging/mptcpize.install").contains("pre_remove"));
}
