//! What a client uploads and downloads.

use openmimi::{
    content::{Body, Disposition, Draft, DraftBody, DraftExternal, DraftPart, Salt},
    download::{AssetChoice, Download, DownloadRefusal, LocalRules, UploadRefusal},
    policy::components::{
        AssetPolicy, DownloadPrivacy, DownloadType, UploadDomains, UploadLocation,
    },
    provider::directory::Route,
    uri::UserUri,
};

use super::{domain, policy, url};

fn user(name: &str) -> UserUri {
    UserUri::parse(name).unwrap()
}

/// What bob@b.example does with an asset of a user.
fn download(
    room: Option<&AssetPolicy>,
    local: &LocalRules,
    sender: &str,
    (media_type, asset, size): (&str, &str, u64),
    is_attachment: bool,
) -> Result<Download, DownloadRefusal> {
    let external = DraftExternal {
        content_type: media_type.into(),
        url: asset.into(),
        size,
        ..DraftExternal::default()
    };
    let part = DraftPart {
        disposition: Disposition::RENDER,
        language: "".into(),
        body: DraftBody::External(external),
    };
    let sender = user(sender);
    let draft = Draft::new(sender.as_str(), "mimi://a.example/r/x", part);
    let message = draft.build(Salt([7; 16])).unwrap();
    let message = message.as_message();
    let Body::External(external) = message.body().body() else { panic!("an external part") };
    let bob = user("mimi://b.example/u/bob");
    AssetChoice { room, local, user: &bob }.download(&sender, &external, is_attachment)
}

const CATHY: &str = "mimi://c.example/u/cathy";
const IMAGE: (&str, &str, u64) = ("image/png", "https://cdn.example/1", 100);

fn ways(ways: &[DownloadType]) -> LocalRules {
    LocalRules { ways: ways.to_vec(), ..LocalRules::default() }
}

/// What the room allows, forbids, and has as its default; what the app allows; what is taken.
type Row = (
    &'static [DownloadType],
    &'static [DownloadType],
    DownloadType,
    &'static [DownloadType],
    Option<DownloadType>,
);

#[test]
fn p_241_p_243_q_69_the_way_is_one_that_both_sides_allow() {
    use DownloadType::{Direct, HubProxy, Ohttp};
    let rows: &[Row] = &[
        (&[], &[], HubProxy, &[HubProxy], Some(HubProxy)),
        (&[], &[], HubProxy, &[Ohttp, HubProxy], Some(HubProxy)),
        (&[], &[], Ohttp, &[HubProxy, Ohttp], Some(Ohttp)),
        (&[], &[], Ohttp, &[HubProxy], Some(HubProxy)),
        (&[Ohttp], &[], Ohttp, &[HubProxy], None),
        (&[], &[HubProxy], Ohttp, &[HubProxy], None),
        // Forbidden wins.
        (&[Ohttp, HubProxy], &[HubProxy], Ohttp, &[HubProxy, Ohttp], Some(Ohttp)),
        // The room may say direct: not to another provider's host, unless the user wants that.
        (&[], &[], Direct, &[Direct, HubProxy], Some(HubProxy)),
        (&[], &[], Direct, &[HubProxy, Direct], Some(HubProxy)),
        (&[Direct], &[], Direct, &[Direct, HubProxy, Ohttp], None),
        (&[], &[], HubProxy, &[], None),
    ];
    for (allowed, forbidden, default, local, expected) in rows {
        let privacy = DownloadPrivacy {
            allowed: allowed.to_vec(),
            forbidden: forbidden.to_vec(),
            default: *default,
        };
        let room = AssetPolicy { download: privacy, ..policy() };
        let found = download(Some(&room), &ways(local), CATHY, IMAGE, false);
        let expected = expected.ok_or(DownloadRefusal::Way);
        assert_eq!(
            found.map(|it| it.way),
            expected,
            "{allowed:?} {forbidden:?} {default:?} {local:?}"
        );
    }
    let direct = DownloadPrivacy { allowed: vec![], forbidden: vec![], default: Direct };
    let room = AssetPolicy { download: direct, ..policy() };
    let bold = LocalRules { direct_from_others: true, ..ways(&[Direct]) };
    let found = download(Some(&room), &bold, CATHY, IMAGE, false).unwrap();
    assert_eq!((found.way, found.automatic), (Direct, false));
    // The own provider sees who reads anyway.
    let own = ("image/png", "https://files.b.example/1", 100);
    let found = download(Some(&room), &ways(&[Direct]), "mimi://b.example/u/ben", own, false);
    let found = found.unwrap();
    assert_eq!((found.way, found.automatic), (Direct, true));
    assert_eq!(LocalRules::default().ways, [HubProxy]);
}

#[test]
fn p_245_p_252_the_hub_is_asked_for_its_proxy_alone() {
    use DownloadType::{Direct, HubProxy, Ohttp};
    let get = |way| Download { url: url(IMAGE.1), way, most: 1, automatic: true };
    assert_eq!(get(HubProxy).route(), Some(Route::ProxyDownload(url(IMAGE.1))));
    assert_eq!(get(Direct).route(), None);
    assert_eq!(get(Ohttp).route(), None);
}

#[test]
fn p_240_r_082_r_083_d_47_where_an_asset_may_lie() {
    let local = LocalRules::default();
    let at = |room: Option<&AssetPolicy>, sender: &str, url: &str| {
        download(room, &local, sender, ("image/png", url, 0), false)
    };
    let room = policy();
    assert!(at(Some(&room), CATHY, "https://cdn.example/1").unwrap().automatic);
    // Another provider's host will not do, nor another host of the same domain.
    let host = Err(DownloadRefusal::Host);
    assert_eq!(at(Some(&room), CATHY, "https://files.b.example/1"), host);
    assert_eq!(at(Some(&room), CATHY, "https://x.cdn.example/1"), host);
    assert_eq!(at(Some(&room), CATHY, "https://c.example/1"), host);
    for bad in [
        "http://cdn.example/1",
        "https://10.0.0.1/",
        "https://x@cdn.example/",
        "https://localhost/",
    ] {
        assert!(matches!(at(Some(&room), CATHY, bad), Err(DownloadRefusal::Url(_))), "{bad}");
        assert!(matches!(at(None, CATHY, bad), Err(DownloadRefusal::Url(_))), "{bad}");
    }
    // All assets at the hub.
    let hub = AssetPolicy {
        upload_location: UploadLocation::Hub,
        upload_domains: vec![UploadDomains {
            provider: domain("a.example"),
            destinations: vec![domain("files.a.example")],
        }],
        ..policy()
    };
    assert!(at(Some(&hub), CATHY, "https://files.a.example/1").unwrap().automatic);
    assert_eq!(at(Some(&hub), CATHY, "https://cdn.example/1"), host);
    // Anywhere, or no policy: the app asks its user, unless the room names the host for that sender.
    let anywhere = AssetPolicy { upload_location: UploadLocation::Unspecified, ..policy() };
    assert!(at(Some(&anywhere), CATHY, "https://cdn.example/1").unwrap().automatic);
    assert!(!at(Some(&anywhere), CATHY, "https://files.b.example/1").unwrap().automatic);
    assert!(!at(Some(&anywhere), CATHY, "https://x.example/1").unwrap().automatic);
    assert!(!at(None, CATHY, "https://cdn.example/1").unwrap().automatic);
}

#[test]
fn r_085_r_086_what_an_asset_may_be() {
    let room = policy();
    let local = LocalRules { most: 350, ..LocalRules::default() };
    let of = |media_type, size, is_attachment| {
        let asset = (media_type, "https://cdn.example/1", size);
        download(Some(&room), &local, CATHY, asset, is_attachment).map(|it| it.most)
    };
    assert_eq!(of("image/png", 100, false), Ok(100));
    assert_eq!(of("image/png", 101, false), Err(DownloadRefusal::TooLarge(100)));
    assert_eq!(of("audio/ogg", 200, false), Ok(200));
    assert_eq!(of("video/mp4", 301, false), Err(DownloadRefusal::TooLarge(300)));
    // What is not known to be large is bounded while it comes.
    assert_eq!(of("video/mp4", 0, false), Ok(300));
    // The local bound holds as well; an attachment is one whatever its type.
    assert_eq!(of("image/png", 350, true), Ok(350));
    assert_eq!(of("application/zip", 351, true), Err(DownloadRefusal::TooLarge(350)));
    assert_eq!(of("text/html", 1, false), Err(DownloadRefusal::MediaType));
    assert_eq!(of("text/html;charset=utf-8", 1, true), Err(DownloadRefusal::MediaType));
    assert_eq!(of("no type", 1, false), Err(DownloadRefusal::MediaType));
    assert_eq!(of("", 1, false), Err(DownloadRefusal::Service));
}

#[test]
fn p_241_an_upload_that_either_side_forbids_is_none() {
    let bob = user("mimi://b.example/u/bob");
    let upload =
        |room: Option<&AssetPolicy>, uploads: &[&str], media_type, octets, is_attachment| {
            let uploads = uploads.iter().map(|host| domain(host)).collect();
            let local = LocalRules { uploads, most: 350, ..LocalRules::default() };
            let choice = AssetChoice { room, local: &local, user: &bob };
            choice
                .upload(media_type, octets, is_attachment)
                .map(|upload| upload.hosts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
    let room = policy();
    let both = ["x.example", "files.b.example", "cdn.example"];
    assert_eq!(upload(Some(&room), &both, "image/png", 100, false).unwrap(), ["files.b.example"]);
    assert_eq!(
        upload(Some(&room), &["cdn.example"], "image/png", 1, false),
        Err(UploadRefusal::Host)
    );
    assert_eq!(upload(Some(&room), &[], "image/png", 1, false), Err(UploadRefusal::Host));
    assert_eq!(upload(None, &["localhost"], "image/png", 1, false), Err(UploadRefusal::Host));
    assert_eq!(upload(None, &both, "image/png", 1, false).unwrap(), both);
    let large = |octets, is_attachment| {
        upload(Some(&room), &both, "image/png", octets, is_attachment).err()
    };
    assert_eq!(large(101, false), Some(UploadRefusal::TooLarge(100)));
    assert_eq!(large(350, true), None);
    assert_eq!(large(351, true), Some(UploadRefusal::TooLarge(350)));
    for bad in ["text/html", "", "x"] {
        assert_eq!(
            upload(Some(&room), &both, bad, 1, false),
            Err(UploadRefusal::MediaType),
            "{bad}"
        );
    }
    let anywhere = AssetPolicy { upload_location: UploadLocation::Unspecified, ..policy() };
    assert_eq!(
        upload(Some(&anywhere), &["x.example"], "image/png", 1, false).unwrap(),
        ["x.example"]
    );
}
