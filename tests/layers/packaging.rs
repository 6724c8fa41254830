//! Recipes of packages that no script fills in, because their tools read them as they are: they say what
//! Cargo.toml says, and lead to files that are there.

use std::path::{Path, PathBuf};
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

/// Each setting of the profile stands in it: OpenWrt's build system changes `release`, which it is made from, by
/// its environment, and what `small` leaves to that would be unwinding and checked overflows.
#[test]
fn the_recipe_of_openwrt_builds_what_scripts_size_measures() {
    let recipe = read("scripts/packaging/openwrt/Makefile");
    let measured = read("scripts/size");
    let manifest = read("Cargo.toml");
    let profile = manifest.split("[profile.small]\n").nth(1).expect("there is the profile");
    for key in ["panic", "lto", "codegen-units", "opt-level", "overflow-checks", "strip"] {
        assert!(profile.contains(&format!("\n{key} = ")), "{key}: {profile}");
    }
    assert!(
        recipe.contains("\nCARGO_PKG_PROFILE:=small\n") && measured.contains("--profile small ")
    );
    // Where scripts/size takes the flags from.
    let flags = recipe.lines().find_map(|line| line.strip_prefix("CARGO_RUSTFLAGS+="));
    let script = flags.and_then(|flags| flags.split_once("$(PKG_BUILD_DIR)/"));
    let (_, script) = script.expect("a script of the linker");
    assert!(read(script).contains("\nINSERT "), "it adds to the linker's own script");
    let features = "launcher,--no-default-features)";
    assert!(recipe.contains(features) && measured.contains(" --no-default-features "));
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

/// apt installs such a package, and its first program ends with "Exec format error".
#[test]
fn a_package_of_one_processor_gets_no_programs_of_another() {
    let dir = tempfile::tempdir().expect("there is room");
    for name in ["mptcpize", "mptcpize-relay"] {
        let us = std::env::current_exe().expect("it has a name");
        std::fs::copy(us, dir.path().join(name)).expect("there is room");
    }
    let other = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/package");
    let binary = dir.path().join("mptcpize");
    let mut package = Command::new(script);
    package.arg("--binary").arg(&binary).args(["--architecture", other]);
    package.args(["--by", "unused", "--library", "unused"]).arg(dir.path());
    let output = package.output().expect("bash is here");
    let said = String::from_utf8(output.stderr).expect("it prints text");
    assert_eq!(output.status.code(), Some(2), "{said}");
    let first =
        format!("error: {} is no program for {other}\n  why: its header says: ", binary.display());
    assert!(said.starts_with(&first), "{said}");
}

/// A package with nothing in it for the processor.
fn empty_package(dir: &Path, architecture: &str) -> PathBuf {
    let (tree, file) = (dir.join(architecture), dir.join(format!("{architecture}.deb")));
    std::fs::create_dir_all(tree.join("DEBIAN")).expect("there is room");
    let control = format!(
        "Package: empty\nVersion: 1\nArchitecture: {architecture}\nMaintainer: Nobody <nobody@example.org>\n\
         Description: nothing\n"
    );
    std::fs::write(tree.join("DEBIAN/control"), control).expect("there is room");
    let made = Command::new("dpkg-deb").arg("--build").args([&tree, &file]).output();
    assert!(made.expect("dpkg-deb is here (package dpkg)").status.success());
    file
}

#[test]
fn the_emulated_machine_says_at_once_what_it_cannot_boot_with_and_what_mends_that() {
    let dir = tempfile::tempdir().expect("there is room");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/arm64-machine");
    // All programs that it runs before it looks for the emulator, and not that one.
    let tools = dir.path().join("tools");
    std::fs::create_dir(&tools).expect("there is room");
    for tool in ["bash", "dirname", "realpath", "dpkg-deb", "tar", "rm", "sed", "cat"] {
        let found = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
        let found = found.iter().find(|path| path.exists()).expect("every Debian has it");
        std::os::unix::fs::symlink(found, tools.join(tool)).expect("there is room");
    }
    let text = dir.path().join("text.deb");
    std::fs::write(&text, "no package").expect("there is room");
    let release = "fix: scripts/release --architecture arm64";
    let table = [
        (dir.path().join("none.deb"), 2, "there is no ", release),
        (text, 2, "is no Debian package", release),
        (empty_package(dir.path(), "amd64"), 2, "is for amd64", release),
        (
            empty_package(dir.path(), "arm64"),
            5,
            "qemu-system-aarch64 is not here",
            "fix: sudo apt-get install --no-install-recommends qemu-system-arm",
        ),
    ];
    for (file, code, what, fix) in table {
        let output = Command::new(&script).arg(&file).env("PATH", &tools).output();
        let output = output.expect("bash is here");
        let said = String::from_utf8(output.stderr).expect("it prints text");
        assert_eq!(output.status.code(), Some(code), "{said}");
        let mut lines = said.lines();
        assert!(
            lines.next().is_some_and(|line| line.starts_with("error: ") && line.contains(what)),
            "{said}"
        );
        assert_eq!(lines.next_back().map(str::trim), Some(fix), "{said}");
    }
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
