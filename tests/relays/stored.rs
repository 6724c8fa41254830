//! `mptcpize relay add`, `list` and `remove`: what is kept, for whom, and what is refused.

use crate::support::overlay::copy;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";
const URL: &str =
    "ss://2022-blake3-aes-128-gcm:AAECAwQFBgcICQoLDA0ODw%3D%3D@198.51.100.7:8686#home";

/// A script in a copy of this machine, where `$URL` is a relay's.
fn script(text: &str) -> crate::support::Outcome {
    copy(&format!("URL='{URL}'\nFILE=/etc/mptcpize-relays.toml\n{text}")).run()
}

#[test]
fn a_relay_is_kept_for_root_alone_and_no_verb_shows_its_key() {
    let outcome = script(
        "mptcpize relay add \"$URL\"
         mptcpize relay add \"$URL\"
         echo \"mptcpize relay add '${URL/7:8686#home/8:443#two}'\" | mptcpize relay add - --name other
         stat -c '%a %u' $FILE
         written
         mptcpize relay list
         mptcpize relay list --json
         mptcpize relay remove home
         mptcpize relay list
         mptcpize relay remove other
         echo of the rest: $(written | grep relays)",
    )
    .ok();
    for part in [
        "+ relay  home  198.51.100.7:8686\n= relay  home  198.51.100.7:8686    already there\n",
        "+ relay  other  198.51.100.8:443\n600 0\n",
        "\"host\":\"198.51.100.8\"",
        "\n- relay  home\n",
        "./etc/mptcpize-relays.toml\n",
        "\nof the rest:\n",
    ] {
        assert!(outcome.stdout.contains(part), "{part:?}: {outcome}");
    }
    assert!(!outcome.to_string().replace(URL, "").contains(KEY), "{outcome}");
    assert!(!outcome.stdout.contains("mptcpize-new"), "{outcome}");
}

#[test]
fn users_keep_relays_of_their_own() {
    let outcome = script(
        "mkdir /home/her; chown 65534:65534 /home/her
         mptcpize relay add \"$URL\"
         export HOME=/home/her
         nobody mptcpize relay list
         nobody mptcpize relay add \"${URL/home/hers}\"
         stat -c '%a %u' /home/her/.config/mptcpize /home/her/.config/mptcpize/relays.toml
         nobody mptcpize relay list
         mptcpize relay list",
    )
    .ok();
    assert!(outcome.stdout.contains("700 65534\n600 65534\n"), "{outcome}");
    assert!(outcome.stdout.contains("\nhers "), "{outcome}");
    assert!(outcome.stderr.contains("no relay is stored"), "{outcome}");
}

#[test]
fn what_is_no_url_of_a_relay_is_refused_with_2_and_without_the_key() {
    for (url, why) in [
        ("ss://2022-blake3-aes-128-gcm:AAECAwQFBgcICQ", "it is cut short"),
        (&URL.replace("128", "256"), "the key has 16 bytes, 2022-blake3-aes-256-gcm takes 32"),
        (&URL.replace("2022-blake3-", ""), "aes-128-gcm is no method of Shadowsocks 2022"),
        (&URL.replace('#', "?plugin=obfs#"), "it asks for a plugin"),
        (&URL.replace(":8686", ""), "it names no port"),
        ("-", "it does not begin with ss://"),
        ("http://198.51.100.7/", "it does not begin with ss://"),
    ] {
        let outcome = script(&format!("mptcpize relay add '{url}'"));
        assert_eq!(outcome.code(), 2, "{url}: {outcome}");
        let lines: Vec<&str> = outcome.stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{outcome}");
        assert_eq!(lines[0], "error: this is no ss:// URL of a relay");
        assert!(lines[1].contains(why) && lines[2].starts_with("  fix: "), "{url}: {outcome}");
        assert!(!outcome.stderr.contains("AAECAw"), "{outcome}");
    }
    let auto = script("mptcpize relay add \"${URL/home/auto}\"");
    assert_eq!(auto.code(), 2, "{auto}");
}

#[test]
fn another_relay_of_the_same_name_takes_its_place_only_where_that_is_asked() {
    let outcome = script(
        "mptcpize relay add \"$URL\"
         code=0; mptcpize relay add \"${URL/7:8686/8:8686}\" || code=$?
         echo code $code
         mptcpize relay add \"${URL/7:8686/8:8686}\" --replace
         code=0; mptcpize relay add \"${URL/7:8686#home/8:8686#again}\" || code=$?
         echo code $code
         code=0; mptcpize relay remove nobody || code=$?
         echo code $code",
    )
    .ok();
    let said = &outcome.stdout;
    let order = ["code 1\n", "+ relay  home  198.51.100.8:8686\ncode 1\n", "code 5\n"];
    let found: Vec<_> = order.iter().map(|part| said.find(part)).collect();
    assert!(found.is_sorted() && found[0].is_some(), "{outcome}");
    for part in [
        "why: address 198.51.100.7:8686, now 198.51.100.8:8686\n",
        "why: it is called home\n",
        "why: stored are: home\n",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {outcome}");
    }
}

/// Attackers sit at the file: they wrote it, can read it, or put a link in its place.
#[test]
fn a_file_that_others_could_have_written_or_read_is_not_believed() {
    for (damage, why) in [
        ("chmod 644 $FILE", "others can read or write the keys in it (mode 644)"),
        ("chmod 620 $FILE", "others can read or write the keys in it (mode 620)"),
        ("chown 65534 $FILE", "it belongs to user 65534"),
        ("rm $FILE; mkfifo -m 600 $FILE", "it is no regular file"),
        ("rm $FILE; mkdir $FILE", "it is no regular file"),
        (
            "nobody cp $FILE.copy /tmp/theirs; nobody chmod 600 /tmp/theirs; ln -sf /tmp/theirs $FILE",
            "it belongs to user 65534",
        ),
        ("truncate -s 1M $FILE", "it is longer than 65536 bytes"),
        ("sed -i s/keys/kyes/ $FILE", "line 6: unknown field `kyes`"),
    ] {
        let outcome = script(&format!(
            "mptcpize relay add \"$URL\"; install -m 644 $FILE $FILE.copy
             {damage}
             for verb in list 'remove home' 'add -' 'test home'; do
                 code=0; echo \"$URL\" | mptcpize relay $verb || code=$?
                 echo code $code
             done"
        ))
        .ok();
        assert!(outcome.stderr.contains(why), "{damage}: {outcome}");
        assert!(!outcome.stderr.contains("AAECAw"), "{damage}: {outcome}");
        assert!(!outcome.stdout.contains("code 0"), "{damage}: {outcome}");
    }
}
