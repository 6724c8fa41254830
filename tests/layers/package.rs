//! What `cargo package` puts into the crates: all that a registry's user builds from.
//!
//! Not here: that it builds; `cargo package -p mptcpize` without `--no-verify` tries it in minutes.

use std::path::Path;
use std::process::Command;

use crate::{files, source};

/// The files of a crate's package, below the crate.
fn packaged(crate_name: &str) -> Vec<String> {
    // The one that built this test: it may be run without one.
    let done = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--offline", "-p", crate_name])
        .current_dir(source())
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_launchers_package_has_all_of_the_shim() {
    let package = packaged("mptcpize");
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shim");
    let mut wanted = vec!["shim/build.rs".to_owned(), "shim/link.ld".to_owned()];
    // Under its own name it would make the directory a package of its own, which cargo leaves out.
    wanted.push("shim/manifest.toml".to_owned());
    for file in files(&shim.join("src")) {
        let below = file.strip_prefix(&shim).expect("it lies in the shim");
        wanted.push(format!("shim/{}", below.display()));
    }
    assert!(wanted.len() > 50, "{wanted:?}");
    for file in wanted {
        assert!(package.contains(&file), "{file} is not in the package: {package:#?}");
    }
}

#[test]
fn every_package_has_its_licences_and_a_page() {
    for name in ["mptcpize", "mptcpize-model", "mptcp-netlink", "mptcpize-relay", "mptcpize-shim"] {
        let package = packaged(name);
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
            assert!(package.iter().any(|found| found == file), "{name}: {package:#?}");
        }
    }
}
