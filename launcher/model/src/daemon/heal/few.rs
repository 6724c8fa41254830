//! A map of very few entries: what one connection has. There may be tens of thousands of connections, and a
//! node of a `BTreeMap` has room for eleven entries from the first one on.

use serde::Serialize;

/// Entries by key, in the order of the keys; room for no more than there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Few(Vec::new())
    }
}

impl<K: Ord, V> Few<K, V> {
    /// Adds an entry, or replaces the value of its key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.put(at, key, value),
        }
    }

    /// The value of a key, which is this one where there is none yet.
    pub(super) fn get_or_insert(&mut self, key: K, value: V) -> &V {
        let at = match self.place(&key) {
            Ok(at) => at,
            Err(at) => {
                self.put(at, key, value);
                at
            }
        };
        &self.0[at].1
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.place(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    fn put(&mut self, at: usize, key: K, value: V) {
        self.0.reserve_exact(1);
        self.0.insert(at, (key, value));
    }
}

impl<K: Ord, V> Extend<(K, V)> for Few<K, V> {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, entries: T) {
        entries.into_iter().for_each(|(key, value)| self.insert(key, value));
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Few<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut few = Few::default();
        few.extend(entries);
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_the_order_of_their_keys_and_each_key_is_there_once() {
        let mut few: Few<u8, char> = [(3, 'c'), (1, 'a'), (3, 'd')].into_iter().collect();
        assert_eq!(few.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(few.values().collect::<String>(), "ad");
        assert_eq!((*few.get_or_insert(1, 'z'), *few.get_or_insert(2, 'b')), ('a', 'b'));
        assert_eq!((few.remove(&1), few.remove(&1), few.len()), (Some('a'), None, 2));
    }
}
