//! `reject`: the answers to refused requests.

use super::declare::{fields, words};
use super::fault::Path;
use super::forms::{Integer, Table};
use super::jwks_uri::Url;
use super::place::is_printable;
use super::reader::Reader;
use crate::policy::{Body, Challenge, Reject};
use crate::reason::Reason;

fields! {
    /// The answers to refused requests.
    struct RejectForm {
        /// The realm of challenges; printable ASCII.
        realm: String = "api",
        /// The status for callers who are known but not allowed; 403 for RFC 6750's.
        forbidden: Integer = "401",
        /// Statuses by reason.
        status: Table<Integer> = "{}",
        /// Messages by reason; `{role}` is the role that was missing.
        messages: Table<String> = "{}",
        /// The form of the body: RFC 9457, `{"detail": "..."}`, text, or none.
        body: BodyWord = "problem",
        /// The client reads the reason; the log always knows it.
        explain: bool = "false",
        /// The challenge; absent: by the rule's providers.
        challenge: ChallengeWord,
        /// RFC 9728: the URL that goes into Bearer challenges.
        resource_metadata: String,
    }
}

words! {
    /// The form of a body.
    enum BodyWord {
        "problem" => Problem,
        "detail" => Detail,
        "text" => Text,
        "none" => None,
    }
}

words! {
    /// A challenge.
    enum ChallengeWord {
        "bearer" => Bearer,
        "basic" => Basic,
        "none" => None,
    }
}

impl RejectForm {
    pub(super) fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Reject> {
        let realm = self.realm.get();
        if realm.is_some_and(|realm| realm.is_empty() || !is_printable(realm.as_bytes())) {
            cx.fault(&at.name("realm"), format_args!("not a realm: printable ASCII is wanted"));
        }
        let forbidden = self.forbidden.get().and_then(|forbidden| status(forbidden, (400, 499), &at.name("forbidden"), cx));
        let mut statuses = Vec::new();
        let at_status = at.name("status");
        for (code, value) in self.status.get().map(|Table(list)| list.as_slice()).unwrap_or_default() {
            let at = at_status.name(code);
            let value = value.as_ref().and_then(|value| status(value, (400, 599), &at, cx));
            statuses.extend(reason(code, &at, cx).zip(value));
        }
        let mut messages = Vec::new();
        let at_messages = at.name("messages");
        for (code, message) in self.messages.get().map(|Table(list)| list.as_slice()).unwrap_or_default() {
            messages.extend(reason(code, &at_messages.name(code), cx).zip(message.clone()));
        }
        let url = self.resource_metadata.get();
        if let Some(Err(wrong)) = url.map(|url| Url::parse(url)) {
            cx.fault(&at.name("resource_metadata"), format_args!("{wrong}"));
        } else if url.is_some_and(|url| url.contains(['"', '\\'])) {
            cx.fault(&at.name("resource_metadata"), format_args!("quotes and \\ can't stand in a URL"));
        }
        Some(Reject {
            realm: realm?.replace('\\', "\\\\").replace('"', "\\\""),
            forbidden: forbidden?,
            status: statuses,
            messages,
            body: match self.body.get()? {
                BodyWord::Problem => Body::Problem,
                BodyWord::Detail => Body::Detail,
                BodyWord::Text => Body::Text,
                BodyWord::None => Body::None,
            },
            explain: *self.explain.get()?,
            challenge: self.challenge.get().map(|word| match word {
                ChallengeWord::Bearer => Challenge::Bearer,
                ChallengeWord::Basic => Challenge::Basic,
                ChallengeWord::None => Challenge::None,
            }),
            resource_metadata: url.cloned(),
        })
    }
}

fn status(Integer(value): &Integer, (least, most): (u16, u16), at: &Path<'_>, cx: &mut Reader<'_>) -> Option<u16> {
    let status = u16::try_from(*value).ok().filter(|status| (least..=most).contains(status));
    if status.is_none() {
        cx.fault(at, format_args!("not a status for a refusal: {least} to {most}"));
    }
    status
}

fn reason(code: &str, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Reason> {
    let reason = Reason::ALL.iter().copied().find(|reason| reason.code() == code);
    if reason.is_none() {
        let codes = Reason::ALL.iter().map(|reason| reason.code()).collect::<Vec<_>>().join(", ");
        cx.fault(at, format_args!("not a reason code; known: {codes}"));
    }
    reason
}
