//! Changes of `external_senders` (mimi-protocol, section 7.4; Q-47).

use super::{Denied, Proposer, Reason};
use crate::{policy::RoleIndex, room::Draft, uri::ProviderUri};

/// The hub adds servers whose users take part, and takes out others. A member may take out exactly servers whose last
/// participant has left.
pub(super) fn judge(
    room: &Draft<'_>,
    by: Proposer<'_>,
    added: &[ProviderUri],
    removed: &[ProviderUri],
) -> Result<bool, Denied> {
    let denied = Denied::new("P-281", Reason::ExternalSenders);
    let hub = room.room().hub();
    // Entry 0, the hub's own, stays where it is.
    if added.iter().chain(removed).any(|server| server.host() == hub) {
        return Err(denied);
    }
    let allowed = match by {
        Proposer::Server(server) if server.host() == hub => {
            added.iter().all(|server| takes_part(room, server))
        }
        Proposer::User(_) => {
            added.is_empty() && !removed.iter().any(|server| takes_part(room, server))
        }
        Proposer::Server(_) | Proposer::Joiner(_) => false,
    };
    if allowed { Ok(false) } else { Err(denied) }
}

/// Whether a server has a participant who is not banned. Passes once over the list: such changes are rare.
fn takes_part(room: &Draft<'_>, server: &ProviderUri) -> bool {
    let roles = room.room().roles();
    let stays = |uri: &str, role: RoleIndex| {
        uri.split('/').nth(2) == Some(server.host()) && !roles.is_outside(role)
    };
    room.room().participants().iter().any(|listed| stays(listed.uri, room.role(listed.uri)))
        || room.moves().any(|it| stays(it.who.as_str(), it.to))
}
