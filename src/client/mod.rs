//! The client.

#[expect(unused)]
mod storage;
