//! The protocol over HTTP: names, paths, refusals and answers as values (P-030 … P-037, Q-02 … Q-04, D-70 … D-73).

mod exchange;
mod names;
mod replies;
pub(crate) mod support;
mod unknown;
