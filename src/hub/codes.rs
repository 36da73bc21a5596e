//! Joining codes: what they give, how often and for how long (protocol, section 5.6; room-policy, section 6.2; Q-35).
//!
//! A code is octets that prove that somebody who is not listed may join. There are three kinds:
//!
//! * a *join link* of the room: the component `join_links` holds it. The hub learns of it from the commit that brings
//!   it, and times it from there. The code of a link is what follows its last slash, or all of it;
//! * a code *made on request* ([`Room::make_code`]), which only the hub and whoever was given it know;
//! * a code that the hub's operator keeps *elsewhere*: [`Room::ask_group_info`] gives a [`JoinAttempt`] for it.
//!
//! Whoever asks for the GroupInfo with a code has it *bound* to its signature key: as many users as the code is
//! good for can hold it at once, each for [`Limits::joiner_for`](crate::env::Limits::joiner_for). The use is taken
//! when the external commit is accepted, in the same save, and only if it would not be accepted without.
//!
//! A link whose time is over gives nothing, and stands in the component until somebody who may take it out does: that
//! takes `canChangeOtherPolicyAttribute`, which the hub's role in the presets has not, so it falls to
//! the room's admins. An app shows them which ones by [`Room::codes`].
//!
//! A code that has come to its end is remembered for a while, so that a refusal can tell why. On the wire, whoever asks
//! for the GroupInfo hears `notAuthorized`, whatever is wrong with its code (P-188); who has held a good code hears
//! the reason.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Keys, Refusal, Room, draft::Draft, record::Record, room::Change};
use crate::{
    env::{Crypto, Env, Timestamp},
    error::Misuse,
    machine::Step,
    policy::{
        self, Denied, RoleIndex,
        components::{JoinLinkPolicy, JoinLinks},
        rules,
    },
    room::{ComponentId, RoomState},
};

/// The longest code that is kept, in octets. A link with a UUID takes a tenth of it.
pub(super) const LONGEST: usize = 1024;

/// Octets of randomness in a code made here: too many to guess.
const RANDOM: usize = 16;

/// The name of a code in records: its SHA-256. To look it up tells nothing about it by the time it takes.
pub(super) fn name(code: &[u8]) -> Vec<u8> {
    Sha256::digest(code).to_vec()
}

/// The smaller of two bounds, where none is no bound.
fn least<T: Ord>(first: Option<T>, second: Option<T>) -> Option<T> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (first, second) => first.or(second),
    }
}

/// What a new code is to be. [`Default`] is whatever the room's `join_link_policy` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeTerms {
    /// The role that it gives. None is the only one that role 0 may take with a code, if there is one only.
    pub role: Option<RoleIndex>,
    /// How many users may join with it. None is any number where the policy's links are for many users, or else one.
    pub uses: Option<u32>,
    /// The time from which it is no longer good. None is as long as the policy's links last.
    pub until: Option<Timestamp>,
}

/// Where a code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodeSource {
    /// A join link of the room.
    Link,
    /// Made on request, or kept elsewhere and admitted once.
    OnRequest,
}

/// A joining code, as its record holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoiningCode {
    /// Its octets.
    pub code: Vec<u8>,
    /// Where it comes from.
    pub source: CodeSource,
    /// The role that it gives; none is the only one that role 0 may take.
    pub role: Option<RoleIndex>,
    /// How many users may join with it; none is any number.
    pub uses: Option<u32>,
    /// How many have.
    pub used: u32,
    /// When it was made: the time that a link's commit was accepted.
    pub made: Timestamp,
    /// The time from which it is no longer good.
    pub until: Option<Timestamp>,
    /// Whether the hub has taken it back.
    pub revoked: bool,
}

/// What is wrong with a joining code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodeFault {
    /// Nobody knows it, or its link has left the room.
    #[error("the joining code is not known")]
    Unknown,
    /// Its time is over.
    #[error("the joining code has expired")]
    Expired,
    /// As many users have joined with it as may.
    #[error("the joining code is used up")]
    UsedUp,
    /// The hub has taken it back.
    #[error("the joining code has been revoked")]
    Revoked,
    /// As many users as may are about to join with it.
    #[error("the joining code is held by somebody who is about to join")]
    Bound,
    /// It gives no role that anybody may take with a code: of several it names none, or there is none.
    #[error("the joining code gives no role")]
    Role,
}

/// Why a joining code is not made or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodeRefusal {
    /// The room is no more.
    #[error("the room is no more")]
    Ended,
    /// The room has no such code.
    #[error("the room has no such code")]
    Unknown,
    /// The room has this code already.
    #[error("the room has this code already")]
    Exists,
    /// A code is 1 to 1,024 octets long.
    #[error("a code is 1 to 1024 octets long")]
    Length,
    /// Role 0 may take several roles with a code, or none, so the code has to name one.
    #[error("the code has to name a role")]
    Role,
    /// Nobody may join with a code, or not in this role.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The room keeps as many codes as it may.
    #[error("the room keeps {0} codes already")]
    TooMany(usize),
    /// The cryptography provider failed.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl JoiningCode {
    fn new(
        room: &RoomState,
        code: &[u8],
        source: CodeSource,
        terms: &CodeTerms,
        made: Timestamp,
    ) -> Self {
        let policy: Option<JoinLinkPolicy> = room.policy();
        let seconds = policy.as_ref().map(|it| it.expiration).filter(|seconds| *seconds > 0);
        let expires = seconds.map(|seconds| made.plus(u64::from(seconds) * 1_000));
        let uses = match policy {
            None => Some(terms.uses.unwrap_or(1)),
            Some(policy) => least(terms.uses, (!policy.multiuser).then_some(1)),
        };
        Self {
            code: code.to_vec(),
            source,
            role: terms.role,
            uses,
            used: 0,
            made,
            until: least(terms.until, expires),
            revoked: false,
        }
    }

    /// What is wrong with it at a time, whoever uses it; the room aside.
    #[must_use]
    pub fn fault(&self, now: Timestamp) -> Option<CodeFault> {
        if self.revoked {
            Some(CodeFault::Revoked)
        } else if self.until.is_some_and(|until| until <= now) {
            Some(CodeFault::Expired)
        } else if self.uses.is_some_and(|uses| uses <= self.used) {
            Some(CodeFault::UsedUp)
        } else {
            None
        }
    }

    /// The time at which it is forgotten: a while after its end.
    fn forgotten(&self, ended: Option<Timestamp>, remembered: u64) -> Timestamp {
        let expires = self.until.map_or(NEVER, |until| until.plus(remembered));
        ended.map_or(expires, |ended| expires.min(ended.plus(remembered)))
    }
}

/// The time of what is not forgotten by itself.
const NEVER: Timestamp = Timestamp(u64::MAX);

/// Nobody is to be woken for what is never over.
pub(super) fn wakes(at: Timestamp) -> Option<Timestamp> {
    (at != NEVER).then_some(at)
}

impl Room {
    /// Makes a joining code, and keeps it. The reply is the code, in hexadecimal: put it at the end of a link.
    ///
    /// Who may ask for one is the hub's own to decide: `canCreateJoinCode` is reserved in the registry and has no meaning
    /// . The terms are cut down to what the room's `join_link_policy` allows.
    ///
    /// # Errors
    /// If nobody could join with it, or the room keeps too many.
    pub fn make_code<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        terms: &CodeTerms,
    ) -> Result<Step<'_, Self, Vec<u8>>, Refusal<CodeRefusal>> {
        let random: [u8; RANDOM] = env.crypto.random_array().map_err(|_| {
            self.refuse(CodeRefusal::Misuse(Misuse::Crypto("there is no randomness")))
        })?;
        let code: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
        self.keep_code(env, code.as_bytes(), terms)
    }

    /// Keeps a joining code that was made elsewhere. For the code of a join link of the room this sets its terms anew,
    /// its role above all, which no link can name; its uses stay counted.
    ///
    /// # Errors
    /// If nobody could join with it, the room has it already, or keeps too many.
    pub fn keep_code<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        code: &[u8],
        terms: &CodeTerms,
    ) -> Result<Step<'_, Self, Vec<u8>>, Refusal<CodeRefusal>> {
        let mut draft = Draft::new(&self.head);
        match self.draft_code(env.now, code, terms, &mut draft) {
            Ok(_) => Ok(self.step(draft, Change::None, code.to_vec())),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    pub(super) fn draft_code(
        &self,
        now: Timestamp,
        code: &[u8],
        terms: &CodeTerms,
        draft: &mut Draft,
    ) -> Result<JoiningCode, CodeRefusal> {
        if self.tombstone().is_some() {
            return Err(CodeRefusal::Ended);
        }
        if code.is_empty() || code.len() > LONGEST {
            return Err(CodeRefusal::Length);
        }
        let room = self.effective();
        let role = terms.role.or_else(|| rules::join_code_role(room.roles()));
        rules::use_join_code(room.roles(), role.ok_or(CodeRefusal::Role)?)?;
        let kept = match self.codes.find(&name(code), now) {
            None => JoiningCode::new(room, code, CodeSource::OnRequest, terms, now),
            Some(link) if link.source == CodeSource::Link && !link.revoked => JoiningCode {
                used: link.used,
                ..JoiningCode::new(room, code, CodeSource::Link, terms, link.made)
            },
            Some(_) => return Err(CodeRefusal::Exists),
        };
        self.make_room_for_codes(now, 1, draft).map_err(CodeRefusal::TooMany)?;
        draft.put_code(self, kept.clone(), None);
        Ok(kept)
    }

    /// Takes a joining code back. It is no longer good, for those to whom it is bound either. A join link stays in the
    /// room's component, where a commit may take it out.
    ///
    /// # Errors
    /// If the room has no such code.
    pub fn revoke_code<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        code: &[u8],
    ) -> Result<Step<'_, Self, ()>, Refusal<CodeRefusal>> {
        let name = name(code);
        let Some(kept) = self.codes.find(&name, env.now) else {
            return Err(self.refuse(CodeRefusal::Unknown));
        };
        if kept.revoked {
            return Ok(self.unchanged(()));
        }
        let revoked = JoiningCode { revoked: true, ..kept.clone() };
        let mut draft = Draft::new(&self.head);
        draft.put_code(self, revoked, Some(env.now));
        Ok(self.step(draft, Change::None, ()))
    }

    /// All joining codes of the room that are remembered, those that are no longer good among them: see
    /// [`JoiningCode::fault`].
    pub fn codes(&self) -> impl Iterator<Item = &JoiningCode> {
        self.codes.iter().map(|(_, code)| code)
    }

    /// Makes room for new codes by forgetting those that have come to their end, least lasting first.
    ///
    /// # Errors
    /// The limit, if there are too many good ones.
    pub(super) fn make_room_for_codes(
        &self,
        now: Timestamp,
        new: usize,
        draft: &mut Draft,
    ) -> Result<(), usize> {
        let limit = self.limits.codes;
        let excess = (self.codes.len() + new).saturating_sub(limit);
        let ended = self.codes.iter().filter(|(_, code)| code.fault(now).is_some());
        let gone: Vec<&Vec<u8>> = ended.map(|(name, _)| name).take(excess).collect();
        if gone.len() < excess {
            return Err(limit);
        }
        gone.into_iter().for_each(|name| draft.forget_code(name.clone()));
        Ok(())
    }
}

/// The join links of a room.
pub(super) fn links(room: &RoomState) -> Vec<Vec<u8>> {
    room.policy::<JoinLinks>().unwrap_or_default().0
}

/// The codes of the links that a room starts with, for its records.
pub(super) fn of_links(
    room: &RoomState,
    now: Timestamp,
    limit: usize,
    remembered: u64,
) -> Vec<Record> {
    let codes: BTreeSet<Vec<u8>> =
        links(room).iter().map(|link| JoinLinks::code_of(link).to_vec()).collect();
    let codes = codes.into_iter().filter(|code| !code.is_empty() && code.len() <= LONGEST);
    codes
        .take(limit)
        .map(|code| {
            let terms = CodeTerms::default();
            let kept = JoiningCode::new(room, &code, CodeSource::Link, &terms, now);
            let until = kept.forgotten(None, remembered);
            Record::Code(name(&code), kept, until)
        })
        .collect()
}

impl Draft {
    /// Keeps a code as it is now; `ended` if that is its end.
    pub(super) fn put_code(&mut self, room: &Room, code: JoiningCode, ended: Option<Timestamp>) {
        let until = code.forgotten(ended, room.limits.codes_remembered);
        self.put(Record::Code(name(&code.code), code, until));
    }

    /// Takes one use of a code.
    pub(super) fn use_code(&mut self, room: &Room, name: &[u8], now: Timestamp) {
        let Some(code) = room.codes.find(name, now) else { return };
        let mut code = code.clone();
        code.used = code.used.saturating_add(1);
        let ended = code.fault(now).map(|_| now);
        self.put_code(room, code, ended);
    }

    /// Follows a commit that changes the room's join links: codes come with them and go with them.
    ///
    /// Links that are more than the room may keep codes for give nobody a role; the commit is good all the same.
    pub(super) fn follow_links(&mut self, room: &Room, verdict: &policy::Verdict, now: Timestamp) {
        let changed = verdict.components(&room.committed);
        if !changed.iter().any(|(id, _)| *id == ComponentId::JOIN_LINKS) {
            return;
        }
        let mut next = room.committed.clone();
        verdict.clone().apply(&mut next);
        let before: BTreeSet<Vec<u8>> =
            links(&room.committed).iter().map(|link| JoinLinks::code_of(link).to_vec()).collect();
        let coming = of_links(&next, now, usize::MAX, room.limits.codes_remembered);
        let mut after = BTreeSet::new();
        for record in coming {
            if let Record::Code(name, code, _) = &record {
                after.insert(code.code.clone());
                let known = before.contains(&code.code)
                    || room
                        .codes
                        .find(name, now)
                        .is_some_and(|it| it.source == CodeSource::OnRequest);
                if !known && room.make_room_for_codes(now, self.codes_put() + 1, self).is_ok() {
                    self.put(record);
                }
            }
        }
        for code in before.difference(&after) {
            let name = name(code);
            if room.codes.find(&name, now).is_some_and(|it| it.source == CodeSource::Link) {
                self.forget_code(name);
            }
        }
    }
}
