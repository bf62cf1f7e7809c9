//! What the module wants of its host, held against what Envoy offers: a list that is kept by hand (`imports.txt`), and that both the newest Envoy and the
//! oldest that is supported are held against, too.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use portcullis_harness::{Bootstrap, EnvoyBinary, Launch, Plugin, portcullis_wasm};
use serde_json::json;
use std::fs;
use wasmparser::{CompositeInnerType, Parser, Payload, TypeRef, ValType};

/// An import, as it stands in the list: `module.name i32 i64 -> i32`, blanks counting once.
type Import = String;

fn offered() -> Vec<Import> {
    let lines = include_str!("imports.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What a module imports.
fn imports(module: &[u8]) -> Vec<Import> {
    let (mut types, mut imports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.expect("a wasm module") {
            Payload::TypeSection(groups) => {
                for group in groups {
                    types.extend(group.expect("a type").into_types().map(|of| match of.composite_type.inner {
                        CompositeInnerType::Func(function) => signature(function.params(), function.results()),
                        other => format!("{other:?}"),
                    }));
                }
            }
            Payload::ImportSection(all) => {
                for import in all.into_imports() {
                    let import = import.expect("an import");
                    let kind = match import.ty {
                        TypeRef::Func(index) => types.get(index as usize).cloned().unwrap_or_default(),
                        other => format!("{other:?}"),
                    };
                    imports.push(format!("{}.{} {kind}", import.module, import.name));
                }
            }
            _ => {}
        }
    }
    imports
}

fn signature(parameters: &[ValType], results: &[ValType]) -> String {
    let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
    let results: Vec<String> = results.iter().map(ToString::to_string).collect();
    let words = [parameters, vec!["->".to_owned()], results];
    words.concat().join(" ")
}

/// What of it isn't on the list.
fn beyond(module: &[u8], offered: &[Import]) -> Vec<Import> {
    imports(module).into_iter().filter(|import| !offered.contains(import)).collect()
}

#[test]
fn the_module_imports_what_envoy_offers_and_no_more() {
    let module = fs::read(portcullis_wasm()).expect("the module is built");
    assert!(imports(&module).len() > 10, "{:?}", imports(&module));
    assert_eq!(beyond(&module, &offered()), Vec::<Import>::new());
}

#[test]
fn what_is_beyond_is_found() {
    let offered = offered();
    assert_eq!(imports(&module_with(&offered)), offered);
    for (import, found) in [
        ("env.proxy_log i32 i32 i32 -> i32", false),
        ("env.proxy_log i32 i32 -> i32", true),
        ("env.proxy_log i32 i32 i64 -> i32", true),
        ("env.proxy_new_function i32 -> i32", true),
        ("wasi_snapshot_preview1.proxy_log i32 i32 i32 -> i32", true),
        ("wasi_snapshot_preview1.path_open i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32", true),
    ] {
        assert_eq!(!beyond(&module_with(&[import.to_owned()]), &offered).is_empty(), found, "{import}");
    }
}

/// Envoy links every import when it loads a module, by name and type.
#[test]
fn both_envoys_offer_what_the_list_says() {
    let newest = EnvoyBinary::find().unwrap_or_else(|why| panic!("{why}"));
    let oldest = EnvoyBinary::version("1.37").unwrap_or_else(|why| panic!("{why}"));
    for (version, binary) in [("1.40", newest), ("1.37", oldest)] {
        let loads = |imports: &[Import]| {
            let launch = Launch::new("").binary(binary.clone());
            let file = launch.directory().join("module.wasm");
            fs::write(&file, module_with(imports)).expect("the folder can be written to");
            let plugin = Plugin::new(json!({"any": "thing"})).wasm(file).failure_policy("FAIL_CLOSED");
            let bootstrap = Bootstrap::new().plugin(plugin).cluster("upstream", ([127, 0, 0, 1], 9).into());
            launch.bootstrap(bootstrap.text()).validate()
        };
        let mut list = offered();
        let (approves, log) = loads(&list);
        assert!(approves, "Envoy {version} doesn't offer all of the list:\n{log}");
        let (approves, log) = loads(&["env.proxy_log i32 i32 -> i32".to_owned()]);
        assert!(!approves && log.contains("import"), "Envoy {version} takes another type:\n{log}");
        list.push("env.proxy_new_function i32 -> i32".to_owned());
        let (approves, log) = loads(&list);
        assert!(!approves && log.contains("proxy_new_function"), "Envoy {version} takes what nobody has heard of:\n{log}");
    }
}

/// A module that imports these and does nothing: <https://webassembly.github.io/spec/core/binary/modules.html>.
fn module_with(imports: &[Import]) -> Vec<u8> {
    let section = |id: u8, entries: &[Vec<u8>]| [vec![id], counted(&[counted_entries(entries)].concat())].concat();
    // Of the two functions that it has itself: nothing to nothing, and an address for any size.
    let mut types = vec![function("->"), function("i32 -> i32")];
    let mut imported = Vec::new();
    for import in imports {
        let (name, kind) = import.split_once(' ').expect("a name and a type");
        let (module, name) = name.split_once('.').expect("a module and a name");
        imported.push([counted(module.as_bytes()), counted(name.as_bytes()), vec![0], number(types.len())].concat());
        types.push(function(kind));
    }
    let first = imports.len();
    let exports = [("proxy_abi_version_0_2_1", 0, first), ("proxy_on_memory_allocate", 0, first + 1), ("memory", 2, 0)];
    let exports = exports.map(|(name, kind, index)| [counted(name.as_bytes()), vec![kind], number(index)].concat());
    let nothing = counted(&[0, 0x0b]);
    let address = counted(&[0, 0x41, 0x10, 0x0b]);
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(2, &imported),
        section(3, &[vec![0], vec![1]]),
        section(5, &[vec![0, 1]]),
        section(7, &exports),
        section(10, &[nothing, address]),
    ]
    .concat()
}

fn function(kind: &str) -> Vec<u8> {
    let (parameters, results) = kind.split_once("->").expect("an arrow");
    let types = |list: &str| {
        let types: Vec<u8> = list.split_whitespace().map(|name| if name == "i64" { 0x7e } else { 0x7f }).collect();
        counted(&types)
    };
    [vec![0x60], types(parameters), types(results)].concat()
}

fn counted_entries(entries: &[Vec<u8>]) -> Vec<u8> {
    [number(entries.len()), entries.concat()].concat()
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [number(bytes.len()), bytes.to_vec()].concat()
}

/// LEB128.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
