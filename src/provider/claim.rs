//! Another provider, or a client of this one, claims a user's KeyPackages (draft-06, section 5.2).

use openmls_traits::crypto::OpenMlsCrypto;
use sha2::{Digest, Sha256};

use super::{
    ClaimFault, ClaimRefusal, User,
    consent::Verdict,
    package::Package,
    request,
    state::{Answer, Claim, Claimant, Device, Edit, Hash},
};
use crate::{
    codec::Wire,
    env::{Env, Peer, Timestamp},
    machine::{Step, record::encode},
    provider::Action,
    wire::{
        CipherSuite, ClientKeyMaterial, ClientMaterial, KeyMaterialResponse, KeyMaterialUserCode,
        KeyPackageRef, PROTOCOL_MLS10, RequiredCapabilities,
    },
};

/// The name of a request: who sent which octets.
fn name(peer: &Peer, body: &[u8]) -> Hash {
    let peer = encode(peer);
    let mut hash = Sha256::new();
    hash.update((peer.len() as u64).to_be_bytes());
    hash.update(peer);
    hash.update(body);
    hash.finalize().into()
}

/// A decided claim: what changes, the answer, and what follows.
type Decided = (Vec<Edit>, Vec<u8>, Vec<Action>);

/// What a claim hands out.
pub(super) struct Handout {
    pub(super) clients: Vec<ClientKeyMaterial>,
    references: Vec<KeyPackageRef>,
    pub(super) edits: Vec<Edit>,
    pub(super) actions: Vec<Action>,
}

impl User {
    /// Hands out one KeyPackage for each of the user's clients (P-070). `body` is the `KeyMaterialRequest` as it
    /// came; the reply is the `KeyMaterialResponse` to send.
    ///
    /// Each KeyPackage is in one answer only (P-084). The same request from the same peer within
    /// [`Limits::claim_again`](crate::env::Limits::claim_again) is answered with the same octets, until a Welcome
    /// shows that the answer has arrived.
    ///
    /// Where the hub of the request's room is of this provider as well, ask `hub::Room::may_claim_keys` before:
    /// nobody else has checked that the requester is in the room.
    ///
    /// # Errors
    /// If the requester may not have them, or asks too much. The refusal knows its answer.
    pub fn claim<C: OpenMlsCrypto, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, Vec<u8>>, ClaimRefusal> {
        match self.decide_claim(env, peer, body) {
            Ok((edits, reply, actions)) => Ok(self.step(edits, reply, actions)),
            Err(fault) => Err(ClaimRefusal::new(fault, &self.policy, self.uri(), self.revision())),
        }
    }

    fn decide_claim<C: OpenMlsCrypto, K>(
        &self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Decided, ClaimFault> {
        let request = request::check(env, &self.limits, peer, self.uri(), body)?;
        if self.is_deleted() {
            return Err(ClaimFault::Deleted);
        }
        let head = &request.head;
        match self.verdict(&head.requesting_user, head.room.as_ref()) {
            Verdict::Given => {}
            Verdict::Withheld => return Err(ClaimFault::NoConsent),
            Verdict::WithheldForRoom => return Err(ClaimFault::NoConsentForRoom),
        }

        let name = name(peer, body);
        if let Some(answer) = self.state.answers.get(&name).filter(|it| env.now < it.until) {
            return Ok((Vec::new(), answer.bytes.clone(), Vec::new()));
        }

        let claimant = Claimant {
            requester: head.requesting_user.clone(),
            room: head.room.clone(),
            peer: peer.domain(),
            at: env.now,
        };
        self.bound_claims(&claimant)?;
        let Handout { clients, references, mut edits, actions } = self.hand_out(
            &request.acceptable_ciphersuites,
            &request.required_capabilities,
            &claimant,
        );
        let user_status = match references.len() {
            0 => KeyMaterialUserCode::NoCompatibleMaterial,
            found if found == clients.len() => KeyMaterialUserCode::Success,
            _ => KeyMaterialUserCode::PartialSuccess,
        };
        let response = KeyMaterialResponse {
            protocol: PROTOCOL_MLS10,
            user_status,
            user: self.uri().clone(),
            clients,
        };
        let reply = response.encode();
        if !references.is_empty() && self.policy.repeat_answers {
            edits.extend(self.surplus_answers(env.now));
            let until = env.now.plus(self.limits.claim_again);
            let answer = Answer { until, references, bytes: reply.clone() };
            edits.push(Edit::Answer(name, Some(answer)));
        }
        Ok((edits, reply, actions))
    }

    /// Q-21, D-95: who leaves claims unused has to wait.
    fn bound_claims(&self, claimant: &Claimant) -> Result<(), ClaimFault> {
        let since = claimant.at.0.saturating_sub(self.limits.claims_for);
        let unused = |same: &dyn Fn(&Claimant) -> bool, most: usize| {
            // One claim takes at most one KeyPackage of each client: the client that gave most counts the claims.
            let mut by_device = std::collections::BTreeMap::<u32, Vec<Timestamp>>::new();
            for claim in self.state.claims.values() {
                if let Some(it) = &claim.waiting
                    && it.at.0 > since
                    && same(it)
                {
                    by_device.entry(claim.device).or_default().push(it.at);
                }
            }
            let worst = by_device.into_values().max_by_key(Vec::len).unwrap_or_default();
            let oldest = worst.iter().min().filter(|_| worst.len() >= most);
            match oldest {
                None => Ok(()),
                Some(oldest) => {
                    let end = oldest.plus(self.limits.claims_for);
                    Err(ClaimFault::TooMany { retry_after: end.0.saturating_sub(claimant.at.0) })
                }
            }
        };
        unused(&|it| it.requester == claimant.requester, self.limits.claims_by_requester)?;
        unused(&|it| it.peer == claimant.peer, self.limits.claims_by_peer)
    }

    /// Takes what fits from each client: a later claim gets others.
    pub(super) fn hand_out(
        &self,
        suites: &[CipherSuite],
        required: &RequiredCapabilities,
        claimant: &Claimant,
    ) -> Handout {
        let mut handout = Handout {
            clients: Vec::new(),
            references: Vec::new(),
            edits: Vec::new(),
            actions: Vec::new(),
        };
        for (number, device) in &self.state.devices {
            let material = match self.pick(device, suites, required, claimant.at) {
                Ok((place, package)) => {
                    handout.references.push(package.reference.clone());
                    let claim = Claim {
                        device: *number,
                        not_after: package.lifetime.not_after,
                        waiting: Some(claimant.clone()),
                    };
                    handout.edits.push(Edit::Claim(package.reference.clone(), Some(claim)));
                    // One of last resort stays.
                    if !package.last_resort {
                        handout.edits.push(Edit::Package(*number, place, None));
                    }
                    let taken = usize::from(!package.last_resort);
                    handout.actions.extend(self.replenish(device, taken));
                    ClientMaterial::KeyPackage(package.key_package.clone())
                }
                Err(none) => {
                    handout.actions.extend(self.replenish(device, 0));
                    none
                }
            };
            handout.clients.push(ClientKeyMaterial { client: device.client.clone(), material });
        }
        handout
    }

    /// The KeyPackage of a client that fits, or why there is none: of the requester's suites the first that there is
    /// one for, of those the oldest.
    fn pick<'a>(
        &self,
        device: &'a Device,
        suites: &[CipherSuite],
        required: &RequiredCapabilities,
        now: Timestamp,
    ) -> Result<(u64, &'a Package), ClientMaterial> {
        let valid = |it: &Package| it.lifetime.covers(now);
        let offered = |it: &Package| valid(it) && (self.policy.last_resort || !it.last_resort);
        let packages = || device.packages.iter().filter(|(_, it)| offered(it));
        let of = |last_resort: bool| {
            suites.iter().find_map(|suite| {
                packages()
                    .filter(|(_, it)| it.last_resort == last_resort)
                    .find(|(_, it)| it.fits(std::slice::from_ref(suite), required))
            })
        };
        if let Some((place, package)) = of(false).or_else(|| of(true)) {
            return Ok((*place, package));
        }
        Err(match packages().next() {
            None => ClientMaterial::Exhausted,
            // What a client supports identifies it (P-081).
            Some(_) if self.policy.privacy => ClientMaterial::NothingCompatible(None),
            Some((_, package)) => {
                ClientMaterial::NothingCompatible(Some(package.capabilities.clone()))
            }
        })
    }

    /// The deletions that make room for one more answer: what has ended, then what ends first.
    fn surplus_answers(&self, now: Timestamp) -> Vec<Edit> {
        let mut by_time: Vec<_> =
            self.state.answers.iter().map(|(hash, it)| (it.until, *hash)).collect();
        by_time.sort_unstable();
        let excess = (by_time.len() + 1).saturating_sub(self.limits.answered);
        let surplus = by_time
            .into_iter()
            .enumerate()
            .take_while(|(index, (until, _))| *index < excess || *until <= now);
        surplus.map(|(_, (_, hash))| Edit::Answer(hash, None)).collect()
    }
}
