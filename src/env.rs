//! What a caller lends to every call: time, cryptography with randomness, and keys. Nothing here is ambient.

use openmls_traits::{crypto::OpenMlsCrypto, random::OpenMlsRand};

use crate::{
    policy::Envelope,
    uri::{ClientUri, Domain, UserUri},
};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time and `milliseconds` more; stops at the end of time.
    #[must_use]
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// Cryptography and randomness, as openmls's providers implement them.
pub trait Crypto: OpenMlsCrypto + OpenMlsRand {}

impl<C: OpenMlsCrypto + OpenMlsRand> Crypto for C {}

/// The surroundings of one call.
#[derive(Debug)]
pub struct Env<'a, C, K> {
    /// The time, as the caller's clock has it.
    pub now: Timestamp,
    /// Cryptography and randomness.
    pub crypto: &'a C,
    /// Secret keys, borrowed for the call and never stored in a machine.
    pub keys: &'a K,
}

impl<C, K> Clone for Env<'_, C, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, K> Copy for Env<'_, C, K> {}

/// Who sends a request, as the caller has authenticated it: nothing in the crate checks a certificate or a session.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Peer {
    /// Another provider, by mutual TLS: the domain of its certificate and of the `From` header (draft-06, section 4.1).
    Server(Domain),
    /// A client of this provider and the user it acts for, by whatever the provider's own login is.
    Client(ClientUri, UserUri),
}

impl Peer {
    /// The domain that answers for the request.
    #[must_use]
    pub fn domain(&self) -> Domain {
        match self {
            Self::Server(domain) => domain.clone(),
            Self::Client(_, user) => user.domain(),
        }
    }

    /// Its own name: a domain or a client URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Server(domain) => domain.as_str(),
            Self::Client(client, _) => client.as_str(),
        }
    }
}

/// Bounds of everything that a peer can grow, per item and in total.
///
/// A machine is given its limits when it is made or restored; they are not part of its records, so an operator may
/// change them between two restores.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of one request or notification body. A commit that adds 5,000 clients takes 1.8 MB.
    pub body: usize,
    /// Proposals of one room that wait for a commit. Each costs every joiner a verification.
    pub pending_proposals: usize,
    /// Proposals in one bundle.
    pub bundle: usize,
    /// Octets of one application component in the GroupContext: 5,000 participants take 250 KB.
    pub component: usize,
    /// Octets of all application components together. Every MLS signature covers them.
    pub components: usize,
    /// Answers kept for requests that come again because their reply was lost.
    pub answered: usize,
    /// Milliseconds for which such an answer is kept, and for which a follower waits for that of an external commit.
    pub answered_for: u64,
    /// KeyPackage claims that a hub remembers for one room, to route Welcomes.
    pub claims: usize,
    /// GroupInfo requests that a hub remembers for one room, to know the joiner again.
    pub joiners: usize,
    /// Milliseconds that a joiner has between asking for the GroupInfo and its external commit.
    pub joiner_for: u64,
    /// Milliseconds for which a removal that waits keeps external commits off that would undo it.
    pub removal_waits: u64,
    /// Milliseconds by which a hub's clock may have run ahead before it restarts from the present.
    pub clock_ahead: u64,
    /// Events that a client or a follower holds back because something before them is missing.
    pub early: usize,
    /// Events that one provider may be behind before the hub reports it as lagging.
    pub lag: u64,
    /// KeyPackages that a provider keeps for one client.
    pub key_packages: usize,
    /// Notifications, and events in them, whose repetition a follower recognises in one room.
    pub notified: usize,
    /// Franks of one room that a client remembers, to find swapped ones.
    pub franks: usize,
    /// Messages of one room that a client can report later: for each it keeps the hub's stamp, a quarter of a kilobyte.
    pub evidence: usize,
    /// Epochs that are over whose messages a client can still read, whatever the room's policy asks for: each keeps
    /// the keys of all members once more, 150 KB of a thousand.
    pub past_epochs: u8,
    /// Messages of one sender that a client skips for a later one, whatever the room's policy asks for: each costs a
    /// derivation before the message is known to be genuine.
    pub skip_ahead: u32,
    /// Epochs that a client may be behind before it is to join again from outside: each costs a commit to verify.
    pub behind: u64,
    /// Clients that one user may have at its provider.
    pub devices: usize,
    /// KeyPackages of one client that were handed out and have not expired. Each is remembered, so that none is
    /// handed out twice; a client that reaches the limit cannot publish more.
    pub claimed: usize,
    /// Claims of one requester on one user that no Welcome has followed, within [`Limits::claims_for`].
    pub claims_by_requester: usize,
    /// Claims through one peer on one user that no Welcome has followed, within [`Limits::claims_for`].
    pub claims_by_peer: usize,
    /// Milliseconds for which a claim without a Welcome counts against who made it.
    pub claims_for: u64,
    /// Milliseconds for which a claim that comes again, octet for octet, gets the first answer.
    pub claim_again: u64,
    /// Consents that one user has decided; as many that it is asked for, that it asks for, and letters about them.
    pub consents: usize,
    /// Consents of others, with KeyPackages, that wait for a client of the user to take them.
    pub consents_told: usize,
    /// Octets of the events that a follower holds back in one room because a commit before them is missing.
    pub held: usize,
    /// Milliseconds for which a follower holds an event back before it delivers it all the same.
    pub held_for: u64,
    /// Milliseconds for which a follower remembers a room that its last client has left. A hub whose 201 was lost sends
    /// the last word again, for ever by the draft, unless it gets another (P-174, P-175).
    pub left_for: u64,
    /// Octets of another provider's directory document. Ten templates take 1 KB.
    pub directory: usize,
    /// Milliseconds that another server can have us wait by `Retry-After` (D-09).
    pub retry_after: u64,
    /// Elements of one identifier query.
    pub query_elements: usize,
    /// Octets of one value, or of one field name, in an identifier query.
    pub query_value: usize,
    /// Profiles in one answer to an identifier query.
    pub found: usize,
    /// Requests of one user to one endpoint of a room that its hub looks at within [`Limits::requests_for`] (D-96).
    /// Nobody writes ten messages a second for a minute.
    pub requests_by_user: u32,
    /// Requests of one peer to one endpoint of a room that its hub looks at within [`Limits::requests_for`] (D-96).
    pub requests_by_peer: u32,
    /// Milliseconds for which a request counts against who made it.
    pub requests_for: u64,
    /// Messages whose ciphertext and ID a hub recognises in one room (Q-115, S-40). Each takes it 200 octets.
    pub messages: usize,
    /// Events in one notification.
    pub notify_events: usize,
    /// Octets of one notification, but for a single event that is larger.
    pub notify_octets: usize,
    /// Milliseconds that a hub waits after a notification has failed; twice as long after each further failure (P-174).
    pub notify_wait: u64,
    /// Milliseconds that a hub waits at most between two attempts, whatever `Retry-After` says (D-09).
    pub notify_wait_longest: u64,
    /// Messages in one report of abuse. Each costs a hash for every franking secret and a signature check.
    pub report_messages: usize,
    /// Franking secrets that a hub tries for one reported message, newest first.
    pub franking_secrets: usize,
    /// Reports of abuse in one room that wait for somebody to look at them. Each is stored whole.
    pub reports_waiting: usize,
    /// Octets of all those reports together: each may be as long as [`Limits::body`].
    pub reports_octets: usize,
    /// Messages reported in one room, by whom, that a hub remembers to count each once (D-97).
    pub reports: usize,
    /// Milliseconds for which it remembers them.
    pub reports_for: u64,
    /// GroupInfo requests of one room that a hub recognises when they are sent again.
    pub replays: usize,
    /// Milliseconds for which it recognises them.
    pub replays_for: u64,
    /// Joining codes that a hub keeps for one room, those of its join links among them.
    pub codes: usize,
    /// Milliseconds for which a hub remembers a joining code that is no longer good, to tell why it is not.
    pub codes_remembered: u64,
    /// Ratchet trees of one room that its hub serves by https, newest first: one for each epoch that somebody joined. That
    /// of a thousand clients has 300 KB.
    pub trees: usize,
    /// Milliseconds for which it serves one: as long as somebody who was welcomed may take to come online.
    pub trees_for: u64,
    /// Requests of one peer in a minute that ask about users or rooms, or have us fetch something: claims, searches,
    /// consent, GroupInfo, reports, downloads. A large provider asks some dozens of times in a second.
    pub asks_by_peer: u32,
    /// As many in the name of one user. Who adds a hundred people to a room claims a hundred times.
    pub asks_by_user: u32,
    /// Requests of one peer in a minute that tell what happens in rooms: updates, messages, notifications. A limit above
    /// 60,000 is none, for the pace is kept in milliseconds.
    pub tells_by_peer: u32,
    /// Peers, and users, whose pace is remembered at once: a megabyte of memory.
    pub paced: usize,
    /// What a hub lets its rooms choose.
    pub envelope: Envelope,
    /// Octets of one asset that a hub fetches for a peer (D-63). A few minutes of video.
    pub asset: u64,
    /// Octets of one asset that goes by Oblivious HTTP: it is sealed whole, so hub and client hold it three times over.
    pub oblivious_asset: u64,
    /// Milliseconds that an asset may take to come in.
    pub asset_for: u64,
    /// Hosts of assets that a hub takes over from the policies of its rooms, for one provider.
    pub asset_hosts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            pending_proposals: 256,
            bundle: 64,
            component: 1 << 20,
            components: 2 << 20,
            answered: 256,
            answered_for: 24 * 60 * 60 * 1000,
            claims: 4096,
            joiners: 256,
            joiner_for: 10 * 60 * 1000,
            removal_waits: 5 * 60 * 1000,
            clock_ahead: 60 * 1000,
            early: 256,
            lag: 100_000,
            key_packages: 100,
            notified: 1024,
            franks: 128,
            evidence: 512,
            past_epochs: 8,
            skip_ahead: 10_000,
            behind: 1000,
            devices: 64,
            claimed: 4096,
            claims_by_requester: 32,
            claims_by_peer: 512,
            claims_for: 24 * 60 * 60 * 1000,
            claim_again: 60 * 1000,
            consents: 4096,
            consents_told: 256,
            held: 16 << 20,
            held_for: 5 * 60 * 1000,
            left_for: 7 * 24 * 60 * 60 * 1000,
            directory: 64 << 10,
            retry_after: 24 * 60 * 60 * 1000,
            query_elements: 16,
            query_value: 256,
            found: 50,
            requests_by_user: 600,
            requests_by_peer: 6_000,
            requests_for: 60 * 1000,
            messages: 8192,
            notify_events: 256,
            notify_octets: 1 << 20,
            notify_wait: 1_000,
            notify_wait_longest: 60 * 60 * 1000,
            report_messages: 64,
            franking_secrets: 32,
            reports_waiting: 256,
            reports_octets: 64 << 20,
            reports: 4096,
            reports_for: 30 * 24 * 60 * 60 * 1000,
            replays: 1024,
            replays_for: 24 * 60 * 60 * 1000,
            codes: 1024,
            codes_remembered: 24 * 60 * 60 * 1000,
            trees: 16,
            trees_for: 7 * 24 * 60 * 60 * 1000,
            asks_by_peer: 6_000,
            asks_by_user: 200,
            tells_by_peer: 60_000,
            paced: 16_384,
            envelope: Envelope::default(),
            asset: 100 << 20,
            oblivious_asset: 16 << 20,
            asset_for: 5 * 60 * 1000,
            asset_hosts: 16,
        }
    }
}
