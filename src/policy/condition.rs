//! Conditions on an identity: exact, byte for byte, without substrings or regular expressions, so that policies can be compared.

use std::sync::Arc;

use serde_json::Value;

use crate::identity::{ClaimPath, Identity, claim};
use crate::json::scalar;
use crate::refusal::ConditionError;

use super::path::Variables;

/// One condition.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is looked at.
    pub subject: Subject,
    /// What must be so.
    pub test: Test,
}

/// What a condition looks at.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The identity's roles.
    Roles,
    /// Its scopes.
    Scopes,
    /// The token's `aud`.
    Audiences,
    /// A claim. An array matches if one element does.
    Claim(ClaimPath),
    /// An attribute.
    Attribute(Arc<str>),
}

/// What must be so.
#[derive(Clone, Debug)]
pub enum Test {
    /// Every operand is there. A single value is written so, too.
    All(Vec<Operand>),
    /// One of them is there.
    Any(Vec<Operand>),
    /// None of them is there.
    None(Vec<Operand>),
    /// There is some value, or (`false`) there is none.
    Exists(bool),
}

/// What a value is compared with, by JSON type and value.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A JSON scalar.
    Literal(Value),
    /// A variable of the rule's path template, percent-decoded: a string.
    Variable(Arc<str>),
}

impl Operand {
    fn is(&self, value: &Value, variables: &Variables) -> bool {
        match (self, value) {
            (_, Value::String(text)) => self.is_text(text, variables),
            (Self::Literal(literal), value) => same(literal, value),
            (Self::Variable(_), _) => false,
        }
    }

    fn is_text(&self, text: &str, variables: &Variables) -> bool {
        match self {
            Self::Literal(literal) => literal.as_str() == Some(text),
            Self::Variable(name) => variables.get(name) == Some(text.as_bytes()),
        }
    }

    fn text(&self, variables: &Variables) -> String {
        match self {
            Self::Literal(literal) => scalar(literal).unwrap_or_default().into_owned(),
            Self::Variable(name) => String::from_utf8_lossy(variables.get(name).unwrap_or_default()).into_owned(),
        }
    }
}

/// Same JSON type and same value; 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x == y || x.as_f64().is_some_and(|x| y.as_f64() == Some(x) && x.fract() == 0.0 && x.abs() < 9e15)
        }
        _ => a == b,
    }
}

impl Condition {
    /// Whether the identity meets it.
    ///
    /// # Errors
    /// What was missing.
    pub fn check(&self, identity: &Identity, variables: &Variables) -> Result<(), ConditionError> {
        let values = self.subject.values(identity);
        let holds = |operand: &Operand| values.as_ref().is_some_and(|values| values.hold(operand, variables));
        let missing = match &self.test {
            Test::All(operands) => operands.iter().find(|o| !holds(o)).map(Some),
            Test::Any(operands) => (!operands.iter().any(holds)).then(|| operands.first()),
            Test::None(operands) => operands.iter().find(|o| holds(o)).map(|_| None),
            Test::Exists(wanted) => (values.as_ref().is_some_and(|v| !v.is_empty()) != *wanted).then_some(None),
        };
        match missing {
            None => Ok(()),
            Some(operand) => Err(self.subject.error(values.is_some(), operand.map(|o| o.text(variables)).unwrap_or_default())),
        }
    }
}

impl Subject {
    /// The values there are; `None` when the identity holds nothing of this kind.
    fn values<'i>(&self, identity: &'i Identity) -> Option<Values<'i>> {
        match self {
            Self::Roles => identity.roles.as_deref().map(Values::Texts),
            Self::Scopes => identity.scopes.as_deref().map(Values::Texts),
            Self::Audiences => Some(Values::of(identity.token.as_ref()?.claims.get("aud").filter(|aud| !aud.is_null())?)),
            Self::Claim(path) => Some(Values::of(claim(&identity.token.as_ref()?.claims, path)?)),
            Self::Attribute(name) => identity.attribute(name).map(Values::Text),
        }
    }

    fn error(&self, present: bool, wanted: String) -> ConditionError {
        match self {
            Self::Roles if !present => ConditionError::RolesAbsent,
            Self::Roles => ConditionError::RoleMissing(wanted),
            Self::Scopes => ConditionError::ScopeMissing(wanted),
            Self::Audiences => ConditionError::Audience,
            Self::Claim(path) => ConditionError::Claim(path.join(".")),
            Self::Attribute(name) => ConditionError::Attribute(Arc::clone(name)),
        }
    }
}

/// What an identity holds of one kind, where it is.
enum Values<'i> {
    Texts(&'i [String]),
    Text(&'i str),
    Json(&'i [Value]),
}

impl<'i> Values<'i> {
    /// Those of a claim: an array's elements, or the one that it is.
    fn of(claim: &'i Value) -> Self {
        Self::Json(claim.as_array().map_or_else(|| std::slice::from_ref(claim), Vec::as_slice))
    }

    fn hold(&self, operand: &Operand, variables: &Variables) -> bool {
        match self {
            Self::Texts(texts) => texts.iter().any(|text| operand.is_text(text, variables)),
            Self::Text(text) => operand.is_text(text, variables),
            Self::Json(values) => values.iter().any(|value| operand.is(value, variables)),
        }
    }

    const fn is_empty(&self) -> bool {
        match self {
            Self::Texts(texts) => texts.is_empty(),
            Self::Text(_) => false,
            Self::Json(values) => values.is_empty(),
        }
    }
}
