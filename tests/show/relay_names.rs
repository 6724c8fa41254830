//! Names of stored relays as the shells complete them: root's and an ordinary user's own, and nothing of a
//! file that others could have written.

use crate::shell::{BASH, ZSH};
use crate::support::overlay::copy;

const URL: &str =
    "ss://2022-blake3-aes-128-gcm:AAECAwQFBgcICQoLDA0ODw%3D%3D@198.51.100.7:8686#home";

/// A script in a copy of this machine. Its function `asks SHELL LINE` prints what that shell puts in at the end
/// of a line, a word a line, without the option before a `=`.
fn script(text: &str) -> String {
    let begin = format!(
        r#"
        for shell in bash zsh fish; do mptcpize completions $shell >/tmp/$shell; done
        asks() {{
            case $1 in
            bash) bash -uc "$BASH_ASKS" bash /tmp/bash "$2" ;;
            fish) fish --no-config -c 'source $argv[1]; complete -C $argv[2]' /tmp/fish "$2" | cut -f 1 ;;
            zsh)
                : >$HOME/caught
                SCRIPT=/tmp/zsh LINE=$2 CAUGHT=$HOME/caught ZDOTDIR=$HOME TERM=dumb \
                    zsh -f -c "$ZSH_ASKS" >/dev/null 2>&1
                cat $HOME/caught
                ;;
            esac | sed 's/^--[a-z]*=//' | sort -u
        }}
        export -f asks
        mkdir /tmp/root
        export HOME=/tmp/root URL='{URL}' FILE=/etc/mptcpize-relays.toml
        mptcpize relay add "$URL" >/dev/null
        {text}"#
    );
    copy(&begin).env("BASH_ASKS", BASH).env("ZSH_ASKS", ZSH).run().ok().stdout
}

#[test]
fn every_shell_completes_the_relays_of_whoever_asks() {
    let said = script(
        r#"
        install -d -o 65534 -g 65534 /home/her
        ask_all() {
            for shell in bash zsh fish; do
                for line in 'relay remove ' 'relay test ' 'run --relay ' 'run --relay=' 'gateway --relay ' \
                    'relay agent --relay ' 'relay remove v' 'run --relay x '; do
                    echo "$1 $line:" $(asks $shell "mptcpize $line")
                done
            done
        }
        export -f ask_all
        mptcpize relay add "${URL/7:8686#home/8:8686#vps-1}" >/dev/null
        ask_all root
        export HOME=/home/her
        nobody mptcpize relay add "${URL/home/hers}" >/dev/null
        nobody bash -c 'ask_all her'
        "#,
    );
    let all = |who: &str, line: &str| -> Vec<Vec<String>> {
        let begin = format!("{who} {line}:");
        let lines = said.lines().filter_map(|one| one.strip_prefix(&begin));
        lines.map(|words| words.split_whitespace().map(str::to_owned).collect()).collect()
    };
    for (line, root, her) in [
        ("relay remove ", vec!["home", "vps-1"], vec!["hers"]),
        ("relay test ", vec!["home", "vps-1"], vec!["hers"]),
        ("run --relay ", vec!["auto", "home", "vps-1"], vec!["auto", "hers"]),
        ("run --relay=", vec!["auto", "home", "vps-1"], vec!["auto", "hers"]),
        ("gateway --relay ", vec!["auto", "home", "vps-1"], vec!["auto", "hers"]),
        ("relay agent --relay ", vec!["auto", "home", "vps-1"], vec!["auto", "hers"]),
    ] {
        assert_eq!(all("root", line), vec![root; 3], "root, {line}: {said}");
        assert_eq!(all("her", line), vec![her; 3], "her, {line}: {said}");
    }
    assert_eq!(all("root", "relay remove v"), vec![vec!["vps-1"]; 3], "{said}");
    assert!(all("root", "run --relay x ").iter().flatten().all(|word| word != "vps-1"), "{said}");
    assert!(!said.contains("AAECAw"), "{said}");
}

/// Attackers sit at the file: they wrote it, put something without an end in its place, or gave a relay a name
/// that a shell would carry out.
#[test]
fn a_file_that_others_could_have_written_completes_nothing_and_runs_nothing() {
    for damage in [
        "chown 65534 $FILE",
        "chmod 622 $FILE",
        "rm $FILE; mkfifo -m 600 $FILE",
        "rm $FILE; ln -s /dev/zero $FILE",
        "sed -i 's/\"home\"/\"$(touch \\/tmp\\/pwned)\"/' $FILE",
        "sed -i 's/\"home\"/\"`touch \\/tmp\\/pwned`;home\"/' $FILE",
        "sed -i 's/\"home\"/\"home\\\\nmore\\\\u001b[2J\"/' $FILE",
    ] {
        let said = script(&format!(
            "{damage}
             for shell in bash zsh fish; do
                 for line in 'relay remove ' 'run --relay '; do
                     echo \"$line:\" $(asks $shell \"mptcpize $line\" 2>&1)
                 done
             done
             ls /tmp/pwned 2>/dev/null || true"
        ));
        assert_eq!(said, "relay remove :\nrun --relay : auto\n".repeat(3), "{damage}");
    }
}
