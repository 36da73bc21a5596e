//! Changes of the components that hold a room's policy.

use super::{
    World, WorldCrypto,
    model::{Deed, Wish},
};
use crate::{
    client::Intent,
    codec::Wire,
    policy::{
        BaseRoomPolicy, Capability, Role, Roles,
        components::{
            AppMessagePolicy, AssetPolicy, DownloadPrivacy, DownloadType, JoinLinkPolicy,
            LinkPreviewPolicy, MediaTypeList, MessageExpiration, OperationalParameters,
            Optionality, StatusNotificationPolicy, UploadDomains, UploadLocation,
        },
        presets::Preset,
    },
    room::{ComponentId, Components},
    uri::Domain,
};

/// The components that members of a world change.
const CHANGED: [ComponentId; 7] = [
    ComponentId::MLS_OPERATIONAL_POLICY,
    ComponentId::STATUS_NOTIFICATION_POLICY,
    ComponentId::JOIN_LINK_POLICY,
    ComponentId::LINK_PREVIEW_POLICY,
    ComponentId::ASSET_POLICY,
    ComponentId::MESSAGE_EXPIRATION_POLICY,
    ComponentId::CONTENT_MEDIA_TYPES,
];

/// The roles of a preset; its creator may change policies as well, which in most of them nobody may.
pub(super) fn roles(preset: Preset) -> Roles {
    let more =
        [Capability::CHANGE_OTHER_POLICY_ATTRIBUTE, Capability::CHANGE_MLS_OPERATIONAL_POLICIES];
    let mut roles: Vec<Role> = preset.roles().iter().cloned().collect();
    for role in &mut roles {
        if role.index == preset.creator() {
            role.capabilities.extend(more);
            role.capabilities.sort_unstable();
            role.capabilities.dedup();
        }
    }
    Roles::new(roles).unwrap_or_else(|_| preset.roles())
}

/// A preset's room in which all these components matter.
pub(super) fn with_policies(preset: Preset, mut room: Components) -> Components {
    let base = preset.base_policy();
    let base = BaseRoomPolicy {
        policy_component_ids: ComponentId::KNOWN
            .iter()
            .copied()
            .filter(|id| id.is_policy())
            .collect(),
        ..base
    };
    room.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
    room.insert(ComponentId::ROLES_LIST, roles(preset).encode());
    room
}

/// A new content of a component. None forbids what people in a world do: those who have not heard of the change
/// yet would break the rule unknowingly.
fn content(id: ComponentId, value: u8, hub: &Domain) -> Vec<u8> {
    let odd = !value.is_multiple_of(2);
    let either = if odd { Optionality::Optional } else { Optionality::Required };
    match id {
        ComponentId::MLS_OPERATIONAL_POLICY => OperationalParameters {
            app_message_policy: AppMessagePolicy {
                epoch_tolerance: value % 4,
                pad_to_size: u16::from(value / 4 % 3) * 64,
                max_generations_skipahead: 1_000,
            },
            max_keypairs: value.into(),
            ..OperationalParameters::default()
        }
        .encode(),
        ComponentId::STATUS_NOTIFICATION_POLICY => StatusNotificationPolicy {
            delivery_notifications: either,
            read_receipts: Optionality::Optional,
        }
        .encode(),
        ComponentId::JOIN_LINK_POLICY => JoinLinkPolicy {
            on_request: false,
            join_link: String::new(),
            multiuser: odd,
            expiration: [0, 60, 3_600, 86_400][usize::from(value / 2 % 4)],
        }
        .encode(),
        ComponentId::LINK_PREVIEW_POLICY => LinkPreviewPolicy {
            autodetect_hyperlinks_in_text: Optionality::Optional,
            send_link_previews: either,
            automatic_link_previews: Optionality::Optional,
            link_preview_proxy_use: Optionality::Optional,
            link_preview_proxy: None,
        }
        .encode(),
        ComponentId::ASSET_POLICY => AssetPolicy {
            upload_location: UploadLocation::Hub,
            upload_domains: vec![UploadDomains {
                provider: hub.clone(),
                destinations: vec![hub.clone()],
            }],
            download: DownloadPrivacy {
                allowed: vec![DownloadType::HubProxy],
                forbidden: vec![],
                default: DownloadType::HubProxy,
            },
            max_image: 1 << (10 + value % 8),
            max_audio: 1 << 20,
            max_video: 1 << 20,
            max_attachment: 1 << 20,
            forbidden_media_types: vec![],
            permitted_media_types: None,
        }
        .encode(),
        ComponentId::MESSAGE_EXPIRATION_POLICY => MessageExpiration {
            expiring_messages: Optionality::Optional,
            min_expiration_duration: 0,
            max_expiration_duration: 1_000 + u32::from(value),
            default_expiration_duration: None,
        }
        .encode(),
        _ => {
            let known = [
                "application/mimi-content",
                "text/plain;charset=utf-8",
                "text/markdown;variant=GFM-MIMI",
            ];
            let types =
                known.iter().take(1 + usize::from(value % 3)).filter_map(|it| it.parse().ok());
            MediaTypeList(types.collect()).encode()
        }
    }
}

impl<C: WorldCrypto> World<C> {
    /// A member changes a component of the policy, or proposes to; or takes it away.
    pub(super) fn change_policy(&mut self, by: usize, room: usize, which: u8, value: u8) -> bool {
        let Some(id) = super::choose::pick(&CHANGED, which) else { return false };
        let hub = self.providers[self.sites[room].hub].domain.clone();
        let there = self
            .model
            .get(&room)
            .is_some_and(|model| model.now.policies.get(&id.0).is_some_and(|number| *number > 0));
        let gone = there && value % 8 == 7 && id != ComponentId::CONTENT_MEDIA_TYPES;
        let data = (!gone).then(|| content(id, value, &hub));
        self.policies.push(data.clone());
        let number = self.policies.len();
        let wish = Wish::Policy(id, number);
        if which >= 192 {
            let intent = Intent { components: [(id, data)].into(), ..Intent::default() };
            return self
                .member_does(by, room, Deed::Propose(wish), |room, env, token| {
                    room.propose(env, token, &intent)
                })
                .is_some();
        }
        self.member_does(by, room, Deed::Commit(wish), |room, env, token| {
            room.set_component(env, token, id, data.clone())
        })
        .is_some()
    }

    /// The octets of a component by its number; 0 is what the room came with.
    pub(super) fn policy_numbered(&self, number: usize) -> Option<&Vec<u8>> {
        self.policies.get(number.checked_sub(1)?)?.as_ref()
    }
}

/// What it takes to change a component.
pub(super) fn capability(id: ComponentId) -> Capability {
    if matches!(id, ComponentId::MLS_OPERATIONAL_POLICY | ComponentId::CONTENT_MEDIA_TYPES) {
        Capability::CHANGE_MLS_OPERATIONAL_POLICIES
    } else {
        Capability::CHANGE_OTHER_POLICY_ATTRIBUTE
    }
}
