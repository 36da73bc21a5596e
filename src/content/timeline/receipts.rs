//! What members say of messages: delivered, read, and so on.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    content::{
        MessageId,
        status::{Report, Status},
    },
    env::Timestamp,
};

/// Messages that have not arrived and are kept claims about (M-012). Claims about more are dropped.
const UNKNOWN: usize = 4096;

/// Claims of one member about one message: the latest are kept. Nobody changes their mind more often in earnest.
const CLAIMS: usize = 16;

/// One claim, in the order in which claims count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    accepted_at: Timestamp,
    report: MessageId,
    /// The place within the report.
    place: usize,
    status: Status,
}

/// All claims, by message and member.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    claims: BTreeMap<MessageId, BTreeMap<String, BTreeSet<Claim>>>,
    /// The messages with claims that have not arrived.
    unknown: BTreeSet<MessageId>,
}

impl Receipts {
    /// Takes the claims of one report.
    pub(super) fn report(
        &mut self,
        sender: &str,
        accepted_at: Timestamp,
        report: MessageId,
        entries: &Report,
        is_known: impl Fn(&MessageId) -> bool,
    ) {
        for (place, entry) in entries.entries.iter().enumerate() {
            if !is_known(&entry.id) {
                if self.unknown.len() >= UNKNOWN && !self.unknown.contains(&entry.id) {
                    continue;
                }
                self.unknown.insert(entry.id);
            }
            let members = self.claims.entry(entry.id).or_default();
            let claims = members.entry(sender.to_owned()).or_default();
            claims.insert(Claim { accepted_at, report, place, status: entry.status });
            if claims.len() > CLAIMS {
                claims.pop_first();
            }
        }
    }

    /// Notes that a message has arrived.
    pub(super) fn known(&mut self, id: &MessageId) {
        self.unknown.remove(id);
    }

    /// Gives the claims of one report another time.
    pub(super) fn retime(&mut self, report: &MessageId, accepted_at: Timestamp) {
        for claims in self.claims.values_mut().flat_map(BTreeMap::values_mut) {
            if claims.iter().any(|claim| claim.report == *report) {
                let retimed = claims.iter().map(|claim| match claim.report == *report {
                    true => Claim { accepted_at, ..*claim },
                    false => *claim,
                });
                *claims = retimed.collect();
            }
        }
    }

    /// What each member last said of a message, where that makes sense after what it said before (M-004, M-005).
    pub(super) fn statuses(&self, id: &MessageId) -> BTreeMap<&str, Status> {
        let mut statuses = BTreeMap::new();
        for (member, claims) in self.claims.get(id).into_iter().flatten() {
            let mut last: Option<Status> = None;
            for claim in claims {
                if last.is_none_or(|last| claim.status.may_follow(last)) {
                    last = Some(claim.status);
                }
            }
            statuses.extend(last.map(|status| (member.as_str(), status)));
        }
        statuses
    }
}
