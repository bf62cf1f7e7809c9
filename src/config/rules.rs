//! `rules`: which requests must bring what.

use std::sync::Arc;

use super::declare::{fields, words};
use super::fault::Path;
use super::forms::{OneOrMany, Table};
use super::mode::{ModeForm, mode};
use super::place::{header_name, is_printable, is_token};
use super::reader::Reader;
use super::require::{RequireForm, Scope};
use crate::policy::{Action, Demand, HostPattern, Match, MethodSet, Mode, PathMatch, PathTemplate, Paths, Rule};

fields! {
    /// A rule: exactly one of `allow`, `deny` and `require`.
    struct RuleForm {
        /// Which requests it is for; absent: all.
        r#match: MatchForm = "{}",
        /// No credential is looked at.
        allow: Anyone,
        /// Nobody may.
        deny: bool,
        /// What requests must bring: a provider's name, or more.
        require: RequireForm,
        /// How this rule is applied.
        mode: ModeForm,
    }
}

fields! {
    /// What a request must be. All that is written must match.
    struct MatchForm {
        /// Exactly this path, without the query, after normalisation: no percent-encoding, no dot segments.
        path: String,
        /// This path and what lies below it; one that ends with a slash: only what lies below.
        path_prefix: String,
        /// A template: `{x}` is one segment that is not empty, `**` at the end is the rest.
        path_template: String,
        /// The method, any of; GET covers HEAD.
        methods: OneOrMany<String>,
        /// The host, any of; `*.` before one: every host below it.
        hosts: OneOrMany<String>,
        /// Headers with exactly these values.
        headers: Table<String>,
        /// Protocols other than websocket that requests may upgrade to.
        upgrades: OneOrMany<String>,
        /// CORS preflights: OPTIONS with Origin and Access-Control-Request-Method.
        cors_preflight: bool = "false",
    }
}

words! {
    /// Who needs no credential.
    enum Anyone {
        "anyone" => Anyone,
    }
}

impl RuleForm {
    pub(super) fn compile(&self, scope: &Scope<'_>, paths: Paths, whole: Mode, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Rule> {
        let when = self.r#match.get().and_then(|form| form.compile(paths, &at.name("match"), cx));
        let written = [self.allow.is_written(), self.deny.is_written(), self.require.is_written()];
        if written.iter().filter(|written| **written).count() != 1 {
            cx.fault(at, format_args!("write exactly one of allow, deny, require"));
        }
        if self.deny.get() == Some(&false) {
            cx.fault(&at.name("deny"), format_args!("deny is always true; write allow or require instead"));
        }
        let variables = match &when {
            Some(Match { path: Some(PathMatch::Template(template)), .. }) => Some(template.variables().cloned().collect::<Vec<_>>()),
            Some(_) => Some(Vec::new()),
            None => None,
        };
        let scope = Scope { variables: variables.as_deref(), ..*scope };
        let required = self.require.get().map(|form| scope.compile(form, &at.name("require"), cx));
        let then = if self.allow.is_written() {
            Action::Anyone
        } else if self.deny.is_written() {
            Action::Deny
        } else {
            Action::Require(Demand::new(required??))
        };
        Some(Rule { when: when?, then, mode: mode(&self.mode, whole) })
    }

    /// Rules that name methods or paths: what could make the upstream see another must be removed.
    pub(super) fn names(&self) -> Named {
        let Some(form) = self.r#match.get() else { return Named::default() };
        let paths = form.path.is_written() || form.path_prefix.is_written() || form.path_template.is_written();
        Named { paths, methods: form.methods.is_written() || form.cors_preflight.is_written(), hosts: form.hosts.is_written() }
    }
}

/// What a rule names.
#[derive(Clone, Copy, Default)]
pub(super) struct Named {
    pub(super) paths: bool,
    pub(super) methods: bool,
    pub(super) hosts: bool,
}

impl MatchForm {
    fn compile(&self, paths: Paths, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Match> {
        let path = self.path_match(paths, at, cx);
        let methods = self.methods.get().map(|OneOrMany(list)| methods(list, &at.name("methods"), cx));
        if methods.is_some() && self.cors_preflight.get() == Some(&true) {
            cx.fault(&at.name("methods"), format_args!("cors_preflight names OPTIONS; remove one of them"));
        }
        let hosts = self.hosts.get().map(|OneOrMany(list)| hosts(list, &at.name("hosts"), cx)).unwrap_or_default();
        let headers = self.headers.get().map(|Table(list)| headers(list, &at.name("headers"), cx)).unwrap_or_default();
        let upgrades = self.upgrades.get().map(|OneOrMany(list)| upgrades(list, &at.name("upgrades"), cx)).unwrap_or_default();
        let given = [self.methods.is_written() == methods.is_some(), !self.cors_preflight.is_faulty()];
        let complete = given.iter().all(|complete| *complete);
        complete.then_some(Match { path: path?, methods, hosts, headers, upgrades, cors_preflight: *self.cors_preflight.get()? })
    }

    /// The outer `None`: faults.
    #[allow(clippy::option_option)]
    fn path_match(&self, paths: Paths, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Option<PathMatch>> {
        let fields = [("path", &self.path), ("path_prefix", &self.path_prefix), ("path_template", &self.path_template)];
        let mut written = fields.iter().filter(|(_, given)| given.is_written());
        let Some((name, given)) = written.next() else { return Some(None) };
        if written.next().is_some() {
            cx.fault(at, format_args!("write at most one of path, path_prefix, path_template"));
        }
        let path = given.get()?;
        let at = at.name(name);
        if let Err(wrong) = check_path(path, paths) {
            cx.fault(&at, format_args!("{wrong}"));
            return None;
        }
        Some(Some(match *name {
            "path" => PathMatch::Exact(path.clone()),
            "path_prefix" => PathMatch::Prefix(path.clone()),
            _ => match PathTemplate::parse(path) {
                Ok(template) => PathMatch::Template(template),
                Err(wrong) => {
                    cx.fault(&at, format_args!("{wrong}"));
                    return None;
                }
            },
        }))
    }
}

/// Paths are matched without the query and after normalisation: what never comes out of that can never match.
fn check_path(path: &str, paths: Paths) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        Err("a path begins with /")
    } else if path.contains(['?', '#']) {
        Err("paths are matched without query and fragment; ? and # can't stand here")
    } else if path.contains('%') {
        Err("paths are matched after percent codes are decoded; write the character itself")
    } else if !path.bytes().all(|b| b.is_ascii_graphic()) || path.contains('\\') {
        Err("only visible ASCII without \\ can stand in a path")
    } else if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        Err("dot segments are refused in requests, so this could never match")
    } else if path.contains("//") && !paths.empty_segments {
        Err("empty segments are refused in requests, so this could never match; see paths.empty_segments")
    } else if path.contains(';') && !paths.parameters {
        Err("parameters (;) are refused in requests, so this could never match; see paths.parameters")
    } else {
        Ok(())
    }
}

fn methods(list: &[String], at: &Path<'_>, cx: &mut Reader<'_>) -> MethodSet {
    check_tokens(list, "a method in upper case, such as GET", |text| is_token(text) && *text == text.to_ascii_uppercase(), at, cx);
    let mut methods = MethodSet::new();
    for method in list {
        if !methods.iter().any(|known| **known == **method) {
            methods.push(method.as_str().into());
        }
    }
    methods
}

fn upgrades(list: &[String], at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<String> {
    let is_protocol = |text: &str| text.split('/').all(is_token);
    check_tokens(list, "a protocol, such as h2c", is_protocol, at, cx);
    list.iter().map(|protocol| protocol.to_ascii_lowercase()).collect()
}

fn check_tokens(list: &[String], what: &str, good: fn(&str) -> bool, at: &Path<'_>, cx: &mut Reader<'_>) {
    if list.is_empty() {
        cx.fault(at, format_args!("empty: this rule could never match"));
    }
    for (index, text) in list.iter().enumerate() {
        if !good(text) {
            cx.fault(&at.index(index), format_args!("{what}, is wanted"));
        }
    }
}

fn hosts(list: &[String], at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<HostPattern> {
    if list.is_empty() {
        cx.fault(at, format_args!("empty: this rule could never match"));
    }
    let mut hosts = Vec::new();
    for (index, text) in list.iter().enumerate() {
        match HostPattern::parse(text) {
            Ok(host) => hosts.push(host),
            Err(wrong) => cx.fault(&at.index(index), format_args!("{wrong}")),
        }
    }
    hosts
}

fn headers(list: &[(String, Option<String>)], at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<(Arc<str>, Vec<u8>)> {
    let mut headers: Vec<(Arc<str>, Vec<u8>)> = Vec::new();
    if list.is_empty() {
        cx.fault(at, format_args!("empty: name a header, or leave the field out"));
    }
    for (written, value) in list {
        let at = at.name(written);
        let Some(value) = value else { continue };
        if !is_printable(value.as_bytes()) || value.trim().len() != value.len() {
            cx.fault(&at, format_args!("a header never has this value: printable ASCII without white space around it is wanted"));
        }
        match header_name(written) {
            Err(wrong) if written.eq_ignore_ascii_case("host") || written == ":authority" => {
                cx.fault(&at, format_args!("{wrong}; write hosts"));
            }
            Err(wrong) => cx.fault(&at, format_args!("{wrong}")),
            Ok(name) if headers.iter().any(|(other, _)| **other == *name) => {
                cx.fault(&at, format_args!("this header stands here twice: case makes no difference"));
            }
            Ok(name) => headers.push((name.into(), value.clone().into_bytes())),
        }
    }
    headers
}
