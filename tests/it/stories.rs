//! What holds for every story of the examples.

use std::ops::Range;

use crate::shared::{
    crash::Schedule,
    stage::{Story, play},
};

/// All scenes keep their promises. Gives the number of saves of each.
pub(crate) fn keeps_its_promises<S: Story>() -> Vec<usize> {
    let (story, saves, kept) = play::<S>(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", story.trace().text());
    saves
}

/// With a crash at every other save, for each seed, the story comes to the same end.
pub(crate) fn crashes_change_nothing<S: Story>(seeds: Range<u64>) {
    let (plain, _, kept) = play::<S>(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", plain.trace().text());
    for seed in seeds {
        let (story, saves, kept) = play::<S>(|_| Schedule::Often(seed));
        assert_eq!(kept, Ok(()), "seed {seed}: {}", story.trace().text());
        assert_eq!(story.summary(), plain.summary(), "seed {seed}");
        let (saves, crashed) = (saves.iter().sum::<usize>(), story.plan().borrow().crashed);
        assert!(crashed * 3 > saves, "seed {seed}: {crashed} crashes at {saves} saves");
    }
}

/// A README shows the story's diagram.
pub(crate) fn is_drawn_in<S: Story>(readme: &str) {
    let (story, _, kept) = play::<S>(|_| Schedule::Never);
    assert_eq!(kept, Ok(()));
    let diagram = story.trace().mermaid(&story.parties());
    assert!(
        readme.contains(&diagram),
        "run the example {} with --mermaid and put this into the README:\n{diagram}",
        S::NAME
    );
}
