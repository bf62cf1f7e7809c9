//! The report as tables in Markdown.

use crate::calls::TIMES;
use serde_json::Value;
use std::fmt::Write;

/// Those of all parts that were measured.
pub(crate) fn all(report: &Value) -> String {
    let machine = &report["machine"];
    let mut text = format!(
        "{}, {} cores, Linux {}, Envoy {}; portcullis {}, {} bytes; load of the machine before: {}\n",
        word(machine, "cpu"),
        machine["cores"],
        word(machine, "kernel"),
        word(machine, "envoy"),
        word(machine, "revision"),
        machine["module_bytes"],
        word(machine, "load_before"),
    );
    for (part, table) in [
        ("paths", costs as fn(&Value, &str) -> String),
        ("scale", costs),
        ("calls", calls),
        ("throughput", throughput),
        ("memory", memory),
        ("start", start),
    ] {
        if rows(report, part).next().is_some() {
            let _ = write!(text, "\n{}", table(report, part));
        }
    }
    text
}

/// What requests cost, beside what they should cost.
fn costs(report: &Value, part: &str) -> String {
    let settings = &report["settings"];
    let mut text = format!(
        "CPU time of one worker for a request, in microseconds (medians of {} rounds of {} requests over {} connections):\n\n\
         | {part} | all | over its floor | difference of the least | of Envoy's own, uncached | at most / goal | requests/s | p50 us | p99 us |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        settings["rounds"], settings["requests"], settings["connections"]
    );
    for row in rows(report, part) {
        let beside = number(row, "beside_us").map_or(String::new(), |micros| format!(", and {micros:.1} of the server's"));
        let _ = writeln!(
            text,
            "| {}{beside} | {} | {} | {} | {} | {} | {} | {} | {} |",
            word(row, "title"),
            fixed(row, "cpu_us", 1),
            number(row, "cost_us").map_or(String::new(), |micros| format!("**{micros:.1}**")),
            fixed(row, "least_cost_us", 1),
            fixed(row, "of_native", 2),
            goal(row).unwrap_or_default(),
            fixed(row, "requests_per_second", 0),
            fixed(row, "p50_us", 0),
            fixed(row, "p99_us", 0),
        );
    }
    text
}

fn goal(row: &Value) -> Option<String> {
    let (bound, goal, is) = (number(row, "at_most_us")?, number(row, "goal_us")?, number(row, "cost_us")?);
    let verdict = match () {
        () if is <= goal => "met",
        () if is <= bound => "within",
        () => "missed",
    };
    Some(format!("{bound:.1} / {goal:.1} {verdict}"))
}

fn calls(report: &Value, part: &str) -> String {
    let mut text = "What a call of a module to Envoy costs, in microseconds of the worker's CPU time (a tenth of what ten of them do):\n\n\
                    | call | median | difference of the least |\n|---|---:|---:|\n"
        .to_owned();
    for row in rows(report, part).filter(|row| row["cost_us"].is_number()) {
        let one = |member| number(row, member).map_or(String::new(), |micros| format!("{:.2}", micros / f64::from(TIMES)));
        let _ = writeln!(text, "| {} | {} | {} |", word(row, "title"), one("cost_us"), one("least_cost_us"));
    }
    text
}

fn throughput(report: &Value, part: &str) -> String {
    let mut text = "Requests a second, p50 and p99 in microseconds (what sends them takes a core, too):\n\n\
                    | path | workers | connections | requests/s | p50 us | p99 us |\n|---|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for row in rows(report, part) {
        let (workers, connections) = (&row["workers"], &row["connections"]);
        let figures = [fixed(row, "requests_per_second", 0), fixed(row, "p50_us", 0), fixed(row, "p99_us", 0)];
        let _ = writeln!(text, "| {} | {workers} | {connections} | {} |", word(row, "title"), figures.join(" | "));
    }
    text
}

fn memory(report: &Value, part: &str) -> String {
    let mut text = "Memory of Envoy (proportional set size), in MiB:\n\n\
                    | Envoy | requests before | with 1 worker | over no filter | for one more worker |\n|---|---:|---:|---:|---:|\n"
        .to_owned();
    let bytes = |row: &Value, workers: &str| row["bytes_by_workers"][workers].as_f64();
    let mib = |bytes: f64| format!("{:.1}", bytes / f64::from(1 << 20));
    let floor = rows(report, part).find(|row| row["name"] == "bare").and_then(|row| bytes(row, "1"));
    for row in rows(report, part) {
        let (one, two) = (bytes(row, "1"), bytes(row, "2"));
        let difference = |more: Option<f64>, less: Option<f64>| more.zip(less).map_or(String::new(), |(more, less)| mib(more - less));
        let figures = [one.map_or(String::new(), mib), difference(one, floor), difference(two, one)];
        let _ = writeln!(text, "| {} | {} | {} |", word(row, "title"), row["requests"], figures.join(" | "));
    }
    text
}

fn start(report: &Value, part: &str) -> String {
    let mut text = "From Envoy's start to the first 200, in milliseconds:\n\n| Envoy | median | least |\n|---|---:|---:|\n".to_owned();
    for row in rows(report, part) {
        let _ = writeln!(text, "| {} | {} | {} |", word(row, "title"), fixed(row, "median_ms", 0), fixed(row, "least_ms", 0));
    }
    text
}

pub(crate) fn rows<'a>(report: &'a Value, part: &str) -> impl Iterator<Item = &'a Value> {
    report[part].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

pub(crate) fn number(row: &Value, member: &str) -> Option<f64> {
    row[member].as_f64()
}

pub(crate) fn word<'a>(row: &'a Value, member: &str) -> &'a str {
    row[member].as_str().unwrap_or_default()
}

fn fixed(row: &Value, member: &str, decimals: usize) -> String {
    number(row, member).map_or(String::new(), |value| format!("{value:.decimals$}"))
}
