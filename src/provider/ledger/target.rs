//! As the target: others ask, the user decides.

use super::{ConsentEndpoint, ConsentFault, ConsentRefusal};
use crate::{
    env::{Env, Peer},
    machine::Step,
    provider::{
        Action, User,
        consent::{Contact, Decision, Verdict},
        state::{Claimant, Edit},
    },
    wire::{CipherSuite, ClientMaterial, ConsentOperation, RequiredCapabilities},
};

impl User {
    /// Another user's provider brings a request for consent, or takes one back (P-201, P-204). Answer 201 when the
    /// step is saved and applied: it says that the provider has it, no more (P-213).
    ///
    /// A request that the user has answered before is answered again with a grant, or with silence. A cancel that
    /// matches no request does nothing (P-203, P-207).
    ///
    /// # Errors
    /// If it is not from the requester's provider, or there are too many requests.
    pub fn consent_requested<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let (operation, contact) = self.read_entry(ConsentEndpoint::Request, peer, body)?;
        let pending = self.state.requests.contains_key(&contact);
        let (mut edits, mut actions) = (Vec::new(), Vec::new());
        match operation {
            ConsentOperation::Cancel if pending => {
                edits.push(Edit::Request(contact.clone(), None));
                actions.push(Action::Withdrawn(contact));
            }
            ConsentOperation::Request if !pending => {
                let verdict = self.verdict(&contact.user, contact.room.as_ref());
                match (verdict, self.state.consent.said(&contact)) {
                    (Verdict::Given, _) => {
                        let grant = ConsentOperation::Grant(Vec::new());
                        self.write_letter(contact, grant, &mut edits, &mut actions)?;
                    }
                    // Said in advance (P-215), and the requester need not learn it (P-211).
                    (Verdict::Withheld | Verdict::WithheldForRoom, Some(Decision::Revoke)) => {}
                    (Verdict::Withheld | Verdict::WithheldForRoom, _) => {
                        self.bound(self.state.requests.len(), self.limits.consents)?;
                        edits.push(Edit::Request(contact.clone(), Some(env.now)));
                        actions.push(Action::Requested(contact));
                    }
                }
            }
            ConsentOperation::Cancel
            | ConsentOperation::Request
            | ConsentOperation::Grant(_)
            | ConsentOperation::Revoke => {}
        }
        Ok(self.step(edits, (), actions))
    }

    /// Who waits for the user's consent.
    pub fn requests(&self) -> impl Iterator<Item = &Contact> {
        self.state.requests.keys()
    }

    /// The user consents, asked or not (P-208), and the requester is told. With `suites` the grant brings a KeyPackage
    /// of each client that has one of them, handed out to this requester for this room (P-209, Q-102).
    ///
    /// # Errors
    /// If there are too many decisions, or the requester is the user itself.
    pub fn grant<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        requester: &Contact,
        suites: &[CipherSuite],
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let mut edits = self.decision_edits(requester, Decision::Grant)?;
        let mut actions = Vec::new();
        let mut key_packages = Vec::new();
        if !suites.is_empty() {
            let claimant = Claimant {
                requester: requester.user.clone(),
                room: requester.room.clone(),
                peer: requester.user.domain(),
                at: env.now,
            };
            let handout = self.hand_out(suites, &RequiredCapabilities::default(), &claimant);
            let offered = handout.clients.into_iter().filter_map(|it| match it.material {
                ClientMaterial::KeyPackage(key_package) => Some(key_package),
                ClientMaterial::Exhausted | ClientMaterial::NothingCompatible(_) => None,
            });
            key_packages.extend(offered);
            edits.extend(handout.edits);
            actions.extend(handout.actions);
        }
        let grant = ConsentOperation::Grant(key_packages);
        self.write_letter(requester.clone(), grant, &mut edits, &mut actions)?;
        Ok(self.step(edits, (), actions))
    }

    /// The user takes consent back, or denies it before it is asked (P-215). The requester is told, unless the
    /// provider hides who exists (P-211).
    ///
    /// # Errors
    /// If there are too many decisions, or the requester is the user itself.
    pub fn revoke(&mut self, requester: &Contact) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let mut edits = self.decision_edits(requester, Decision::Revoke)?;
        let mut actions = Vec::new();
        if !self.policy.privacy {
            let revoke = ConsentOperation::Revoke;
            self.write_letter(requester.clone(), revoke, &mut edits, &mut actions)?;
        }
        Ok(self.step(edits, (), actions))
    }

    /// Takes down a decision of the user and tells nobody: what a requester finds out is by claiming.
    ///
    /// # Errors
    /// If there are too many decisions, or the requester is the user itself.
    pub fn decide(
        &mut self,
        requester: &Contact,
        decision: Decision,
    ) -> Result<Step<'_, Self, ()>, ConsentRefusal> {
        let edits = self.decision_edits(requester, decision)?;
        Ok(self.step(edits, (), Vec::new()))
    }

    /// A decision replaces what was said before about the same, and answers the requests it covers.
    fn decision_edits(
        &self,
        requester: &Contact,
        decision: Decision,
    ) -> Result<Vec<Edit>, ConsentRefusal> {
        if requester.user == *self.uri() {
            return Err(self.refuse(ConsentFault::OtherUser));
        }
        if self.is_deleted() {
            return Err(self.refuse(ConsentFault::Deleted));
        }
        let requests = self.state.requests.keys().filter(|it| requester.covers(it));
        let mut edits: Vec<Edit> = requests.map(|it| Edit::Request(it.clone(), None)).collect();
        let replaced = self.state.consent.replaced(requester);
        let same = self.state.consent.decision(requester) == Some(decision);
        if same && replaced.len() == 1 {
            return Ok(edits);
        }
        self.bound(self.state.consent.len() - replaced.len(), self.limits.consents)?;
        edits.extend(replaced.into_iter().map(|it| Edit::Decision(it, None)));
        edits.push(Edit::Decision(requester.clone(), Some(decision)));
        Ok(edits)
    }
}
