//! One question about a policy, and its answer, without a room: may somebody in one role do this to somebody in
//! another?
//!
//! A question is a line, a stable interface for tools and tests:
//!
//! ```text
//! ACTOR_ROLE ACTION FROM TO [ROLE=PARTICIPANTS/ACTIVE …]
//! ```
//!
//! FROM is the present role of the *other* user concerned (0: not on the list), TO the role afterwards. Both are
//! indices, or `-` where the action has none:
//!
//! | actions | FROM | TO |
//! | --- | --- | --- |
//! | `add` | 0 | role given |
//! | `remove` | target's role | 0 |
//! | `kick` | target's role | `-` |
//! | `ban` | target's role, or 0 for a user who is not on the list | 1 |
//! | `unban` | 1 | role given |
//! | `set-role` | target's role | role given |
//! | `leave` | `-` or ACTOR_ROLE | 0 |
//! | `set-own-role` | `-` or ACTOR_ROLE | role given |
//! | `remove-own-client` | `-` or ACTOR_ROLE | `-` |
//! | `open-join`, `join-code`, `preauth-join` | `-` | role given |
//! | `add-own-client`, `set-name`, `set-description`, `set-avatar`, `set-subject`, `set-mood`, `set-base-policy`, `set-roles`, `set-preauth`, `set-operational-policy`, `set-other-policy`, `destroy`, `reinit`, `send`, `receive` | `-` | `-` |
//!
//! The answer is a line too: `allow`, `deny REASON`, or `error REASON` if the line is no question: an unknown action, a
//! missing field, a field that the action does not use and that is not `-`, an ACTOR_ROLE or FROM that no role has. A
//! TO that no role has is a question, and denied. REASON of a denial starts with one word, which is stable too:
//! [`Reason::code`].
//!
//! # The room behind it
//!
//! One participant in every role but 0 and 1, and a second one, the target, in role FROM if FROM is an index other than
//! 0. The actor is the first one of its role, so never the target; an actor in role 1 is on the list, an actor in role 0
//! is not. Everybody has exactly one client where their role's max active is not 0, and none otherwise. In an action on
//! oneself FROM = `-` means that nobody else holds the actor's role, FROM = ACTOR_ROLE that one other participant does.
//! `ROLE=PARTICIPANTS/ACTIVE` sets a role's counts before the action, the actor and the target among them. Nothing is
//! pending; membership is not fixed, the room depends on no other, users have many devices, and there are no limits.
//!
//! Joining and adding bring one client; `remove`, `leave`, `ban`, `kick` and `remove-own-client` take all of them away;
//! role changes and `unban` leave them as they are. `set-own-role` and `preauth-join` grant that exactly one entry of
//! preauthorisation matches the actor, for TO; `join-code` that the actor holds a valid code for TO. `reinit` asks for
//! the authority alone: this crate replaces a room instead.

use std::{collections::BTreeMap, str::FromStr};

use super::{Capability, Denied, Reason, Role, RoleIndex, Roles, limits::role_bounds, rules};
use crate::room::Tally;

/// Declares the actions once: variant, word, and the shape of FROM and TO.
macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $word:literal, $from:ident, $to:ident;)*) => {
        /// What somebody may want to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Deed {
            $($(#[$doc])* $action,)*
        }

        impl Deed {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$action),*];

            /// Its word in a question.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$action => $word,)*
                }
            }

            /// Whom it is done to.
            #[must_use]
            pub const fn from(self) -> From {
                match self {
                    $(Self::$action => From::$from,)*
                }
            }

            /// Whether it gives somebody a role.
            #[must_use]
            pub const fn to(self) -> To {
                match self {
                    $(Self::$action => To::$to,)*
                }
            }
        }
    };
}

/// What FROM is in a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The role of the other user.
    Target,
    /// `-`, or the actor's own role.
    Oneself,
    /// `-`.
    Nothing,
}

/// What TO is in a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The role that somebody gets.
    Role,
    /// `-`.
    Nothing,
}

actions! {
    /// Put another user on the list, with a client.
    Add = "add", Target, Role;
    /// Take another user off the list.
    Remove = "remove", Target, Role;
    /// Take another user's clients away.
    Kick = "kick", Target, Nothing;
    /// Ban another user.
    Ban = "ban", Target, Role;
    /// Lift a ban.
    Unban = "unban", Target, Role;
    /// Change another user's role.
    SetRole = "set-role", Target, Role;
    /// Leave.
    Leave = "leave", Oneself, Role;
    /// Take a role that a credential gives.
    SetOwnRole = "set-own-role", Oneself, Role;
    /// Take one's own clients away.
    RemoveOwnClient = "remove-own-client", Oneself, Nothing;
    /// Bring one more client of one's own.
    AddOwnClient = "add-own-client", Nothing, Nothing;
    /// Join an open room.
    OpenJoin = "open-join", Nothing, Role;
    /// Join with a code.
    JoinCode = "join-code", Nothing, Role;
    /// Join by a credential.
    PreauthJoin = "preauth-join", Nothing, Role;
    /// Change the room's name.
    SetName = "set-name", Nothing, Nothing;
    /// Change the room's descriptions.
    SetDescription = "set-description", Nothing, Nothing;
    /// Change the room's avatar.
    SetAvatar = "set-avatar", Nothing, Nothing;
    /// Change the room's subject.
    SetSubject = "set-subject", Nothing, Nothing;
    /// Change the room's mood.
    SetMood = "set-mood", Nothing, Nothing;
    /// Change a field of the base policy.
    SetBasePolicy = "set-base-policy", Nothing, Nothing;
    /// Change what roles may do.
    SetRoles = "set-roles", Nothing, Nothing;
    /// Change who is preauthorised.
    SetPreauth = "set-preauth", Nothing, Nothing;
    /// Change the parameters of MLS.
    SetOperationalPolicy = "set-operational-policy", Nothing, Nothing;
    /// Change another policy component.
    SetOtherPolicy = "set-other-policy", Nothing, Nothing;
    /// Destroy the room.
    Destroy = "destroy", Nothing, Nothing;
    /// Start the group afresh.
    Reinit = "reinit", Nothing, Nothing;
    /// Send a message.
    Send = "send", Nothing, Nothing;
    /// Receive messages.
    Receive = "receive", Nothing, Nothing;
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The role of whoever acts.
    pub actor: RoleIndex,
    /// What it does.
    pub deed: Deed,
    /// FROM; none is `-`.
    pub from: Option<RoleIndex>,
    /// TO; none is `-`.
    pub to: Option<RoleIndex>,
    /// Counts of roles before the action: participants, and the active ones among them.
    pub counts: BTreeMap<RoleIndex, (u32, u32)>,
}

/// Why a line is no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoQuestion {
    /// A field is not there, or `-` where the action needs it.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// There is no such action.
    #[error("unknown action {0:?}")]
    Action(String),
    /// The action does not use this field, and it is not `-`.
    #[error("{0} has no use here and must be -")]
    Unused(&'static str),
    /// Not a role index.
    #[error("{0} is not a role index: {1:?}")]
    Number(&'static str, String),
    /// Not `ROLE=PARTICIPANTS/ACTIVE`.
    #[error("counts are ROLE=PARTICIPANTS/ACTIVE, not {0:?}")]
    Counts(String),
    /// Two counts for one role.
    #[error("two counts for role {0}")]
    Twice(RoleIndex),
    /// No role has this index.
    #[error("{0}: there is no role {1}")]
    NoRole(&'static str, RoleIndex),
}

fn index(what: &'static str, word: &str) -> Result<Option<RoleIndex>, NoQuestion> {
    match word {
        "-" => Ok(None),
        _ if !word.bytes().all(|octet| octet.is_ascii_digit()) => {
            Err(NoQuestion::Number(what, word.to_owned()))
        }
        _ => match word.parse() {
            Ok(number) => Ok(Some(RoleIndex(number))),
            Err(_) => Err(NoQuestion::Number(what, word.to_owned())),
        },
    }
}

impl FromStr for Question {
    type Err = NoQuestion;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut words = line.split_ascii_whitespace();
        let mut next = |what| words.next().ok_or(NoQuestion::Missing(what));
        let actor = next("ACTOR_ROLE")?;
        let actor = index("ACTOR_ROLE", actor)?.ok_or(NoQuestion::Missing("ACTOR_ROLE"))?;
        let word = next("ACTION")?;
        let deed = Deed::ALL
            .iter()
            .copied()
            .find(|deed| deed.word() == word)
            .ok_or_else(|| NoQuestion::Action(word.to_owned()))?;
        let (from, to) = (index("FROM", next("FROM")?)?, index("TO", next("TO")?)?);
        match (deed.from(), from) {
            (From::Target, None) => return Err(NoQuestion::Missing("FROM")),
            (From::Nothing, Some(_)) => return Err(NoQuestion::Unused("FROM")),
            (From::Target | From::Oneself, _) | (From::Nothing, None) => {}
        }
        match (deed.to(), to) {
            (To::Role, None) => return Err(NoQuestion::Missing("TO")),
            (To::Nothing, Some(_)) => return Err(NoQuestion::Unused("TO")),
            (To::Role, Some(_)) | (To::Nothing, None) => {}
        }
        let mut counts = BTreeMap::new();
        for word in words {
            let (role, numbers) = count(word)?;
            if counts.insert(role, numbers).is_some() {
                return Err(NoQuestion::Twice(role));
            }
        }
        Ok(Self { actor, deed, from, to, counts })
    }
}

fn count(word: &str) -> Result<(RoleIndex, (u32, u32)), NoQuestion> {
    let parsed = word.split_once('=').and_then(|(role, counts)| {
        let (participants, active) = counts.split_once('/')?;
        let number = |word: &str| {
            word.bytes().all(|octet| octet.is_ascii_digit()).then(|| word.parse().ok()).flatten()
        };
        Some((RoleIndex(number(role)?), (number(participants)?, number(active)?)))
    });
    parsed
        .filter(|&(_, (participants, active))| active <= participants)
        .ok_or_else(|| NoQuestion::Counts(word.to_owned()))
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may be.
    Allow,
    /// It may not be.
    Deny(Denied),
    /// The line is no question.
    Error(NoQuestion),
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Deny(denied) => write!(f, "deny {} {denied}", denied.reason.code()),
            Self::Error(error) => write!(f, "error {error}"),
        }
    }
}

/// Answers a line.
#[must_use]
pub fn answer(roles: &Roles, line: &str) -> Answer {
    let judged = line.parse::<Question>().and_then(|question| question.ask(roles));
    match judged {
        Ok(Ok(())) => Answer::Allow,
        Ok(Err(denied)) => Answer::Deny(denied),
        Err(error) => Answer::Error(error),
    }
}

/// What an action does to the numbers.
#[derive(Default)]
struct Effect(BTreeMap<RoleIndex, Tally>);

impl Effect {
    /// Somebody goes from one role to another, with a client before and after or without.
    fn moves(&mut self, from: RoleIndex, was_active: bool, to: RoleIndex, is_active: bool) {
        for (role, step, active) in [(from, -1, was_active), (to, 1, is_active)] {
            if role != RoleIndex::NONE {
                let tally = self.0.entry(role).or_default();
                tally.holders += step;
                tally.active += if active { step } else { 0 };
            }
        }
    }
}

impl Question {
    /// Answers a question: `Ok(Err(_))` is a denial.
    ///
    /// # Errors
    /// If the question names a role that there is not, as the role of somebody who is there.
    pub fn ask(&self, roles: &Roles) -> Result<Result<(), Denied>, NoQuestion> {
        let there = |what, index| match roles.get(index) {
            None if index != RoleIndex::NONE => Err(NoQuestion::NoRole(what, index)),
            Some(_) | None => Ok(()),
        };
        there("ACTOR_ROLE", self.actor)?;
        there("FROM", self.from.unwrap_or(RoleIndex::NONE))?;
        self.counts.keys().try_for_each(|&role| there("ROLE", role))?;
        Ok(self.decide(roles))
    }

    fn decide(&self, roles: &Roles) -> Result<(), Denied> {
        let deny = |rule, reason| Err(Denied::new(rule, reason));
        let to = self.to.unwrap_or(RoleIndex::NONE);
        let from = self.from.unwrap_or(RoleIndex::NONE);
        let joins = matches!(self.deed, Deed::OpenJoin | Deed::JoinCode | Deed::PreauthJoin);
        if joins && self.actor != RoleIndex::NONE {
            return deny("R-020", Reason::Listed);
        }
        if !joins && (roles.is_outside(self.actor)) {
            return deny("P-106", Reason::Outsider);
        }
        if self.deed.from() == From::Oneself && self.from.is_some_and(|from| from != self.actor) {
            return deny("R-132", Reason::Others);
        }
        if matches!(self.deed, Deed::Remove | Deed::Leave) && to != RoleIndex::NONE
            || self.deed == Deed::Ban && to != RoleIndex::BANNED
        {
            return deny("Q-43", Reason::NoRole(to));
        }
        let actor = self.actor;
        let active = |role| roles.get(role).is_some_and(Role::may_be_active);
        let (own, target) = (active(actor), active(from));
        let mut effect = Effect::default();
        let can = |capability, rule| rules::can(roles, actor, capability, rule).map(|_| ());
        match self.deed {
            Deed::Add => {
                if from != RoleIndex::NONE {
                    return deny("R-122", Reason::Listed);
                }
                rules::add(roles, actor, to)?;
                effect.moves(from, false, to, true);
            }
            Deed::Remove | Deed::Kick | Deed::SetRole if from == RoleIndex::NONE => {
                return deny("R-128", Reason::NotListed);
            }
            Deed::Remove => {
                rules::remove(roles, actor, from)?;
                effect.moves(from, target, to, false);
            }
            Deed::Kick => {
                rules::kick(roles, actor)?;
                if !target {
                    return deny("R-131", Reason::Inactive);
                }
                effect.moves(from, true, from, false);
            }
            Deed::Ban => {
                match from {
                    RoleIndex::NONE => rules::ban(roles, actor, from)?,
                    _ if roles.banned().is_none() => return deny("R-134", Reason::NotBanned),
                    _ => rules::move_other(roles, actor, from, to, target)?,
                }
                effect.moves(from, target, to, false);
            }
            Deed::Unban => {
                if !roles.is_banned(from) {
                    return deny("R-135", Reason::NotBanned);
                }
                rules::move_other(roles, actor, from, to, target)?;
                effect.moves(from, target, to, target);
            }
            Deed::SetRole => {
                rules::move_other(roles, actor, from, to, false)?;
                effect.moves(from, target, to, target);
            }
            Deed::Leave => {
                rules::leave(roles, actor)?;
                effect.moves(actor, own, to, false);
            }
            Deed::SetOwnRole => {
                if roles.is_banned(to) {
                    return deny("R-134", Reason::Oneself);
                }
                rules::change_own_role(roles, actor, Some(to), to)?;
                effect.moves(actor, own, to, own);
            }
            Deed::RemoveOwnClient => {
                rules::remove_own_client(roles, actor)?;
                if !own {
                    return deny("R-129", Reason::Inactive);
                }
                effect.moves(actor, own, actor, false);
            }
            Deed::AddOwnClient => {
                rules::add_own_client(roles, actor)?;
                effect.moves(actor, own, actor, true);
            }
            Deed::OpenJoin => {
                rules::open_join(roles, to)?;
                effect.moves(from, false, to, true);
            }
            Deed::JoinCode => {
                rules::use_join_code(roles, to)?;
                effect.moves(from, false, to, true);
            }
            Deed::PreauthJoin => {
                rules::join_preauthorized(roles, Some(to), to)?;
                effect.moves(from, false, to, true);
            }
            Deed::SetName => can(Capability::CHANGE_ROOM_NAME, "R-211")?,
            Deed::SetDescription => can(Capability::CHANGE_ROOM_DESCRIPTION, "R-211")?,
            Deed::SetAvatar => can(Capability::CHANGE_ROOM_AVATAR, "R-211")?,
            Deed::SetSubject => can(Capability::CHANGE_ROOM_SUBJECT, "R-211")?,
            Deed::SetMood => can(Capability::CHANGE_ROOM_MOOD, "R-211")?,
            Deed::SetBasePolicy => can(Capability::CHANGE_ROOM_MEMBERSHIP_STYLE, "R-206")?,
            Deed::SetRoles => can(Capability::CHANGE_ROLE_DEFINITIONS, "R-207")?,
            Deed::SetPreauth => can(Capability::CHANGE_PREAUTHORIZED_USER_LIST, "R-208")?,
            Deed::SetOperationalPolicy => {
                can(Capability::CHANGE_MLS_OPERATIONAL_POLICIES, "R-142")?;
            }
            Deed::SetOtherPolicy => can(Capability::CHANGE_OTHER_POLICY_ATTRIBUTE, "R-147")?,
            Deed::Destroy => can(Capability::DESTROY_ROOM, "R-209")?,
            Deed::Reinit => can(Capability::SEND_MLS_REINIT_PROPOSAL, "R-210")?,
            Deed::Send | Deed::Receive => {
                let (capability, rule) = if self.deed == Deed::Send {
                    (Capability::SEND_MESSAGE, "R-180")
                } else {
                    (Capability::RECEIVE_MESSAGE, "R-181")
                };
                can(capability, rule)?;
                if !own {
                    return deny(rule, Reason::Inactive);
                }
            }
        }
        self.bounds(roles, &effect)
    }

    /// Whether the numbers stay within the constraints of the roles.
    fn bounds(&self, roles: &Roles, effect: &Effect) -> Result<(), Denied> {
        for (&index, &step) in &effect.0 {
            let Some(role) = roles.get(index) else { continue };
            let before = self.before(role);
            let after = Tally {
                holders: before.holders + step.holders,
                active: before.active + step.active,
            };
            role_bounds(role, step, after)?;
            if step.active > 0 && roles.is_banned(index) {
                return Err(Denied::new("R-134", Reason::Inactive));
            }
        }
        Ok(())
    }

    /// How many hold a role before the action, and how many of them are active.
    fn before(&self, role: &Role) -> Tally {
        if let Some(&(holders, active)) = self.counts.get(&role.index) {
            return Tally { holders: holders.into(), active: active.into() };
        }
        let first = role.index > RoleIndex::BANNED || role.index == self.actor;
        let holders = i64::from(first) + i64::from(self.from == Some(role.index));
        Tally { holders, active: if role.may_be_active() { holders } else { 0 } }
    }
}
