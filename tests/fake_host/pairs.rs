//! Header maps, and how they cross the ABI: a count, the sizes of all names and values, then all of them, each with a NUL behind it.

/// Header fields in order.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What `proxy_get_header_map_pairs` gives. Like Envoy's, an empty map is no bytes at all.
pub(crate) fn serialise(pairs: &Pairs) -> Vec<u8> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut out = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend(size(name));
        out.extend(size(value));
    }
    for (name, value) in pairs {
        out.extend([name.as_slice(), &[0], value, &[0]].concat());
    }
    out
}

/// What a module gives; anything that doesn't add up ends the test.
pub(crate) fn parse(mut bytes: &[u8]) -> Pairs {
    if bytes.is_empty() {
        return Pairs::new();
    }
    let mut number = || {
        let (head, rest) = bytes.split_first_chunk::<4>().expect("a number in a serialised map");
        bytes = rest;
        usize::try_from(u32::from_le_bytes(*head)).unwrap()
    };
    let count = number();
    let sizes: Vec<(usize, usize)> = (0..count).map(|_| (number(), number())).collect();
    let mut text = |size: usize| {
        let (head, rest) = bytes.split_at_checked(size).expect("a text in a serialised map");
        let (nul, rest) = rest.split_first().expect("a NUL behind a text in a serialised map");
        assert_eq!(*nul, 0, "behind a text in a serialised map");
        bytes = rest;
        head.to_vec()
    };
    sizes.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// Envoy's `setCopy`: the first of several copies is replaced, the others stay.
pub(crate) fn replace(pairs: &mut Pairs, name: &[u8], value: Vec<u8>) {
    match pairs.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        Some((_, old)) => *old = value,
        None => pairs.push((name.to_ascii_lowercase(), value)),
    }
}

/// Every copy goes.
pub(crate) fn remove(pairs: &mut Pairs, name: &[u8]) {
    pairs.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
}

/// Every value of `name`, as text.
pub(crate) fn all(pairs: &Pairs, name: &str) -> Vec<String> {
    let of_name = pairs.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
    of_name.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

/// From text.
pub(crate) fn of(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// For people who read a failed test.
pub(crate) fn shown(pairs: &Pairs) -> String {
    let lines: Vec<String> = pairs.iter().map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii())).collect();
    lines.join(" | ")
}
