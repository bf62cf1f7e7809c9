//! A filter that answers requests with what host and module said to the vectors in its configuration (the array of tests/vectors/signatures.json): to all of them, or
//! to those that the path names, as in `/100-200`.
//!
//! A vector's text is in `text`, or in hex in `hex`; its key in `jwk`, or, for HMAC, in hex in `secret`.
//!
//! The answer: `{"offers": ["RS256", ...], "tried_us": 4000, "vectors": [{"name", "alg", "valid", "refused", "host", "module", "raw", "host_us", "module_us"}, ...]}`.
//! `host` is null where the host has no answer, `raw` is the host's own answer for a key that is refused when it is read, and times are microseconds.

#![cfg(target_os = "wasi")]
#![allow(missing_docs, unsafe_code)] // The entry point's macro defines an exported symbol without a comment.

use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use portcullis::envoy::verification::{Host, ask, verify_signature};
use portcullis::keys::{Alg, AlgSet, HmacKey, PublicKey};
use portcullis::signature::{Module, Verify};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use serde_json::{Value, json};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { vectors: Rc::new(vec![]) }));
}}

struct Root {
    vectors: Rc<Vec<Value>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let Ok(Value::Array(vectors)) = portcullis::json::parse(&configuration) else { return false };
        self.vectors = Rc::new(vectors);
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Asked { vectors: Rc::clone(&self.vectors) }))
    }
}

struct Asked {
    vectors: Rc<Vec<Value>>,
}

impl Context for Asked {}

impl HttpContext for Asked {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let start = Instant::now();
        let host = Host::tried();
        let tried = micros(start);
        let offers: Vec<&str> = Alg::ALL.into_iter().filter(|alg| host.offers(*alg)).map(Alg::name).collect();
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let asked = range(&path).and_then(|range| self.vectors.get(range)).unwrap_or(&self.vectors);
        let vectors: Vec<Value> = asked.iter().filter_map(judge).collect();
        let report = json!({"offers": offers, "tried_us": tried, "vectors": vectors}).to_string();
        let _ = hostcalls::send_http_response(200, vec![("content-type", "application/json")], Some(report.as_bytes()));
        Action::Pause
    }
}

fn range(path: &str) -> Option<Range<usize>> {
    let (start, end) = path.strip_prefix('/')?.split_once('-')?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

fn judge(vector: &Value) -> Option<Value> {
    let text = &text(vector)?;
    let alg = Alg::from_name(vector.get("alg")?.as_str()?)?;
    let signature = unhex(vector.get("signature")?.as_str()?)?;
    let mut report = json!({"name": vector.get("name")?, "alg": alg.name(), "valid": vector.get("valid")?});
    if let Some(secret) = vector.get("secret") {
        let key = HmacKey::new(&unhex(secret.as_str()?)?, AlgSet::from([alg]));
        report["module"] = key.verify(alg, text, &signature).into();
        return Some(report);
    }
    match PublicKey::from_jwk(vector.get("jwk")?.as_object()?, AlgSet::from(Alg::ALL)) {
        Ok(key) => {
            let start = Instant::now();
            report["host"] = ask(alg, &key, text, &signature).into();
            report["host_us"] = micros(start);
            let start = Instant::now();
            report["module"] = Module.verify(alg, &key, text, &signature).into();
            report["module_us"] = micros(start);
        }
        Err(why) => {
            report["refused"] = why.into();
            if let Some(spki) = vector.get("spki").and_then(Value::as_str).and_then(unhex) {
                report["raw"] = verify_signature("sha256", &spki, &signature, text).into();
            }
        }
    }
    Some(report)
}

fn text(vector: &Value) -> Option<Vec<u8>> {
    match vector.get("hex") {
        Some(digits) => unhex(digits.as_str()?),
        None => Some(vector.get("text")?.as_str()?.as_bytes().to_vec()),
    }
}

fn micros(start: Instant) -> Value {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX).into()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
