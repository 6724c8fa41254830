//! SOCKS5 without authentication, and of it CONNECT: the codec is that of the crate `shadowsocks`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use shadowsocks::relay::socks5::{
    Command, Error, HandshakeRequest, Reply, TcpRequestHeader, TcpResponseHeader,
};

use super::{Heard, address, kind};
use crate::agent::refusal::Refusal;
use crate::agent::serve::Failure;
use crate::shadowsocks::client::Address;

/// Methods of RFC 1928 section 3.
const NO_AUTHENTICATION: u8 = 0;
const NONE_ACCEPTABLE: u8 = 0xFF;

/// Finds out where a program wants to go; nothing where it was told that it cannot.
///
/// # Errors
/// The program ended, or says too much or something else.
pub async fn ask(heard: &mut Heard<'_>) -> io::Result<Option<Address>> {
    let greeting = loop {
        let mut rest = heard.bytes.as_slice();
        match HandshakeRequest::read_from(&mut rest).await {
            Ok(greeting) => {
                let length = heard.bytes.len() - rest.len();
                heard.take(length);
                break greeting;
            }
            Err(error) => more(heard, error).await?,
        }
    };
    if !greeting.methods.contains(&NO_AUTHENTICATION) {
        heard.say(&[5, NONE_ACCEPTABLE]).await?;
        return Ok(None);
    }
    heard.say(&[5, NO_AUTHENTICATION]).await?;
    let request = loop {
        let mut rest = heard.bytes.as_slice();
        match TcpRequestHeader::read_from(&mut rest).await {
            Ok(request) => {
                let length = heard.bytes.len() - rest.len();
                heard.take(length);
                break request;
            }
            Err(error @ (Error::UnsupportedCommand(_) | Error::AddressTypeNotSupported(_))) => {
                heard.say(&answer(error.as_reply())).await?;
                return Ok(None);
            }
            Err(error) => more(heard, error).await?,
        }
    };
    // UDP would go around the relay; BIND (FTP in active mode) would listen here.
    if !matches!(request.command, Command::TcpConnect) {
        heard.say(&answer(Reply::CommandNotSupported)).await?;
        return Ok(None);
    }
    let to = match request.address {
        Address::SocketAddress(to) => address(&to.ip().to_string(), to.port()),
        Address::DomainNameAddress(name, port) => address(&name, port),
    };
    if to.is_none() {
        heard.say(&answer(Reply::GeneralFailure)).await?;
    }
    Ok(to)
}

/// Reads more, where that is what is missing.
async fn more(heard: &mut Heard<'_>, error: Error) -> io::Result<()> {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => heard.more().await,
        error => Err(error.into()),
    }
}

/// The answer before the first byte of the destination. Which address the relay has taken nobody here
/// knows.
pub fn granted() -> Vec<u8> {
    answer(Reply::Succeeded)
}

/// The answer to one that comes to nothing.
pub fn refused(failure: &Failure) -> Vec<u8> {
    use std::io::ErrorKind;
    answer(match (failure.refusal, kind(failure)) {
        (Refusal::Limit | Refusal::Loop, _) => Reply::ConnectionNotAllowed,
        (Refusal::NoRoute, _) | (_, Some(ErrorKind::NetworkUnreachable)) => {
            Reply::NetworkUnreachable
        }
        (Refusal::Destination, Some(ErrorKind::ConnectionRefused)) => Reply::ConnectionRefused,
        (Refusal::Destination, _) => Reply::HostUnreachable,
        _ => Reply::GeneralFailure,
    })
}

fn answer(reply: Reply) -> Vec<u8> {
    let none = Address::SocketAddress(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let mut bytes = Vec::new();
    TcpResponseHeader::new(reply, none).write_to_buf(&mut bytes);
    bytes
}
