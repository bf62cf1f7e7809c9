//! stub
use crate::policy::*; use crate::authenticator::*; use crate::credential::Place; use std::sync::Arc;
#[allow(missing_docs)]
pub fn load(_c: &[u8], _env: &dyn Fn(&str) -> Option<String>) -> Result<(Policy, Vec<String>), Vec<String>> {
    use crate::authenticator::static_secret::*;
    let sha = { use sha2::Digest; let d: [u8;32] = sha2::Sha256::digest("my-secure-token").into(); d };
    let name: Arc<str> = "partners".into();
    let ss = StaticSecret::new(Arc::clone(&name), vec![Secret{sha256: sha, caller: Arc::new(Caller{id:"billing".into(), roles: Some(vec!["reader".into()])}), id: Some("s1".into()), not_before: None, not_after: None}]);
    let from = vec![Place::Header{name:"authorization".into(), scheme: Some("Bearer".into())}];
    let hdr = |n: &str, s| UpstreamHeader{name: n.into(), source: s, of: None, prefix: String::new(), single:false, required:false, percent_encode:false};
    let removal = Removal::new(&["x-auth-subject","x-auth-roles"].map(|n| NamePattern::parse(n).unwrap()), &from);
    let need = Need{provider: ProviderId(0), optional:false, conditions: vec![], any_of: vec![]};
    Ok((Policy{
        providers: vec![Provider{name, kind: Kind::StaticSecret{secrets: ss, from}, upstream: Upstream{keep_credential:false, headers: vec![hdr("x-auth-subject", Source::Subject), hdr("x-auth-roles", Source::Roles)], payload_header: None}}],
        rules: vec![Rule{when: Match::default(), then: Action::Require(Requirement::One(need))}],
        removal, reject: Reject{realm:"api".into(), forbidden:401, status: Default::default(), messages: Default::default(), body: Body::Problem, explain:false, challenge:None, resource_metadata:None},
        paths: Paths::default(), limits: Limits{waiting:1000}, key_sets: Default::default(), names_paths: false,
    }, vec![]))
}
