//! What the other policy components must be beside each other, the roles and the hub.

use super::{AssetPolicy, Component, HistoryPolicy, JoinLinkPolicy, JoinLinks, UploadLocation};
use crate::{policy::Roles, room::ComponentId};

/// The first component that contradicts another, and what is wrong; `get` gives the octets of those that are there.
pub(crate) fn fit<'a>(
    get: impl Fn(ComponentId) -> Option<&'a [u8]>,
    roles: &Roles,
    hub: &str,
) -> Result<(), (ComponentId, &'static str)> {
    fn of<'a, T: Component>(get: impl Fn(ComponentId) -> Option<&'a [u8]>) -> Option<T> {
        get(T::ID).and_then(|octets| T::decode(octets).ok())
    }
    //
    let on_request = of::<JoinLinkPolicy>(&get).is_some_and(|policy| policy.on_request);
    if on_request && of::<JoinLinks>(&get).is_some_and(|links| links.0.len() > 1) {
        return Err((ComponentId::JOIN_LINKS, "links are made on request, so there is one"));
    }
    //
    let elsewhere = |policy: &AssetPolicy| {
        policy.upload_location == UploadLocation::Hub
            && policy.upload_domains.iter().any(|it| it.provider.as_str() != hub)
    };
    if of::<AssetPolicy>(&get).as_ref().is_some_and(elsewhere) {
        return Err((ComponentId::ASSET_POLICY, "uploads go to the hub, and to no other provider"));
    }
    //
    let sharers = of::<HistoryPolicy>(&get).map(|policy| policy.roles_that_can_share);
    let may_share = |role| roles.get(role).is_some_and(|role| role.may_be_active());
    if sharers.is_some_and(|sharers| !sharers.into_iter().all(may_share)) {
        return Err((
            ComponentId::CHAT_HISTORY_POLICY,
            "a role that may not be active shares nothing",
        ));
    }
    Ok(())
}
