//! Tables in Markdown.

use crate::rounds::{Results, Turns};
use crate::settings::Settings;
use crate::statistics::median;
use crate::variant::Variant;
use std::fmt::Write;

/// What each path costs, beside what it should cost.
pub(crate) fn paths(settings: &Settings, variants: &[Variant], results: &Results) -> String {
    let mut text = format!(
        "CPU time of one Envoy worker for a request, in microseconds: medians of {} rounds of {} requests over {} connections\n\n\
         | path | CPU | over its floor | of the least | of jwt_authn's | at most / goal | requests/s | p50 us | p99 us |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        settings.rounds, settings.requests, settings.connections
    );
    for variant in variants {
        let turns = &results[variant.name];
        let floor = variant.over.map(|floor| &results[floor]);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {} | {} | {} | {} | {:.0} | {:.0} | {:.0} |",
            variant.title,
            median(&turns.cpu),
            floor.map_or(String::new(), |_| format!("**{:.1}**", turns.cost())),
            floor.map_or(String::new(), |floor| format!("{:.1}", turns.least_over(floor))),
            variant.native.map_or(String::new(), |native| format!("{:.2}", turns.cost() / results[native].cost())),
            goal(variant, turns, results),
            median(&turns.rate),
            median(&turns.p50),
            median(&turns.p99),
        );
    }
    text
}

fn goal(variant: &Variant, turns: &Turns, results: &Results) -> String {
    let Some(goal) = &variant.goal else { return String::new() };
    let cost = |name: &str| results.get(name).map_or(f64::NAN, Turns::cost);
    let (bound, wanted, is) = (goal.bound(cost), goal.goal.micros(cost), turns.cost());
    let verdict = match () {
        () if is <= wanted => "met",
        () if is <= bound => "within",
        () => "**missed**",
    };
    format!("{bound:.1} / {wanted:.1} {verdict}")
}
