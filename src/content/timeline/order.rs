//! The order in which messages are shown.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Timeline};
use crate::content::MessageId;

impl Timeline {
    /// The messages to show: by hub timestamp, then ID, and none before what its sender had seen.
    pub(super) fn order(&self) -> Vec<MessageId> {
        // How many messages each one waits for, and which ones wait for it.
        let mut waits: BTreeMap<MessageId, usize> = BTreeMap::new();
        let mut waiting: BTreeMap<MessageId, Vec<MessageId>> = BTreeMap::new();
        let mut ready = BTreeSet::new();
        let mut left = BTreeSet::new();
        for (id, entry) in &self.entries {
            let external = entry.seen_external.iter().filter_map(|seen| self.external.get(seen));
            let before: BTreeSet<_> = entry
                .seen
                .iter()
                .chain(external.flatten())
                .filter(|seen| *seen != id && self.entries.contains_key(seen))
                .copied()
                .collect();
            let place = (entry.accepted_at, *id);
            left.insert(place);
            if before.is_empty() {
                ready.insert(place);
            }
            waits.insert(*id, before.len());
            for seen in before {
                waiting.entry(seen).or_default().push(*id);
            }
        }
        let mut order = Vec::with_capacity(self.entries.len());
        // If none is ready, those left wait for each other in a circle: the first of them goes first.
        while let Some(place) = ready.pop_first().or_else(|| left.first().copied()) {
            if !left.remove(&place) {
                continue;
            }
            let (_, id) = place;
            for after in waiting.get(&id).into_iter().flatten() {
                let Some(count) = waits.get_mut(after) else { continue };
                *count = count.saturating_sub(1);
                if *count == 0
                    && let Some(entry) = self.entries.get(after)
                {
                    ready.insert((entry.accepted_at, *after));
                }
            }
            order.push(id);
        }
        let posts =
            |id: &MessageId| self.entries.get(id).is_some_and(|entry| entry.kind == Kind::Post);
        order.retain(posts);
        order
    }
}
