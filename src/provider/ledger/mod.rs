//! Consent between users of different providers (draft-06, sections 5.7 and 8).

mod requester;
mod target;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Action, Policy, Unfit, User,
    consent::Contact,
    state::{self, Edit, Profile},
};
use crate::{
    codec::Wire,
    env::{Limits, Peer},
    error::{DecodeError, Fault},
    machine::{Revision, Step},
    uri::{Domain, UserUri},
    wire::{AppDataDictionary, ConsentEntry, ConsentOperation, ConsentScope, KeyPackage},
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
