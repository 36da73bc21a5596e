//! The same as one self-contained page.

use super::Run;

/// The page.
pub fn page(run: &Run) -> String {
    super::summary::text(run)
}
