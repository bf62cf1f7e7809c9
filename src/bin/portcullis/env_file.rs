//! Files of variables, as docker's `--env-file` takes them.

/// A variable of the file.
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Reads `NAME=VALUE` lines; `#` begins a comment line, and `NAME` alone takes the variable from the environment, if it is set there.
/// A value goes to the end of its line as it is: what a shell would make of it, docker doesn't.
///
/// # Errors
/// What is wrong, by line. A line may hold a secret, so none is shown.
pub(crate) fn parse(text: &str, environment: &mut dyn FnMut(&str) -> Option<String>) -> Result<Vec<Variable>, Vec<String>> {
    let (mut variables, mut faults): (Vec<Variable>, Vec<String>) = (Vec::new(), Vec::new());
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index.saturating_add(1);
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line.trim_end(), environment(line.trim_end())),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
            faults.push(format!("line {number}: not NAME=VALUE; no blanks can stand before the equals sign, and no `export`"));
            continue;
        }
        let Some(value) = value else { continue };
        if value.len() > 1 && ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote)) {
            faults.push(format!("line {number}: {name} stands in quotes, which docker makes part of the value; write it without"));
        }
        if variables.iter().any(|other| other.name == name) {
            faults.push(format!("line {number}: {name} stands here twice"));
        }
        variables.push(Variable { name: name.to_owned(), value });
    }
    if faults.is_empty() { Ok(variables) } else { Err(faults) }
}
