//! What each call that a module makes to Envoy costs.

use crate::Failure;
use crate::settings::Settings;
use crate::tokens::tokens;
use crate::variant::{Traffic, Variant};
use crate::variants::{calling, choose};
use portcullis_harness::{Algorithm, Configuration, Key};

/// The ABI's names, with what is special. tests/empty makes each of them ten times for a request.
const CALLS: [&str; 12] = [
    "get_header_map_pairs",
    "get_header_map_value",
    "get_header_map_value_absent",
    "replace_header_map_value",
    "add_header_map_value",
    "remove_header_map_value_absent",
    "get_property",
    "get_property_absent",
    "set_property",
    "increment_metric",
    "get_current_time",
    "get_shared_data_absent",
];
/// How often.
pub(crate) const TIMES: u32 = 10;

/// Those that `ONLY` names, over a module that makes no calls.
pub(crate) fn chosen(settings: &Settings) -> Result<Vec<Variant>, Failure> {
    let traffic = Traffic::bearer(&tokens(&Key::fixed(Algorithm::RS256, 1), 0, 1)[0]);
    let none = Variant::new("call-none", "no call", vec![calling("call-none", Configuration::Absent)], traffic.clone()).floor();
    let calls = CALLS.into_iter().map(|call| {
        let name: &'static str = format!("call-{call}").leak();
        let filter = calling(name, Configuration::Text(call.to_owned()));
        Variant::new(name, call, vec![filter], traffic.clone()).over("call-none")
    });
    choose([none].into_iter().chain(calls).collect(), settings)
}
