//! This machine as a place to try things in: its root under an overlay, in mount, network and
//! process namespaces of their own. What is written there lies in memory and is gone with it.

use std::path::Path;

use super::{Cmd, scratch, tool};

/// A script of bash that runs as root of the copy. The tool is `/usr/bin/mptcpize` in it, the
/// scratch directory is where it is outside, read-only, /tmp and /run are empty. The functions:
///
/// * `written`: every file that was written or removed in the copy since it began, and every
///   directory that was made;
/// * `nobody COMMAND…`: as an ordinary user without groups.
pub fn copy(script: &str) -> Cmd {
    entered("exec chroot $root", script)
}

/// The same as the root of its mount namespace: in a chroot the kernel makes no user namespaces.
pub fn root(script: &str) -> Cmd {
    entered(
        "cd $root; mkdir run/outside; pivot_root . run/outside; umount -l run/outside; exec",
        script,
    )
}

fn entered(enter: &str, script: &str) -> Cmd {
    let prelude = r#"
        written() {
            (
                cd /run/upper
                find . ! -type d
                find . -type d | while IFS= read -r made; do
                    [[ -d /run/lower/$made ]] || echo "$made/"
                done
            ) | sort
        }
        nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }
        cd /
    "#;
    let around = around(&format!(
        r#"
        mount -t tmpfs -o mode=755 tmpfs $root/run
        mount -t tmpfs -o mode=1777 tmpfs $root/tmp
        mkdir -p $root/run/upper $root/run/lower $root$2
        mount --bind $base/upper $root/run/upper
        mount --bind / $root/run/lower
        mount -o remount,bind,ro $root/run/lower
        mount --bind $2 $root$2
        mount -o remount,bind,ro $root$2
        {enter} bash -euc "$3" bash
        "#,
    ));
    around.arg(format!("{prelude}\n{script}"))
}

/// A script that runs outside of the copy, which is below `$root`.
pub fn beside(script: &str) -> Cmd {
    around(script)
}

fn around(script: &str) -> Cmd {
    let prelude = r#"
        base=/mnt root=/mnt/root
        mount -t tmpfs -o mode=755 tmpfs $base
        mkdir $base/upper $base/work $root
        mount -t overlay -o lowerdir=/,upperdir=$base/upper,workdir=$base/work overlay $root
        for directory in proc dev sys; do mount --rbind /$directory $root/$directory; done
        install -m 755 "$1" $root/usr/bin/mptcpize
    "#;
    Cmd::line("unshare --mount --net --propagation private bash -euc")
        .arg(format!("{prelude}\n{script}"))
        .arg("bash")
        .arg(tool::public_binary())
        .arg(scratch::root())
}

/// The path of a program, to be put into a script.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
