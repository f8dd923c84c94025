//! A cache with a budget in bytes, for several threads: what was used lately stays.
//!
//! Two generations stand in for an exact order of use: what is used moves to the young one, and when that is full it
//! becomes the old one, whose rest is forgotten. Nothing is kept for each entry but the entry.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Mutex;

/// Threads that ask for different keys seldom wait for each other.
const SHARDS: usize = 8;

/// Values by key, each with its size in bytes.
pub(crate) struct Cache<K, V, S> {
    shards: [Mutex<Generations<K, V, S>>; SHARDS],
    hasher: S,
    /// The bytes of one generation of one shard.
    room: usize,
}

struct Generations<K, V, S> {
    young: HashMap<K, (V, usize), S>,
    old: HashMap<K, (V, usize), S>,
    /// The size of the young ones.
    bytes: usize,
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher + Clone + Default> Cache<K, V, S> {
    /// A cache of at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Cache<K, V, S> {
        let empty = || Generations { young: HashMap::default(), old: HashMap::default(), bytes: 0 };
        Cache { shards: std::array::from_fn(|_| Mutex::new(empty())), hasher: S::default(), room: budget / SHARDS / 2 }
    }

    fn shard(&self, key: &K) -> std::sync::MutexGuard<'_, Generations<K, V, S>> {
        // The maps use the highest and the lowest bits.
        let shard = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Keeps nothing any more.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            (shard.young, shard.old, shard.bytes) = (HashMap::default(), HashMap::default(), 0);
        }
    }

    /// The value of this key, if it is kept.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key);
        if let Some((value, _)) = shard.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, size)) = shard.old.remove_entry(key)?;
        shard.insert(key, value.clone(), size, self.room);
        Some(value)
    }

    /// Keeps a value of this size. One that would fill a shard by itself is not kept.
    pub(crate) fn insert(&self, key: K, value: V, size: usize) {
        if size <= self.room {
            self.shard(&key).insert(key, value, size, self.room);
        }
    }
}

impl<K: Eq + Hash, V, S: BuildHasher + Default> Generations<K, V, S> {
    fn insert(&mut self, key: K, value: V, size: usize, room: usize) {
        if self.bytes + size > room {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        let before = self.young.insert(key, (value, size)).map_or(0, |(_, size)| size);
        self.bytes = self.bytes + size - before;
    }
}

impl<K, V, S> fmt::Debug for Cache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("room", &self.room).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::RandomState;

    type Numbers = Cache<u32, u32, RandomState>;

    fn bytes(cache: &Numbers) -> usize {
        let kept = |shard: &Mutex<Generations<u32, u32, RandomState>>| {
            let shard = shard.lock().unwrap();
            shard.young.values().chain(shard.old.values()).map(|(_, size)| size).sum::<usize>()
        };
        cache.shards.iter().map(kept).sum()
    }

    proptest! {
        #[test]
        fn it_answers_what_was_put_within_its_budget(
            steps in proptest::collection::vec((0u32..60, 0usize..400, any::<bool>()), 0..400),
        ) {
            let cache = Numbers::new(16 * 500);
            for (key, size, put) in steps {
                if put {
                    cache.insert(key, key * 2, size);
                } else if let Some(value) = cache.get(&key) {
                    prop_assert_eq!(value, key * 2);
                }
                prop_assert!(bytes(&cache) <= 16 * 500);
            }
        }
    }

    #[test]
    fn what_is_used_stays() {
        let cache = Numbers::new(16 * 1000);
        cache.insert(1, 1, 100);
        for key in 2..2000 {
            cache.insert(key, key, 100);
            assert_eq!(cache.get(&1), Some(1));
        }
        assert_eq!(cache.get(&2), None);
        cache.insert(1, 5, 100);
        assert_eq!(cache.get(&1), Some(5));
        cache.insert(3000, 0, 1001);
        assert_eq!(cache.get(&3000), None);
    }
}
