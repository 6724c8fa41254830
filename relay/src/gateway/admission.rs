//! How many connections there are, and whether one more is taken. Pure: the clock is handed in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use mptcpize_model::gateway::Limits;

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// As many connections as there may be.
    Connections,
    /// As many of this client as there may be.
    PerClient,
    /// As many in this second as there may be.
    Handshakes,
}

/// The connections of all clients.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    clients: HashMap<IpAddr, u32>,
    connections: u32,
    /// Connections that may be taken now, in a bucket that a second fills.
    tokens: f64,
    filled: Duration,
}

impl Admission {
    /// There are none, and a second's worth may come at once.
    pub fn new(limits: Limits) -> Self {
        Admission {
            limits,
            clients: HashMap::new(),
            connections: 0,
            tokens: f64::from(limits.handshakes_s),
            filled: Duration::ZERO,
        }
    }

    /// Other limits. Connections that are there stay, also where they are more than that.
    pub fn reload(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes a connection of a client, `now` after the relay's start. [`Admission::leave`] follows.
    ///
    /// # Errors
    /// The limit that it would exceed. One that is over the limit of its client takes no token, so
    /// that a client in a loop does not keep the others out.
    pub fn enter(&mut self, now: Duration, client: IpAddr) -> Result<(), Refusal> {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        let most = f64::from(self.limits.handshakes_s);
        self.tokens = (self.tokens + passed * most).min(most);
        self.filled = now;
        let of_client = self.clients.get(&client).copied().unwrap_or(0);
        if of_client >= self.limits.per_client {
            return Err(Refusal::PerClient);
        }
        if self.connections >= self.limits.connections {
            return Err(Refusal::Connections);
        }
        if self.tokens < 1.0 {
            return Err(Refusal::Handshakes);
        }
        self.tokens -= 1.0;
        self.connections += 1;
        self.clients.insert(client, of_client + 1);
        Ok(())
    }

    /// A connection of a client has ended.
    pub fn leave(&mut self, client: IpAddr) {
        self.connections = self.connections.saturating_sub(1);
        match self.clients.get_mut(&client) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(self.clients.remove(&client)),
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Connections of all clients.
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// Clients that have a connection.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> IpAddr {
        IpAddr::from([192, 168, 77, number])
    }

    fn admission(connections: u32, per_client: u32, handshakes_s: u32) -> Admission {
        Admission::new(Limits { connections, per_client, handshakes_s })
    }

    #[test]
    fn at_a_limit_new_ones_are_refused_until_old_ones_end() {
        let mut admission = admission(3, 2, 100);
        let now = Duration::ZERO;
        assert_eq!(admission.enter(now, client(1)), Ok(()));
        assert_eq!(admission.enter(now, client(1)), Ok(()));
        assert_eq!(admission.enter(now, client(1)), Err(Refusal::PerClient));
        assert_eq!(admission.enter(now, client(2)), Ok(()));
        assert_eq!(admission.enter(now, client(3)), Err(Refusal::Connections));
        admission.leave(client(1));
        assert_eq!(admission.enter(now, client(3)), Ok(()));
        assert_eq!((admission.connections(), admission.clients()), (3, 3));
        for number in 1..=3 {
            admission.leave(client(number));
        }
        assert_eq!((admission.connections(), admission.clients()), (0, 0));
    }

    #[test]
    fn handshakes_are_counted_over_time() {
        let mut admission = admission(1_000, 1_000, 10);
        let taken = |admission: &mut Admission, now| {
            (0..50).filter(|_| admission.enter(now, client(1)).is_ok()).count()
        };
        assert_eq!(taken(&mut admission, Duration::ZERO), 10);
        assert_eq!(taken(&mut admission, Duration::from_millis(500)), 5);
        assert_eq!(taken(&mut admission, Duration::from_secs(60)), 10);
    }

    #[test]
    fn one_client_in_a_loop_leaves_the_others_their_share() {
        let mut admission = admission(1_000, 1, 10);
        for _ in 0..500 {
            let _ = admission.enter(Duration::ZERO, client(1));
        }
        assert_eq!(admission.enter(Duration::ZERO, client(2)), Ok(()));
    }

    #[test]
    fn lower_limits_leave_what_is_there() {
        let mut admission = admission(5, 5, 100);
        for _ in 0..5 {
            assert_eq!(admission.enter(Duration::ZERO, client(1)), Ok(()));
        }
        admission.reload(Limits { connections: 2, per_client: 2, handshakes_s: 100 });
        admission.leave(client(1));
        assert!(admission.enter(Duration::ZERO, client(1)).is_err());
        assert_eq!(admission.connections(), 4);
    }
}
