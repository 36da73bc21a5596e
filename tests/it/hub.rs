//! The hub's room on real groups, every step a crash drill: see `kit::Hub::drill`.

use crate::kit::*;

#[test]
fn a_room_grows() {
    let world = World::clubhouse();
    assert_eq!(world.hub.room.members().count(), 3);
}
