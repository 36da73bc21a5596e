//! Every component of a GroupContext, written by hand from the structures of its draft: W-39, W-40a … W-40m.

use std::{fmt::Debug, iter::Peekable, str::Chars};

use openmimi::{
    codec::Wire,
    error::Fault,
    policy::{
        BaseRoomPolicy, Bounds, Capability, Claim, PreAuth, PreAuthEntry, Role, RoleChange,
        RoleIndex, Roles,
        components::{
            AppMessagePolicy, AssetPolicy, Bot, BotPolicy, DownloadPrivacy, DownloadType,
            ExtendedCapabilities, HistoryPolicy, JoinLinkPolicy, JoinLinks, JoinLinksUpdate,
            LinkPreviewPolicy, LoggingPolicy, MediaType, MessageExpiration, MinDefaultMax,
            OperationalParameters, Optionality, PendingProposalPolicy, StatusNotificationPolicy,
            UploadDomains, UploadLocation,
        },
    },
    room::{ComponentId, ParticipantListUpdate, RichDescription, RoomMetadata},
    uri::{Domain, ParticipantUri, RoomUri},
};

/// The octets of a structure: hexadecimal digits, `'text'` for an `opaque x<V>`, and `[` … `]` for a vector.
fn octets(notation: &str) -> Vec<u8> {
    let mut notation = notation.chars().peekable();
    let octets = nested(&mut notation);
    assert_eq!(notation.next(), None);
    octets
}

fn nested(notation: &mut Peekable<Chars<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(next) = notation.next_if(|&next| next != ']') {
        match next {
            '[' => {
                let inside = nested(notation);
                assert_eq!(notation.next(), Some(']'));
                opaque(&mut out, &inside);
            }
            '\'' => {
                let text: String = notation.by_ref().take_while(|&next| next != '\'').collect();
                opaque(&mut out, text.as_bytes());
            }
            ' ' | '\n' => {}
            digit => {
                let low = notation.next().unwrap();
                let [high, low] = [digit, low].map(|digit| digit.to_digit(16).unwrap());
                out.push(u8::try_from(high << 4 | low).unwrap());
            }
        }
    }
    out
}

/// The length of RFC 9420, section 2.1.2, and the octets.
fn opaque(out: &mut Vec<u8>, octets: &[u8]) {
    match u16::try_from(octets.len()).unwrap() {
        length @ 0..64 => out.push(length.to_be_bytes()[1]),
        length => out.extend((length | 0x4000).to_be_bytes()),
    }
    out.extend_from_slice(octets);
}

/// These octets, and no others, are this value.
fn is<T: Wire + PartialEq + Debug>(notation: &str, value: &T) {
    let octets = octets(notation);
    assert_eq!(T::decode(&octets).as_ref(), Ok(value), "{notation}");
    assert_eq!(value.encode(), octets, "{notation}");
}

/// These octets are no such value, because of this field.
fn is_not<T: Wire + Debug>(notation: &str, field: &str, fault: impl Fn(&Fault) -> bool) {
    let error = T::decode(&octets(notation)).unwrap_err();
    assert!(error.what == field && fault(&error.fault), "{notation}: {error}");
}

fn role(index: u32) -> RoleIndex {
    RoleIndex(index)
}

fn media(text: &str) -> MediaType {
    text.parse().unwrap()
}

/// P-296, R-143: the number of every component, and where it may stand.
#[test]
fn components_have_their_numbers() {
    let expected = [
        (ComponentId::APP_COMPONENTS, 0x0001, "app_components", true),
        (ComponentId::SAFE_AAD, 0x0002, "safe_aad", true),
        (ComponentId::CONTENT_MEDIA_TYPES, 0x0003, "content_media_types", true),
        (ComponentId::LAST_RESORT_KEY_PACKAGE, 0x0004, "last_resort_key_package", false),
        (ComponentId::APP_ACK, 0x0005, "app_ack", false),
        (ComponentId::FRANK_AAD, 0x0020, "frank_aad", false),
        (ComponentId::FRANKING_AGENT, 0x0021, "franking_agent", true),
        (ComponentId::PARTICIPANT_LIST, 0x0022, "participant_list", true),
        (ComponentId::ROOM_METADATA, 0x0023, "room_metadata", true),
        (ComponentId::MLS_OPERATIONAL_POLICY, 0x0024, "mls_operational_policy", true),
        (ComponentId::ROLES_LIST, 0x0025, "roles_list", true),
        (ComponentId::PREAUTH_LIST, 0x0026, "preauth_list", true),
        (ComponentId::BASE_ROOM_POLICY, 0x0027, "base_room_policy", true),
        (ComponentId::STATUS_NOTIFICATION_POLICY, 0x0028, "status_notification_policy", true),
        (ComponentId::JOIN_LINK_POLICY, 0x0029, "join_link_policy", true),
        (ComponentId::JOIN_LINKS, 0x002A, "join_links", true),
        (ComponentId::LINK_PREVIEW_POLICY, 0x002B, "link_preview_policy", true),
        (ComponentId::ASSET_POLICY, 0x002C, "asset_policy", true),
        (ComponentId::LOGGING_POLICY, 0x002D, "logging_policy", true),
        (ComponentId::CHAT_HISTORY_POLICY, 0x002E, "chat_history_policy", true),
        (ComponentId::BOT_POLICY, 0x002F, "bot_policy", true),
        (ComponentId::MESSAGE_EXPIRATION_POLICY, 0x0030, "message_expiration_policy", true),
    ];
    for (id, number, name, in_group_context) in expected {
        assert_eq!((id.0, id.name()), (number, Some(name)));
        assert_eq!(id.in_group_context(), in_group_context, "{name}");
        assert!(ComponentId::KNOWN.contains(&id), "{name}");
    }
}

/// W-39, P-051, P-291.
#[test]
fn participants_and_metadata() {
    is(
        "[ 00000003 00000004  00000005 00000001 ] [ 00000001 00000007 ] [ 'mimi://b.example/u/bob' 00000002 ]",
        &ParticipantListUpdate {
            changed: vec![(3, role(4)), (5, role(1))],
            removed: vec![1, 7],
            added: vec![(ParticipantUri::parse("mimi://b.example/u/bob").unwrap(), role(2))],
        },
    );
    is(
        "'mimi://a.example/r/club' 'Club' [ 'text/plain' 'en' 'Come in' ] 'https://a.example/a.png' 'cats' 'fine'",
        &RoomMetadata {
            name: "Club".into(),
            descriptions: vec![RichDescription {
                media_type: "text/plain".into(),
                language_tag: "en".into(),
                content: b"Come in".to_vec(),
            }],
            avatar: "https://a.example/a.png".into(),
            subject: "cats".into(),
            mood: "fine".into(),
            ..RoomMetadata::new(RoomUri::parse("mimi://a.example/r/club").unwrap())
        },
    );
}

fn member() -> Role {
    Role {
        index: role(7),
        name: "member".into(),
        description: String::new(),
        capabilities: vec![Capability(0x0100), Capability(0xF001)],
        participants: Bounds { minimum: 1, maximum: None },
        active: Bounds { minimum: 0, maximum: Some(9) },
        changes: vec![RoleChange { from: role(0), targets: vec![role(7), role(1)] }],
    }
}

const MEMBER: &str = "00000007 'member' '' [ 0100 f001 ] 00000001 00  00000000 01 00000009
    [ 00000000 [ 00000007 00000001 ] ]";
const NOBODY: &str = "00000000 'none' 'who is not here' [] 00000000 00  00000000 01 00000000 []";
const BANNED: &str = "00000001 'banned' '' [] 00000000 00  00000000 01 00000000 []";

/// W-40a, R-010 (indices with gaps), R-012 (a description may be empty).
#[test]
fn roles_list() {
    let nobody = Role {
        index: role(0),
        name: "none".into(),
        description: "who is not here".into(),
        capabilities: Vec::new(),
        participants: Bounds { minimum: 0, maximum: None },
        active: Bounds { minimum: 0, maximum: Some(0) },
        changes: Vec::new(),
    };
    let banned = Role {
        index: role(1),
        name: "banned".into(),
        description: String::new(),
        ..nobody.clone()
    };
    let roles = Roles::new(vec![nobody, banned, member()]).unwrap();
    is(&format!("[ {NOBODY} {BANNED} {MEMBER} ]"), &roles);
    assert!(roles.get(role(2)).is_none() && roles.get(role(7)).is_some());
    let spoilt = MEMBER.replace("'member'", "02 c328");
    is_not::<Roles>(&format!("[ {NOBODY} {BANNED} {spoilt} ]"), "role_name", |fault| {
        matches!(fault, Fault::Text)
    });
}

/// W-40b, Q-60: a whole role stands in the entry.
#[test]
fn preauth_list() {
    let claim = |id: &str, value: &str| Claim {
        credential_type: 1,
        id: id.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
    };
    is(
        &format!("[ [ 0001 'domain' 'b.example'  0001 '' 'x' ] {MEMBER}  [] {MEMBER} ]"),
        &PreAuth {
            entries: vec![
                PreAuthEntry {
                    claims: vec![claim("domain", "b.example"), claim("", "x")],
                    target: member(),
                },
                PreAuthEntry { claims: Vec::new(), target: member() },
            ],
        },
    );
}

/// W-40c, R-037, Q-62, Q-64.
#[test]
fn base_room_policy() {
    let parent = RoomUri::parse("mimi://a.example/r/all").unwrap();
    is(
        "01 01 [ 'mimi://a.example/r/all' ] 00 01 00000064 00 01 01 01 [ 0025 0028 ]",
        &BaseRoomPolicy {
            fixed_membership: true,
            parent: Some(parent),
            multi_device: false,
            max_clients: Some(100),
            max_users: None,
            pseudonyms_allowed: true,
            persistent_room: true,
            discoverable: true,
            policy_component_ids: vec![ComponentId(0x0025), ComponentId(0x0028)],
        },
    );
    is("00 00 00 01 00 00 00 00 00 00", &BaseRoomPolicy::default());
    for (notation, field) in [
        ("00 00 [ 'mimi://a.example/r/all' ] 01 00 00 00 00 00 00", "parent_room"),
        ("00 01 [] 01 00 00 00 00 00 00", "parent_room"),
        ("02 00 00 01 00 00 00 00 00 00", "fixed_membership"),
        ("00 02 00 01 00 00 00 00 00 00", "parent_dependant"),
        ("00 00 00 ff 00 00 00 00 00 00", "multi_device"),
        ("00 00 00 01 02 00 00 00 00 00", "max_clients"),
        ("00 00 00 01 00 02 00 00 00 00", "max_users"),
        ("00 00 00 01 00 00 02 00 00 00", "pseudonyms_allowed"),
        ("00 00 00 01 00 00 00 02 00 00", "persistent_room"),
        ("00 00 00 01 00 00 00 00 02 00", "discoverable"),
    ] {
        is_not::<BaseRoomPolicy>(notation, field, |_| true);
    }
    let two = "00 01 [ 'mimi://a.example/r/a' 'mimi://a.example/r/b' ] 01 00 00 00 00 00 00";
    assert!(BaseRoomPolicy::decode(&octets(two)).is_err(), "one parent at most");
}

/// W-40d, Q-63.
#[test]
fn status_notification_policy() {
    is(
        "01 02",
        &StatusNotificationPolicy {
            delivery_notifications: Optionality::Required,
            read_receipts: Optionality::Forbidden,
        },
    );
    is_not::<StatusNotificationPolicy>("00 03", "Optionality", |fault| {
        matches!(fault, Fault::Code(3))
    });
}

/// W-40e, W-40f, Q-65.
#[test]
fn join_links() {
    is(
        "01 'https://a.example/ask' 00 00000e10",
        &JoinLinkPolicy {
            on_request: true,
            join_link: "https://a.example/ask".into(),
            multiuser: false,
            expiration: 3600,
        },
    );
    is_not::<JoinLinkPolicy>("02 '' 00 00000e10", "on_request", |_| true);
    is("[ 'one' 'two' ]", &JoinLinks(vec![b"one".to_vec(), b"two".to_vec()]));
    is(
        "[ 00000000 00000002 ] [ 'three' ]",
        &JoinLinksUpdate { removed: vec![0, 2], added: vec![b"three".to_vec()] },
    );
}

/// W-40g, Q-64.
#[test]
fn link_preview_policy() {
    is(
        "02 00 01 01 [ 'https://proxy.example/' ]",
        &LinkPreviewPolicy {
            autodetect_hyperlinks_in_text: Optionality::Forbidden,
            send_link_previews: Optionality::Optional,
            automatic_link_previews: Optionality::Required,
            link_preview_proxy_use: Optionality::Required,
            link_preview_proxy: Some("https://proxy.example/".into()),
        },
    );
    is(
        "00 00 00 02",
        &LinkPreviewPolicy {
            autodetect_hyperlinks_in_text: Optionality::Optional,
            send_link_previews: Optionality::Optional,
            automatic_link_previews: Optionality::Optional,
            link_preview_proxy_use: Optionality::Forbidden,
            link_preview_proxy: None,
        },
    );
}

/// W-40h, Q-69.
#[test]
fn asset_policy() {
    let domain = |text: &str| Domain::parse(text).unwrap();
    is(
        "01 [ 'b.example' [ 'files.b.example' 'cdn.example' ] ]  [ 01 02 ] [ 00 ] 02
         0000000000000001 0000000000000002 0000000000000003 0000000000000004
         [ 'text/html' [] ] 01 [ 'text/markdown' [ 'variant' 'GFM-MIMI' ] ]",
        &AssetPolicy {
            upload_location: UploadLocation::LocalProvider,
            upload_domains: vec![UploadDomains {
                provider: domain("b.example"),
                destinations: vec![domain("files.b.example"), domain("cdn.example")],
            }],
            download: DownloadPrivacy {
                allowed: vec![DownloadType::HubProxy, DownloadType::Ohttp],
                forbidden: vec![DownloadType::Direct],
                default: DownloadType::Ohttp,
            },
            max_image: 1,
            max_audio: 2,
            max_video: 3,
            max_attachment: 4,
            forbidden_media_types: vec![media("text/html")],
            permitted_media_types: Some(vec![media("text/markdown;variant=GFM-MIMI")]),
        },
    );
    // A default that is forbidden, or not among those that are allowed; a place or way that nobody knows.
    let rest = "0000000000000000 0000000000000000 0000000000000000 0000000000000000 [] 00";
    for (head, field) in [
        ("00 [] [] [ 00 ] 00", "default_download_type"),
        ("00 [] [ 01 ] [] 02", "default_download_type"),
        ("00 [] [] [] 03", "DownloadPrivacyType"),
        ("03 [] [] [] 00", "AssetUploadLocation"),
        ("02 [] [] [] 00", "upload_domains"),
    ] {
        is_not::<AssetPolicy>(&format!("{head} {rest}"), field, |_| true);
    }
}

/// W-40i.
#[test]
fn logging_policy() {
    is(
        "01 [ 'mimi://a.example/u/log' ] 'https://a.example/log.json' ''",
        &LoggingPolicy {
            logging: Optionality::Required,
            logging_clients: vec!["mimi://a.example/u/log".into()],
            machine_readable_policy: "https://a.example/log.json".into(),
            human_readable_policy: String::new(),
        },
    );
    is("02", &LoggingPolicy { logging: Optionality::Forbidden, ..LoggingPolicy::default() });
}

/// W-40j, Q-72.
#[test]
fn chat_history_policy() {
    is(
        "00 [ 00000003 00000004 ] 01 00015180",
        &HistoryPolicy {
            history_sharing: Optionality::Optional,
            roles_that_can_share: vec![role(3), role(4)],
            automatically_share: true,
            max_time_period: 86_400,
        },
    );
    is("02", &HistoryPolicy { history_sharing: Optionality::Forbidden, ..Default::default() });
    is_not::<HistoryPolicy>("00 [] 02 00015180", "automatically_share", |_| true);
}

/// W-40k.
#[test]
fn bot_policy() {
    is(
        "[ 'poker' 'deals' 'https://p.example' 00 00000002 01 00  'local' '' '' 01 00000000 00 01 ]",
        &BotPolicy {
            allowed_bots: vec![
                Bot {
                    name: "poker".into(),
                    description: "deals".into(),
                    homepage: "https://p.example".into(),
                    local_client_bot: false,
                    bot_role_index: role(2),
                    can_target_message_in_group: true,
                    per_user_content: false,
                },
                Bot {
                    name: "local".into(),
                    description: String::new(),
                    homepage: String::new(),
                    local_client_bot: true,
                    bot_role_index: role(0),
                    can_target_message_in_group: false,
                    per_user_content: true,
                },
            ],
        },
    );
}

/// W-40l, Q-63, Q-72.
#[test]
fn message_expiration_policy() {
    let policy = MessageExpiration {
        expiring_messages: Optionality::Required,
        min_expiration_duration: 60,
        max_expiration_duration: 3600,
        default_expiration_duration: Some(600),
    };
    is("01 0000003c 00000e10 01 00000258", &policy);
    is(
        "00 0000003c 00000e10 00",
        &MessageExpiration {
            expiring_messages: Optionality::Optional,
            default_expiration_duration: None,
            ..policy
        },
    );
    is(
        "02",
        &MessageExpiration { expiring_messages: Optionality::Forbidden, ..Default::default() },
    );
}

/// W-40m, Q-71.
#[test]
fn mls_operational_policy() {
    let times = |minimum, default, maximum| MinDefaultMax { minimum, default, maximum };
    let empty = "[] [] [] [] [] [] [] [] [] []";
    let rest = "0000000000000001 0000000000000002 0000000000000003  05 0100 000003e8
        0000000000000004 0000000000000005 0000000000000006
        0000000000000007 0000000000000008 0000000000000009 0000000a
        000000000000000b 000000000000000c 000000000000000d 0000000e";
    let all = "[ 0001 ] [ 0001 0003 ] [ 0006 ] [ 0008 000a ] [ 0001 ] [ [ 0001 0002 ] [ 0006 ] ]
        [ 0022 ] [ 0020 ] [ 'application/mimi-content' [] ] [ 01 ]";
    let expected = OperationalParameters {
        mandatory_capabilities: ExtendedCapabilities {
            versions: vec![1],
            cipher_suites: vec![1, 3],
            extensions: vec![6],
            proposals: vec![8, 10],
            credentials: vec![1],
            wire_formats: vec![vec![1, 2], vec![6]],
            component_ids: vec![0x22],
            safe_aad_types: vec![0x20],
            media_types: vec![media("application/mimi-content")],
            content_types: vec![1],
        },
        default_capabilities: ExtendedCapabilities::default(),
        forbidden_capabilities: ExtendedCapabilities::default(),
        handshake_formats: vec![vec![1]],
        external_proposal_allowed: true,
        external_commit_allowed: false,
        pending_proposal_policy: PendingProposalPolicy::RandomDelay { minimum: 16, maximum: 17 },
        leaf_node_update_time: times(1, 2, 3),
        app_message_policy: AppMessagePolicy {
            epoch_tolerance: 5,
            pad_to_size: 256,
            max_generations_skipahead: 1000,
        },
        max_kp_lifetime: 4,
        max_credential_lifetime: 5,
        resumption_psk_lifetime: 6,
        sender_nonce_keypair_lifetime: times(7, 8, 9),
        max_keypairs: 10,
        buffer_incoming_message_time: times(11, 12, 13),
        max_buffered_messages: 14,
    };
    let delay = "02 0000000000000010 0000000000000011";
    is(&format!("{all} {empty} {empty} [ [ 0001 ] ] 01 00 {delay} {rest}"), &expected);
    let head = format!("{empty} {empty} {empty} []");
    for (strategy, policy) in
        [("00", PendingProposalPolicy::Unspecified), ("01", PendingProposalPolicy::ImmediateCommit)]
    {
        let octets = octets(&format!("{head} 01 01 {strategy} {rest}"));
        let parameters = OperationalParameters::decode(&octets).unwrap();
        assert_eq!(parameters.pending_proposal_policy, policy);
    }
    // rooms whose handshakes are not public are none that anybody here could be in.
    let public = format!("{empty} {empty} {empty} [ [ 0006 0001 ] ] 01 01 00 {rest}");
    assert!(OperationalParameters::decode(&octets(&public)).is_ok());
    for (notation, field) in [
        (format!("{empty} {empty} {empty} [ [ 0006 ] ] 01 01 00 {rest}"), "handshake_formats"),
        (format!("{head} 02 01 00 {rest}"), "external_proposal_allowed"),
        (format!("{head} 01 02 00 {rest}"), "external_commit_allowed"),
        (format!("{head} 01 01 03 {rest}"), "pending_proposal_strategy"),
    ] {
        is_not::<OperationalParameters>(&notation, field, |_| true);
    }
}
