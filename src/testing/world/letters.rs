//! Consent: what users say of each other, and the letters between their providers; and who can be found by what.
//!
//! Nothing in a letter tells an older one that comes late from a newer one. So letters get lost and come twice here, and
//! never late.

use std::collections::BTreeMap;

use super::{
    World, WorldCrypto,
    choose::pick,
    network::{Endpoint, Origin, Reply, Request},
    report::Invariant,
};
use crate::{
    codec::Wire,
    env::Peer,
    provider::{
        self, Action, ConsentEndpoint, Contact, Grant, Letter, Verdict,
        query::{Field, FieldName, Lookup, Profile, SearchPolicy, Searchable},
    },
    uri::{ClientUri, RoomUri, UserUri},
    wire::{
        AppDataDictionary, CipherSuite, ClientKeyMaterial, ClientMaterial, ConsentEntry,
        ConsentOperation, ConsentScope, Found, IdentifierOutcome, IdentifierRequest,
        IdentifierResponse, KeyMaterialResponse, KeyMaterialUserCode, KeyPackage, QueryElement,
        SearchField,
    },
};

/// What users have said: whom they speak to, of whom, for which room or any, and whether that one may add them.
#[derive(Debug, Default)]
pub(super) struct Consents(BTreeMap<(usize, usize), BTreeMap<Option<usize>, bool>>);

impl Consents {
    /// What is said of any room replaces what was said of single ones.
    fn say(&mut self, user: usize, of: usize, room: Option<usize>, given: bool) {
        let said = self.0.entry((user, of)).or_default();
        if room.is_none() {
            said.clear();
        }
        said.insert(room, given);
    }

    /// Whether somebody may add a user to a room. Whoever has said nothing of it means yes.
    fn given(&self, user: usize, to: usize, room: Option<usize>) -> bool {
        let said = self.0.get(&(user, to));
        let about = |room| said.and_then(|it| it.get(&room)).copied();
        about(room).or_else(|| about(None)).unwrap_or(true)
    }
}

impl<C: WorldCrypto> World<C> {
    fn contact(&self, user: usize, room: Option<usize>) -> Contact {
        let room: Option<RoomUri> = room.map(|room| self.sites[room].uri.clone());
        Contact { user: self.people[user].uri.clone(), room }
    }

    /// A user says whether another one may add it, for one room or any.
    pub(super) fn consent(
        &mut self,
        user: usize,
        of: usize,
        room: Option<usize>,
        say: Say,
    ) -> bool {
        if user == of {
            return false;
        }
        let contact = self.contact(of, room);
        let suites = [CipherSuite::from(super::node::SUITE)];
        let suites: &[CipherSuite] = if say == Say::GrantWithKeys { &suites } else { &[] };
        let (done, landed) = match say {
            Say::Grant | Say::GrantWithKeys => {
                self.at_user_landed(user, |user, env| user.grant(env, &contact, suites))
            }
            Say::Revoke => self.at_user_landed(user, |user, _| user.revoke(&contact)),
        };
        if landed {
            self.consents.say(user, of, room, say != Say::Revoke);
        }
        if let Some(Err(refusal)) = &done {
            let full = matches!(refusal.fault, provider::ConsentFault::TooMany);
            let found = format!("user {user} cannot say what it consents to: {refusal}");
            self.break_if((!full).then_some((Invariant::OneVerdict, found)));
        }
        matches!(done, Some(Ok(_)))
    }

    /// A user asks another one for consent, or takes that back.
    pub(super) fn ask_consent(
        &mut self,
        user: usize,
        of: usize,
        room: Option<usize>,
        ask: bool,
    ) -> bool {
        if user == of {
            return false;
        }
        let contact = self.contact(of, room);
        let done = if ask {
            self.at_user(user, |user, env| user.ask(env, &contact))
        } else {
            self.at_user(user, |user, _| user.withdraw(&contact))
        };
        matches!(done, Some(Ok(_)))
    }

    /// A provider sends the letters of its users, in their order, and shows what others have said. Says whether there was
    /// anything to do.
    pub(super) fn work_letters(&mut self, user: usize) -> bool {
        let Some(machine) = self.user(user) else { return false };
        let backlog = machine.backlog();
        let told: Vec<(Contact, bool)> = machine
            .told()
            .map(|(contact, grant)| (contact.clone(), matches!(grant, Grant::Given(_))))
            .collect();
        let letters: Vec<Letter> = backlog
            .into_iter()
            .filter_map(
                |action| if let Action::Send(letter) = action { Some(letter) } else { None },
            )
            .collect();
        let busy = !letters.is_empty() || !told.is_empty();
        for letter in letters {
            if !self.send_letter(user, &letter) {
                break;
            }
            self.at_user(user, |user, _| Ok::<_, ()>(user.sent(letter.number)));
        }
        for (contact, given) in told {
            let from = self.people.iter().position(|it| it.uri == contact.user);
            let room = match &contact.room {
                Some(uri) => self.sites.iter().position(|site| site.uri == *uri).map(Some),
                None => Some(None),
            };
            if let (Some(from), Some(room)) = (from, room) {
                self.heard.insert((user, from, room), given);
            }
            self.at_user(user, |user, _| Ok::<_, ()>(user.noted(&contact)));
        }
        busy
    }

    /// Whether a letter has arrived, as far as its sender knows.
    fn send_letter(&mut self, user: usize, letter: &Letter) -> bool {
        let (from, to) = (self.people[user].home, self.provider_at(&letter.to));
        let peer = Peer::Server(self.providers[from].domain.clone());
        let endpoint = match letter.endpoint {
            ConsentEndpoint::Request => Endpoint::RequestConsent(user),
            ConsentEndpoint::Update => Endpoint::UpdateConsent(user),
        };
        let request = Request { endpoint, body: letter.body.clone(), origin: Origin::Nobody };
        let reply = if from == to {
            self.post(&peer, to, &request)
        } else {
            self.send(&peer, from, to, &request)
        };
        match reply {
            Some(reply) if reply.status != 201 => {
                let found = format!("a letter of user {user} is answered {}", reply.status);
                self.break_if(Some((Invariant::OneVerdict, found)));
                true
            }
            reply => reply.is_some(),
        }
    }

    /// A provider takes a letter for one of its users.
    pub(super) fn take_letter(
        &mut self,
        peer: &Peer,
        to: usize,
        endpoint: ConsentEndpoint,
        body: &[u8],
    ) -> Option<Reply> {
        let entry = match endpoint {
            ConsentEndpoint::Request => ConsentEntry::decode_request(body),
            ConsentEndpoint::Update => ConsentEntry::decode_update(body),
        };
        let Ok(entry) = entry else { return Some(Reply::status(400)) };
        let whose = match endpoint {
            ConsentEndpoint::Request => entry.scope.target,
            ConsentEndpoint::Update => entry.scope.requester,
        };
        let user = self
            .people
            .iter()
            .position(|it| it.uri == whose)
            .filter(|it| self.people[*it].home == to);
        let Some(user) = user else { return Some(Reply::status(404)) };
        let done = match endpoint {
            ConsentEndpoint::Request => {
                self.at_user(user, |user, env| user.consent_requested(env, peer, body))?
            }
            ConsentEndpoint::Update => {
                self.at_user(user, |user, env| user.consent_updated(env, peer, body))?
            }
        };
        Some(match done {
            Ok(_) => Reply::status(201),
            Err(refusal) => Reply::status(refusal.status),
        })
    }

    /// The machine of each user says of each other user and room what the model says.
    pub(super) fn check_consents(&mut self) {
        let rooms: Vec<Option<usize>> = (0..self.sites.len()).map(Some).chain([None]).collect();
        for user in std::mem::take(&mut self.touched_users) {
            for other in (0..self.people.len()).filter(|other| *other != user) {
                for room in &rooms {
                    let contact = self.contact(other, *room);
                    let Some(machine) = self.user(user) else { continue };
                    let says = machine.verdict(&contact.user, contact.room.as_ref());
                    let given = self.consents.given(user, other, *room);
                    if (says == Verdict::Given) != given {
                        let found = format!(
                            "user {user} to user {other}, room {room:?}: {given} by the model, {says:?}"
                        );
                        self.break_if(Some((Invariant::OneVerdict, found)));
                    }
                }
            }
            self.tally.checks += 1;
        }
    }

    /// At the end every requester has heard last what was said last.
    pub(super) fn check_heard(&mut self) {
        let mut found = None;
        for ((user, of), said) in &self.consents.0 {
            for (room, given) in said {
                let heard = self.heard.get(&(*of, *user, *room));
                if heard.is_none_or(|heard| heard != given) {
                    found = Some(format!(
                        "user {user} said {given} of user {of} for room {room:?}, who heard {heard:?}"
                    ));
                }
            }
        }
        self.break_if(found.map(|found| (Invariant::Convergence, found)));
    }

    /// What there is to be found of the users of a provider: every other one only by its whole handle, every third one
    /// not at all.
    fn profiles(&self, provider: usize) -> Vec<Profile> {
        let people = self.people.iter().enumerate().filter(|(_, it)| it.home == provider);
        people
            .map(|(number, person)| {
                let searchable = match number % 3 {
                    0 => Searchable::Exactly,
                    1 => Searchable::Partly,
                    _ => Searchable::No,
                };
                let field = |name, value| Field { name, value, searchable, shared: false };
                let fields = vec![
                    field(FieldName::Handle, format!("im:u{number}@p{provider}.example")),
                    field(
                        FieldName::OidcStdClaim("nickname".into()),
                        format!("nick{}", number % 4),
                    ),
                ];
                Profile { user: person.uri.clone(), fields }
            })
            .collect()
    }

    /// Answers a query.
    pub(super) fn find(&self, to: usize, body: &[u8]) -> Reply {
        let provider = &self.providers[to];
        match Lookup::open(&provider.limits, &SearchPolicy::default(), body) {
            Ok(lookup) => Reply::ok(lookup.answer(&self.profiles(to)).encode()),
            Err(refusal) => match refusal.answer() {
                provider::ClaimAnswer::Response(body) => Reply::ok(body),
                provider::ClaimAnswer::Status { status, .. } => Reply::status(status),
            },
        }
    }

    /// A provider asks another one who has a handle or a nickname.
    pub(super) fn search(&mut self, from: usize, to: usize, what: u8) -> bool {
        let Some(user) = pick(&(0..self.people.len()).collect::<Vec<_>>(), what / 4) else {
            return false;
        };
        let home = self.people[user].home;
        let (field, value) = match what % 4 {
            0 | 1 => (SearchField::Handle, format!("im:u{user}@p{home}.example")),
            2 => (SearchField::Nick, format!("nick{}", user % 4)),
            _ => (SearchField::WholeProfile, "im:".into()),
        };
        let body = IdentifierRequest {
            query: vec![QueryElement { field, value }],
            extensions: AppDataDictionary::default(),
        };
        let request =
            Request { endpoint: Endpoint::Query, body: body.encode(), origin: Origin::Nobody };
        let peer = Peer::Server(self.providers[from].domain.clone());
        let reply = if from == to {
            self.post(&peer, to, &request)
        } else {
            self.send(&peer, from, to, &request)
        };
        let Some(reply) = reply else { return false };
        let expected: Vec<usize> = (0..self.people.len())
            .filter(|it| self.people[*it].home == to && it % 3 != 2)
            .filter(|it| match what % 4 {
                0 | 1 => *it == user,
                2 => it % 4 == user % 4,
                _ => false,
            })
            .collect();
        let number = |uri| self.people.iter().position(|it| it.uri == uri);
        let right = match IdentifierResponse::decode(&reply.body).map(|it| it.outcome) {
            Ok(IdentifierOutcome::Found(Found::Users(users))) => {
                let mut found: Vec<usize> = users.into_iter().filter_map(number).collect();
                found.sort_unstable();
                what % 4 < 3 && found == expected
            }
            Ok(IdentifierOutcome::NotFound) => what % 4 < 3 && expected.is_empty(),
            Ok(IdentifierOutcome::UnsupportedField) => what % 4 == 3,
            Ok(
                IdentifierOutcome::Found(Found::Profiles(_))
                | IdentifierOutcome::Ambiguous
                | IdentifierOutcome::Forbidden,
            )
            | Err(_) => false,
        };
        if !right {
            let found = format!("provider {to} is asked {what}, and has not found {expected:?}");
            self.break_if(Some((Invariant::OneVerdict, found)));
        }
        self.tally.checks += 1;
        right
    }
}

/// What a user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    Grant,
    /// With KeyPackages of its clients.
    GrantWithKeys,
    Revoke,
}

/// A grant from a user to another one, as the first one's provider would write it.
pub(super) fn grant(requester: &UserUri, target: &UserUri) -> Vec<u8> {
    let (requester, target) = (requester.clone(), target.clone());
    let scope = ConsentScope { requester, target, room: None };
    let operation = ConsentOperation::Grant(Vec::new());
    ConsentEntry { operation, scope, extensions: AppDataDictionary::default() }.encode()
}

/// An answer to a claim with a KeyPackage of a client, once or twice.
pub(super) fn material(
    user: &UserUri,
    client: &ClientUri,
    key_package: &KeyPackage,
    twice: bool,
) -> KeyMaterialResponse {
    let one = ClientKeyMaterial {
        client: client.clone(),
        material: ClientMaterial::KeyPackage(key_package.clone()),
    };
    let clients = if twice { vec![one.clone(), one] } else { vec![one] };
    let (protocol, user_status) = (1, KeyMaterialUserCode::Success);
    KeyMaterialResponse { protocol, user_status, user: user.clone(), clients }
}
