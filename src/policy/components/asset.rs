//! Attachments: where they lie, how they are fetched, what they may be (room-policy, section 6.4).

use super::{Component, MediaType, write_text, write_u64};
use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    room::ComponentId,
    uri::Domain,
};

/// Where clients upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UploadLocation {
    /// Anywhere.
    Unspecified,
    /// To the provider of the sender; recommended.
    #[default]
    LocalProvider,
    /// To the hub.
    Hub,
}

/// How clients download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DownloadType {
    /// From where it lies.
    Direct,
    /// Through a proxy on the hub.
    HubProxy,
    /// Through the hub, by Oblivious HTTP.
    Ohttp,
}

/// Which ways of downloading a room accepts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownloadPrivacy {
    /// Ways that are allowed; if none is named, all that are not forbidden.
    #[serde(default)]
    pub allowed: Vec<DownloadType>,
    /// Ways that are forbidden, even if they are allowed too.
    #[serde(default)]
    pub forbidden: Vec<DownloadType>,
    /// The way to take if nothing speaks for another.
    pub default: DownloadType,
}

impl DownloadPrivacy {
    /// Whether a client may download like this.
    #[must_use]
    pub fn allows(&self, way: DownloadType) -> bool {
        !self.forbidden.contains(&way) && (self.allowed.is_empty() || self.allowed.contains(&way))
    }
}

/// The hosts where the users of one provider upload.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadDomains {
    /// The provider.
    pub provider: Domain,
    /// The hosts.
    pub destinations: Vec<Domain>,
}

/// The component `asset_policy`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetPolicy {
    /// Where clients upload.
    pub upload_location: UploadLocation,
    /// Hosts by provider.
    #[serde(default)]
    pub upload_domains: Vec<UploadDomains>,
    /// How clients download.
    pub download: DownloadPrivacy,
    /// Octets of an image.
    pub max_image: u64,
    /// Octets of an audio file.
    pub max_audio: u64,
    /// Octets of a video.
    pub max_video: u64,
    /// Octets of any other attachment.
    pub max_attachment: u64,
    /// Types that are not allowed at all.
    #[serde(default)]
    pub forbidden_media_types: Vec<MediaType>,
    /// If there, the only types that are allowed; an empty list allows none.
    #[serde(default)]
    pub permitted_media_types: Option<Vec<MediaType>>,
}

impl AssetPolicy {
    /// Whether an asset of this type may be in the room.
    #[must_use]
    pub fn allows_type(&self, media_type: &MediaType) -> bool {
        let among = |types: &[MediaType]| types.iter().any(|it| it.matches(media_type));
        !among(&self.forbidden_media_types)
            && self.permitted_media_types.as_deref().is_none_or(among)
    }

    /// The largest asset of this type, in octets. `is_attachment` tells that its disposition is that of an
    /// attachment, whatever its type.
    #[must_use]
    pub fn largest(&self, media_type: &MediaType, is_attachment: bool) -> u64 {
        let top = media_type.name.split('/').next().unwrap_or_default();
        match top.to_ascii_lowercase().as_str() {
            _ if is_attachment => self.max_attachment,
            "image" => self.max_image,
            "audio" => self.max_audio,
            "video" => self.max_video,
            _ => self.max_attachment,
        }
    }

    /// Whether an asset that a user of `provider` sends may lie on `host`.
    #[must_use]
    pub fn allows_host(&self, provider: &Domain, host: &str) -> bool {
        match self.upload_location {
            UploadLocation::Unspecified => true,
            UploadLocation::LocalProvider => self
                .upload_domains
                .iter()
                .filter(|it| it.provider == *provider)
                .any(|it| it.destinations.iter().any(|it| it.as_str() == host)),
            UploadLocation::Hub => self
                .upload_domains
                .iter()
                .any(|it| it.destinations.iter().any(|it| it.as_str() == host)),
        }
    }
}

impl Component for AssetPolicy {
    const ID: ComponentId = ComponentId::ASSET_POLICY;
}

impl Wire for UploadLocation {
    const NAME: &'static str = "AssetUploadLocation";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u8(Self::NAME)? {
            0 => Ok(Self::Unspecified),
            1 => Ok(Self::LocalProvider),
            2 => Ok(Self::Hub),
            other => Err(start.error(Self::NAME, Fault::Code(other.into()))),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Unspecified => 0,
            Self::LocalProvider => 1,
            Self::Hub => 2,
        });
    }
}

impl Wire for DownloadType {
    const NAME: &'static str = "DownloadPrivacyType";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u8(Self::NAME)? {
            0 => Ok(Self::Direct),
            1 => Ok(Self::HubProxy),
            2 => Ok(Self::Ohttp),
            other => Err(start.error(Self::NAME, Fault::Code(other.into()))),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Direct => 0,
            Self::HubProxy => 1,
            Self::Ohttp => 2,
        });
    }
}

impl Wire for DownloadPrivacy {
    const NAME: &'static str = "DownloadPrivacy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let allowed = reader.vec("allowed_download_types", DownloadType::read)?;
        let forbidden = reader.vec("forbidden_download_types", DownloadType::read)?;
        let start = reader.clone();
        let privacy = Self { allowed, forbidden, default: DownloadType::read(reader)? };
        if privacy.allows(privacy.default) {
            return Ok(privacy);
        }
        Err(start.error("default_download_type", Fault::Contradiction("it is not allowed")))
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.allowed, DownloadType::write);
        codec::write_vec(out, &self.forbidden, DownloadType::write);
        self.default.write(out);
    }
}

fn read_domain(reader: &mut Reader<'_>, what: &'static str) -> Result<Domain, DecodeError> {
    let start = reader.clone();
    Domain::parse(reader.bytes(what)?).map_err(|fault| start.error(what, fault.into()))
}

impl Wire for UploadDomains {
    const NAME: &'static str = "ProviderAssetUploadDomains";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            provider: read_domain(reader, "provider")?,
            destinations: reader.vec("asset_upload_destinations", |reader| {
                read_domain(reader, "asset_upload_destinations")
            })?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_text(out, self.provider.as_str());
        codec::write_vec(out, &self.destinations, |it, out| write_text(out, it.as_str()));
    }
}

impl Wire for AssetPolicy {
    const NAME: &'static str = "AssetPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let upload_location = UploadLocation::read(reader)?;
        let start = reader.clone();
        let upload_domains = reader.vec("upload_domains", UploadDomains::read)?;
        if upload_location == UploadLocation::Hub && upload_domains.len() != 1 {
            let fault = Fault::Contradiction("the hub has one entry");
            return Err(start.error("upload_domains", fault));
        }
        Ok(Self {
            upload_location,
            upload_domains,
            download: DownloadPrivacy::read(reader)?,
            max_image: reader.u64("max_image")?,
            max_audio: reader.u64("max_audio")?,
            max_video: reader.u64("max_video")?,
            max_attachment: reader.u64("max_attachment")?,
            forbidden_media_types: reader.vec("forbidden_media_types", MediaType::read)?,
            permitted_media_types: reader.optional("permitted_media_types", |reader| {
                reader.vec("permitted_media_types", MediaType::read)
            })?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.upload_location.write(out);
        codec::write_vec(out, &self.upload_domains, UploadDomains::write);
        self.download.write(out);
        for octets in [self.max_image, self.max_audio, self.max_video, self.max_attachment] {
            write_u64(out, octets);
        }
        codec::write_vec(out, &self.forbidden_media_types, MediaType::write);
        codec::write_optional(out, self.permitted_media_types.as_ref(), |types, out| {
            codec::write_vec(out, types, MediaType::write);
        });
    }
}
