//! What the stories share: devices, disks, crashes, the trace, and the stage they are played on.

pub mod crash;
pub mod phone;
pub mod stage;
pub mod trace;
