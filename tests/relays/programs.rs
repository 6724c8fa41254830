//! `mptcpize run --relay`: programs of every kind, as root and as an ordinary user, over both links to a
//! server without MPTCP.

use std::fs;
use std::path::Path;

use crate::lab::{Ready, User, WEB_PORT, WEB_V4, WEB_V6, file_at};
use crate::support::cc::{self, Build};
use crate::support::{Cmd, scratch, serve};

/// What a program loads.
const BYTES: usize = 4_000_000;

const BOTH: [User; 2] = [User::Root, User::Nobody];

/// Its sum by sha256sum(1), of a file or of what was printed.
fn sum(of: &Path) -> String {
    let said = Cmd::new("sha256sum").arg(of).run().ok().stdout;
    said.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn curl_loads_the_same_bytes_over_both_links_in_both_families() {
    let ready = Ready::new(BYTES);
    let expected = sum(&scratch::file(&scratch("sum").join("file"), &ready.content, 0o644));
    for user in BOTH {
        for host in [WEB_V4, WEB_V6] {
            let script = format!("curl -sSf -w '%{{stderr}}' '{}' | sha256sum", file_at(host));
            let said = ready.loads(|| ready.run(user, "sh").args(["-c", &script]));
            assert!(said.starts_with(&expected), "{user:?} {host}: {said}");
        }
    }
}

#[test]
fn a_static_program_and_one_of_go_see_the_address_that_they_asked_for() {
    let ready = Ready::new(BYTES);
    let fixed = cc::c("first", Build::Static);
    let source = "package main\n\nimport (\n\t\"fmt\"\n\t\"io\"\n\t\"net\"\n\t\"os\"\n)\n\n\
                  func main() {\n\tc, err := net.Dial(\"tcp\", net.JoinHostPort(os.Args[1], os.Args[2]))\n\
                  \tif err != nil {\n\t\tpanic(err)\n\t}\n\
                  \tfmt.Fprintf(c, \"GET %s HTTP/1.0\\r\\n\\r\\n\", os.Args[3])\n\
                  \tn, err := io.Copy(io.Discard, c)\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\
                  \thost, _, _ := net.SplitHostPort(c.RemoteAddr().String())\n\
                  \tfmt.Println(n, host)\n}\n";
    let source = scratch::file(&scratch("source").join("main.go"), source, 0o644);
    let go = cc::go(&source);
    for user in BOTH {
        for program in [&fixed, &go] {
            for host in [WEB_V4, WEB_V6] {
                let run = || {
                    let run = ready.run(user, &program.display().to_string());
                    run.args([host, &WEB_PORT.to_string(), "/file"])
                };
                let said = ready.loads(run);
                let (bytes, peer) = said.trim().split_once(' ').expect("two words");
                assert!(bytes.parse::<usize>().is_ok_and(|it| it > BYTES), "{user:?}: {said}");
                assert_eq!(peer, host, "{user:?}");
            }
        }
    }
}

#[test]
fn urllib_of_python_loads_it() {
    let ready = Ready::new(BYTES);
    for user in BOTH {
        let script = format!(
            "import urllib.request; print(len(urllib.request.urlopen('{}').read()))",
            file_at(WEB_V4)
        );
        let said = ready.loads(|| ready.run(user, "python3").args(["-c", &script]));
        assert_eq!(said, format!("{BYTES}\n"), "{user:?}");
    }
}

#[test]
fn git_clones_by_its_children() {
    let ready = Ready::new(1_000);
    let home = scratch("repository");
    let script = "git init -q --bare site/one.git && git init -q work && cd work && \
                  head -c 3000000 /dev/urandom >big && git add big && \
                  git -c user.name=n -c user.email=e commit -qm one && \
                  git push -q ../site/one.git HEAD:refs/heads/master && \
                  cd ../site/one.git && git update-server-info";
    Cmd::new("sh").args(["-euc", script]).cwd(&home).run().ok();
    let port = 8000;
    let server = ready.relays.web.command("python3").args(["-m", "http.server", "--bind", "::"]);
    let server = server.arg("--directory").arg(home.join("site")).arg(port.to_string());
    let _server = serve::listening(&ready.relays.web, server.quiet(), port);
    for user in BOTH {
        let to = scratch("clone");
        fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .expect("it is ours");
        let url = format!("http://{WEB_V4}:{port}/one.git");
        let to = to.join("one").display().to_string();
        ready.loads(|| ready.run(user, "git").args(["clone", "-q", &url, &to]));
        let big = fs::metadata(Path::new(&to).join("big")).expect("it was cloned");
        assert_eq!(big.len(), 3_000_000, "{user:?}");
    }
}

#[test]
fn a_stored_relay_is_taken_by_its_name_and_by_auto() {
    let ready = Ready::new(BYTES);
    let home = scratch("home").display().to_string();
    for user in BOTH {
        let nobody = matches!(user, User::Nobody);
        let store = ready.relays.stored(nobody, &home, &ready.url);
        store.run().ok();
        for wanted in ["rented", "auto"] {
            let run = || {
                let run = ready.relays.as_user(nobody).env("HOME", &home);
                run.args(["--relay", wanted, "curl", "-sSf", "-o", "/dev/null", &file_at(WEB_V4)])
            };
            ready.loads(run);
        }
    }
}
