//! What is kept of a token once it was verified: no more than anything looks at later. Claims take most of the memory of a token that is remembered.

use crate::authenticator::jwt::Kept;
use crate::policy::{Action, Kind, Provider, Revoked, Rule, Source, Subject};

/// Tells each provider of tokens.
pub(super) fn keep(providers: &mut [Provider], rules: &[Rule], revoked: &Revoked) {
    let claims = looked_at(providers, rules, revoked);
    for provider in providers {
        if let Kind::Jwt { jwt, .. } = &mut provider.kind {
            jwt.kept = Kept { payload: provider.upstream.payload_header.is_some(), claims: Some(claims.clone()) };
        }
    }
}

/// By the names of their outermost members, whichever provider's they are.
fn looked_at(providers: &[Provider], rules: &[Rule], revoked: &Revoked) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: Option<&str>| {
        if let Some(name) = name
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    };
    for rule in rules {
        let Action::Require(demand) = &rule.then else { continue };
        for need in demand.requirement().needs() {
            for condition in need.conditions.iter().chain(need.any_of.iter().flatten()) {
                match &condition.subject {
                    Subject::Audiences => add(Some("aud")),
                    Subject::Claim(path) => add(path.first().map(String::as_str)),
                    Subject::Roles | Subject::Scopes | Subject::Attribute(_) => {}
                }
            }
        }
    }
    for header in providers.iter().flat_map(|provider| &provider.upstream.headers) {
        if let Source::Claim(path) = &header.source {
            add(path.first().map(String::as_str));
        }
    }
    // Revocation looks there on each use; and so does a provider that would leave a token to another one.
    let tokens = || providers.iter().filter_map(|provider| if let Kind::Jwt { jwt, .. } = &provider.kind { Some(jwt) } else { None });
    // A stream that is open now may be revoked by a policy to come.
    add((!revoked.jti.is_empty() || tokens().any(|jwt| jwt.ends_streams)).then_some("jti"));
    add((tokens().count() > 1).then_some("iss"));
    names
}
