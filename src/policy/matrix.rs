//! Who may do what to whom, as a table: actor roles down, actions across, target roles inside.
//!
//! Every cell asks [`question`](super::question)s, so the table says what hub and clients decide.

use std::collections::BTreeMap;

use super::{
    Role, RoleIndex, Roles,
    question::{Deed, From, Question, To},
};

/// Tables about one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Its roles, by index, with their names.
    pub roles: Vec<(RoleIndex, String)>,
    /// A table for each kind of action.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What its actions are about.
    pub title: &'static str,
    /// The actions across.
    pub actions: Vec<Deed>,
    /// The actor roles down, each with a cell for every action.
    pub rows: Vec<(RoleIndex, Vec<String>)>,
}

/// The actions of each table.
const TABLES: [(&str, &[Deed]); 4] = [
    ("Others", &[Deed::Add, Deed::Remove, Deed::Kick, Deed::Ban, Deed::Unban, Deed::SetRole]),
    (
        "Oneself",
        &[
            Deed::OpenJoin,
            Deed::JoinCode,
            Deed::PreauthJoin,
            Deed::Leave,
            Deed::SetOwnRole,
            Deed::AddOwnClient,
            Deed::RemoveOwnClient,
        ],
    ),
    (
        "Room",
        &[
            Deed::SetName,
            Deed::SetDescription,
            Deed::SetAvatar,
            Deed::SetSubject,
            Deed::SetMood,
            Deed::Send,
            Deed::Receive,
        ],
    ),
    (
        "Policy",
        &[
            Deed::SetBasePolicy,
            Deed::SetRoles,
            Deed::SetPreauth,
            Deed::SetOperationalPolicy,
            Deed::SetOtherPolicy,
            Deed::Destroy,
            Deed::Reinit,
        ],
    ),
];

impl Matrix {
    /// The tables of a policy.
    #[must_use]
    pub fn of(roles: &Roles) -> Self {
        let mut sorted: Vec<&Role> = roles.iter().collect();
        sorted.sort_by_key(|role| role.index);
        let mut indices: Vec<RoleIndex> = sorted.iter().map(|role| role.index).collect();
        if !indices.contains(&RoleIndex::NONE) {
            indices.insert(0, RoleIndex::NONE);
        }
        let table = |&(title, actions): &(&'static str, &[Deed])| Table {
            title,
            actions: actions.to_vec(),
            rows: indices
                .iter()
                .map(|&actor| {
                    (
                        actor,
                        actions.iter().map(|&deed| cell(roles, &indices, actor, deed)).collect(),
                    )
                })
                .collect(),
        };
        Self {
            roles: sorted.iter().map(|role| (role.index, role.name.clone())).collect(),
            tables: TABLES.iter().map(table).collect(),
        }
    }
}

/// What an actor may do: nothing (empty), `yes`, the roles it may do it to or give, or both as `from→to`.
fn cell(roles: &Roles, indices: &[RoleIndex], actor: RoleIndex, deed: Deed) -> String {
    let allowed = |from, to| {
        let question = Question { actor, deed, from, to, counts: BTreeMap::new() };
        matches!(question.ask(roles), Ok(Ok(())))
    };
    let given = |from| -> Vec<RoleIndex> {
        indices.iter().copied().filter(|&to| allowed(from, Some(to))).collect()
    };
    let join =
        |roles: &[RoleIndex]| roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    match (deed.from(), deed.to()) {
        (From::Target, To::Nothing) => {
            let targets: Vec<_> =
                indices.iter().copied().filter(|&from| allowed(Some(from), None)).collect();
            join(&targets)
        }
        (From::Target, To::Role) => {
            let pairs: Vec<_> = indices
                .iter()
                .map(|&from| (from, given(Some(from))))
                .filter(|(_, targets)| !targets.is_empty())
                .collect();
            let is = |deeds: &[Deed]| deeds.contains(&deed);
            // Where the role after is always the same, those before say all; and the other way round.
            if is(&[Deed::Remove, Deed::Ban]) {
                join(&pairs.iter().map(|&(from, _)| from).collect::<Vec<_>>())
            } else if is(&[Deed::Add, Deed::Unban]) {
                join(&pairs.into_iter().flat_map(|(_, targets)| targets).collect::<Vec<_>>())
            } else {
                pairs
                    .iter()
                    .map(|(from, targets)| format!("{from}→{}", join(targets)))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
        (From::Oneself | From::Nothing, to) => {
            // In an action on oneself, another participant holds the role too.
            let from = (deed.from() == From::Oneself).then_some(actor);
            match (to, deed) {
                (To::Role, Deed::Leave) if allowed(from, Some(RoleIndex::NONE)) => "yes".into(),
                (To::Role, _) => join(
                    &given(from)
                        .into_iter()
                        .filter(|it| *it != RoleIndex::NONE)
                        .collect::<Vec<_>>(),
                ),
                (To::Nothing, _) if allowed(from, None) => "yes".into(),
                (To::Nothing, _) => String::new(),
            }
        }
    }
}

impl std::fmt::Display for Matrix {
    /// As text: tables in columns, `·` where nothing is allowed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in &self.roles {
            writeln!(f, "{index:>4}  {name}")?;
        }
        for table in &self.tables {
            let width = |column: usize, action: &Deed| {
                let cells = table.rows.iter().filter_map(|(_, cells)| cells.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(action.word().len())
            };
            let widths: Vec<usize> =
                table.actions.iter().enumerate().map(|(at, action)| width(at, action)).collect();
            let line = |cells: &mut dyn Iterator<Item = &str>| -> String {
                let padded = cells.zip(&widths).map(|(cell, &width)| {
                    let cell = if cell.is_empty() { "·" } else { cell };
                    format!("  {cell:<width$}")
                });
                padded.collect::<String>().trim_end().to_owned()
            };
            writeln!(f, "\n{}", table.title)?;
            writeln!(f, "    {}", line(&mut table.actions.iter().map(|it| it.word())))?;
            for (actor, cells) in &table.rows {
                writeln!(f, "{actor:>4}{}", line(&mut cells.iter().map(String::as_str)))?;
            }
        }
        Ok(())
    }
}
