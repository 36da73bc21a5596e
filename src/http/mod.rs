//! The protocol over HTTP, as values of the [`http`] crate: no server, no socket, nothing asynchronous.
//!
//! The caller brings the HTTP stack, and TLS with certificates on both sides (P-035). In between, four steps:
//!
//! ```text
//!  our side                                                             their side
//!  ────────                                                             ──────────
//!  Route, body ─request─▶ http::Request ═══ HTTPS ═══▶ http::Request ─Server::accept─▶ Incoming
//!                                                                                        │ hub, follower, provider
//!  Answer ◀─answer─ http::Response ◀══════════════════ http::Response ◀─respond─ Reply ◀─╯
//! ```
//!
//! ```
//! use http::StatusCode;
//! use openmimi::{
//!     env::{Env, Limits, Timestamp},
//!     http::{Answer, Call, Reply, Server, answer, request, respond},
//!     provider::{Policy, directory::{Directory, Route, Routes}, peering::{Access, Peering}},
//!     uri::{Domain, RoomUri},
//! };
//! # let crypto = openmls_rust_crypto::RustCrypto::default();
//!
//! let (a, b) = (Domain::parse("a.example")?, Domain::parse("b.example")?);
//! let directory = Directory::standard(b.clone(), "mimi.b.example")?;
//!
//! // The hub a.example has an event for its follower b.example.
//! let room = RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! let sent = request(&a, &directory, &Route::Notify(room.clone()), b"events")?;
//! assert_eq!(sent.headers()["from"], "mimi@a.example");
//!
//! // b.example knows a.example, and the certificate of the connection says that it is a.example.
//! let server = Server {
//!     routes: Routes::new(directory)?,
//!     peering: Peering::default().with(a.clone(), Access::ALL),
//!     policy: Policy::default(),
//!     limits: Limits::default(),
//! };
//! let env = Env { now: Timestamp(0), crypto: &crypto, keys: &() };
//! let incoming = server.accept(&env, &sent, &[a]).map_err(|refusal| refusal.status().to_string())?;
//! assert_eq!(incoming.call, Call::Notify(room));
//! assert_eq!(incoming.body, b"events");
//!
//! // The follower has taken the events: 201, and the hub's cursor goes on.
//! let response = respond(Reply::Received);
//! assert_eq!(response.status(), StatusCode::CREATED);
//! assert_eq!(answer(env.now, &Limits::default(), &response)?, Answer::Done(&[][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Names
//!
//! | where | what | rule |
//! | --- | --- | --- |
//! | `Host` or `:authority` | the host of the URL, which is one of ours; the port is ignored | P-032, Q-02, D-71 |
//! | `From` | `mimi@` and the domain of the provider that sends; exactly that | P-033, P-034 |
//! | certificate | has that domain among its names | P-036, D-70 |
//! | path | what the directory says, in its one encoding | P-060, P-063, Q-01 |
//! | body | agrees with the path | P-073, D-73 |
//!
//! # Who vouches for what
//!
//! A connection shows which provider sends, hop by hop. The protocol has no signature of the provider where something
//! started, so a follower believes its hub about the others, and a hub each follower about its own users, but for what
//! MLS signs (A-020, Q-90).
//!
//! # Status codes
//!
//! Whether an endpoint says yes or no is in the body of its response, with status 200. A status says the rest (Q-04):
//!
//! | status | means |
//! | --- | --- |
//! | 200 | see the body |
//! | 201 | received; no body (`notify`, both consents, `reportAbuse`; Q-110) |
//! | 400 | what came cannot be read, or contradicts itself |
//! | 403 | not from whom it should come; nothing that is downloaded for others |
//! | 404 | no such endpoint, or no such room and no reason to hide that |
//! | 405, 413, 415, 421 | another method, too long, encoded, for another host |
//! | 429, 503 | later; perhaps `Retry-After` |
//! | 502, 504 | a download, and the host of the asset answers with something else, or not in time |
//!
//! # Who asks too often
//!
//! Between [`Server::accept`] and the machine, ask [`Pace::take`](crate::provider::pace::Pace::take), with
//! [`Incoming::requester`] and [`Incoming::endpoint`]; [`Reply::too_many`] is the answer to who may not.
//!
//! # Downloads
//!
//! [`Call::ProxyDownload`] and [`Call::Gateway`] are for [`download::Proxy`](crate::download::Proxy), which says what
//! to fetch; [`fetch`] makes the request to the host of the asset, and [`asset`] the response to the peer.

mod accept;
mod download;
mod head;
mod outgoing;
mod reply;

#[cfg(feature = "ohttp")]
pub use self::download::oblivious;
pub use self::{
    accept::{Call, Incoming, Refusal, Server, host},
    download::{asset, asset_head, downloaded, fetch, fetched},
    outgoing::{Answer, AnswerFault, answer, directory, request, request_directory},
    reply::{Reply, respond},
};

/// The media type of all bodies but the directory (Q-04).
const OCTETS: &str = "application/octet-stream";
/// The media type of the directory.
const JSON: &str = "application/json";
/// The local part of every `From` (P-034).
const LOCAL_PART: &str = "mimi@";
