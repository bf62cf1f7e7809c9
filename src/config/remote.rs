//! `remote`: another service judges the credential.

use std::time::Duration;

use serde_json::{Map, Value};

use super::declare::{fields, words};
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Integer, Json, Name, OneOrMany, Table};
use super::jwks_uri::{CalloutHeader, Url, callout_headers};
use super::jwt::{ClaimForm, Cnf, TokenIdentityForm};
use super::mode::bounded;
use super::place::{HeaderName, is_printable};
use super::profile::Ability;
use super::quantity::{Span, span};
use super::reader::{Form, Node, Reader};
use super::remote_body::{Written, body};
use crate::authenticator::Remote;
use crate::authenticator::remote::{Endpoint, Expected, Input, MAX_INPUT, Scheme};
use crate::credential::Place;
use crate::identity::ClaimPath;

fields! {
    /// Another service judges the credential: a login endpoint, or token introspection (RFC 7662).
    struct RemoteForm {
        /// What the caller sends: a user name and a password (RFC 7617), or a token, taken from `from`.
        credential: SchemeWord = required,
        /// Further values of the request, by the names that `endpoints.by` and placeholders use.
        inputs: Table<InputForm> = "{}",
        /// Where the service is asked.
        endpoints: EndpointsForm = required,
        /// What it is asked.
        request: RequestForm = required,
        /// How its answer is read.
        answer: AnswerForm = "{}",
        /// Where the answer says who and what the caller is. What is written here must be in it.
        identity: TokenIdentityForm = "{}",
        /// How long a good answer serves; denials are remembered for 10s at most.
        cache: Span = "60s",
        /// Callouts at once, per worker and cluster; beyond it 503.
        max_in_flight: Integer = "100",
    }
}

words! {
    /// What the caller sends.
    enum SchemeWord {
        "basic" => Basic,
        "bearer" => Bearer,
    }
}

fields! {
    /// A value of the request.
    struct InputForm {
        /// In this header.
        header: HeaderName = required,
        /// Where the header is missing; absent: the request is refused then.
        default: Name,
    }
}

fields! {
    /// Where the service is asked.
    struct EndpointForm {
        /// The Envoy cluster that the callout goes to.
        cluster: Name = required,
        /// The URL.
        uri: Url = required,
        /// Plain http is meant.
        insecure_http: bool = "false",
    }
}

fields! {
    /// What the service is asked, by POST: exactly one of `json` and `form`. In them `"{username}"`, `"{password}"`, `"{token}"` and the inputs, likewise, are filled in.
    struct RequestForm {
        /// How long one callout may take.
        timeout: Span = "5s",
        /// Further headers.
        headers: Table<CalloutHeader> = "{}",
        /// A JSON object.
        json: Json,
        /// Fields of a form.
        form: Table<String>,
    }
}

fields! {
    /// How an answer is read. Only one with status 200 vouches.
    struct AnswerForm {
        /// Statuses that deny; any other but 200 leads to 503.
        denied: Vec<Integer> = "[401]",
        /// Members that must have these values. Another value of the same type denies; anything else leads to 503.
        require: Table<Json> = "{}",
        /// The member, a NumericDate, after which the answer is no longer good.
        expires: ExpiresForm = "{}",
        /// What happens to a credential whose answer has a `cnf` (RFC 8705, section 3.2), which nothing checks.
        cnf: Cnf = "refuse",
    }
}

/// A member of the answer, or `{}` for none.
pub(super) struct ExpiresForm(Option<ClaimPath>);

/// Endpoints: `default`, and those for values of the input that `by` names.
pub(super) struct EndpointsForm {
    by: Option<String>,
    list: Vec<(String, Option<EndpointForm>)>,
}

impl Form for ExpiresForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.as_object().is_some_and(Map::is_empty) {
            return Some(Self(None));
        }
        ClaimForm::read(node, cx).map(|ClaimForm(path)| Self(Some(path)))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        ClaimForm::describe()
    }
}

impl Form for EndpointsForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let Value::Object(members) = node.value else {
            cx.wrong_type(node, "an object (by, default, and values of the input)");
            return None;
        };
        let mut form = Self { by: None, list: Vec::new() };
        for (name, value) in members {
            let at = node.at.name(name);
            let node = Node { value, at: &at };
            if name == "by" {
                form.by = Some(super::forms::name(node, cx)?.to_owned());
            } else {
                form.list.push((name.clone(), EndpointForm::read(node, cx)));
            }
        }
        if !members.contains_key(DEFAULT) {
            cx.fault(&node.at.name(DEFAULT), format_args!("missing; the endpoint for whatever no other is for"));
        }
        if form.by.is_none() && form.list.len() > 1 {
            cx.fault(&node.at.name("by"), format_args!("missing; the input whose value chooses among several endpoints"));
        }
        Some(form)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Leaf("by: an input's name"), Description::Map(EndpointForm::describe)])
    }
}

const DEFAULT: &str = "default";
/// What the callout says of itself.
const OWN_HEADERS: [&str; 2] = ["accept", "content-type"];

impl SchemeWord {
    const fn scheme(self) -> Scheme {
        match self {
            Self::Basic => Scheme::Basic,
            Self::Bearer => Scheme::Bearer,
        }
    }
}

impl RemoteForm {
    pub(super) fn ability(&self) -> Ability {
        let (roles, scopes) = self.identity.get().map_or((true, true), TokenIdentityForm::yields);
        Ability::Answer { roles, scopes }
    }

    /// Where Basic credentials stand; `None`: where `from` says.
    pub(super) fn places(&self) -> Option<Vec<Place>> {
        let is_basic = matches!(self.credential.get(), Some(SchemeWord::Basic));
        is_basic.then(|| vec![Place::Header { name: "authorization".into(), scheme: Some("basic".to_owned()) }])
    }

    pub(super) fn compile(&self, places: &[Place], at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Remote> {
        let credential = self.credential.get().map(|word| word.scheme());
        let inputs = self.inputs.get().map(|Table(forms)| forms.as_slice()).unwrap_or_default();
        let at_inputs = at.name("inputs");
        for (name, form) in inputs {
            check_input(name, form.as_ref(), places, &at_inputs.name(name), cx);
        }
        let by = self.endpoints.get().and_then(|form| form.by(inputs, &at.name("endpoints").name("by"), cx));
        let endpoints = self.endpoints.get().map(|form| form.compile(&at.name("endpoints"), cx));
        let at_request = at.name("request");
        let request = self.request.get();
        let names: Vec<&str> =
            credential.map(Scheme::parts).unwrap_or_default().iter().copied().chain(inputs.iter().map(|(name, _)| name.as_str())).collect();
        let body = request.and_then(|form| form.body(credential?, &names, &at_request, cx));
        let headers = request.and_then(|form| form.headers(&at_request.name("headers"), cx));
        let bounds = (Duration::from_millis(1), Duration::from_secs(300));
        let timeout = request.and_then(|form| span(&form.timeout, &at_request.name("timeout"), bounds, cx));
        let cache = span(&self.cache, &at.name("cache"), (Duration::ZERO, Duration::from_secs(3600)), cx);
        let max_in_flight = bounded(&self.max_in_flight, 10_000, &at.name("max_in_flight"), cx);
        let answer = self.answer.get()?;
        let at_answer = at.name("answer");
        let denied = answer.denied(&at_answer.name("denied"), cx);
        if denied.contains(&401) && headers.iter().flatten().any(|(name, _)| name == "authorization") {
            cx.warn(
                &at_answer.name("denied"),
                format_args!("401 may be about the callout's own authorization: every caller would seem to be denied; write [] for token introspection"),
            );
        }
        let members = answer.members(&at_answer.name("require"), cx);
        let ExpiresForm(expires) = answer.expires.get()?;
        let identity = self.identity.get()?;
        let expected = Expected {
            members,
            subject: identity.subject.is_written(),
            roles: identity.roles.is_written() && identity.roles.get().is_some_and(|OneOrMany(list)| !list.is_empty()),
            scopes: identity.scopes.is_written() && identity.scopes.get().is_some_and(|OneOrMany(list)| !list.is_empty()),
        };
        if let Expected { members, subject: false, roles: false, scopes: false } = &expected
            && members.is_empty()
            && !answer.require.is_written()
        {
            cx.warn(
                &at_answer.name("require"),
                format_args!(
                    "missing, and so is identity: any answer with status 200 vouches; for token introspection write {{active: true}}"
                ),
            );
        }
        let input = |(_, form): &(String, Option<InputForm>)| {
            let form = form.as_ref()?;
            let HeaderName(header) = form.header.get()?;
            Some(Input { header: header.as_ref().to_owned(), default: form.default.get().map(|Name(text)| text.clone()) })
        };
        let (default, endpoints) = endpoints?;
        Some(Remote {
            credential: credential?,
            inputs: inputs.iter().map(input).collect::<Option<_>>()?,
            by,
            endpoints,
            default: default?,
            headers: headers?,
            timeout: timeout?,
            body: body?,
            denied,
            expected,
            ignore_cnf: *answer.cnf.get()? == Cnf::Ignore,
            expires: expires.clone(),
            identity: identity.compile()?,
            cache: cache?,
            max_in_flight: usize::try_from(max_in_flight?).ok()?,
        })
    }
}

fn check_input(name: &str, form: Option<&InputForm>, places: &[Place], at: &Path<'_>, cx: &mut Reader<'_>) {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        cx.fault(at, format_args!("not an input's name: letters, digits, hyphens and underscores"));
    }
    if matches!(name, "username" | "password" | "token") {
        cx.fault(at, format_args!("this name means a part of the credential"));
    }
    let Some(form) = form else { return };
    if let Some(HeaderName(header)) = form.header.get()
        && places.iter().any(|place| matches!(place, Place::Header { name, .. } if name == header))
    {
        cx.fault(&at.name("header"), format_args!("the credential stands there"));
    }
    if let Some(Name(default)) = form.default.get()
        && (default.len() > MAX_INPUT || !is_printable(default.as_bytes()))
    {
        cx.fault(&at.name("default"), format_args!("what no header could say: printable ASCII, at most {MAX_INPUT} bytes"));
    }
}

impl EndpointsForm {
    /// The index of the input that `by` names.
    fn by(&self, inputs: &[(String, Option<InputForm>)], at: &Path<'_>, cx: &mut Reader<'_>) -> Option<usize> {
        let by = self.by.as_ref()?;
        let found = inputs.iter().position(|(name, _)| name == by);
        if found.is_none() {
            let names = inputs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            cx.fault(at, format_args!("there is no input {by}; there are: {names}"));
        }
        found
    }

    /// The default, and those for values.
    fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> (Option<Endpoint>, Vec<(String, Endpoint)>) {
        let (mut default, mut endpoints) = (None, Vec::new());
        for (name, form) in &self.list {
            let Some(form) = form else { continue };
            if let Some((url, insecure)) = form.uri.get().zip(form.insecure_http.get())
                && url.is_http() != *insecure
            {
                let what = if *insecure { "goes with an http uri" } else { "missing; a plain http uri needs insecure_http: true" };
                cx.fault(&at.name(name).name("insecure_http"), format_args!("{what}"));
            }
            let Some((Name(cluster), url)) = form.cluster.get().zip(form.uri.get()) else { continue };
            let (authority, path) = (url.authority.clone(), url.path.clone());
            let endpoint = Endpoint { cluster: cluster.clone(), scheme: url.scheme, authority, path };
            if name == DEFAULT {
                default = Some(endpoint);
            } else {
                endpoints.push((name.clone(), endpoint));
            }
        }
        (default, endpoints)
    }
}

impl RequestForm {
    fn body(&self, scheme: Scheme, names: &[&str], at: &Path<'_>, cx: &mut Reader<'_>) -> Option<crate::authenticator::remote::Body> {
        let name = cx.exactly_one(at, &[("json", self.json.is_written()), ("form", self.form.is_written())])?;
        let at = at.name(name);
        let written = match self.json.get() {
            Some(Json(value)) => Written::Json(value),
            None => Written::Form(&self.form.get()?.0),
        };
        body(written, scheme, names, &at, cx)
    }

    fn headers(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Vec<(String, crate::constant::Constant)>> {
        let Table(forms) = self.headers.get()?;
        let headers = callout_headers(forms, at, cx);
        for (name, _) in headers.iter().filter(|(name, _)| OWN_HEADERS.contains(&name.as_str())) {
            cx.fault(&at.name(name), format_args!("this header is set already"));
        }
        Some(headers)
    }
}

impl AnswerForm {
    fn denied(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<u16> {
        let mut denied = Vec::new();
        for (index, Integer(status)) in self.denied.get().into_iter().flatten().enumerate() {
            match u16::try_from(*status) {
                Ok(status @ 400..=499) => denied.push(status),
                _ => cx.fault(&at.index(index), format_args!("not a status that can deny: 400 to 499")),
            }
        }
        denied
    }

    fn members(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<(String, Value)> {
        let mut members = Vec::new();
        for (name, value) in self.require.get().map(|Table(list)| list.as_slice()).unwrap_or_default() {
            match value {
                Some(Json(Value::Array(_) | Value::Object(_))) => {
                    cx.fault(&at.name(name), format_args!("not a value to compare with: text, a number, true or false"));
                }
                Some(Json(value)) => members.push((name.clone(), value.clone())),
                None => {}
            }
        }
        members
    }
}
