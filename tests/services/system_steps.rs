//! `enable --system` and `disable --system` where they must not go wrong: a hundred commands do
//! what they did, and a kill at any step leaves a host that boots.

use crate::support::cc::{self, Build};
use crate::support::overlay::{copy, shown};
use crate::support::scratch;

/// Commands of a Debian host that print the same each time: one for each line.
const COMMANDS: &str = include_str!("../commands.txt");

#[test]
fn a_hundred_commands_do_what_they_did() {
    let list: Vec<&str> = COMMANDS.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(list.len() >= 100, "{} commands", list.len());
    let file = scratch("commands").join("list");
    scratch::file(&file, list.join("\n") + "\n", 0o644);
    let script = format!(
        r#"
        mkdir /tmp/before /tmp/after /tmp/work
        cd /tmp/work
        # How each ends, and all that it says.
        all() {{
            number=0
            while IFS= read -r line; do
                number=$((number + 1))
                {{
                    echo "\$ $line"
                    status=0
                    bash -c "$line" </dev/null 2>&1 || status=$?
                    echo "= $status"
                }} >/tmp/$1/$number
            done <{list}
        }}
        all before
        mptcpize enable --system >/dev/null
        all after
        diff -r /tmp/before /tmp/after
        # A command that is not here proves nothing.
        ! grep -l '^= 12[67]$' /tmp/before/* | xargs -r cat
        ls /tmp/after | wc -l
        {plain}
        "#,
        list = shown(&file),
        plain = shown(&cc::c("protocol", Build::Plain)),
    );
    let done = copy(&script).run().ok();
    assert_eq!(done.stdout, format!("{}\n262\n", list.len()), "{done}");
}

/// The calls with which the tool changes anything; strace counts each kind by itself.
const CALLS: [&str; 8] =
    ["write", "fchmod", "fsync", "renameat", "unlinkat", "mkdirat", "fchown", "clone"];

/// Kills the tool before each call that changes something, one after the other; each time programs
/// must start without a word, and `disable` must leave no trace. The calls of the main thread
/// alone: it does all the writing.
fn killed_at_each_step(via: &str, verb: &str, least: usize) {
    let steps: usize = CALLS.iter().map(|call| killed_at_each(call, via, verb)).sum();
    assert!(steps >= least, "{steps} kills are too few to have hit every step");
}

/// Kills the tool before each call of one kind, in a copy of this machine; says how often that was.
fn killed_at_each(call: &str, via: &str, verb: &str) -> usize {
    let script = format!(
        r#"
        touch /etc/environment
        cp /etc/environment /tmp/environment
        {other}
        written >/tmp/before
        status=137
        for ((when = 1; status == 137; when++)); do
            ((when < 100))
            [[ {verb} == enable ]] || mptcpize enable --system --via {via} >/dev/null
            status=0
            # Another shell says that it was killed, to where nobody looks.
            bash -c 'strace "$@"; exit $?' bash -qq -o /dev/null -e trace={call} \
                -e inject={call}:signal=KILL:when=$when \
                mptcpize {verb} --system {option} >/tmp/said 2>&1 || status=$?
            # Programs of every sort start, with the same words as ever.
            sh -c '/bin/true'
            {bits32} >/dev/null
            nobody {plain} >/dev/null
            mptcpize disable --system >/dev/null
            written | diff /tmp/before -
            cmp /etc/environment /tmp/environment
            test "$({plain})" = 6
        done
        test $status = 0
        echo $((when - 2))
        "#,
        other = if via == "preload" { "printf '# of others\\n' >/etc/ld.so.preload" } else { "" },
        option = if verb == "enable" { format!("--via {via}") } else { String::new() },
        bits32 = shown(&cc::c("protocol", Build::Bits32)),
        plain = shown(&cc::c("protocol", Build::Plain)),
    );
    let done = copy(&script).run().silent();
    done.stdout.trim().parse().unwrap_or_else(|_| panic!("{done}"))
}

#[test]
fn a_kill_at_any_step_of_enable_leaves_a_host_that_boots() {
    killed_at_each_step("preload", "enable", 20);
}

#[test]
fn a_kill_at_any_step_of_disable_leaves_a_host_that_boots() {
    killed_at_each_step("preload", "disable", 8);
}

#[test]
fn the_same_for_the_way_by_the_environment() {
    killed_at_each_step("environment", "enable", 25);
    killed_at_each_step("environment", "disable", 10);
}

#[test]
fn a_library_is_on_the_medium_before_a_line_names_it_and_goes_after_the_line() {
    let trace = |verb: &str| {
        format!(
            "strace -qq -y -o /tmp/log -e trace=fsync,renameat,unlinkat mptcpize {verb} --system >/dev/null
             sed 's/ *= 0$//; s/libmptcpize-system-[0-9a-f]*/LIBRARY/g' /tmp/log | grep -v ENOENT
             echo"
        )
    };
    let done = copy(&format!("{}\n{}", trace("enable"), trace("disable"))).run().ok();
    let (enable, disable) = done.stdout.split_once("\n\n").expect("both");
    let at = |text: &str, call: &str, path: &str| {
        let line = text.lines().position(|line| line.starts_with(call) && line.contains(path));
        line.unwrap_or_else(|| panic!("no {call} of {path}: {done}"))
    };
    let library = at(enable, "renameat", "x86_64-linux-gnu/mptcpize>, \"LIBRARY.so\"");
    let line = at(enable, "renameat", "/etc>, \"ld.so.preload\"");
    let synced = |range: std::ops::Range<usize>| {
        enable
            .lines()
            .take(range.end)
            .skip(range.start)
            .filter(|it| it.starts_with("fsync"))
            .count()
    };
    // The file itself; then its directory, and the other library with its own.
    assert!(synced(0..library) >= 1 && synced(library..line) >= 3, "{enable}");
    assert!(synced(line..usize::MAX) >= 1, "the directory of the line: {enable}");
    let line = at(disable, "unlinkat", "/etc>, \"ld.so.preload\"");
    let library = disable.lines().position(|it| it.contains("LIBRARY.so")).expect("removed");
    assert!(line < library, "{disable}");
    assert!(
        disable.lines().take(library).skip(line).any(|it| it.starts_with("fsync")),
        "{disable}"
    );
}
