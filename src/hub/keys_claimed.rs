//! KeyPackages that pass through the hub (protocol, section 5.2): remembered, so that Welcomes find their way.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{
    Keys, KeysClaimedRefusal, Refusal, Room, draft::Draft, expiring::Claim, record::Record,
    room::Change,
};
use crate::{
    codec::Wire,
    delivery::KeyPackageRef,
    env::{Crypto, Env, Peer, Timestamp},
    machine::Step,
    provider::Package,
    uri::Domain,
    wire::{ClientMaterial, KeyMaterialRequest, KeyMaterialResponse},
};

impl Room {
    /// Whether a request for key material may be passed on to the target's provider (P-012, P-072, Q-25): it names
    /// this room, and whoever asks is a participant and speaks through its own provider.
    ///
    /// # Errors
    /// If not.
    pub fn may_claim_keys(
        &self,
        peer: &Peer,
        request: &KeyMaterialRequest,
    ) -> Result<(), Refusal<KeysClaimedRefusal>> {
        let head = request.head();
        let user = &head.requesting_user;
        let room = self.effective();
        let reason = if self.tombstone().is_some() {
            KeysClaimedRefusal::Ended
        } else if !self.speaks_for(peer, user) {
            KeysClaimedRefusal::Peer
        } else if head.room.as_ref() != Some(&self.head.room) {
            KeysClaimedRefusal::Room
        } else if room.roles().is_outside(room.role(user)) || self.is_blocked(user) {
            KeysClaimedRefusal::NotAParticipant
        } else {
            return Ok(());
        };
        Err(self.refuse(reason))
    }

    /// Key material of `provider` passes through on its way to a participant. Pass the response on once this is
    /// applied. The reply names the KeyPackages in it, for an index over all rooms of a hub
    /// ([`Room::update_knowing`]).
    ///
    /// # Errors
    /// If it is not the provider's to give, or repeats a KeyPackage (D-25, D-26).
    pub fn keys_claimed<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        provider: &Domain,
        response: &KeyMaterialResponse,
    ) -> Result<Step<'_, Self, Vec<KeyPackageRef>>, Refusal<KeysClaimedRefusal>> {
        if self.tombstone().is_some() {
            return Err(self.refuse(KeysClaimedRefusal::Ended));
        }
        let mut draft = Draft::new(&self.head);
        draft.expire(self, env.now);
        let digest = Sha256::digest(response.encode()).into();
        match self.claims_in(env, provider, response, &digest) {
            Ok(claims) => {
                let claim = Claim { provider: provider.clone(), response: digest };
                let names = claims.iter().map(|(name, _)| KeyPackageRef(name.clone())).collect();
                for (reference, until) in claims {
                    draft.put(Record::Claim(reference, claim.clone(), until));
                }
                Ok(self.step(draft, Change::None, names))
            }
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    fn claims_in<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        provider: &Domain,
        response: &KeyMaterialResponse,
        digest: &[u8; 32],
    ) -> Result<Vec<(Vec<u8>, Timestamp)>, KeysClaimedRefusal> {
        if response.user.host() != provider.as_str() {
            return Err(KeysClaimedRefusal::Peer);
        }
        let mut seen = BTreeSet::new();
        let mut claims = Vec::new();
        let mut new = 0;
        for client in &response.clients {
            let ClientMaterial::KeyPackage(key_package) = &client.material else { continue };
            let package = Package::check(
                key_package.as_bytes(),
                response.user.as_bytes(),
                env.now,
                env.crypto,
            )
            .map_err(KeysClaimedRefusal::KeyPackage)?;
            let reference = package.reference().as_bytes().to_vec();
            let before = self.claims.find(&reference, env.now);
            if before.is_some_and(|claim| claim.response != *digest)
                || !seen.insert(reference.clone())
            {
                return Err(KeysClaimedRefusal::Repeated);
            }
            new += usize::from(before.is_none());
            claims.push((reference, package.not_after()));
        }
        if self.claims.len() + new > self.limits.claims {
            return Err(KeysClaimedRefusal::TooMany(self.limits.claims));
        }
        Ok(claims)
    }
}
