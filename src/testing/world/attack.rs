//! Adversaries: each tries what nobody may do.

use super::{World, WorldCrypto};

impl<C: WorldCrypto> World<C> {
    /// An adversary tries something. Says whether it could try.
    pub(super) fn attack(&mut self, _attack: u8, _by: usize, _room: usize) -> bool {
        false
    }
}
