//! No socket of a test itself has a port that the test chose.
//!
//! All tests of a room are one process, and a child that one of them has just forked holds the sockets of all
//! until it executes: whoever binds the same port again, in a namespace of its own too, waits for that child. So
//! the kernel chooses (port 0), or a comment on the line above says why the port has to be that one.

use std::path::Path;

use crate::{files, read};

/// What makes a socket that has a port.
const BINDS: [&str; 3] = ["TcpListener::bind(", "UdpSocket::bind(", "listener("];

/// The port that a line of code gives to a socket, if it says one itself.
fn chosen(line: &str) -> Option<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let is_name = |before: &str| before.ends_with(|one: char| one.is_alphanumeric() || one == '_');
    let begins = |bind: &&str| code.find(*bind).filter(|at| !is_name(&code[..*at]));
    let arguments = BINDS.iter().find_map(|bind| Some(&code[begins(bind)? + bind.len()..]))?;
    // `"127.0.0.1:80"` or `(SERVER, 80)`.
    let ends = arguments.match_indices(['"', ')']).map(|(end, _)| &arguments[..end]);
    ends.filter_map(|before| {
        let port = before.rsplit([':', ' ']).next()?;
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        (is_port && !port.starts_with('0') && before.len() > port.len()).then_some(port)
    })
    .next()
}

#[test]
fn the_kernel_chooses_the_ports_of_tests_or_a_comment_says_why_not() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let mut wrong = Vec::new();
    for file in files(&tests).iter().filter(|file| !file.ends_with("layers/ports.rs")) {
        let text = read(file);
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let above = index.checked_sub(1).map_or("", |above| lines[above].trim_start());
            let said = above.starts_with("// ") && above.contains("ort");
            if let Some(port) = chosen(line).filter(|_| !said) {
                wrong.push(format!("{}:{}: port {port}", file.display(), index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_chosen_port_is_found_however_it_is_written() {
    for (line, port) in [
        ("let one = TcpListener::bind(\"127.0.0.1:80\");", Some("80")),
        ("let one = net.enter(|| UdpSocket::bind((SERVER, 443))).expect(\"free\");", Some("443")),
        ("let one = listener(&lab.server, \"[::1]:4711\");", Some("4711")),
        ("let one = listener(&lab.server, \"10.99.0.1:0\");", None),
        ("let one = TcpListener::bind((SERVER, 0)).expect(\"a port\");", None),
        ("let one = TcpListener::bind((address, port));", None),
        ("// TcpListener::bind(\"127.0.0.1:80\")", None),
        ("connect(\"127.0.0.1:80\")", None),
        ("wait_for_listener(&net, 80)", None),
    ] {
        assert_eq!(chosen(line), port, "{line}");
    }
}
