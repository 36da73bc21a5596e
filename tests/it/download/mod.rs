//! Downloads: what clients choose, what hubs fetch, and Oblivious HTTP.

mod address;
mod http;
mod oblivious;
mod proxy;
mod rules;

use openmimi::{
    download::{Asked, AssetHosts, Proxy},
    env::{Limits, Timestamp},
    policy::components::{
        AssetPolicy, DownloadPrivacy, DownloadType, UploadDomains, UploadLocation,
    },
    uri::Domain,
    wire::HttpsUrl,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const PUBLIC: &str = "192.0.43.8";

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn url(url: &str) -> HttpsUrl {
    HttpsUrl::parse(url.as_bytes()).unwrap()
}

/// A hub that knows where b.example and c.example keep their assets.
fn proxy() -> Proxy {
    let hosts = AssetHosts::default()
        .with(domain("b.example"), domain("files.b.example"))
        .with(domain("c.example"), domain("cdn.example"));
    Proxy::new(hosts, &Limits::default())
}

/// A request that may be sent.
fn asked() -> Asked {
    let fetch = proxy().open(&url("https://files.b.example/1a2b?x=1")).unwrap();
    fetch.resolved(NOW, &[PUBLIC.parse().unwrap()]).unwrap()
}

/// Assets of b.example and c.example each at one host of theirs, by proxy unless told otherwise.
fn policy() -> AssetPolicy {
    let listed = |provider: &str, host: &str| UploadDomains {
        provider: domain(provider),
        destinations: vec![domain(host)],
    };
    AssetPolicy {
        upload_location: UploadLocation::LocalProvider,
        upload_domains: vec![
            listed("b.example", "files.b.example"),
            listed("c.example", "cdn.example"),
        ],
        download: DownloadPrivacy {
            allowed: vec![],
            forbidden: vec![],
            default: DownloadType::HubProxy,
        },
        max_image: 100,
        max_audio: 200,
        max_video: 300,
        max_attachment: 400,
        forbidden_media_types: vec!["text/html".parse().unwrap()],
        permitted_media_types: None,
    }
}
