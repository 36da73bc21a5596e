//! Mistakes to make on purpose, in the tests of this crate only: to see that the world finds them.

use std::cell::Cell;

/// A rule to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Commits need not contain what waits.
    Omissions,
    /// Every frank is valid.
    Franks,
}

thread_local! {
    static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// Whether this mistake is to be made on this thread.
pub(crate) fn is_made(mistake: Mistake) -> bool {
    MADE.get() == Some(mistake)
}

/// Makes a mistake on this thread for as long as something takes.
pub(crate) fn while_made<R>(mistake: Mistake, what: impl FnOnce() -> R) -> R {
    MADE.set(Some(mistake));
    let result = what();
    MADE.set(None);
    result
}
