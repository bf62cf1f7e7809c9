//! The forms in which tokens come.

use super::Jwt;
use super::error::TokenError;
use super::token::{Shape, Token};

/// A form of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JWS in compact serialization (RFC 7515, section 7.1).
    Jws,
    /// Cyphernode's first: the MAC, in hex, is over a line feed, too.
    Cyphernode2018,
    /// Cyphernode's second: the MAC is in hex.
    Cyphernode2019,
    /// Cyphernode's JWS, and what its clients send for one.
    Cyphernode2021,
}

impl Jwt {
    /// Reads a token in the provider's formats.
    ///
    /// # Errors
    /// [`TokenError::TooLong`] or [`TokenError::Malformed`].
    pub fn read<'t>(&self, text: &'t [u8]) -> Result<Token<'t>, TokenError> {
        if self.formats == [Format::Jws] {
            return Token::parse(text);
        }
        match Token::parse_cyphernode(text, &self.formats) {
            // Its hex digits would be base64url, too.
            Ok(token) if token.shape == (Shape::Cyphernode { in_hex: true }) => Ok(token),
            other if self.formats.contains(&Format::Jws) => Token::parse(text).or(other),
            other => other,
        }
    }
}
