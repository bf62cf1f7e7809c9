//! Distinguished names, as Envoy prints them.

use super::super::sample::{Sample, attribute, rdn, sequence, tlv, utf8};
use super::super::{Malformed, from_pem, is_attribute};
use super::read;

/// Every attribute type that Envoy's BoringSSL has a name for; the string is what Envoy 1.40 gave as `connection.subject_peer_certificate`.
#[test]
fn every_short_name_as_envoy_prints_it() {
    let certificate = from_pem(include_bytes!("../samples/names.pem")).unwrap();
    let expected = concat!(
        "CN=https://member.example.org,1.2.3.4=#0C036F6464,owner=ow,member=me,unstructuredAddress=ua,distinguishedName=dnn,mail=m@x,",
        "x500UniqueIdentifier=xui,houseIdentifier=hi,postOfficeBox=pob,postalAddress=pa,unstructuredName=un,telephoneNumber=123,role=ro,name=na,",
        "generationQualifier=gq,initials=in,dnQualifier=dq,pseudonym=ps,description=de,1.3.6.1.4.1.311.60.2.1.3=#13024742,businessCategory=bc,",
        "postalCode=pc,street=s,title=t,GN=giv,SN=sur,DC=dc1,UID=u1,emailAddress=a@b.example,serialNumber=12,2.5.4.97=#0C0B50534447422D4643412D31,",
        r"OU=two,OU=\#first,O=Acme Ltd\, \C3\9Cn\C3\AF\; Co\\\<x\>\+y=z,L=Sp ace,ST=London,C=GB",
    );
    assert_eq!(certificate.subject().unwrap(), expected);
    assert_eq!(certificate.issuer().unwrap(), "CN=CA");
    for (name, value) in [
        ("CN", "https://member.example.org"),
        ("cn", "https://member.example.org"),
        ("2.5.4.3", "https://member.example.org"),
        ("SERIALNUMBER", "12"),
        ("emailAddress", "a@b.example"),
        ("UID", "u1"),
        ("organizationIdentifier", "PSDGB-FCA-1"),
        ("2.5.4.97", "PSDGB-FCA-1"),
        ("1.2.3.4", "odd"),
        ("O", r"Acme Ltd, Ünï; Co\<x>+y=z"),
    ] {
        assert_eq!(certificate.subject_values(name).unwrap(), [value], "{name}");
    }
    assert_eq!(certificate.subject_values("OU").unwrap(), ["#first", "two"]);
    assert_eq!(certificate.subject_values("nonsense").unwrap(), [""; 0]);
    assert!(is_attribute("CN") && is_attribute("ou") && is_attribute("2.25.1") && !is_attribute("nonsense") && !is_attribute(""));
}

/// BMPString, TeletexString, several values in one RDN, control characters: again what Envoy 1.40 gave.
#[test]
fn every_string_type_as_envoy_prints_it() {
    let certificate = from_pem(include_bytes!("../samples/strings.pem")).unwrap();
    let expected = concat!(
        r"CN=a\00b\0A\7F \E6\BC\A2\E5\AD\97\ ,1.2.3.4=#0C036F6464,ST=valued+OU=multi,",
        r"L=caf\C3\83\C2\A9 x,O=\C3\9Cn\C3\AF \E2\82\AC,C=GB"
    );
    assert_eq!(certificate.subject().unwrap(), expected);
    assert_eq!(certificate.subject_values("O").unwrap(), ["Ünï €"]);
    assert_eq!(certificate.subject_values("CN").unwrap(), ["a\0b\n\x7f 漢字 "]);
    assert_eq!(certificate.san_uris().unwrap(), ["https://a/;x"]);
    assert_eq!(certificate.san_dns().unwrap(), ["d.test"]);
}

#[test]
fn values_that_are_not_of_their_type_refuse_only_who_asks() {
    for (tag, octets) in [
        (0x0C, &[0xFF][..]),
        (0x0C, &[0xC3]),
        (0x0C, &[0xED, 0xA0, 0x80]),
        (0x13, &[0xE9]),
        (0x16, &[0x80]),
        (0x1E, &[0]),
        (0x1E, &[0xD8, 0]),
    ] {
        let certificate = read(&Sample::of(&[rdn("2.5.4.3", tlv(tag, octets)), rdn("2.5.4.10", utf8("fine"))]));
        assert_eq!(certificate.subject_values("CN"), Err(Malformed::Text));
        assert_eq!(certificate.subject(), Err(Malformed::Text));
        assert_eq!(certificate.subject_values("O").unwrap(), ["fine"]);
    }
    // What is no string is printed as hex, and is no value.
    let certificate = read(&Sample::of(&[rdn("2.5.4.3", tlv(0x02, &[7])), rdn("1.2.3", tlv(0x0C, &[0xFF]))]));
    assert_eq!(certificate.subject().unwrap(), "1.2.3=#0C01FF,CN=#020107");
    assert_eq!(certificate.subject_values("CN"), Err(Malformed::NotText));
}

#[test]
fn spaces_hashes_and_nothing() {
    let of = |value: &str| read(&Sample::of(&[rdn("2.5.4.3", utf8(value))])).subject().unwrap();
    assert_eq!(of(" "), r"CN=\ ");
    assert_eq!(of("  "), r"CN=\ \ ");
    assert_eq!(of("#"), r"CN=\#");
    assert_eq!(of("a#"), "CN=a#");
    assert_eq!(of(r#"a"b"#), r#"CN=a\"b"#);
    assert_eq!(of(""), "CN=");
    assert_eq!(read(&Sample::of(&[])).subject().unwrap(), "");
    assert_eq!(read(&Sample::of(&[])).subject_values("CN").unwrap(), [""; 0]);
    let two = [attribute("2.5.4.3", utf8("a")), attribute("2.5.4.11", utf8("b"))].concat();
    let sample = Sample { subject: sequence(&[rdn("2.5.4.6", tlv(0x13, b"GB")), tlv(0x31, &two)]), ..Sample::default() };
    assert_eq!(read(&sample).subject().unwrap(), "OU=b+CN=a,C=GB");
}
