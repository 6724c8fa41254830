//! What a relay keeps, where others have had their hands on it: files and directories that others can write
//! or read, links, texts that mean nothing, a lock that is held, no mptcpize-relay.

use crate::lab::relay_binary;
use crate::support::Outcome;
use crate::support::overlay::copy;

/// A script in a copy of this machine that can be a relay. `serve` runs one for a moment.
fn script(text: &str) -> Outcome {
    copy(&format!(
        "install -D -m 755 '{}' /usr/libexec/mptcpize/mptcpize-relay
         rm -rf /var/lib/mptcpize
         ip link set lo up; ip address add 198.51.100.7/24 dev lo
         DIR=/var/lib/mptcpize/relay FILE=/var/lib/mptcpize/relay/server.json
         serve() {{
            : >/tmp/err
            mptcpize relay serve \"$@\" >/tmp/out 2>/tmp/err & launcher=$!
            while kill -0 $launcher 2>/dev/null && ! grep -q 'a relay at port' /tmp/err; do :; done
            kill $launcher 2>/dev/null || :
            wait $launcher && code=0 || code=$?
            cat /tmp/err >&2
            return $code
         }}
         {text}",
        relay_binary().display()
    ))
    .run()
}

#[track_caller]
fn refused(text: &str, code: i32, why: &str, fix: &str) {
    let outcome = script(&format!("serve 2>/dev/null\n{text}\nserve"));
    assert_eq!(outcome.code(), code, "{text}: {outcome}");
    let lines: Vec<&str> =
        outcome.stderr.lines().filter(|line| !line.contains("mptcpize: ")).collect();
    assert_eq!(lines.len(), 3, "{text}: {outcome}");
    assert!(lines[0].starts_with("error: "), "{outcome}");
    assert!(lines[1].contains(why), "{why}: {outcome}");
    assert!(lines[2].contains(fix), "{fix}: {outcome}");
}

#[test]
fn files_that_others_could_have_written_or_read_are_refused_with_what_mends_them() {
    for (text, why, fix) in [
        ("chmod 644 $FILE", "others can read or write the keys in it (mode 644)", "chmod 600 "),
        ("chmod 660 $FILE", "(mode 660)", "chmod 600 /var/lib/mptcpize/relay/server.json"),
        ("chown 1000 $FILE", "it belongs to user 1000", "sudo chown 0 "),
        ("chmod 777 $DIR", "others can write to it (mode 777)", "rm -r"),
        ("chown 1000 $DIR", "it belongs to user 1000", "rm -r"),
        ("mv $DIR /tmp/d; ln -s /tmp/d $DIR", "it is a symbolic link", "rm -r"),
        ("rm $FILE; mkdir $FILE", "it is no regular file", "rm "),
        ("rm $FILE; ln -s /dev/zero $FILE", "it is no regular file", "rm "),
        ("mv $FILE /tmp/f; chown 1000 /tmp/f; ln -s /tmp/f $FILE", "user 1000", "chown 0"),
    ] {
        refused(text, 1, why, fix);
    }
}

#[test]
fn texts_that_mean_nothing_are_told_by_their_place_and_keep_their_key_to_themselves() {
    for (text, why) in [
        ("echo x >$FILE", "line 1, column 1: it is no JSON"),
        (": >$FILE", "it is no JSON"),
        ("head -c 200 $FILE >/tmp/f; cat /tmp/f >$FILE", "it is no JSON"),
        ("sed -i s/8686/0x1/ $FILE", "it is no JSON"),
        ("sed -i 's/\"port\": 8686/\"port\": 70000/' $FILE", "has no such value"),
        ("sed -i 's/\"method\"/\"mehtod\"/' $FILE", "missing, unknown"),
        ("sed -i 's/aes-128/aes-256/' $FILE", "the key has 16 bytes"),
        ("sed -i 's/\"version\": 1/\"version\": 9/' $FILE", "it has the form 9"),
    ] {
        refused(text, 2, why, "move it away");
    }
    refused("head -c 2000000 /dev/zero >$FILE", 1, "it is longer than ", "ls -l ");
    let said = script(
        "serve; KEY=$(sed -n 's/.*\"key\": \"\\(.*\\)=*\".*/\\1/p' $FILE)
         sed -i \"s|\\\"drain_s\\\"|\\\"$KEY\\\"|\" $FILE
         if serve; then exit 9; fi; ! grep -qF \"${KEY%%=*}\" /tmp/err",
    );
    assert_eq!(said.code(), 0, "{said}");
}

#[test]
fn a_lock_that_is_held_and_a_relay_that_is_not_there_are_told() {
    let held = script(
        "serve 2>/dev/null
         mkdir -p -m 700 $DIR/lock; umask 077; exec 9>>$DIR/lock/server; flock 9
         serve 9>&-",
    );
    assert_eq!(held.code(), 1, "{held}");
    assert!(held.stderr.contains("error: another mptcpize is changing this host"), "{held}");
    let missing = script("rm /usr/libexec/mptcpize/mptcpize-relay; serve");
    assert_eq!(missing.code(), 5, "{missing}");
    assert!(
        missing.stderr.contains("there is no mptcpize-relay that may be executed"),
        "{missing}"
    );
    let nothing = script("rm /usr/libexec/mptcpize/mptcpize-relay; serve || ls /var/lib/mptcpize");
    assert!(nothing.stderr.contains("No such file"), "nothing was made: {nothing}");
}

#[test]
fn counts_in_anybodys_hands_keep_no_relay_from_its_start_and_lead_to_no_file_of_roots() {
    for text in [
        "echo damaged >/var/lib/mptcpize/relay-counts/counts.json",
        "chown 1000 /var/lib/mptcpize/relay-counts; chmod 777 /var/lib/mptcpize/relay-counts",
        "ln -sf /etc/shadow /var/lib/mptcpize/relay-counts/counts.json",
        "ln -f /etc/shadow /var/lib/mptcpize/relay-counts/counts.json || :",
        "rm -rf /var/lib/mptcpize/relay-counts",
    ] {
        let before = "stat -c '%U %a %s' /etc/shadow";
        let outcome = script(&format!(
            "serve; was=$({before}); {text}; serve; mptcpize relay user list >/dev/null
             [ \"$was\" = \"$({before})\" ]; stat -c %a /var/lib/mptcpize/relay-counts"
        ));
        assert_eq!(outcome.code(), 0, "{text}: {outcome}");
        assert_eq!(outcome.stdout, "700\n", "{text}: {outcome}");
    }
}
