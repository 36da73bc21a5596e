//! Assets: where clients upload them, how they get them, and what servers fetch for others (draft-06, section 5.10).
//!
//! A message refers to an asset by URL. Whoever fetches it there tells the host who reads, and when; so a client asks
//! somebody else to fetch it:
//!
//! ```text
//! client ── AssetChoice::download ─▶ directly                                                 ─▶ host of the asset
//!                                    through the hub:   own provider ─▶ hub: Proxy             ─▶ host
//!                                    by Oblivious HTTP: own provider: oblivious::Relay
//!                                                        ─▶ hub: oblivious::Gateway, Proxy     ─▶ host
//! ```
//!
//! | way | the host learns | the hub learns | the own provider learns |
//! | --- | --- | --- | --- |
//! | direct | who reads, and when | nothing | nothing |
//! | hub proxy | that somebody does | which provider asks for what | which user reads what |
//! | Oblivious HTTP | that somebody does | which provider asks for what | that the user asks that hub |
//!
//! [`AssetChoice`] is the client's: what the room's policy and its own allow. [`Proxy`] is the hub's: it fetches the
//! assets of peers and nothing else, so that it is no open proxy and no door into its own network (D-60 … D-65). With
//! feature `ohttp`, `oblivious` has the client's, the relay's and the gateway's part of Oblivious HTTP.
//!
//! These are decisions and no connections: the caller resolves names, connects, and moves the octets. Whether an asset
//! is the one that was meant, only its reader can tell: [`content::asset`](crate::content::asset).

mod address;
mod hosts;
#[cfg(feature = "ohttp")]
pub mod oblivious;
mod proxy;
mod refusal;
mod rules;

pub use address::{Network, is_public};
pub use hosts::AssetHosts;
pub use proxy::{Asked, Fetch, Proxy, Transfer};
pub use refusal::ProxyRefusal;
pub use rules::{AssetChoice, Download, DownloadRefusal, LocalRules, Upload, UploadRefusal};

/// Where a hub's gateway for Oblivious HTTP is, at the domain of the provider (RFC 9540, section 5): the directory has
/// no name for it.
pub const GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
