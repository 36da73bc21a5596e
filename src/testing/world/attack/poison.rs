//! Proposals that nobody but their maker can accept (Q-79, D-5C), put to the real hub: it cannot tell, queues them, and has
//! to let them lapse.

use super::{Ended, World, WorldCrypto, forge::Author};
use crate::{
    codec::{Wire, write_bytes},
    policy::Capability,
    room::{ComponentId, RoomMetadata},
    testing::world::{
        luck::Luck,
        network::{Endpoint, Origin, Request},
    },
    wire::{HandshakeBundle, UpdateRequest},
};

impl<C: WorldCrypto> World<C> {
    /// A member proposes another name, with a wrong membership tag. Either that is left to lie there, or two others
    /// commit at once.
    pub(super) fn poison(&mut self, by: usize, room: usize, wait: bool) -> Option<Ended> {
        let luck = std::mem::replace(&mut self.luck, Luck::GOOD);
        let ended = self.try_poison(by, room, wait);
        self.luck = luck;
        ended
    }

    fn try_poison(&mut self, by: usize, room: usize, wait: bool) -> Option<Ended> {
        self.settle(24);
        if !self.is_level(by, room) {
            return None;
        }
        let user = self.phones[by].user;
        let hub = self.sites[room].hub;
        let model = self.model.get(&room)?;
        if model.ended || !model.roles.can(model.role(user), Capability::CHANGE_ROOM_NAME) {
            return None;
        }
        let mut others: Vec<usize> = Vec::new();
        for device in 0..self.phones.len() {
            let whose = self.phones[device].user;
            let reaches = self.can_reach(self.people[whose].home, hub);
            let new = whose != user && others.iter().all(|it| self.phones[*it].user != whose);
            // Whoever cannot reach the hub cannot commit.
            if new && self.phones[device].on && reaches && self.is_level(device, room) {
                others.push(device);
            }
        }
        let [first, second, ..] = others.as_slice() else { return None };
        let (first, second) = (*first, *second);

        let copy = self.copy_of_room(by, room)?;
        let leaf = self.copy_of_hub(room)?.leaf_of(&self.phones[by].signature_key)?;
        let mut metadata = RoomMetadata::new(self.sites[room].uri.clone());
        metadata.name = "a name that nobody can accept".into();
        let mut proposal = 8u16.to_be_bytes().to_vec();
        proposal.extend(ComponentId::ROOM_METADATA.0.to_be_bytes());
        proposal.push(1);
        write_bytes(&mut proposal, &metadata.encode());
        let message = Author::of(&self.phones[by]).of_member(&copy, leaf.0, &proposal)?;
        self.poison.insert(message.as_bytes().to_vec());
        let bundle = HandshakeBundle::Proposals { first: message, more: Vec::new() };
        let request = Request {
            endpoint: Endpoint::Update(room),
            body: UpdateRequest { bundle }.encode(),
            origin: Origin::Void(user),
        };
        let peer = self.peer_at_hub(by, room);
        let reply = self.post(&peer, hub, &request);
        let said = self.outcome(request.endpoint, reply.as_ref());
        let name = self.providers[hub].domain.to_string();
        self.note("adversary".into(), name, Some(room), format!("a void proposal: {said}"));
        let voids =
            |world: &Self| world.model.get(&room).map_or(0, super::super::model::Room::voids);
        if voids(self) == 0 {
            return Some(Err(format!("the hub can tell that nobody can accept it: {said}")));
        }
        if wait {
            return Some(Ok("left to lie there"));
        }
        self.settle(24);
        for device in [first, second] {
            if !self.refresh(device, room) {
                return Some(Err(format!("device {device} does not commit")));
            }
            self.settle(24);
        }
        Some(match voids(self) {
            0 => Ok("lapsed with the second user's commit"),
            _ => Err("it still waits after two users' commits".into()),
        })
    }
}
