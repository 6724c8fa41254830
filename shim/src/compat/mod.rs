//! Makes an MPTCP socket behave as the TCP socket that the program asked for.
//!
//! MPTCP refuses options that TCP takes, and behaves otherwise here and there. Where a program
//! runs into that, in this order:
//! * a **hint** (`hints.rs`), an option whose refusal changes nothing, is answered and remembered;
//! * so is a value that the option has already (`unchanged.rs`);
//! * a socket without a connection becomes TCP in place (`demote.rs`), and the call is made on it;
//! * a question is answered from a TCP socket that we make for it (`getsockopt.rs`);
//! * otherwise the refusal is the program's, with the errno that TCP would have used for an option
//!   that it does not know either.
//!
//! A call that succeeds costs a look at a table (`table.rs`). Not here: which sockets are upgraded
//! (`upgrade.rs`).

pub(crate) mod addresses;
mod buffer;
mod buffer_size;
mod demote;
pub(crate) mod ended;
pub(crate) mod epoll;
pub(crate) mod fastopen;
pub(crate) mod getsockopt;
mod hints;
mod identity;
pub(crate) mod inq;
pub(crate) mod limit;
mod options;
mod original;
pub(crate) mod ours;
pub(crate) mod process;
pub(crate) mod room;
pub(crate) mod setsockopt;
pub(crate) mod table;
mod unchanged;
