//! A memory of bounded size whose entries expire: what clients choose must not fill the router.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Values by key, each with the time of its last use.
#[derive(Debug)]
pub struct Bounded<K, V> {
    entries: HashMap<K, (V, Duration)>,
    most: usize,
    lifetime: Duration,
}

impl<K: Hash + Eq, V: Copy> Bounded<K, V> {
    /// Room for so many entries, each of which is forgotten when it was not used for `lifetime`.
    pub fn new(most: usize, lifetime: Duration) -> Self {
        Bounded { entries: HashMap::new(), most, lifetime }
    }

    /// The value of a key, which is used by that.
    pub fn get(&mut self, now: Duration, key: &K) -> Option<V> {
        let (value, used) = self.entries.get_mut(key)?;
        if now.saturating_sub(*used) > self.lifetime {
            self.entries.remove(key);
            return None;
        }
        *used = now;
        Some(*value)
    }

    /// The value of a key, which expires as if nobody had asked.
    pub fn peek(&self, now: Duration, key: &K) -> Option<V> {
        let (value, used) = self.entries.get(key)?;
        (now.saturating_sub(*used) <= self.lifetime).then_some(*value)
    }

    /// Remembers a value. Where there is no room, those that expired are forgotten, then the older half.
    pub fn put(&mut self, now: Duration, key: K, value: V) {
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            let lifetime = self.lifetime;
            self.entries.retain(|_, (_, used)| now.saturating_sub(*used) <= lifetime);
            if self.entries.len() >= self.most {
                // A half at a time: so that one look at all of them serves many new ones.
                let mut times: Vec<_> = self.entries.values().map(|(_, used)| *used).collect();
                let middle = times.len() / 2;
                let (_, median, _) = times.select_nth_unstable(middle);
                let median = *median;
                self.entries.retain(|_, (_, used)| *used > median);
            }
        }
        self.entries.insert(key, (value, now));
    }

    /// Forgets a key.
    pub fn forget(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// The entries that have not expired.
    pub fn iter(&self, now: Duration) -> impl Iterator<Item = (&K, V)> {
        let lives = move |used: Duration| now.saturating_sub(used) <= self.lifetime;
        let all = self.entries.iter().filter(move |(_, (_, used))| lives(*used));
        all.map(|(key, (value, _))| (key, *value))
    }

    /// How many entries there are, expired ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_not_used_expires() {
        let mut memory = Bounded::new(8, at(10));
        memory.put(at(0), 'a', 1);
        assert_eq!(memory.get(at(10), &'a'), Some(1));
        assert_eq!(memory.get(at(20), &'a'), Some(1), "it was used meanwhile");
        assert_eq!((memory.peek(at(30), &'a'), memory.peek(at(31), &'a')), (Some(1), None));
        assert_eq!(memory.get(at(31), &'a'), None);
        assert!(memory.is_empty());
    }

    #[test]
    fn it_never_holds_more_than_it_may_and_keeps_what_was_used_last() {
        let mut memory = Bounded::new(8, at(1_000));
        for number in 0..100 {
            memory.put(at(number), number, ());
            assert!(memory.len() <= 8);
            assert!(memory.get(at(number), &number).is_some());
        }
    }

    #[test]
    fn many_entries_of_one_moment_do_not_fill_it() {
        let mut memory = Bounded::new(8, at(1_000));
        for number in 0..100 {
            memory.put(at(5), number, ());
            assert!(memory.len() <= 8);
        }
    }
}
