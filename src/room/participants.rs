//! The participant list (mimi-protocol, section 7.5).

use std::collections::BTreeMap;

use super::{
    Change,
    entries::{Entries, number},
    places::Places,
};
use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    policy::RoleIndex,
    uri::{ParticipantUri, UserUri},
};

/// One entry of a [`ParticipantList`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its place in the list: the `user_index` of a [`ParticipantListUpdate`](super::ParticipantListUpdate).
    pub place: u32,
    /// The URI of a user, or of the hub's provider.
    pub uri: &'a str,
    /// Its role.
    pub role: RoleIndex,
}

impl Listed<'_> {
    /// The user, if it is one and not the hub's provider.
    #[must_use]
    pub fn user(&self) -> Option<UserUri> {
        UserUri::parse(self.uri).ok()
    }

    /// Whether it is the entry of a provider.
    #[must_use]
    pub fn is_provider(&self) -> bool {
        !self.uri.get("mimi://".len()..).unwrap_or_default().contains('/')
    }
}

/// Who takes part in a room, in which role, in the order of the wire.
///
/// The list keeps the octets it was read from and changes them in place; beside them it has a map from URI to place
/// and a counter for each role. So to look somebody up, change a role or add somebody costs the same at every size;
/// a removal passes once over the list.
#[derive(Clone)]
pub struct ParticipantList {
    entries: Entries,
    places: Places,
    holders: BTreeMap<RoleIndex, u32>,
    providers: u32,
}

impl Default for ParticipantList {
    fn default() -> Self {
        Self::new()
    }
}

impl ParticipantList {
    /// A list of nobody.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Entries::default(),
            places: Places::new(),
            holders: BTreeMap::new(),
            providers: 0,
        }
    }

    /// A list of these, in this order.
    ///
    /// # Errors
    /// The first participant who stands twice, or has role 0.
    pub fn of(
        participants: impl IntoIterator<Item = (ParticipantUri, RoleIndex)>,
    ) -> Result<Self, ParticipantUri> {
        let mut list = Self::new();
        for (participant, role) in participants {
            if role == RoleIndex::NONE || list.find(&participant).is_some() {
                return Err(participant);
            }
            list.push(&participant, role);
        }
        Ok(list)
    }

    /// How many entries there are, the banned and the hub's among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at a place.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<Listed<'_>> {
        let uri = std::str::from_utf8(self.entries.uri(place)?).ok()?;
        Some(Listed { place, uri, role: self.entries.role(place)? })
    }

    /// The entry of a URI, of [`UserUri`], [`ProviderUri`](crate::uri::ProviderUri) or [`ParticipantUri`].
    #[must_use]
    pub fn find(&self, uri: impl AsRef<str>) -> Option<Listed<'_>> {
        self.get(self.place(uri.as_ref().as_bytes())?)
    }

    pub(super) fn place(&self, uri: &[u8]) -> Option<u32> {
        self.places.find(uri, |place| self.entries.uri(place) == Some(uri))
    }

    /// The role of a URI; [`RoleIndex::NONE`] if it is not listed.
    #[must_use]
    pub fn role(&self, uri: impl AsRef<str>) -> RoleIndex {
        self.place(uri.as_ref().as_bytes()).map_or(RoleIndex::NONE, |place| self.role_at(place))
    }

    /// The role at a place; [`RoleIndex::NONE`] if there is none.
    pub(super) fn role_at(&self, place: u32) -> RoleIndex {
        self.entries.role(place).unwrap_or(RoleIndex::NONE)
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        (0..).map_while(|place| self.get(place))
    }

    /// How many entries have a role.
    #[must_use]
    pub fn holders(&self, role: RoleIndex) -> u32 {
        self.holders.get(&role).copied().unwrap_or(0)
    }

    /// How many entries are of providers: 0, or 1 for the hub.
    #[must_use]
    pub const fn providers(&self) -> u32 {
        self.providers
    }

    /// The roles that are held, each with the number of its holders.
    pub fn held(&self) -> impl Iterator<Item = (RoleIndex, u32)> {
        self.holders.iter().map(|(&role, &count)| (role, count))
    }

    /// Gives the entry at a place another role.
    pub(super) fn set_role(&mut self, place: u32, role: RoleIndex) {
        if let Some(old) = self.entries.set_role(place, role) {
            self.release(old);
            *self.holders.entry(role).or_default() += 1;
        }
    }

    /// Puts somebody who is not listed at the end.
    pub(crate) fn push(&mut self, participant: &ParticipantUri, role: RoleIndex) {
        let place = self.entries.push(participant.as_bytes(), role);
        let Self { entries, places, .. } = self;
        places.insert(participant.as_bytes(), place, |place| entries.uri(place));
        *self.holders.entry(role).or_default() += 1;
        self.providers += u32::from(matches!(participant, ParticipantUri::Provider(_)));
    }

    /// Takes the entries at some places out, given in ascending order.
    pub(super) fn remove(&mut self, removed: &[u32]) {
        for role in removed.iter().filter_map(|&place| self.entries.role(place)).collect::<Vec<_>>()
        {
            self.release(role);
        }
        let Self { entries, places, .. } = self;
        places.remove(removed, |place| entries.uri(place));
        entries.remove(removed);
    }

    /// The octets of the list with a change in it.
    pub(super) fn octets_after(&self, change: &Change) -> Vec<u8> {
        let mut entries = self.entries.clone();
        for (&place, &role) in &change.roles {
            entries.set_role(place, role);
        }
        entries.remove(&change.removed.iter().copied().collect::<Vec<_>>());
        for (participant, role) in &change.added {
            entries.push(participant.as_bytes(), *role);
        }
        let mut octets = Vec::new();
        codec::write_bytes(&mut octets, entries.octets());
        octets
    }

    fn release(&mut self, role: RoleIndex) {
        if let Some(count) = self.holders.get_mut(&role) {
            *count -= 1;
            if *count == 0 {
                self.holders.remove(&role);
            }
        }
    }
}

impl PartialEq for ParticipantList {
    fn eq(&self, other: &Self) -> bool {
        self.entries.octets() == other.entries.octets()
    }
}

impl Eq for ParticipantList {}

impl std::fmt::Debug for ParticipantList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|listed| (listed.uri, listed.role.0))).finish()
    }
}

impl Wire for ParticipantList {
    const NAME: &'static str = "ParticipantListData";

    /// Reads a list in which nobody stands twice (P-283) and nobody has role 0.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut inside = reader.inside("participants")?;
        let base = inside.offset();
        let octets = inside.rest().to_vec();
        // An entry takes at least a length, the shortest provider URI and a role.
        let mut starts = Vec::with_capacity(octets.len() / 32);
        let mut holders: BTreeMap<RoleIndex, u32> = BTreeMap::new();
        let mut providers = 0;
        while !inside.is_empty() {
            let start = inside.clone();
            starts.push(number(inside.offset() - base));
            let uri = inside.bytes("user")?;
            providers += u32::from(
                ParticipantUri::check(uri).map_err(|fault| start.error("user", fault.into()))?,
            );
            let at = inside.clone();
            match RoleIndex::read(&mut inside)? {
                RoleIndex::NONE => return Err(at.error("role_index", Fault::Code(0))),
                role => *holders.entry(role).or_default() += 1,
            }
        }
        let entries = Entries::read(octets, starts);
        let mut places = Places::with_capacity(entries.len());
        for place in 0..number(entries.len()) {
            let Some(uri) = entries.uri(place) else { continue };
            if !places.insert(uri, place, |place| entries.uri(place)) {
                return Err(reader.error("user", Fault::Duplicate));
            }
        }
        Ok(Self { entries, places, holders, providers })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_bytes(out, self.entries.octets());
    }
}
