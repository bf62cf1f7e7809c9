//! Headers and trailers that only the filter may write.

use crate::house::{CERTIFICATE, House, house, learned_by_answer, mallory, mallorys};
use portcullis_harness::{Connection, Request};

/// All that is set, removed, or read as a credential.
const NAMES: [&str; 13] = [
    "x-who",
    "x-by",
    "x-may-do",
    "x-mail",
    "x-vouched",
    "x-jwt-payload",
    "x-internal",
    "x-ep-user-id",
    "x-forwarded-client-cert",
    CERTIFICATE,
    "x-amzn-mtls-clientcert-leaf",
    "x-amzn-mtls-clientcert-subject",
    "authorization",
];

/// Mallory's idea of somebody else, once and more often.
const VALUES: [&[&str]; 7] = [
    &["operator"],
    &[""],
    &["operator", "operator"],
    &["operator", "root"],
    &["", "operator"],
    &["operator,root"],
    &["mallory", "operator", ""],
];

/// Connections that stay open, of both kinds.
fn connections(house: &House) -> [(bool, Connection); 2] {
    [(false, house.stage.client()), (true, house.stage.client().http2())]
        .map(|(http2, client)| (http2, client.connect().expect("a connection")))
}

/// Other ways to write a name that CGI reads as the same; in upper case only where HTTP/1.1 carries it.
fn spellings(name: &str, http2: bool) -> Vec<String> {
    let mut all: Vec<String> =
        ["-", "_", ".", "~", "!", "'", "+", "|", "^", "`", "$", "%", "&", "*", "#"].iter().map(|by| name.replace('-', by)).collect();
    all.push(name.replacen('-', "_", 1));
    if !http2 {
        all.extend([
            name.to_uppercase(),
            name.replace('-', "_").to_uppercase(),
            name.split('-').map(capital).collect::<Vec<_>>().join("-"),
        ]);
    }
    all.sort();
    all.dedup();
    all
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// Every name in every spelling and number, in headers and in trailers, over both versions of HTTP; where mallory is known, where anybody may come, and
/// where she shows nothing.
#[test]
fn nobody_but_the_filter_writes_an_annotated_header() {
    let house = house();
    let mut wrong = Vec::new();
    for (http2, mut connection) in connections(house) {
        for name in NAMES {
            for (number, spelling) in spellings(name, http2).into_iter().enumerate() {
                // All that can be said by its own name and by the likeliest other; one thing by each of the rest.
                let is_likely = spelling == name || spelling == name.replace('-', "_");
                for (index, values) in VALUES.iter().enumerate().filter(|(index, _)| is_likely || *index == number % VALUES.len()) {
                    let as_headers = |request: Request| values.iter().fold(request, |request, value| request.header(&spelling, value));
                    let as_trailers =
                        |request: Request| values.iter().fold(request.body("x"), |request, value| request.trailer(&spelling, value));
                    // Her own, and for anyone by turns: they remove the same.
                    let (request, expected) = if index % 2 == 0 {
                        (mallorys(Request::post("/x", "")), mallory())
                    } else {
                        (Request::post("/door", ""), Vec::new())
                    };
                    for request in [as_headers(request.clone()), as_trailers(request.clone()), as_trailers(as_headers(request))] {
                        let response = connection.send(&request).expect("a response");
                        if response.status != 200 || learned_by_answer(&response) != expected {
                            wrong.push(format!("{spelling}: {values:?}, HTTP/2: {http2}: {} {}", response.status, response.text()));
                        }
                    }
                }
                let nothing = Request::get("/x").header(&spelling, "operator");
                if connection.send(&nothing).expect("a response").status != 401 {
                    wrong.push(format!("{spelling} alone, HTTP/2: {http2}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}
