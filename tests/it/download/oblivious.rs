//! Oblivious HTTP: client, relay, gateway.

use openmimi::{
    download::{
        Proxy, ProxyRefusal,
        oblivious::{Answer, AskFault, Gateway, GatewayRefusal, Opened, RelayRefusal, ask, relay},
    },
    env::{Limits, Peer},
    provider::{
        directory::Endpoint,
        peering::{Access, Peering},
    },
    uri::{ClientUri, UserUri},
};

use super::{domain, proxy, url};

const ASSET: &str = "https://files.b.example/1a2b?x=%20";

fn gateway() -> Gateway {
    Gateway::new(1, &[7; 32]).unwrap()
}

/// A binary request (RFC 9292) with these four parts, and what follows them.
fn binary(parts: [&str; 4], rest: &[u8]) -> Vec<u8> {
    let mut request = vec![0];
    for part in parts {
        request.push(u8::try_from(part.len()).unwrap());
        request.extend_from_slice(part.as_bytes());
    }
    request.extend_from_slice(rest);
    request
}

/// Seals octets for the gateway as another implementation's client might.
fn seal(gateway: &Gateway, request: &[u8]) -> Vec<u8> {
    let client = ohttp::ClientRequest::from_encoded_config_list(&gateway.keys()).unwrap();
    client.encapsulate(request).unwrap().0
}

#[test]
fn p_249_an_asset_is_asked_for_sealed_and_comes_sealed() {
    let gateway = gateway();
    let (request, waiting) = ask(&gateway.keys(), &url(ASSET)).unwrap();
    assert!(!request.windows(4).any(|octets| octets == b"1a2b"));
    let Opened::Fetch(fetch, sealer) = gateway.open(&proxy(), &request).unwrap() else {
        panic!("a host of a peer");
    };
    assert_eq!(fetch.cache_key(), ASSET);
    let response = sealer.asset(b"asset").unwrap();
    assert!(!response.windows(5).any(|octets| octets == b"asset"));
    let answer = waiting.open(&Limits::default(), &response);
    assert_eq!(answer.unwrap(), Answer::Asset(b"asset".to_vec()));
    // A refusal of the host is sealed as well.
    let (request, waiting) = ask(&gateway.keys(), &url(ASSET)).unwrap();
    let Opened::Fetch(_, sealer) = gateway.open(&proxy(), &request).unwrap() else {
        panic!("a host of a peer");
    };
    let response = sealer.refusal(&ProxyRefusal::NotFound(410)).unwrap();
    assert_eq!(waiting.open(&Limits::default(), &response).unwrap(), Answer::Refused(410));
}

#[test]
fn p_248_d_65_the_gateway_reaches_the_hosts_of_the_proxy_and_no_others() {
    let gateway = gateway();
    for (target, refusal) in [
        ("https://x.example/", ProxyRefusal::Host),
        ("https://b.example/", ProxyRefusal::Host),
        ("https://files.b.example:8443/", ProxyRefusal::Port),
    ] {
        let (request, waiting) = ask(&gateway.keys(), &url(target)).unwrap();
        let Opened::Refused(reason, response) = gateway.open(&proxy(), &request).unwrap() else {
            panic!("{target}");
        };
        assert_eq!(reason, refusal, "{target}");
        assert_eq!(waiting.open(&Limits::default(), &response).unwrap(), Answer::Refused(403));
    }
}

#[test]
fn q_107_the_gateway_takes_a_get_of_an_https_url_and_nothing_else() {
    let gateway = gateway();
    let open = |request: &[u8]| match gateway.open(&proxy(), &seal(&gateway, request)).unwrap() {
        Opened::Fetch(fetch, _) => Ok(fetch.cache_key().to_owned()),
        Opened::Refused(refusal, _) => Err(refusal),
    };
    let host = "files.b.example";
    let get = |rest: &[u8]| open(&binary(["GET", "https", host, "/1"], rest));
    let expected = Ok("https://files.b.example/1".to_owned());
    assert_eq!(get(&[]), expected);
    // Headers are not passed on; padding is zeros.
    assert_eq!(get(b"\x04\x01a\x01b\0\0"), expected);
    assert_eq!(get(&[0; 9]), expected);
    let bad = Err(ProxyRefusal::Request);
    assert_eq!(get(b"\0\0\0\x01"), bad);
    assert_eq!(get(b"\0\x03abc"), bad);
    for parts in [
        ["POST", "https", host, "/1"],
        ["CONNECT", "https", host, "/1"],
        ["GET", "http", host, "/1"],
        ["GET", "file", host, "/1"],
        ["GET", "https", "", "/1"],
        ["GET", "https", host, ""],
        ["GET", "https", host, "1"],
        ["GET", "https", host, "@x.example/"],
        ["GET", "https", host, ".x.example/"],
        ["GET", "https", "x@files.b.example", "/1"],
        ["GET", "https", "files.b.example/x?", "/1"],
        ["GET", "https", "files.b.example?x", "/1"],
        ["GET", "https", "127.0.0.1", "/1"],
        ["GET", "https", "[::1]", "/1"],
        ["GET", "https", host, "/1 HTTP/1.1"],
        ["GET", "https", host, "/1\r\nhost: x"],
    ] {
        assert_eq!(open(&binary(parts, &[])), bad, "{parts:?}");
    }
    for request in [&b""[..], b"\x01\x40\xc8", b"\x02", b"\x09", &[0xff; 40], b"\0\x3f"] {
        assert_eq!(open(request), bad, "{request:?}");
    }
    let whole = binary(["GET", "https", host, "/1"], &[]);
    for cut in 0..whole.len() {
        assert_eq!(open(&whole[..cut]), bad, "{cut}");
    }
}

#[test]
fn what_is_not_sealed_for_the_gateway_does_not_open() {
    let gateway = gateway();
    let (request, _) = ask(&gateway.keys(), &url(ASSET)).unwrap();
    for cut in 0..request.len() {
        let refusal = gateway.open(&proxy(), &request[..cut]).unwrap_err();
        assert_eq!((refusal, refusal.status()), (GatewayRefusal::Malformed, 400), "{cut}");
    }
    for at in 0..request.len() {
        let mut changed = request.clone();
        changed[at] ^= 1;
        let expected = if at == 0 { GatewayRefusal::Key } else { GatewayRefusal::Malformed };
        assert_eq!(gateway.open(&proxy(), &changed).unwrap_err(), expected, "{at}");
    }
    let large = vec![1; (16 << 10) + 1];
    let refusal = gateway.open(&proxy(), &large).unwrap_err();
    assert_eq!((refusal, refusal.status()), (GatewayRefusal::TooLarge(large.len()), 413));
}

#[test]
fn keys_come_from_the_secret_and_go_when_newer_ones_come() {
    let gateway = gateway();
    // A restart changes nothing.
    assert_eq!(gateway.keys(), self::gateway().keys());
    let opens = |gateway: &Gateway, request: &[u8]| gateway.open(&proxy(), request).map(|_| ());
    let (old, _) = ask(&gateway.keys(), &url(ASSET)).unwrap();
    let mut rotated = gateway;
    for key_id in 2..=4 {
        rotated = rotated.rotate(key_id, &[key_id; 32]).unwrap();
        assert_eq!(opens(&rotated, &old), Ok(()));
        // Clients take the newest.
        let (new, _) = ask(&rotated.keys(), &url(ASSET)).unwrap();
        assert_eq!(new[0], key_id);
        assert_eq!(opens(&rotated, &new), Ok(()));
    }
    assert!(rotated.clone().rotate(3, &[9; 32]).is_err());
    let rotated = rotated.rotate(5, &[5; 32]).unwrap();
    assert_eq!(opens(&rotated, &old), Err(GatewayRefusal::Key));
}

#[test]
fn keys_that_are_none_are_refused_and_unknown_ones_passed_over() {
    let good = gateway().keys();
    let asked = |keys: &[u8]| ask(keys, &url(ASSET)).map(|_| ());
    assert_eq!(asked(&[]), Err(AskFault::NoKey));
    for cut in 1..good.len() {
        assert!(matches!(asked(&good[..cut]), Err(AskFault::Keys(_))), "{cut}");
    }
    let config = |kem: u16, key: &[u8], suites: &[[u8; 4]]| {
        let suites = suites.concat();
        let length = u16::try_from(suites.len()).unwrap();
        let inside = [&[9], &kem.to_be_bytes()[..], key, &length.to_be_bytes(), &suites].concat();
        [&u16::try_from(inside.len()).unwrap().to_be_bytes()[..], &inside].concat()
    };
    let aes = [0, 1, 0, 1];
    for unknown in [
        config(0x21, &[1; 56], &[aes]),
        config(0x20, &[1; 32], &[]),
        config(0x20, &[1; 32], &[[0, 1, 0, 2]]),
        config(0x20, &[1; 32], &[[0, 2, 0, 1], [0xff; 4]]),
        // No point of the curve.
        config(0x10, &[1; 65], &[aes]),
        // A key that agrees on nothing.
        config(0x20, &[0; 32], &[aes]),
    ] {
        assert_eq!(asked(&unknown), Err(AskFault::NoKey), "{unknown:?}");
    }
    let unknown = config(0x21, &[1; 56], &[aes]);
    assert_eq!(asked(&[unknown, good.clone()].concat()), Ok(()));
    // Of several suites, one that is known.
    assert_eq!(asked(&config(0x20, &[9; 32], &[[0xff; 4], [0, 1, 0, 3]])), Ok(()));
    assert!(matches!(asked(&[&good[..], &[0]].concat()), Err(AskFault::Keys(_))));
    let many = good.repeat(400);
    assert_eq!(asked(&many), Err(AskFault::TooManyKeys(many.len())));
}

#[test]
fn a_response_opens_for_its_request_alone() {
    let gateway = gateway();
    let exchange = || {
        let (request, waiting) = ask(&gateway.keys(), &url(ASSET)).unwrap();
        let Opened::Fetch(_, sealer) = gateway.open(&proxy(), &request).unwrap() else {
            panic!("a host of a peer");
        };
        (waiting, sealer.asset(b"asset").unwrap())
    };
    let limits = Limits::default();
    let (waiting, _) = exchange();
    let (_, other) = exchange();
    assert_eq!(waiting.open(&limits, &other), Err(AskFault::Sealed));
    let (_, response) = exchange();
    for cut in [0, 1, 16, 17, response.len() - 1] {
        let (waiting, response) = exchange();
        assert_eq!(waiting.open(&limits, &response[..cut]), Err(AskFault::Sealed), "{cut}");
    }
    let (waiting, response) = exchange();
    let mut small = limits;
    small.oblivious_asset = 1;
    let padded = [response, vec![0; 1024]].concat();
    assert_eq!(waiting.open(&small, &padded), Err(AskFault::TooLarge(padded.len())));
}

/// D-63: it is held whole on both sides, so it is bounded more tightly than what the proxy passes on.
#[test]
fn d_63_an_asset_that_comes_sealed_is_bounded_on_its_own() {
    let gateway = gateway();
    let mut limits = Limits::default();
    (limits.asset, limits.oblivious_asset) = (100, 10);
    let taken = |limits: &Limits, announced: &[u8]| {
        let proxy = Proxy::new(proxy().hosts().clone(), limits);
        let (request, _) = ask(&gateway.keys(), &url(ASSET)).unwrap();
        let Opened::Fetch(fetch, _) = gateway.open(&proxy, &request).unwrap() else {
            panic!("a host of a peer");
        };
        let now = openmimi::env::Timestamp(0);
        let asked = fetch.resolved(now, &["192.0.43.8".parse().unwrap()]).unwrap();
        asked.answered(now, 200, &[("content-length", announced)]).map(|it| it.left())
    };
    assert_eq!(taken(&limits, b"10"), Ok(10));
    assert_eq!(taken(&limits, b"11"), Err(ProxyRefusal::TooLarge(10)));
    // Never more than of any other asset.
    limits.asset = 5;
    assert_eq!(taken(&limits, b"6"), Err(ProxyRefusal::TooLarge(5)));
}

#[test]
fn p_251_a_relay_serves_its_own_clients_and_reaches_peers() {
    let bob = UserUri::parse("mimi://b.example/u/bob").unwrap();
    let phone = ClientUri::parse("mimi://b.example/d/bob/phone").unwrap();
    let client = Peer::Client(phone.clone(), bob);
    let peering = Peering::default()
        .with(domain("a.example"), Access::ALL)
        .with(domain("c.example"), Access::ALL.without(Endpoint::ProxyDownload));
    let limits = Limits::default();
    let go = |peer: &Peer, hub: &str, sealed: &[u8]| {
        relay(&limits, &peering, peer, &domain(hub), sealed).map(|forward| forward.url)
    };
    let url = "https://a.example/.well-known/ohttp-gateway";
    assert_eq!(go(&client, "a.example", b"sealed").unwrap(), url);
    for stranger in ["c.example", "x.example", "localhost"] {
        assert_eq!(go(&client, stranger, b"").unwrap_err(), RelayRefusal::Gateway, "{stranger}");
    }
    // D-65: whoever is open to all is no relay into its own network.
    let open = |hub: &str| relay(&limits, &Peering::open(), &client, &domain(hub), b"").map(drop);
    assert_eq!(open("x.example"), Ok(()));
    for local in ["localhost", "gateway", "gateway.internal"] {
        assert_eq!(open(local), Err(RelayRefusal::Gateway), "{local}");
    }
    let server = Peer::Server(domain("b.example"));
    assert_eq!(go(&server, "a.example", b"").unwrap_err(), RelayRefusal::NotOurs);
    let cathy = UserUri::parse("mimi://c.example/u/cathy").unwrap();
    let foreign = Peer::Client(phone, cathy);
    assert_eq!(go(&foreign, "a.example", b"").unwrap_err(), RelayRefusal::NotOurs);
    let large = vec![0; limits.body + 1];
    let refusal = go(&client, "a.example", &large).unwrap_err();
    assert_eq!((refusal, refusal.status()), (RelayRefusal::TooLarge(large.len()), 413));
}
