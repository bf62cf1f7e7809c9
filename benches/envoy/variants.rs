//! The variants, and what each is compared with.

use crate::Failure;
use crate::ext_authz;
use crate::filters::{api_key_auth, ext_authz, jwt_authn, lua};
use crate::goal::{Goal, Limit};
use crate::policy;
use crate::settings::Settings;
use crate::tokens::tokens;
use crate::variant::{Helper, Traffic, Variant};
use portcullis_harness::{Algorithm, Configuration, Key, Plugin, built_wasm, guard};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Of the slow ones, a turn has this part of the requests.
const SLOW: usize = 8;

/// Those that `ONLY` names, with those that they are compared with.
pub(crate) fn chosen(settings: &Settings) -> Result<Vec<Variant>, Failure> {
    let mut chosen = choose(all()?, settings)?;
    mint(&mut chosen, settings);
    Ok(chosen)
}

/// Those of these names, without what they are compared with.
pub(crate) fn of_names(names: &[&str]) -> Result<Vec<Variant>, Failure> {
    let mut named: Vec<Variant> = all()?.into_iter().filter(|variant| names.contains(&variant.name)).collect();
    for variant in &mut named {
        // The one token that such a list has before it is made.
        if let Traffic::Each(tokens) = &variant.traffic {
            variant.traffic = Traffic::bearer(&tokens[0]);
        }
    }
    Ok(named)
}

/// Those of a list that `ONLY` names, with those that they are compared with.
pub(crate) fn choose(all: Vec<Variant>, settings: &Settings) -> Result<Vec<Variant>, Failure> {
    let mut wanted: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = all.iter().map(|variant| variant.name).filter(|name| settings.is_wanted(name)).collect();
    while let Some(name) = open.pop() {
        let variant = all.iter().find(|variant| variant.name == name).ok_or_else(|| format!("no variant {name}"))?;
        if wanted.insert(name) {
            open.extend(variant.over.into_iter().chain(variant.native));
            open.extend(variant.goal.iter().flat_map(Goal::needs));
        }
    }
    Ok(all.into_iter().filter(|variant| wanted.contains(variant.name)).collect())
}

fn key(algorithm: Algorithm) -> Key {
    Key::fixed(algorithm, 1)
}

/// All of them. A list of tokens has one token only: [`mint`] makes the others for those that are chosen.
fn all() -> Result<Vec<Variant>, Failure> {
    use Limit::{Above, Micros, Times};
    let seen = |algorithm| Traffic::bearer(&tokens(&key(algorithm), 0, 1)[0]);
    let secret = Traffic::bearer(&policy::secret(0));
    let mut all = vec![
        Variant::new("bare", "bare listener", vec![], seen(Algorithm::RS256)).floor(),
        Variant::new("short", "bare listener, short or no credential", vec![], secret.clone()).floor(),
        Variant::new("mutual", "bare listener, mutual TLS", vec![], Traffic::bare()).mutual().floor(),
        Variant::new("empty", "an empty Wasm filter", vec![empty()], seen(Algorithm::RS256)),
        Variant::new(
            "calls",
            "the calls for a token seen before, by an otherwise empty filter",
            vec![calling("calls", Configuration::Text("seen".to_owned()))],
            seen(Algorithm::RS256),
        ),
        ours("anyone", "portcullis, `allow: anyone`", policy::anyone(), secret.clone()).over("short"),
        ours("static", "portcullis, static secret", policy::static_secrets(1), secret.clone())
            .over("short")
            .native("api_key_auth")
            .goal(Goal::new([Micros(9.0)], Micros(7.0))),
        ours("rejected", "portcullis, no credential: rejected", policy::jwt_by_set(&[key(Algorithm::RS256)]), Traffic::bare())
            .over("short")
            .status(401)
            .native("jwt_authn-rejected")
            .goal(Goal::new([Above(8.0, "jwt_authn-rejected")], Above(4.0, "jwt_authn-rejected"))),
        ours("certificate", "portcullis, role in the client certificate", policy::client_certificate(), Traffic::bare())
            .mutual()
            .over("mutual")
            .goal(Goal::new([Micros(12.0)], Micros(10.0))),
        guarded("guard", "the guard alone (RBAC)", secret.clone()).over("static"),
    ];
    let uncached = "jwt_authn-rs256";
    for (algorithm, names, goals) in [
        (
            Algorithm::RS256,
            ["rs256-seen", "rs256", "jwt_authn-rs256-cached", "jwt_authn-rs256"],
            [
                Some(Goal::new([Micros(10.0), Times(0.3, uncached)], Micros(8.0))),
                Some(Goal::new([Times(1.2, uncached)], Times(1.0, uncached))),
            ],
        ),
        (
            Algorithm::ES256,
            ["es256-seen", "es256", "jwt_authn-es256-cached", "jwt_authn-es256"],
            [
                Some(Goal::new([Micros(10.0), Times(0.3, uncached)], Micros(8.0))),
                Some(Goal::new([Times(1.15, "jwt_authn-es256")], Times(1.0, "jwt_authn-es256"))),
            ],
        ),
        (
            Algorithm::HS256,
            ["hs256-seen", "hs256", "jwt_authn-hs256-cached", "jwt_authn-hs256"],
            [None, Some(Goal::new([Times(1.3, "jwt_authn-hs256")], Times(1.0, "jwt_authn-hs256")))],
        ),
        (Algorithm::PS256, ["ps256-seen", "ps256", "", "jwt_authn-ps256"], [None, Some(Goal::new([Micros(600.0)], Micros(300.0)))]),
        (Algorithm::EdDSA, ["eddsa-seen", "eddsa", "", "jwt_authn-eddsa"], [None, Some(Goal::new([Micros(120.0)], Micros(120.0)))]),
    ] {
        all.extend(by_token(algorithm, names, goals));
    }
    let silent = policy::silent(policy::jwt_by_set(&[key(Algorithm::RS256)]));
    all.push(ours("rs256-seen-silent", "portcullis, RS256 seen before, `headers: {}`", silent, seen(Algorithm::RS256)).native(uncached));
    all.push(
        Variant::new(
            "jwt_authn-rejected",
            "jwt_authn, no credential: rejected",
            vec![jwt_authn(&[key(Algorithm::RS256)], false)],
            Traffic::bare(),
        )
        .over("short")
        .status(401),
    );
    all.push(Variant::new("api_key_auth", "api_key_auth", vec![api_key_auth([policy::secret(0)])], secret).over("short"));
    all.push(Variant::new("lua-hs256", "Lua, HS256", vec![lua(&key(Algorithm::HS256))], seen(Algorithm::HS256)).slow(SLOW));
    let helper = Helper { cluster: "authz", address: ext_authz::start()?, thread: ext_authz::THREAD };
    let title = "ext_authz, a server that says yes";
    all.push(Variant::new("ext_authz", title, vec![ext_authz(helper.cluster)], seen(Algorithm::RS256)).helper(helper));
    Ok(all)
}

/// This filter and `jwt_authn`, each with tokens that it has seen and with tokens that it hasn't.
fn by_token(algorithm: Algorithm, names: [&'static str; 4], goals: [Option<Goal>; 2]) -> Vec<Variant> {
    let [seen, new, native_seen, native_new] = names;
    let key = key(algorithm);
    let policy = if algorithm == Algorithm::HS256 { policy::jwt_by_secret(&key) } else { policy::jwt_by_set(std::slice::from_ref(&key)) };
    let token = tokens(&key, 0, 1);
    let (once, each) = (Traffic::bearer(&token[0]), Traffic::Each(Arc::new(token)));
    let title = |whose: &str, which: &str| -> &'static str { format!("{whose}, {algorithm} {which}").leak() };
    let is_slow = matches!(algorithm, Algorithm::PS256 | Algorithm::EdDSA);
    let native_filter = |has_cache| vec![jwt_authn(std::slice::from_ref(&key), has_cache)];
    let [seen_goal, new_goal] = goals;
    let mut ours_seen = ours(seen, title("portcullis", "seen before"), policy.clone(), once.clone());
    ours_seen.goal = seen_goal;
    ours_seen.native = Some(native_new);
    let mut ours_new = ours(new, title("portcullis", "never seen"), policy, each.clone()).native(native_new);
    ours_new.goal = new_goal;
    let slow = if is_slow { SLOW } else { 1 };
    let native_new = Variant::new(native_new, title("jwt_authn", "without cache"), native_filter(false), each).slow(slow);
    let mut variants = vec![ours_seen, ours_new.slow(slow), native_new];
    if !native_seen.is_empty() {
        variants.push(Variant::new(native_seen, title("jwt_authn", "in its cache"), native_filter(true), once));
    }
    variants
}

pub(crate) fn ours(name: &'static str, title: &'static str, policy: Value, traffic: Traffic) -> Variant {
    Variant::new(name, title, vec![policy::plugin(name, policy).filter()], traffic)
}

fn guarded(name: &'static str, title: &'static str, traffic: Traffic) -> Variant {
    let plugin = policy::plugin(name, policy::static_secrets(1)).filter();
    Variant::new(name, title, vec![plugin, guard("allow")], traffic)
}

/// The module that does nothing.
pub(crate) fn empty() -> Value {
    calling("empty", Configuration::Absent)
}

/// The same module, with a host call to make.
pub(crate) fn calling(name: &str, call: Configuration) -> Value {
    Plugin::new(call).name(name).wasm(built_wasm("portcullis_empty")).filter()
}

/// Gives those who want another token each time a list that is long enough; variants of one algorithm share it.
fn mint(variants: &mut [Variant], settings: &Settings) {
    let mut lists: Vec<(Algorithm, Arc<Vec<String>>)> = Vec::new();
    for variant in variants {
        let Traffic::Each(sample) = &variant.traffic else { continue };
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| variant.name.ends_with(&algorithm.name().to_lowercase()));
        let Some(algorithm) = algorithm else { continue };
        if let Some((_, list)) = lists.iter().find(|(known, _)| *known == algorithm) {
            variant.traffic = Traffic::Each(Arc::clone(list));
            continue;
        }
        let count = settings.warm_up(variant) + settings.rounds * settings.turn(variant);
        eprintln!("signing {count} tokens of {} bytes by {algorithm}", sample[0].len());
        let list = Arc::new(tokens(&key(algorithm), 1, count));
        variant.traffic = Traffic::Each(Arc::clone(&list));
        lists.push((algorithm, list));
    }
}
