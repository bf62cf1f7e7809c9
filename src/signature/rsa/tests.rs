//! Held against the rsa crate: with moduli of every length modulo eight, and messages that whoever holds the private key would have to encode wrongly.

#![allow(clippy::arithmetic_side_effects, reason = "helpers of tests")]

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{ConcatenatingMul as _, NonZero, Resize as _};
use rsa::traits::SignatureScheme as _;
use rsa::{Pkcs1v15Sign, Pss};
use sha2::Digest;

use super::super::signing::{P, Q, hex};
use super::*;

const TEXT: &[u8] = b"text";
const ALGORITHMS: [Alg; 6] = [Alg::RS256, Alg::RS384, Alg::RS512, Alg::PS256, Alg::PS384, Alg::PS512];

/// A key pair. The modulus has a third, small factor, for its length; to have two is no rule of the arithmetic.
struct Pair {
    public: RsaPublicKey,
    private: BoxedUint,
}

impl Pair {
    fn new(small: u64, e: u64) -> Self {
        let number = |digits| BoxedUint::from_be_slice_vartime(&hex(digits));
        let product = |numbers: [BoxedUint; 3]| numbers.into_iter().reduce(|a, b| a.concatenating_mul(&b)).unwrap();
        let factors = [number(P), number(Q), BoxedUint::from(small)];
        let order = product(factors.clone().map(|factor| factor.wrapping_sub(BoxedUint::one())));
        let modulus = product(factors);
        let modulus = modulus.clone().resize(modulus.bits().next_multiple_of(64));
        let exponent = BoxedUint::from(e);
        let private = exponent.clone().resize(order.bits_precision()).invert_mod(&NonZero::new(order).unwrap()).unwrap();
        Self { public: RsaPublicKey::new_with_size_limits(modulus, exponent, 2048..=8192).unwrap(), private }
    }

    /// The signature that yields this message, reduced.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let parameters: &BoxedMontyParams = self.public.n_params();
        let message = BoxedUint::from_be_slice(message, parameters.bits_precision()).unwrap();
        assert!(message < *self.public.n().as_ref());
        let signature = BoxedMontyForm::new(message, parameters).pow(&self.private).retrieve().to_be_bytes();
        signature[signature.len() - self.public.size()..].to_vec()
    }

    /// What both say.
    #[track_caller]
    fn verify(&self, alg: Alg, signature: &[u8]) -> bool {
        let verified = verify(alg, &self.public, TEXT, signature);
        assert_eq!(verified, crate_verifies(alg, &self.public, signature), "{alg}, {} bits", self.public.n().bits());
        verified
    }
}

fn crate_verifies(alg: Alg, key: &RsaPublicKey, signature: &[u8]) -> bool {
    match alg {
        Alg::RS256 => Pkcs1v15Sign::new::<Sha256>().verify(key, &Sha256::digest(TEXT), signature),
        Alg::RS384 => Pkcs1v15Sign::new::<Sha384>().verify(key, &Sha384::digest(TEXT), signature),
        Alg::RS512 => Pkcs1v15Sign::new::<Sha512>().verify(key, &Sha512::digest(TEXT), signature),
        Alg::PS256 => Pss::<Sha256>::new().verify(key, &Sha256::digest(TEXT), signature),
        Alg::PS384 => Pss::<Sha384>::new().verify(key, &Sha384::digest(TEXT), signature),
        _ => Pss::<Sha512>::new().verify(key, &Sha512::digest(TEXT), signature),
    }
    .is_ok()
}

/// EMSA-PSS-ENCODE (RFC 8017, section 9.1.1), in as many bytes as the modulus, with a mask by another hash if need be.
fn pss<H: Digest, M: Digest>(bits: u32, salt: &[u8], edit: impl Fn(&mut [u8])) -> Vec<u8> {
    let size = bits.div_ceil(8) as usize;
    let (bits, length) = (bits as usize - 1, <H as Digest>::output_size());
    let encoded = bits.div_ceil(8);
    let hash = H::new().chain_update([0; 8]).chain_update(H::digest(TEXT)).chain_update(salt).finalize();
    let mut data = vec![0; encoded - length - 1];
    let end = data.len() - salt.len();
    data[end - 1] = 1;
    data[end..].copy_from_slice(salt);
    edit(&mut data);
    for (counter, block) in data.chunks_mut(<M as Digest>::output_size()).enumerate() {
        let mask = M::new().chain_update(&hash).chain_update((counter as u32).to_be_bytes()).finalize();
        block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    data[0] &= 0xff >> (encoded * 8 - bits);
    [&vec![0; size - encoded][..], &data, &hash, &[0xbc]].concat()
}

/// Factors that make the modulus longer by two to nine bits.
const SMALL: [u64; 8] = [3, 7, 13, 23, 47, 97, 191, 367];

#[test]
fn every_length() {
    let mut lengths = Vec::new();
    for small in SMALL {
        let pair = Pair::new(small, 65537);
        let bits = pair.public.n().bits();
        lengths.push(bits % 8);
        let good = pss::<Sha256, Sha256>(bits, &[7; 32], |_| ());
        assert!(pair.verify(Alg::PS256, &pair.sign(&good)));
        let good = pss::<Sha512, Sha512>(bits, &[7; 64], |_| ());
        assert!(pair.verify(Alg::PS512, &pair.sign(&good)));
        // Each bit that is beyond the encoded message, as far as the modulus allows.
        for bit in 0..8 {
            let mut message = pss::<Sha256, Sha256>(bits, &[7; 32], |_| ());
            message[0] ^= 1 << bit;
            if BoxedUint::from_be_slice_vartime(&message) < *pair.public.n().as_ref() {
                assert!(!pair.verify(Alg::PS256, &pair.sign(&message)), "{bits} bits, bit {bit}");
            }
        }
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, (0..8).collect::<Vec<_>>());
}

#[test]
fn messages_that_are_almost_right() {
    let pair = Pair::new(3, 65537);
    let bits = pair.public.n().bits();
    let refused = |alg, message: &[u8], why: &str| assert!(!pair.verify(alg, &pair.sign(message)), "{alg}: {why}");
    for length in [0, 1, 20, 31, 33, 48, 64, 190] {
        refused(Alg::PS256, &pss::<Sha256, Sha256>(bits, &vec![7; length], |_| ()), "a salt of another length");
    }
    refused(Alg::PS256, &pss::<Sha256, Sha512>(bits, &[7; 32], |_| ()), "a mask by another hash");
    refused(Alg::PS256, &pss::<Sha384, Sha384>(bits, &[7; 48], |_| ()), "another hash");
    refused(Alg::PS384, &pss::<Sha256, Sha256>(bits, &[7; 32], |_| ()), "another hash");
    for place in [1, 2, 100, 190] {
        refused(Alg::PS256, &pss::<Sha256, Sha256>(bits, &[7; 32], |data| data[place] ^= 2), "padding that isn't zero");
    }
    for one in [0, 2, 0x81, 0xff] {
        refused(Alg::PS256, &pss::<Sha256, Sha256>(bits, &[7; 32], |data| data[data.len() - 33] = one), "no 01 before the salt");
    }
    let good = pss::<Sha256, Sha256>(bits, &[7; 32], |_| ());
    for place in (1..good.len()).step_by(17).chain([good.len() - 1, good.len() - 2, good.len() - 33, good.len() - 34]) {
        let mut message = good.clone();
        message[place] ^= 0x10;
        refused(Alg::PS256, &message, "a changed byte");
    }
    let info = [&Pkcs1v15Sign::new::<Sha256>().prefix[..], &Sha256::digest(TEXT)].concat();
    let size = pair.public.size();
    let encode = |start: &[u8], info: &[u8], end: &[u8]| {
        [start, &vec![0xff; size - start.len() - 1 - info.len() - end.len()], &[0], info, end].concat()
    };
    assert!(pair.verify(Alg::RS256, &pair.sign(&encode(&[0, 1], &info, &[]))));
    refused(Alg::RS256, &encode(&[0, 2], &info, &[]), "for encryption");
    refused(Alg::RS256, &encode(&[1, 1], &info, &[]), "no leading zero");
    refused(Alg::RS256, &encode(&[0, 1], &info, &[0]), "bytes behind the hash");
    refused(Alg::RS256, &encode(&[0, 1, 0xff, 0], &info, &[]), "a zero in the padding");
    refused(Alg::RS256, &encode(&[0, 1], &info[19..], &[]), "a hash without its name");
    refused(Alg::RS256, &encode(&[0, 1], &[&info[..18], &info[19..]].concat(), &[]), "a byte less");
    refused(Alg::RS384, &encode(&[0, 1], &info, &[]), "another hash");
    let mut without_null = info.clone();
    without_null.drain(15..17);
    (without_null[1], without_null[3]) = (info[1] - 2, info[3] - 2);
    refused(Alg::RS256, &encode(&[0, 1], &without_null, &[]), "no NULL in the name of the hash");
}

#[test]
fn numbers_at_the_edge() {
    for e in [5, 17, 65537, (1 << 33) - 1] {
        let pair = Pair::new(5, e);
        let good = pair.sign(&pss::<Sha256, Sha256>(pair.public.n().bits(), &[7; 32], |_| ()));
        assert!(pair.verify(Alg::PS256, &good), "e = {e}");
        let size = good.len();
        let n = pair.public.n().as_ref();
        let bytes = |number: &BoxedUint| number.to_be_bytes()[number.to_be_bytes().len() - size..].to_vec();
        let number = BoxedUint::from_be_slice(&good, n.bits_precision()).unwrap();
        let small = |number: u8| [&vec![0; size - 1][..], &[number]].concat();
        let again = number.wrapping_add(n);
        assert!(again > *n, "the same number modulo n still fits");
        let others = [small(0), small(1), small(2), bytes(&n.wrapping_sub(BoxedUint::one())), bytes(n), bytes(&again), vec![0xff; size]];
        let lengths = [vec![], good[1..].to_vec(), [&[0], &good[..]].concat(), [&good[..], &[0]].concat(), vec![0; 9000]];
        for signature in others.iter().chain(&lengths) {
            for alg in ALGORITHMS {
                assert!(!pair.verify(alg, signature), "{alg}, e = {e}: {signature:02x?}");
            }
        }
    }
}
