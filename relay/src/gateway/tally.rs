//! What connections carried: in all, by client and by uplink.
//!
//! A connection only stores how much it has moved; all sums are made when somebody asks, or when it
//! ends. So bytes cost nothing beyond two stores, and nothing wakes by itself. What clients choose fills
//! no memory: ended connections are sums, and of clients the latest [`MOST_KNOWN`] are remembered.
//!
//! Not here: who may ask, and the text that they get (gateway/state.rs).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mptcpize_model::gateway::{Settings, Uplink};
use mptcpize_model::gateway_status::Amounts;
use mptcpize_model::net::{IfName, Prefix};

use super::socket::Socket;
use crate::placement::bounded::Bounded;
use crate::sys::subflows::{Subflow, subflows};

/// Clients that are remembered: several times those of a household, 100 KB.
const MOST_KNOWN: usize = 1_024;
/// For how long after their last connection.
const KNOWN_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// A subflow with fewer bytes than most packets have carried nothing but its own opening and end.
const CARRIED: u64 = 1_000;

/// A connection that is open.
#[derive(Debug)]
pub struct Live {
    client: IpAddr,
    /// The router's address that its first subflow left from; none where no uplink took it.
    source: Option<IpAddr>,
    mptcp: bool,
    /// What was set when it began: an uplink that came later owes it nothing.
    began: Arc<Settings>,
    up: AtomicU64,
    down: AtomicU64,
    far: Weak<Socket>,
    /// The number of the present look at the links, and of the last one in which this was looked at.
    tick: Arc<AtomicU32>,
    looked: AtomicU32,
    /// The most that was seen of each subflow: the kernel forgets them one by one.
    subflows: Mutex<Vec<Subflow>>,
}

impl Live {
    /// It has moved so many bytes since its start. Looks at its subflows once for each
    /// [`Tally::tick`].
    pub fn note(&self, up: u64, down: u64) {
        self.up.store(up, Ordering::Relaxed);
        self.down.store(down, Ordering::Relaxed);
        let tick = self.tick.load(Ordering::Relaxed);
        if self.looked.swap(tick, Ordering::Relaxed) != tick {
            self.look();
        }
    }

    /// The links of the uplinks that carried some of it, in the order of `uplinks`; the one that it began
    /// on, where no more is known.
    pub fn carriers<'a>(&self, uplinks: &'a [Uplink]) -> Vec<&'a IfName> {
        let seen = Looked::known(self);
        let first = self.source.and_then(|source| of_source(uplinks, source));
        let carried = |uplink: &&Uplink| seen.moved(uplinks, &uplink.dev) >= CARRIED;
        let all: Vec<_> = uplinks.iter().filter(carried).map(|uplink| &uplink.dev).collect();
        if all.is_empty() { first.into_iter().collect() } else { all }
    }

    /// Asks the kernel what its subflows have carried by now. Not of a connection that two of them cannot
    /// have carried: the question takes as long as a fiftieth of a short connection.
    pub fn look(&self) {
        let moved = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        if moved(&self.up).saturating_add(moved(&self.down)) < 2 * CARRIED {
            return;
        }
        let Some(far) = self.far.upgrade().filter(|_| self.mptcp) else { return };
        let mut known = self.subflows.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in subflows(&*far).unwrap_or_default() {
            match known.iter_mut().find(|one| one.local == seen.local) {
                Some(one) => (one.up, one.down) = (one.up.max(seen.up), one.down.max(seen.down)),
                // One that is closed and not yet forgotten has no address.
                None if seen.local.is_unspecified() => {}
                None => known.push(seen),
            }
        }
    }
}

/// Everything that is known.
#[derive(Clone, Debug)]
pub struct Sums {
    /// All connections.
    pub all: Amounts,
    /// Those that no uplink took.
    pub beside: Amounts,
    /// By client.
    pub clients: HashMap<IpAddr, Amounts>,
    /// By uplink: connections by where they began, bytes by the address of each subflow.
    pub uplinks: HashMap<IfName, Amounts>,
    /// By uplink: bytes of connections that several others carried, and this one nothing of it though it
    /// was there.
    pub missed: HashMap<IfName, u64>,
}

/// The open connections, and the sums of those that ended.
#[derive(Debug)]
pub struct Tally {
    book: Mutex<Book>,
    tick: Arc<AtomicU32>,
}

#[derive(Debug)]
struct Book {
    next: u64,
    open: HashMap<u64, Arc<Live>>,
    all: Amounts,
    beside: Amounts,
    clients: Bounded<IpAddr, Amounts>,
    uplinks: HashMap<IfName, Amounts>,
    missed: HashMap<IfName, u64>,
    /// The most bytes that were told of each uplink, up and down. As proportions shift between open
    /// subflows a sum may fall, and whoever reads it as a counter would take that for a new start.
    told: HashMap<IfName, (u64, u64)>,
}

impl Tally {
    /// There was no connection.
    pub fn new() -> Self {
        let book = Book {
            next: 0,
            open: HashMap::new(),
            all: Amounts::default(),
            beside: Amounts::default(),
            clients: Bounded::new(MOST_KNOWN, KNOWN_LIFETIME),
            uplinks: HashMap::new(),
            missed: HashMap::new(),
            told: HashMap::new(),
        };
        Tally { book: Mutex::new(book), tick: Arc::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time has passed in which subflows may have carried something.
    pub fn tick(&self) {
        self.tick.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection of a client begins. `source` is the uplink's address that it was made from, `mptcp`
    /// whether both sides speak MPTCP, `settings` those of this moment. [`Tally::end`] follows.
    pub fn begin(
        &self,
        client: IpAddr,
        source: Option<IpAddr>,
        mptcp: bool,
        far: &Arc<Socket>,
        settings: &Arc<Settings>,
    ) -> (u64, Arc<Live>) {
        let live = Arc::new(Live {
            client,
            source,
            mptcp,
            began: Arc::clone(settings),
            subflows: Mutex::default(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            far: Arc::downgrade(far),
            looked: AtomicU32::new(self.tick.load(Ordering::Relaxed)),
            tick: Arc::clone(&self.tick),
        });
        let mut book = self.book();
        let number = book.next;
        book.next = book.next.wrapping_add(1);
        book.open.insert(number, Arc::clone(&live));
        (number, live)
    }

    /// A connection has ended. What its subflows carried was looked at when its halves ended.
    pub fn end(&self, now: Duration, number: u64, uplinks: &[Uplink]) {
        let removed = self.book().open.remove(&number);
        let Some(live) = removed else { return };
        let seen = Looked::known(&live);
        let mut book = self.book();
        let Book { all, beside, uplinks: known, missed, clients, .. } = &mut *book;
        let mut of_client = clients.peek(now, &live.client).unwrap_or_default();
        seen.add(&live, uplinks, all, beside, &mut of_client, known);
        seen.miss(&live, uplinks, missed);
        clients.put(now, live.client, of_client);
        // Settings that change for ever name links for ever.
        if known.len() > 2 * mptcpize_model::gateway::MOST_UPLINKS {
            known.retain(|dev, _| uplinks.iter().any(|uplink| uplink.dev == *dev));
            missed.retain(|dev, _| uplinks.iter().any(|uplink| uplink.dev == *dev));
        }
    }

    /// All sums at this moment. Asks the kernel about each open connection, and lets others go on
    /// between [`BATCH`] of them.
    pub async fn sums(&self, now: Duration, uplinks: &[Uplink]) -> Sums {
        let (mut sums, open) = {
            let book = self.book();
            let sums = Sums {
                all: book.all,
                beside: book.beside,
                clients: book.clients.iter(now).map(|(client, sum)| (*client, sum)).collect(),
                uplinks: book.uplinks.clone(),
                missed: book.missed.clone(),
            };
            (sums, book.open.values().cloned().collect::<Vec<_>>())
        };
        for (at, live) in open.iter().enumerate() {
            if at % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
            let Sums { all, beside, clients, uplinks: known, missed } = &mut sums;
            let of_client = clients.entry(live.client).or_default();
            let seen = Looked::at(live);
            seen.add(live, uplinks, all, beside, of_client, known);
            seen.miss(live, uplinks, missed);
            for sum in [&mut *all, of_client] {
                sum.open = sum.open.saturating_add(1);
            }
            let placed = live.source.and_then(|source| of_source(uplinks, source));
            let place = match (live.source, placed) {
                (None, _) => Some(beside),
                (Some(_), Some(dev)) => known.get_mut(dev),
                (Some(_), None) => None,
            };
            if let Some(place) = place {
                place.open = place.open.saturating_add(1);
            }
        }
        let mut book = self.book();
        for (dev, sum) in &mut sums.uplinks {
            let (up, down) = book.told.get(dev).copied().unwrap_or_default();
            (sum.up_bytes, sum.down_bytes) = (sum.up_bytes.max(up), sum.down_bytes.max(down));
        }
        book.told = sums
            .uplinks
            .iter()
            .map(|(dev, sum)| (dev.clone(), (sum.up_bytes, sum.down_bytes)))
            .collect();
        drop(book);
        sums
    }
}

/// Connections that are looked at in one go: some 0.2 ms.
const BATCH: usize = 64;

impl Default for Tally {
    fn default() -> Self {
        Tally::new()
    }
}

/// A connection at one moment.
struct Looked {
    up: u64,
    down: u64,
    multipath: bool,
    subflows: Vec<Subflow>,
}

impl Looked {
    /// As it is now.
    fn at(live: &Live) -> Self {
        live.look();
        Looked::known(live)
    }

    /// As it was when it was last looked at.
    fn known(live: &Live) -> Self {
        let subflows = live.subflows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let busy = subflows.iter().filter(|one| one.up.saturating_add(one.down) >= CARRIED).count();
        Looked {
            up: live.up.load(Ordering::Relaxed),
            down: live.down.load(Ordering::Relaxed),
            multipath: busy > 1,
            subflows,
        }
    }

    /// Adds it to the sums.
    fn add(
        &self,
        live: &Live,
        uplinks: &[Uplink],
        all: &mut Amounts,
        beside: &mut Amounts,
        client: &mut Amounts,
        known: &mut HashMap<IfName, Amounts>,
    ) {
        let whole = Amounts {
            open: 0,
            carried: 1,
            mptcp: u64::from(live.mptcp),
            multipath: u64::from(self.multipath),
            up_bytes: self.up,
            down_bytes: self.down,
            multipath_bytes: if self.multipath { self.up.saturating_add(self.down) } else { 0 },
        };
        add(all, &whole);
        add(client, &whole);
        let Some(source) = live.source else { return add(beside, &whole) };
        let bytes = |up_bytes, down_bytes| Amounts { up_bytes, down_bytes, ..Amounts::default() };
        let mut place = |from: IpAddr, amounts: &Amounts| {
            // An address that is of no uplink any more has no line to stand in.
            if let Some(dev) = of_source(uplinks, from) {
                if !known.contains_key(dev) {
                    known.insert(dev.clone(), Amounts::default());
                }
                known.get_mut(dev).into_iter().for_each(|sum| add(sum, amounts));
            }
        };
        place(source, &Amounts { up_bytes: 0, down_bytes: 0, ..whole });
        for (from, up, down) in self.shares(source) {
            place(from, &bytes(up, down));
        }
    }

    /// What the subflows of an uplink were seen to have carried.
    fn moved(&self, uplinks: &[Uplink], dev: &IfName) -> u64 {
        let own = self.subflows.iter().filter(|one| of_source(uplinks, one.local) == Some(dev));
        own.fold(0, |sum, one| sum.saturating_add(one.up).saturating_add(one.down))
    }

    /// Adds its bytes to what uplinks missed that were there from its start and carried nothing of it.
    fn miss(&self, live: &Live, uplinks: &[Uplink], missed: &mut HashMap<IfName, u64>) {
        let Some(source) = live.source.filter(|_| self.multipath) else { return };
        let same = |address: &IpAddr| address.is_ipv4() == source.is_ipv4();
        for uplink in uplinks.iter().filter(|uplink| uplink.addresses.iter().any(same)) {
            if live.began.uplinks.contains(uplink) && self.moved(uplinks, &uplink.dev) < CARRIED {
                let sum = missed.entry(uplink.dev.clone()).or_default();
                *sum = sum.saturating_add(self.up).saturating_add(self.down);
            }
        }
    }

    /// All its bytes, by the address of the subflow: in the proportion of what each was last seen to have
    /// carried, so that the sums are those of the connections. Where nothing was seen, by its first one.
    fn shares(&self, source: IpAddr) -> Vec<(IpAddr, u64, u64)> {
        let sum =
            |of: fn(&Subflow) -> u64| self.subflows.iter().map(|one| u128::from(of(one))).sum();
        let (all_up, all_down): (u128, u128) = (sum(|one| one.up), sum(|one| one.down));
        let (mut up_left, mut down_left) = (self.up, self.down);
        let share = |moved: u64, part: u64, all: u128, left: &mut u64| {
            let share = (u128::from(moved) * u128::from(part)).checked_div(all).unwrap_or(0);
            let share = u64::try_from(share).unwrap_or(u64::MAX).min(*left);
            *left -= share;
            share
        };
        let mut shares: Vec<_> = self
            .subflows
            .iter()
            .map(|one| {
                let up = share(self.up, one.up, all_up, &mut up_left);
                (one.local, up, share(self.down, one.down, all_down, &mut down_left))
            })
            .collect();
        shares.push((source, up_left, down_left));
        shares
    }
}

fn add(sum: &mut Amounts, more: &Amounts) {
    sum.carried = sum.carried.saturating_add(more.carried);
    sum.mptcp = sum.mptcp.saturating_add(more.mptcp);
    sum.multipath = sum.multipath.saturating_add(more.multipath);
    sum.up_bytes = sum.up_bytes.saturating_add(more.up_bytes);
    sum.down_bytes = sum.down_bytes.saturating_add(more.down_bytes);
    sum.multipath_bytes = sum.multipath_bytes.saturating_add(more.multipath_bytes);
}

/// The uplink that has an address. In IPv6 an address may have come after the settings were read (RFC
/// 8981): it is that of the one uplink in its network of 64 bits; several in one network are told apart
/// by whole addresses alone.
fn of_source(uplinks: &[Uplink], address: IpAddr) -> Option<&IfName> {
    let exact = uplinks.iter().find(|uplink| uplink.addresses.contains(&address));
    let near = || {
        let same = |known: &IpAddr| Prefix::network(*known, 64).contains(address);
        let mut all = uplinks.iter().filter(|uplink| uplink.addresses.iter().any(same));
        all.next().filter(|_| address.is_ipv6() && all.next().is_none())
    };
    exact.or_else(near).map(|uplink| &uplink.dev)
}

#[cfg(test)]
mod tests;
