//! What callgrind writes: <https://valgrind.org/docs/manual/cl-format.html>.

use std::collections::HashMap;

/// The figures of a run.
pub(crate) struct Profile {
    /// All instructions.
    pub(crate) instructions: u64,
    /// Every function's own instructions, those with most first.
    pub(crate) own: Vec<(String, u64)>,
    /// The instructions of every function and of all that it calls, those with most first.
    pub(crate) inclusive: Vec<(String, u64)>,
}

impl Profile {
    /// Reads one with `--dump-line=no`.
    pub(crate) fn read(text: &str) -> Self {
        let mut names = HashMap::new();
        let (mut own, mut inclusive) = (HashMap::<String, u64>::new(), HashMap::<String, u64>::new());
        let (mut function, mut callee) = (String::new(), String::new());
        let mut is_call = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                function = known(&mut names, name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = known(&mut names, name);
            } else if line.starts_with("calls=") {
                // The line after it is what the callee took, with all that it called.
                is_call = true;
            } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
                let (costs, name) = if is_call { (&mut inclusive, &callee) } else { (&mut own, &function) };
                *costs.entry(name.clone()).or_default() += number(line.split(' ').nth(1));
                is_call = false;
            }
        }
        Self { instructions: own.values().sum(), own: sorted(own), inclusive: sorted(inclusive) }
    }
}

fn sorted(costs: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut costs: Vec<_> = costs.into_iter().collect();
    costs.sort_by(|(a, more), (b, less)| less.cmp(more).then(a.cmp(b)));
    costs
}

/// A name is written once, `(7) name`, and is `(7)` from then on.
fn known(names: &mut HashMap<String, String>, text: &str) -> String {
    let (id, name) = text.split_once(' ').unwrap_or((text, ""));
    if name.is_empty() {
        return names.get(id).cloned().unwrap_or_default();
    }
    names.insert(id.to_owned(), name.to_owned());
    name.to_owned()
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("a number in a profile")
}
