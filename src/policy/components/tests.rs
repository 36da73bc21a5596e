//! Every component: round trip, every cut, and what must not be.

use super::*;
use crate::policy::RoleIndex;

fn kept<T: Component + PartialEq + std::fmt::Debug>(value: &T) {
    let octets = value.encode();
    assert_eq!(T::decode(&octets).as_ref(), Ok(value));
    assert_eq!(check(T::ID, &octets), Ok(()));
    for end in 0..octets.len() {
        assert!(T::decode(&octets[..end]).is_err(), "{} cut at {end}", T::NAME);
    }
    let mut longer = octets;
    longer.push(0);
    assert!(T::decode(&longer).is_err(), "{} goes on", T::NAME);
}

fn refused<T: Component + PartialEq + std::fmt::Debug>(value: &T) {
    assert!(T::decode(&value.encode()).is_err(), "{value:?}");
}

fn media(text: &str) -> MediaType {
    text.parse().unwrap()
}

///
#[test]
fn status_notifications() {
    kept(&StatusNotificationPolicy {
        delivery_notifications: Optionality::Required,
        read_receipts: Optionality::Forbidden,
    });
    assert!(StatusNotificationPolicy::decode(&[0, 3]).is_err());
}

/// R-060 ….
#[test]
fn join_links() {
    let policy = JoinLinkPolicy {
        on_request: true,
        join_link: "https://a.example/ask".into(),
        multiuser: false,
        expiration: 3600,
    };
    kept(&policy);
    kept(&JoinLinkPolicy { join_link: String::new(), ..policy.clone() });
    refused(&JoinLinkPolicy { join_link: "nowhere".into(), ..policy });
    let links = JoinLinks(vec![b"https://a.example/j/Xyz".to_vec(), b"bare".to_vec()]);
    kept(&links);
    assert!(links.accept(b"Xyz") && links.accept(b"bare"));
    assert!(links.accept(b"https://a.example/j/Xyz"));
    assert!(!links.accept(b"") && !links.accept(b"xyz") && !links.accept(b"j/Xyz"));
    let update = JoinLinksUpdate { removed: vec![0, 7], added: vec![b"new".to_vec()] };
    assert_eq!(JoinLinksUpdate::decode(&update.encode()), Ok(update));
}

/// R-070 ….
#[test]
fn link_previews() {
    let policy = LinkPreviewPolicy {
        autodetect_hyperlinks_in_text: Optionality::Optional,
        send_link_previews: Optionality::Required,
        automatic_link_previews: Optionality::Forbidden,
        link_preview_proxy_use: Optionality::Optional,
        link_preview_proxy: Some("https://proxy.example/".into()),
    };
    kept(&policy);
    kept(&LinkPreviewPolicy {
        link_preview_proxy_use: Optionality::Forbidden,
        link_preview_proxy: None,
        ..policy.clone()
    });
    refused(&LinkPreviewPolicy { link_preview_proxy: None, ..policy.clone() });
    refused(&LinkPreviewPolicy { link_preview_proxy: Some(String::new()), ..policy.clone() });
    refused(&LinkPreviewPolicy { autodetect_hyperlinks_in_text: Optionality::Required, ..policy });
}

/// R-080 ….
#[test]
fn assets() {
    let domain = |text: &str| crate::uri::Domain::parse(text).unwrap();
    let policy = AssetPolicy {
        upload_location: UploadLocation::LocalProvider,
        upload_domains: vec![UploadDomains {
            provider: domain("b.example"),
            destinations: vec![domain("files.b.example")],
        }],
        download: DownloadPrivacy {
            allowed: vec![DownloadType::Direct, DownloadType::Ohttp],
            forbidden: vec![DownloadType::Ohttp],
            default: DownloadType::Direct,
        },
        max_image: 1,
        max_audio: 2,
        max_video: 3,
        max_attachment: 4,
        forbidden_media_types: vec![media("text/html")],
        permitted_media_types: Some(vec![
            media("text/markdown;variant=GFM-MIMI"),
            media("image/png"),
        ]),
    };
    kept(&policy);
    assert!(policy.allows_type(&media("text/markdown;variant=GFM-MIMI")));
    assert!(!policy.allows_type(&media("text/markdown")));
    assert!(!policy.allows_type(&media("text/html")));
    assert!(policy.allows_type(&media("image/png;x=1")));
    let none = AssetPolicy { permitted_media_types: Some(Vec::new()), ..policy.clone() };
    kept(&none);
    assert!(!none.allows_type(&media("image/png")));
    let any = AssetPolicy { permitted_media_types: None, ..policy.clone() };
    kept(&any);
    assert!(any.allows_type(&media("video/mp4")) && !any.allows_type(&media("text/html;a=b")));
    assert_eq!(policy.largest(&media("image/png"), false), 1);
    assert_eq!(policy.largest(&media("image/png"), true), 4);
    assert_eq!(policy.largest(&media("text/plain"), false), 4);
    // the sender's own provider, exactly.
    assert!(policy.allows_host(&domain("b.example"), "files.b.example"));
    assert!(!policy.allows_host(&domain("c.example"), "files.b.example"));
    assert!(!policy.allows_host(&domain("b.example"), "b.example"));
    //
    assert!(policy.download.allows(DownloadType::Direct));
    assert!(!policy.download.allows(DownloadType::Ohttp));
    assert!(!policy.download.allows(DownloadType::HubProxy));
    let download = |default| DownloadPrivacy { default, ..policy.download.clone() };
    refused(&AssetPolicy { download: download(DownloadType::Ohttp), ..policy.clone() });
    refused(&AssetPolicy { download: download(DownloadType::HubProxy), ..policy.clone() });
    //
    refused(&AssetPolicy {
        upload_location: UploadLocation::Hub,
        upload_domains: Vec::new(),
        ..policy
    });
}

///
#[test]
fn logging() {
    let policy = LoggingPolicy {
        logging: Optionality::Required,
        logging_clients: vec!["mimi://a.example/u/log".into()],
        machine_readable_policy: String::new(),
        human_readable_policy: "https://a.example/log".into(),
    };
    kept(&policy);
    assert!(policy.is_active());
    refused(&LoggingPolicy { logging_clients: Vec::new(), ..policy.clone() });
    let optional =
        LoggingPolicy { logging: Optionality::Optional, logging_clients: Vec::new(), ..policy };
    kept(&optional);
    assert!(!optional.is_active());
    let forbidden = LoggingPolicy { logging: Optionality::Forbidden, ..LoggingPolicy::default() };
    kept(&forbidden);
    assert_eq!(forbidden.encode(), [2]);
}

///
#[test]
fn history() {
    let policy = HistoryPolicy {
        history_sharing: Optionality::Optional,
        roles_that_can_share: vec![RoleIndex(3), RoleIndex(4)],
        automatically_share: true,
        max_time_period: 86_400,
    };
    kept(&policy);
    assert!(policy.may_share(RoleIndex(3)) && !policy.may_share(RoleIndex(2)));
    for role in [RoleIndex::NONE, RoleIndex::BANNED] {
        refused(&HistoryPolicy { roles_that_can_share: vec![role], ..policy.clone() });
    }
    kept(&HistoryPolicy { history_sharing: Optionality::Forbidden, ..HistoryPolicy::default() });
}

///
#[test]
fn bots() {
    let bot = Bot {
        name: "poker".into(),
        description: "deals".into(),
        homepage: String::new(),
        local_client_bot: false,
        bot_role_index: RoleIndex(2),
        can_target_message_in_group: true,
        per_user_content: true,
    };
    kept(&BotPolicy { allowed_bots: vec![bot.clone(), bot.clone()] });
    kept(&BotPolicy::default());
    refused(&BotPolicy { allowed_bots: vec![Bot { local_client_bot: true, ..bot }] });
}

///
#[test]
fn expiration() {
    let policy = MessageExpiration {
        expiring_messages: Optionality::Required,
        min_expiration_duration: 60,
        max_expiration_duration: 3600,
        default_expiration_duration: Some(600),
    };
    kept(&policy);
    assert!(policy.allows(Some(60)) && policy.allows(Some(3600)));
    assert!(!policy.allows(Some(59)) && !policy.allows(Some(3601)) && !policy.allows(None));
    refused(&MessageExpiration { default_expiration_duration: Some(59), ..policy });
    refused(&MessageExpiration {
        min_expiration_duration: 3601,
        default_expiration_duration: None,
        ..policy
    });
    let optional = MessageExpiration { expiring_messages: Optionality::Optional, ..policy };
    assert!(optional.allows(None) && optional.allows(Some(60)) && !optional.allows(Some(1)));
    let forbidden =
        MessageExpiration { expiring_messages: Optionality::Forbidden, ..Default::default() };
    kept(&forbidden);
    assert!(forbidden.allows(None) && !forbidden.allows(Some(60)));
}

/// R-160 ….
#[test]
fn operational_parameters() {
    let parameters = OperationalParameters {
        mandatory_capabilities: ExtendedCapabilities {
            versions: vec![1],
            proposals: vec![8, 10],
            wire_formats: vec![vec![1, 2], vec![6]],
            media_types: vec![media("application/mimi-content")],
            content_types: vec![1],
            ..ExtendedCapabilities::default()
        },
        forbidden_capabilities: ExtendedCapabilities {
            credentials: vec![2],
            ..ExtendedCapabilities::default()
        },
        handshake_formats: vec![vec![1]],
        external_proposal_allowed: true,
        external_commit_allowed: false,
        pending_proposal_policy: PendingProposalPolicy::RandomDelay { minimum: 5, maximum: 9 },
        leaf_node_update_time: MinDefaultMax { minimum: 1, default: 2, maximum: 3 },
        app_message_policy: AppMessagePolicy {
            epoch_tolerance: 1,
            pad_to_size: 256,
            max_generations_skipahead: 1000,
        },
        max_kp_lifetime: 1 << 40,
        ..OperationalParameters::default()
    };
    kept(&parameters);
    kept(&OperationalParameters::default());
    refused(&OperationalParameters {
        forbidden_capabilities: ExtendedCapabilities {
            proposals: vec![10],
            ..ExtendedCapabilities::default()
        },
        ..parameters.clone()
    });
    // Whose kind is forbidden is not mandatory; of what is mandatory, some kinds may be forbidden.
    let forbidding = |media_type: &str| OperationalParameters {
        forbidden_capabilities: ExtendedCapabilities {
            media_types: vec![media(media_type)],
            ..ExtendedCapabilities::default()
        },
        mandatory_capabilities: ExtendedCapabilities {
            media_types: vec![media("text/plain;charset=utf-8")],
            ..ExtendedCapabilities::default()
        },
        ..OperationalParameters::default()
    };
    refused(&forbidding("text/plain"));
    refused(&forbidding("text/plain;charset=UTF-8"));
    kept(&forbidding("text/plain;charset=utf-8;format=flowed"));
    kept(&forbidding("text/html"));
    refused(&OperationalParameters {
        pending_proposal_policy: PendingProposalPolicy::RandomDelay { minimum: 9, maximum: 5 },
        ..parameters.clone()
    });
    refused(&OperationalParameters {
        leaf_node_update_time: MinDefaultMax { minimum: 3, default: 0, maximum: 2 },
        ..parameters
    });
}

/// E-082, R-087.
#[test]
fn media_types() {
    kept(&MediaTypeList(vec![media("text/markdown;variant=GFM-MIMI")]));
    refused(&MediaTypeList(Vec::new()));
    for bad in ["text", "/plain", "text/", "te xt/plain", "text/plain;a", "text/plain;a=\"b\""] {
        assert!(bad.parse::<MediaType>().is_err(), "{bad}");
    }
}

/// R-087, E-083: what is of a kind, and who receives what.
#[test]
fn media_types_are_compared() {
    for (one, other, matches, receives) in [
        ("text/plain", "Text/Plain;charset=utf-8", true, true),
        ("text/plain;Charset=UTF-8", "text/plain;charset=utf-8;format=flowed", true, true),
        ("text/plain;charset=utf-8", "text/plain", false, true),
        ("text/plain;charset=utf-8", "text/plain;format=flowed", false, true),
        ("text/plain;charset=utf-8", "text/plain;charset=us-ascii", false, true),
        ("text/plain;charset=us-ascii", "text/plain;charset=utf-8", false, false),
        ("text/plain;charset=utf-16", "text/plain", false, false),
        ("text/plain;charset=utf-8", "text/plain;charset=utf-16", false, false),
        ("text/plain;format=flowed", "text/plain", false, false),
        ("text/markdown;variant=GFM-MIMI", "text/markdown", false, true),
        ("text/markdown;variant=GFM-MIMI", "text/markdown;variant=gfm-mimi", true, true),
        ("text/markdown;variant=GFM-MIMI", "text/markdown;variant=Original", false, false),
        ("text/plain;variant=1", "text/plain", false, false),
        ("video/mp4;codecs=avc1", "video/mp4", false, false),
        ("video/mp4;codecs=avc1", "video/mp4;codecs=AVC1", false, false),
        ("image/svg+xml;charset=utf-8", "image/svg+xml", false, false),
        ("text/html", "text/plain", false, false),
    ] {
        let (one, other) = (media(one), media(other));
        assert_eq!(one.matches(&other), matches, "{one} matches {other}");
        assert_eq!(one.receives(&other), receives, "{one} receives {other}");
    }
}

/// D-57: a length far beyond the input allocates nothing and is refused.
#[test]
fn hostile_lengths_are_refused() {
    for &id in ComponentId::KNOWN {
        for octets in [&[0xbf, 0xff, 0xff, 0xff][..], &[0xc0], &[0x40, 0x01, 0], &[0x3f]] {
            let known = check(id, octets).is_err();
            let elsewhere = !id.in_group_context()
                || matches!(
                    id,
                    ComponentId::PARTICIPANT_LIST
                        | ComponentId::ROOM_METADATA
                        | ComponentId::ROLES_LIST
                        | ComponentId::PREAUTH_LIST
                        | ComponentId::BASE_ROOM_POLICY
                        | ComponentId::ROOT_PRIVATE_SIGNATURE_KEY
                );
            assert!(known || elsewhere, "{id}");
        }
    }
}
