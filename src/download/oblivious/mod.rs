//! Downloads by Oblivious HTTP (RFC 9458): the own provider knows who asks, the hub knows what for, and neither knows
//! both.
//!
//! ```text
//! client                     own provider             hub                                   host of the asset
//! ──────                     ────────────             ───                                   ─────────────────
//! ask(keys, url) ──sealed──▶ relay(…) ──sealed─────▶ Gateway::open ─▶ Fetch, as by proxy ──GET──▶
//! Waiting::open ◀───sealed── as it is ◀──sealed───── Sealer::asset  ◀──────────────────────────── asset
//! ```
//!
//! ```
//! use openmimi::{
//!     download::{AssetHosts, Proxy, oblivious::{Gateway, Opened, Answer, ask}},
//!     env::{Limits, Timestamp}, uri::Domain, wire::HttpsUrl,
//! };
//!
//! let hosts = AssetHosts::default().with(Domain::parse("c.example")?, Domain::parse("files.c.example")?);
//! let gateway = Gateway::new(1, &[7; 32])?;
//! let proxy = Proxy::new(hosts, &Limits::default());
//!
//! // The client has the gateway's keys, by GET of `GATEWAY_PATH` at the hub.
//! let url = HttpsUrl::parse(b"https://files.c.example/1a2b")?;
//! let (request, waiting) = ask(&gateway.keys(), &url)?;
//! // The hub sees what is asked for, and not by whom.
//! let Opened::Fetch(fetch, sealer) = gateway.open(&proxy, &request)? else { panic!("a peer's host") };
//! assert_eq!(fetch.cache_key(), url.as_str());
//! let response = sealer.asset(b"asset")?;
//! // The relay sees neither.
//! assert_eq!(waiting.open(&Limits::default(), &response)?, Answer::Asset(b"asset".to_vec()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where the gateway is
//!
//! The directory has no name for it. A hub's gateway is where RFC 9540 has it: [`GATEWAY_PATH`](super::GATEWAY_PATH) at the domain of the provider,
//! as the directory is. GET gives the keys; POST takes a request.
//!
//! # Randomness
//!
//! The `ohttp` crate takes randomness from the operating system: for the client's key of one request, and for the
//! nonce of a response. That is the one place in this crate where randomness is not the caller's. The gateway's own
//! keys come from a secret that the caller brings and keeps.
//!
//! # What remains
//!
//! A request can be sent again by whoever has seen it: the asset is fetched again, and the answer is of use to nobody
//! but the client. An asset is held in memory as a whole, to be sealed; [`Limits::asset`](crate::env::Limits::asset)
//! bounds it.

mod binary;
mod client;
mod gateway;
mod keys;
mod relay;

pub use client::{Answer, AskFault, Waiting, ask};
pub use gateway::{Gateway, GatewayRefusal, Opened, Sealer};
pub use relay::{Forward, RelayRefusal, relay};

/// The media type of the keys.
pub const KEYS: &str = "application/ohttp-keys";
/// The media type of a sealed request.
pub const REQUEST: &str = "message/ohttp-req";
/// The media type of a sealed response.
pub const RESPONSE: &str = "message/ohttp-res";
