use super::kit::*;

#[test]
fn a_room_grows_and_changes() {
    let mut room = Room::new(3);
    let made = room.clients[1].commit(vec![update_component(LIST, b"bob;")]);
    room.accept(1, &made);
    assert_eq!(room.group.component(LIST), Some(&b"alice;bob;"[..]));
}
