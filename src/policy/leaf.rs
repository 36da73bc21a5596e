//! What the room's operational policy wants of leaves, of handshakes, and of the group itself.
//! Hub and clients ask the same.
//!
//! What is **mandatory**, every leaf *supports*: it lists it, or MLS has it of every client. What is **forbidden**,
//! nobody *uses*: no leaf or KeyPackage holds such an extension, component or credential, no handshake such a proposal,
//! no message is of such a media type or has such a part, and the group itself is not of it. Support is no use: who
//! lists what is forbidden may come in all the same, or a room that forbids one thing would keep out everybody who can
//! do it.
//!
//! A leaf that comes fits the rules of the epoch that it comes into. While it waits, something else may lapse: so it
//! fits those of the room as it is, and as it will be. Rules that come fit the group and all leaves that are
//! there, and so do media types that the room has not required so far: nobody is left behind by them (E-087). Adds and
//! Updates that wait and no longer fit lapse, for they could not stand in one commit with them.

use std::{borrow::Cow, collections::BTreeSet, ops::RangeInclusive};

use super::{
    Denied, Reason, View,
    components::{ExtendedCapabilities, MediaType, MediaTypeList, OperationalParameters},
};
use crate::{
    codec::{Reader, Wire, decode_exact},
    delivery::{Credential, Leaf},
    room::{ComponentId, RoomState},
    wire::SafeAad,
};

/// What every client does, and no leaf lists (RFC 9420, section 7.2).
const EXTENSIONS: RangeInclusive<u16> = 1..=5;
const PROPOSALS: RangeInclusive<u16> = 1..=7;
/// What every room of MIMI speaks: `mls10`, the five wire formats and the three content types of MLS itself.
const VERSION: u16 = 1;
const WIRE_FORMATS: RangeInclusive<u16> = 1..=5;
const CONTENT_TYPES: RangeInclusive<u8> = 1..=3;

/// What a group is, apart from its components.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) ciphersuite: u16,
    /// The types of the extensions in its GroupContext.
    pub(crate) extensions: Vec<u16>,
}

/// What a proposal brings.
#[derive(Clone, Debug)]
pub(crate) enum Arrival<'a> {
    /// A leaf comes with its KeyPackage, which holds extensions of these types.
    Added(Cow<'a, Leaf>, Cow<'a, [u16]>),
    /// A leaf takes the place of another one.
    Renewed(Cow<'a, Leaf>),
    /// A component is updated, or goes.
    Component(ComponentId, Option<&'a [u8]>),
    /// None of these.
    Nothing,
}

/// May these proposals, one bundle, wait beside those that do? `members` are the leaves that are there.
///
/// Gives the places of those among the waiting that lapse.
pub(crate) fn proposals<'a>(
    view: View<'_>,
    ground: &Ground,
    waiting: impl Iterator<Item = Arrival<'a>>,
    bundle: &[Arrival<'_>],
    mut members: impl Iterator<Item = Leaf>,
) -> Result<BTreeSet<usize>, Denied> {
    let after = After { room: view.effective, ground, bundle };
    for rules in [Rules::of(view.committed), Rules::of(view.effective)].into_iter().flatten() {
        rules.take(&after)?;
    }
    // Whoever comes while such types wait stands in one commit with them.
    let waits = MediaTypes::beyond(view.committed, view.effective.policy());
    for (index, arrival) in bundle.iter().enumerate() {
        waits.arrival(arrival).map_err(|denied| at(denied, index))?;
    }
    let coming = Coming::all(view.effective, bundle);
    if coming.is_empty() {
        return Ok(BTreeSet::new());
    }
    coming.iter().try_for_each(|it| it.take(&after))?;
    members.try_for_each(|leaf| coming.iter().try_for_each(|it| it.stands(&leaf)))?;
    let fits = |arrival: &Arrival<'_>| coming.iter().all(|it| it.arrival(arrival).is_ok());
    Ok(waiting.enumerate().filter(|(_, it)| !fits(it)).map(|(place, _)| place).collect())
}

/// May a commit with these proposals be? `path` is the leaf of its update path, `staying` the leaves that are there
/// and that it neither removes nor replaces. What an external commit leaves waiting is in the effective room.
pub(crate) fn commit(
    view: View<'_>,
    ground: &Ground,
    joins: bool,
    proposals: &[Arrival<'_>],
    path: Option<&Leaf>,
    mut staying: impl Iterator<Item = Leaf>,
) -> Result<(), Denied> {
    let after = After { room: view.effective, ground, bundle: proposals };
    let coming = Coming::all(view.committed, proposals);
    let replaced = coming.iter().any(|it| matches!(it.what, What::Rules(_)));
    let now = if replaced { None } else { Rules::of(view.committed) };
    let waiting = if joins { Rules::of(view.effective) } else { None };
    for rules in now.iter().chain(&waiting) {
        rules.take(&after)?;
        path.map_or(Ok(()), |leaf| rules.stands(leaf))?;
    }
    if coming.is_empty() {
        return Ok(());
    }
    for it in &coming {
        it.take(&after)?;
        path.map_or(Ok(()), |leaf| it.stands(leaf))?;
    }
    staying.try_for_each(|leaf| coming.iter().try_for_each(|it| it.stands(&leaf)))
}

/// May a group with these leaves have such a room?
pub(crate) fn stand(
    room: &RoomState,
    ground: &Ground,
    mut leaves: impl Iterator<Item = Leaf>,
) -> Result<(), Denied> {
    let Some(rules) = Rules::of(room) else { return Ok(()) };
    rules.group(&After { room, ground, bundle: &[] })?;
    leaves.try_for_each(|leaf| rules.stands(&leaf))
}

/// Whether the room lets messages have what stands beside this one.
pub(crate) fn may_stand_beside(room: &RoomState, authenticated_data: &[u8]) -> bool {
    let Some(rules) = Rules::of(room) else { return true };
    let forbidden = &rules.0.forbidden_capabilities.safe_aad_types;
    forbidden.is_empty()
        || SafeAad::decode(authenticated_data)
            .is_ok_and(|aad| forbidden.iter().all(|item| aad.get(*item).is_none()))
}

/// Whether the room forbids the media type of a message, or of something in one. Without parameters, all kinds of the
/// type are meant.
pub(crate) fn forbids_media_type(room: &RoomState, media_type: &MediaType) -> bool {
    Rules::of(room).is_some_and(|it| it.forbids_media_type(media_type))
}

/// Whether the room forbids proposals of a type (RFC 9420, section 17.4).
pub(super) fn forbids_proposals(room: &RoomState, kind: u16) -> bool {
    Rules::of(room).is_some_and(|it| it.0.forbidden_capabilities.proposals.contains(&kind))
}

fn at(denied: Denied, index: usize) -> Denied {
    Denied { index: denied.index.or(Some(index)), ..denied }
}

/// What a bundle or commit brings that every leaf has to fit, and its place there.
struct Coming {
    place: usize,
    what: What,
}

enum What {
    /// Another operational policy. Without one, nothing is set.
    Rules(Box<Rules>),
    MediaTypes(MediaTypes),
}

/// Media types that a room has not required so far (E-087). What it requires already is the business of whoever adds
/// somebody (E-083): a member that does not receive it is there with good reason.
struct MediaTypes(Vec<MediaType>);

impl MediaTypes {
    fn beyond(room: &RoomState, list: Option<MediaTypeList>) -> Self {
        let mut types = list.map_or_else(Vec::new, |list| list.0);
        let old = room.policy::<MediaTypeList>().map_or_else(Vec::new, |list| list.0);
        types.retain(|it| !old.contains(it));
        Self(types)
    }

    fn arrival(&self, arrival: &Arrival<'_>) -> Result<(), Denied> {
        match arrival {
            Arrival::Added(leaf, _) | Arrival::Renewed(leaf) => self.stands(leaf),
            Arrival::Component(..) | Arrival::Nothing => Ok(()),
        }
    }

    fn stands(&self, leaf: &Leaf) -> Result<(), Denied> {
        if receives(leaf, &self.0) { Ok(()) } else { Err(Denied::new("E-087", Reason::Lacks)) }
    }
}

impl Coming {
    fn all(room: &RoomState, bundle: &[Arrival<'_>]) -> Vec<Self> {
        let last = |id: ComponentId| {
            let mut found =
                bundle.iter().enumerate().filter_map(|(place, arrival)| match arrival {
                    Arrival::Component(found, octets) if *found == id => Some((place, *octets)),
                    Arrival::Component(..)
                    | Arrival::Added(..)
                    | Arrival::Renewed(_)
                    | Arrival::Nothing => None,
                });
            found.next_back()
        };
        let rules = last(ComponentId::MLS_OPERATIONAL_POLICY).map(|(place, octets)| {
            let rules = octets.and_then(|it| OperationalParameters::decode(it).ok());
            Self { place, what: What::Rules(Box::new(Rules(rules.unwrap_or_default()))) }
        });
        let types = last(ComponentId::CONTENT_MEDIA_TYPES).map(|(place, octets)| {
            let list = octets.and_then(|it| MediaTypeList::decode(it).ok());
            Self { place, what: What::MediaTypes(MediaTypes::beyond(room, list)) }
        });
        rules.into_iter().chain(types).collect()
    }

    fn take(&self, after: &After<'_>) -> Result<(), Denied> {
        match &self.what {
            What::Rules(rules) => rules.take(after).map_err(|denied| at(denied, self.place)),
            What::MediaTypes(_) => after.bundle.iter().try_for_each(|it| self.arrival(it)),
        }
    }

    fn arrival(&self, arrival: &Arrival<'_>) -> Result<(), Denied> {
        let fits = match &self.what {
            What::Rules(rules) => rules.arrival(arrival),
            What::MediaTypes(types) => types.arrival(arrival),
        };
        fits.map_err(|denied| at(denied, self.place))
    }

    fn stands(&self, leaf: &Leaf) -> Result<(), Denied> {
        let stands = match &self.what {
            What::Rules(rules) => rules.stands(leaf),
            What::MediaTypes(types) => types.stands(leaf),
        };
        stands.map_err(|denied| at(denied, self.place))
    }
}

/// The group once what comes is committed.
struct After<'a> {
    room: &'a RoomState,
    ground: &'a Ground,
    bundle: &'a [Arrival<'a>],
}

impl After<'_> {
    fn has(&self, id: ComponentId) -> bool {
        self.brought(id).unwrap_or_else(|| self.room.component(id)).is_some()
    }

    /// The codes in a component that lists components.
    fn list(&self, id: ComponentId) -> Vec<u16> {
        let octets = self.brought(id).unwrap_or_else(|| self.room.component(id));
        octets.map(|it| codes(&it)).unwrap_or_default()
    }

    fn media_types(&self) -> MediaTypeList {
        let id = ComponentId::CONTENT_MEDIA_TYPES;
        let octets = self.brought(id).unwrap_or_else(|| self.room.component(id));
        let list = octets.and_then(|it| MediaTypeList::decode(&it).ok());
        list.unwrap_or(MediaTypeList(Vec::new()))
    }

    /// What comes of a component: none if nothing does.
    fn brought(&self, id: ComponentId) -> Option<Option<Cow<'_, [u8]>>> {
        self.bundle.iter().rev().find_map(|arrival| match arrival {
            Arrival::Component(found, octets) if *found == id => Some(octets.map(Cow::Borrowed)),
            Arrival::Component(..)
            | Arrival::Added(..)
            | Arrival::Renewed(_)
            | Arrival::Nothing => None,
        })
    }
}

#[derive(Clone, Debug)]
struct Rules(OperationalParameters);

impl Rules {
    fn of(room: &RoomState) -> Option<Self> {
        room.policy::<OperationalParameters>().map(Self)
    }

    fn take(&self, after: &After<'_>) -> Result<(), Denied> {
        for (index, arrival) in after.bundle.iter().enumerate() {
            self.arrival(arrival).map_err(|denied| at(denied, index))?;
        }
        if after.bundle.iter().any(|it| matches!(it, Arrival::Component(..))) {
            self.group(after)?;
        }
        Ok(())
    }

    fn arrival(&self, arrival: &Arrival<'_>) -> Result<(), Denied> {
        match arrival {
            Arrival::Added(leaf, key_package) => {
                self.lives(leaf)?;
                unless(used(&self.forbidden().extensions, key_package))?;
                self.stands(leaf)
            }
            Arrival::Renewed(leaf) => self.stands(leaf),
            Arrival::Component(..) | Arrival::Nothing => Ok(()),
        }
    }

    /// 0 is "not set".
    fn lives(&self, leaf: &Leaf) -> Result<(), Denied> {
        let longest = self.0.max_kp_lifetime;
        match leaf.lifetime {
            Some((first, last)) if longest != 0 && last.saturating_sub(first) > longest => {
                Err(Denied::new("R-171", Reason::Lifetime))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// of a leaf.
    fn stands(&self, leaf: &Leaf) -> Result<(), Denied> {
        if !supports(leaf, &self.0.mandatory_capabilities) {
            return Err(Denied::new("R-160", Reason::Lacks));
        }
        let forbidden = self.forbidden();
        let components = leaf.components.keys();
        unless(
            used(&forbidden.extensions, &leaf.extensions)
                || forbidden.credentials.contains(&leaf.credential.kind)
                || components.into_iter().any(|id| forbidden.component_ids.contains(id)),
        )
    }

    /// R-162, of the group itself.
    fn group(&self, after: &After<'_>) -> Result<(), Denied> {
        let forbidden = self.forbidden();
        let formats = forbidden.wire_formats.iter().flatten();
        let media_types = after.media_types();
        let has_senders = after.ground.extensions.contains(&EXTERNAL_SENDERS);
        unless(
            forbidden.versions.contains(&VERSION)
                || forbidden.cipher_suites.contains(&after.ground.ciphersuite)
                || used(&forbidden.extensions, &after.ground.extensions)
                || has_senders && forbidden.credentials.contains(&Credential::BASIC)
                || formats.into_iter().any(|it| WIRE_FORMATS.contains(it))
                || forbidden.content_types.iter().any(|it| CONTENT_TYPES.contains(it))
                || forbidden.component_ids.iter().any(|id| after.has(ComponentId(*id)))
                || used(&forbidden.safe_aad_types, &after.list(ComponentId::SAFE_AAD))
                || media_types.0.iter().any(|used| self.forbids_media_type(used)),
        )
    }

    /// Without parameters, all kinds of a type are meant.
    fn forbids_media_type(&self, media_type: &MediaType) -> bool {
        self.forbidden().media_types.iter().any(|it| it.matches(media_type))
    }

    const fn forbidden(&self) -> &ExtendedCapabilities {
        &self.0.forbidden_capabilities
    }
}

/// The extension that lists servers, whose credentials are basic.
const EXTERNAL_SENDERS: u16 = 5;

fn unless(used: bool) -> Result<(), Denied> {
    if used { Err(Denied::new("R-162", Reason::Forbidden)) } else { Ok(()) }
}

fn used(forbidden: &[u16], found: &[u16]) -> bool {
    forbidden.iter().any(|code| found.contains(code))
}

fn codes(list: &[u8]) -> Vec<u16> {
    let read = |reader: &mut Reader<'_>| reader.codes("component_ids");
    decode_exact(list, read).unwrap_or_default()
}

/// Whether a leaf supports all that is listed. Of wire formats and content types it says nothing here: those of MLS itself are every client's, and others nobody's.
fn supports(leaf: &Leaf, wanted: &ExtendedCapabilities) -> bool {
    let listed = &leaf.capabilities;
    let component = |id: ComponentId| leaf.components.get(&id.0).map(Vec::as_slice);
    let list = |id: ComponentId| component(id).map(codes).unwrap_or_default();
    let within = |wanted: &[u16], listed: &[u16]| wanted.iter().all(|it| listed.contains(it));
    let or_known = |wanted: &[u16], listed: &[u16], known: RangeInclusive<u16>| {
        wanted.iter().all(|it| known.contains(it) || listed.contains(it))
    };
    within(&wanted.versions, &listed.versions)
        && within(&wanted.cipher_suites, &listed.ciphersuites)
        && or_known(&wanted.extensions, &listed.extensions, EXTENSIONS)
        && or_known(&wanted.proposals, &listed.proposals, PROPOSALS)
        && within(&wanted.credentials, &listed.credentials)
        && wanted.wire_formats.iter().flatten().all(|it| WIRE_FORMATS.contains(it))
        && (wanted.component_ids.is_empty()
            || within(&wanted.component_ids, &list(ComponentId::APP_COMPONENTS)))
        && (wanted.safe_aad_types.is_empty()
            || within(&wanted.safe_aad_types, &list(ComponentId::SAFE_AAD)))
        && receives(leaf, &wanted.media_types)
        && wanted.content_types.iter().all(|it| CONTENT_TYPES.contains(it))
}

/// Whether a leaf says that its client receives all of these.
fn receives(leaf: &Leaf, wanted: &[MediaType]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let list = leaf.components.get(&ComponentId::CONTENT_MEDIA_TYPES.0);
    let list = list.and_then(|it| MediaTypeList::decode(it).ok());
    list.is_some_and(|list| wanted.iter().all(|wanted| list.0.iter().any(|it| it.receives(wanted))))
}
