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
        match self {
            Self::Literal(literal) => same(literal, value),
            Self::Variable(name) => value.as_str().is_some_and(|v| variables.get(name).is_some_and(|x| x == v.as_bytes())),
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
        let holds = |operand: &Operand| values.iter().flatten().any(|value| operand.is(value, variables));
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
    fn values(&self, identity: &Identity) -> Option<Vec<Value>> {
        let strings = |list: &[String]| list.iter().map(|s| Value::from(s.as_str())).collect();
        match self {
            Self::Roles => identity.roles.as_deref().map(strings),
            Self::Scopes => identity.scopes.as_deref().map(strings),
            Self::Audiences => claim_values(identity, &["aud".to_owned()]),
            Self::Claim(path) => claim_values(identity, path),
            Self::Attribute(name) => identity.attribute(name).map(|v| vec![Value::from(v)]),
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

fn claim_values(identity: &Identity, path: &[String]) -> Option<Vec<Value>> {
    let value = claim(&identity.token.as_ref()?.claims, path)?;
    Some(match value {
        Value::Array(elements) => elements.clone(),
        scalar => vec![scalar.clone()],
    })
}
