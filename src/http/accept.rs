//! A request of another provider, made out and checked against the connection it came by.

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, FROM, HOST},
};
use openmls_traits::crypto::OpenMlsCrypto;

use super::{JSON, LOCAL_PART, head, reply, respond};
use crate::{
    env::{Env, Limits, Peer},
    provider::{
        Policy,
        directory::{Addressee, Endpoint, Found, Route, RouteFault, Routes},
        peering::{self, Peering},
    },
    uri::{Domain, RoomUri, UserUri},
    wire::HttpsUrl,
};

/// The response to send in place of what was asked for. It is rare, so it takes no room where there is none.
pub type Refusal = Box<Response<Vec<u8>>>;

/// What one provider needs to know about itself to tell what requests are for. It holds no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The provider, its directory and the paths in it.
    pub routes: Routes,
    /// Who may talk to it.
    pub peering: Peering,
    /// What it tells others about its users.
    pub policy: Policy,
    /// The bounds of what it reads.
    pub limits: Limits,
}

/// A request that came from whom it says, for us, and whose path and body agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// The provider that sends it, for the machines' `peer`.
    pub peer: Peer,
    /// Who takes it.
    pub call: Call,
    /// The body, for the machine to read.
    pub body: &'a [u8],
    requester: Option<UserUri>,
    route: Option<Route>,
}

impl Incoming<'_> {
    /// The user in whose name the request is made, where its head says it: nothing has been verified yet.
    #[must_use]
    pub const fn requester(&self) -> Option<&UserUri> {
        self.requester.as_ref()
    }

    /// The endpoint, for [`Pace::take`](crate::provider::pace::Pace::take): the gateway counts as a download, the
    /// directory as nothing.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        match (&self.route, &self.call) {
            (Some(route), _) => Some(route.endpoint()),
            (None, call) => (*call == Call::Gateway).then_some(Endpoint::ProxyDownload),
        }
    }
}

/// Who takes a request. Where there is no such room or user, answer [`Server::unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Answer [`Server::directory`].
    Directory,
    /// [`provider::User::claim`](crate::provider::User::claim) of this user of ours.
    KeyMaterial(UserUri),
    /// A claim that goes through the hub of its room, this provider (P-012):
    /// [`hub::Room::may_claim_keys`](crate::hub::Room::may_claim_keys), then on to the provider of the user, which may
    /// be this one, then [`hub::Room::keys_claimed`](crate::hub::Room::keys_claimed) with the answer.
    KeyMaterialForRoom {
        /// The room, of ours.
        room: RoomUri,
        /// The user, of whatever provider.
        target: UserUri,
    },
    /// [`hub::Room::update`](crate::hub::Room::update).
    Update(RoomUri),
    /// [`follower::Room::notify`](crate::follower::Room::notify). It comes from the hub of the room (D-30).
    Notify(RoomUri),
    /// [`hub::Room::submit_message`](crate::hub::Room::submit_message).
    SubmitMessage(RoomUri),
    /// [`hub::Room::group_info`](crate::hub::Room::group_info).
    GroupInfo(RoomUri),
    /// [`provider::User::consent_requested`](crate::provider::User::consent_requested) of this user of ours: a user of
    /// the peer asks for consent, or not any more.
    RequestConsent(UserUri),
    /// [`provider::User::consent_updated`](crate::provider::User::consent_updated) of this user of ours: a user of the
    /// peer gives consent, or not any more.
    UpdateConsent(UserUri),
    /// [`provider::query::Lookup::open`](crate::provider::query::Lookup::open): a search among our users.
    IdentifierQuery,
    /// [`hub::Room::report_abuse`](crate::hub::Room::report_abuse), then [`Reply::Received`](super::Reply::Received).
    ReportAbuse(RoomUri),
    /// A download for the peer: [`download::Proxy::open`](crate::download::Proxy::open). The URL is whatever the peer
    /// says.
    ProxyDownload(HttpsUrl),
    /// Answer with the keys of the gateway for Oblivious HTTP.
    GatewayKeys,
    /// A sealed request for that gateway, by the relay of the peer.
    Gateway,
}

impl Server {
    /// Makes out what a request of another provider is for. `authenticated` are the domains in the certificate that the
    /// other side of the connection has shown, valid and matched as RFC 6125 says: none, and it is refused (P-035).
    ///
    /// # Errors
    /// The refusal to send. A provider that may not talk to us gets the answer of [`Server::unknown`].
    pub fn accept<'a, B: AsRef<[u8]>, C: OpenMlsCrypto, K>(
        &self,
        env: &Env<'_, C, K>,
        request: &'a Request<B>,
        authenticated: &[Domain],
    ) -> Result<Incoming<'a>, Refusal> {
        let host = host(request)?;
        if !self.routes.is_host(&host) {
            return Err(refuse(StatusCode::MISDIRECTED_REQUEST));
        }
        let peer = source(request.headers()).ok_or_else(bad)?;
        // P-036, D-70
        if !authenticated.contains(&peer) {
            return Err(refuse(StatusCode::FORBIDDEN));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let found = match self.routes.find(&host, path) {
            Ok(found) => found,
            Err(RouteFault::Host) => return Err(refuse(StatusCode::MISDIRECTED_REQUEST)),
            Err(RouteFault::Path) => return Err(refuse(StatusCode::NOT_FOUND)),
            Err(RouteFault::Value(_)) => return Err(bad()),
        };
        match &found {
            Found::Directory => check_form(request, &[method(None)])?,
            Found::Gateway => check_form(request, &[Method::GET, Method::POST])?,
            Found::Endpoint(route) => check_form(request, &[method(Some(route.endpoint()))])?,
        }
        let body = request.body().as_ref();
        if body.len() > self.limits.body {
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let mut requester = None;
        let (call, route) = match found {
            Found::Directory => (Call::Directory, None),
            // The keys are for everybody, the gateway is for those who may download (P-250).
            Found::Gateway if request.method() == Method::GET => (Call::GatewayKeys, None),
            Found::Gateway if !self.peering.admits(&peer, Endpoint::ProxyDownload) => {
                return Err(refuse(StatusCode::FORBIDDEN));
            }
            Found::Gateway => (Call::Gateway, None),
            Found::Endpoint(route) => {
                let call = self.call(&peer, &route, body, &mut requester)?;
                (call, Some(route))
            }
        };
        let admitted =
            route.as_ref().is_none_or(|route| self.peering.admits(&peer, route.endpoint()));
        let incoming = Incoming { peer: Peer::Server(peer), call, body, requester, route };
        if admitted { Ok(incoming) } else { Err(Box::new(self.unknown(env, &incoming))) }
    }

    /// The answer where there is no such room or user here: the same that a provider gets that may not talk to us
    /// (S-04, D-67).
    #[must_use]
    pub fn unknown<C: OpenMlsCrypto, K>(
        &self,
        env: &Env<'_, C, K>,
        incoming: &Incoming<'_>,
    ) -> Response<Vec<u8>> {
        let (limits, policy) = (&self.limits, &self.policy);
        let Incoming { peer, body, route, .. } = incoming;
        match route {
            Some(route) => respond(peering::unknown(env, limits, policy, peer, route, body)),
            None => reply::with_status(StatusCode::NOT_FOUND),
        }
    }

    /// The directory document.
    #[must_use]
    pub fn directory(&self) -> Response<Vec<u8>> {
        reply::with_body(JSON, self.routes.directory().write())
    }

    /// Who takes a request, by its path and the head of its body (D-73), which may say in whose name it is made.
    fn call(
        &self,
        peer: &Domain,
        route: &Route,
        body: &[u8],
        requester: &mut Option<UserUri>,
    ) -> Result<Call, Refusal> {
        let ours = |host: &str| host == self.routes.provider().as_str();
        let theirs = |host: &str| host == peer.as_str();
        let forbidden = || refuse(StatusCode::FORBIDDEN);
        // Only the hub of a room has it (P-230).
        let hosted = |room: &RoomUri| match ours(room.host()) {
            true => Ok(room.clone()),
            false => Err(refuse(StatusCode::NOT_FOUND)),
        };
        Ok(match route {
            Route::KeyMaterial(target) => {
                let head = head::key_material(body).map_err(|_| bad())?;
                // P-073
                if head.target != *target {
                    return Err(bad());
                }
                // a user asks through its provider, which asks the hub, which asks the target's provider.
                let target = target.clone();
                *requester = Some(head.requester.clone());
                match head.room {
                    Some(room) if ours(room.host()) && theirs(head.requester.host()) => {
                        Call::KeyMaterialForRoom { room, target }
                    }
                    Some(room) if theirs(room.host()) && ours(target.host()) => {
                        Call::KeyMaterial(target)
                    }
                    None if theirs(head.requester.host()) && ours(target.host()) => {
                        Call::KeyMaterial(target)
                    }
                    Some(_) | None => return Err(forbidden()),
                }
            }
            Route::Update(room) => Call::Update(hosted(room)?),
            Route::SubmitMessage(room) => Call::SubmitMessage(hosted(room)?),
            Route::GroupInfo(room) => Call::GroupInfo(hosted(room)?),
            Route::ReportAbuse(room) => Call::ReportAbuse(hosted(room)?),
            // D-30
            Route::Notify(room) if theirs(room.host()) => Call::Notify(room.clone()),
            Route::Notify(_) => return Err(forbidden()),
            Route::RequestConsent(addressee) => {
                let head = head::consent(body).map_err(|_| bad())?;
                // P-201: cancel or request.
                if head.operation > 1 || !is(addressee, &head.target) {
                    return Err(bad());
                }
                // P-204
                if !ours(head.target.host()) || !theirs(head.requester.host()) {
                    return Err(forbidden());
                }
                *requester = Some(head.requester);
                Call::RequestConsent(head.target)
            }
            Route::UpdateConsent(addressee) => {
                let head = head::consent(body).map_err(|_| bad())?;
                // P-202: grant or revoke.
                if !(2..=3).contains(&head.operation) || !is(addressee, &head.requester) {
                    return Err(bad());
                }
                // P-205
                if !ours(head.requester.host()) || !theirs(head.target.host()) {
                    return Err(forbidden());
                }
                *requester = Some(head.target);
                Call::UpdateConsent(head.requester)
            }
            Route::IdentifierQuery(_) => Call::IdentifierQuery,
            Route::ProxyDownload(url) => Call::ProxyDownload(url.clone()),
        })
    }
}

/// Whether a path names this user, if it names any.
fn is(addressee: &Addressee, user: &UserUri) -> bool {
    match addressee {
        Addressee::User(named) => named == user,
        Addressee::Domain(_) => true,
    }
}

/// The host that a request is for, its port left out: by the `Host` header (P-032), or the authority in the request's
/// target, or both if they agree. A listener that serves several providers finds the [`Server`] by it (D-71).
///
/// # Errors
/// The refusal to send, if that is not one domain name. A request that did not come by https is refused too (P-030).
pub fn host<B>(request: &Request<B>) -> Result<Domain, Refusal> {
    if request.uri().scheme_str().is_some_and(|scheme| !scheme.eq_ignore_ascii_case("https")) {
        return Err(bad());
    }
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next().map(|header| header.to_str().ok().and_then(domain));
    let target = request.uri().authority().map(|authority| domain(authority.as_str()));
    match (header, target, headers.next()) {
        (Some(Some(header)), Some(Some(target)), None) if header == target => Ok(header),
        (Some(Some(host)), None, None) | (None, Some(Some(host)), None) => Ok(host),
        (Some(_) | None, Some(_) | None, Some(_) | None) => Err(bad()),
    }
}

/// A host with or without a port. Hosts compare without regard to case.
fn domain(authority: &str) -> Option<Domain> {
    let host = match authority.split_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        Some(_) => return None,
        None => authority,
    };
    Domain::parse(host.to_ascii_lowercase()).ok()
}

/// The provider that sends a request (P-033, P-034, Q-03): one `From`, an addr-spec with the local part `mimi`.
fn source(headers: &HeaderMap) -> Option<Domain> {
    let mut found = headers.get_all(FROM).iter();
    let from = found.next()?.to_str().ok()?;
    let domain = from.strip_prefix(LOCAL_PART)?.to_ascii_lowercase();
    if found.next().is_some() { None } else { Domain::parse(domain).ok() }
}

/// The method of an endpoint, or of the directory.
pub(super) const fn method(endpoint: Option<Endpoint>) -> Method {
    match endpoint {
        None | Some(Endpoint::ProxyDownload) => Method::GET,
        Some(
            Endpoint::KeyMaterial
            | Endpoint::Update
            | Endpoint::Notify
            | Endpoint::SubmitMessage
            | Endpoint::GroupInfo
            | Endpoint::RequestConsent
            | Endpoint::UpdateConsent
            | Endpoint::IdentifierQuery
            | Endpoint::ReportAbuse,
        ) => Method::POST,
    }
}

/// One of the methods, and that the body is the octets that it seems to be. Its media type says nothing.
fn check_form<B>(request: &Request<B>, methods: &[Method]) -> Result<(), Refusal> {
    if !methods.contains(request.method()) {
        let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED);
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
            refusal.headers_mut().insert(ALLOW, allow);
        }
        return Err(refusal);
    }
    let encoded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if request.headers().get_all(CONTENT_ENCODING).iter().any(encoded) {
        let mut refusal = refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        refusal.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        return Err(refusal);
    }
    Ok(())
}

fn bad() -> Refusal {
    refuse(StatusCode::BAD_REQUEST)
}

fn refuse(status: StatusCode) -> Refusal {
    Box::new(reply::with_status(status))
}
