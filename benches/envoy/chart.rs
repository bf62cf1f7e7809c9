//! The report as a chart: what each path costs over its floor, this filter's bar above those of Envoy's own. It has a dark form, too.

use crate::table::{number, rows, word};
use serde_json::Value;
use std::fmt::Write;

/// What stands together, by the names of variants, each with what its bar is called.
const GROUPS: [(&str, &[(&str, &str)]); 14] = [
    ("a Wasm filter that does nothing", &[("empty", "")]),
    ("RS256, seen before", &[("rs256-seen", OURS), ("jwt_authn-rs256-cached", "jwt_authn with a cache")]),
    ("RS256, never seen", &[("rs256", OURS), ("jwt_authn-rs256", "jwt_authn")]),
    ("ES256, seen before", &[("es256-seen", OURS), ("jwt_authn-es256-cached", "jwt_authn with a cache")]),
    ("ES256, never seen", &[("es256", OURS), ("jwt_authn-es256", "jwt_authn")]),
    ("HS256, seen before", &[("hs256-seen", OURS), ("jwt_authn-hs256-cached", "jwt_authn with a cache")]),
    ("HS256, never seen", &[("hs256", OURS), ("jwt_authn-hs256", "jwt_authn"), ("lua-hs256", "Lua")]),
    ("EdDSA, never seen", &[("eddsa", OURS), ("jwt_authn-eddsa", "jwt_authn")]),
    ("PS256, never seen", &[("ps256", OURS), ("jwt_authn-ps256", "jwt_authn")]),
    ("static secret", &[("static", OURS), ("api_key_auth", "api_key_auth")]),
    ("role in the client certificate", &[("certificate", OURS)]),
    ("no credential: rejected", &[("rejected", OURS), ("jwt_authn-rejected", "jwt_authn")]),
    ("the guard behind this filter", &[("guard", "RBAC")]),
    ("a server that is asked and says yes", &[("ext_authz", "ext_authz, without the server's own")]),
];
const OURS: &str = "portcullis";

const WIDTH: f64 = 860.0;
/// Where bars begin, and the longest they can be.
const LEFT: f64 = 250.0;
const LONGEST: f64 = 370.0;
const BAR: f64 = 17.0;
const GAP: f64 = 9.0;
const TOP: f64 = 60.0;
/// Longer bars are cut off here and say so: otherwise nothing could be seen of the short ones.
const MOST: f64 = 120.0;

/// An SVG document.
pub(crate) fn draw(report: &Value) -> String {
    let cost = |name: &str| rows(report, "paths").find(|row| row["name"] == *name).and_then(|row| number(row, "cost_us"));
    let longest = GROUPS.iter().flat_map(|(_, bars)| bars.iter()).filter_map(|(name, _)| cost(name)).fold(1.0, f64::max).min(MOST);
    let (mut bars, mut y) = (String::new(), TOP);
    for (title, group) in GROUPS {
        let present: Vec<(&str, f64)> = group.iter().filter_map(|(name, called)| Some((*called, cost(name)?))).collect();
        if present.is_empty() {
            continue;
        }
        let _ = writeln!(bars, r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{title}</text>"#, LEFT - 8.0, y + 13.0);
        for (called, cost) in present {
            bar(&mut bars, y, cost, longest, called);
            y += BAR;
        }
        y += GAP;
    }
    let machine = &report["machine"];
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>CPU time of an Envoy worker for a request, over a bare listener</title>
<style>
text {{ fill: #1f2328 }} .quiet {{ fill: #59636e }} .portcullis {{ fill: #0969da }} .other {{ fill: #9a6700 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #f0f6fc }} .quiet {{ fill: #9198a1 }} .portcullis {{ fill: #4493f8 }} .other {{ fill: #d29922 }}
}}
</style>
<text x="10" y="22" font-size="15" font-weight="600">CPU time of an Envoy worker for a request, in microseconds over a bare listener</text>
<text x="10" y="42" class="quiet">{} ({} cores), Envoy {}, medians</text>
{bars}</svg>
"#,
        escaped(word(machine, "cpu")),
        machine["cores"],
        escaped(word(machine, "envoy")),
    )
}

fn bar(svg: &mut String, y: f64, cost: f64, longest: f64, called: &str) {
    let length = (cost.clamp(0.0, longest) / longest * LONGEST).max(1.0);
    let class = if called == OURS { "portcullis" } else { "other" };
    let cut = if cost > longest { " (cut off)" } else { "" };
    let _ = writeln!(
        svg,
        r#"<rect x="{LEFT:.0}" y="{:.0}" width="{length:.1}" height="{:.0}" rx="2" class="{class}"/><text x="{:.0}" y="{:.0}">{cost:.1} <tspan class="quiet">{called}{cut}</tspan></text>"#,
        y + 1.0,
        BAR - 2.0,
        LEFT + length + 6.0,
        y + 13.0,
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
