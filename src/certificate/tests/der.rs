//! Strict where it matters.

use super::super::sample::{ECDSA_SHA256, READER, ROLES, Sample, extension, oid, rdn, roles, sequence, tlv, utf8};
use super::super::{Certificate, MAX_LENGTH, Malformed};
use super::{id, read};

fn fault(sample: &Sample) -> Malformed {
    Certificate::from_der(sample.der()).unwrap_err()
}

#[test]
fn identifiers_that_other_parsers_refuse_lock_nobody_out() {
    let uuid = "2.25.329800735698586629295641978511506172918";
    let long = ["1.2", &".4294967296".repeat(20)].concat();
    for odd in [uuid, &long] {
        let sample = Sample {
            inner_algorithm: sequence(&[oid(odd)]),
            outer_algorithm: sequence(&[oid(odd)]),
            subject: sequence(&[rdn("2.5.4.3", utf8("x")), rdn(odd, utf8("y"))]),
            extensions: vec![extension(odd, &utf8("z")), extension("2.5.29.32", &sequence(&[sequence(&[oid(odd)])])), roles(&[READER])],
            ..Sample::default()
        };
        assert!(
            <x509_cert::Certificate as der::Decode>::from_der(&sample.der()).is_err(),
            "x509-cert reads it by now: is this walk still needed?"
        );
        let certificate = read(&sample);
        assert_eq!(certificate.utf8(&id(odd)), Ok(Some("z")));
        assert_eq!(certificate.utf8_sequence(&id(ROLES)), Ok(Some(vec![READER])));
        assert_eq!(certificate.subject_values(odd).unwrap(), ["y"]);
        assert_eq!(certificate.subject().unwrap(), format!("{odd}=#0C0179,CN=x"));
    }
}

#[test]
fn an_unknown_critical_extension_is_for_path_validation() {
    let critical = sequence(&[oid(ROLES), tlv(1, &[0xFF]), tlv(4, &sequence(&[utf8(READER)]))]);
    assert_eq!(read(&Sample::with(vec![critical])).utf8_sequence(&id(ROLES)), Ok(Some(vec![READER])));
}

#[test]
fn extensions_twice_or_where_they_may_not_be() {
    assert_eq!(fault(&Sample::with(vec![roles(&["a"]), roles(&["b"])])), Malformed::RepeatedExtension);
    let none = Sample { extensions: vec![], ..Sample::default() };
    let some = Sample::default();
    let (v1, v2, explicit_v1, v4) = (vec![], tlv(0xA0, &[2, 1, 1]), tlv(0xA0, &[2, 1, 0]), tlv(0xA0, &[2, 1, 3]));
    for version in [&v1, &v2, &some.version] {
        read(&Sample { version: version.clone(), ..none.clone() });
    }
    for version in [v1.clone(), v2, explicit_v1.clone(), v4.clone(), tlv(0xA0, &[2, 2, 0, 2])] {
        assert!(Certificate::from_der(Sample { version, ..some.clone() }.der()).is_err());
    }
    for version in [explicit_v1, v4] {
        assert_eq!(fault(&Sample { version, ..none.clone() }), Malformed::Version);
    }
    // Unique identifiers are for version 2 and later.
    let key = [none.key.clone(), tlv(0x81, &[0, 1])].concat();
    assert_eq!(fault(&Sample { version: v1, key: key.clone(), ..none.clone() }), Malformed::Version);
    read(&Sample { key, ..none.clone() });
    // An empty list, which only hand-made DER has.
    assert_eq!(fault(&Sample { key: [none.key.clone(), tlv(0xA3, &sequence(&[]))].concat(), ..none.clone() }), Malformed::Der);
    assert_eq!(fault(&Sample { key: [none.key.clone(), tlv(0xA3, &[])].concat(), ..none }), Malformed::Der);
}

#[test]
fn numbers_are_bounded() {
    let many = |count: u32| (0..count).map(|n| extension(&format!("1.2.{n}"), &[5, 0])).collect();
    read(&Sample::with(many(100)));
    assert_eq!(fault(&Sample::with(many(101))), Malformed::TooManyExtensions);
    let attributes = |count| Sample::of(&vec![rdn("2.5.4.11", utf8("x")); count]);
    read(&attributes(100));
    assert_eq!(fault(&attributes(101)), Malformed::TooManyAttributes);
    let padded = |length: usize| Sample::with(vec![extension("1.2.3", &vec![0; length])]);
    let rest = padded(60_000).der().len() - 60_000;
    read(&padded(MAX_LENGTH - rest));
    assert_eq!(fault(&padded(MAX_LENGTH - rest + 1)), Malformed::TooLarge);
    // Depth: an attribute value may be anything, but not a bottomless pit.
    let deep = |levels: usize| Sample::of(&[rdn("1.2.3", (0..levels).fold(vec![5, 0], |inner, _| tlv(0x30, &inner)))]);
    read(&deep(8));
    assert_eq!(fault(&deep(20)), Malformed::Der);
    assert_eq!(fault(&deep(5000)), Malformed::Der);
}

#[test]
fn two_algorithms_are_one_too_many() {
    let other = sequence(&[oid("1.2.840.10045.4.3.3")]);
    assert_eq!(fault(&Sample { outer_algorithm: other, ..Sample::default() }), Malformed::Algorithm);
    let with_null = sequence(&[oid("1.2.840.10045.4.3.2"), tlv(5, &[])]);
    assert_eq!(fault(&Sample { outer_algorithm: with_null, ..Sample::default() }), Malformed::Algorithm);
    assert_eq!(ECDSA_SHA256, sequence(&[oid("1.2.840.10045.4.3.2")]));
}

#[test]
fn trailing_bytes_anywhere() {
    let sample = Sample::default();
    let more = |field: &[u8]| [field, &[5, 0]].concat();
    let inside = |field: &[u8]| {
        let header = der::SliceReader::new(field).and_then(|mut reader| <der::Header as der::Decode>::decode(&mut reader)).unwrap();
        let length = usize::try_from(u32::from(header.length())).unwrap();
        tlv(field[0], &more(&field[field.len() - length..]))
    };
    assert_eq!(Certificate::from_der([sample.der(), vec![0]].concat()).unwrap_err(), Malformed::TrailingBytes);
    for wrong in [
        Sample { signature: more(&sample.signature), ..sample.clone() },
        Sample { version: inside(&sample.version), ..sample.clone() },
        Sample { version: more(&sample.version), ..sample.clone() },
        Sample { validity: inside(&sample.validity), ..sample.clone() },
        Sample { key: inside(&sample.key), ..sample.clone() },
        Sample { subject: inside(&sample.subject), ..sample.clone() },
        Sample { issuer: more(&sample.issuer), ..sample.clone() },
        Sample { extensions: vec![inside(&roles(&["a"]))], ..sample.clone() },
        Sample { subject: sequence(&[inside(&rdn("2.5.4.3", utf8("x")))]), ..sample.clone() },
        Sample { subject: sequence(&[tlv(0x31, &inside(&sequence(&[oid("2.5.4.3"), utf8("x")])))]), ..sample },
    ] {
        assert!(Certificate::from_der(wrong.der()).is_err());
    }
}

#[test]
fn der_only() {
    let sample = Sample::default();
    let fields = |f: fn(&mut Sample)| {
        let mut sample = Sample::default();
        f(&mut sample);
        fault(&sample)
    };
    // Integers with spare octets or none, loose bits, FALSE where it is the default, other booleans, long lengths, constructed strings.
    assert_eq!(fields(|s| s.serial = tlv(2, &[0, 1])), Malformed::Der);
    assert_eq!(fields(|s| s.serial = tlv(2, &[0xFF, 0xFF])), Malformed::Der);
    assert_eq!(fields(|s| s.serial = tlv(2, &[])), Malformed::Der);
    assert_eq!(fields(|s| s.signature = tlv(3, &[])), Malformed::Der);
    assert_eq!(fields(|s| s.signature = tlv(3, &[1, 1])), Malformed::Der);
    assert_eq!(fields(|s| s.signature = tlv(3, &[8, 0])), Malformed::Der);
    assert_eq!(fields(|s| s.signature = tlv(3, &[1])), Malformed::Der);
    for critical in [&[0][..], &[1], &[0xFF, 0xFF], &[]] {
        assert_eq!(fault(&Sample::with(vec![sequence(&[oid(ROLES), tlv(1, critical), tlv(4, &[5, 0])])])), Malformed::Der);
    }
    for subject in [
        vec![0x30, 0x80, 0, 0],
        vec![0x30, 0x81, 0],
        sequence(&[tlv(0x31, &[])]),
        sequence(&[tlv(0x30, &sequence(&[oid("2.5.4.3"), utf8("x")]))]),
        sequence(&[tlv(0x31, &sequence(&[oid("2.5.4.3"), tlv(0x2C, &utf8("x"))]))]),
        sequence(&[tlv(0x31, &sequence(&[tlv(6, &[0x80, 1]), utf8("x")]))]),
        sequence(&[tlv(0x31, &sequence(&[tlv(6, &[0x55, 0x84]), utf8("x")]))]),
        sequence(&[tlv(0x31, &sequence(&[tlv(6, &[]), utf8("x")]))]),
        // A SET OF out of order.
        sequence(&[tlv(0x31, &[sequence(&[oid("2.5.4.11"), utf8("x")]), sequence(&[oid("2.5.4.3"), utf8("x")])].concat())]),
    ] {
        assert_eq!(fault(&Sample { subject, ..sample.clone() }), Malformed::Der);
    }
    for wrong in [vec![], vec![0x30], vec![0x30, 0], vec![0; 100], vec![0xFF; 100], sample.der()[..sample.der().len() - 1].to_vec()] {
        assert_eq!(Certificate::from_der(wrong).unwrap_err(), Malformed::Der);
    }
}

#[test]
fn dates() {
    let of = |from: Vec<u8>, to: Vec<u8>| Certificate::from_der(Sample { validity: sequence(&[from, to]), ..Sample::default() }.der());
    let good = || tlv(0x17, b"240101000000Z");
    assert!(of(good(), tlv(0x18, b"99991231235959Z")).is_ok());
    assert!(of(good(), tlv(0x18, b"20500101000000Z")).is_ok());
    for wrong in [
        &b"2401010000Z"[..],
        b"240101000000",
        b"241301000000Z",
        b"240230000000Z",
        b"240101246000Z",
        b"240101000000+0000",
        b"",
        b"24\x000101000000Z",
    ] {
        assert_eq!(of(good(), tlv(0x17, wrong)).unwrap_err(), Malformed::Time, "{}", wrong.escape_ascii());
    }
    assert_eq!(of(good(), tlv(0x18, b"20500101000000.5Z")).unwrap_err(), Malformed::Time);
    assert_eq!(of(good(), utf8("240101000000Z")).unwrap_err(), Malformed::Time);
}
