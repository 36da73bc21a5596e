//! What a client uploads and downloads, where, and how: what both the room and its own rules allow (P-241).

use thiserror::Error;

use crate::{
    content::External,
    error::Fault,
    policy::components::{AssetPolicy, DownloadType, MediaType, UploadLocation},
    provider::directory::Route,
    uri::{Domain, UserUri},
    wire::HttpsUrl,
};

/// What a user's app and provider allow by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRules {
    /// Ways to download, the preferred one first. An app that has Oblivious HTTP puts it in front: it tells the least.
    pub ways: Vec<DownloadType>,
    /// Whether assets of other providers may be fetched directly, if [`Self::ways`] has that. Those learn the user's
    /// address, and when it reads (P-243).
    pub direct_from_others: bool,
    /// Hosts where the user can upload: those for which the app has credentials.
    pub uploads: Vec<Domain>,
    /// Octets of one asset, up or down.
    pub most: u64,
}

impl Default for LocalRules {
    /// Downloads through the hub's proxy, which every hub has (P-247); uploads nowhere; 100 MiB.
    fn default() -> Self {
        Self {
            ways: vec![DownloadType::HubProxy],
            direct_from_others: false,
            uploads: Vec::new(),
            most: 100 << 20,
        }
    }
}

/// What decides about the assets of one user in one room.
///
/// ```
/// use openmimi::{download::{AssetChoice, LocalRules, UploadRefusal}, uri::{Domain, UserUri}};
///
/// let bob = UserUri::parse("mimi://b.example/u/bob")?;
/// let files = Domain::parse("files.b.example")?;
/// let local = LocalRules { uploads: vec![files.clone()], ..LocalRules::default() };
/// // A room without an `asset_policy`; that of a client is `room.effective().policy::<AssetPolicy>()`.
/// let choice = AssetChoice { room: None, local: &local, user: &bob };
/// assert_eq!(choice.upload("image/png", 70_000, false)?.hosts, [files]);
/// assert_eq!(choice.upload("image/png", 1 << 40, false), Err(UploadRefusal::TooLarge(100 << 20)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What the user's role may upload and download is not asked here: [`policy::message`](crate::policy::message) says
/// that, for a part of a message.
#[derive(Clone, Copy, Debug)]
pub struct AssetChoice<'a> {
    /// The room's `asset_policy`, if it has one.
    pub room: Option<&'a AssetPolicy>,
    /// What the app and its provider allow.
    pub local: &'a LocalRules,
    /// The user who uploads or downloads.
    pub user: &'a UserUri,
}

/// How to download an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Where it lies.
    pub url: HttpsUrl,
    /// How to get it.
    pub way: DownloadType,
    /// Octets it may have: the most of [`AssetRules`](crate::content::asset::AssetRules).
    pub most: u64,
    /// Whether the app may fetch it without being told to by the user. Not if the room names no such host, for then
    /// the sender may have made the URL for one reader (D-47); and not if the host would learn who reads.
    pub automatic: bool,
}

impl Download {
    /// What to ask the hub of the room for, through the user's provider (P-245): nothing unless the way is the hub's
    /// proxy. The hub has no part in a direct download (P-252); Oblivious HTTP is asked for by `oblivious::ask`.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        match self.way {
            DownloadType::HubProxy => Some(Route::ProxyDownload(self.url.clone())),
            DownloadType::Direct | DownloadType::Ohttp => None,
        }
    }
}

/// Where to upload an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The hosts that will do, the user's preferred one first; at least one.
    pub hosts: Vec<Domain>,
}

/// Why an asset is not downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DownloadRefusal {
    /// The URL is none of https to a named host (P-240).
    #[error("not an https URL to a named host: {0}")]
    Url(Fault),
    /// It has no media type: what is there is a service and no asset.
    #[error("a service and no asset")]
    Service,
    /// Its media type is not one that the room has (R-086).
    #[error("the room does not have this media type")]
    MediaType,
    /// It does not lie where assets of its sender lie (R-082, R-083).
    #[error("not at a host for assets of its sender")]
    Host,
    /// It is larger than allowed (R-085).
    #[error("more than {0} octets")]
    TooLarge(u64),
    /// There is no way that both the room and the local rules allow.
    #[error("no way to download that both sides allow")]
    Way,
}

/// Why an asset is not uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UploadRefusal {
    /// Its media type is none, or not one that the room has (R-086).
    #[error("the room does not have this media type")]
    MediaType,
    /// It is larger than allowed (R-085).
    #[error("more than {0} octets")]
    TooLarge(u64),
    /// There is no host that both the room and the local rules allow.
    #[error("no host that both sides allow")]
    Host,
}

impl AssetChoice<'_> {
    /// Whether and how an asset is downloaded that `sender` refers to. `is_attachment` tells that the disposition of
    /// its part is that of an attachment (Q-96).
    ///
    /// # Errors
    /// The first reason not to.
    pub fn download(
        &self,
        sender: &UserUri,
        external: &External<'_>,
        is_attachment: bool,
    ) -> Result<Download, DownloadRefusal> {
        let url = HttpsUrl::parse(external.url().as_bytes()).map_err(DownloadRefusal::Url)?;
        if external.content_type().is_empty() {
            return Err(DownloadRefusal::Service);
        }
        let media_type = external.content_type().parse().ok();
        let media_type =
            media_type.filter(|it| self.has_type(it)).ok_or(DownloadRefusal::MediaType)?;
        if self.room.is_some_and(|room| !room.allows_host(&sender.domain(), url.host().as_str())) {
            return Err(DownloadRefusal::Host);
        }
        let most = self.most(&media_type, is_attachment);
        if external.size() > most {
            return Err(DownloadRefusal::TooLarge(most));
        }
        let is_own = self.is_own(url.host());
        let way = self.way(is_own).ok_or(DownloadRefusal::Way)?;
        let is_named = self.is_named(&sender.domain(), url.host());
        let automatic = is_named && (way != DownloadType::Direct || is_own);
        Ok(Download { url, way, most, automatic })
    }

    /// Whether and where the user uploads an asset of so many octets, as they will lie at the URL. How, is between the
    /// app and the host.
    ///
    /// # Errors
    /// The first reason not to: no upload, if either side forbids it.
    pub fn upload(
        &self,
        media_type: &str,
        octets: u64,
        is_attachment: bool,
    ) -> Result<Upload, UploadRefusal> {
        let media_type = media_type.parse().ok();
        let media_type =
            media_type.filter(|it| self.has_type(it)).ok_or(UploadRefusal::MediaType)?;
        let most = self.most(&media_type, is_attachment);
        if octets > most {
            return Err(UploadRefusal::TooLarge(most));
        }
        let domain = self.user.domain();
        let fits = |host: &&Domain| {
            !host.is_local() && self.room.is_none_or(|it| it.allows_host(&domain, host.as_str()))
        };
        let hosts: Vec<Domain> = self.local.uploads.iter().filter(fits).cloned().collect();
        if hosts.is_empty() { Err(UploadRefusal::Host) } else { Ok(Upload { hosts }) }
    }

    fn has_type(&self, media_type: &MediaType) -> bool {
        self.room.is_none_or(|room| room.allows_type(media_type))
    }

    fn most(&self, media_type: &MediaType, is_attachment: bool) -> u64 {
        let room = self.room.map_or(u64::MAX, |room| room.largest(media_type, is_attachment));
        room.min(self.local.most)
    }

    /// The way to take: the room's default if it is none of those that tell the host who reads, else the first of the
    /// user's own that the room allows (Q-69, P-243).
    fn way(&self, is_own: bool) -> Option<DownloadType> {
        let download = self.room.map(|room| &room.download);
        let allowed = |way: &DownloadType| {
            let direct = is_own || self.local.direct_from_others;
            download.is_none_or(|room| room.allows(*way))
                && self.local.ways.contains(way)
                && (*way != DownloadType::Direct || direct)
        };
        let default = download.map(|room| room.default);
        let default = default.filter(|way| *way != DownloadType::Direct && allowed(way));
        default.or_else(|| self.local.ways.iter().copied().find(allowed))
    }

    /// Whether a host is the user's own provider's: it learns nothing that this does not know.
    fn is_own(&self, host: &Domain) -> bool {
        let own = self.user.domain();
        host.is_within(&own) || self.is_listed(&own, host)
    }

    /// Whether the room names the host for assets of the sender, whether or not it insists.
    fn is_named(&self, sender: &Domain, host: &Domain) -> bool {
        self.room.is_some_and(|room| match room.upload_location {
            UploadLocation::Unspecified => self.is_listed(sender, host),
            UploadLocation::LocalProvider | UploadLocation::Hub => {
                room.allows_host(sender, host.as_str())
            }
        })
    }

    fn is_listed(&self, provider: &Domain, host: &Domain) -> bool {
        let mut listed = self.room.into_iter().flat_map(|room| &room.upload_domains);
        listed.any(|it| it.provider == *provider && it.destinations.contains(host))
    }
}
