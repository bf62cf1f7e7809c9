//! What may never be allowed: a second judge of whole decisions. It knows the rules as the documentation tells them and the few good credentials that
//! there are, shares no code with the library, and asks of every request that passed who could have opened the way.

use crate::reading::{Field, folded, has_cookie, has_parameter, holds_word, readings, unescaped};
use crate::scene::{Credential, Proof};

const IDENTITY: [&str; 4] = ["x-auth-provider", "x-auth-subject", "x-auth-roles", "x-auth-scopes"];
const OVERRIDES: [&str; 5] = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// One request that passed.
pub struct Passed<'a> {
    /// As it came.
    pub sent: &'a [Field],
    /// As it goes upstream.
    pub upstream: &'a [Field],
    /// The server name to which the client's connection proves that it is the member.
    pub member: Option<&'a str>,
    /// All credentials.
    pub credentials: &'a [Credential],
    /// Verified credentials stay.
    pub keeps: bool,
    /// Encoded slashes, empty segments and parameters are the upstream's affair.
    pub lenient: bool,
}

fn all<'f>(fields: &'f [Field], name: &str) -> Vec<&'f [u8]> {
    fields.iter().filter(|(own, _)| own == name.as_bytes()).map(|(_, value)| value.as_slice()).collect()
}

impl Passed<'_> {
    /// # Errors
    /// Why it should not have passed, or not so.
    pub fn judge(&self) -> Result<(), String> {
        self.framing()?;
        let who = self.identity()?;
        for path in self.paths() {
            if !self.opens(&path, who.as_ref()) {
                return Err(format!("nothing opens {:?} to {who:?}", String::from_utf8_lossy(&path)));
            }
        }
        self.leaks(who.as_ref())
    }

    fn framing(&self) -> Result<(), String> {
        let method = all(self.sent, ":method").first().copied().unwrap_or_default();
        let has_other = |name: &str, known: &[&[u8]]| {
            all(self.sent, name).join(&b',').to_ascii_lowercase().split(|b| *b == b',').any(|token| !known.contains(&token.trim_ascii()))
        };
        let is_safe = [&b"GET"[..], b"HEAD", b"OPTIONS", b"TRACE"].contains(&method);
        match () {
            () if all(self.sent, ":authority").len() != 1 || !all(self.sent, "host").is_empty() => Err("not one host".into()),
            () if method == b"CONNECT" || method.iter().any(u8::is_ascii_lowercase) => Err("that method".into()),
            () if has_other("connection", &[b"", b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"]) => {
                Err("connection".into())
            }
            () if has_other("upgrade", &[b"", b"websocket"]) => Err("an upgrade".into()),
            () if !is_safe && !all(self.sent, "early-data").is_empty() => Err("early data".into()),
            () => Ok(()),
        }
    }

    /// Who the upstream is told is calling. Each header has one spelling, stands once, and says what a credential of this very request proves.
    fn identity(&self) -> Result<Option<Proof>, String> {
        for (name, _) in self.upstream {
            if let Some(ours) = IDENTITY.iter().find(|ours| folded(name) == folded(ours.as_bytes()))
                && (name != ours.as_bytes() || all(self.upstream, ours).len() != 1)
            {
                return Err(format!("{ours} in another spelling, or twice"));
            }
        }
        let told = IDENTITY.map(|name| all(self.upstream, name).first().map(|value| String::from_utf8_lossy(value).into_owned()));
        if told.iter().all(Option::is_none) {
            return Ok(None);
        }
        let list = |values: &[&str]| (!values.is_empty()).then(|| values.join(","));
        let says = |proof: &Proof| {
            told == [Some(proof.provider.to_owned()), Some(proof.subject.to_owned()), list(proof.roles), list(proof.scopes)]
        };
        self.proven().find(says).map(Some).ok_or_else(|| format!("nobody proved to be {told:?}"))
    }

    /// What the good credentials prove that stand somewhere in the request, and its connection.
    fn proven(&self) -> impl Iterator<Item = Proof> {
        let stands =
            |text: &str| self.sent.iter().any(|(_, value)| [value, &unescaped(value)].iter().any(|v| holds_word(v, text.as_bytes())));
        let held = self.credentials.iter().filter(move |c| stands(&c.text)).filter_map(|c| c.proves.clone());
        let member = Proof { provider: "members", subject: "member", roles: &[], scopes: &[], tenant: None };
        held.chain(self.is_member().then_some(member))
    }

    /// The server name that the certificate was shown to is the host that is asked for.
    fn is_member(&self) -> bool {
        let host = self.host();
        self.member.is_some_and(|name| !name.is_empty() && host == name)
    }

    fn host(&self) -> String {
        let authority = String::from_utf8_lossy(&all(self.sent, ":authority").concat()).to_ascii_lowercase();
        authority.split(':').next().unwrap_or_default().trim_end_matches('.').to_owned()
    }

    fn paths(&self) -> Vec<Vec<u8>> {
        let target = all(self.sent, ":path").concat();
        if self.lenient { vec![unescaped(target.split(|b| *b == b'?').next().unwrap_or_default())] } else { readings(&target) }
    }

    /// Whether the rule for this path, as one may read it, lets them in who are there. (A template's last slash has to be there.)
    fn opens(&self, path: &[u8], who: Option<&Proof>) -> bool {
        let below = |prefix: &str| path.strip_prefix(prefix.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')));
        let method = all(self.sent, ":method").concat();
        let is = |provider: &str| who.is_some_and(|who| who.provider == provider);
        let tenant = path.strip_prefix(b"/tenants/").and_then(|rest| Some(rest.split_at(rest.iter().position(|b| *b == b'/')?).0));
        match () {
            () if path == b"/healthz" => who.is_none(),
            () if below("/internal") => false,
            () if below("/reports") => {
                is("partners") && who.is_some_and(|who| who.roles.contains(&"reader")) && matches!(&*method, b"GET" | b"HEAD")
            }
            () if below("/tenants") && (tenant.is_some() || self.host() != "open.example") => {
                is("users") && who.and_then(|who| who.tenant).map(str::as_bytes) == tenant
            }
            () if below("/members") => is("members"),
            () if below("/payments") => is("users") && self.is_member(),
            () if below("/maybe") => who.is_none() || is("users"),
            () if below("/any") || self.host() == "open.example" => is("partners") || is("users") || is("machines"),
            () => false,
        }
    }

    /// What no client may tell the upstream, and no credential that wasn't verified.
    fn leaks(&self, who: Option<&Proof>) -> Result<(), String> {
        let is_good = |value: &[u8]| {
            self.keeps && self.credentials.iter().any(|c| c.proves.as_ref() == who && who.is_some() && holds_word(value, c.text.as_bytes()))
        };
        for (name, value) in self.upstream {
            let name = folded(name);
            let place = [&b"authorization"[..], b"x-api-key"].contains(&&*name);
            if OVERRIDES.iter().any(|o| name == o.as_bytes()) || name.starts_with(b"x-internal-") || (place && !is_good(value)) {
                return Err(format!("{} goes upstream", String::from_utf8_lossy(&name)));
            }
        }
        let (cookies, target) = (all(self.upstream, "cookie").join(&b';'), all(self.upstream, ":path").concat());
        match () {
            () if has_cookie(&cookies, "my_session") && !is_good(&cookies) => Err("the cookie goes upstream".into()),
            () if has_parameter(&target, "access_token") && !is_good(&unescaped(&target)) => Err("the parameter goes upstream".into()),
            () => Ok(()),
        }
    }
}
