//! Who may join with a joining code, and which role it gives (protocol, section 5.6; ).

use std::collections::BTreeSet;

use super::{
    CodeFault, CodeSource, GroupInfoRefusal, JoiningCode, Keys, Room, UpdateRefusal,
    codes::{LONGEST, links, name},
    proposed::Who,
};
use crate::{
    delivery::{Committer, OpenCommit},
    env::{Crypto, Env, Timestamp},
    policy::{self, Claims, RoleIndex, View, components::JoinLinks, rules},
    uri::UserUri,
};

/// How somebody may come in who asks for the GroupInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WayIn {
    /// Without a code.
    Free,
    /// With the code of this name.
    Code(Vec<u8>),
    /// With this code, if it is one: the room does not know it.
    Unknown(Vec<u8>),
}

impl Room {
    /// How a user may come in, given its joining code (P-023, P-183).
    pub(super) fn way_in(
        &self,
        user: &UserUri,
        code: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<WayIn, GroupInfoRefusal> {
        let room = self.effective();
        let may = |code| policy::may_be_given_group_info(room, user, Claims::BASIC, code);
        let free = may(false);
        // Whoever is listed comes in by its role, and needs no code.
        let code = code.filter(|_| room.role(user) == RoleIndex::NONE && may(true));
        match code.map(|code| (code, self.good_code(code, user, now))) {
            Some((_, Ok(name))) => Ok(WayIn::Code(name)),
            Some(_) | None if free => Ok(WayIn::Free),
            Some((code, Err(CodeFault::Unknown))) if code.len() <= LONGEST => {
                Ok(WayIn::Unknown(code.to_vec()))
            }
            Some((_, Err(fault))) => Err(GroupInfoRefusal::Code(fault)),
            None => Err(GroupInfoRefusal::NotAuthorized),
        }
    }

    /// The name of a code that a user may join with now: the code itself, or the link that ends in it.
    pub(super) fn good_code(
        &self,
        code: &[u8],
        user: &UserUri,
        now: Timestamp,
    ) -> Result<Vec<u8>, CodeFault> {
        let own = name(JoinLinks::code_of(code));
        match self.code_gives(&own, user, now) {
            // Whoever sends a link whole means its code; no other code has a slash cut off.
            Err(CodeFault::Unknown) if JoinLinks::code_of(code) != code => {
                let whole = name(code);
                self.code_gives(&whole, user, now).map(|_| whole)
            }
            given => given.map(|_| own),
        }
    }

    /// The role that a code gives a user now.
    pub(super) fn code_gives(
        &self,
        name: &[u8],
        user: &UserUri,
        now: Timestamp,
    ) -> Result<RoleIndex, CodeFault> {
        let code = self.codes.find(name, now).ok_or(CodeFault::Unknown)?;
        self.standing(name, code, user, now)
    }

    fn standing(
        &self,
        name: &[u8],
        code: &JoiningCode,
        user: &UserUri,
        now: Timestamp,
    ) -> Result<RoleIndex, CodeFault> {
        let room = self.effective();
        if code.source == CodeSource::Link
            && !links(room).iter().any(|it| JoinLinks::code_of(it) == code.code)
        {
            return Err(CodeFault::Unknown);
        }
        code.fault(now).map_or(Ok(()), Err)?;
        let role = code.role.or_else(|| rules::join_code_role(room.roles()));
        let role = role.filter(|role| rules::use_join_code(room.roles(), *role).is_ok());
        let role = role.ok_or(CodeFault::Role)?;
        if let Some(uses) = code.uses {
            let bound: BTreeSet<&UserUri> = self
                .joiners
                .iter()
                .filter(|(key, it)| {
                    it.code.as_deref() == Some(name) && self.joiners.find(key, now).is_some()
                })
                .map(|(_, it)| &it.user)
                .filter(|it| *it != user)
                .collect();
            if bound.len() as u64 + u64::from(code.used) >= u64::from(uses) {
                return Err(CodeFault::Bound);
            }
        }
        Ok(role)
    }

    /// Judges a commit: without the joining code that its maker was given the GroupInfo for, and if that is not enough,
    /// with it. Gives the code that has to be used.
    pub(super) fn judge_commit_with_code<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        open: &OpenCommit,
        committer: &Who,
        view: View<'_>,
    ) -> Result<(policy::Verdict, Option<Vec<u8>>), UpdateRefusal> {
        let without = self.judge_commit(open, committer, view, policy::JoinCode::None);
        let (Committer::Joiner { node, .. }, Who::Joiner(user)) = (open.committer(), committer)
        else {
            return without.map(|verdict| (verdict, None));
        };
        let bound = self.joiners.find(&node.signature_key, env.now).and_then(|it| it.code.clone());
        match (without, bound) {
            (Err(UpdateRefusal::Denied { .. }), Some(code)) => {
                let role = self.code_gives(&code, user, env.now).map_err(UpdateRefusal::Code)?;
                let code_gives = policy::JoinCode::Gives(role);
                let verdict = self.judge_commit(open, committer, view, code_gives)?;
                Ok((verdict, Some(code)))
            }
            (without, _) => without.map(|verdict| (verdict, None)),
        }
    }
}
