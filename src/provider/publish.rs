//! A client publishes KeyPackages, comes, and goes.

use std::collections::BTreeSet;

use openmls_traits::crypto::OpenMlsCrypto;
use thiserror::Error;

use super::{
    User,
    package::Package,
    state::{Edit, Profile},
};
use crate::{
    env::{Env, Peer},
    error::DecodeError,
    machine::{Revision, Step},
    uri::ClientUri,
    wire::KeyPackageRef,
};

/// What became of published KeyPackages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// How many were new.
    pub new: usize,
    /// How many had been published by the same client before. They are not taken again; a publication whose reply
    /// was lost can be repeated.
    pub known: usize,
    /// How many of the client's can be handed out now.
    pub left: usize,
}

/// Why a publication was refused. Nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct PublishRefusal {
    /// The reason.
    pub reason: PublishFault,
    /// The saved state it was judged at.
    pub revision: Revision,
}

/// What is wrong with a publication.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishFault {
    /// It does not come from a client of this user.
    #[error("not a client of this user")]
    Foreign,
    /// The account was deleted.
    #[error("the account was deleted")]
    Deleted,
    /// The user has too many clients: `Limits::devices`.
    #[error("the user has too many clients")]
    Clients,
    /// The client would have too many that wait to be handed out: `Limits::key_packages`.
    #[error("{0} KeyPackages more than can be kept")]
    Full(usize),
    /// Too many of the client's were handed out and have not expired: `Limits::claimed`.
    #[error("too many KeyPackages of this client were handed out and have not expired")]
    Claimed,
    /// One of them cannot be taken.
    #[error("KeyPackage {index}: {fault}")]
    Unfit {
        /// Its place in the publication, from 0.
        index: usize,
        /// Why.
        fault: Unfit,
    },
}

impl PublishFault {
    /// The HTTP status that says it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Foreign => 403,
            Self::Deleted => 404,
            Self::Clients | Self::Full(_) | Self::Claimed => 429,
            Self::Unfit { .. } => 400,
        }
    }
}

/// Why a KeyPackage cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It is no KeyPackage.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Its cipher suite is not supported here.
    #[error("its cipher suite is not supported here")]
    Suite,
    /// Its credential is not a basic one that holds the user's URI, octet for octet (P-047).
    #[error("its credential is not the user's")]
    Identity,
    /// It is not valid yet, or not any more.
    #[error("outside of its lifetime")]
    Lifetime,
    /// Its leaf does not list what it uses itself: version, cipher suite, credential type or an extension.
    #[error("its leaf does not support what it uses")]
    Capabilities,
    /// A signature does not verify, or the engine refuses it for its form.
    #[error("its signatures do not verify")]
    Signature,
    /// Another client of the user published it before, or it stands twice in one publication.
    #[error("published before")]
    Seen,
}

impl User {
    /// A client of the user publishes KeyPackages: all of them, or none. With an empty list it makes itself known,
    /// so that whoever adds the user learns that it is there and has none (P-079).
    ///
    /// # Errors
    /// If the peer is not a client of this user, a KeyPackage is not fit, or there are too many.
    pub fn publish<C: OpenMlsCrypto, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        packages: &[impl AsRef<[u8]>],
    ) -> Result<Step<'_, Self, Published>, PublishRefusal> {
        match self.publication(env, peer, packages) {
            Ok((edits, published)) => Ok(self.step(edits, published, Vec::new())),
            Err(reason) => Err(PublishRefusal { reason, revision: self.revision() }),
        }
    }

    fn publication<C: OpenMlsCrypto, K>(
        &self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        packages: &[impl AsRef<[u8]>],
    ) -> Result<(Vec<Edit>, Published), PublishFault> {
        let client = match peer {
            Peer::Client(client, user) if user == self.uri() && client.host() == user.host() => {
                client
            }
            Peer::Client(..) | Peer::Server(_) => return Err(PublishFault::Foreign),
        };
        if self.is_deleted() {
            return Err(PublishFault::Deleted);
        }
        // Bounded before any signature is verified (D-96).
        if packages.len() > self.limits.key_packages {
            return Err(PublishFault::Full(packages.len() - self.limits.key_packages));
        }

        let mut edits = self.endings(env.now);
        let mut profile = self.state.profile.clone();
        let known_device = self.state.device(client);
        let number = match known_device {
            Some((number, _)) => number,
            None if self.state.devices.len() >= self.limits.devices => {
                return Err(PublishFault::Clients);
            }
            None => {
                let number = profile.next_device;
                profile.next_device = number.checked_add(1).ok_or(PublishFault::Clients)?;
                edits.push(Edit::Device(number, Some(client.clone())));
                number
            }
        };

        let mut published = Published { new: 0, known: 0, left: 0 };
        let mut fresh = BTreeSet::new();
        let mut ordinary = 0;
        for (index, bytes) in packages.iter().enumerate() {
            let unfit = |fault| PublishFault::Unfit { index, fault };
            let user = self.uri().as_bytes();
            let package =
                Package::check(bytes.as_ref(), user, env.now, env.crypto).map_err(unfit)?;
            if !fresh.insert(package.reference.clone()) {
                return Err(unfit(Unfit::Seen));
            }
            match self.seen_from(&package.reference) {
                Some(device) if device == number => published.known += 1,
                Some(_) => return Err(unfit(Unfit::Seen)),
                None => {
                    published.new += 1;
                    ordinary += usize::from(!package.last_resort);
                    edits.push(Edit::Package(number, profile.next_package, Some(package)));
                    profile.next_package += 1;
                }
            }
        }

        let (mut kept, mut claimed) = (0, 0);
        if let Some((_, device)) = known_device {
            let valid = |it: &&Package| env.now < it.lifetime.not_after;
            kept = device.packages.values().filter(valid).count();
            ordinary += device.packages.values().filter(valid).filter(|it| !it.last_resort).count();
            claimed = device.claimed;
        }
        published.left = ordinary;
        match (kept + published.new).checked_sub(self.limits.key_packages) {
            None | Some(0) => {}
            Some(excess) => return Err(PublishFault::Full(excess)),
        }
        // What can be handed out must have room among what was: so a claim never has to be forgotten.
        if published.new > 0 && claimed + kept + published.new > self.limits.claimed {
            return Err(PublishFault::Claimed);
        }
        if profile != self.state.profile {
            edits.push(Edit::Profile(profile));
        }
        Ok((edits, published))
    }

    /// The device that published this KeyPackage, handed out or not.
    fn seen_from(&self, reference: &KeyPackageRef) -> Option<u32> {
        let claimed = self.state.claims.get(reference).map(|claim| claim.device);
        claimed.or_else(|| self.state.published_by(reference))
    }

    /// A client is gone for good: what it published is, too, Welcomes for it go nowhere, and no answer that holds a
    /// KeyPackage of it is repeated. What was handed out is remembered until it expires, so that nobody
    /// publishes it again.
    pub fn retire(&mut self, client: &ClientUri) -> Step<'_, Self, ()> {
        let edits = match self.state.device(client) {
            Some((number, device)) => {
                let packages = device.packages.keys();
                let mut edits: Vec<Edit> =
                    packages.map(|place| Edit::Package(number, *place, None)).collect();
                let claims = &self.state.claims;
                let its = |name| claims.get(name).is_some_and(|claim| claim.device == number);
                let answers = self.state.answers.iter();
                let stale = answers.filter(|(_, answer)| answer.references.iter().any(its));
                edits.extend(stale.map(|(hash, _)| Edit::Answer(*hash, None)));
                edits.push(Edit::Device(number, None));
                edits
            }
            None => Vec::new(),
        };
        self.step(edits, (), Vec::new())
    }

    /// The account is deleted: its clients are gone, and nothing is handed out any more. What is left says only
    /// that there was such a user (`userDeleted`).
    pub fn delete(&mut self) -> Step<'_, Self, ()> {
        let mut edits = Vec::new();
        if !self.is_deleted() {
            for (number, device) in &self.state.devices {
                let packages = device.packages.keys();
                edits.extend(packages.map(|place| Edit::Package(*number, *place, None)));
                edits.push(Edit::Device(*number, None));
            }
            edits.extend(self.state.answers.keys().map(|hash| Edit::Answer(*hash, None)));
            edits.extend(self.state.requests.keys().map(|it| Edit::Request(it.clone(), None)));
            edits.extend(self.state.asked.keys().map(|it| Edit::Asked(it.clone(), None)));
            edits.extend(self.state.told.keys().map(|it| Edit::Told(it.clone(), None)));
            edits.extend(self.state.letters.keys().map(|it| Edit::Letter(*it, None)));
            edits.push(Edit::Profile(Profile { deleted: true, ..self.state.profile.clone() }));
        }
        self.step(edits, (), Vec::new())
    }
}
