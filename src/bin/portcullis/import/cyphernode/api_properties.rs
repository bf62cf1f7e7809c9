//! `api.properties`: which group may call which action.

/// The group of what only cyphernode itself calls.
pub(super) const INTERNAL: &str = "internal";

/// Something to call.
pub(super) struct Action {
    pub(super) name: String,
    pub(super) group: String,
}

impl Action {
    pub(super) fn is_internal(&self) -> bool {
        self.group == INTERNAL
    }
}

/// Reads `action_NAME=GROUP` lines.
///
/// # Errors
/// What is wrong, by line.
pub(super) fn parse(text: &str) -> Result<Vec<Action>, Vec<String>> {
    let (mut actions, mut faults): (Vec<Action>, Vec<String>) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index.saturating_add(1);
        let Some((name, group)) =
            line.strip_prefix("action_").and_then(|rest| rest.split_once('=')).filter(|(name, group)| is_name(name) && is_name(group))
        else {
            faults.push(format!("line {number}: not action_NAME=GROUP, in letters, digits, - and _"));
            continue;
        };
        if actions.iter().any(|other| other.name == name) {
            faults.push(format!("line {number}: the action {name} stands here twice"));
        }
        actions.push(Action { name: name.to_owned(), group: group.to_owned() });
    }
    if actions.is_empty() && faults.is_empty() {
        faults.push("no action at all: nobody could call anything".to_owned());
    }
    if faults.is_empty() { Ok(actions) } else { Err(faults) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
