//! A scenario: a room in a few lines, what people try, and what comes of it.
//!
//! ```text
//! room cooperative              the room, from a preset
//! user alice 4 2                a participant: name, role, clients
//! base max_users 3              a field of the base policy
//! can 2 canKick                 one capability more for a role; `cannot` one less
//! moves 2 0:2,3 2:0             the role changes of a role
//! bounds 2 0..5 active 1..      the constraints of a role
//! preauth 3 domain=a.example    an entry of preauthorisation
//!
//! > propose bob: leave; drop bob          standalone proposals, one bundle
//! > commit alice: add eve 2; client eve   proposals by value, and all that wait by reference
//! > join eve code 2: add eve 2            an external commit, and all waiting SelfRemoves
//! > say bob as m1: text; topic lunch      a message; see `say`
//! > within discoverable=false             the room as it stands, in an operator's envelope
//! > sends bob, receives bob, fixed        who may speak and hear; the name of a fixed room
//! > create alice                          the room as it stands, made by somebody
//! > may bob canCopyMessage                a capability
//! > download bob m1                       the assets of a message
//! allow
//! ```
//!
//! Everything after `> ` is tried on the room as it is by then, and what is allowed happens. The lines below, up to the
//! next empty line or `>`, are the verdict.

use super::say::{self, Said};
use openmimi::{
    codec::Wire,
    policy::{
        Action, BaseRoomPolicy, Bounds, Capability, Choice, Claim, Claims, Committed, Committer,
        Envelope, JoinCode, PreAuth, PreAuthEntry, Proposed, Proposer, Queue, RoleChange,
        RoleIndex, Roles, View,
        components::{JoinLinks, JoinLinksUpdate, OperationalParameters, UploadLocation},
        fixed_participants, judge_commit, judge_creation, judge_proposals, may_receive, may_send,
        presets::Preset,
    },
    room::{
        ComponentId, ComponentOperation, Components, ParticipantList, ParticipantListUpdate,
        RoomState,
    },
    uri::{ParticipantUri, ProviderUri, RoomUri, UserUri},
};

/// The domain of the hub; names without a domain are of it.
const HUB: &str = "hub.example";

pub(crate) fn user(name: &str) -> UserUri {
    let (name, domain) = name.split_once('@').unwrap_or((name, HUB));
    UserUri::parse(format!("mimi://{domain}/u/{name}")).unwrap()
}

fn participant(name: &str) -> ParticipantUri {
    match name.strip_prefix("server:") {
        Some(domain) => ProviderUri::parse(format!("mimi://{domain}")).unwrap().into(),
        None if name == "hub" => hub().into(),
        None => user(name).into(),
    }
}

fn hub() -> ProviderUri {
    ProviderUri::parse(format!("mimi://{HUB}")).unwrap()
}

fn index(text: &str) -> RoleIndex {
    RoleIndex(text.parse().unwrap())
}

/// What a proposal does, with its own data.
#[derive(Clone)]
enum Deed {
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
    fn action(&self) -> Action<'_> {
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
enum Who {
    User(UserUri),
    Server(ProviderUri),
    Joiner(UserUri),
}

impl Who {
    fn of(name: &str) -> Self {
        if let Some(name) = name.strip_prefix("joiner:") {
            return Self::Joiner(user(name));
        }
        match participant(name) {
            ParticipantUri::User(user) => Self::User(user),
            ParticipantUri::Provider(server) => Self::Server(server),
        }
    }

    fn proposer(&self) -> Proposer<'_> {
        match self {
            Self::User(user) => Proposer::User(user),
            Self::Server(server) => Proposer::Server(server),
            Self::Joiner(user) => Proposer::Joiner(user),
        }
    }
}

struct Scene {
    roles: Roles,
    base: BaseRoomPolicy,
    preauth: PreAuth,
    list: Vec<(ParticipantUri, RoleIndex)>,
    leaves: Vec<UserUri>,
    others: Vec<(ComponentId, Vec<u8>)>,
    claims: Vec<(String, Vec<Claim>)>,
    parent: Option<ParticipantList>,
    said: Said,
    played: Option<Played>,
}

struct Played {
    committed: RoomState,
    effective: RoomState,
    waiting: Vec<(Who, Deed)>,
}

pub(crate) fn play(text: &str) -> String {
    let mut scene = Scene::new(Preset::Cooperative);
    let mut out = String::new();
    let mut skipping = false;
    for line in text.lines() {
        if skipping && !line.is_empty() && !line.starts_with('>') && !line.starts_with('#') {
            continue;
        }
        skipping = false;
        out.push_str(line);
        out.push('\n');
        if let Some(statement) = line.strip_prefix("> ") {
            for line in scene.state(statement) {
                out.push_str(&line);
                out.push('\n');
            }
            skipping = true;
        } else if !line.is_empty() && !line.starts_with('#') {
            scene.setup(line);
        }
    }
    out
}

impl Scene {
    fn new(preset: Preset) -> Self {
        Self {
            roles: preset.roles(),
            base: preset.base_policy(),
            preauth: PreAuth::default(),
            list: vec![(hub().into(), preset.enforcer())],
            leaves: Vec::new(),
            others: Vec::new(),
            claims: Vec::new(),
            parent: None,
            said: Said::default(),
            played: None,
        }
    }

    fn setup(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["room", name] => *self = Self::new(Preset::named(name).unwrap()),
            ["hub", "none"] => self.list.retain(|(who, _)| who.user().is_some()),
            ["user", name, role, clients] => {
                self.list.push((participant(name), index(role)));
                let clients: usize = clients.parse().unwrap();
                self.leaves.extend(std::iter::repeat_n(user(name), clients));
            }
            ["leaf", name] => self.leaves.push(user(name)),
            ["claim", name, id, value] => {
                let claim = Claim {
                    credential_type: 2,
                    id: id.as_bytes().to_vec(),
                    value: value.as_bytes().to_vec(),
                };
                self.claims.push((name.to_owned(), vec![claim]));
            }
            ["parent", ref names @ ..] => {
                let list = names.iter().map(|name| (participant(name), RoleIndex(2)));
                self.parent = Some(ParticipantList::of(list).unwrap());
                self.base.parent = Some(RoomUri::parse(format!("mimi://{HUB}/r/parent")).unwrap());
            }
            ["parent-unknown"] => {
                self.base.parent = Some(RoomUri::parse(format!("mimi://{HUB}/r/parent")).unwrap());
            }
            ["base", field, value] => base_field(&mut self.base, field, value),
            ["component", id, hex] => {
                self.others.push((ComponentId(number(id)), octets(hex)));
                self.base.policy_component_ids.push(ComponentId(number(id)));
            }
            ["operational", field, value] => {
                let mut parameters = OperationalParameters::default();
                match field {
                    "external_proposal_allowed" => {
                        parameters.external_proposal_allowed = value == "true";
                    }
                    _ => parameters.external_commit_allowed = value == "true",
                }
                self.others.push((ComponentId::MLS_OPERATIONAL_POLICY, parameters.encode()));
                self.base.policy_component_ids.push(ComponentId::MLS_OPERATIONAL_POLICY);
            }
            ["links", ref links @ ..] => {
                let links = links.iter().map(|link| link.as_bytes().to_vec()).collect();
                self.others.push((ComponentId::JOIN_LINKS, JoinLinks(links).encode()));
            }
            ["preauth", role, ref claims @ ..] => {
                let claims = claims.iter().map(|claim| claim_of(claim)).collect();
                let target = self.roles.get(index(role)).cloned().unwrap_or_else(|| {
                    let mut role_of = self.roles.iter().next().unwrap().clone();
                    role_of.index = index(role);
                    role_of
                });
                self.preauth.entries.push(PreAuthEntry { claims, target });
            }
            _ => match say::component(&words) {
                Some((id, octets)) => {
                    self.others.push((id, octets));
                    self.base.policy_component_ids.push(id);
                }
                None => self.roles = changed_roles(&self.roles, &words),
            },
        }
        self.played = None;
    }

    fn played(&mut self) -> &mut Played {
        if self.played.is_none() {
            let mut base = self.base.clone();
            let mut components: Components = self.others.iter().cloned().collect();
            if !self.preauth.entries.is_empty() {
                base.policy_component_ids.push(ComponentId::PREAUTH_LIST);
                components.insert(ComponentId::PREAUTH_LIST, self.preauth.encode());
            }
            let room = RoomUri::parse(format!("mimi://{HUB}/r/room")).unwrap();
            components.insert(
                ComponentId::ROOM_METADATA,
                openmimi::room::RoomMetadata::new(room).encode(),
            );
            components.insert(ComponentId::ROLES_LIST, self.roles.encode());
            components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
            let list = ParticipantList::of(self.list.iter().cloned()).unwrap();
            components.insert(ComponentId::PARTICIPANT_LIST, list.encode());
            let state = RoomState::from_components(components, &self.leaves).unwrap();
            self.played =
                Some(Played { committed: state.clone(), effective: state, waiting: Vec::new() });
        }
        self.played.as_mut().unwrap()
    }

    fn state_of(&self) -> RoomState {
        self.played.as_ref().unwrap().committed.clone()
    }

    fn state(&mut self, statement: &str) -> Vec<String> {
        let (head, deeds) = statement.split_once(':').unwrap_or((statement, ""));
        // A name may hold a colon: `server:b.example`, `joiner:eve`.
        let (head, deeds) = match head.rsplit_once(' ').map_or(head, |it| it.1) {
            "server" | "joiner" => {
                let (rest, deeds) = deeds.split_once(':').unwrap_or((deeds, ""));
                (format!("{head}:{rest}"), deeds)
            }
            _ => (head.to_owned(), deeds),
        };
        let words: Vec<&str> = head.split_whitespace().collect();
        let claims = self.claims.clone();
        let parent = self.parent.clone();
        let played = self.played();
        match *words.as_slice() {
            ["propose", who] => played.propose(who, deeds, &claims, parent.as_ref()),
            ["commit", who] => played.commit(who, deeds, &claims, parent.as_ref(), &[]),
            ["commit", who, "pseudonym"] => {
                played.commit(who, deeds, &claims, parent.as_ref(), &["pseudonym"])
            }
            ["join", who, ref options @ ..] => {
                let options: Vec<&str> = [&["join"], options].concat();
                played.commit(who, deeds, &claims, parent.as_ref(), &options)
            }
            ["say", who, "as", label] => self.said.say(&self.state_of(), who, Some(label), deeds),
            ["say", who] => self.said.say(&self.state_of(), who, None, deeds),
            ["download", who, label] => self.said.download(&self.state_of(), who, label),
            ["may", who, name] => {
                let capability = Capability::named(name).unwrap();
                vec![answer(openmimi::policy::may(&self.state_of(), user(who), capability))]
            }
            ["create", who] => {
                let creator = user(who);
                let judged = judge_creation(&played.committed, &creator, parent.as_ref());
                vec![judged.map_or_else(|denied| told(&denied), |()| "allow".to_owned())]
            }
            ["within", ref choices @ ..] => {
                let envelope = envelope_of(choices);
                let faults = envelope.faults(&played.committed);
                match faults.is_empty() {
                    true => vec!["allow".to_owned()],
                    false => faults.iter().map(|fault| format!("outside {fault}")).collect(),
                }
            }
            ["fixed"] => match fixed_participants(&played.committed) {
                Some([a, b, ..]) => vec![format!("fixed {a:02x}{b:02x}")],
                None => vec!["not fixed".to_owned()],
            },
            ["sends", who] => vec![answer(may_send(&played.committed, &user(who)))],
            ["receives", who] => vec![answer(may_receive(&played.committed, &user(who)))],
            ["show"] => played.show(),
            ["start"] => Vec::new(),
            _ => panic!("no such statement: {statement}"),
        }
    }
}

fn answer(may: bool) -> String {
    if may { "allow" } else { "deny" }.to_owned()
}

/// An operator's envelope: the default one with some choices less.
fn envelope_of(choices: &[&str]) -> Envelope {
    let mut envelope = Envelope::default();
    for choice in choices {
        let (field, value) = choice.split_once('=').unwrap();
        let yes = || value.parse::<bool>().unwrap();
        let count = || value.parse::<u32>().unwrap();
        let of_three = || match value {
            "required" => Choice::REQUIRED,
            "forbidden" => Choice::FORBIDDEN,
            _ => Choice::ANY,
        };
        match field {
            "roles" => envelope.roles = Some(vec![Preset::named(value).unwrap().roles()]),
            "forbidden" => {
                envelope.forbidden_capabilities.insert(Capability::named(value).unwrap());
            }
            "hub_enforces" => envelope.hub_enforces = yes(),
            "max_users" => envelope.max_users = Some(count()),
            "max_clients" => envelope.max_clients = Some(count()),
            "persistent" => envelope.persistent = yes(),
            "discoverable" => envelope.discoverable = yes(),
            "pseudonyms" => envelope.pseudonyms = yes(),
            "dependent" => envelope.dependent = yes(),
            "everybody" => envelope.preauthorise_everybody = yes(),
            "links" => envelope.join_links = count() as usize,
            "link_expiration" => envelope.link_expiration = Some(count()),
            "logging" => envelope.logging = of_three(),
            "history" => envelope.history = of_three(),
            "expiring" => envelope.expiring_messages = of_three(),
            "bots" => envelope.bots = yes(),
            "location" => envelope.asset_locations = Some(vec![UploadLocation::LocalProvider]),
            "direct" => envelope.direct_downloads = yes(),
            "octets" => envelope.asset_octets = count().into(),
            "unknown" => envelope.unknown_components = yes(),
            _ => panic!("no such choice: {choice}"),
        }
    }
    envelope
}

fn number(text: &str) -> u16 {
    u16::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

fn octets(hex: &str) -> Vec<u8> {
    let hex = hex.replace('-', "");
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn claim_of(claim: &str) -> Claim {
    let (id, value) = claim.split_once('=').unwrap();
    let (credential_type, id, value) = match id {
        "domain" => (Claim::BASIC, Claim::DOMAIN, value.to_owned()),
        "user" => (Claim::BASIC, &b""[..], participant(value).as_str().to_owned()),
        id => (2, id.as_bytes(), value.to_owned()),
    };
    Claim { credential_type, id: id.to_vec(), value: value.into_bytes() }
}

fn base_field(base: &mut BaseRoomPolicy, field: &str, value: &str) {
    let yes = || value.parse::<bool>().unwrap();
    let limit = || value.parse::<u32>().ok();
    match field {
        "fixed_membership" => base.fixed_membership = yes(),
        "multi_device" => base.multi_device = yes(),
        "max_clients" => base.max_clients = limit(),
        "max_users" => base.max_users = limit(),
        "pseudonyms_allowed" => base.pseudonyms_allowed = yes(),
        "persistent_room" => base.persistent_room = yes(),
        "discoverable" => base.discoverable = yes(),
        "parent" => base.parent = Some(RoomUri::parse(value).unwrap()),
        _ => panic!("no such field: {field}"),
    }
}

/// The roles with one line's change.
fn changed_roles(roles: &Roles, words: &[&str]) -> Roles {
    let mut roles: Vec<_> = roles.iter().cloned().collect();
    let bounds = |text: &str| {
        let (minimum, maximum) = text.split_once("..").unwrap();
        Bounds { minimum: minimum.parse().unwrap(), maximum: maximum.parse().ok() }
    };
    let at = |roles: &Vec<openmimi::policy::Role>, role: &str| {
        roles.iter().position(|it| it.index == index(role)).unwrap()
    };
    match *words {
        ["can", role, name] => {
            let at = at(&roles, role);
            roles[at].capabilities.push(Capability::named(name).unwrap());
        }
        ["cannot", role, name] => {
            let at = at(&roles, role);
            let lost = Capability::named(name).unwrap();
            roles[at].capabilities.retain(|it| *it != lost);
        }
        ["moves", role, ref pairs @ ..] => {
            let at = at(&roles, role);
            roles[at].changes = pairs
                .iter()
                .map(|pair| {
                    let (from, targets) = pair.split_once(':').unwrap();
                    RoleChange {
                        from: index(from),
                        targets: targets.split(',').map(index).collect(),
                    }
                })
                .collect();
        }
        ["bounds", role, range] => {
            let at = at(&roles, role);
            roles[at].participants = bounds(range);
        }
        ["active", role, range] => {
            let at = at(&roles, role);
            roles[at].active = bounds(range);
        }
        ["unnamed", role] => {
            let at = at(&roles, role);
            (roles[at].name, roles[at].description) = (String::new(), String::new());
        }
        ["name", role, name] => {
            let at = at(&roles, role);
            roles[at].name = name.into();
        }
        // The role and every change that leads to or from it.
        ["drop-role", role] => {
            let gone = index(role);
            roles.retain(|it| it.index != gone);
            for role in &mut roles {
                role.changes.retain(|it| it.from != gone);
                role.changes.iter_mut().for_each(|it| it.targets.retain(|to| *to != gone));
            }
        }
        _ => panic!("no such line: {}", words.join(" ")),
    }
    Roles::new(roles).unwrap()
}

impl Played {
    fn place(&self, name: &str) -> u32 {
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
            // Everything that a leave takes (Q-45).
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

    fn deeds(&self, by: &Who, text: &str) -> Vec<Deed> {
        text.split(';')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .flat_map(|it| self.deed(by, it))
            .collect()
    }

    fn propose(
        &mut self,
        who: &str,
        deeds: &str,
        claims: &[(String, Vec<Claim>)],
        parent: Option<&ParticipantList>,
    ) -> Vec<String> {
        let by = Who::of(who);
        let bundle: Vec<_> =
            self.deeds(&by, deeds).into_iter().map(|deed| (by.clone(), deed)).collect();
        let view = View { committed: &self.committed, effective: &self.effective, parent };
        let waiting = proposals(&self.waiting, &[]);
        let judged = judge_proposals(
            view,
            Queue { waiting: &waiting, rebuild: false },
            &proposals(&bundle, claims_of(who, claims)),
        );
        match judged {
            Ok(accepted) => {
                let mut line = "allow".to_owned();
                if accepted.unverified {
                    line += ", unverified";
                }
                if !accepted.lapsed.is_empty() {
                    line += &format!(", lapsed {:?}", accepted.lapsed);
                }
                let lapsed = accepted.lapsed.clone();
                accepted.apply(&mut self.effective);
                let mut place = 0;
                self.waiting.retain(|_| {
                    place += 1;
                    !lapsed.contains(&(place - 1))
                });
                self.waiting.extend(bundle);
                vec![line]
            }
            Err(denied) => vec![told(&denied)],
        }
    }

    fn commit(
        &mut self,
        who: &str,
        deeds: &str,
        claims: &[(String, Vec<Claim>)],
        parent: Option<&ParticipantList>,
        options: &[&str],
    ) -> Vec<String> {
        let joins = options.first() == Some(&"join");
        let by = if joins { Who::Joiner(user(who)) } else { Who::of(who) };
        let claims = if options.contains(&"unknown") {
            Claims::Unknown
        } else {
            Claims::Known(claims_of(who, claims))
        };
        let own: Vec<_> =
            self.deeds(&by, deeds).into_iter().map(|deed| (by.clone(), deed)).collect();
        let by_reference = |proposed| Committed { proposed, by_reference: true };
        let by_value = |proposed| Committed { proposed, by_reference: false };
        let mut all: Vec<_> = proposals(&self.waiting, &[])
            .into_iter()
            .filter(|it| !joins || it.what == Action::SelfRemove)
            .filter(|_| !options.contains(&"alone"))
            .map(by_reference)
            .collect();
        all.extend(proposals(&own, &[]).into_iter().map(|it| by_value(Proposed { claims, ..it })));
        let committing = user(who);
        let code = options.iter().position(|it| *it == "code").map(|at| match options[at + 1] {
            "unseen" => JoinCode::Unseen,
            role => JoinCode::Gives(index(role)),
        });
        let pseudonym = options.contains(&"pseudonym");
        let committer = if joins {
            Committer::Joiner {
                user: &committing,
                claims,
                pseudonym,
                resync: options.contains(&"resync"),
                code: code.unwrap_or(JoinCode::None),
            }
        } else {
            Committer::Member { user: &committing, pseudonym }
        };
        let view = View { committed: &self.committed, effective: &self.effective, parent };
        match judge_commit(view, committer, &all) {
            Ok(verdict) => {
                let mut line = "allow".to_owned();
                if verdict.unverified {
                    line += ", unverified";
                }
                // The dictionary that members compute is what the room holds afterwards.
                let mut expected = self.committed.components();
                for (id, octets) in verdict.components(&self.committed) {
                    match octets {
                        Some(octets) => expected.insert(id, octets),
                        None => expected.remove(id),
                    };
                }
                verdict.apply(&mut self.committed);
                assert_eq!(self.committed.components(), expected);
                self.effective = self.committed.clone();
                self.waiting.clear();
                vec![line]
            }
            Err(denied) => vec![told(&denied)],
        }
    }

    fn show(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, room) in [("committed", &self.committed), ("effective", &self.effective)] {
            let line = room.participants().iter().map(|it| {
                let name = it.uri.rsplit('/').next().unwrap();
                let clients = it.user().map_or(0, |user| room.clients(&user));
                format!("{name}={}/{clients}", it.role)
            });
            lines.push(format!("{name} {}", line.collect::<Vec<_>>().join(" ")));
            for link in room.policy::<JoinLinks>().unwrap_or_default().0 {
                lines.push(format!("{name} link {}", String::from_utf8(link).unwrap()));
            }
        }
        lines
    }
}

fn claims_of<'a>(who: &str, claims: &'a [(String, Vec<Claim>)]) -> &'a [Claim] {
    claims.iter().find(|(name, _)| name == who).map_or(&[], |(_, claims)| claims)
}

fn proposals<'a>(deeds: &'a [(Who, Deed)], claims: &'a [Claim]) -> Vec<Proposed<'a>> {
    deeds
        .iter()
        .map(|(by, deed)| Proposed {
            by: by.proposer(),
            claims: Claims::Known(claims),
            what: deed.action(),
        })
        .collect()
}

pub(crate) fn told(denied: &openmimi::policy::Denied) -> String {
    let kind = if denied.is_invalid() { "invalid" } else { "deny" };
    let place = denied.index.map_or_else(String::new, |index| format!(" [{index}]"));
    format!("{kind} {}{place}: {}", denied.rule, denied.reason)
        .replace(&format!("mimi://{HUB}/u/"), "")
}
