//! A table that a step changes without copying it: what the step writes lies over what is shared with the room.

use std::{collections::BTreeMap, sync::Arc};

/// Rows by number. A clone shares all rows; [`Table::keep`] takes over what was written since, and copies nothing once
/// the original is gone.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    base: Arc<BTreeMap<K, Arc<V>>>,
    over: BTreeMap<K, Option<Arc<V>>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { base: Arc::default(), over: BTreeMap::new() }
    }
}

impl<K: Copy + Ord, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(rows: T) -> Self {
        let rows: BTreeMap<K, Arc<V>> =
            rows.into_iter().map(|(key, value)| (key, Arc::new(value))).collect();
        Self { base: Arc::new(rows), over: BTreeMap::new() }
    }
}

impl<K: Copy + Ord, V> Table<K, V> {
    pub(super) fn get(&self, key: K) -> Option<&Arc<V>> {
        match self.over.get(&key) {
            Some(written) => written.as_ref(),
            None => self.base.get(&key),
        }
    }

    pub(super) fn insert(&mut self, key: K, value: Arc<V>) {
        self.over.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: K) -> Option<Arc<V>> {
        let gone = self.get(key).cloned()?;
        if self.base.contains_key(&key) {
            self.over.insert(key, None);
        } else {
            self.over.remove(&key);
        }
        Some(gone)
    }

    /// All rows, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &Arc<V>)> {
        let mut base = self.base.iter().peekable();
        let mut over = self.over.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let written = match (base.peek().map(|row| *row.0), over.peek().map(|row| *row.0)) {
                    (None, None) => return None,
                    (Some(_), None) => false,
                    (None, Some(_)) => true,
                    (Some(old), Some(new)) => {
                        if old == new {
                            base.next();
                        }
                        new <= old
                    }
                };
                if !written {
                    return base.next().map(|(key, value)| (*key, value));
                }
                if let Some((key, Some(value))) = over.next() {
                    return Some((*key, value));
                }
            }
        })
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = K> {
        self.iter().map(|(key, _)| key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<V>> {
        self.iter().map(|(_, value)| value)
    }

    /// Takes over what was written.
    pub(super) fn keep(&mut self) {
        if self.over.is_empty() {
            return;
        }
        let base = Arc::make_mut(&mut self.base);
        for (key, written) in std::mem::take(&mut self.over) {
            match written {
                Some(value) => base.insert(key, value),
                None => base.remove(&key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(table: &Table<u8, u8>) -> Vec<(u8, u8)> {
        table.iter().map(|(key, value)| (key, **value)).collect()
    }

    proptest! {
        /// A table is a map, whatever of it is shared; a clone that is dropped leaves no trace.
        #[test]
        fn a_table_is_a_map(
            steps in prop::collection::vec((0u8..12, prop::option::of(any::<u8>()), 0u8..4), 0..60),
        ) {
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            for (key, value, then) in steps {
                let mut step = table.clone();
                let mut after = map.clone();
                match value {
                    Some(value) => {
                        step.insert(key, Arc::new(value));
                        after.insert(key, value);
                    }
                    None => prop_assert_eq!(step.remove(key).map(|it| *it), after.remove(&key)),
                }
                prop_assert_eq!(step.get(key).map(|it| **it), after.get(&key).copied());
                prop_assert_eq!(rows(&step), after.clone().into_iter().collect::<Vec<_>>());
                prop_assert_eq!(rows(&table), map.clone().into_iter().collect::<Vec<_>>());
                if then > 0 {
                    (table, map) = (step, after);
                }
                if then > 1 {
                    table.keep();
                }
            }
        }
    }

    #[test]
    fn what_is_kept_is_not_copied() {
        let mut table: Table<u8, u8> = [(1, 1), (2, 2)].into_iter().collect();
        let row = Arc::as_ptr(table.get(2).unwrap());
        let shared = Arc::as_ptr(&table.base);
        let mut step = table.clone();
        step.insert(3, Arc::new(3));
        step.remove(1);
        table = step;
        table.keep();
        assert_eq!(Arc::as_ptr(&table.base), shared, "the map itself went on");
        assert_eq!(Arc::as_ptr(table.get(2).unwrap()), row);
        assert_eq!(rows(&table), [(2, 2), (3, 3)]);
    }
}
