//! How fast is fast enough. Microseconds are those of the machine that the goals were set on; what is told in terms of another variant holds anywhere.

/// What a path may cost over its floor.
pub(crate) struct Goal {
    /// All of these must hold.
    pub(crate) at_most: Vec<Limit>,
    /// What it should be.
    pub(crate) goal: Limit,
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Micros(f64),
    /// So many times what that variant costs.
    Times(f64, &'static str),
    /// So many microseconds more than that variant costs.
    Above(f64, &'static str),
}

impl Goal {
    pub(crate) fn new(at_most: impl IntoIterator<Item = Limit>, goal: Limit) -> Self {
        Self { at_most: at_most.into_iter().collect(), goal }
    }

    /// The variants that have to be measured to tell whether it is met.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &'static str> {
        self.at_most.iter().chain([&self.goal]).filter_map(|limit| match limit {
            Limit::Micros(_) => None,
            Limit::Times(_, name) | Limit::Above(_, name) => Some(*name),
        })
    }

    /// At most, in microseconds: the strictest of them. What other variants cost comes from the function.
    pub(crate) fn bound(&self, cost: impl Fn(&str) -> f64) -> f64 {
        self.at_most.iter().map(|limit| limit.micros(&cost)).fold(f64::INFINITY, f64::min)
    }
}

impl Limit {
    pub(crate) fn micros(self, cost: impl Fn(&str) -> f64) -> f64 {
        match self {
            Self::Micros(micros) => micros,
            Self::Times(times, name) => times * cost(name),
            Self::Above(micros, name) => micros + cost(name),
        }
    }
}
