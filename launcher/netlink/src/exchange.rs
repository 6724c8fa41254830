//! A netlink socket: one request, its answers, and the kernel's explanation of a refusal.
//!
//! Blocking, one exchange at a time, because the kernel has the answer ready when send(2) returns.
//! What the bytes of a message mean is for the modules of each protocol.

use std::io;
use std::time::Duration;

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NLMSG_DONE, NLMSG_ERROR, NetlinkHeader,
};
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::{self, Timeout};

use crate::error::KernelError;
use crate::message::{HEADER, attribute, messages, number, text};

/// Room for one datagram. A dump comes in parts of at most 32 KiB, but a single message, such as
/// a link with many virtual functions, may be longer. Untouched pages cost nothing.
const ROOM: usize = 256 * 1024;

/// What the socket may queue: the answers to one request, and then some.
const QUEUE: usize = 1024 * 1024;

/// A kernel that says nothing for so long has a bug, and we must not hang with it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Dumps in which something changed meanwhile are read again, so often at most.
const ROUNDS: usize = 8;

/// The attribute of an answer that has the kernel's text (`NLMSGERR_ATTR_MSG`).
const TEXT: u16 = 1;

/// One socket to the kernel.
pub(crate) struct Exchange {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Exchange {
    /// Opens a socket of a netlink protocol (`NETLINK_ROUTE`, `NETLINK_GENERIC`) in the network
    /// namespace of this thread.
    ///
    /// # Errors
    /// The protocol is not there, or a sandbox forbids netlink.
    pub(crate) fn open(protocol: isize) -> Result<Self, KernelError> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Each makes answers better and is missing on some kernel: the texts (4.12), answers
        // without an echo of the request (4.3), dumps filtered in the kernel (4.20).
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        let _ = socket.set_rx_buf_sz(QUEUE);
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))
            .map_err(io::Error::from)?;
        Ok(Exchange { socket, sequence: 0, buffer: vec![0; ROOM] })
    }

    /// Asks for one thing, or changes one; `flags` beyond those of every request. The answers
    /// other than the acknowledgement are read with `decode`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn request<T>(
        &mut self,
        kind: u16,
        flags: u16,
        body: &impl Emitable,
        mut decode: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, KernelError> {
        let mut found = None;
        self.send(kind, flags | NLM_F_REQUEST | NLM_F_ACK, body)?;
        self.answers(|answer| {
            found = found.take().or_else(|| decode(answer));
            true
        })?;
        Ok(found)
    }

    /// Asks for everything of a kind. `decode` adds what one message says to the list.
    ///
    /// # Errors
    /// The kernel refuses, or the tables change faster than they can be read.
    pub(crate) fn dump<T>(
        &mut self,
        kind: u16,
        body: &impl Emitable,
        mut decode: impl FnMut(&[u8], &mut Vec<T>),
    ) -> Result<Vec<T>, KernelError> {
        for _ in 0..ROUNDS {
            let mut list = Vec::new();
            self.send(kind, NLM_F_REQUEST | NLM_F_DUMP, body)?;
            let whole = self.answers(|answer| {
                decode(answer, &mut list);
                true
            })?;
            if whole {
                return Ok(list);
            }
        }
        Err(KernelError::new(libc::EINTR, "the tables kept changing while they were read"))
    }

    /// As [`Exchange::dump`], and stops reading where `decode` says false. The connection is
    /// used up: what was not read is still on its way.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn dump_some(
        mut self,
        kind: u16,
        body: &impl Emitable,
        decode: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), KernelError> {
        self.send(kind, NLM_F_REQUEST | NLM_F_DUMP, body)?;
        self.answers(decode).map(|_| ())
    }

    fn send(&mut self, kind: u16, flags: u16, body: &impl Emitable) -> Result<(), KernelError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        let mut message = vec![0; HEADER + body.buffer_len()];
        header.length = u32::try_from(message.len()).expect("a request is short");
        header.message_type = kind;
        header.flags = flags;
        header.sequence_number = self.sequence;
        header.emit(&mut message);
        body.emit(&mut message[HEADER..]);
        loop {
            match self.socket.send(&message, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Reads until the exchange is over or `each` says false. Says whether nothing changed during
    /// a dump.
    fn answers(&mut self, mut each: impl FnMut(&[u8]) -> bool) -> Result<bool, KernelError> {
        let mut whole = true;
        loop {
            let length = receive(&self.socket, &mut self.buffer)?;
            for (header, payload) in messages(&self.buffer[..length]) {
                // The rest of an exchange that was broken off.
                if header.sequence_number != self.sequence {
                    continue;
                }
                whole &= header.flags & NLM_F_DUMP_INTR == 0;
                match header.message_type {
                    NLMSG_DONE | NLMSG_ERROR => return verdict(&header, payload).map(|()| whole),
                    // Below 16 is the protocol's own (NLMSG_MIN_TYPE): no data.
                    0..16 => {}
                    _ if each(payload) => {}
                    _ => return Ok(whole),
                }
            }
        }
    }
}

/// Reads one datagram of the kernel, and says how long it is.
pub(crate) fn receive(socket: &Socket, buffer: &mut [u8]) -> Result<usize, KernelError> {
    loop {
        let mut room = &mut *buffer;
        let (length, sender) = match socket.recv_from(&mut room, libc::MSG_TRUNC) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        if length > buffer.len() {
            return Err(KernelError::new(libc::EMSGSIZE, "the kernel's answer is too long"));
        }
        // Only the kernel speaks for the kernel.
        if sender.port_number() == 0 {
            return Ok(length);
        }
    }
}

/// What a closing message says: zero, or an error number and perhaps a text.
pub(crate) fn verdict(header: &NetlinkHeader, payload: &[u8]) -> Result<(), KernelError> {
    // Without a number it would be the end of a dump on a kernel of long ago.
    let code = payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
    if code == 0 {
        return Ok(());
    }
    let attributes_at = match header.message_type {
        NLMSG_DONE => 4,
        _ if header.flags & NLM_F_CAPPED != 0 => 4 + HEADER,
        // The whole request is echoed before the attributes.
        _ => {
            let length = payload.get(4..8).and_then(number).unwrap_or(0);
            let length = usize::try_from(length).ok().and_then(|it| it.checked_next_multiple_of(4));
            length.unwrap_or(usize::MAX).saturating_add(4)
        }
    };
    let text = (header.flags & NLM_F_ACK_TLVS != 0)
        .then(|| payload.get(attributes_at..))
        .flatten()
        .and_then(|bytes| attribute(bytes, TEXT))
        .and_then(text);
    Err(KernelError { errno: code.saturating_abs(), text })
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::DefaultNla;

    use super::*;
    use crate::message::bytes;
    use crate::message::tests::mangled;
    use crate::message::{address, attributes};

    /// A closing message: an error, its text, and a length that fits.
    fn refusal(flags: u16, payload: &[&[u8]]) -> (NetlinkHeader, Vec<u8>) {
        let mut header = NetlinkHeader::default();
        let payload = payload.concat();
        header.length = u32::try_from(HEADER + payload.len()).expect("short");
        header.message_type = NLMSG_ERROR;
        header.flags = flags;
        (header, payload)
    }

    fn words(text: &str) -> Vec<u8> {
        let value = [text.as_bytes(), b"\0"].concat();
        bytes(&[DefaultNla::new(2, vec![0; 4]), DefaultNla::new(TEXT, value)].as_slice())
    }

    #[test]
    fn a_refusal_carries_the_kernels_text_with_and_without_an_echo_of_the_request() {
        let code = (-libc::EINVAL).to_ne_bytes();
        let request = |length: u32| [&length.to_ne_bytes()[..], &[0; 12]].concat();
        let text = words("limit greater than maximum");
        let expected = Err(KernelError::new(libc::EINVAL, "limit greater than maximum"));
        let (header, payload) =
            refusal(NLM_F_CAPPED | NLM_F_ACK_TLVS, &[&code, &request(99), &text]);
        assert_eq!(verdict(&header, &payload), expected);
        let (header, payload) = refusal(NLM_F_ACK_TLVS, &[&code, &request(21), &[7; 8], &text]);
        assert_eq!(verdict(&header, &payload), expected);
        let (mut header, payload) = refusal(NLM_F_ACK_TLVS, &[&code, &text]);
        header.message_type = NLMSG_DONE;
        assert_eq!(verdict(&header, &payload), expected);
        let (header, payload) = refusal(0, &[&code, &request(16)]);
        assert_eq!(verdict(&header, &payload), Err(KernelError::from_errno(libc::EINVAL)));
        let (header, payload) = refusal(NLM_F_CAPPED, &[&[0; 4], &request(16)]);
        assert_eq!(verdict(&header, &payload), Ok(()));
    }

    #[test]
    fn a_mangled_datagram_is_read_up_to_the_damage() {
        let code = (-libc::EPERM).to_ne_bytes();
        let (header, payload) =
            refusal(NLM_F_CAPPED | NLM_F_ACK_TLVS, &[&code, &[0; 16], &words("no")]);
        let one = [bytes(&header), payload].concat();
        let two = [one.as_slice(), &one].concat();
        assert_eq!(messages(&two).count(), 2);
        for datagram in mangled(&two) {
            for (header, payload) in messages(&datagram) {
                let _ = verdict(&header, payload);
                for (_, value) in attributes(payload) {
                    let _ = (number(value), address(value), text(value));
                }
            }
        }
        assert_eq!(messages(&two[..two.len() - 1]).count(), 1);
    }
}
