//! MPTCP sockets of the test itself: both ends of a connection, held as long as it wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, Protocol, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
    sockopt,
};

use super::{Netns, kernel, wait};

/// An MPTCP socket for IPv4.
pub fn socket() -> OwnedFd {
    of_family(AddressFamily::INET)
}

/// An MPTCP socket for this family.
pub fn of_family(family: AddressFamily) -> OwnedFd {
    let mptcp = NonZeroU32::new(kernel::MPTCP).map(Protocol::from_raw);
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, mptcp)
        .expect("this kernel has MPTCP")
}

/// A listener at the address.
pub fn listener(host: &Netns, address: &str) -> TcpListener {
    let address: SocketAddr = address.parse().expect("a literal address");
    host.enter(|| {
        let socket = socket();
        sockopt::set_socket_reuseaddr(&socket, true).expect("an option of every socket");
        // The last listener there may live in a child of another test, until that executes.
        wait::until("the port is free", || match bind(&socket, &address) {
            Err(rustix::io::Errno::ADDRINUSE) => false,
            bound => {
                bound.expect("an address of this host");
                true
            }
        });
        listen(&socket, 8).expect("it is bound");
        socket.into()
    })
}

/// A client of this thread's namespace.
pub fn connect(address: &str) -> TcpStream {
    let address: SocketAddr = address.parse().expect("a literal address");
    let socket = socket();
    rustix::net::connect(&socket, &address).expect("somebody listens");
    socket.into()
}

/// A connection to the listener that both ends have used.
pub fn connection(client: &Netns, address: &str, listener: &TcpListener) -> [TcpStream; 2] {
    let mut near = client.enter(|| connect(address));
    // Not for the commands that other tests start meanwhile: one that held it would keep the
    // connection open after its test has closed it.
    let far = accept_with(listener, SocketFlags::CLOEXEC).expect("a connection is there");
    let mut far: TcpStream = far.into();
    // Both keys are known, and further subflows possible, after data went to and fro.
    for (from, to) in [(0, 1), (1, 0), (0, 1)] {
        let ends = [&mut near, &mut far];
        ends[from].write_all(b"x").expect("connected");
        ends[to].read_exact(&mut [0]).expect("connected");
    }
    [near, far]
}
