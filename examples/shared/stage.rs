//! A story on its stage: scene by scene, watched, drawn, or with crashes.

use std::{cell::RefCell, fmt::Write as _, process::ExitCode, rc::Rc};

use openmimi::{hub, uri::Domain};

use super::{
    crash::{Choice, Plan, Schedule},
    phone::Phone,
    trace::Trace,
};

/// A promise that was not kept.
pub type Broken = String;

/// What happens in a scene. It ends when everything has arrived.
pub type Scene<S> = fn(&mut S) -> Result<(), Broken>;

/// Several scenes that follow each other.
pub trait Story: Sized + 'static {
    /// The name of the example.
    const NAME: &'static str;
    /// The scenes, in order.
    const SCENES: &'static [(&'static str, Scene<Self>)];

    /// Before the first scene.
    fn begin() -> Self;
    fn trace(&self) -> &Trace;
    fn plan(&self) -> &Rc<RefCell<Plan>>;
    /// A scene begins.
    fn curtain(&mut self, title: &str);
    /// Time passes between two scenes.
    fn pause(&mut self);
    /// Everybody who sends or receives, users beside their providers.
    fn parties(&self) -> Vec<String>;
    /// What it has come to, and what everybody has read: the same with crashes and without.
    fn summary(&self) -> String;
}

pub fn promise(kept: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(what()) }
}

/// Everybody who sends or receives: the users' devices beside their provider.
pub fn parties<'a>(providers: impl Iterator<Item = &'a Domain>, phones: &[Phone]) -> Vec<String> {
    let mut parties = Vec::new();
    for domain in providers {
        let own = phones.iter().filter(|phone| phone.user.domain() == *domain);
        parties.extend(own.map(|phone| phone.name.clone()));
        parties.push(domain.to_string());
    }
    parties
}

/// The room as its hub sees it, and what everybody has read, each line as it is to be shown.
pub fn summary(hub: &hub::Room, phones: &[Phone], shown: fn(&str) -> &str) -> String {
    let mut out = format!("{} in epoch {}\n", hub.uri(), hub.epoch());
    for listed in hub.committed().participants().iter() {
        let roles = hub.committed().roles();
        let role = roles.get(listed.role).map_or("?", |role| role.name.as_str());
        let clients = hub.members().filter(|(_, user)| user.as_str() == listed.uri).count();
        let _ = writeln!(out, "  {:<26} {role}, {clients} clients", listed.uri);
    }
    for phone in phones {
        let read: Vec<&str> = phone.read.values().map(|line| shown(line)).collect();
        let _ = writeln!(out, "  {:<8} {}", phone.name, read.join(" · "));
    }
    out
}

/// Plays all scenes; `crash` says when to crash in each one. Gives the number of saves of each scene, too.
pub fn play<S: Story>(crash: impl Fn(usize) -> Schedule) -> (S, Vec<usize>, Result<(), Broken>) {
    play_watched(crash, |_| {})
}

/// The same, where somebody looks at the story after each scene.
fn play_watched<S: Story>(
    crash: impl Fn(usize) -> Schedule,
    mut watch: impl FnMut(&S),
) -> (S, Vec<usize>, Result<(), Broken>) {
    let mut story = S::begin();
    let mut saves = Vec::new();
    for (number, (title, scene)) in S::SCENES.iter().enumerate() {
        story.curtain(title);
        {
            let mut plan = story.plan().borrow_mut();
            plan.saves = 0;
            plan.schedule = crash(number);
        }
        let kept = scene(&mut story);
        watch(&story);
        saves.push(story.plan().borrow().saves);
        if let Err(broken) = kept {
            return (story, saves, Err(format!("{title}: {broken}")));
        }
        story.pause();
    }
    (story, saves, Ok(()))
}

/// What the example does from the command line. It fails if anything differs from what the story promises.
pub fn main<S: Story>() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => run::<S>(),
        ["--mermaid"] => diagram::<S>(),
        ["--crash", seed] => seed.parse().map_or_else(|_| usage::<S>(), with_crashes::<S>),
        ["--storm", seed] => seed.parse().map_or_else(|_| usage::<S>(), in_a_storm::<S>),
        _ => usage::<S>(),
    }
}

fn usage<S: Story>() -> ExitCode {
    eprintln!("usage: {} [--mermaid | --crash SEED | --storm SEED]", S::NAME);
    ExitCode::from(2)
}

fn failed<S: Story>(story: &S, broken: &str) -> ExitCode {
    eprintln!("{}\nbroken promise: {broken}", story.trace().text());
    ExitCode::FAILURE
}

fn run<S: Story>() -> ExitCode {
    let mut told = 0;
    let (story, _, kept) = play_watched::<S>(
        |_| Schedule::Never,
        |story| {
            print!("{}", story.trace().text_from(told));
            told = story.trace().lines.len();
        },
    );
    if let Err(broken) = kept {
        eprintln!("\nbroken promise: {broken}");
        return ExitCode::FAILURE;
    }
    println!("\n{}", story.summary());
    ExitCode::SUCCESS
}

fn diagram<S: Story>() -> ExitCode {
    let (story, _, kept) = play::<S>(|_| Schedule::Never);
    if let Err(broken) = kept {
        return failed(&story, &broken);
    }
    print!("{}", story.trace().mermaid(&story.parties()));
    ExitCode::SUCCESS
}

/// Once without a crash, to know what it has to come to and how many saves each scene has; then with a crash in each
/// scene, at a save that the seed chooses.
fn with_crashes<S: Story>(seed: u64) -> ExitCode {
    let (plain, saves, kept) = play::<S>(|_| Schedule::Never);
    if let Err(broken) = kept {
        return failed(&plain, &broken);
    }
    let mut choice = Choice(seed);
    // A scene that saves nothing has nothing to lose.
    let chosen: Vec<_> =
        saves.iter().map(|saves| (*saves > 0).then(|| choice.point(*saves))).collect();
    let (story, _, kept) = play::<S>(|scene| {
        let point = chosen.get(scene).copied().flatten();
        point.map_or(Schedule::Never, |(save, crash)| Schedule::Once(save, crash))
    });
    for (number, ((title, _), at)) in S::SCENES.iter().zip(&chosen).enumerate() {
        let Some((save, crash)) = at else { continue };
        println!(
            "scene {}: {title}: {crash:?} at save {} of {}",
            number + 1,
            save + 1,
            saves[number]
        );
    }
    compare(&story, kept, &plain)
}

/// The same with a crash at every other save.
fn in_a_storm<S: Story>(seed: u64) -> ExitCode {
    let (plain, _, kept) = play::<S>(|_| Schedule::Never);
    if let Err(broken) = kept {
        return failed(&plain, &broken);
    }
    let (story, _, kept) = play::<S>(|_| Schedule::Often(seed));
    compare(&story, kept, &plain)
}

/// Whether a story with crashes ended like the one without.
fn compare<S: Story>(story: &S, kept: Result<(), Broken>, plain: &S) -> ExitCode {
    if let Err(broken) = kept {
        return failed(story, &broken);
    }
    if story.summary() != plain.summary() {
        return failed(
            story,
            &format!("it ended in\n{}instead of\n{}", story.summary(), plain.summary()),
        );
    }
    println!(
        "{} crashes, and the same room:\n\n{}",
        story.plan().borrow().crashed,
        story.summary()
    );
    ExitCode::SUCCESS
}
