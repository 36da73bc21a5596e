//! What a hub fetches for its peers.

use openmimi::{
    download::{AssetHosts, Network, Proxy, ProxyRefusal, Transfer},
    env::Limits,
    policy::components::{AssetPolicy, UploadDomains},
    wire::HttpsUrl,
};

use super::{NOW, PUBLIC, asked, domain, policy, proxy, url};

#[test]
fn p_244_d_60_only_hosts_of_peers_assets_are_asked() {
    let proxy = proxy();
    for good in
        ["https://files.b.example/", "https://cdn.example/a?b=%20", "https://cdn.example:443/"]
    {
        assert_eq!(proxy.open(&url(good)).unwrap().cache_key(), good);
    }
    for bad in [
        // P-242: not another host of the same domain, above, beside or below.
        "https://b.example/",
        "https://mimi.b.example/",
        "https://x.files.b.example/",
        "https://files.b.example.x.example/",
        "https://xfiles.b.example/",
        "https://x.example/",
    ] {
        assert_eq!(proxy.open(&url(bad)).unwrap_err(), ProxyRefusal::Host, "{bad}");
    }
    let port = url("https://files.b.example:8443/");
    assert_eq!(proxy.open(&port).unwrap_err(), ProxyRefusal::Port);
    // What no URL here can say, so that nobody has to look for it.
    for bad in [
        "http://files.b.example/",
        "https://bob@files.b.example/",
        "https://files.b.example@x.example/",
        "https://files.b.example\\@x.example/",
        "https://files.b.example#@x.example/",
        "https://FILES.b.example/",
        "https://files.b.example./",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.0x1/",
        "https://[::1]/",
        "https://localhost/",
        "https://files.b.example/\r\nHost: x.example",
        "https://files.b.example/é",
        "file:///etc/passwd",
        "//files.b.example/",
    ] {
        assert!(HttpsUrl::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn hosts_are_the_operators_and_of_rooms_only_what_is_the_peers_own() {
    // D-60: the members of a room write its policy, so it cannot point the hub anywhere.
    let listed = |provider: &str, hosts: &[&str]| UploadDomains {
        provider: domain(provider),
        destinations: hosts.iter().map(|host| domain(host)).collect(),
    };
    let room = AssetPolicy {
        upload_domains: vec![
            listed("b.example", &["b.example", "files.b.example", "x.example", "xb.example"]),
            listed("c.example", &["files.b.example"]),
            listed("x.example", &["files.x.example"]),
        ],
        ..policy()
    };
    let peers = [domain("b.example"), domain("c.example")];
    let is_peer = |it: &_| peers.contains(it);
    let limits = Limits::default();
    let hosts = AssetHosts::default().with_room(&limits, &room, is_peer);
    let of_b: Vec<&str> = hosts.of(&peers[0]).map(AsRef::as_ref).collect();
    assert_eq!(of_b, ["b.example", "files.b.example"]);
    assert_eq!(hosts.of(&peers[1]).count(), 0);
    assert!(!hosts.has(&domain("files.x.example")) && !hosts.has(&domain("x.example")));
    assert!(!hosts.without(&peers[0]).has(&domain("files.b.example")));
    // What a room can bring is bounded; the operator is not.
    let mut limits = limits;
    limits.asset_hosts = 1;
    let hosts = AssetHosts::default().with_room(&limits, &room, is_peer);
    assert_eq!(hosts.of(&peers[0]).count(), 1);
    let hosts = hosts.with(peers[0].clone(), domain("x.example"));
    assert!(hosts.has(&domain("x.example")));
    // A name of a local network is nobody's.
    let hosts = hosts.with(peers[0].clone(), domain("assets.internal"));
    assert!(!hosts.has(&domain("assets.internal")));
}

#[test]
fn d_61_every_address_is_checked_and_none_is_used_if_one_is_bad() {
    let resolved = |proxy: &Proxy, addresses: &[&str]| {
        let addresses: Vec<_> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let fetch = proxy.open(&url("https://files.b.example/1")).unwrap();
        fetch
            .resolved(NOW, &addresses)
            .map(|asked| asked.addresses().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let proxy = proxy();
    assert_eq!(
        resolved(&proxy, &[PUBLIC, "2606:4700::1111"]).unwrap(),
        ["192.0.43.8:443", "[2606:4700::1111]:443"]
    );
    assert_eq!(resolved(&proxy, &[]), Err(ProxyRefusal::Unresolved));
    for bad in ["10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"] {
        assert_eq!(resolved(&proxy, &[bad]), Err(ProxyRefusal::Address), "{bad}");
        assert_eq!(resolved(&proxy, &[PUBLIC, bad]), Err(ProxyRefusal::Address), "{bad}");
    }
    // The hub's own network may have public addresses.
    let own = Network::new("192.0.43.0".parse().unwrap(), 24).unwrap();
    let careful = proxy.avoiding([own]);
    for bad in [PUBLIC, "::ffff:192.0.43.8", "64:ff9b::192.0.43.8"] {
        assert_eq!(resolved(&careful, &[bad]), Err(ProxyRefusal::Address), "{bad}");
    }
    assert!(resolved(&careful, &["1.1.1.1"]).is_ok());
}

#[test]
fn q_107_d_64_the_request_is_a_get_with_a_fixed_set_of_headers() {
    let asked = asked();
    assert_eq!(asked.method(), "GET");
    assert_eq!(asked.target(), "/1a2b?x=1");
    assert_eq!(asked.url().as_str(), "https://files.b.example/1a2b?x=1");
    assert_eq!(
        asked.headers(),
        [("host", "files.b.example"), ("accept", "*/*"), ("accept-encoding", "identity")]
    );
    assert_eq!(
        Transfer::HEADERS,
        [("content-type", "application/octet-stream"), ("x-content-type-options", "nosniff")]
    );
}

/// A status and headers; the refusal of them, and what is answered.
type Row<'a> = (u16, &'a [(&'a str, &'a [u8])], ProxyRefusal, u16);

#[test]
fn d_62_d_64_p_246_what_a_host_may_answer() {
    let answered = |status, headers: &[(&str, &[u8])]| asked().answered(NOW, status, headers);
    assert_eq!(answered(200, &[]).unwrap().announced(), None);
    let known = answered(200, &[("Content-Length", b"7"), ("content-encoding", b"Identity")]);
    assert_eq!(known.unwrap().announced(), Some(7));
    let rows: &[Row<'_>] = &[
        (301, &[("location", b"https://files.b.example/2")], ProxyRefusal::Redirected(301), 502),
        (302, &[("location", b"http://169.254.169.254/")], ProxyRefusal::Redirected(302), 502),
        (307, &[], ProxyRefusal::Redirected(307), 502),
        (404, &[], ProxyRefusal::NotFound(404), 404),
        (410, &[], ProxyRefusal::NotFound(410), 410),
        (403, &[], ProxyRefusal::Status(403), 502),
        (204, &[], ProxyRefusal::Status(204), 502),
        (206, &[], ProxyRefusal::Status(206), 502),
        (101, &[], ProxyRefusal::Status(101), 502),
        (500, &[], ProxyRefusal::Status(500), 502),
        (200, &[("content-encoding", b"gzip")], ProxyRefusal::Encoded, 502),
        (
            200,
            &[("content-length", b"5"), ("content-length", b"5")],
            ProxyRefusal::Status(200),
            502,
        ),
        (200, &[("content-length", b"+5")], ProxyRefusal::Status(200), 502),
        (200, &[("content-length", b"")], ProxyRefusal::Status(200), 502),
        (
            200,
            &[("content-length", b"99999999999999999999999")],
            ProxyRefusal::TooLarge(100 << 20),
            502,
        ),
    ];
    for (status, headers, refusal, answer) in rows {
        assert_eq!(answered(*status, headers).unwrap_err(), *refusal, "{status} {headers:?}");
        assert_eq!(refusal.status(), *answer, "{refusal}");
    }
    // D-09: a wait is passed on, within bounds.
    let later = |wait: &[u8]| answered(503, &[("retry-after", wait)]).unwrap_err();
    assert_eq!((later(b"7").status(), later(b"7").retry_after()), (503, Some(7_000)));
    assert_eq!(later(b"999999999").retry_after(), Some(Limits::default().retry_after));
    assert_eq!(later(b"soon").retry_after(), None);
    // By the hub's clock, in whichever form.
    let at = openmimi::env::Timestamp(784_111_777_000 - 5_000);
    for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        let fetch = proxy().open(&url("https://files.b.example/1")).unwrap();
        let asked = fetch.resolved(at, &[PUBLIC.parse().unwrap()]).unwrap();
        let refusal = asked.answered(at, 429, &[("retry-after", date.as_bytes())]).unwrap_err();
        assert_eq!((refusal.status(), refusal.retry_after()), (503, Some(5_000)), "{date}");
    }
    assert_eq!(answered(429, &[]).unwrap_err().status(), 503);
    // Nothing of the hub's own network shows.
    for refusal in [ProxyRefusal::Host, ProxyRefusal::Port, ProxyRefusal::Address] {
        assert_eq!((refusal.status(), refusal.retry_after()), (403, None));
    }
    assert_eq!(ProxyRefusal::Request.status(), 400);
    assert_eq!(ProxyRefusal::Unresolved.status(), 502);
}

#[test]
fn d_63_a_body_is_bounded_in_octets_and_in_time() {
    let mut limits = Limits::default();
    limits.asset = 10;
    limits.asset_for = 1_000;
    let proxy = Proxy::new(proxy().hosts().clone(), &limits);
    let asked = || {
        let fetch = proxy.open(&url("https://files.b.example/1")).unwrap();
        fetch.resolved(NOW, &[PUBLIC.parse().unwrap()]).unwrap()
    };
    assert_eq!(asked().until(), NOW.plus(1_000));
    let begun = |headers: &[(&str, &[u8])]| asked().answered(NOW, 200, headers);
    let mut endless = begun(&[]).unwrap();
    assert_eq!((endless.take(NOW, 6), endless.left()), (Ok(()), 4));
    assert_eq!(endless.take(NOW, 5), Err(ProxyRefusal::TooLarge(10)));
    // What was refused has not been counted.
    assert_eq!(endless.take(NOW, 4), Ok(()));
    assert_eq!(endless.take(NOW, usize::MAX), Err(ProxyRefusal::TooLarge(10)));
    assert_eq!(endless.finish(), Ok(10));
    assert_eq!(begun(&[("content-length", b"11")]), Err(ProxyRefusal::TooLarge(10)));

    let mut announced = begun(&[("content-length", b"3")]).unwrap();
    assert_eq!(announced.take(NOW, 4), Err(ProxyRefusal::TooLarge(3)));
    assert_eq!(announced.take(NOW, 2), Ok(()));
    let short = ProxyRefusal::Truncated { found: 2, announced: 3 };
    assert_eq!((announced.clone().finish(), short.status()), (Err(short), 502));
    assert_eq!(announced.take(NOW.plus(999), 0), Ok(()));
    assert_eq!(announced.take(NOW.plus(1_000), 0), Err(ProxyRefusal::TooSlow));
    assert_eq!(ProxyRefusal::TooSlow.status(), 504);
    assert_eq!(asked().answered(NOW.plus(1_000), 200, &[]), Err(ProxyRefusal::TooSlow));
}
