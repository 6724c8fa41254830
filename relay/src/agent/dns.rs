//! Questions of programs in another network namespace for the host's resolver: datagrams to and fro.
//!
//! They are not read beyond their number. Each goes from a socket of its own, connected to the
//! resolver, so that nobody else can answer.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::shared::Shared;

/// Questions that wait for an answer: a browser's dozens at the start of a page. Beyond it they are
/// dropped, and asked again.
const MOST: usize = 256;
/// How long an answer may take: as long as programs wait (resolv.conf(5)).
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest datagram (RFC 6891 section 6.2.5 has 4096 as the most that anybody asks for).
const LONGEST: usize = 4096;
/// A header (RFC 1035 section 4.1.1); its first two bytes are the question's number.
const HEADER: usize = 12;

/// Answers what comes to a socket, on the event loop of the calling task.
///
/// # Errors
/// It is no datagram socket.
pub fn answer(socket: OwnedFd, shared: &Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let socket = UdpSocket::from_std(std::net::UdpSocket::from(socket))?;
    Ok(tokio::spawn(serve(Arc::new(socket), Arc::clone(shared))))
}

async fn serve(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let turns = Arc::new(Semaphore::new(MOST));
    let mut bytes = vec![0; LONGEST];
    loop {
        // An error is what an earlier answer met on its way; the next question is another one's.
        let Ok((length, from)) = socket.recv_from(&mut bytes).await else { continue };
        let question = bytes.get(..length).filter(|question| question.len() >= HEADER);
        let resolver = shared.settings().resolver;
        let (Some(question), Some(resolver)) = (question, resolver) else { continue };
        let Ok(turn) = Arc::clone(&turns).try_acquire_owned() else { continue };
        let (socket, question) = (Arc::clone(&socket), question.to_vec());
        tokio::spawn(async move {
            let _turn = turn;
            if let Ok(Ok(answer)) = timeout(PATIENCE, ask(resolver, &question)).await {
                let _ = socket.send_to(&answer, from).await;
            }
        });
    }
}

/// Asks the resolver.
async fn ask(resolver: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match resolver {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(resolver).await?;
    socket.send(question).await?;
    let mut bytes = vec![0; LONGEST];
    loop {
        let length = socket.recv(&mut bytes).await?;
        // One that comes late is of another question.
        if length >= HEADER && bytes.get(..2) == question.get(..2) {
            bytes.truncate(length);
            return Ok(bytes);
        }
    }
}
