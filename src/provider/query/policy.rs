//! What may be asked at all.

use super::QueryRefusal;
use crate::wire::{QueryElement, SearchField};

/// What a provider lets others search by. Whether a user is found, the user decides too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPolicy {
    closed: bool,
    rules: Vec<(SearchField, Rule)>,
    pub(super) profiles: bool,
    shortest_part: usize,
}

/// When a field may be searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Alone, or with others.
    Alone,
    /// Only with another field, as a given name with a family name.
    WithAnother,
    /// Never, though it is known.
    Never,
}

impl Default for SearchPolicy {
    /// By what names one user: handle, nickname, e-mail address and telephone number, each in full. Parts that are
    /// searched for, if that is allowed, have at least three characters. Only URIs are answered.
    fn default() -> Self {
        let exact =
            [SearchField::Handle, SearchField::Nick, SearchField::Email, SearchField::Phone];
        let rules = exact.into_iter().map(|field| (field, Rule::Alone)).collect();
        Self { closed: false, rules, profiles: false, shortest_part: 3 }
    }
}

impl SearchPolicy {
    /// Nobody may search.
    #[must_use]
    pub fn closed() -> Self {
        Self { closed: true, ..Self::default() }
    }

    /// The same with this rule for a field.
    #[must_use]
    pub fn with(mut self, field: SearchField, rule: Rule) -> Self {
        self.rules.retain(|(known, _)| !same(known, &field));
        self.rules.push((field, rule));
        self
    }

    /// The same without a field: it is not supported.
    #[must_use]
    pub fn without(mut self, field: &SearchField) -> Self {
        self.rules.retain(|(known, _)| !same(known, field));
        self
    }

    /// The same with what users share of their profiles in the answer.
    #[must_use]
    pub const fn with_profiles(mut self) -> Self {
        self.profiles = true;
        self
    }

    /// The same with so many characters at least in a part that is searched for: everybody's profile holds an `a`.
    #[must_use]
    pub const fn with_shortest_part(mut self, characters: usize) -> Self {
        self.shortest_part = characters;
        self
    }

    /// Whether a query may be asked (P-226).
    pub(super) fn judge(&self, query: &[QueryElement]) -> Result<(), QueryRefusal> {
        if self.closed {
            return Err(QueryRefusal::Forbidden);
        }
        let rule = |element: &QueryElement| {
            let known = self.rules.iter().find(|(field, _)| same(field, &element.field));
            known.map(|(_, rule)| *rule)
        };
        let rules: Option<Vec<Rule>> = query.iter().map(rule).collect();
        let rules = rules.ok_or(QueryRefusal::UnsupportedField)?;
        if rules.contains(&Rule::Never) {
            return Err(QueryRefusal::Forbidden);
        }
        let first = query.first();
        let several =
            query.iter().any(|it| first.is_some_and(|first| !same(&first.field, &it.field)));
        let vague = !several && !rules.contains(&Rule::Alone);
        if vague || query.iter().any(|element| self.is_short(element)) {
            return Err(QueryRefusal::Ambiguous);
        }
        Ok(())
    }

    /// Whether a part is too short to be searched for.
    fn is_short(&self, element: &QueryElement) -> bool {
        match &element.field {
            SearchField::PartialName | SearchField::WholeProfile => {
                element.value.chars().count() < self.shortest_part.max(1)
            }
            SearchField::Handle
            | SearchField::Nick
            | SearchField::Email
            | SearchField::Phone
            | SearchField::OidcStdClaim(_)
            | SearchField::VcardField(_) => false,
        }
    }
}

/// Whether two fields are one: the names of vCard properties have no case (RFC 6350, section 3.3).
fn same(one: &SearchField, other: &SearchField) -> bool {
    match (one, other) {
        (SearchField::VcardField(one), SearchField::VcardField(other)) => {
            one.eq_ignore_ascii_case(other)
        }
        (one, other) => one == other,
    }
}
