//! What each counter of MPTcpExt means, and what to do when it grows.
//!
//! The names are those of net/mptcp/mib.c, in its order, as of Linux 6.18, and those that newer
//! kernels have added. A short meaning fits a line of 80 columns beside name and value; the advice
//! is for `--explain`.

use super::{Kind, Known};

use Kind::{Gauge, Trouble, Usual};

const NORMAL: &str = "nothing: this is how it should be";
const SIZE: &str = "nothing, unless transfers are slow: then compare the paths' round-trip times";
const MIDDLEBOX: &str = "find the device on the way that changes TCP: mptcpize check HOST, over each link \
                         in turn; turn off its \"TCP optimisation\"";
const ATTACK: &str = "see who sends them; a few come from connections that ended meanwhile";
const LOCAL: &str = "some come from connections within this host; else look at endpoints and routes: \
                     mptcpize check";

const fn row(name: &'static str, kind: Kind, means: &'static str, advice: &'static str) -> Known {
    Known { name, kind, means, advice }
}

/// Every counter that is known, in the kernel's order.
pub(super) const TABLE: &[Known] = &[
    row("MPCapableSYNRX", Usual, "asked for MPTCP by a client (SYN)", NORMAL),
    row("MPCapableSYNTX", Usual, "asked a server for MPTCP (SYN)", NORMAL),
    row("MPCapableSYNACKRX", Usual, "servers that answered with MPTCP", NORMAL),
    row("MPCapableACKRX", Usual, "connections accepted as MPTCP", NORMAL),
    row(
        "MPCapableFallbackACK",
        Usual,
        "clients that began with MPTCP, became TCP",
        "where it is near MPCapableSYNRX, something between clients and this host removes options",
    ),
    row(
        "MPCapableFallbackSYNACK",
        Usual,
        "servers that answered without MPTCP",
        "nothing: most servers have no MPTCP. For one that has: mptcpize check HOST",
    ),
    row(
        "MPCapableSYNTXDrop",
        Trouble,
        "SYNs with MPTCP that nothing answered",
        "a firewall drops them: mptcpize check HOST, over each link in turn",
    ),
    row(
        "MPCapableSYNTXDisabled",
        Trouble,
        "begun as TCP: MPTCP is suspended",
        "see Blackhole; sysctl -w net.mptcp.blackhole_timeout=3600 ends the suspension at once",
    ),
    row(
        "MPCapableEndpAttempt",
        Trouble,
        "clients at a port meant for joins alone",
        "tell clients the service's own port, not that of the signal endpoint",
    ),
    row(
        "MPFallbackTokenInit",
        Trouble,
        "became TCP: no token was free",
        "more connections than the kernel has tokens for; boot with a larger mptcp_token hash",
    ),
    row(
        "MPTCPRetrans",
        Usual,
        "pieces sent again over another path",
        "some is normal when a path is slow or lost; where it keeps growing, look at that path",
    ),
    row("MPJoinNoTokenFound", Trouble, "joins for a connection not known here", ATTACK),
    row(
        "MPJoinNoIdFound",
        Trouble,
        "joins to an address without endpoint id",
        "free an endpoint: the kernel has no id left for that address (mptcpize endpoint)",
    ),
    row("MPJoinSynRx", Usual, "joins asked for by a client", NORMAL),
    row("MPJoinSynBackupRx", Usual, "of these, as backup", NORMAL),
    row("MPJoinSynAckRx", Usual, "joins that a server answered", NORMAL),
    row("MPJoinSynAckBackupRx", Usual, "of these, as backup", NORMAL),
    row("MPJoinSynAckHMacFailure", Trouble, "joins answered with a wrong proof", MIDDLEBOX),
    row("MPJoinSynAckNoMPJoin", Trouble, "joins answered without MPTCP", MIDDLEBOX),
    row("MPJoinAckRx", Usual, "joins of clients that were completed", NORMAL),
    row("MPJoinAckHMacFailure", Trouble, "joins completed with a wrong proof", ATTACK),
    row("MPJoinAckNoMPJoin", Trouble, "joins completed without MPTCP", MIDDLEBOX),
    row("MPJoinAckNoCtx", Trouble, "joins whose connection had gone", ATTACK),
    row(
        "MPJoinRejected",
        Trouble,
        "joins refused: over the limits",
        "raise this host's limits: mptcpize limits set subflows 8",
    ),
    row("MPJoinNotEstablished", Trouble, "joins that came too early", ATTACK),
    row("MPJoinSynTx", Usual, "joins sent", NORMAL),
    row(
        "MPJoinSynTxCreatSkErr",
        Trouble,
        "joins not sent: no socket",
        "look for a limit on memory or on sockets",
    ),
    row("MPJoinSynTxBindErr", Trouble, "joins not sent: not with that address", LOCAL),
    row("MPJoinSynTxConnectErr", Trouble, "joins not sent: no way to the peer", LOCAL),
    row("DSSNotMatching", Trouble, "data mapped to two places", MIDDLEBOX),
    row("DSSCorruptionFallback", Trouble, "data changed on the way: became TCP", MIDDLEBOX),
    row("DSSCorruptionReset", Trouble, "data changed on the way: path closed", MIDDLEBOX),
    row("InfiniteMapTx", Trouble, "told the peer to go on as TCP", MIDDLEBOX),
    row("InfiniteMapRx", Trouble, "told by the peer to go on as TCP", MIDDLEBOX),
    row("DSSNoMatchTCP", Trouble, "data that fits no sequence number", MIDDLEBOX),
    row("DataCsumErr", Trouble, "data with a wrong MPTCP checksum", MIDDLEBOX),
    row("OFOQueueTail", Usual, "came early, kept at the end of the queue", SIZE),
    row("OFOQueue", Usual, "came early, kept in the queue", SIZE),
    row("OFOMerge", Usual, "came early, joined to a neighbour", SIZE),
    row("NoDSSInWindow", Usual, "outside of the window, thrown away", SIZE),
    row("DuplicateData", Usual, "came twice, over two paths", SIZE),
    row("AddAddr", Usual, "addresses that peers announced", NORMAL),
    row("AddAddrTx", Usual, "addresses announced to peers", NORMAL),
    row(
        "AddAddrTxDrop",
        Trouble,
        "announcements not sent: no room",
        "announce fewer addresses: mptcpize endpoint",
    ),
    row("EchoAdd", Usual, "announcements that peers confirmed", NORMAL),
    row("EchoAddTx", Usual, "announcements confirmed to peers", NORMAL),
    row(
        "EchoAddTxDrop",
        Trouble,
        "confirmations not sent: no room",
        "nothing: the peer announces again",
    ),
    row("PortAdd", Usual, "announcements with a port of their own", NORMAL),
    row(
        "AddAddrDrop",
        Trouble,
        "announcements not heeded",
        "accept more of them: mptcpize limits set add_addr_accepted 8",
    ),
    row("MPJoinPortSynRx", Usual, "joins to an announced port", NORMAL),
    row("MPJoinPortSynAckRx", Usual, "of these, answered", NORMAL),
    row("MPJoinPortAckRx", Usual, "of these, completed", NORMAL),
    row("MismatchPortSynRx", Trouble, "joins to a port never announced", ATTACK),
    row("MismatchPortAckRx", Trouble, "completed at a port never announced", ATTACK),
    row("RmAddr", Usual, "addresses that peers took back", NORMAL),
    row("RmAddrDrop", Trouble, "such messages that were lost here", "nothing: the path ends later"),
    row("RmAddrTx", Usual, "addresses taken back", NORMAL),
    row("RmAddrTxDrop", Trouble, "such messages not sent", "nothing: the path ends later"),
    row("RmSubflow", Usual, "subflows closed by the path manager", NORMAL),
    row("MPPrioTx", Usual, "changes of backup state sent", NORMAL),
    row("MPPrioRx", Usual, "changes of backup state received", NORMAL),
    row("MPFailTx", Trouble, "told the peer that data were changed", MIDDLEBOX),
    row("MPFailRx", Trouble, "told by the peer that data were changed", MIDDLEBOX),
    row("MPFastcloseTx", Usual, "connections ended at once", NORMAL),
    row("MPFastcloseRx", Usual, "connections that a peer ended at once", NORMAL),
    row(
        "MPRstTx",
        Usual,
        "subflows reset by this host",
        "where it grows steadily: mptcpize monitor shows which, and the reason",
    ),
    row(
        "MPRstRx",
        Usual,
        "subflows reset by a peer",
        "where it grows steadily: mptcpize monitor shows which, and the reason",
    ),
    row(
        "SubflowStale",
        Usual,
        "paths that stopped acknowledging",
        "one that comes back counts in SubflowRecover; else the link is dead: look at it",
    ),
    row("SubflowRecover", Usual, "of these, came back", NORMAL),
    row("SndWndShared", Usual, "the window of all paths set the pace (out)", NORMAL),
    row("RcvWndShared", Usual, "the window of all paths set the pace (in)", NORMAL),
    row("RcvWndConflictUpdate", Usual, "two paths moved the window at once", NORMAL),
    row("RcvWndConflict", Usual, "the same, and it was tried again", NORMAL),
    row("MPCurrEstab", Gauge, "connections open now", NORMAL),
    row(
        "Blackhole",
        Trouble,
        "MPTCP was suspended: its SYNs vanish",
        "a firewall drops SYNs with MPTCP: mptcpize check HOST finds the link. The kernel tries \
         again after net.mptcp.blackhole_timeout seconds",
    ),
    row("MPCapableDataFallback", Trouble, "became TCP at the first data", MIDDLEBOX),
    row(
        "MD5SigFallback",
        Usual,
        "became TCP: TCP_MD5SIG is set",
        "nothing: MPTCP cannot sign; give such programs (BGP) plain TCP",
    ),
    row(
        "MD5SigReset",
        Trouble,
        "refused: the listener has TCP_MD5SIG",
        "nothing: MPTCP cannot sign; give such programs (BGP) plain TCP",
    ),
    row("DssFallback", Trouble, "became TCP: bad or missing mapping", MIDDLEBOX),
    row("DssReset", Trouble, "path closed: bad mapping", MIDDLEBOX),
    row(
        "SimultConnectFallback",
        Usual,
        "became TCP: both sides connected at once",
        "nothing: MPTCP does not do that",
    ),
    row("FallbackFailed", Trouble, "closed: too late to become TCP", MIDDLEBOX),
    row(
        "WinProbe",
        Usual,
        "probes of a peer with a full window",
        "where it grows: the program at the other end does not read",
    ),
    row(
        "BacklogDrop",
        Trouble,
        "dropped: the reader is too slow",
        "give it more memory: net.ipv4.tcp_rmem",
    ),
    row("RcvPruned", Trouble, "dropped: no memory to receive", "give it more: net.ipv4.tcp_rmem"),
    row("OFOPruned", Trouble, "early pieces dropped: no memory", "give it more: net.ipv4.tcp_rmem"),
];
