//! What certificates are read, and what is read in them.

mod der;
mod header;
mod mutations;
mod names;
mod pem;

use super::sample::{MEMBER, READER, REPORTER, ROLES, Sample, alt_names, extension, roles, sequence, tlv, utf8};
use super::{Certificate, ExtensionId, Malformed};

fn read(sample: &Sample) -> Certificate {
    Certificate::from_der(sample.der()).unwrap()
}

fn id(dotted: &str) -> ExtensionId {
    ExtensionId::parse(dotted).unwrap()
}

fn roles_of(extension: Vec<u8>) -> Result<Option<Vec<String>>, Malformed> {
    let certificate = read(&Sample::with(vec![extension]));
    let roles = certificate.utf8_sequence(&id(ROLES));
    roles.map(|roles| roles.map(|roles| roles.into_iter().map(str::to_owned).collect()))
}

fn strings(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|s| (*s).to_owned()).collect())
}

#[test]
fn object_identifiers_of_any_length() {
    assert_eq!(id("1.3.6.1.4.1.62329.1.1").0, [0x2B, 6, 1, 4, 1, 0x83, 0xE6, 0x79, 1, 1]);
    assert_eq!(id("2.5.29.17").0, [0x55, 0x1D, 0x11]);
    assert_eq!(id("2.999").0, [0x88, 0x37]);
    assert_eq!(id("0.0").0, [0]);
    assert_eq!(id("1.39.0").0, [0x4F, 0]);
    assert_eq!(id("1.2.4294967296").0, [0x2A, 0x90, 0x80, 0x80, 0x80, 0]);
    // ITU-T X.667: f81d4fae-7dec-11d0-a765-00a0c91e6bf6.
    let uuid = "2.25.329800735698586629295641978511506172918";
    // As OpenSSL encodes it.
    let octets = [0x69, 0x83, 0xF0, 0x9D, 0xA7, 0xEB, 0xCF, 0xDE, 0xE0, 0xC7, 0xA1, 0xA7, 0xB2, 0xC0, 0x94, 0x8C, 0xC8, 0xF9, 0xD7, 0x76];
    assert_eq!(id(uuid).0, octets);
    for dotted in [uuid, "2.25.340282366920938463463374607431768211455", "1.3.6.1.4.1.62329.1.1", "2.999.1", "0.9.2342"] {
        assert_eq!(super::oid::dotted(&id(dotted).0).unwrap(), dotted);
        assert!(super::oid::is_canonical(&id(dotted).0));
    }
    assert_eq!(
        super::oid::dotted(&id("2.340282366920938463463374607431768211375.7").0).unwrap(),
        "2.340282366920938463463374607431768211375.7"
    );
}

#[test]
fn object_identifiers_that_are_none() {
    for dotted in [
        "",
        "1",
        "1.",
        ".1",
        "1..2",
        "1.2.",
        "3.1",
        "0.40",
        "1.40",
        "1.-2",
        "1.+2",
        "1.2 ",
        "1.02",
        "1.2.x",
        "2.25.340282366920938463463374607431768211456",
        "2.340282366920938463463374607431768211455",
        "1.٣",
    ] {
        assert!(ExtensionId::parse(dotted).is_err(), "{dotted}");
    }
    assert!(ExtensionId::parse(&["1.2", &".128".repeat(200)].concat()).is_err());
    assert!(ExtensionId::parse(&["1.2", &".128".repeat(120)].concat()).is_ok());
}

#[test]
fn roles_as_members_have_them() {
    // facts: App One's value has a length in long form, 81 8C.
    let certificate = read(&Sample::default());
    let value = certificate.extension(&id(ROLES)).unwrap();
    assert_eq!((value.len(), &value[..3]), (143, &[0x30, 0x81, 0x8C][..]));
    assert_eq!(roles_of(roles(&[READER, REPORTER])), Ok(strings(&[READER, REPORTER])));
    assert_eq!(roles_of(roles(&[])), Ok(strings(&[])));
    assert_eq!(roles_of(extension(MEMBER, &utf8("x"))), Ok(None));
    let many: Vec<String> = (0..61).map(|n| format!("{READER}/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(roles_of(roles(&many)), Ok(strings(&many)));
    // NUL stays where it is: exact comparison is for conditions.
    assert_eq!(roles_of(roles(&["a\0", ""])), Ok(strings(&["a\0", ""])));
}

#[test]
fn roles_as_nobody_may_have_them() {
    let good = sequence(&[utf8(READER)]);
    for value in [
        utf8(READER),
        tlv(0x16, READER.as_bytes()),
        sequence(&[tlv(0x16, READER.as_bytes())]),
        sequence(&[utf8(READER), tlv(0x13, b"x")]),
        tlv(0x31, &utf8(READER)),
        good[..good.len() - 1].to_vec(),
        [good.clone(), vec![0]].concat(),
        [good.clone(), good.clone()].concat(),
        sequence(&[sequence(&[utf8(READER)])]),
        sequence(&[tlv(0x0C, &[0xFF])]),
        vec![],
        vec![0x30],
        vec![0x30, 0x80, 0x0C, 1, 0x41, 0, 0],
        vec![0x30, 0x81, 3, 0x0C, 1, 0x41],
        vec![0x30, 4, 0x0C, 0x81, 1, 0x41],
        vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
        vec![0xA0, 3, 0x0C, 1, 0x41],
    ] {
        assert!(roles_of(extension(ROLES, &value)).is_err(), "{value:02X?}");
    }
}

#[test]
fn one_string_exactly() {
    let of = |value: &[u8]| read(&Sample::with(vec![extension(MEMBER, value)])).utf8(&id(MEMBER)).map(|s| s.map(str::to_owned));
    assert_eq!(of(&utf8("https://member/1")), Ok(Some("https://member/1".to_owned())));
    assert_eq!(of(&utf8("")), Ok(Some(String::new())));
    for value in [
        sequence(&[utf8("a")]),
        [utf8("a"), utf8("b")].concat(),
        [utf8("a"), vec![0]].concat(),
        tlv(0x16, b"a"),
        tlv(0x0C, &[0xC3]),
        vec![],
    ] {
        assert!(of(&value).is_err(), "{value:02X?}");
    }
    assert_eq!(read(&Sample::with(vec![])).utf8(&id(MEMBER)), Ok(None));
}

#[test]
fn alternative_names() {
    let names =
        [(2, "a.example"), (6, "spiffe://td/x"), (1, "a@b"), (7, "\x7f\0\0\x01"), (6, "https://m.example/;x=1,y"), (2, "b.example")];
    let certificate = read(&Sample::with(vec![alt_names(&names)]));
    assert_eq!(certificate.san_uris().unwrap(), ["spiffe://td/x", "https://m.example/;x=1,y"]);
    assert_eq!(certificate.san_dns().unwrap(), ["a.example", "b.example"]);
    assert_eq!(read(&Sample::with(vec![])).san_uris(), Ok(vec![]));
    // A member whose certificate has an otherName of a type that const-oid can't hold.
    let other = tlv(0xA0, &[super::sample::oid("2.25.329800735698586629295641978511506172918"), tlv(0xA0, &utf8("x"))].concat());
    let value = sequence(&[other, tlv(0x86, b"urn:x")]);
    assert_eq!(read(&Sample::with(vec![extension("2.5.29.17", &value)])).san_uris().unwrap(), ["urn:x"]);
    for value in [
        sequence(&[]),
        sequence(&[tlv(0x86, &[0xC3, 0xA9])]),
        sequence(&[tlv(0xA6, &tlv(0x16, b"urn:x"))]),
        [sequence(&[tlv(0x86, b"urn:x")]), vec![5, 0]].concat(),
        tlv(0x31, &tlv(0x86, b"urn:x")),
        vec![0x30, 3, 0x86, 5, 0x41],
    ] {
        assert!(read(&Sample::with(vec![extension("2.5.29.17", &value)])).san_uris().is_err(), "{value:02X?}");
    }
}

#[test]
fn validity_includes_both_ends() {
    use crate::time::UnixTime;
    use std::cmp::Ordering::{Equal, Greater, Less};
    let certificate = read(&Sample::default());
    // 2024-01-01 and 2034-01-01.
    let (from, to) = (1_704_067_200_000, 2_019_686_400_000);
    for (millis, expected) in
        [(0, Less), (from - 1, Less), (from, Equal), (to, Equal), (to + 999, Equal), (to + 1000, Greater), (u64::MAX, Greater)]
    {
        assert_eq!(certificate.at(UnixTime::from_millis(millis)), expected, "{millis}");
    }
}
