//! The list of external senders, kept to the providers that are present (protocol, section 7.4; Q-47).
//!
//! Only the hub knows the keys of its peers, so it alone brings entries in. One whose last participant has left, banned
//! ones not counted, goes: the hub proposes that in the very step that accepts the commit by which it is gone, so that
//! it is the first proposal of the new epoch, and obligatory (P-281, D-31). From the moment that the last one is gone
//! from the effective list, the hub takes nothing from that sender any more.

use std::collections::BTreeSet;

use super::{Keys, Room, proposed};
use crate::{
    delivery::{Credential, ExternalSender},
    room::RoomState,
    uri::{Domain, ProviderUri},
};

/// The domains of all users that are listed and not banned.
fn present(room: &RoomState) -> BTreeSet<Domain> {
    let hosts: BTreeSet<&str> = room
        .participants()
        .iter()
        .filter(|listed| !room.roles().is_outside(listed.role))
        .filter_map(|listed| listed.uri.strip_prefix("mimi://")?.split_once('/'))
        .map(|(host, _)| host)
        .collect();
    hosts.into_iter().filter_map(|host| Domain::parse(host).ok()).collect()
}

/// The list that a room ought to have, if that is another one than it has. The first entry is the hub's and stays where
/// it is, and so do those that stay; new ones come last.
pub(super) fn due(
    keys: &Keys,
    hub: &Domain,
    senders: &[ExternalSender],
    room: &RoomState,
) -> Option<Vec<ExternalSender>> {
    let present = present(room);
    let (first, others) = senders.split_first()?;
    let mut named = BTreeSet::new();
    let stays = |sender: &&ExternalSender| {
        let Ok(provider) = proposed::provider(&sender.credential) else { return false };
        let domain = provider.domain();
        let is_its_key = keys.peer(&domain).is_none_or(|key| *key == sender.signature_key);
        is_its_key && present.contains(&domain) && named.insert(domain)
    };
    let mut due = vec![first.clone()];
    due.extend(others.iter().filter(stays).cloned());
    for domain in present.iter().filter(|domain| *domain != hub && !named.contains(*domain)) {
        if let Some(key) = keys.peer(domain) {
            let identity = ProviderUri::new(domain).as_bytes().to_vec();
            let credential = Credential { kind: Credential::BASIC, identity };
            due.push(ExternalSender { signature_key: key.to_vec(), credential });
        }
    }
    (due != senders).then_some(due)
}

impl Room {
    /// The servers that may propose as this epoch has them, and what each signs with: the hub itself, then the providers
    /// of the participants. From one whose last user has left, nothing is taken even before it is off this list (P-281).
    pub fn external_senders(&self) -> impl Iterator<Item = (ProviderUri, &[u8])> {
        self.group.external_senders().iter().filter_map(|sender| {
            let provider = proposed::provider(&sender.credential).ok()?;
            Some((provider, sender.signature_key.as_slice()))
        })
    }

    /// Whether a server may still propose: it is the hub, or has a participant who is not banned.
    pub(super) fn takes_part(&self, server: &ProviderUri) -> bool {
        let domain = server.domain();
        domain == self.domain() || present(self.effective()).contains(&domain)
    }
}
