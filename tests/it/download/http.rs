//! Downloads over the types of the `http` crate.

use http::{Method, Request, Response, header};
use openmimi::{
    download::{
        ProxyRefusal,
        oblivious::{Answer as Unsealed, Gateway, GatewayRefusal, Opened, ask, relay},
    },
    env::{Limits, Peer},
    http::{Answer, AnswerFault, Call, Server, downloaded, fetch, fetched, oblivious, respond},
    provider::{
        directory::{Endpoint, Route},
        peering::{Access, Peering},
    },
    uri::{ClientUri, UserUri},
};

use super::{NOW, PUBLIC, asked, domain, proxy, url};
use crate::http::support::{accept, provider, send, status};

const ASSET: &str = "https://files.b.example/1a2b?x=1";

#[test]
fn p_245_an_asset_goes_through_the_hub() {
    // c.example asks the hub a.example for an asset of b.example.
    let request = send("c.example", "a.example", &Route::ProxyDownload(url(ASSET)), vec![]);
    assert_eq!(request.method(), Method::GET);
    let incoming = accept(&provider("a.example"), "c.example", &request).unwrap();
    let Call::ProxyDownload(wanted) = incoming.call else { panic!("a download") };
    let resolved = proxy().open(&wanted).unwrap().resolved(NOW, &[PUBLIC.parse().unwrap()]);
    let asked = resolved.unwrap();
    // nothing of the peer's request goes along.
    let get = fetch(&asked);
    assert_eq!((get.method(), get.uri().to_string().as_str()), (&Method::GET, ASSET));
    let names: Vec<&str> = get.headers().keys().map(header::HeaderName::as_str).collect();
    assert_eq!(names, ["host", "accept", "accept-encoding"]);
    // What the host says of itself does not go on either (D-64).
    let mut response = Response::new(b"asset".to_vec());
    let headers = response.headers_mut();
    headers.insert("content-length", "5".parse().unwrap());
    headers.insert("content-type", "text/html".parse().unwrap());
    headers.insert("set-cookie", "reader=bob".parse().unwrap());
    let mut transfer = fetched(&asked, NOW, &response).unwrap();
    let head = openmimi::http::asset_head(&transfer);
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], "application/octet-stream");
    assert_eq!(head.headers()["x-content-type-options"], "nosniff");
    assert_eq!(head.headers()["content-length"], "5");
    assert_eq!(head.headers().len(), 3);
    transfer.take(NOW, response.body().len()).unwrap();
    assert_eq!(transfer.finish(), Ok(5));
    let response = openmimi::http::asset(response.into_body());
    assert_eq!(response.headers().len(), 2);
    assert_eq!(downloaded(NOW, &Limits::default(), &response), Ok(Answer::Done(&b"asset"[..])));
}

#[test]
fn p_246_a_refusal_has_a_status_and_no_body() {
    let redirect = Response::builder().status(302).header("location", ASSET).body(()).unwrap();
    let refusal = fetched(&asked(), NOW, &redirect).unwrap_err();
    assert_eq!(refusal, ProxyRefusal::Redirected(302));
    let later = Response::builder().status(503).header("retry-after", "7").body(()).unwrap();
    let response = respond(fetched(&asked(), NOW, &later).unwrap_err());
    assert_eq!((response.status().as_u16(), response.body().len()), (503, 0));
    assert_eq!(response.headers()["retry-after"], "7");
    // A host that is nobody's is refused as a provider is that is no peer.
    let mut refused = respond(ProxyRefusal::Host);
    let request = send("x.example", "a.example", &Route::ProxyDownload(url(ASSET)), vec![]);
    let stranger = accept(&provider("a.example"), "x.example", &request).unwrap_err();
    assert_eq!((refused.status(), refused.headers()), (stranger.status(), stranger.headers()));
    assert_eq!(std::mem::take(refused.body_mut()), stranger.into_body());
}

#[test]
fn p_249_p_250_p_251_a_sealed_request_goes_through_relay_and_gateway() {
    let gateway = Gateway::new(1, &[7; 32]).unwrap();
    let hub = provider("a.example");
    // The keys are for everybody.
    let get = |from: &str, method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(format!("https://a.example{path}"))
            .header("from", format!("mimi@{from}"))
            .body(vec![])
            .unwrap()
    };
    let path = openmimi::download::GATEWAY_PATH;
    let request = get("x.example", "GET", path);
    assert_eq!(accept(&hub, "x.example", &request).unwrap().call, Call::GatewayKeys);
    let keys = oblivious::keys(&gateway);
    assert_eq!(keys.headers()["content-type"], "application/ohttp-keys");
    // The relay of c.example.
    let (sealed, waiting) = ask(keys.body(), &url(ASSET)).unwrap();
    let cathy = UserUri::parse("mimi://c.example/u/cathy").unwrap();
    let phone = ClientUri::parse("mimi://c.example/d/cathy/phone").unwrap();
    let peering = Peering::default().with(domain("a.example"), Access::ALL);
    let client = Peer::Client(phone, cathy);
    let limits = Limits::default();
    let to = relay(&limits, &peering, &client, &domain("a.example"), &sealed).unwrap();
    let request = oblivious::forward(&domain("c.example"), &to, sealed);
    assert_eq!(request.headers()["content-type"], "message/ohttp-req");
    assert_eq!(request.headers()["from"], "mimi@c.example");
    // The gateway.
    let incoming = accept(&hub, "c.example", &request).unwrap();
    assert_eq!(incoming.call, Call::Gateway);
    let Opened::Fetch(_, sealer) = gateway.open(&proxy(), incoming.body).unwrap() else {
        panic!("a host of a peer");
    };
    let response = oblivious::sealed(sealer.asset(b"asset").unwrap());
    assert_eq!(response.headers()["content-type"], "message/ohttp-res");
    // Back through the relay.
    let forwarded = oblivious::forwarded(NOW, &limits, &response).unwrap();
    let Answer::Done(body) = forwarded else { panic!("a success") };
    assert_eq!(waiting.open(&limits, body).unwrap(), Unsealed::Asset(b"asset".to_vec()));
    let plain = openmimi::http::asset(vec![]);
    assert_eq!(oblivious::forwarded(NOW, &limits, &plain), Err(AnswerFault::NotSealed));
    let refused = oblivious::refused(&GatewayRefusal::Key);
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let answer = oblivious::forwarded(NOW, &limits, &refused);
    assert_eq!(answer, Ok(Answer::Refused { status: 400 }));
    assert_eq!(oblivious::refused(&GatewayRefusal::Malformed).body().len(), 0);

    // Who may not download may not use the gateway.
    let post = get("c.example", "POST", path);
    let shut = Access::ALL.without(Endpoint::ProxyDownload);
    let peering = Peering::default().with(domain("c.example"), shut);
    let shut = Server { peering, ..provider("a.example") };
    assert_eq!(status(&accept(&shut, "c.example", &post)), 403);
    assert_eq!(status(&accept(&hub, "x.example", &get("x.example", "POST", path))), 403);
    let put = accept(&hub, "c.example", &get("c.example", "PUT", path)).unwrap_err();
    assert_eq!(
        (put.status().as_u16(), &put.headers()["allow"]),
        (405, &"GET, POST".parse().unwrap())
    );
    // It is at the provider's own domain only.
    let elsewhere = Request::builder()
        .uri(format!("https://mimi.a.example{path}"))
        .header("from", "mimi@c.example")
        .body(vec![])
        .unwrap();
    assert_eq!(status(&accept(&hub, "c.example", &elsewhere)), 404);
}
