//! EMSA-PSS (RFC 8017, section 9.1.2) with MGF1 (appendix B.2.1) over the same hash, and a salt as long as that.

use sha2::Digest;

/// Whether the message, which is as long as a modulus of so many bits, is one of `text`.
pub(super) fn verify<H: Digest>(text: &[u8], message: &[u8], modulus_bits: u32) -> bool {
    is_consistent::<H>(text, message, modulus_bits).unwrap_or(false)
}

/// `None`: the modulus is too short.
fn is_consistent<H: Digest>(text: &[u8], message: &[u8], modulus_bits: u32) -> Option<bool> {
    let length = <H as Digest>::output_size();
    // One bit less than the modulus, and so now and then a byte less, too.
    let bits = usize::try_from(modulus_bits.checked_sub(1)?).ok()?;
    let (beyond, encoded) = message.split_at_checked(message.len().checked_sub(bits.div_ceil(8))?)?;
    let used = 0xff >> encoded.len().checked_mul(8)?.checked_sub(bits)?;
    let (trailer, rest) = encoded.split_last()?;
    let (masked, hash) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
    if *trailer != 0xbc || masked.first()? & !used != 0 || beyond.iter().any(|byte| *byte != 0) {
        return Some(false);
    }
    let mut data = unmask::<H>(masked, hash);
    *data.first_mut()? &= used;
    let (padding, salt) = data.split_at_checked(data.len().checked_sub(length)?)?;
    let (one, zeros) = padding.split_last()?;
    let expected = H::new().chain_update([0; 8]).chain_update(H::digest(text)).chain_update(salt).finalize();
    Some(*one == 1 && zeros.iter().all(|byte| *byte == 0) && expected.as_slice() == hash)
}

/// What the mask generation function hid.
fn unmask<H: Digest>(masked: &[u8], seed: &[u8]) -> Vec<u8> {
    let mask = (0_u32..).flat_map(|counter| H::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize());
    masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}
