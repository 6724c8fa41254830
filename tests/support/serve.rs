//! Web servers for the clients under test: Debian's python3 and nginx.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Cmd, Launch, Netns, Running, kernel, scratch};

/// A directory with one file, `file`, of this size; its bytes differ from place to place, so
/// that a transfer that lost or repeated a piece is noticed.
pub fn content(size: usize) -> (PathBuf, Vec<u8>) {
    let directory = scratch("www");
    let mut state = 1u32;
    let bytes: Vec<u8> = (0..size)
        .map(|_| {
            // A linear congruence (Numerical Recipes); its high bits vary well enough.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    fs::write(directory.join("file"), &bytes).expect("a scratch file can be written");
    (directory, bytes)
}

/// `python3 -m http.server` for a directory; back when it listens.
pub fn python(namespace: &Netns, launch: Launch, directory: &Path, port: u16) -> Running {
    let server = launch
        .command("python3")
        .args(["-m", "http.server", "--bind", "0.0.0.0", "--directory"])
        .arg(directory)
        .arg(port.to_string())
        .within(namespace);
    listening(namespace, server.quiet(), port)
}

/// A server that stores what is PUT to it in the directory.
const STORE: &str = "
import http.server, sys
class Store(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        with open(sys.argv[1] + self.path, 'wb') as file:
            left = int(self.headers['Content-Length'])
            while left:
                part = self.rfile.read(min(left, 1 << 16))
                file.write(part)
                left -= len(part)
        self.send_response(201)
        self.send_header('Content-Length', '0')
        self.end_headers()
http.server.HTTPServer(('0.0.0.0', int(sys.argv[2])), Store).serve_forever()
";

/// The opposite of [`python`]: files are sent to it; back when it listens.
pub fn store(namespace: &Netns, launch: Launch, directory: &Path, port: u16) -> Running {
    let server = launch.command("python3").args(["-c", STORE]).arg(directory).arg(port.to_string());
    listening(namespace, server.within(namespace).quiet(), port)
}

/// nginx for a directory; back when it listens.
pub fn nginx(namespace: &Netns, launch: Launch, directory: &Path, port: u16) -> Running {
    let home = scratch("nginx");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", home.display()))
        .collect();
    let configuration = format!(
        "daemon off;\nworker_processes 1;\npid {home}/pid;\nerror_log {home}/error.log;\n\
         events {{}}\nhttp {{\naccess_log off;\n{temporary}\
         server {{ listen 0.0.0.0:{port}; root {root}; }}\n}}\n",
        home = home.display(),
        root = directory.display(),
    );
    let file = scratch::file(&home.join("nginx.conf"), configuration, 0o644);
    let log = home.join("error.log");
    let server = launch
        .command("nginx")
        .args(["-p".as_ref(), home.as_os_str(), "-e".as_ref(), log.as_os_str()])
        .arg("-c")
        .arg(file)
        .within(namespace);
    listening(namespace, server.quiet(), port)
}

/// Starts a server and waits until it listens.
pub fn listening(namespace: &Netns, server: Cmd, port: u16) -> Running {
    let mut running = server.start();
    super::wait::until(&format!("a listener on port {port}"), || {
        assert!(!running.ended(), "the server ended before it listened on port {port}");
        kernel::is_listening(namespace, port)
    });
    running
}
