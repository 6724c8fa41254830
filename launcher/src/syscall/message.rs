//! What this process and those that it forked tell each other: a number, or descriptors, over a pair of
//! Unix sockets that keep messages apart. An end that closed is an error.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg,
    socketpair,
};

/// Two ends that keep messages apart.
///
/// # Errors
/// No descriptor is left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

/// Sends a number.
///
/// # Errors
/// Nobody is at the other end.
pub fn send_word(to: BorrowedFd<'_>, word: i32) -> io::Result<()> {
    // Without a signal to the launcher when nobody is there any more.
    send(to, &word.to_ne_bytes(), SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for a number.
///
/// # Errors
/// The other end closed.
pub fn receive_word(from: BorrowedFd<'_>) -> io::Result<i32> {
    let mut word = [0; 4];
    loop {
        match recv(from, &mut word, RecvFlags::empty()) {
            Ok((_, 4)) => return Ok(i32::from_ne_bytes(word)),
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends a descriptor.
///
/// # Errors
/// Nobody is at the other end.
pub fn send_listener(to: BorrowedFd<'_>, listener: BorrowedFd<'_>) -> io::Result<()> {
    send_descriptors(to, &[listener])
}

/// Waits for a descriptor.
///
/// # Errors
/// The other end closed.
pub fn receive_listener(from: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    receive_descriptors(from)?.pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Descriptors in one message, at most.
const MOST: usize = 8;

/// Sends some descriptors, in one message.
///
/// # Errors
/// Nobody is at the other end.
pub fn send_descriptors(to: BorrowedFd<'_>, all: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(to, b"l", all)
}

/// Sends a text with some descriptors, in one message.
///
/// # Errors
/// Nobody is at the other end.
pub fn send_with(to: BorrowedFd<'_>, text: &[u8], all: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(all));
    sendmsg(to, &[IoSlice::new(text)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for such a message.
///
/// # Errors
/// The other end closed, or said something else.
pub fn receive_descriptors(from: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let (_, all) = receive_part(from, &mut [0])?;
    match all.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(all),
    }
}

/// Waits for some of what the other end says, and for the descriptors that come with that; how many bytes
/// there are, 0 when the other end closed. Of more descriptors than [`MOST`] the kernel closes the rest.
///
/// # Errors
/// The kernel's.
pub fn receive_part(from: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(from, &mut [IoSliceMut::new(into)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let all = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    Ok((got.bytes, all))
}

/// The longest text, in bytes: a list of every port there is.
const LONGEST: usize = 512 << 10;

/// Sends a text.
///
/// # Errors
/// Nobody is at the other end, or it is too long.
pub fn send_text(to: BorrowedFd<'_>, text: &str) -> io::Result<()> {
    send(to, text.as_bytes(), SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for a text; empty when the other end closed.
pub fn receive_text(from: BorrowedFd<'_>) -> String {
    let mut bytes = vec![0; LONGEST];
    loop {
        match recv(from, bytes.as_mut_slice(), RecvFlags::empty()) {
            Ok((length, _)) => {
                return String::from_utf8_lossy(bytes.get(..length).unwrap_or_default())
                    .into_owned();
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return String::new(),
        }
    }
}
