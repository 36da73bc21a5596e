//! Consent between users of different providers (draft-06, sections 5.7 and 8).

use openmls_traits::crypto::OpenMlsCrypto;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Action, Policy, Unfit, User,
    consent::{Contact, Decision, Verdict},
    package::Package,
    state::{self, Claimant, Edit, Profile, Told},
};
use crate::{
    codec::Wire,
    env::{Env, Limits, Peer},
    error::{DecodeError, Fault},
    machine::{Revision, Step},
    uri::{Domain, UserUri},
    wire::{
        AppDataDictionary, CipherSuite, ClientMaterial, ConsentEntry, ConsentOperation,
        ConsentScope, KeyPackage, RequiredCapabilities,
    },
};

/// Which of the two endpoints a consent entry goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsentEndpoint {
    /// `requestConsent`: a request or a cancel, to the target's provider (P-201).
    Request,
    /// `updateConsent`: a grant or a revocation, to the requester's provider (P-202).
    Update,
}

/// A consent entry on its way to another provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its place in the order in which letters are sent; for [`User::sent`].
    pub number: u64,
    /// The provider to send it to.
    pub to: Domain,
    /// The endpoint.
    pub endpoint: ConsentEndpoint,
    /// The `ConsentEntry`.
    pub body: Vec<u8>,
}

/// What another user has said of its consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The user may be added, with these KeyPackages of its clients or with others.
    Given(Vec<KeyPackage>),
    /// The user may not be added.
    Withheld,
}

/// Why something about consent was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{fault}")]
pub struct ConsentRefusal {
    /// The reason: for logs, for the answer may hide it.
    pub fault: ConsentFault,
    /// The saved state it was judged at; none if there is no such user.
    pub revision: Revision,
    /// The HTTP status to answer, without a body. Of a provider that hides who exists it is 201 in some cases
    /// (P-206).
    pub status: u16,
}

/// Why something about consent is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConsentFault {
    /// It is no consent entry, or none for this endpoint (P-201, P-202).
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It does not come from the provider of the user who speaks in it (P-204, P-205).
    #[error("not from the provider of the user who speaks")]
    Foreign,
    /// It is for another user, or between a user and itself.
    #[error("for another user")]
    OtherUser,
    /// There is no such user.
    #[error("no such user")]
    Unknown,
    /// The account was deleted.
    #[error("the account was deleted")]
    Deleted,
    /// A KeyPackage of a grant cannot be used (D-25).
    #[error("KeyPackage {index}: {fault}")]
    Unfit {
        /// Its place in the grant, from 0.
        index: usize,
        /// Why.
        fault: Unfit,
    },
    /// There are too many already: `Limits::consents`, `Limits::consents_told`.
    #[error("too many entries of consent")]
    TooMany,
}

impl ConsentRefusal {
    fn new(fault: ConsentFault, policy: &Policy, revision: Revision) -> Self {
        let masked = |status| if policy.privacy { 201 } else { status };
        let status = match &fault {
            ConsentFault::Malformed(_) | ConsentFault::OtherUser | ConsentFault::Unfit { .. } => {
                400
            }
            ConsentFault::Foreign => 403,
            ConsentFault::Unknown | ConsentFault::Deleted => masked(404),
            ConsentFault::TooMany => masked(503),
        };
        Self { fault, revision, status }
    }
}

/// Refuses a consent entry for a user whom this provider does not know (P-206). `user` is the one of the two whose
/// domain is this provider's.
#[must_use]
pub fn consent_unknown(
    limits: &Limits,
    policy: &Policy,
    endpoint: ConsentEndpoint,
    peer: &Peer,
    user: &UserUri,
    body: &[u8],
) -> ConsentRefusal {
    let fault = read(limits, endpoint, peer, user, body).err().unwrap_or(ConsentFault::Unknown);
    ConsentRefusal::new(fault, policy, Revision::NONE)
}

/// Reads an entry for `user`, and who the other party is. `peer` has to answer for that one.
fn read(
    limits: &Limits,
    endpoint: ConsentEndpoint,
    peer: &Peer,
    user: &UserUri,
    body: &[u8],
) -> Result<(ConsentOperation, Contact), ConsentFault> {
    if body.len() > limits.body {
        let (found, limit) = (body.len() as u64, limits.body as u64);
        let fault = Fault::TooLarge { found, limit };
        return Err(DecodeError { offset: 0, what: ConsentEntry::NAME, fault }.into());
    }
    let (entry, ours, theirs) = match endpoint {
        ConsentEndpoint::Request => {
            let entry = ConsentEntry::decode_request(body)?;
            let (ours, theirs) = (entry.scope.target.clone(), entry.scope.requester.clone());
            (entry, ours, theirs)
        }
        ConsentEndpoint::Update => {
            let entry = ConsentEntry::decode_update(body)?;
            let (ours, theirs) = (entry.scope.requester.clone(), entry.scope.target.clone());
            (entry, ours, theirs)
        }
    };
    match peer {
        Peer::Server(domain) if *domain == theirs.domain() => {}
        Peer::Server(_) | Peer::Client(..) => return Err(ConsentFault::Foreign),
    }
    if ours != *user || theirs == ours {
        return Err(ConsentFault::OtherUser);
    }
    Ok((entry.operation, Contact { user: theirs, room: entry.scope.room }))
}

/// As the target: others ask, the user decides.
impl User {
    /// Another user's provider brings a request for consent, or takes one back (P-201, P-204). Answer 201 when the
    /// step is saved and applied: it says that the provider has it, no more (P-213).
    ///
    /// A request that the user has answered before is answered again with a grant, or with silence. A cancel that
    /// matches no request does nothing (P-203, P-207).
    ///
    /// # Errors
    /// If it is not from the requester's provider, or there are too many requests.
    pub fn consent_requested<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let (operation, contact) = self.read_entry(ConsentEndpoint::Request, peer, body)?;
        let pending = self.state.requests.contains_key(&contact);
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        match operation {
            ConsentOperation::Cancel if pending => {
                edits.push(Edit::Request(contact.clone(), None));
                actions.push(Action::Withdrawn(contact));
            }
            ConsentOperation::Request if !pending => {
                let verdict = self.verdict(&contact.user, contact.room.as_ref());
                match (verdict, self.state.consent.said(&contact)) {
                    (Verdict::Given, _) => {
                        let grant = ConsentOperation::Grant(Vec::new());
                        self.write_letter(contact, grant, &mut edits, &mut actions)?;
                    }
                    // Said in advance (P-215), and the requester need not learn it (P-211).
                    (Verdict::Withheld | Verdict::WithheldForRoom, Some(Decision::Revoke)) => {}
                    (Verdict::Withheld | Verdict::WithheldForRoom, _) => {
                        self.bound(self.state.requests.len(), self.limits.consents)?;
                        edits.push(Edit::Request(contact.clone(), Some(env.now)));
                        actions.push(Action::Requested(contact));
                    }
                }
            }
            ConsentOperation::Cancel
            | ConsentOperation::Request
            | ConsentOperation::Grant(_)
            | ConsentOperation::Revoke => {}
        }
        Ok(self.step(edits, (), actions))
    }

    /// Who waits for the user's consent.
    pub fn requests(&self) -> impl Iterator<Item = &Contact> {
        self.state.requests.keys()
    }

    /// The user consents, asked or not (P-208), and the requester is told. With `suites` the grant brings a KeyPackage
    /// of each client that has one of them, handed out to this requester for this room (P-209, Q-102).
    ///
    /// # Errors
    /// If there are too many decisions, or the requester is the user itself.
    pub fn grant<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        requester: &Contact,
        suites: &[CipherSuite],
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let mut edits = self.decision_edits(requester, Decision::Grant)?;
        let mut actions = Vec::new();
        let mut key_packages = Vec::new();
        if !suites.is_empty() {
            let claimant = Claimant {
                requester: requester.user.clone(),
                room: requester.room.clone(),
                peer: requester.user.domain(),
                at: env.now,
            };
            let handout = self.hand_out(suites, &RequiredCapabilities::default(), &claimant);
            let offered = handout.clients.into_iter().filter_map(|it| match it.material {
                ClientMaterial::KeyPackage(key_package) => Some(key_package),
                ClientMaterial::Exhausted | ClientMaterial::NothingCompatible(_) => None,
            });
            key_packages.extend(offered);
            edits.extend(handout.edits);
            actions.extend(handout.actions);
        }
        let grant = ConsentOperation::Grant(key_packages);
        self.write_letter(requester.clone(), grant, &mut edits, &mut actions)?;
        Ok(self.step(edits, (), actions))
    }

    /// The user takes consent back, or denies it before it is asked (P-215). The requester is told, unless the
    /// provider hides who exists (P-211).
    ///
    /// # Errors
    /// If there are too many decisions, or the requester is the user itself.
    pub fn revoke(&mut self, requester: &Contact) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let mut edits = self.decision_edits(requester, Decision::Revoke)?;
        let mut actions = Vec::new();
        if !self.policy.privacy {
            let revoke = ConsentOperation::Revoke;
            self.write_letter(requester.clone(), revoke, &mut edits, &mut actions)?;
        }
        Ok(self.step(edits, (), actions))
    }

    /// Takes down a decision of the user and tells nobody: what a requester finds out is by claiming.
    ///
    /// # Errors
    /// If there are too many decisions, or the requester is the user itself.
    pub fn decide(
        &mut self,
        requester: &Contact,
        decision: Decision,
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let edits = self.decision_edits(requester, decision)?;
        Ok(self.step(edits, (), Vec::new()))
    }

    /// A decision replaces what was said before about the same, and answers the requests it covers.
    fn decision_edits(
        &self,
        requester: &Contact,
        decision: Decision,
    ) -> Result<Vec<Edit>, ConsentRefusal> {
        if requester.user == *self.uri() {
            return Err(self.refuse(ConsentFault::OtherUser));
        }
        if self.is_deleted() {
            return Err(self.refuse(ConsentFault::Deleted));
        }
        let requests = self.state.requests.keys().filter(|it| requester.covers(it));
        let mut edits: Vec<Edit> = requests.map(|it| Edit::Request(it.clone(), None)).collect();
        let replaced = self.state.consent.replaced(requester);
        let same = self.state.consent.decision(requester) == Some(decision);
        if same && replaced.len() == 1 {
            return Ok(edits);
        }
        self.bound(self.state.consent.len() - replaced.len(), self.limits.consents)?;
        edits.extend(replaced.into_iter().map(|it| Edit::Decision(it, None)));
        edits.push(Edit::Decision(requester.clone(), Some(decision)));
        Ok(edits)
    }
}

/// As the requester: the user asks, others answer.
impl User {
    /// The user asks another for consent. Asking again sends it again.
    ///
    /// # Errors
    /// If there are too many requests, or the target is the user itself.
    pub fn ask<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        target: &Contact,
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        if target.user == *self.uri() {
            return Err(self.refuse(ConsentFault::OtherUser));
        }
        if self.is_deleted() {
            return Err(self.refuse(ConsentFault::Deleted));
        }
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        if !self.state.asked.contains_key(target) {
            self.bound(self.state.asked.len(), self.limits.consents)?;
            edits.push(Edit::Asked(target.clone(), Some(env.now)));
        }
        let request = ConsentOperation::Request;
        self.write_letter(target.clone(), request, &mut edits, &mut actions)?;
        Ok(self.step(edits, (), actions))
    }

    /// The user takes back what it asked for: exactly the same user and room (P-203). If it did not ask, nothing
    /// happens.
    ///
    /// # Errors
    /// If there are too many letters.
    pub fn withdraw(&mut self, target: &Contact) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        if self.state.asked.contains_key(target) {
            edits.push(Edit::Asked(target.clone(), None));
            let cancel = ConsentOperation::Cancel;
            self.write_letter(target.clone(), cancel, &mut edits, &mut actions)?;
        }
        Ok(self.step(edits, (), actions))
    }

    /// What the user has asked for and not been answered.
    pub fn asked(&self) -> impl Iterator<Item = &Contact> {
        self.state.asked.keys()
    }

    /// The target's provider brings a grant or a revocation, asked for or not (P-202, P-205, P-208). Answer 201 when
    /// the step is saved and applied.
    ///
    /// # Errors
    /// If it is not from the target's provider, a KeyPackage is not the target's, or too much waits for the user's
    /// clients.
    pub fn consent_updated<C: OpenMlsCrypto, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let (operation, contact) = self.read_entry(ConsentEndpoint::Update, peer, body)?;
        let told = match operation {
            ConsentOperation::Grant(key_packages) => {
                let key_packages = self
                    .offered(env, &contact.user, &key_packages)
                    .map_err(|fault| self.refuse(fault))?;
                Told { decision: Decision::Grant, key_packages }
            }
            ConsentOperation::Revoke | ConsentOperation::Cancel | ConsentOperation::Request => {
                Told { decision: Decision::Revoke, key_packages: Vec::new() }
            }
        };
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        if self.state.told.get(&contact) != Some(&told) {
            if !self.state.told.contains_key(&contact) {
                self.bound(self.state.told.len(), self.limits.consents_told)?;
            }
            let answered = self.state.asked.keys().filter(|it| contact.covers(it));
            edits.extend(answered.map(|it| Edit::Asked(it.clone(), None)));
            edits.push(Edit::Told(contact.clone(), Some(told)));
            actions.push(Action::Told(contact));
        }
        Ok(self.step(edits, (), actions))
    }

    /// The KeyPackages of a grant, each of another client's own and valid now (Q-102, D-25).
    fn offered<C: OpenMlsCrypto, K>(
        &self,
        env: &Env<'_, C, K>,
        target: &UserUri,
        key_packages: &[KeyPackage],
    ) -> Result<Vec<Vec<u8>>, ConsentFault> {
        if key_packages.len() > self.limits.devices {
            return Err(ConsentFault::TooMany);
        }
        let mut seen = std::collections::BTreeSet::new();
        let mut checked = Vec::new();
        for (index, key_package) in key_packages.iter().enumerate() {
            let bytes = key_package.as_bytes();
            let unfit = |fault| ConsentFault::Unfit { index, fault };
            let package = Package::check(bytes, target.as_bytes(), env.now, env.crypto);
            if !seen.insert(package.map_err(unfit)?.reference) {
                return Err(unfit(Unfit::Seen));
            }
            checked.push(bytes.to_vec());
        }
        Ok(checked)
    }

    /// What others have said of their consent and no client of the user has taken yet.
    pub fn told(&self) -> impl Iterator<Item = (&Contact, Grant)> {
        self.state.told.iter().map(|(contact, told)| {
            let read = |bytes: &Vec<u8>| KeyPackage::decode(bytes).ok();
            let grant = match told.decision {
                Decision::Grant => {
                    Grant::Given(told.key_packages.iter().filter_map(read).collect())
                }
                Decision::Revoke => Grant::Withheld,
            };
            (contact, grant)
        })
    }

    /// A client of the user has durably taken what this one said: it is not kept here any more.
    pub fn noted(&mut self, target: &Contact) -> Step<'_, Self, ()> {
        let known = self.state.told.contains_key(target);
        let edits = known.then(|| Edit::Told(target.clone(), None));
        self.step(edits.into_iter().collect(), (), Vec::new())
    }
}

/// Both ways.
impl User {
    /// The other provider has received a letter: it answered with a 2xx, or it never will take it.
    pub fn sent(&mut self, number: u64) -> Step<'_, Self, ()> {
        let known = self.state.letters.contains_key(&number);
        let edits = known.then_some(Edit::Letter(number, None));
        self.step(edits.into_iter().collect(), (), Vec::new())
    }

    pub(super) fn consent_backlog(&self) -> impl Iterator<Item = Action> {
        let letters = self.state.letters.iter();
        let letters = letters.map(|(number, letter)| Action::Send(public(*number, letter)));
        let requests = self.state.requests.keys().cloned().map(Action::Requested);
        letters.chain(requests).chain(self.state.told.keys().cloned().map(Action::Told))
    }

    fn read_entry(
        &self,
        endpoint: ConsentEndpoint,
        peer: &Peer,
        body: &[u8],
    ) -> Result<(ConsentOperation, Contact), ConsentRefusal> {
        let entry = read(&self.limits, endpoint, peer, self.uri(), body);
        let entry = entry.map_err(|fault| self.refuse(fault))?;
        if self.is_deleted() { Err(self.refuse(ConsentFault::Deleted)) } else { Ok(entry) }
    }

    /// Puts an entry on its way to the other party's provider, unless the same is waiting there as the last one.
    fn write_letter(
        &self,
        contact: Contact,
        operation: ConsentOperation,
        edits: &mut Vec<Edit>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ConsentRefusal> {
        let to = contact.user.domain();
        let own = self.uri().clone();
        let (endpoint, requester, target) = match operation {
            ConsentOperation::Request | ConsentOperation::Cancel => {
                (ConsentEndpoint::Request, own, contact.user)
            }
            ConsentOperation::Grant(_) | ConsentOperation::Revoke => {
                (ConsentEndpoint::Update, contact.user, own)
            }
        };
        let scope = ConsentScope { requester, target, room: contact.room };
        let extensions = AppDataDictionary::default();
        let body = ConsentEntry { operation, scope, extensions }.encode();
        let letter = state::Letter { to, endpoint, body };
        let last = self.state.letters.values().rev().find(|it| it.to == letter.to);
        if last == Some(&letter) {
            return Ok(());
        }
        self.bound(self.state.letters.len(), self.limits.consents)?;
        let number = self.state.profile.next_letter;
        let profile = Profile { next_letter: number + 1, ..self.state.profile.clone() };
        actions.push(Action::Send(public(number, &letter)));
        edits.push(Edit::Letter(number, Some(letter)));
        edits.push(Edit::Profile(profile));
        Ok(())
    }

    fn bound(&self, count: usize, limit: usize) -> Result<(), ConsentRefusal> {
        if count < limit { Ok(()) } else { Err(self.refuse(ConsentFault::TooMany)) }
    }

    fn refuse(&self, fault: ConsentFault) -> ConsentRefusal {
        ConsentRefusal::new(fault, &self.policy, self.revision())
    }
}

fn public(number: u64, letter: &state::Letter) -> Letter {
    let state::Letter { to, endpoint, body } = letter.clone();
    Letter { number, to, endpoint, body }
}
