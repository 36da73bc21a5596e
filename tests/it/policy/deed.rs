//! What people do, in words.

use super::{
    scenario::Played,
    setting::{base_field, changed_roles, claim_of, number, octets},
};
use openmimi::{
    codec::Wire,
    policy::{
        Action, Claim, Claims, PreAuth, PreAuthEntry, Proposed, Proposer, RoleIndex,
        components::JoinLinksUpdate,
    },
    room::{ComponentId, ComponentOperation, ParticipantListUpdate},
    uri::{ParticipantUri, ProviderUri, RoomUri, UserUri},
};

/// The domain of the hub; names without a domain are of it.
pub(super) const HUB: &str = "hub.example";

pub(crate) fn user(name: &str) -> UserUri {
    let (name, domain) = name.split_once('@').unwrap_or((name, HUB));
    UserUri::parse(format!("mimi://{domain}/u/{name}")).unwrap()
}

pub(super) fn participant(name: &str) -> ParticipantUri {
    match name.strip_prefix("server:") {
        Some(domain) => ProviderUri::parse(format!("mimi://{domain}")).unwrap().into(),
        None if name == "hub" => hub().into(),
        None => user(name).into(),
    }
}

pub(super) fn hub() -> ProviderUri {
    ProviderUri::parse(format!("mimi://{HUB}")).unwrap()
}

pub(super) fn index(text: &str) -> RoleIndex {
    RoleIndex(text.parse().unwrap())
}

/// What a proposal does, with its own data.
#[derive(Clone)]
pub(super) enum Deed {
    AddClient(UserUri, bool),
    RemoveClient(UserUri),
    SelfRemove,
    Update(UserUri),
    Component(ComponentId, Option<Vec<u8>>),
    Senders(Vec<ProviderUri>, Vec<ProviderUri>),
    ReInit,
    Psk,
    Extensions,
    Ephemeral(ComponentId),
}

impl Deed {
    pub(super) fn action(&self) -> Action<'_> {
        match self {
            Self::AddClient(user, pseudonym) => Action::AddClient { user, pseudonym: *pseudonym },
            Self::RemoveClient(user) => Action::RemoveClient { user },
            Self::SelfRemove => Action::SelfRemove,
            Self::Update(user) => Action::UpdateLeaf { user, pseudonym: false },
            Self::Component(id, Some(octets)) => {
                Action::Component { id: *id, operation: ComponentOperation::Update(octets) }
            }
            Self::Component(id, None) => {
                Action::Component { id: *id, operation: ComponentOperation::Remove }
            }
            Self::Senders(added, removed) => Action::ExternalSenders { added, removed },
            Self::ReInit => Action::ReInit,
            Self::Psk => Action::Unsupported,
            Self::Extensions => Action::Extensions,
            Self::Ephemeral(id) => Action::Ephemeral { id: *id },
        }
    }
}

/// Who proposes.
#[derive(Clone)]
pub(super) enum Who {
    User(UserUri),
    Server(ProviderUri),
    Joiner(UserUri),
}

impl Who {
    pub(super) fn of(name: &str) -> Self {
        if let Some(name) = name.strip_prefix("joiner:") {
            return Self::Joiner(user(name));
        }
        match participant(name) {
            ParticipantUri::User(user) => Self::User(user),
            ParticipantUri::Provider(server) => Self::Server(server),
        }
    }

    pub(super) fn proposer(&self) -> Proposer<'_> {
        match self {
            Self::User(user) => Proposer::User(user),
            Self::Server(server) => Proposer::Server(server),
            Self::Joiner(user) => Proposer::Joiner(user),
        }
    }
}

impl Played {
    pub(super) fn place(&self, name: &str) -> u32 {
        match name.strip_prefix('#') {
            Some(place) => place.parse().unwrap(),
            None => {
                self.committed.participants().find(participant(name)).map_or(9999, |it| it.place)
            }
        }
    }

    /// The proposals that one deed stands for.
    fn deed(&self, by: &Who, text: &str) -> Vec<Deed> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let list = |update: ParticipantListUpdate| {
            vec![Deed::Component(ComponentId::PARTICIPANT_LIST, Some(update.encode()))]
        };
        let list_of =
            |changed, removed, added| list(ParticipantListUpdate { changed, removed, added });
        let own = || match by {
            Who::User(user) | Who::Joiner(user) => user.clone(),
            Who::Server(_) => panic!("a server has no clients"),
        };
        let all = |user: &UserUri| {
            vec![Deed::RemoveClient(user.clone()); self.effective.clients(user) as usize]
        };
        match *words.as_slice() {
            ["nothing"] => Vec::new(),
            ["add", name, role] => {
                list_of(Vec::new(), Vec::new(), vec![(participant(name), index(role))])
            }
            ["remove", name] => list_of(Vec::new(), vec![self.place(name)], Vec::new()),
            ["role", name, role] => {
                list_of(vec![(self.place(name), index(role))], Vec::new(), Vec::new())
            }
            // Several changes in one update: `update role:bob=3 remove:cathy add:eve=2`.
            ["update", ref items @ ..] => {
                let mut update = ParticipantListUpdate::default();
                for item in items {
                    let (what, whom) = item.split_once(':').unwrap();
                    let (name, role) = whom.split_once('=').unwrap_or((whom, "0"));
                    match what {
                        "role" => update.changed.push((self.place(name), index(role))),
                        "remove" => update.removed.push(self.place(name)),
                        _ => update.added.push((participant(name), index(role))),
                    }
                }
                list(update)
            }
            ["client", name] => vec![Deed::AddClient(user(name), false)],
            ["pseudonym", name] => vec![Deed::AddClient(user(name), true)],
            ["drop", name] => vec![Deed::RemoveClient(user(name))],
            ["kick", name] => all(&user(name)),
            ["selfremove"] => vec![Deed::SelfRemove],
            // Everything that a leave takes.
            ["leave"] => {
                let own = own();
                let mut deeds = vec![Deed::SelfRemove];
                let others = (self.effective.clients(&own) as usize).saturating_sub(1);
                deeds.extend(vec![Deed::RemoveClient(own.clone()); others]);
                let place = self.committed.participants().find(&own).map_or(9999, |it| it.place);
                deeds.extend(list_of(Vec::new(), vec![place], Vec::new()));
                deeds
            }
            ["ban", name] => {
                let mut deeds =
                    list_of(vec![(self.place(name), RoleIndex(1))], Vec::new(), Vec::new());
                deeds.extend(all(&user(name)));
                deeds
            }
            ["expel", name] => {
                let mut deeds = list_of(Vec::new(), vec![self.place(name)], Vec::new());
                deeds.extend(all(&user(name)));
                deeds
            }
            ["refresh"] => vec![Deed::Update(own())],
            ["refresh", name] => vec![Deed::Update(user(name))],
            ["reinit"] => vec![Deed::ReInit],
            ["psk"] => vec![Deed::Psk],
            ["extensions"] => vec![Deed::Extensions],
            ["ephemeral", id] => vec![Deed::Ephemeral(ComponentId(number(id)))],
            ["senders", ref items @ ..] => {
                let servers = |sign: char| {
                    let of = items.iter().filter_map(|item| item.strip_prefix(sign));
                    of.map(|it| ProviderUri::parse(format!("mimi://{it}")).unwrap()).collect()
                };
                vec![Deed::Senders(servers('+'), servers('-'))]
            }
            ["metadata", ref fields @ ..] => {
                let mut metadata = self.effective.metadata().clone();
                for field in fields {
                    let (name, value) = field.split_once('=').unwrap();
                    match name {
                        "name" => metadata.name = value.into(),
                        "description" => {
                            metadata.descriptions.push(openmimi::room::RichDescription {
                                media_type: String::new(),
                                language_tag: String::new(),
                                content: value.as_bytes().to_vec(),
                            })
                        }
                        "avatar" => metadata.avatar = value.into(),
                        "subject" => metadata.subject = value.into(),
                        "mood" => metadata.mood = value.into(),
                        "room" => metadata.room_uri = RoomUri::parse(value).unwrap(),
                        _ => panic!("no such field: {name}"),
                    }
                }
                vec![Deed::Component(ComponentId::ROOM_METADATA, Some(metadata.encode()))]
            }
            ["base", field, value] => {
                let mut base = self.effective.base_policy().clone();
                base_field(&mut base, field, value);
                vec![Deed::Component(ComponentId::BASE_ROOM_POLICY, Some(base.encode()))]
            }
            ["listed", ref ids @ ..] => {
                let mut base = self.effective.base_policy().clone();
                base.policy_component_ids = ids.iter().map(|id| ComponentId(number(id))).collect();
                vec![Deed::Component(ComponentId::BASE_ROOM_POLICY, Some(base.encode()))]
            }
            ["roles", ref change @ ..] => {
                let roles = changed_roles(self.committed.roles(), change);
                vec![Deed::Component(ComponentId::ROLES_LIST, Some(roles.encode()))]
            }
            ["preauth", role, claim] => {
                let entry = PreAuthEntry {
                    claims: vec![claim_of(claim)],
                    target: self.committed.roles().get(index(role)).unwrap().clone(),
                };
                let preauth = PreAuth { entries: vec![entry] };
                vec![Deed::Component(ComponentId::PREAUTH_LIST, Some(preauth.encode()))]
            }
            ["links", ref items @ ..] => {
                let mut update = JoinLinksUpdate::default();
                for item in items {
                    match item.strip_prefix('-') {
                        Some(place) => update.removed.push(place.parse().unwrap()),
                        None => update.added.push(item.as_bytes().to_vec()),
                    }
                }
                vec![Deed::Component(ComponentId::JOIN_LINKS, Some(update.encode()))]
            }
            ["component", id, hex] => {
                vec![Deed::Component(ComponentId(number(id)), Some(octets(hex)))]
            }
            ["remove-component", id] => vec![Deed::Component(ComponentId(number(id)), None)],
            _ => panic!("no such deed: {text}"),
        }
    }

    pub(super) fn deeds(&self, by: &Who, text: &str) -> Vec<Deed> {
        text.split(';')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .flat_map(|it| self.deed(by, it))
            .collect()
    }
}

pub(super) fn proposals<'a>(deeds: &'a [(Who, Deed)], claims: &'a [Claim]) -> Vec<Proposed<'a>> {
    deeds
        .iter()
        .map(|(by, deed)| Proposed {
            by: by.proposer(),
            claims: Claims::Known(claims),
            what: deed.action(),
        })
        .collect()
}
