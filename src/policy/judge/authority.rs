//! Whether the proposer of each proposal has the authority for it.

use super::{Action, Denied, JoinCode, Proposed, Proposer, Reason, lapse};
use crate::{
    policy::{Capability, Claims, RoleIndex, rules},
    room::{ComponentId, Draft, Move, RoomMetadata},
    uri::UserUri,
};

/// Some proposals that were made together, and the room before and after them.
pub(super) struct Court<'s, 'a> {
    /// The room by which authority is judged.
    pub(super) before: &'s Draft<'a>,
    /// The room with the whole set in it.
    pub(super) after: &'s Draft<'a>,
    /// The bundle, or what a commit holds by value.
    pub(super) set: &'s [Proposed<'s>],
    /// What is known of the joining code of an external commit.
    pub(super) code: JoinCode,
}

/// Yes, and whether a claim had to be believed.
type Judged = Result<bool, Denied>;

/// Yes, and everything could be checked.
const SURE: Judged = Ok(false);

fn sure(judged: Result<(), Denied>) -> Judged {
    judged.map(|()| false)
}

fn deny(rule: &'static str, reason: Reason) -> Judged {
    Err(Denied::new(rule, reason))
}

impl Court<'_, '_> {
    /// Judges one proposal.
    pub(super) fn judge(&self, proposed: &Proposed<'_>) -> Judged {
        match proposed.what {
            Action::AddClient { user, pseudonym } => {
                self.real_name(pseudonym)?;
                self.add_client(proposed, user)
            }
            Action::RemoveClient { user } => self.remove_client(proposed, user),
            Action::SelfRemove => match proposed.by {
                Proposer::User(user) => self.remove_client(proposed, user),
                Proposer::Server(_) | Proposer::Joiner(_) => deny("E-070", Reason::Never),
            },
            Action::UpdateLeaf { user, pseudonym } => {
                self.real_name(pseudonym)?;
                if proposed.by != Proposer::User(user) {
                    return deny("D-54", Reason::Never);
                }
                self.actor(proposed).map(|(_, unsure)| unsure)
            }
            Action::Component { id: ComponentId::PARTICIPANT_LIST, .. } => self.list(proposed),
            Action::Component { id, .. } => self.component(proposed, id),
            Action::Ephemeral { id } => {
                if id != ComponentId::APP_ACK {
                    return deny("E-040", Reason::Never);
                }
                self.actor(proposed).map(|(_, unsure)| unsure)
            }
            Action::ExternalSenders { added, removed } => {
                super::senders::judge(self.before, proposed.by, added, removed)
            }
            Action::ReInit => deny("P-119", Reason::ReInit),
            Action::Extensions => deny("E-025", Reason::Never),
            Action::Unsupported => deny("P-119", Reason::Never),
        }
    }

    /// The role that a proposer acts in. Those without one, and the banned, propose nothing but to go (P-106).
    fn actor(&self, proposed: &Proposed<'_>) -> Result<(RoleIndex, bool), Denied> {
        let roles = self.before.room().roles();
        let (role, unsure) = match proposed.by {
            Proposer::User(user) => (self.before.role(user.as_str()), false),
            Proposer::Joiner(_) => (RoleIndex::NONE, false),
            Proposer::Server(server) => match self.before.role(server.as_str()) {
                RoleIndex::NONE => match self.granted(server.as_str(), proposed.claims) {
                    (Some(role), unsure) => (role, unsure),
                    (None, _) => (RoleIndex::NONE, false),
                },
                role => (role, false),
            },
        };
        if roles.is_outside(role) {
            return Err(Denied::new("P-106", Reason::Outsider));
        }
        Ok((role, unsure))
    }

    /// The role that the first matching claims give, and whether they could not be checked.
    fn granted(&self, uri: &str, claims: Claims<'_>) -> (Option<RoleIndex>, bool) {
        let room = self.before.room();
        let Claims::Known(claims) = claims else { return (None, true) };
        (room.preauth().role(uri, claims, |role| room.roles().get(role).is_some()), false)
    }

    fn real_name(&self, pseudonym: bool) -> Result<(), Denied> {
        if pseudonym && !self.after.base().pseudonyms_allowed {
            return Err(Denied::new("R-041", Reason::Pseudonym));
        }
        Ok(())
    }

    fn add_client(&self, proposed: &Proposed<'_>, user: &UserUri) -> Judged {
        let roles = self.before.room().roles();
        let role = self.before.role(user.as_str());
        match proposed.by {
            // Who joins by its own entry in this very commit needs nothing more for its first client.
            Proposer::Joiner(joiner) if joiner == user && role == RoleIndex::NONE => {
                match self.after.role(user.as_str()) {
                    RoleIndex::NONE => deny("P-004", Reason::Stranger(user.clone())),
                    _ => SURE,
                }
            }
            Proposer::Joiner(joiner) if joiner == user => sure(rules::add_own_client(roles, role)),
            Proposer::Joiner(_) => deny("R-123", Reason::Others),
            Proposer::User(own) if own == user => {
                let (role, _) = self.actor(proposed)?;
                sure(rules::add_own_client(roles, role))
            }
            Proposer::User(_) | Proposer::Server(_) => {
                let (actor, unsure) = self.actor(proposed)?;
                match self.after.role(user.as_str()) {
                    RoleIndex::NONE => deny("P-102", Reason::Stranger(user.clone())),
                    role => rules::add_client(roles, actor, role).map(|()| unsure),
                }
            }
        }
    }

    fn remove_client(&self, proposed: &Proposed<'_>, user: &UserUri) -> Judged {
        let room = self.before.room();
        let role = self.before.role(user.as_str());
        let own = proposed.by == Proposer::User(user);
        // Whoever is removed or banned already may always take its clients with it (P-106).
        if own && room.roles().is_outside(role) {
            return SURE;
        }
        let (actor, unsure) = self.actor(proposed)?;
        // Part of a removal, leave or ban by the same proposer, as one action.
        let moved = self.moved_by(proposed.by, user);
        if moved.is_some_and(|to| room.roles().is_outside(to)) {
            return Ok(unsure);
        }
        if own {
            let stays = rules::remove_own_client(room.roles(), actor);
            // Where membership is fixed, leaving is to take all one's clients away.
            let leaves = room.base_policy().fixed_membership
                && room.roles().can(actor, Capability::REMOVE_SELF);
            return if leaves { SURE } else { sure(stays) };
        }
        rules::kick(room.roles(), actor).map(|()| unsure)
    }

    /// The role that a change of the list by the same proposer, in the same set, gives a user.
    fn moved_by(&self, by: Proposer<'_>, user: &UserUri) -> Option<RoleIndex> {
        self.set
            .iter()
            .filter(|other| other.by == by)
            .flat_map(|other| lapse::moves(self.before, &other.what))
            .find(|it| it.who.user() == Some(user))
            .map(|it| it.to)
    }

    fn list(&self, proposed: &Proposed<'_>) -> Judged {
        let mut unverified = false;
        for it in lapse::moves(self.before, &proposed.what) {
            unverified |= self.one_move(proposed, &it)?;
        }
        Ok(unverified)
    }

    /// Each change of the list is authorised by itself (P-287).
    fn one_move(&self, proposed: &Proposed<'_>, it: &Move) -> Judged {
        self.fixed(proposed, it)?;
        let roles = self.before.room().roles();
        let (own, joiner) = match proposed.by {
            Proposer::User(user) => (it.who.user() == Some(user), false),
            Proposer::Joiner(user) => (it.who.user() == Some(user), true),
            Proposer::Server(server) => (it.who.as_str() == server.as_str(), false),
        };
        if joiner {
            return if own {
                self.join(proposed, it)
            } else {
                deny("P-118", Reason::ExternalCommit)
            };
        }
        let (actor, unsure) = self.actor(proposed)?;
        let judged = match (it.from, it.to) {
            (RoleIndex::NONE, _) if own => deny("R-122", Reason::Oneself),
            (RoleIndex::NONE, to) => sure(rules::add_or_ban(roles, actor, to)),
            (_, RoleIndex::NONE) if own => sure(rules::leave(roles, actor)),
            (from, RoleIndex::NONE) => sure(rules::remove(roles, actor, from)),
            (_, to) if own => self.own_role(proposed, actor, to),
            (from, to) => {
                let active = it.who.user().is_some_and(|user| self.before.clients(user) > 0);
                sure(rules::move_other(roles, actor, from, to, active))
            }
        };
        judged.map(|doubt| doubt || unsure)
    }

    fn own_role(&self, proposed: &Proposed<'_>, actor: RoleIndex, to: RoleIndex) -> Judged {
        let roles = self.before.room().roles();
        if roles.is_banned(to) {
            return deny("R-134", Reason::Oneself);
        }
        let uri = match proposed.by {
            Proposer::User(user) | Proposer::Joiner(user) => user.as_str(),
            Proposer::Server(server) => server.as_str(),
        };
        let (granted, unknown) = self.granted(uri, proposed.claims);
        let granted = if unknown { self.believed(to) } else { granted };
        rules::change_own_role(roles, actor, granted, to).map(|()| unknown)
    }

    /// A role that some claims give, when it cannot be checked whose they are.
    fn believed(&self, to: RoleIndex) -> Option<RoleIndex> {
        let entries = &self.before.room().preauth().entries;
        entries.iter().any(|entry| entry.target.index == to).then_some(to)
    }

    /// Somebody puts itself on the list, or changes its role as it comes back.
    fn join(&self, proposed: &Proposed<'_>, it: &Move) -> Judged {
        let roles = self.before.room().roles();
        if it.from != RoleIndex::NONE {
            return match it.to {
                RoleIndex::NONE => deny("P-118", Reason::ExternalCommit),
                to => self.own_role(proposed, it.from, to),
            };
        }
        let open = rules::open_join(roles, it.to);
        if open.is_ok() {
            return SURE;
        }
        let code = match self.code {
            JoinCode::None => open,
            JoinCode::Unseen => rules::use_join_code(roles, it.to),
            JoinCode::Gives(role) if role == it.to => rules::use_join_code(roles, it.to),
            JoinCode::Gives(_) => Err(Denied::new("R-127", Reason::JoinCode)),
        };
        let Err(denied) = code else { return SURE };
        let (granted, unknown) = self.granted(it.who.as_str(), proposed.claims);
        let granted = if unknown { self.believed(it.to) } else { granted };
        match rules::join_preauthorized(roles, granted, it.to) {
            Ok(()) => Ok(unknown),
            // Nothing was preauthorised: the denial of the other ways tells more.
            Err(_) if granted.is_none() => Err(denied),
            Err(other) => Err(other),
        }
    }

    /// Where membership is fixed, roles change among participants, and the hub may ban.
    fn fixed(&self, proposed: &Proposed<'_>, it: &Move) -> Result<(), Denied> {
        if !self.before.room().base_policy().fixed_membership {
            return Ok(());
        }
        let stays = it.from != RoleIndex::NONE && it.to != RoleIndex::NONE;
        let ban = self.before.room().roles().is_banned(it.to);
        if stays && (!ban || matches!(proposed.by, Proposer::Server(_))) {
            return Ok(());
        }
        let rule = if it.to == RoleIndex::NONE { "R-032" } else { "R-030" };
        Err(Denied::new(rule, Reason::FixedMembership))
    }

    /// Every component has the capability that its changes need.
    fn component(&self, proposed: &Proposed<'_>, id: ComponentId) -> Judged {
        let (actor, unsure) = self.actor(proposed)?;
        let roles = self.before.room().roles();
        let (capability, rule) = match id {
            ComponentId::ROOM_METADATA => {
                let (old, new) = (self.before.metadata(), self.after.metadata());
                for (changed, capability) in metadata_fields(old, new) {
                    if changed {
                        rules::can(roles, actor, capability, "R-211")?;
                    }
                }
                return Ok(unsure);
            }
            ComponentId::BASE_ROOM_POLICY => (Capability::CHANGE_ROOM_MEMBERSHIP_STYLE, "R-206"),
            ComponentId::ROLES_LIST => (Capability::CHANGE_ROLE_DEFINITIONS, "R-207"),
            ComponentId::PREAUTH_LIST => (Capability::CHANGE_PREAUTHORIZED_USER_LIST, "R-208"),
            ComponentId::MLS_OPERATIONAL_POLICY
            | ComponentId::APP_COMPONENTS
            | ComponentId::SAFE_AAD
            | ComponentId::CONTENT_MEDIA_TYPES => {
                (Capability::CHANGE_MLS_OPERATIONAL_POLICIES, "R-142")
            }
            _ => (Capability::CHANGE_OTHER_POLICY_ATTRIBUTE, "R-147"),
        };
        rules::can(roles, actor, capability, rule).map(|_| unsure)
    }
}

/// Which fields of the metadata differ, and what each one takes (P-293).
fn metadata_fields(old: &RoomMetadata, new: &RoomMetadata) -> [(bool, Capability); 5] {
    [
        (old.name != new.name, Capability::CHANGE_ROOM_NAME),
        (old.descriptions != new.descriptions, Capability::CHANGE_ROOM_DESCRIPTION),
        (old.avatar != new.avatar, Capability::CHANGE_ROOM_AVATAR),
        (old.subject != new.subject, Capability::CHANGE_ROOM_SUBJECT),
        (old.mood != new.mood, Capability::CHANGE_ROOM_MOOD),
    ]
}
