//! What to do about a refusal, for the operator who reads its code at night.

use portcullis::reason::Reason;

/// In a sentence or two.
pub(super) const fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::CredentialMissing => {
            "Have the caller send one where the provider's `from` looks for it, in that scheme; the challenge in the answer names it."
        }
        Reason::CredentialAmbiguous => "Have the caller, or a proxy before Envoy, send it once.",
        Reason::CredentialMalformed => {
            "Look at the scheme: exactly one space after it, nothing after the credential, and it may not be empty."
        }
        Reason::CredentialUnrecognised => {
            "It is no token of an issuer that the rule's providers accept, nor a secret that they look for: compare `iss`, and the rule's `require`."
        }
        Reason::CredentialTooLarge => "A credential may have 16 KiB, a certificate 64 KiB: have the issuer put less into it.",
        Reason::OriginMismatch => {
            "If the page is yours, add its origin to the cookie's `origins`; else somebody else's page tried to use the cookie."
        }
        Reason::SecretUnknown => {
            "The secret has another SHA-256 than any that is configured: look for a trailing newline, or for a rotation that one side missed."
        }
        Reason::SecretExpired => "Give the caller a new secret, or move `not_after`; the log's detail says which secret it was.",
        Reason::TokenMalformed => "It isn't a signed JWT in compact form, or bends its rules; the log's detail says where.",
        Reason::TokenExpired => "The caller has to get a new token. If it is new, compare clocks, and `clock_skew`.",
        Reason::TokenNotYetValid => "Compare the issuer's clock with Envoy's, or raise `clock_skew`.",
        Reason::TokenFromFuture => "Compare the issuer's clock with Envoy's, or raise `max_future`.",
        Reason::TokenTooOld => "The caller has to get or make a newer token: `max_token_age` bounds it from `iat` on.",
        Reason::TokenLifetime => "Have the issuer make tokens that end sooner, or raise `max_token_lifetime`.",
        Reason::TokenType => {
            "Another kind of token was sent (an ID token, a logout token): have the caller send the access token, or name the type in `types`."
        }
        Reason::AlgorithmRefused => "Name the algorithm in `algorithms` if the issuer means to use it; `none` is never accepted.",
        Reason::KeyUnknown => {
            "The key set has no such key: the issuer signs before it publishes, or `jwks_uri` is another's. Keys are fetched once in `unknown_kid.cooldown` for this."
        }
        Reason::KeyUnsuitable => {
            "The key set says that this key is for something else, another algorithm or another issuer: look at its `use`, `alg` and `issuer`."
        }
        Reason::SignatureInvalid => {
            "The token was altered, or signed by another key than its `kid` says: compare the secret or the key set on both sides."
        }
        Reason::IssuerMismatch => "Compare `iss` with `issuers`, to the slash at the end.",
        Reason::AudienceMismatch => "Have the caller ask for a token for this service, or name its audience in `audiences`.",
        Reason::SubjectMismatch => "Name the subject in `subjects` if it is to pass.",
        Reason::ClaimMissing => {
            "Have the issuer put the claim in, or change `required_claims`; limits on ages and lifetimes imply `iat` and `exp`, `bind` implies `cnf`."
        }
        Reason::ClaimInvalid => "The claim has another JSON type than RFC 7519 or the configuration gives it: have the issuer mend it.",
        Reason::ClaimMismatch => "The rule or the provider wants another value of the claim that the log's detail names.",
        Reason::CnfUnchecked => {
            "The token is bound to a key or certificate: check it with `bind`, or write `cnf: ignore` where it doesn't matter."
        }
        Reason::CnfMismatch => {
            "Whoever sent the token hasn't got the certificate that it is bound to: the caller uses another one, or the token was stolen."
        }
        Reason::CertificateMissing => {
            "Have the caller present its client certificate; the listener's TLS context must ask for one (`validation_context`)."
        }
        Reason::CertificateUnverified => {
            "Envoy didn't verify it in this handshake: `trust_chain_verification`, the trusted CA, or session resumption. Before Envoy 1.39 see `verified_by`."
        }
        Reason::CertificateMalformed => {
            "It can't be read as X.509, or an extension that the configuration reads isn't in the form that it says; the log's detail names it."
        }
        Reason::CertificateExpired => "Have the caller renew it; compare clocks.",
        Reason::CertificateNotAccepted => {
            "It is verified, but its issuer or subject isn't in `accept`, or it names no subject, or several."
        }
        Reason::CertificateUntrustedSource => {
            "The header was sent by nobody whom `trusted` names: look at the proxy's own certificate, and for ways around the proxy."
        }
        Reason::ResumedSession => {
            "Switch session resumption off in the DownstreamTlsContext: Envoy doesn't say of a resumed session whether its certificate was verified."
        }
        Reason::Misdirected => {
            "The TLS server name is another than the request's host: use a connection of its own, or `server_name: any` where names differ by design."
        }
        Reason::RolesAbsent => "The credential says nothing of roles: look at `identity.roles`, and at what the issuer puts there.",
        Reason::RoleMissing => "Grant the role where the identity comes from, or in `grants`, or change the rule.",
        Reason::ScopeMissing => "Have the caller ask its issuer for the scope, which the challenge names.",
        Reason::AttributeMismatch => "The rule wants another value of the attribute that the log's detail names.",
        Reason::Revoked => "It is on a list in `revoked`; the log's detail says on which.",
        Reason::KeysUnavailable => {
            "The identity provider's keys have never come: see the log for `keys not fetched`, and the metric `fetch.<provider>.<outcome>`."
        }
        Reason::KeysStale => "The keys could not be refreshed for longer than `max_stale`: see the log for `keys not fetched`.",
        Reason::VerificationBusy => {
            "Many new tokens of an algorithm that Envoy doesn't verify (PS*, EdDSA) came in this second: raise `limits.slow_verifications`, or look for a flood."
        }
        Reason::RemoteDenied => "The service behind `remote` denied it: ask there.",
        Reason::RemoteUnavailable => "The service behind `remote` gave no answer that can be used: see the log for `no answer`.",
        Reason::RemoteBusy => {
            "More than `max_in_flight` callouts, or `limits.waiting` requests: the service is slow, or passwords are being guessed."
        }
        Reason::HeaderValue => {
            "A value of the identity can't stand in the header that the upstream is to get: `encode: percent`, or drop `single` or `required`."
        }
        Reason::NoRule => "Add a rule for this path, host or method, if it is to be served.",
        Reason::Denied => "A rule says `deny: true`.",
        Reason::MethodNotAllowed => "Rules name the path for other methods, which `Allow` lists.",
        Reason::UpgradeRefused => "Name the protocol in a rule's `upgrades`, or CONNECT in its `methods`.",
        Reason::EarlyData => "The client sends it again after the handshake, by itself.",
        Reason::MethodInvalid => "Methods are told apart by case: have the client write it in capitals.",
        Reason::PathInvalid => "Servers read such a path in two ways. If the upstream needs it, see `paths`.",
        Reason::HostInvalid => "Have the client send one host, without user name.",
        Reason::ConnectionInvalid => "The `Connection` header names a header that a later proxy would drop: have the client name none.",
        Reason::HeaderAmbiguous => {
            "A header that a rule or an input of `remote` looks at came twice, or in a spelling that CGI takes for the same."
        }
        Reason::VerdictPresent => {
            "Another plugin, or a second one of these, runs before this one and sets its verdict: give each route one."
        }
        Reason::Internal => {
            "Envoy refused something that the plugin needs; the log's detail says what. Look at `capability_restriction_config`, and at the Envoy version."
        }
    }
}
