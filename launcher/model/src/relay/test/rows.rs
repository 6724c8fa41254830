//! A path to a relay, from what it answered.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::Tested;
use crate::checks::peer::{Answer, Carried, Joint, Try};
use crate::net::{Family, IfName};

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its link; none where the kernel chose.
    pub dev: Option<IfName>,
    /// From this address.
    pub from: Option<IpAddr>,
    /// To this one.
    pub to: SocketAddr,
    /// Did plain TCP come through?
    pub reach: Reach,
    /// The round trip of the handshake.
    pub rtt_us: Option<u32>,
    /// Does MPTCP come through?
    pub mptcp: Mptcp,
    /// Did it take part in a connection over all paths?
    pub join: Join,
}

/// Whether plain TCP comes through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It was answered.
    Reached,
    /// It was answered by a reset: nobody listens there.
    Refused,
    /// Nothing came.
    Silent,
    /// It could not be sent, or something on the way said no.
    Failed(String),
    /// There was no time.
    Untried,
}

/// Whether MPTCP comes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mptcp {
    /// It does.
    Speaks,
    /// The answer was plain TCP.
    Tcp,
    /// TCP is answered, and SYNs with MPTCP are not.
    Dropped,
    /// The handshake comes through, and with the first data it is lost.
    LostLater,
    /// The handshake comes through, and no data do.
    CarriesNothing,
    /// It was not tried.
    Unknown,
}

/// Part in a connection over all paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// The connection began here.
    First,
    /// A subflow was added here.
    Joined,
    /// A subflow was asked for and refused.
    Refused,
    /// A subflow was asked for, and nobody answered.
    Unanswered,
    /// No endpoint asks for one.
    NotAsked,
    /// Nothing is known of it.
    Unknown,
}

/// The row of a trial.
pub(super) fn row(tested: &Tested, tried: &Try) -> Row {
    let (reach, rtt_us) = match &tried.tcp {
        Answer::Connected { rtt_us, .. } => (Reach::Reached, Some(*rtt_us)),
        Answer::Failed(why) if why.contains("refused") => (Reach::Refused, None),
        Answer::Failed(why) => (Reach::Failed(why.clone()), None),
        Answer::Silent { .. } => (Reach::Silent, None),
        Answer::Untried => (Reach::Untried, None),
    };
    let mptcp = match (&tried.mptcp, tried.carried) {
        (Answer::Connected { mptcp: true, .. }, Some(Carried { mptcp: false, .. })) => {
            Mptcp::LostLater
        }
        (Answer::Connected { mptcp: true, .. }, Some(Carried { acked_bytes: Some(0), .. })) => {
            Mptcp::CarriesNothing
        }
        (Answer::Connected { mptcp: true, .. }, _) => Mptcp::Speaks,
        (Answer::Connected { mptcp: false, .. }, _) => Mptcp::Tcp,
        (Answer::Silent { .. } | Answer::Failed(_), _) => Mptcp::Dropped,
        (Answer::Untried, _) => Mptcp::Unknown,
    };
    let join = match mptcp {
        Mptcp::Speaks => join(tested, tried),
        _ => Join::Unknown,
    };
    let (dev, from, to) = (tried.dev.clone(), tried.from, tried.to);
    Row { dev, from, to, reach, rtt_us, mptcp, join }
}

fn join(tested: &Tested, tried: &Try) -> Join {
    let Some(from) = tried.from else { return Join::Unknown };
    let family = Family::of(tried.to.ip());
    let of_family =
        |joint: &&Joint| joint.subflows.iter().any(|subflow| Family::of(subflow.to.ip()) == family);
    let joint = tested.peer.joint.iter().find(of_family);
    let place = joint.and_then(|joint| joint.subflows.iter().position(|it| it.from == from));
    let subflow = joint.zip(place).map(|(joint, place)| &joint.subflows[place]);
    // What a measurement carried here came here.
    let carried = tested.moved.iter().flat_map(|moved| &moved.subflows);
    let carries = carried.clone().any(|(local, bytes)| *local == from && *bytes > 0);
    match (place, subflow) {
        (Some(0), _) => Join::First,
        (_, Some(subflow)) if subflow.established => Join::Joined,
        _ if carries => Join::Joined,
        _ if !tested.joins.contains(&from) => Join::NotAsked,
        (_, Some(_)) => Join::Unanswered,
        _ => match joint {
            Some(Joint { mptcp: true, hung_up: false, .. }) => Join::Refused,
            _ => Join::Unknown,
        },
    }
}
