//! What frameworks, and servers behind other proxies, take for another method, path or host than the request's: where rules look at these, no client may
//! send them.

use crate::policy::NamePattern;

/// For another method or path.
const REQUEST: [&str; 31] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-forwarded-method",
    "x-request-method",
    "x-tunneled-method",
    "x-original-url",
    "x-original-uri",
    "x-original-path",
    "x-original-prefix",
    "x-rewrite-url",
    "x-rewrite-path",
    "x-replaced-path",
    "x-override-url",
    "x-http-path-override",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-forwarded-path",
    "x-request-uri",
    "request-uri",
    "path-info",
    "path-translated",
    "script-name",
    "x-script-name",
    "x-waws-unencoded-url",
    "x-matched-path",
    "x-invoke-path",
    "x-invoke-query",
    "x-middleware-rewrite",
    "x-middleware-subrequest",
];

/// For another host. `Forwarded` (RFC 7239) may name one, too.
const HOST: [&str; 17] = [
    "x-forwarded-host",
    "x-forwarded-hostname",
    "x-forwarded-original-host",
    "x-forwarded-authority",
    "x-forwarded-server",
    "x-host",
    "x-host-override",
    "x-real-host",
    "x-original-host",
    "x-original-hostname",
    "x-original-authority",
    "x-http-host-override",
    "x-waws-host",
    "disguised-host",
    "fastly-orig-host",
    "proxy-host",
    "forwarded",
];

/// All of them.
pub(super) const ALL: [&[&str]; 2] = [&REQUEST, &HOST];

/// The names to remove where rules look at methods or paths, and where hosts decide.
pub(super) fn names(request: bool, host: bool) -> Vec<NamePattern> {
    let (request, host) = (request.then_some(&REQUEST[..]), host.then_some(&HOST[..]));
    request.into_iter().chain(host).flatten().map(|name| NamePattern::Exact((*name).to_owned())).collect()
}
