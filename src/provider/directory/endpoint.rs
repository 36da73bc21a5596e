//! The ten endpoints, and what their paths name.

use super::Variable;
use crate::{
    uri::{Domain, RoomUri, UserUri},
    wire::HttpsUrl,
};

/// An endpoint of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Claims the KeyPackages of a user (section 5.2).
    KeyMaterial,
    /// Changes a room (section 5.3).
    Update,
    /// Tells a follower what has happened in a room (section 5.5).
    Notify,
    /// Sends an application message (section 5.4).
    SubmitMessage,
    /// Asks for what an external commit needs (section 5.6).
    GroupInfo,
    /// Asks for consent, or takes the question back (section 5.7).
    RequestConsent,
    /// Gives or takes consent (section 5.7).
    UpdateConsent,
    /// Searches for a user (section 5.8).
    IdentifierQuery,
    /// Reports abuse (section 5.9).
    ReportAbuse,
    /// Downloads through the hub (section 5.10.2).
    ProxyDownload,
}

impl Endpoint {
    /// All of them, in the order of the draft's example.
    pub const ALL: [Self; 10] = [
        Self::KeyMaterial,
        Self::Update,
        Self::Notify,
        Self::SubmitMessage,
        Self::GroupInfo,
        Self::RequestConsent,
        Self::UpdateConsent,
        Self::IdentifierQuery,
        Self::ReportAbuse,
        Self::ProxyDownload,
    ];

    /// Its name in the directory (P-062).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyMaterial => "keyMaterial",
            Self::Update => "update",
            Self::Notify => "notify",
            Self::SubmitMessage => "submitMessage",
            Self::GroupInfo => "groupInfo",
            Self::RequestConsent => "requestConsent",
            Self::UpdateConsent => "updateConsent",
            Self::IdentifierQuery => "identifierQuery",
            Self::ReportAbuse => "reportAbuse",
            Self::ProxyDownload => "proxyDownload",
        }
    }

    /// The endpoint of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }

    /// The variables that its template may hold; the first is the one that this crate writes.
    pub(super) const fn variables(self) -> &'static [Variable] {
        match self {
            Self::KeyMaterial => &[Variable::TargetUser],
            Self::Update
            | Self::Notify
            | Self::SubmitMessage
            | Self::GroupInfo
            | Self::ReportAbuse => &[Variable::RoomId],
            Self::RequestConsent => &[Variable::TargetDomain, Variable::TargetUser],
            Self::UpdateConsent => &[Variable::RequesterDomain, Variable::RequesterUser],
            Self::IdentifierQuery => &[Variable::Domain],
            Self::ProxyDownload => &[Variable::DownloadUrl],
        }
    }

    /// The variable without which a path of it says too little: none where the provider addressed says it all.
    pub(super) const fn needs(self) -> Option<Variable> {
        match self {
            Self::KeyMaterial => Some(Variable::TargetUser),
            Self::Update
            | Self::Notify
            | Self::SubmitMessage
            | Self::GroupInfo
            | Self::ReportAbuse => Some(Variable::RoomId),
            Self::ProxyDownload => Some(Variable::DownloadUrl),
            Self::RequestConsent | Self::UpdateConsent | Self::IdentifierQuery => None,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Who is addressed by a path about consent: the draft's directory names the user there, its section 5.7 the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// A user. To send, name the user: whatever the template asks for follows from it.
    User(UserUri),
    /// A provider.
    Domain(Domain),
}

impl Addressee {
    /// The provider that is addressed.
    #[must_use]
    pub fn domain(&self) -> Domain {
        match self {
            Self::User(user) => user.domain(),
            Self::Domain(domain) => domain.clone(),
        }
    }
}

/// An endpoint, and what the path of a request to it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Whose KeyPackages are claimed.
    KeyMaterial(UserUri),
    /// Which room is changed.
    Update(RoomUri),
    /// In which room something has happened.
    Notify(RoomUri),
    /// Which room a message is for.
    SubmitMessage(RoomUri),
    /// Which room is to be joined.
    GroupInfo(RoomUri),
    /// Who is asked for consent.
    RequestConsent(Addressee),
    /// Who is given consent.
    UpdateConsent(Addressee),
    /// Whose users are searched.
    IdentifierQuery(Domain),
    /// In which room abuse is reported.
    ReportAbuse(RoomUri),
    /// What is downloaded.
    ProxyDownload(HttpsUrl),
}

impl Route {
    /// The endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        match self {
            Self::KeyMaterial(_) => Endpoint::KeyMaterial,
            Self::Update(_) => Endpoint::Update,
            Self::Notify(_) => Endpoint::Notify,
            Self::SubmitMessage(_) => Endpoint::SubmitMessage,
            Self::GroupInfo(_) => Endpoint::GroupInfo,
            Self::RequestConsent(_) => Endpoint::RequestConsent,
            Self::UpdateConsent(_) => Endpoint::UpdateConsent,
            Self::IdentifierQuery(_) => Endpoint::IdentifierQuery,
            Self::ReportAbuse(_) => Endpoint::ReportAbuse,
            Self::ProxyDownload(_) => Endpoint::ProxyDownload,
        }
    }

    /// What stands in its path for `variable`: none if it says nothing about that.
    pub(super) fn value(&self, variable: Variable) -> Option<String> {
        let user = |addressee: &Addressee| match addressee {
            Addressee::User(user) => Some(user.as_str().to_owned()),
            Addressee::Domain(_) => None,
        };
        let domain = |addressee: &Addressee| Some(addressee.domain().as_str().to_owned());
        match (self, variable) {
            (Self::KeyMaterial(user), Variable::TargetUser) => Some(user.as_str().to_owned()),
            (
                Self::Update(room)
                | Self::Notify(room)
                | Self::SubmitMessage(room)
                | Self::GroupInfo(room)
                | Self::ReportAbuse(room),
                Variable::RoomId,
            ) => Some(room.as_str().to_owned()),
            (Self::RequestConsent(target), Variable::TargetUser) => user(target),
            (Self::RequestConsent(target), Variable::TargetDomain) => domain(target),
            (Self::UpdateConsent(requester), Variable::RequesterUser) => user(requester),
            (Self::UpdateConsent(requester), Variable::RequesterDomain) => domain(requester),
            (Self::IdentifierQuery(domain), Variable::Domain) => Some(domain.as_str().to_owned()),
            (Self::ProxyDownload(url), Variable::DownloadUrl) => Some(url.as_str().to_owned()),
            (
                Self::KeyMaterial(_)
                | Self::Update(_)
                | Self::Notify(_)
                | Self::SubmitMessage(_)
                | Self::GroupInfo(_)
                | Self::RequestConsent(_)
                | Self::UpdateConsent(_)
                | Self::IdentifierQuery(_)
                | Self::ReportAbuse(_)
                | Self::ProxyDownload(_),
                Variable::TargetUser
                | Variable::TargetDomain
                | Variable::RequesterUser
                | Variable::RequesterDomain
                | Variable::RoomId
                | Variable::Domain
                | Variable::DownloadUrl,
            ) => None,
        }
    }

    /// The route that `values` make at `endpoint` of the provider `ours`: none if one of them is not what it should
    /// be, or they contradict each other.
    pub(super) fn made_of(
        endpoint: Endpoint,
        ours: &Domain,
        values: &[(Variable, String)],
    ) -> Option<Self> {
        let text = |variable| {
            values.iter().find(|(found, _)| *found == variable).map(|(_, value)| value.as_str())
        };
        let room = || RoomUri::parse(text(Variable::RoomId)?).ok();
        let addressee = |user| match text(user) {
            Some(user) => UserUri::parse(user).ok().map(Addressee::User),
            None => Some(Addressee::Domain(ours.clone())),
        };
        let route = match endpoint {
            Endpoint::KeyMaterial => {
                Self::KeyMaterial(UserUri::parse(text(Variable::TargetUser)?).ok()?)
            }
            Endpoint::Update => Self::Update(room()?),
            Endpoint::Notify => Self::Notify(room()?),
            Endpoint::SubmitMessage => Self::SubmitMessage(room()?),
            Endpoint::GroupInfo => Self::GroupInfo(room()?),
            Endpoint::ReportAbuse => Self::ReportAbuse(room()?),
            Endpoint::RequestConsent => Self::RequestConsent(addressee(Variable::TargetUser)?),
            Endpoint::UpdateConsent => Self::UpdateConsent(addressee(Variable::RequesterUser)?),
            Endpoint::IdentifierQuery => Self::IdentifierQuery(ours.clone()),
            Endpoint::ProxyDownload => {
                let url = HttpsUrl::parse(text(Variable::DownloadUrl)?.as_bytes());
                Self::ProxyDownload(url.ok()?)
            }
        };
        // A path may name one thing in two ways, or the provider that it is sent to: all have to agree.
        let agrees = |(variable, value): &(Variable, String)| {
            route.value(*variable).as_deref() == Some(value.as_str())
        };
        values.iter().all(agrees).then_some(route)
    }
}
