//! What is left on a host when all that mptcpize did there was taken back: nothing, also where it was killed.
//!
//! One copy of this machine, each verb in turn, and after each a look at every place. What stays on purpose is
//! named: the key and the users of a relay, and the copy of the library that `run` keeps for the next one.

use crate::lab::relay_binary;
use crate::support::overlay::copy;
use crate::support::scratch;

/// Two uplinks and a LAN, each with its other end beside it, and how to look.
const HOST: &str = r#"
    export HOME=/root
    ip link set lo up
    for link in 1 2 3; do
        ip link add w$link type veth peer name far$link
        ip link set far$link up
        ip address add 10.$link.0.1/24 dev w$link
        ip link set w$link up
    done
    for link in 1 2; do ip route add default via 10.$link.0.254 dev w$link metric $link; done
    touch /tmp/said
    install -d -o nobody /home/her /home/her/.config
    all() {
        { find /run /tmp -path /run/upper -prune -o -path /run/lower -prune -o -path "$outside" -prune -o -print
          written; } | sort
    }
    before=$(all)
    # look WHAT: what is there now and was not before.
    look() { diff <(echo "$before") <(all) | sed -n "s|^> |$1: |p"; }
    # begin FILE ARGUMENTS…: it runs, and has made that file.
    begin() {
        local file=$1
        shift
        mptcpize "$@" >/tmp/said 2>&1 &
        until compgen -G "$file" >/dev/null; do kill -0 $!; done
    }
    end() { kill -TERM $!; wait $! || :; }
    # Its child is ended by the kernel, which takes a moment; until then it answers.
    kill_it() {
        local child children=$(cat /proc/$!/task/$!/children)
        kill -KILL $!; wait $! || :
        for child in $children; do while [[ -e /proc/$child/exe ]]; do :; done; done
    }
    # quiet ARGUMENTS…
    quiet() { mptcpize "$@" >/tmp/said 2>&1 || { cat /tmp/said >&2; exit 1; }; }
"#;

/// Each verb with the end of it. The lines that begin with `look` are the places to look.
const VERBS: &str = r#"
    quiet setup; quiet setup undo
    look setup
    quiet setup --confirm 600; quiet setup undo
    look 'setup --confirm'
    begin '/run/mptcpize/*.daemon' daemon; end; quiet setup undo
    look daemon
    begin '/run/mptcpize/*.daemon' daemon; kill_it; quiet setup undo
    look 'daemon, killed'
    begin /run/mptcpize/gateway/state gateway --lan w3; end
    look gateway
    begin /run/mptcpize/gateway/state gateway --lan w3; kill_it; quiet gateway undo
    look 'gateway, killed'
    begin /run/mptcpize/relay-server/state relay serve --address relay.example.org; end
    look 'relay serve'
    rm -r /var/lib/mptcpize
    begin /run/mptcpize/relay-server/state relay serve --address relay.example.org; kill_it
    quiet relay serve undo; rm -r /var/lib/mptcpize
    look 'relay serve, killed'
    quiet relay add "$URL"
    begin '/run/mptcpize/relay/*/state' relay agent --proxy 127.0.0.1:1080; end
    begin '/run/mptcpize/relay/*/state' relay agent --proxy 127.0.0.1:1080; kill_it; quiet setup undo
    quiet relay remove rented
    look 'relay agent'
    her() { HOME=/home/her nobody mptcpize relay "$@" >/dev/null; }
    her add "$URL"; her remove rented
    look 'relay add, of a user'
    quiet run true; quiet setup undo
    look run
"#;

/// The key, the users and their bytes of a relay: its clients have the same key in their settings.
const KEPT: &str = "relay serve: ./var/lib/mptcpize/";
/// A cache (XDG Base Directory Specification), whose loss costs the next `run` a moment.
const LIBRARY: &str = "run: ./var/cache/mptcpize/libmptcpize-";

#[test]
fn what_is_taken_back_leaves_nothing_anywhere_even_where_it_was_killed() {
    let script = format!(
        "install -D -m 755 '{}' /usr/libexec/mptcpize/mptcpize-relay
         rm -rf /var/lib/mptcpize /var/cache/mptcpize /usr/lib/mptcpize
         outside='{}' URL='ss://2022-blake3-aes-128-gcm:AAAAAAAAAAAAAAAAAAAAAA==@203.0.113.7:8686#rented'
         {HOST}{VERBS}",
        relay_binary().display(),
        scratch::root().display(),
    );
    let done = copy(&script).run().ok();
    let (kept, left): (Vec<&str>, Vec<&str>) =
        done.stdout.lines().partition(|line| line.starts_with(KEPT));
    assert!(kept.contains(&"relay serve: ./var/lib/mptcpize/relay/server.json"), "{done}");
    assert!(left.len() == 1 && left[0].starts_with(LIBRARY), "{left:#?}\n{done}");
}
