//! One page over HTTP/1.1, for a scraper: blocking, one request at a time, and bounded in whatever a client
//! may do. It holds a client's connection for [`PATIENCE`] at most, and of what a client sends it keeps
//! [`request::MOST`] bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mptcpize_model::openmetrics::{Form, request};

/// How long a request may take to come, and its answer to be taken. A scraper is on the next cable and has
/// nothing to wait for; whoever holds a connection holds up the next one.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes an address.
///
/// # Errors
/// It is in use, or not this host's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

/// Answers for good. `page` makes the text when it is asked for.
///
/// # Errors
/// The listener fails for good; whatever a client does is no failure.
pub fn serve(listener: &TcpListener, page: &mut dyn FnMut(Form) -> Answer) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((client, _)) => drop(answer(client, page)),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The page, or a clause that says why there is none.
pub type Answer = Result<String, String>;

/// What accept(2) reports of a connection that ended before it was accepted, and a signal.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::TimedOut
    )
}

fn answer(mut client: TcpStream, page: &mut dyn FnMut(Form) -> Answer) -> io::Result<()> {
    let asked = read(&mut client)?;
    let plain = "text/plain; charset=utf-8";
    let (status, media_type, body) = match asked {
        Ok(form) => match page(form) {
            Ok(text) => ("200 OK", form.media_type(), text),
            Err(why) => ("500 Internal Server Error", plain, format!("{why}\n")),
        },
        Err(status) => (status, plain, format!("{status}\n")),
    };
    let text = request::head(status, media_type, body.len()) + &body;
    write(&mut client, text.as_bytes())
}

/// Reads until the head of a request is complete, for [`PATIENCE`] in all: a client that sends a byte now
/// and then gets no more time.
fn read(client: &mut TcpStream) -> io::Result<Result<Form, &'static str>> {
    let end = Instant::now() + PATIENCE;
    let mut came = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        if let Some(asked) = request::read(&came) {
            return Ok(asked);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err(request::TOO_SLOW));
        }
        client.set_read_timeout(Some(left))?;
        let room = buffer.len().min(request::MOST - came.len());
        match client.read(&mut buffer[..room]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => came.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The timeout is EAGAIN to the kernel.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes all of it within [`PATIENCE`].
fn write(client: &mut TcpStream, mut text: &[u8]) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !text.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        client.set_write_timeout(Some(left))?;
        match client.write(text) {
            Ok(length) => text = &text[length..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
