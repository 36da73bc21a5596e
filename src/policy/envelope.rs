//! The policy envelope: what a hub's operator lets its rooms choose.
//!
//! A room is judged by it when it is created and whenever a proposal or a commit changes one of its policy components.
//! Clients know nothing of it: their hub is stricter than they are, which it may be.

use std::collections::BTreeSet;

use super::{
    Capability, RoleIndex, Roles,
    components::{
        AssetPolicy, BotPolicy, DownloadType, HistoryPolicy, JoinLinkPolicy, JoinLinks,
        LoggingPolicy, MessageExpiration, Optionality, UploadLocation,
    },
};
use crate::room::{ComponentId, RoomState};

/// Which of three a room may choose where something is optional, required or forbidden. A component that a room does
/// not have counts as optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As each client likes.
    pub optional: bool,
    /// It has to be.
    pub required: bool,
    /// It must not be.
    pub forbidden: bool,
}

impl Choice {
    /// Whatever the room likes.
    pub const ANY: Self = Self { optional: true, required: true, forbidden: true };
    /// It has to be, in every room.
    pub const REQUIRED: Self = Self { optional: false, required: true, forbidden: false };
    /// It must not be, in any room.
    pub const FORBIDDEN: Self = Self { optional: false, required: false, forbidden: true };

    /// Whether a room may choose this.
    #[must_use]
    pub const fn allows(self, chosen: Optionality) -> bool {
        match chosen {
            Optionality::Optional => self.optional,
            Optionality::Required => self.required,
            Optionality::Forbidden => self.forbidden,
        }
    }
}

/// What a hub's operator lets its rooms choose.
///
/// [`Default`] leaves them every choice but two: nobody preauthorises everybody, and whether the participants are
/// fixed is settled with the creation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The tables of roles that a room may have, those of [presets](super::presets::Preset::roles) for example. None
    /// is any sound table.
    pub roles: Option<Vec<Roles>>,
    /// Capabilities that no role may have.
    pub forbidden_capabilities: BTreeSet<Capability>,
    /// The hub is on the list of every room, in a role that may remove and ban.
    pub hub_enforces: bool,
    /// Every room has to set `max_users`, to so many at most.
    pub max_users: Option<u32>,
    /// Every room has to set `max_clients`, to so many at most.
    pub max_clients: Option<u32>,
    /// Rooms may outlive their group.
    pub persistent: bool,
    /// Rooms may be searched for.
    pub discoverable: bool,
    /// Rooms may allow pseudonyms.
    pub pseudonyms: bool,
    /// Rooms may depend on another.
    pub dependent: bool,
    /// Whether its participants are fixed may change in a room.
    pub fixed_membership_changes: bool,
    /// A `preauth_list` may have an empty claim set, which matches everybody.
    pub preauthorise_everybody: bool,
    /// Join links that a room may have at once.
    pub join_links: usize,
    /// Join links have to expire, after so many seconds at most.
    pub link_expiration: Option<u32>,
    /// Logging.
    pub logging: Choice,
    /// Sharing of history.
    pub history: Choice,
    /// Expiring messages.
    pub expiring_messages: Choice,
    /// Rooms may have bots.
    pub bots: bool,
    /// Where assets may be uploaded; none is anywhere.
    pub asset_locations: Option<Vec<UploadLocation>>,
    /// Assets may be downloaded from where they lie, which shows the addresses of whoever does.
    pub direct_downloads: bool,
    /// Octets of the largest asset of any type.
    pub asset_octets: u64,
    /// Rooms may have components that this crate knows nothing of.
    pub unknown_components: bool,
}

impl Default for Envelope {
    fn default() -> Self {
        Self {
            roles: None,
            forbidden_capabilities: BTreeSet::new(),
            hub_enforces: false,
            max_users: None,
            max_clients: None,
            persistent: true,
            discoverable: true,
            pseudonyms: true,
            dependent: true,
            fixed_membership_changes: false,
            preauthorise_everybody: false,
            join_links: usize::MAX,
            link_expiration: None,
            logging: Choice::ANY,
            history: Choice::ANY,
            expiring_messages: Choice::ANY,
            bots: true,
            asset_locations: None,
            direct_downloads: true,
            asset_octets: u64::MAX,
            unknown_components: true,
        }
    }
}

/// A choice that the hub's operator does not leave to a room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{component}: {rule} (A-006)")]
pub struct Outside {
    /// The component that makes it.
    pub component: ComponentId,
    /// What the operator wants.
    pub rule: EnvelopeRule,
}

/// What an operator wants of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeRule {
    /// [`Envelope::roles`].
    #[error("the table of roles is not one of this hub's")]
    Roles,
    /// [`Envelope::forbidden_capabilities`].
    #[error("role {0} may not have {1} at this hub")]
    Capability(RoleIndex, Capability),
    /// [`Envelope::hub_enforces`].
    #[error("the hub has to be listed in a role that may remove and ban")]
    Hub,
    /// [`Envelope::max_users`].
    #[error("max_users has to be set, to {0} at most")]
    MaxUsers(u32),
    /// [`Envelope::max_clients`].
    #[error("max_clients has to be set, to {0} at most")]
    MaxClients(u32),
    /// [`Envelope::persistent`].
    #[error("rooms of this hub do not outlive their group")]
    Persistent,
    /// [`Envelope::discoverable`].
    #[error("rooms of this hub are not searched for")]
    Discoverable,
    /// [`Envelope::pseudonyms`].
    #[error("rooms of this hub have no pseudonyms")]
    Pseudonyms,
    /// [`Envelope::dependent`].
    #[error("rooms of this hub depend on no other")]
    Dependent,
    /// [`Envelope::fixed_membership_changes`].
    #[error("whether membership is fixed is settled with the creation")]
    FixedMembership,
    /// [`Envelope::preauthorise_everybody`].
    #[error("an empty claim set preauthorises everybody")]
    EmptyClaims,
    /// [`Envelope::join_links`].
    #[error("a room has {0} join links at most")]
    JoinLinks(usize),
    /// [`Envelope::link_expiration`].
    #[error("join links have to expire within {0} seconds")]
    LinkExpiration(u32),
    /// [`Envelope::logging`], [`Envelope::history`] or [`Envelope::expiring_messages`].
    #[error("it may not be {word}", word = word(*.0))]
    Choice(Optionality),
    /// [`Envelope::bots`].
    #[error("rooms of this hub have no bots")]
    Bots,
    /// [`Envelope::asset_locations`].
    #[error("assets are not uploaded there")]
    AssetLocation,
    /// [`Envelope::direct_downloads`].
    #[error("direct downloads have to be forbidden")]
    DirectDownloads,
    /// [`Envelope::asset_octets`].
    #[error("an asset has {0} octets at most")]
    AssetOctets(u64),
    /// [`Envelope::unknown_components`].
    #[error("nothing is known of this component")]
    Unknown,
}

const fn word(choice: Optionality) -> &'static str {
    match choice {
        Optionality::Optional => "optional",
        Optionality::Required => "required",
        Optionality::Forbidden => "forbidden",
    }
}

impl Envelope {
    /// Everything about a room that the operator does not leave to it, in the order of the fields; nothing if it may be
    /// created like this.
    #[must_use]
    pub fn faults(&self, room: &RoomState) -> Vec<Outside> {
        let mut faults = Faults(Vec::new());
        self.roles_of(room, &mut faults);
        self.base_of(room, &mut faults);
        self.joining_of(room, &mut faults);
        self.others_of(room, &mut faults);
        faults.0
    }

    /// The same about a change: only what concerns the components that change, and the hub's own role if that does. A room
    /// that was created before the operator changed its mind is not stuck.
    #[must_use]
    pub fn faults_of_change(
        &self,
        before: &RoomState,
        after: &RoomState,
        changed: &BTreeSet<ComponentId>,
    ) -> Vec<Outside> {
        let mut faults = self.faults(after);
        let (old, new) = (before.base_policy(), after.base_policy());
        if !self.fixed_membership_changes && old.fixed_membership != new.fixed_membership {
            let component = ComponentId::BASE_ROOM_POLICY;
            faults.push(Outside { component, rule: EnvelopeRule::FixedMembership });
        }
        let hub = |room: &RoomState| room.role(format!("mimi://{}", room.hub()));
        let moved = hub(before) != hub(after);
        faults.retain(|fault| {
            changed.contains(&fault.component) || (moved && fault.rule == EnvelopeRule::Hub)
        });
        faults
    }

    fn roles_of(&self, room: &RoomState, faults: &mut Faults) {
        let component = ComponentId::ROLES_LIST;
        if self.roles.as_ref().is_some_and(|tables| !tables.contains(room.roles())) {
            faults.add(component, EnvelopeRule::Roles);
        }
        for role in room.roles() {
            let forbidden =
                role.capabilities.iter().find(|it| self.forbidden_capabilities.contains(it));
            if let Some(&capability) = forbidden {
                faults.add(component, EnvelopeRule::Capability(role.index, capability));
            }
        }
        let hub = room.role(format!("mimi://{}", room.hub()));
        let enforces = [Capability::REMOVE_PARTICIPANT, Capability::BAN]
            .iter()
            .all(|capability| room.roles().can(hub, *capability));
        if self.hub_enforces && !(hub != RoleIndex::NONE && enforces) {
            faults.add(component, EnvelopeRule::Hub);
        }
    }

    fn base_of(&self, room: &RoomState, faults: &mut Faults) {
        let base = room.base_policy();
        let within = |set: Option<u32>, most: u32| set.is_some_and(|set| set <= most);
        let component = ComponentId::BASE_ROOM_POLICY;
        let max_users = self.max_users.filter(|most| !within(base.max_users, *most));
        let max_clients = self.max_clients.filter(|most| !within(base.max_clients, *most));
        let wrong = [
            max_users.map(EnvelopeRule::MaxUsers),
            max_clients.map(EnvelopeRule::MaxClients),
            (base.persistent_room && !self.persistent).then_some(EnvelopeRule::Persistent),
            (base.discoverable && !self.discoverable).then_some(EnvelopeRule::Discoverable),
            (base.pseudonyms_allowed && !self.pseudonyms).then_some(EnvelopeRule::Pseudonyms),
            (base.parent.is_some() && !self.dependent).then_some(EnvelopeRule::Dependent),
        ];
        wrong.into_iter().flatten().for_each(|rule| faults.add(component, rule));
    }

    fn joining_of(&self, room: &RoomState, faults: &mut Faults) {
        let open = room.preauth().entries.iter().any(|entry| entry.claims.is_empty());
        if open && !self.preauthorise_everybody {
            faults.add(ComponentId::PREAUTH_LIST, EnvelopeRule::EmptyClaims);
        }
        let links = room.policy::<JoinLinks>().unwrap_or_default().0.len();
        if links > self.join_links {
            faults.add(ComponentId::JOIN_LINKS, EnvelopeRule::JoinLinks(self.join_links));
        }
        let policy: Option<JoinLinkPolicy> = room.policy();
        let Some(longest) = self.link_expiration else { return };
        match policy {
            Some(policy) if (1..=longest).contains(&policy.expiration) => {}
            Some(_) => {
                let rule = EnvelopeRule::LinkExpiration(longest);
                faults.add(ComponentId::JOIN_LINK_POLICY, rule);
            }
            None if links > 0 => {
                faults.add(ComponentId::JOIN_LINKS, EnvelopeRule::LinkExpiration(longest));
            }
            None => {}
        }
    }

    fn others_of(&self, room: &RoomState, faults: &mut Faults) {
        let logging = room.policy::<LoggingPolicy>().unwrap_or_default().logging;
        let history = room.policy::<HistoryPolicy>().unwrap_or_default().history_sharing;
        let expiring = room.policy::<MessageExpiration>().unwrap_or_default().expiring_messages;
        for (component, choice, chosen) in [
            (ComponentId::LOGGING_POLICY, self.logging, logging),
            (ComponentId::CHAT_HISTORY_POLICY, self.history, history),
            (ComponentId::MESSAGE_EXPIRATION_POLICY, self.expiring_messages, expiring),
        ] {
            if !choice.allows(chosen) {
                faults.add(component, EnvelopeRule::Choice(chosen));
            }
        }
        let bots = room.policy::<BotPolicy>().unwrap_or_default().allowed_bots;
        if !(self.bots || bots.is_empty()) {
            faults.add(ComponentId::BOT_POLICY, EnvelopeRule::Bots);
        }
        if let Some(assets) = room.policy::<AssetPolicy>() {
            self.assets_of(&assets, faults);
        }
        for component in room.component_ids().filter(|_| !self.unknown_components) {
            if component.name().is_none() {
                faults.add(component, EnvelopeRule::Unknown);
            }
        }
    }

    fn assets_of(&self, policy: &AssetPolicy, faults: &mut Faults) {
        let component = ComponentId::ASSET_POLICY;
        let location = &policy.upload_location;
        if self.asset_locations.as_ref().is_some_and(|places| !places.contains(location)) {
            faults.add(component, EnvelopeRule::AssetLocation);
        }
        if !self.direct_downloads && policy.download.allows(DownloadType::Direct) {
            faults.add(component, EnvelopeRule::DirectDownloads);
        }
        let largest = [policy.max_image, policy.max_audio, policy.max_video, policy.max_attachment];
        if largest.iter().any(|octets| *octets > self.asset_octets) {
            faults.add(component, EnvelopeRule::AssetOctets(self.asset_octets));
        }
    }
}

/// What was found so far.
struct Faults(Vec<Outside>);

impl Faults {
    fn add(&mut self, component: ComponentId, rule: EnvelopeRule) {
        self.0.push(Outside { component, rule });
    }
}
