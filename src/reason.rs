//! Every refusal has one reason code, shared by log, metric, response code details and documentation.

/// What kind of answer a reason gets, before `reject.status` has its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 400: the request is ambiguous or can't be read safely.
    BadRequest,
    /// 401: no credential, or one that isn't good.
    Unauthorized,
    /// `reject.forbidden`: the caller is known, but may not do this.
    Forbidden,
    /// 403: nobody may do this.
    Denied,
    /// 405, with `Allow`.
    MethodNotAllowed,
    /// 421 (RFC 9110, section 15.5.20): the connection was made for another host.
    Misdirected,
    /// 425 (RFC 8470): early data may be a replay.
    TooEarly,
    /// 503, with `Retry-After`: can't tell yet.
    Unavailable,
    /// 500: the deployment is wrong, whoever asks.
    Internal,
}

impl Class {
    /// The HTTP status; that of [`Self::Forbidden`] is configured, and this one unless it is.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized | Self::Forbidden => 401,
            Self::Denied => 403,
            Self::MethodNotAllowed => 405,
            Self::Misdirected => 421,
            Self::TooEarly => 425,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $class:ident;)+) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code as it stands in logs, metrics and response code details.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The kind of answer.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }

            /// One sentence for people. It tells nothing beyond the code.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// No credential was sent.
    CredentialMissing = "credential_missing", Unauthorized;
    /// A credential was sent twice.
    CredentialAmbiguous = "credential_ambiguous", BadRequest;
    /// The credential is empty or not in its scheme's form.
    CredentialMalformed = "credential_malformed", Unauthorized;
    /// The credential is of no kind that is known here.
    CredentialUnrecognised = "credential_unrecognised", Unauthorized;
    /// The credential is too long.
    CredentialTooLarge = "credential_too_large", Unauthorized;
    /// The request does not come from an origin that may use the cookie.
    OriginMismatch = "origin_mismatch", Denied;

    /// The secret is not known.
    SecretUnknown = "secret_unknown", Unauthorized;
    /// The secret's time is over, or has not begun.
    SecretExpired = "secret_expired", Unauthorized;

    /// The token is not a well-formed JWT.
    TokenMalformed = "token_malformed", Unauthorized;
    /// The token has expired.
    TokenExpired = "token_expired", Unauthorized;
    /// The token is not valid yet.
    TokenNotYetValid = "token_not_yet_valid", Unauthorized;
    /// The token was issued in the future.
    TokenFromFuture = "token_from_future", Unauthorized;
    /// The token was issued too long ago.
    TokenTooOld = "token_too_old", Unauthorized;
    /// The token is valid for longer than tokens may be.
    TokenLifetime = "token_lifetime", Unauthorized;
    /// The token is of a type that is not accepted here.
    TokenType = "token_type", Unauthorized;
    /// The token's algorithm is not accepted here.
    AlgorithmRefused = "algorithm_refused", Unauthorized;
    /// The token's key is not known.
    KeyUnknown = "key_unknown", Unauthorized;
    /// The token's key may not be used that way.
    KeyUnsuitable = "key_unsuitable", Unauthorized;
    /// The token's signature is wrong.
    SignatureInvalid = "signature_invalid", Unauthorized;
    /// The token is of another issuer.
    IssuerMismatch = "issuer_mismatch", Unauthorized;
    /// The token is meant for another audience.
    AudienceMismatch = "audience_mismatch", Unauthorized;
    /// The token's subject is not accepted here.
    SubjectMismatch = "subject_mismatch", Unauthorized;
    /// A required claim is missing.
    ClaimMissing = "claim_missing", Unauthorized;
    /// A claim is of the wrong type.
    ClaimInvalid = "claim_invalid", Unauthorized;
    /// A claim has not the value that is demanded.
    ClaimMismatch = "claim_mismatch", Forbidden;
    /// The token is bound to a key, which is not checked here.
    CnfUnchecked = "cnf_unchecked", Unauthorized;
    /// The token is bound to another client certificate.
    CnfMismatch = "cnf_mismatch", Unauthorized;

    /// No client certificate was presented.
    CertificateMissing = "certificate_missing", Unauthorized;
    /// Envoy did not verify the client certificate in this connection's handshake.
    CertificateUnverified = "certificate_unverified", Unauthorized;
    /// The client certificate can't be read.
    CertificateMalformed = "certificate_malformed", Unauthorized;
    /// The client certificate's time is over, or has not begun.
    CertificateExpired = "certificate_expired", Unauthorized;
    /// The client certificate is not one of those accepted here.
    CertificateNotAccepted = "certificate_not_accepted", Unauthorized;
    /// The client certificate stands in a header, and nobody who is trusted sent it.
    CertificateUntrustedSource = "certificate_untrusted_source", Unauthorized;
    /// The TLS session was resumed, and Envoy does not tell whether its certificate was verified.
    ResumedSession = "resumed_session", Unauthorized;
    /// The TLS connection was made for another host.
    Misdirected = "misdirected", Misdirected;

    /// The identity carries no role information.
    RolesAbsent = "roles_absent", Forbidden;
    /// A role is missing.
    RoleMissing = "role_missing", Forbidden;
    /// A scope is missing.
    ScopeMissing = "scope_missing", Forbidden;
    /// An attribute has not the value that is demanded.
    AttributeMismatch = "attribute_mismatch", Forbidden;

    /// The credential is revoked.
    Revoked = "revoked", Unauthorized;

    /// The keys to verify with are not there yet.
    KeysUnavailable = "keys_unavailable", Unavailable;
    /// The keys to verify with could not be refreshed for too long.
    KeysStale = "keys_stale", Unavailable;
    /// Too many signatures have to be verified at once.
    VerificationBusy = "verification_busy", Unavailable;

    /// The service that judges the credential denied it.
    RemoteDenied = "remote_denied", Unauthorized;
    /// The service that judges the credential gave no answer that could be used.
    RemoteUnavailable = "remote_unavailable", Unavailable;
    /// Too many credentials have to be asked about at once.
    RemoteBusy = "remote_busy", Unavailable;

    /// A value of the identity can't stand in a header.
    HeaderValue = "header_value", Forbidden;

    /// No rule is for this request.
    NoRule = "no_rule", Denied;
    /// A rule denies this request to everyone.
    Denied = "denied", Denied;
    /// The path is not for this method.
    MethodNotAllowed = "method_not_allowed", MethodNotAllowed;
    /// No rule allows this protocol upgrade.
    UpgradeRefused = "upgrade_refused", Denied;
    /// Early data can't carry this method.
    EarlyData = "early_data", TooEarly;

    /// The method is not in upper case.
    MethodInvalid = "method_invalid", BadRequest;
    /// The path can't be read in one way only.
    PathInvalid = "path_invalid", BadRequest;
    /// The host is missing, doubled or not a host.
    HostInvalid = "host_invalid", BadRequest;
    /// The Connection header names what it may not.
    ConnectionInvalid = "connection_invalid", BadRequest;
    /// A header that decides over the rule was sent twice.
    HeaderAmbiguous = "header_ambiguous", BadRequest;

    /// Something else had set this plugin's verdict.
    VerdictPresent = "verdict_present", Internal;
    /// The plugin can't do its work here.
    Internal = "internal", Internal;
}
