//! HTTP CONNECT. Requests of another kind are told what to set instead.

use std::io;

use httparse::{EMPTY_HEADER, Request, Status};

use super::{Heard, address, kind};
use crate::agent::refusal::Refusal;
use crate::agent::serve::Failure;
use crate::shadowsocks::client::Address;

/// Header fields of one request: browsers send five.
const MOST_FIELDS: usize = 64;

/// Finds out where a program wants to go; nothing where it was told that it cannot.
///
/// # Errors
/// The program ended or is gone.
pub async fn ask(heard: &mut Heard<'_>) -> io::Result<Option<Address>> {
    loop {
        let mut fields = [EMPTY_HEADER; MOST_FIELDS];
        let mut request = Request::new(&mut fields);
        let answer = match request.parse(&heard.bytes) {
            Ok(Status::Complete(length)) => match target(&request) {
                Ok(to) => {
                    heard.take(length);
                    return Ok(Some(to));
                }
                Err(answer) => answer,
            },
            Ok(Status::Partial) => match heard.more().await {
                Ok(()) => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    text("431 Request Header Fields Too Large", "the request is too long")
                }
                Err(error) => return Err(error),
            },
            Err(httparse::Error::TooManyHeaders) => {
                text("431 Request Header Fields Too Large", "the request has too many fields")
            }
            Err(_) => text("400 Bad Request", "this is no request of HTTP/1.1"),
        };
        heard.say(&answer).await?;
        return Ok(None);
    }
}

/// Where a request wants to go, or the answer that says why it cannot.
fn target(request: &Request<'_, '_>) -> Result<Address, Vec<u8>> {
    if request.method != Some("CONNECT") {
        return Err(text(
            "405 Method Not Allowed",
            "only CONNECT is done here: set this proxy for https, or as SOCKS5",
        ));
    }
    let place = request.path.unwrap_or_default();
    let split = place.rsplit_once(':').and_then(|(host, port)| {
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // Without brackets the last group of an IPv6 address would be taken for the port.
        let host = literal.or((!host.contains(':')).then_some(host))?;
        address(host, port)
    });
    split.ok_or_else(|| text("400 Bad Request", "CONNECT wants HOST:PORT"))
}

/// The answer before the first byte of the destination.
pub fn granted() -> Vec<u8> {
    b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec()
}

/// The answer to one that comes to nothing.
pub fn refused(failure: &Failure) -> Vec<u8> {
    let why = match &failure.error {
        Some(error) => format!("{}: {error}", failure.refusal),
        None => failure.refusal.to_string(),
    };
    match (failure.refusal, kind(failure)) {
        (Refusal::Limit | Refusal::Descriptors, _) => text("503 Service Unavailable", &why),
        (_, Some(io::ErrorKind::TimedOut)) => text("504 Gateway Timeout", &why),
        _ => text("502 Bad Gateway", &why),
    }
}

fn text(status: &str, why: &str) -> Vec<u8> {
    let allow = if status.starts_with("405") { "Allow: CONNECT\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\n{allow}Content-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{why}\n",
        why.len() + 1
    )
    .into_bytes()
}
