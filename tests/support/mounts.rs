//! Commands in a mount namespace of their own: what they mount, the host never sees.

use std::path::Path;

use super::{Cmd, tool};

/// A script of bash in a private mount namespace, as root. /mnt is a fresh tmpfs with a copy of
/// the tool (`/mnt/mptcpize`), so that the script may cover any other place. The functions:
///
/// * `cover DIRECTORY OPTIONS`: an empty tmpfs over a directory of the host;
/// * `nobody COMMAND…`: as an ordinary user without groups;
/// * `bare COMMAND…`: with no environment but PATH and what stands before the command.
pub fn private(script: &str) -> Cmd {
    let prelude = "
        cover() { mount -t tmpfs -o \"${2:-mode=755}\" tmpfs \"$1\"; }
        nobody() {
            setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$@\"
        }
        bare() { env -i PATH=\"$PATH\" \"$@\"; }
        cover /mnt
        cp \"$0\" /mnt/mptcpize
        cd /
    ";
    Cmd::line("unshare --mount --propagation private bash -euc")
        .arg(format!("{prelude}\n{script}"))
        .arg(tool::public_binary())
}

/// The same, with further arguments for the script (`$1`, …).
pub fn private_with(script: &str, arguments: &[&Path]) -> Cmd {
    private(script).args(arguments)
}
