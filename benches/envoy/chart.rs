//! The report as a chart: what each path costs over its floor, this filter's bars beside those of Envoy's own. It has a dark form, too.

use crate::table::{number, rows, word};
use serde_json::Value;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
/// Where bars begin, and the longest they can be.
const LEFT: f64 = 330.0;
const LONGEST: f64 = 440.0;
const ROW: f64 = 22.0;
const TOP: f64 = 58.0;
/// Longer bars are cut off here and say so: otherwise nothing could be seen of the short ones.
const MOST: f64 = 100.0;

/// An SVG document.
pub(crate) fn draw(report: &Value) -> String {
    let bars: Vec<&Value> = rows(report, "paths").filter(|row| row["cost_us"].is_number()).collect();
    let longest = bars.iter().filter_map(|row| number(row, "cost_us")).fold(1.0, f64::max).min(MOST);
    #[allow(clippy::cast_precision_loss, reason = "some dozens")]
    let height = TOP + ROW * bars.len() as f64 + 14.0;
    let machine = &report["machine"];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>CPU time of an Envoy worker for a request, over a bare listener</title>\n\
         <style>\n\
         text {{ fill: #1f2328 }} .quiet {{ fill: #59636e }} .portcullis {{ fill: #0969da }} .native {{ fill: #9a6700 }} .other {{ fill: #818b98 }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #f0f6fc }} .quiet {{ fill: #9198a1 }} .portcullis {{ fill: #4493f8 }} .native {{ fill: #d29922 }} .other {{ fill: #656c76 }}\n\
         }}\n\
         </style>\n\
         <text x=\"10\" y=\"22\" font-size=\"15\" font-weight=\"600\">CPU time of an Envoy worker for a request, over a bare listener (microseconds)</text>\n\
         <text x=\"10\" y=\"42\" class=\"quiet\">{}, Envoy {}; medians</text>\n",
        escaped(word(machine, "cpu")),
        escaped(word(machine, "envoy")),
    );
    let mut y = TOP;
    for row in bars {
        let (name, cost) = (word(row, "name"), number(row, "cost_us").unwrap_or_default());
        let class = match name {
            _ if word(row, "title").starts_with("portcullis") => "portcullis",
            "empty" | "guard" => "other",
            _ => "native",
        };
        let length = (cost.clamp(0.0, longest) / longest * LONGEST).max(1.0);
        let (middle, end) = (y + 15.0, LEFT + length + 6.0);
        let cut = if cost > longest { " (cut off)" } else { "" };
        let ratio = number(row, "of_native").map_or(String::new(), |ratio| format!(", {ratio:.2} of Envoy's own"));
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{middle:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT:.0}\" y=\"{:.0}\" width=\"{length:.1}\" height=\"16\" rx=\"2\" class=\"{class}\"/>\
             <text x=\"{end:.0}\" y=\"{middle:.0}\">{cost:.1}<tspan class=\"quiet\">{cut}{ratio}</tspan></text>",
            LEFT - 8.0,
            escaped(word(row, "title")),
            y + 3.0,
        );
        y += ROW;
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('`', "")
}
