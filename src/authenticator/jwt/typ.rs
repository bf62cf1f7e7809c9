//! The header's `typ`: what kind of JWT a token is (RFC 8725, section 3.11).

use super::Jwt;

/// Types that RFCs, and specifications of OpenID and W3C, give to something else than tokens for an API: an issuer that makes one of these for somebody
/// must not have made a key to this door. In lower case, without `application/`.
const OTHER_PURPOSES: &[&str] = &[
    "authorization-grant+jwt",            // RFC 7523bis: an assertion to get a token with
    "client-authentication+jwt",          // RFC 7523bis, section 4
    "dc+sd-jwt",                          // SD-JWT VC: a digital credential
    "dpop+jwt",                           // RFC 9449, section 4.2: a proof of possession
    "entity-statement+jwt",               // OpenID Federation 1.0
    "explicit-registration-response+jwt", // OpenID Federation 1.0
    "jwk-set+jwt",                        // OpenID Federation 1.0
    "kb+jwt",                             // RFC 9901: the key binding of an SD-JWT
    "key-attestation+jwt",                // OpenID for Verifiable Credential Issuance 1.0
    "logout+jwt",                         // OpenID Connect Back-Channel Logout 1.0, section 2.4
    "oauth-authz-req+jwt",                // RFC 9101, section 4: an authorization request
    "oauth-client-attestation+jwt",       // OAuth 2.0 Attestation-Based Client Authentication
    "oauth-client-attestation-pop+jwt",   // OAuth 2.0 Attestation-Based Client Authentication
    "oauth-id-jag+jwt",                   // Identity Assertion JWT Authorization Grant
    "openid4vci-proof+jwt",               // OpenID for Verifiable Credential Issuance 1.0
    "passport",                           // RFC 8225: who calls from a telephone number
    "resolve-response+jwt",               // OpenID Federation 1.0
    "secevent+jwt",                       // RFC 8417, section 2.3: a security event
    "statuslist+jwt",                     // Token Status List
    "token-introspection+jwt",            // RFC 9701, section 5: the answer to an introspection
    "trust-mark+jwt",                     // OpenID Federation 1.0
    "trust-mark-delegation+jwt",          // OpenID Federation 1.0
    "trust-mark-status-response+jwt",     // OpenID Federation 1.0
    "vc+jwt",                             // Securing Verifiable Credentials using JOSE and COSE
    "vc+sd-jwt",                          // Securing Verifiable Credentials using JOSE and COSE
    "verifier-attestation+jwt",           // OpenID for Verifiable Presentations 1.0
    "vp+jwt",                             // Securing Verifiable Credentials using JOSE and COSE
];

/// What media types are short of in a `typ`.
const PREFIX: &str = "application/";

impl Jwt {
    /// Whether the provider takes tokens of this type. Media types have no case, and `application/` may be left out (RFC 7515, section 4.1.9).
    pub(super) fn accepts_type(&self, typ: Option<&str>) -> bool {
        let plain = typ.map(|typ| match typ.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            _ => typ,
        });
        match (&self.types, plain) {
            (None, None) => true,
            (None, Some(plain)) => !OTHER_PURPOSES.iter().any(|other| other.eq_ignore_ascii_case(plain)),
            (Some(_), None) => false,
            (Some(accepted), Some(plain)) => accepted.iter().any(|accepted| accepted.eq_ignore_ascii_case(plain)),
        }
    }
}
