//! `cnf`: to what a token is bound (RFC 7800), of which a client certificate can be checked (RFC 8705).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Jwt;
use super::claims::{invalid, missing};
use super::error::TokenError;
use super::token::Token;

/// RFC 8705, section 3.1: the SHA-256 of the certificate's DER.
const THUMBPRINT: &str = "x5t#S256";

impl Jwt {
    /// The certificate that whoever sends the token must have; `None`: the token needs none.
    pub(super) fn confirmation(&self, token: &Token<'_>) -> Result<Option<[u8; 32]>, TokenError> {
        let cnf = match (token.claim("cnf"), self.bind) {
            (None, None) => return Ok(None),
            (Some(_), None) if self.ignore_cnf => return Ok(None),
            (Some(_), None) => return Err(TokenError::CnfUnchecked),
            (None, Some(_)) => return Err(missing("cnf")),
            (Some(Value::Object(members)), Some(_)) => members,
            (Some(_), Some(_)) => return Err(invalid("cnf")),
        };
        // Whatever else binds it (the `jkt` of RFC 9449, say) is checked by nobody.
        if !self.ignore_cnf && cnf.keys().any(|name| name != THUMBPRINT) {
            return Err(TokenError::CnfUnchecked);
        }
        let thumbprint = cnf.get(THUMBPRINT).ok_or_else(|| missing("cnf"))?.as_str().ok_or_else(|| invalid("cnf"))?;
        let digest = URL_SAFE_NO_PAD.decode(thumbprint).map_err(|_| invalid("cnf"))?;
        digest.try_into().map(Some).map_err(|_| invalid("cnf"))
    }
}
