//! The rules of a policy, found by what they match: of a thousand, those that can be for a request are looked up, and only these are tried.

use std::ops::Deref;

use super::{HostPattern, PathMatch, Rule, Segment};

/// Up to so many, trying each is as fast as looking up which to try.
const FEW: usize = 8;

/// So many labels and segments tell rules apart; further ones need not.
const DEPTH: usize = 32;

/// The rules of a policy, in their order: the first that matches decides.
#[derive(Debug)]
pub struct Rules {
    list: Vec<Rule>,
    /// `None` where there are few.
    index: Option<ByHost>,
}

impl Rules {
    /// Indexes the rules.
    #[must_use]
    pub fn new(list: Vec<Rule>) -> Self {
        let index = if list.len() > FEW { ByHost::of(&list) } else { None };
        Self { list, index }
    }

    /// Each rule that this host and this path, both normalised, don't rule out, with its index and in order. Whether it matches is another question.
    pub(super) fn candidates(&self, host: &[u8], path: Option<&[u8]>) -> impl Iterator<Item = (usize, &Rule)> + use<'_> {
        let found = self.index.as_ref().map(|index| index.find(host, path));
        let count = found.as_ref().map_or(self.list.len(), Vec::len);
        (0..count).filter_map(move |place| {
            let index = found.as_ref().map_or(Some(place), |found| found.get(place).copied())?;
            Some((index, self.list.get(index)?))
        })
    }
}

impl Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.list
    }
}

/// What lies below, in the order of the labels or segments.
type Children<T> = Vec<(Box<[u8]>, T)>;

/// Rules by the labels of the hosts that they name, from the last to the first.
#[derive(Debug, Default)]
struct ByHost {
    /// Those that name no further label.
    paths: ByPath,
    labels: Children<ByHost>,
}

/// Rules by the segments with which the paths that they name begin.
#[derive(Debug, Default)]
struct ByPath {
    /// Those that name no further segment, or leave open what follows, in ascending order.
    rules: Vec<usize>,
    segments: Children<ByPath>,
    /// Where a template has any segment that is not empty.
    any: Option<Box<ByPath>>,
}

impl ByHost {
    fn of(rules: &[Rule]) -> Option<Self> {
        let mut index = Self::default();
        for (rule, Rule { when, .. }) in rules.iter().enumerate() {
            if when.hosts.is_empty() {
                index.paths.add(when.path.as_ref(), rule)?;
            }
            for pattern in &when.hosts {
                let (HostPattern::Exact(host) | HostPattern::Below(host)) = pattern;
                let mut labels = labels(host.as_bytes()).take(DEPTH);
                let node = labels.try_fold(&mut index, |node, label| grown(&mut node.labels, label))?;
                node.paths.add(when.path.as_ref(), rule)?;
            }
        }
        Some(index)
    }

    /// In ascending order, each once.
    fn find(&self, host: &[u8], path: Option<&[u8]>) -> Vec<usize> {
        let segments = path.and_then(segments);
        let mut found = Vec::new();
        let mut labels = labels(host);
        let mut next = Some(self);
        while let Some(node) = next {
            node.paths.find(segments.clone().into_iter().flatten(), &mut found);
            next = labels.next().and_then(|label| child(&node.labels, label));
        }
        found
    }
}

impl ByPath {
    fn add(&mut self, path: Option<&PathMatch>, rule: usize) -> Option<()> {
        let node = match path {
            None => self,
            Some(PathMatch::Exact(path)) => self.below(path)?,
            Some(PathMatch::Prefix(path)) => self.below(path.strip_suffix('/').unwrap_or(path))?,
            Some(PathMatch::Template(template)) => template.segments.iter().take(DEPTH).try_fold(self, |node, segment| match segment {
                Segment::Literal(text) => grown(&mut node.segments, text.as_bytes()),
                Segment::One(_) => Some(&mut **node.any.get_or_insert_default()),
                Segment::Rest => Some(node),
            })?,
        };
        // Of one rule, several hosts may lead here.
        if node.rules.last() != Some(&rule) {
            node.rules.push(rule);
        }
        Some(())
    }

    fn below(&mut self, path: &str) -> Option<&mut Self> {
        segments(path.as_bytes()).into_iter().flatten().take(DEPTH).try_fold(self, |node, segment| grown(&mut node.segments, segment))
    }

    fn find<'p>(&self, mut segments: impl Iterator<Item = &'p [u8]> + Clone, found: &mut Vec<usize>) {
        for rule in &self.rules {
            if found.last() < Some(rule) {
                found.push(*rule);
            } else if let Err(place) = found.binary_search(rule) {
                found.insert(place, *rule);
            }
        }
        let Some(segment) = segments.next() else { return };
        if let Some(any) = self.any.as_ref().filter(|_| !segment.is_empty()) {
            any.find(segments.clone(), found);
        }
        if let Some(below) = child(&self.segments, segment) {
            below.find(segments, found);
        }
    }
}

fn labels(host: &[u8]) -> impl Iterator<Item = &[u8]> {
    host.rsplit(|b| *b == b'.')
}

/// `None` for what is no path: `*`.
fn segments(path: &[u8]) -> Option<impl Iterator<Item = &[u8]> + Clone> {
    Some(path.strip_prefix(b"/")?.split(|b| *b == b'/'))
}

fn child<'t, T>(children: &'t Children<T>, name: &[u8]) -> Option<&'t T> {
    let place = children.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
    children.get(place).map(|(_, child)| child)
}

/// The child of that name, which is there from now on.
fn grown<'t, T: Default>(children: &'t mut Children<T>, name: &[u8]) -> Option<&'t mut T> {
    let place = children.binary_search_by(|(own, _)| (**own).cmp(name)).unwrap_or_else(|place| {
        children.insert(place, (name.into(), T::default()));
        place
    });
    children.get_mut(place).map(|(_, child)| child)
}

#[cfg(test)]
mod tests;
