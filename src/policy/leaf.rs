//! What the leaves of a room may say, where its operational policy sets it. Hub and clients ask
//! the same.
//!
//! A leaf that comes fits the rules of the epoch that it comes into. While it waits, something else may lapse: so it
//! fits those of the room as it is, and as it will be. Rules that come fit all leaves that stay, and all that
//! wait: nobody is left behind by them (E-087).

use std::borrow::Cow;

use super::{
    Denied, Reason, View,
    components::{ExtendedCapabilities, MediaTypeList, OperationalParameters},
};
use crate::{
    codec::{Reader, Wire, decode_exact},
    delivery::Leaf,
    room::{ComponentId, RoomState},
};

/// What every client does, and no leaf lists: extension types, proposal types (RFC 9420, section 7.2), wire formats
/// and content types.
const EXTENSIONS: std::ops::RangeInclusive<u16> = 1..=5;
const PROPOSALS: std::ops::RangeInclusive<u16> = 1..=7;
const WIRE_FORMATS: std::ops::RangeInclusive<u16> = 1..=5;
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 1..=3;

/// What a proposal does to the leaves, or to their rules.
#[derive(Clone, Debug)]
pub(crate) enum Arrival<'a> {
    /// A leaf comes with its KeyPackage.
    Added(Cow<'a, Leaf>),
    /// A leaf takes the place of another one.
    Renewed(Cow<'a, Leaf>),
    /// The operational policy becomes this one, or goes.
    Policy(Option<&'a [u8]>),
    /// Neither.
    Nothing,
}

/// May these proposals, one bundle, wait beside those that do? `members` are the leaves that are there.
pub(crate) fn proposals<'a>(
    view: View<'_>,
    waiting: impl Iterator<Item = Arrival<'a>>,
    bundle: &[Arrival<'_>],
    members: impl Iterator<Item = Leaf>,
) -> Result<(), Denied> {
    for rules in [Rules::of(view.committed), Rules::of(view.effective)].into_iter().flatten() {
        rules.all(bundle)?;
    }
    let Some((index, rules)) = coming(bundle) else { return Ok(()) };
    let here = |denied: Denied| Denied { index: Some(index), ..denied };
    rules.all(bundle)?;
    for arrival in waiting {
        rules.arrival(&arrival).map_err(here)?;
    }
    for leaf in members {
        rules.stands(&leaf).map_err(here)?;
    }
    Ok(())
}

/// May a commit with these proposals be? `path` is the leaf of its update path, `staying` the leaves that are there
/// and that it neither removes nor replaces. What an external commit leaves waiting is in the effective room.
pub(crate) fn commit(
    view: View<'_>,
    joins: bool,
    proposals: &[Arrival<'_>],
    path: Option<&Leaf>,
    staying: impl Iterator<Item = Leaf>,
) -> Result<(), Denied> {
    let coming = coming(proposals);
    let now = if coming.is_none() { Rules::of(view.committed) } else { None };
    let waiting = if joins { Rules::of(view.effective) } else { None };
    for rules in coming.iter().map(|(_, rules)| rules).chain(&now).chain(&waiting) {
        rules.all(proposals)?;
        path.map_or(Ok(()), |leaf| rules.stands(leaf))?;
    }
    let Some((index, rules)) = coming else { return Ok(()) };
    for leaf in staying {
        rules.stands(&leaf).map_err(|denied| Denied { index: Some(index), ..denied })?;
    }
    Ok(())
}

/// May these leaves stand in a room?
pub(crate) fn stand(
    room: &RoomState,
    mut leaves: impl Iterator<Item = Leaf>,
) -> Result<(), Denied> {
    let Some(rules) = Rules::of(room) else { return Ok(()) };
    leaves.try_for_each(|leaf| rules.stands(&leaf))
}

/// The operational policy that a bundle or commit brings, and its place there.
fn coming(bundle: &[Arrival<'_>]) -> Option<(usize, Rules)> {
    let of = |octets: Option<&[u8]>| octets.and_then(|it| OperationalParameters::decode(it).ok());
    let mut found = bundle.iter().enumerate().filter_map(|(index, arrival)| match arrival {
        Arrival::Policy(octets) => Some((index, Rules(of(*octets).unwrap_or_default()))),
        Arrival::Added(_) | Arrival::Renewed(_) | Arrival::Nothing => None,
    });
    found.next_back()
}

#[derive(Clone, Debug)]
struct Rules(OperationalParameters);

impl Rules {
    fn of(room: &RoomState) -> Option<Self> {
        room.policy::<OperationalParameters>().map(Self)
    }

    fn all(&self, arrivals: &[Arrival<'_>]) -> Result<(), Denied> {
        for (index, arrival) in arrivals.iter().enumerate() {
            self.arrival(arrival).map_err(|denied| Denied { index: Some(index), ..denied })?;
        }
        Ok(())
    }

    fn arrival(&self, arrival: &Arrival<'_>) -> Result<(), Denied> {
        match arrival {
            Arrival::Added(leaf) => self.lives(leaf).and_then(|()| self.stands(leaf)),
            Arrival::Renewed(leaf) => self.stands(leaf),
            Arrival::Policy(_) | Arrival::Nothing => Ok(()),
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

    ///
    fn stands(&self, leaf: &Leaf) -> Result<(), Denied> {
        let said = said(leaf);
        if !has(&said, &self.0.mandatory_capabilities) {
            return Err(Denied::new("R-160", Reason::Lacks));
        }
        if !self.0.forbidden_capabilities.is_disjoint(&said) || self.receives_forbidden(&said) {
            return Err(Denied::new("R-162", Reason::Forbidden));
        }
        Ok(())
    }

    /// A forbidden media type stands for all its kinds.
    fn receives_forbidden(&self, said: &ExtendedCapabilities) -> bool {
        let forbidden = &self.0.forbidden_capabilities.media_types;
        forbidden.iter().any(|it| said.media_types.iter().any(|listed| it.matches(listed)))
    }
}

/// Whether a leaf that says this has all that is listed. A media type without parameters receives all its kinds.
fn has(said: &ExtendedCapabilities, listed: &ExtendedCapabilities) -> bool {
    let within = |listed: &[u16], said: &[u16]| listed.iter().all(|it| said.contains(it));
    let or_known = |listed: &[u16], said: &[u16], known: std::ops::RangeInclusive<u16>| {
        listed.iter().all(|it| known.contains(it) || said.contains(it))
    };
    within(&listed.versions, &said.versions)
        && within(&listed.cipher_suites, &said.cipher_suites)
        && or_known(&listed.extensions, &said.extensions, EXTENSIONS)
        && or_known(&listed.proposals, &said.proposals, PROPOSALS)
        && within(&listed.credentials, &said.credentials)
        && or_known(&listed.wire_formats.concat(), &said.wire_formats.concat(), WIRE_FORMATS)
        && within(&listed.component_ids, &said.component_ids)
        && within(&listed.safe_aad_types, &said.safe_aad_types)
        && listed
            .media_types
            .iter()
            .all(|wanted| said.media_types.iter().any(|it| it.matches(wanted)))
        && listed.content_types.iter().all(|it| CONTENT_TYPES.contains(it))
}

/// What a leaf lists, and the extensions and the credential that it uses. Of content types leaves say nothing, and of
/// wire formats only those that have others than MLS itself: no leaf here.
fn said(leaf: &Leaf) -> ExtendedCapabilities {
    let listed = &leaf.capabilities;
    let component = |id: ComponentId| leaf.components.get(&id.0).map(Vec::as_slice);
    let ids = |id: ComponentId| -> Vec<u16> {
        let read = |reader: &mut Reader<'_>| reader.codes("component_ids");
        component(id).and_then(|list| decode_exact(list, read).ok()).unwrap_or_default()
    };
    let used = |listed: &[u16], used: &[u16]| [listed, used].concat();
    ExtendedCapabilities {
        versions: listed.versions.clone(),
        cipher_suites: listed.ciphersuites.clone(),
        extensions: used(&listed.extensions, &leaf.extensions),
        proposals: listed.proposals.clone(),
        credentials: used(&listed.credentials, &[leaf.credential.kind]),
        wire_formats: Vec::new(),
        component_ids: ids(ComponentId::APP_COMPONENTS),
        safe_aad_types: ids(ComponentId::SAFE_AAD),
        media_types: component(ComponentId::CONTENT_MEDIA_TYPES)
            .and_then(|list| MediaTypeList::decode(list).ok())
            .map_or_else(Vec::new, |list| list.0),
        content_types: Vec::new(),
    }
}
