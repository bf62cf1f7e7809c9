//! All that was measured, as JSON: tables and chart are drawn from it.

use crate::Failure;
use crate::chart;
use crate::rounds::{Results, Turns};
use crate::settings::Settings;
use crate::statistics::median;
use crate::table;
use crate::variant::Variant;
use serde_json::{Value, json};
use std::fs;

/// One row for each variant, with the figures of every round.
pub(crate) fn rows(variants: &[Variant], results: &Results) -> Vec<Value> {
    let cost = |name: &str| results.get(name).map_or(f64::NAN, Turns::cost);
    let row = |variant: &Variant| {
        let turns = &results[variant.name];
        let mut row = json!({
            "name": variant.name, "title": variant.title,
            "cpu_us": median(&turns.cpu),
            "requests_per_second": median(&turns.rate), "p50_us": median(&turns.p50), "p99_us": median(&turns.p99),
            "rounds": {"cpu_us": turns.cpu, "requests_per_second": turns.rate, "p50_us": turns.p50, "p99_us": turns.p99}
        });
        if let Some(floor) = variant.over {
            row["over"] = json!(floor);
            row["cost_us"] = json!(turns.cost());
            row["least_cost_us"] = json!(turns.least_over(&results[floor]));
        }
        if let Some(native) = variant.native {
            row["native"] = json!(native);
            row["of_native"] = json!(turns.cost() / cost(native));
        }
        if let Some(goal) = &variant.goal {
            row["at_most_us"] = json!(goal.bound(cost));
            row["goal_us"] = json!(goal.goal.micros(cost));
        }
        if !turns.beside.is_empty() {
            row["beside_us"] = json!(median(&turns.beside));
            row["rounds"]["beside_us"] = json!(turns.beside);
        }
        row
    };
    variants.iter().map(row).collect()
}

/// Prints the tables, and leaves them, the chart and the figures in the folder for reports.
pub(crate) fn publish(settings: &Settings, report: &Value) -> Result<(), Failure> {
    let tables = table::all(report);
    println!("{tables}");
    fs::create_dir_all(&settings.folder)?;
    let mut files = vec![("envoy.md", tables), ("envoy.json", to_text(report)?)];
    if report["paths"].as_array().is_some_and(|paths| !paths.is_empty()) {
        files.push(("envoy.svg", chart::draw(report)));
    }
    for (name, text) in files {
        fs::write(settings.folder.join(name), text)?;
    }
    eprintln!("envoy.md, envoy.json and envoy.svg are in {}", settings.folder.display());
    Ok(())
}

/// A line for each row: what a diff shows is what has changed.
fn to_text(report: &Value) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for (name, part) in rounded(report).as_object().into_iter().flatten() {
        let text = match part {
            Value::Array(rows) => {
                let rows: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
                format!("[\n    {}\n  ]", rows.join(",\n    "))
            }
            other => serde_json::to_string(other)?,
        };
        parts.push(format!("  {}: {text}", serde_json::to_string(name)?));
    }
    Ok(format!("{{\n{}\n}}\n", parts.join(",\n")))
}

/// Three decimals tell all that there is to know of a microsecond.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => json!((number.as_f64().unwrap_or_default() * 1e3).round() / 1e3),
        Value::Array(values) => values.iter().map(rounded).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), rounded(member))).collect(),
        other => other.clone(),
    }
}
