//! What a provider does with what comes in: only octets.

use super::{
    World, WorldCrypto,
    at_hub::AtHub,
    network::{Endpoint, Origin, Reply, Request},
    slot::Halt,
};
use crate::{
    codec::Wire,
    env::Peer,
    hub,
    hub::Answer,
    provider::ConsentEndpoint,
    wire::{
        GroupInfoAnswer, GroupInfoResponse, KeyMaterialResponse, SubmitMessageResponse,
        UpdateOutcome, UpdateRoomResponse,
    },
};

impl<C: WorldCrypto> World<C> {
    /// Answers a request. `None`: the process died, or somebody on the way did.
    pub(super) fn post(&mut self, peer: &Peer, to: usize, request: &Request) -> Option<Reply> {
        let Request { endpoint, body, origin } = request;
        match *endpoint {
            Endpoint::KeyMaterial(target) => self.key_material(peer, to, target, request),
            Endpoint::Notify(room) => self.notify(peer, to, room, body),
            Endpoint::RequestConsent(_) => {
                self.take_letter(peer, to, ConsentEndpoint::Request, body)
            }
            Endpoint::UpdateConsent(_) => self.take_letter(peer, to, ConsentEndpoint::Update, body),
            Endpoint::Query => Some(self.find(to, body)),
            Endpoint::Update(room) if self.is_over(room) => {
                Some(self.refusal(hub::UpdateRefusal::Ended.answer()))
            }
            Endpoint::Submit(room) if self.is_over(room) => {
                Some(self.refusal(hub::SubmitRefusal::Ended.answer()))
            }
            Endpoint::GroupInfo(room) if self.is_over(room) => {
                let uri = self.sites[room].uri.clone();
                Some(self.refusal(hub::GroupInfoRefusal::Ended.answer(&uri)))
            }
            Endpoint::Update(room) => {
                let done = self.at_hub(room, origin, |room, env| room.update(env, peer, body));
                let success = matches!(&done, Ok(outcome)
                    if matches!(outcome.reply.outcome, UpdateOutcome::Success { .. }));
                self.expect_durable(origin, success);
                self.witnessed(room, origin, &done);
                self.reply(done, hub::UpdateRefusal::answer)
            }
            Endpoint::Submit(room) => {
                let done =
                    self.at_hub(room, origin, |room, env| room.submit_message(env, peer, body));
                let success = matches!(&done, Ok(outcome)
                    if matches!(outcome.reply, SubmitMessageResponse::Accepted { .. }));
                self.expect_durable(origin, success);
                self.reply(done, hub::SubmitRefusal::answer)
            }
            Endpoint::GroupInfo(room) => {
                let uri = self.sites[room].uri.clone();
                let done = self
                    .at_hub(room, &Origin::Nobody, |room, env| room.group_info(env, peer, body));
                self.reply(done, |refusal: &hub::GroupInfoRefusal| refusal.answer(&uri))
            }
        }
    }

    pub(super) fn reply<R: Wire, F>(
        &mut self,
        done: AtHub<R, F>,
        answer: impl FnOnce(&F) -> Answer<R>,
    ) -> Option<Reply> {
        match done {
            Ok(outcome) => Some(Reply::ok(outcome.reply.encode())),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(self.refusal(answer(&refusal.reason))),
        }
    }

    fn refusal<R: Wire>(&mut self, answer: Answer<R>) -> Reply {
        self.tally.refused += 1;
        match answer {
            Answer::Response(response) => Reply::ok(response.encode()),
            Answer::Status(status) => Reply::status(status),
            Answer::Later { .. } => Reply::status(429),
        }
    }

    /// Whether only the tombstone of a room is left, which answers for it.
    fn is_over(&mut self, room: usize) -> bool {
        let provider = &mut self.providers[self.sites[room].hub];
        provider.hub(room).is_none() && provider.tombstone(room).is_some()
    }

    /// An answer in a word, for people.
    pub(super) fn outcome(&self, endpoint: Endpoint, reply: Option<&Reply>) -> String {
        let word = match reply {
            None => "no answer".into(),
            Some(Reply { status: 200, body }) => match endpoint {
                Endpoint::KeyMaterial(_) => KeyMaterialResponse::decode(body)
                    .map_or("?".into(), |it| format!("{:?}", it.user_status)),
                Endpoint::Update(_) => {
                    UpdateRoomResponse::decode(body).map_or("?".into(), |it| match it.outcome {
                        UpdateOutcome::Success { .. } => "success".into(),
                        UpdateOutcome::WrongEpoch { current_epoch } => {
                            format!("wrongEpoch {current_epoch}")
                        }
                        UpdateOutcome::NotAllowed => {
                            format!("notAllowed {:.60}", it.error_description.as_str())
                        }
                        UpdateOutcome::InvalidProposal(_) => {
                            format!("invalidProposal {:.60}", it.error_description.as_str())
                        }
                    })
                }
                Endpoint::Submit(_) => {
                    SubmitMessageResponse::decode(body).map_or("?".into(), |it| match it {
                        SubmitMessageResponse::Accepted { .. } => "accepted".into(),
                        SubmitMessageResponse::NotAllowed => "notAllowed".into(),
                        SubmitMessageResponse::EpochTooOld { current_epoch } => {
                            format!("epochTooOld {current_epoch}")
                        }
                    })
                }
                Endpoint::GroupInfo(_) => {
                    GroupInfoResponse::decode(body).map_or("?".into(), |it| match it.answer {
                        GroupInfoAnswer::Success(_) => "success".into(),
                        GroupInfoAnswer::NotAuthorized => "notAuthorized".into(),
                        GroupInfoAnswer::NoSuchRoom => "noSuchRoom".into(),
                    })
                }
                Endpoint::Notify(_)
                | Endpoint::RequestConsent(_)
                | Endpoint::UpdateConsent(_)
                | Endpoint::Query => "200".into(),
            },
            Some(Reply { status, .. }) => status.to_string(),
        };
        format!("{} {word}", endpoint.name())
    }
}
