//! The other signature. Where ECDSA's (r, s) is good, (r, n - s) is good, too: whoever holds a certificate can make another one of it that verifies as
//! well, under another hash.

use der::asn1::AnyRef;
use der::{Encode, Tag};

use super::walk::Walk;

/// The orders n of P-224, P-256, P-384 and P-521 (SP 800-186, section 3.2.1), from the smallest on.
const ORDERS: [&[u8]; 4] = [
    b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x16\xA2\xE0\xB8\xF0\x3E\x13\xDD\x29\x45\x5C\x5C\x2A\x3D",
    b"\xFF\xFF\xFF\xFF\x00\x00\x00\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xBC\xE6\xFA\xAD\xA7\x17\x9E\x84\xF3\xB9\xCA\xC2\xFC\x63\x25\x51",
    b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xC7\x63\x4D\x81\xF4\x37\x2D\xDF\x58\x1A\x0D\xB2\x48\xB0\xA7\x7A\xEC\xEC\x19\x6A\xCC\xC5\x29\x73",
    b"\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFA\x51\x86\x87\x83\xBF\x2F\x96\x6B\x7F\xCC\x01\x48\xF7\x09\xA5\xD0\x3B\xB5\xC9\xB8\x89\x9C\x47\xAE\xBB\x6F\xB7\x1E\x91\x38\x64\x09",
];

/// The same certificate with the other signature; `None`: it has only one.
pub(super) fn twin(der: &[u8]) -> Option<Vec<u8>> {
    let mut certificate = Walk::new(der).expect(Tag::Sequence).ok()?.fields();
    let tbs = certificate.expect(Tag::Sequence).ok()?;
    let algorithm = certificate.expect(Tag::Sequence).ok()?;
    let signature = certificate.expect(Tag::BitString).ok()?.value.split_first()?.1;
    let mut pair = Walk::new(signature).expect(Tag::Sequence).ok()?.fields();
    let (r, s) = (pair.expect(Tag::Integer).ok()?, pair.expect(Tag::Integer).ok()?);
    let (r_number, s_number) = (without_zeros(r.value), without_zeros(s.value));
    // That both fit a smaller order by chance: once in 2^64 signatures.
    let order = ORDERS.into_iter().find(|order| is_less(r_number, order) && is_less(s_number, order))?;
    let other = difference(order, s_number);
    let other = without_zeros(&other);
    // DER's integers are signed.
    let other = tlv(Tag::Integer, other, other.first().is_some_and(|first| *first >= 0x80))?;
    let pair = tlv(Tag::Sequence, &[r.whole, &other].concat(), false)?;
    let signature = tlv(Tag::BitString, &pair, true)?;
    tlv(Tag::Sequence, &[tbs.whole, algorithm.whole, &signature].concat(), false)
}

fn tlv(tag: Tag, value: &[u8], after_zero: bool) -> Option<Vec<u8>> {
    let value = if after_zero { [&[0], value].concat() } else { value.to_vec() };
    AnyRef::new(tag, &value).ok()?.to_der().ok()
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Both without zeros in front.
fn is_less(one: &[u8], other: &[u8]) -> bool {
    (one.len(), one) < (other.len(), other)
}

/// `large` - `small`, which is less.
fn difference(large: &[u8], small: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut octets: Vec<u8> = (large.iter().rev().zip(small.iter().rev().chain(std::iter::repeat(&0))))
        .map(|(large, small)| {
            let (octet, first) = large.overflowing_sub(*small);
            let (octet, second) = octet.overflowing_sub(u8::from(borrow));
            borrow = first || second;
            octet
        })
        .collect();
    octets.reverse();
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::sample::{Sample, sequence, tlv};

    fn integer(number: &[u8]) -> Vec<u8> {
        let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
        tlv(2, &[sign, number].concat())
    }

    fn signed(signature: &[u8]) -> Vec<u8> {
        Sample { signature: tlv(3, &[&[0], signature].concat()), ..Sample::default() }.der()
    }

    #[test]
    fn every_curve_has_two() {
        for order in ORDERS {
            let most = difference(order, &[1]);
            let pair = |s: &[u8]| signed(&sequence(&[integer(&most), integer(s)]));
            assert_eq!(twin(&pair(&[1])), Some(pair(&most)));
            assert_eq!(twin(&pair(&most)), Some(pair(&[1])));
            for s in [&[0x7f][..], &[0x80], &[0x01, 0x00], &[0xff; 20], &most[..20]] {
                let other = twin(&pair(s)).unwrap();
                assert!(other != pair(s) && twin(&other) == Some(pair(s)), "{s:?}");
            }
        }
    }

    #[test]
    fn others_have_one() {
        let too_large = integer(&[0xff; 66]);
        for signature in [
            vec![],
            vec![0x5a; 256],
            sequence(&[too_large.clone(), integer(&[1])]),
            sequence(&[integer(&[1]), too_large]),
            sequence(&[integer(&[1])]),
            integer(&[1]),
        ] {
            assert_eq!(twin(&signed(&signature)), None, "{signature:?}");
        }
        assert_eq!(twin(b""), None);
    }
}
