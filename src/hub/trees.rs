//! Ratchet trees that joiners fetch by https (draft-ietf-mls-ratchet-tree-options; T-003, T-006, Q-55).
//!
//! The tree is most of what a joiner of a large room is given. Where the hub serves trees at an address of the room's
//! own ([`Room::serve_trees_at`]), answers to groupInfo and Welcomes hold the URL of the tree instead, and the tree is
//! a record, saved with the step that gives the URL out. What to serve at a URL is the record that [`tree_key`] names
//! for its last segment, octet for octet: `optional<Node> ratchet_tree<V>`, as `application/octet-stream`.
//!
//! A tree is named by its tree hash, so what is served at a URL never changes, epochs with the same tree share it, and
//! a joiner can check it against the GroupContext (T-013). Who does not know the tree cannot guess the name; who has it
//! finds out the members of the room, so give the URL to nobody, and do not let a cache list it.
//!
//! A tree is served for [`Limits::trees_for`](crate::env::Limits::trees_for), and as long as no more than
//! [`Limits::trees`](crate::env::Limits::trees) newer ones are. A joiner who comes too late gets nothing there, and asks
//! for the GroupInfo.

use super::{Room, draft::Draft, record::Record};
use crate::{
    env::Timestamp,
    error::Misuse,
    machine::Key,
    wire::{HttpsUrl, RatchetTree, RatchetTreeOption, RatchetTreeSourceDomains},
};

/// The kind octet of trees' keys.
const KIND: u8 = Key::BODIES + 2;

/// The longest name: that of a hash of 64 octets.
const LONGEST: usize = 128;

/// The key of the record to serve under this name, the last segment of a URL that the room has given out. `None` if it
/// has given out no such name.
#[must_use]
pub fn tree_key(name: &str) -> Option<Key> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let hash: Option<Vec<u8>> = name
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect();
    hash.map(|hash| key(&hash))
}

/// The key of a tree's record, by its tree hash.
pub(super) fn key(hash: &[u8]) -> Key {
    Key::new(KIND).bytes(hash)
}

/// The URL of a tree below the address that trees are served at.
fn url(base: &HttpsUrl, hash: &[u8]) -> Option<HttpsUrl> {
    let name: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
    HttpsUrl::parse(format!("{}{name}", base.as_str()).as_bytes()).ok()
}

impl Room {
    /// From now on whoever joins is given the URL of the ratchet tree, below `base`; with `None`, the tree itself again.
    ///
    /// This is not saved: say it again after a restore, as often as it is to hold, be it for one call. The URLs that
    /// were given out stay good. See [`tree_key`] for what to serve.
    ///
    /// # Errors
    /// If `base` does not end with `/`, has a query or is too long, or if the room says which domains have its tree and
    /// its host is none of them (T-006).
    pub fn serve_trees_at(&mut self, base: Option<HttpsUrl>) -> Result<(), Misuse> {
        if let Some(base) = &base {
            let path = base.as_str().ends_with('/') && !base.as_str().contains('?');
            if !path || url(base, &[0; LONGEST / 2]).is_none() {
                return Err(Misuse::Argument(
                    "an address for trees is a short path that ends with /",
                ));
            }
            if !self.may_have_tree_at(base) {
                return Err(Misuse::Argument("the room does not have its ratchet tree there"));
            }
        }
        self.trees_at = base;
        Ok(())
    }

    /// T-006, D-27: where the group says which domains have its ratchet tree, no other is named.
    pub(super) fn may_have_tree_at(&self, url: &HttpsUrl) -> bool {
        let Some(data) = self.group.extension(RatchetTreeSourceDomains::EXTENSION) else {
            return true;
        };
        crate::codec::Wire::decode(data)
            .is_ok_and(|domains: RatchetTreeSourceDomains| domains.allows(url))
    }

    /// The tree with this hash as a joiner is given it.
    pub(super) fn convey_tree(
        &self,
        now: Timestamp,
        hash: &[u8],
        tree: impl FnOnce() -> Vec<u8>,
        draft: &mut Draft,
    ) -> RatchetTreeOption {
        // Another group of the room may say other domains than the one before.
        let base = self.trees_at.as_ref().filter(|base| self.may_have_tree_at(base));
        let Some(url) = base.and_then(|base| url(base, hash)) else {
            return RatchetTreeOption::Full(RatchetTree::of_engine(&tree()));
        };
        if self.trees.find(hash, now).is_none() {
            for other in self.trees.surplus(self.limits.trees, 1) {
                draft.forget_tree(other.clone());
            }
            draft.tree(hash, tree());
        }
        draft.put(Record::Tree(hash.to_vec(), now.plus(self.limits.trees_for)));
        RatchetTreeOption::HttpsUri(url)
    }
}
