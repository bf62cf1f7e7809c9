//! Conditions on an identity.

use std::sync::Arc;

use serde_json::Value;

use super::declare::fields;
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Json, Name, OneOrMany, Table};
use super::profile::Profile;
use super::reader::{Form, Given, Node, Reader};
use crate::identity::ClaimPath;
use crate::policy::{Condition, Operand, Subject, Test};

fields! {
    /// What must be so: exactly one of these.
    struct TestForm {
        /// Every one of these is there.
        all: Json,
        /// One of these is there.
        any: Json,
        /// None of these is there.
        none: Json,
        /// `true`: there is some value; `false`: there is none.
        exists: bool,
    }
}

fields! {
    /// Conditions that must hold together.
    struct ConditionsForm {
        /// On roles.
        roles: TextTest,
        /// On scopes.
        scopes: TextTest,
        /// On the token's `aud`; narrows the provider's.
        audiences: TextTest,
        /// On claims, by name, or as `{claim_path: [a, b], is: ...}`.
        claims: OneOrMany<ClaimTests>,
        /// On attributes, by name.
        attributes: Table<TextTest>,
    }
}

fields! {
    /// A condition on a claim inside of others.
    struct ClaimPathTest {
        /// The member names from the outermost to the innermost.
        claim_path: ClaimPathForm = required,
        /// What must be so.
        is: ScalarTest = required,
    }
}

/// A test of texts.
pub(super) struct TextTest(Test);

/// A test of any JSON scalars.
pub(super) struct ScalarTest(Test);

/// Conditions on claims.
pub(super) struct ClaimTests(Vec<Condition>);

/// A place among claims; never empty.
pub(super) struct ClaimPathForm(pub(super) ClaimPath);

const PLACEHOLDER: &str = "{path.";

fn test(node: Node<'_>, scalars: bool, cx: &mut Reader<'_>) -> Option<Test> {
    match node.value {
        Value::Array(elements) if elements.len() > 1 => {
            cx.fault(node.at, format_args!("a bare list can be read both ways; write {{all: [...]}} or {{any: [...]}}"));
            None
        }
        Value::Array(_) => operands(node, scalars, cx).map(Test::All),
        Value::Object(_) => {
            let form = TestForm::read(node, cx)?;
            let fields = [
                ("all", form.all.is_written()),
                ("any", form.any.is_written()),
                ("none", form.none.is_written()),
                ("exists", form.exists.is_written()),
            ];
            let name = cx.exactly_one(node.at, &fields)?;
            let mut list = |given: &Given<Json>| {
                let Json(value) = given.get()?;
                operands(Node { value, at: &node.at.name(name) }, scalars, cx)
            };
            match name {
                "all" => list(&form.all).map(Test::All),
                "any" => list(&form.any).map(Test::Any),
                "none" => {
                    let operands = list(&form.none)?;
                    if scalars && operands.iter().any(looks_like_a_number) {
                        cx.warn(node.at, format_args!("values are compared by type: 1 is not \"1\", and YAML turns some numbers into text; who has the other gets past this"));
                    }
                    Some(Test::None(operands))
                }
                _ => form.exists.get().map(|exists| Test::Exists(*exists)),
            }
        }
        _ => operand(node, scalars, cx).map(|operand| Test::All(vec![operand])),
    }
}

fn looks_like_a_number(operand: &Operand) -> bool {
    match operand {
        Operand::Literal(Value::Number(_)) => true,
        Operand::Literal(Value::String(text)) => {
            text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E' | b'_'))
        }
        _ => false,
    }
}

fn operands(node: Node<'_>, scalars: bool, cx: &mut Reader<'_>) -> Option<Vec<Operand>> {
    let Value::Array(elements) = node.value else {
        return operand(node, scalars, cx).map(|operand| vec![operand]);
    };
    if elements.is_empty() {
        cx.fault(node.at, format_args!("empty: nothing to compare with"));
        return None;
    }
    let read: Vec<_> =
        elements.iter().enumerate().map(|(index, value)| operand(Node { value, at: &node.at.index(index) }, scalars, cx)).collect();
    read.into_iter().collect()
}

fn operand(node: Node<'_>, scalars: bool, cx: &mut Reader<'_>) -> Option<Operand> {
    match node.value {
        Value::Number(_) | Value::Bool(_) if scalars => return Some(Operand::Literal(node.value.clone())),
        Value::String(text) if text.contains(PLACEHOLDER) => {
            let name = text.strip_prefix(PLACEHOLDER).and_then(|rest| rest.strip_suffix('}'));
            if let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['{', '}'])) {
                return Some(Operand::Variable(name.into()));
            }
            cx.fault(node.at, format_args!("a variable of the path is the whole value: \"{{path.name}}\""));
        }
        Value::Null | Value::Object(_) | Value::Array(_) => {
            cx.wrong_type(node, if scalars { "text, a number or a boolean" } else { "text" })
        }
        _ => return super::forms::name(node, cx).map(|text| Operand::Literal(Value::from(text))),
    }
    None
}

impl Form for TextTest {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        test(node, false, cx).map(Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Leaf("text"), TestForm::describe()])
    }
}

impl Form for ScalarTest {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        test(node, true, cx).map(Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Leaf("text, a number, true or false"), TestForm::describe()])
    }
}

impl Form for ClaimTests {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.get("claim_path").is_some() {
            let form = ClaimPathTest::read(node, cx)?;
            let (ClaimPathForm(path), ScalarTest(test)) = (form.claim_path.get()?, form.is.get()?);
            return Some(Self(vec![Condition { subject: Subject::Claim(path.clone()), test: test.clone() }]));
        }
        let Table(tests) = Table::<ScalarTest>::read(node, cx)?;
        let condition = |(name, test): (String, Option<ScalarTest>)| Some(Condition { subject: Subject::Claim(vec![name]), test: test?.0 });
        tests.into_iter().map(condition).collect::<Option<_>>().map(Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Map(ScalarTest::describe), ClaimPathTest::describe()])
    }
}

impl Form for ClaimPathForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let names = Vec::<Name>::read(node, cx)?;
        if names.is_empty() {
            cx.fault(node.at, format_args!("empty; the names of members are wanted, from the outermost to the innermost"));
            return None;
        }
        Some(Self(names.into_iter().map(|Name(name)| name).collect()))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::List(Name::describe)
    }
}

/// Where a claim stands, of the two ways to write it the one that is written.
pub(super) fn path(claim: &Given<Name>, claim_path: &Given<ClaimPathForm>) -> Option<ClaimPath> {
    match (claim.get(), claim_path.get()) {
        (Some(Name(name)), _) => Some(vec![name.clone()]),
        (_, Some(ClaimPathForm(path))) => Some(path.clone()),
        _ => None,
    }
}

/// The variables that the rule's path template has; `None`: not known here.
pub(super) type Variables<'v> = Option<&'v [Arc<str>]>;

/// The fields that say conditions, wherever they stand.
pub(super) struct Conditions<'f> {
    pub(super) roles: &'f Given<TextTest>,
    pub(super) scopes: &'f Given<TextTest>,
    pub(super) audiences: &'f Given<TextTest>,
    pub(super) claims: &'f Given<OneOrMany<ClaimTests>>,
    pub(super) attributes: &'f Given<Table<TextTest>>,
}

impl ConditionsForm {
    pub(super) const fn conditions(&self) -> Conditions<'_> {
        Conditions {
            roles: &self.roles,
            scopes: &self.scopes,
            audiences: &self.audiences,
            claims: &self.claims,
            attributes: &self.attributes,
        }
    }
}

impl Conditions<'_> {
    pub(super) const fn are_written(&self) -> bool {
        self.roles.is_written()
            || self.scopes.is_written()
            || self.audiences.is_written()
            || self.claims.is_written()
            || self.attributes.is_written()
    }

    pub(super) fn compile(&self, profile: &Profile, variables: Variables<'_>, at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<Condition> {
        let name = &profile.name;
        let mut conditions = Vec::new();
        let mut holds = |written: bool, able: bool, field: &str, what: &str| {
            if written && !able {
                cx.fault(&at.name(field), format_args!("{name} yields no {what}, so nobody could meet this"));
            }
        };
        holds(self.roles.is_written(), profile.yields_roles(), "roles", "roles");
        holds(self.scopes.is_written(), profile.yields_scopes(), "scopes", "scopes");
        holds(self.audiences.is_written(), profile.yields_claims(), "audiences", "audiences: it verifies no tokens");
        holds(self.claims.is_written(), profile.yields_claims(), "claims", "claims: it verifies no tokens");
        for (field, given, subject) in [
            ("roles", self.roles, Subject::Roles),
            ("scopes", self.scopes, Subject::Scopes),
            ("audiences", self.audiences, Subject::Audiences),
        ] {
            if let Some(TextTest(test)) = given.get() {
                check_variables(test, variables, &at.name(field), cx);
                conditions.push(Condition { subject, test: test.clone() });
            }
        }
        conditions.append(&mut claims(self.claims, variables, &at.name("claims"), cx));
        let at = at.name("attributes");
        if self.attributes.get().is_some_and(|Table(list)| list.is_empty()) {
            cx.fault(&at, format_args!("empty: everyone would meet it"));
        }
        for (attribute, test) in self.attributes.get().map(|Table(list)| list.as_slice()).unwrap_or_default() {
            let at = at.name(attribute);
            if !profile.yields_attribute(attribute) {
                cx.fault(&at, format_args!("{name} has no attribute of this name in its identity.attributes"));
            }
            if let Some(TextTest(test)) = test {
                check_variables(test, variables, &at, cx);
                conditions.push(Condition { subject: Subject::Attribute(attribute.as_str().into()), test: test.clone() });
            }
        }
        conditions
    }
}

/// Compiles conditions on claims.
pub(super) fn claims(given: &Given<OneOrMany<ClaimTests>>, variables: Variables<'_>, at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<Condition> {
    let Some(OneOrMany(tests)) = given.get() else { return Vec::new() };
    if tests.iter().all(|ClaimTests(conditions)| conditions.is_empty()) {
        cx.fault(at, format_args!("empty: everyone would meet it"));
    }
    let conditions: Vec<Condition> = tests.iter().flat_map(|ClaimTests(conditions)| conditions.iter().cloned()).collect();
    for condition in &conditions {
        check_variables(&condition.test, variables, at, cx);
    }
    conditions
}

fn check_variables(test: &Test, variables: Variables<'_>, at: &Path<'_>, cx: &mut Reader<'_>) {
    let (Test::All(operands) | Test::Any(operands) | Test::None(operands)) = test else { return };
    let Some(variables) = variables else { return };
    for operand in operands {
        if let Operand::Variable(name) = operand
            && !variables.contains(name)
        {
            cx.fault(at, format_args!("\"{{path.{name}}}\": no variable of this name in the path_template that stands here"));
        }
    }
}
