//! Reports of abuse (protocol, section 5.9): verified, counted, and kept until somebody has looked at them.
//!
//! A report is an accusation. What it proves is in its messages: that this hub has stamped them, for that sender, in
//! this room, at that time (P-234). A message that proves nothing says so with its reason ([`Forgery`]); the rest of
//! the report stands all the same, for whoever reports may have been lied to, but a report whose every message is
//! forged is refused.
//!
//! Anybody may report whose provider may talk to this hub: former participants too, for what they have received, and
//! nobody can have a genuine message who has not. So the report says in which role the reporter is now, and leaves the
//! rest to whoever looks at it.

use std::collections::{BTreeMap, BTreeSet};

use openmls_traits::types::Ciphersuite;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Keys, Refusal, Room, draft::Draft, floods::Door, record::Record, room::Change};
use crate::{
    codec::{Reader, Wire},
    content::MessageId,
    env::{Crypto, Env, Peer, Timestamp},
    error::{DecodeError, Fault},
    franking::{Docket, Forgery, FrankingAgentData},
    machine::{Key, Step, record},
    policy::{RoleIndex, components::MediaTypeList},
    room::ComponentId,
    uri::Domain,
    wire::AbuseReport,
};

/// What is known of one message in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// This hub has stamped it: it was sent by whom the report is about, in this room, at that time.
    Genuine {
        /// Its ID.
        id: MessageId,
        /// Who has reported it by now, this reporter counted once. All who do not say who they are count as one for
        /// each provider.
        reporters: u32,
        /// Whether this reporter has reported it before.
        again: bool,
    },
    /// It proves nothing.
    Forged(Forgery),
}

/// A report, and what the hub has found out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it came.
    pub received: Timestamp,
    /// The provider that has brought it, which speaks for the reporter.
    pub provider: Domain,
    /// The role of the reporter in the room then: 0 if it was not listed, or does not say who it is.
    pub reporter: RoleIndex,
    /// The role of whom it is about then: 0 if not listed.
    pub alleged_abuser: RoleIndex,
    /// The report as it came: who reports whom, for what reason, with which words and messages.
    pub report: AbuseReport,
    /// What is known of each of its messages, in their order.
    pub findings: Vec<Finding>,
}

/// All of a [`Report`] but the request itself.
#[derive(Serialize, Deserialize)]
struct Cover {
    received: Timestamp,
    provider: Domain,
    reporter: RoleIndex,
    alleged_abuser: RoleIndex,
    findings: Vec<Finding>,
    request: Vec<u8>,
}

impl Report {
    /// The kind octet of reports' keys.
    const KIND: u8 = Key::BODIES + 1;

    /// The key of a report's record.
    #[must_use]
    pub fn key(report: u64) -> Key {
        Key::new(Self::KIND).u64(report)
    }

    /// Reads the record of a report.
    ///
    /// # Errors
    /// If it is not one.
    pub fn read(octets: &[u8]) -> Result<Self, DecodeError> {
        let error = || Reader::new(octets).error("report", Fault::Contradiction("not a report"));
        let cover: Cover = record::decode("a report", octets).map_err(|_| error())?;
        let Cover { received, provider, reporter, alleged_abuser, findings, request } = cover;
        let report = AbuseReport::decode(&request)?;
        Ok(Self { received, provider, reporter, alleged_abuser, report, findings })
    }

    fn write(&self) -> Vec<u8> {
        record::encode(&Cover {
            received: self.received,
            provider: self.provider.clone(),
            reporter: self.reporter,
            alleged_abuser: self.alleged_abuser,
            findings: self.findings.clone(),
            request: self.report.encode(),
        })
    }
}

/// What has become of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The number that it waits under, to be given to [`Room::reviewed`] once somebody has taken it over. `None` if the
    /// same reporter has said all of it before: it is not kept a second time (D-97).
    pub number: Option<u64>,
    /// The report.
    pub report: Report,
}

/// The reports that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Desk {
    /// The number of the next one. It never goes back: a late [`Room::reviewed`] hits no other report.
    next: u64,
    /// The octets of each.
    waiting: BTreeMap<u64, u64>,
}

impl Desk {
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Why a report is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReportRefusal {
    /// The body is longer than the limit.
    #[error("the body has more than {0} octets")]
    TooLarge(usize),
    /// The body does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It holds more messages than the limit.
    #[error("more than {0} messages")]
    TooManyMessages(usize),
    /// Whoever brings it does not speak for the reporter that it names.
    #[error("the reporter is a user of another provider or client")]
    Peer,
    /// It holds messages, and none of them is genuine. These are the reasons, in their order.
    #[error("none of its messages is genuine, first: {}", .0.first().map_or("none".to_owned(), Forgery::to_string))]
    Forged(Vec<Forgery>),
    /// Too many requests of this reporter, or of its provider.
    #[error("too many requests")]
    TooMany {
        /// Milliseconds until it may ask again.
        retry_after: u64,
    },
    /// The room is over: nothing is known of its messages any more.
    #[error("the room is over")]
    Ended,
    /// As many reports wait as may.
    #[error("{0} reports wait")]
    Full(usize),
    /// With this one the reports that wait would have more octets than they may.
    #[error("the reports that wait would have more than {0} octets")]
    FullOfOctets(usize),
}

impl ReportRefusal {
    /// The HTTP status to answer with, without a body (P-233). It says only whether the report was received: that its
    /// messages are forged, a forger does not learn.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLarge(_) | Self::TooManyMessages(_) => 413,
            Self::Malformed(_) => 400,
            Self::Peer => 403,
            Self::Forged(_) => 201,
            Self::Ended => 404,
            Self::TooMany { .. } => 429,
            Self::Full(_) | Self::FullOfOctets(_) => 503,
        }
    }

    /// Milliseconds for `Retry-After`, if there is to be one.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::TooLarge(_)
            | Self::TooManyMessages(_)
            | Self::Malformed(_)
            | Self::Peer
            | Self::Forged(_)
            | Self::Ended
            | Self::Full(_)
            | Self::FullOfOctets(_) => None,
        }
    }
}

/// The first octets of a hash over some parts: enough to tell them apart.
fn name(label: u8, parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update([label]);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut name = [0; 16];
    name.iter_mut().zip(hash.finalize()).for_each(|(octet, hashed)| *octet = hashed);
    name
}

const OF_MESSAGE: u8 = 1;
const OF_WORDS: u8 = 2;
const OF_REPORTER: u8 = 3;

impl Room {
    /// Takes a report of abuse from a provider or a client of this hub's own, and verifies its messages. Answer 201
    /// once the step is applied, without a body (P-233).
    ///
    /// The report is in the reply, for those who look after the room to act on, and it is stored: after a crash
    /// [`Room::reports`] names it again, until [`Room::reviewed`] says that somebody has it. A message that one reporter
    /// reports several times counts once (D-97).
    ///
    /// # Errors
    /// If the report is not received, or none of its messages is genuine: [`ReportRefusal::status`] is what to answer.
    pub fn report_abuse<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, Reported>, Refusal<ReportRefusal>> {
        if body.len() > self.limits.body {
            return Err(self.refuse(ReportRefusal::TooLarge(self.limits.body)));
        }
        if self.is_over() {
            return Err(self.refuse(ReportRefusal::Ended));
        }
        let report = AbuseReport::decode(body).map_err(|error| self.refuse(error))?;
        self.admit(env.now, Door::ReportAbuse, peer, report.reporting_user.as_ref())
            .map_err(|retry_after| self.refuse(ReportRefusal::TooMany { retry_after }))?;
        let (report, news) =
            self.examine(env, peer, report).map_err(|reason| self.refuse(reason))?;
        if news.is_empty() {
            return Ok(self.unchanged(Reported { number: None, report }));
        }

        let mut draft = Draft::new(&self.head);
        for name in self.reported.surplus(self.limits.reports, news.len()) {
            draft.forget_reported(name.clone());
        }
        let until = env.now.plus(self.limits.reports_for);
        for name in news {
            draft.put(Record::Reported(name, until));
        }
        let record = report.write();
        let mut desk = self.desk.clone();
        let number = desk.next;
        desk.next = number.saturating_add(1);
        desk.waiting.insert(number, record.len() as u64);
        let octets = desk.waiting.values().fold(0, |sum: u64, octets| sum.saturating_add(*octets));
        if octets > self.limits.reports_octets as u64 {
            return Err(self.refuse(ReportRefusal::FullOfOctets(self.limits.reports_octets)));
        }
        draft.put(Record::Desk(desk));
        draft.report(number, Some(record));
        Ok(self.step(draft, Change::None, Reported { number: Some(number), report }))
    }

    /// What is known of a report, and the names under which its news are to be remembered.
    fn examine<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        report: AbuseReport,
    ) -> Result<(Report, BTreeSet<Vec<u8>>), ReportRefusal> {
        if report.messages.len() > self.limits.report_messages {
            return Err(ReportRefusal::TooManyMessages(self.limits.report_messages));
        }
        if report.reporting_user.as_ref().is_some_and(|user| !self.speaks_for(peer, user)) {
            return Err(ReportRefusal::Peer);
        }
        let provider = peer.domain();
        let reporter = match (&report.reporting_user, peer) {
            (Some(user), _) | (None, Peer::Client(_, user)) => user.as_bytes(),
            (None, Peer::Server(domain)) => domain.as_str().as_bytes(),
        };
        let reporter = name(OF_REPORTER, &[reporter]);
        let (findings, mut news) = self.find(env, &report, &reporter);
        let forged: Vec<Forgery> = findings
            .iter()
            .filter_map(|finding| match finding {
                Finding::Forged(forgery) => Some(*forgery),
                Finding::Genuine { .. } => None,
            })
            .collect();
        if !forged.is_empty() && forged.len() == findings.len() {
            return Err(ReportRefusal::Forged(forged));
        }
        if findings.is_empty() {
            let abuser = report.alleged_abuser.as_bytes();
            let words = name(OF_WORDS, &[abuser, &[report.reason_code], report.note.as_bytes()]);
            let name = [words, reporter].concat();
            news.extend(self.reported.find(&name, env.now).is_none().then_some(name));
        }
        if !news.is_empty() && self.desk.waiting.len() >= self.limits.reports_waiting {
            return Err(ReportRefusal::Full(self.limits.reports_waiting));
        }
        let role = |user| self.effective().role(user);
        let reported = Report {
            received: env.now,
            provider,
            reporter: report.reporting_user.as_ref().map_or(RoleIndex::NONE, role),
            alleged_abuser: role(&report.alleged_abuser),
            report,
            findings,
        };
        Ok((reported, news))
    }

    /// What is known of the messages, and the names of those that this reporter has not reported before.
    fn find<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        report: &AbuseReport,
        reporter: &[u8; 16],
    ) -> (Vec<Finding>, BTreeSet<Vec<u8>>) {
        let component = |id: ComponentId| self.group.component(id.0);
        let agent = component(ComponentId::FRANKING_AGENT)
            .and_then(|data| FrankingAgentData::decode(data).ok());
        let media_types = component(ComponentId::CONTENT_MEDIA_TYPES)
            .map(|data| MediaTypeList::decode(data).unwrap_or(MediaTypeList(Vec::new())));
        let mut news = BTreeSet::new();
        let Ok(suite) = Ciphersuite::try_from(self.group.ciphersuite()) else {
            return (Vec::new(), news);
        };
        let secrets = env.keys.franking_secrets();
        let docket = Docket {
            secrets: secrets.get(..self.limits.franking_secrets).unwrap_or(secrets),
            agent_key: agent.as_ref().map(|agent| agent.signature_key.as_slice()),
            suite,
            media_types: media_types.as_ref(),
            room: &self.head.room,
            alleged_abuser: &report.alleged_abuser,
        };
        let findings = report
            .messages
            .iter()
            .map(|message| match docket.judge(env.crypto, message) {
                Err(forgery) => Finding::Forged(forgery),
                Ok(id) => {
                    let of_message = name(OF_MESSAGE, &[&message.frank.server_frank]);
                    let name = [of_message, *reporter].concat();
                    let before = self.reported.find(&name, env.now).is_some();
                    let again = before || !news.insert(name);
                    let others = self.reported.count(&of_message, env.now) + usize::from(!before);
                    let reporters = u32::try_from(others).unwrap_or(u32::MAX);
                    Finding::Genuine { id, reporters, again }
                }
            })
            .collect();
        (findings, news)
    }

    /// The reports that nobody has looked at yet, by number: what [`Report::key`] names the records of.
    pub fn reports(&self) -> impl Iterator<Item = u64> {
        self.desk.waiting.keys().copied()
    }

    /// Somebody has taken a report over: its record goes. What was reported in it by whom is remembered for a while.
    pub fn reviewed<C: Crypto>(
        &mut self,
        _env: &Env<'_, C, Keys>,
        report: u64,
    ) -> Step<'_, Self, ()> {
        let mut desk = self.desk.clone();
        if desk.waiting.remove(&report).is_none() {
            return self.unchanged(());
        }
        let mut draft = Draft::new(&self.head);
        draft.put(Record::Desk(desk));
        draft.report(report, None);
        self.step(draft, Change::None, ())
    }
}
