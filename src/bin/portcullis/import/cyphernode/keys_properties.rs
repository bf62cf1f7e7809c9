//! `keys.properties`: who may call.

/// All keys of a file.
pub(super) struct Keys {
    pub(super) list: Vec<Key>,
    /// Since the end of 2018 they do.
    pub(super) have_groups: bool,
}

/// A caller's key.
pub(super) struct Key {
    /// Letters and digits.
    pub(super) id: String,
    /// As text: the MAC is made with the hex digits themselves.
    pub(super) secret: String,
    pub(super) groups: Vec<String>,
    /// Where it stands, from 1.
    pub(super) line: usize,
}

/// What the gatekeeper's shell would do at the end of a line; other things that it could do are none of a key's business.
const ASSIGNMENTS: [&str; 2] = ["eval ugroups_${kapi_id}=${kapi_groups}", "eval ukey_${kapi_id}=${kapi_key}"];

/// Reads a file of either era: `key001=HEX`, or `kapi_id="001";kapi_key="HEX";kapi_groups="stats,watcher";eval ...`.
///
/// # Errors
/// What is wrong, by line. A line holds a key, so none is shown.
pub(super) fn parse(text: &str) -> Result<Keys, Vec<String>> {
    let (mut list, mut faults): (Vec<Key>, Vec<String>) = (Vec::new(), Vec::new());
    let mut eras = [false; 2];
    for (index, content) in text.lines().enumerate() {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let line = index.saturating_add(1);
        let is_grouped = content.starts_with("kapi_");
        let [plain, grouped] = &mut eras;
        *(if is_grouped { grouped } else { plain }) = true;
        match if is_grouped { with_groups(content) } else { without_groups(content) } {
            Ok((id, secret, groups)) => {
                if list.iter().any(|other| other.id == id) {
                    faults.push(format!("line {line}: another key has the id {id}"));
                }
                list.push(Key { id, secret, groups, line });
            }
            Err(wrong) => faults.push(format!("line {line}: {wrong}")),
        }
    }
    if eras == [true, true] {
        faults.push("keys with groups (kapi_id=...) and keys of 2018 (key001=...): no gatekeeper reads both".to_owned());
    }
    if list.is_empty() && faults.is_empty() {
        faults.push("no key at all: nobody could call".to_owned());
    }
    let [_, have_groups] = eras;
    if faults.is_empty() { Ok(Keys { list, have_groups }) } else { Err(faults) }
}

type Parts = (String, String, Vec<String>);

fn without_groups(content: &str) -> Result<Parts, &'static str> {
    let parts = content.strip_prefix("key").and_then(|rest| rest.split_once('='));
    let (id, secret) = parts.ok_or("neither kapi_id=\"...\";... nor key001=...")?;
    Ok((word(id, "the id")?, word(unquoted(secret), "the key")?, Vec::new()))
}

fn with_groups(content: &str) -> Result<Parts, &'static str> {
    const FORM: &str = "not kapi_id=\"...\";kapi_key=\"...\";kapi_groups=\"...\"; and the two assignments by eval";
    let mut parts = content.split(';').map(str::trim);
    let mut value = |name: &str| {
        let value = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
        Some(unquoted(value))
    };
    let (id, secret, groups) = (value("kapi_id"), value("kapi_key"), value("kapi_groups"));
    let ((id, secret), groups) = id.zip(secret).zip(groups).ok_or(FORM)?;
    if !parts.all(|part| part.is_empty() || ASSIGNMENTS.contains(&part)) {
        return Err("something at its end is no part of a key, and nothing is run here; only the two assignments by eval may follow");
    }
    let groups = groups.split(',').filter(|group| !group.is_empty()).map(group).collect::<Result<_, _>>()?;
    Ok((word(id, "the id")?, word(secret, "the key")?, groups))
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn word(text: &str, what: &'static str) -> Result<String, &'static str> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err(match what {
        "the id" => "the id: letters and digits are wanted",
        _ => "the key: letters and digits are wanted, as hex has them",
    })
}

fn group(text: &str) -> Result<String, &'static str> {
    let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    is_name.then(|| text.to_owned()).ok_or("the groups: names with commas between them are wanted, without blanks")
}
