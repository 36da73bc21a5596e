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

use super::{
    deed::{Deed, HUB, Who, hub, index, participant, proposals, user},
    say::{self, Said},
    setting::{base_field, changed_roles, claim_of, envelope_of, number, octets},
};
use openmimi::{
    codec::Wire,
    policy::{
        Action, BaseRoomPolicy, Capability, Claim, Claims, Committed, Committer, JoinCode, PreAuth,
        PreAuthEntry, Proposed, Queue, RoleIndex, Roles, View,
        components::{JoinLinks, OperationalParameters},
        fixed_participants, judge_commit, judge_creation, judge_proposals, may_receive, may_send,
        presets::Preset,
    },
    room::{ComponentId, Components, ParticipantList, RoomState},
    uri::{ParticipantUri, RoomUri, UserUri},
};

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

pub(super) struct Played {
    pub(super) committed: RoomState,
    pub(super) effective: RoomState,
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

impl Played {
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

pub(crate) fn told(denied: &openmimi::policy::Denied) -> String {
    let kind = if denied.is_invalid() { "invalid" } else { "deny" };
    let place = denied.index.map_or_else(String::new, |index| format!(" [{index}]"));
    format!("{kind} {}{place}: {}", denied.rule, denied.reason)
        .replace(&format!("mimi://{HUB}/u/"), "")
}
