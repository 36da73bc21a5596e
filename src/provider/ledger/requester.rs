//! As the requester: the user asks, others answer.

use std::collections::BTreeSet;

use openmls_traits::crypto::OpenMlsCrypto;

use super::{ConsentEndpoint, ConsentFault, ConsentRefusal, Grant};
use crate::{
    codec::Wire,
    env::{Env, Peer},
    machine::Step,
    provider::{
        Action, Unfit, User,
        consent::{Contact, Decision},
        package::Package,
        state::{Edit, Told},
    },
    uri::UserUri,
    wire::{ConsentOperation, KeyPackage},
};

impl User {
    /// The user asks another for consent. Asking again sends it again.
    ///
    /// # Errors
    /// If there are too many requests, or the target is the user itself.
    pub fn ask<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        target: &Contact,
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        if target.user == *self.uri() {
            return Err(self.refuse(ConsentFault::OtherUser));
        }
        if self.is_deleted() {
            return Err(self.refuse(ConsentFault::Deleted));
        }
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        if !self.state.asked.contains_key(target) {
            self.bound(self.state.asked.len(), self.limits.consents)?;
            edits.push(Edit::Asked(target.clone(), Some(env.now)));
        }
        let request = ConsentOperation::Request;
        self.write_letter(target.clone(), request, &mut edits, &mut actions)?;
        Ok(self.step(edits, (), actions))
    }

    /// The user takes back what it asked for: exactly the same user and room (P-203). If it did not ask, nothing
    /// happens.
    ///
    /// # Errors
    /// If there are too many letters.
    pub fn withdraw(&mut self, target: &Contact) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        if self.state.asked.contains_key(target) {
            edits.push(Edit::Asked(target.clone(), None));
            let cancel = ConsentOperation::Cancel;
            self.write_letter(target.clone(), cancel, &mut edits, &mut actions)?;
        }
        Ok(self.step(edits, (), actions))
    }

    /// What the user has asked for and not been answered.
    pub fn asked(&self) -> impl Iterator<Item = &Contact> {
        self.state.asked.keys()
    }

    /// The target's provider brings a grant or a revocation, asked for or not (P-202, P-205, P-208). Answer 201 when
    /// the step is saved and applied.
    ///
    /// # Errors
    /// If it is not from the target's provider, a KeyPackage is not the target's, or too much waits for the user's
    /// clients.
    pub fn consent_updated<C: OpenMlsCrypto, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let (operation, contact) = self.read_entry(ConsentEndpoint::Update, peer, body)?;
        let told = match operation {
            ConsentOperation::Grant(key_packages) => {
                let key_packages = self
                    .offered(env, &contact.user, &key_packages)
                    .map_err(|fault| self.refuse(fault))?;
                Told { decision: Decision::Grant, key_packages }
            }
            ConsentOperation::Revoke | ConsentOperation::Cancel | ConsentOperation::Request => {
                Told { decision: Decision::Revoke, key_packages: Vec::new() }
            }
        };
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        if self.state.told.get(&contact) != Some(&told) {
            if !self.state.told.contains_key(&contact) {
                self.bound(self.state.told.len(), self.limits.consents_told)?;
            }
            let answered = self.state.asked.keys().filter(|it| contact.covers(it));
            edits.extend(answered.map(|it| Edit::Asked(it.clone(), None)));
            edits.push(Edit::Told(contact.clone(), Some(told)));
            actions.push(Action::Told(contact));
        }
        Ok(self.step(edits, (), actions))
    }

    /// The KeyPackages of a grant, each of another client's own and valid now (Q-102, D-25).
    fn offered<C: OpenMlsCrypto, K>(
        &self,
        env: &Env<'_, C, K>,
        target: &UserUri,
        key_packages: &[KeyPackage],
    ) -> Result<Vec<Vec<u8>>, ConsentFault> {
        if key_packages.len() > self.limits.devices {
            return Err(ConsentFault::TooMany);
        }
        let mut seen = BTreeSet::new();
        let mut checked = Vec::new();
        for (index, key_package) in key_packages.iter().enumerate() {
            let bytes = key_package.as_bytes();
            let unfit = |fault| ConsentFault::Unfit { index, fault };
            let package = Package::check(bytes, target.as_bytes(), env.now, env.crypto);
            if !seen.insert(package.map_err(unfit)?.reference) {
                return Err(unfit(Unfit::Seen));
            }
            checked.push(bytes.to_vec());
        }
        Ok(checked)
    }

    /// What others have said of their consent and no client of the user has taken yet.
    pub fn told(&self) -> impl Iterator<Item = (&Contact, Grant)> {
        self.state.told.iter().map(|(contact, told)| {
            let read = |bytes: &Vec<u8>| KeyPackage::decode(bytes).ok();
            let grant = match told.decision {
                Decision::Grant => {
                    Grant::Given(told.key_packages.iter().filter_map(read).collect())
                }
                Decision::Revoke => Grant::Withheld,
            };
            (contact, grant)
        })
    }

    /// A client of the user has durably taken what this one said: it is not kept here any more.
    pub fn noted(&mut self, target: &Contact) -> Step<'_, Self, ()> {
        let known = self.state.told.contains_key(target);
        let edits = known.then(|| Edit::Told(target.clone(), None));
        self.step(edits.into_iter().collect(), (), Vec::new())
    }
}
