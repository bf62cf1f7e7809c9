//! EMSA-PKCS1-v1_5 (RFC 8017, section 9.2).

use rsa::Pkcs1v15Sign;
use sha2::Digest;
use sha2::digest::const_oid::AssociatedOid;

/// The least padding, in bytes.
const PADDING: usize = 8;

/// Whether the message is that of `text`, which can be written in one way only: 00 01, FF many times, 00, DigestInfo.
pub(super) fn verify<H: Digest + AssociatedOid>(text: &[u8], message: &[u8]) -> bool {
    let digest_info = [&Pkcs1v15Sign::new::<H>().prefix[..], &H::digest(text)].concat();
    let rest = message.strip_prefix(&[0, 1]).and_then(|rest| rest.strip_suffix(digest_info.as_slice()));
    let padding = rest.and_then(|rest| rest.strip_suffix(&[0]));
    padding.is_some_and(|padding| padding.len() >= PADDING && padding.iter().all(|byte| *byte == 0xff))
}
