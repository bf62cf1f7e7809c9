//! One connection of several callers: each request is judged by its own credential.

use crate::house::{House, house, learned, secret, token};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_harness::{Case, Certificate, Connection, Request, Response, fresh_request_id};

/// Requests of many callers, by turns, and whom the service takes each for.
fn requests() -> Vec<(Request, Option<String>)> {
    let mut requests = Vec::new();
    for number in 0..6 {
        let user = format!("user-{number}");
        requests.extend([
            (Request::get("/x").header("x-api-key", secret("mallory")), Some("mallory".to_owned())),
            (Request::get("/users").bearer(&token(&user)), Some(user.clone())),
            (Request::get("/users"), None),
            (Request::get("/x").header("x-api-key", secret("operator")), Some("operator".to_owned())),
            (Request::get("/x").header("x-api-key", format!("guess-{number}")), None),
            (Request::get("/login").basic(&format!("shopper-{number}"), "x"), Some(format!("shopper-{number}"))),
            (Request::get("/users").bearer(&format!("{}x", token(&user))), None),
            (Request::get("/login"), None),
        ]);
    }
    requests
}

/// What is wrong with an answer.
fn fault(house: &House, id: &str, expected: Option<&String>, response: &Response) -> Option<String> {
    let received = house.stage.upstream.received_with_id(id);
    let who: Vec<_> = received.iter().flat_map(learned).filter(|(name, _)| name == "x_who").map(|(_, who)| who).collect();
    let is_right = match expected {
        Some(expected) => response.status == 200 && who == [expected.clone()],
        None => response.status == 401 && received.is_empty(),
    };
    (!is_right).then(|| format!("{} for {expected:?}: {who:?}", response.status))
}

fn by_turns(connection: &mut Connection, requests: &[Request]) -> Vec<Response> {
    requests.iter().map(|request| connection.send(request).expect("a response")).collect()
}

#[test]
fn one_after_the_other_and_all_at_once() {
    let house = house();
    let requests = requests();
    let mut wrong = Vec::new();
    let mut judge = |how: &str, send: &mut dyn FnMut(&[Request]) -> Vec<Response>| {
        let ids: Vec<String> = requests.iter().map(|_| fresh_request_id()).collect();
        let named = |(id, (request, _)): (&String, &(Request, _))| request.clone().header("x-request-id", id).header("x-who", "root");
        let sent: Vec<Request> = ids.iter().zip(&requests).map(named).collect();
        for ((id, (_, expected)), response) in ids.iter().zip(&requests).zip(&send(&sent)) {
            wrong.extend(fault(house, id, expected.as_ref(), response).map(|fault| format!("{how}: {fault}")));
        }
    };
    let tls = house.stage.client_tls().identity(&house.alice);
    // Over TLS behind a member's certificate, which speaks for nobody else.
    for client in [house.stage.client(), house.stage.tls_client(tls)] {
        let mut connection = client.connect().expect("a connection");
        judge("HTTP/1.1", &mut |sent| by_turns(&mut connection, sent));
        let mut connection = client.http2().connect().expect("a connection");
        judge("HTTP/2", &mut |sent| by_turns(&mut connection, sent));
        judge("HTTP/2, at once", &mut |sent| connection.send_together(sent).expect("responses"));
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

/// The certificate is the connection's, whatever a request says of another; and where none was shown, no header makes up for it.
#[test]
fn certificates_in_words() {
    let house = house();
    let pem = utf8_percent_encode(&house.bob.pem(), NON_ALPHANUMERIC).to_string();
    let xfcc = format!("Hash={};Cert=\"{pem}\";Subject=\"CN=bob\"", house.bob.fingerprint());
    let tls = |certificate: Option<&Certificate>| {
        certificate.map_or(house.stage.client_tls(), |certificate| house.stage.client_tls().identity(certificate))
    };
    let mut cases = Vec::new();
    for (name, value) in [
        ("x-forwarded-client-cert", xfcc.as_str()),
        ("x_forwarded_client_cert", &xfcc),
        ("x-amzn-mtls-clientcert", &pem),
        ("x_amzn_mtls_clientcert", &pem),
        ("x-amzn-mtls-clientcert-leaf", &pem),
        ("x-amzn-mtls-clientcert-subject", "CN=bob"),
        ("x-amzn-mtls-clientcert-issuer", "CN=Members"),
    ] {
        for times in 1..=2 {
            for http2 in [false, true] {
                let says = |case: Case| {
                    let case = (0..times).fold(case, |case, _| case.header(name, value)).named(format!("{name}, {times} times"));
                    if http2 { case.http2() } else { case }
                };
                let unseen = |case: Case| case.expect(200).upstream("x-who", "alice").upstream_absent(name);
                cases.push(unseen(says(Case::get("/members").tls(&tls(Some(&house.alice))))));
                cases.push(says(Case::get("/members").tls(&tls(None))).expect(401).reason("certificate_missing"));
                cases.push(says(Case::get("/members")).expect(401).reason("certificate_missing"));
                cases.push(says(Case::get("/door")).expect(200).upstream_absent(name).upstream_absent("x-who"));
                // Nobody here is the proxy that is trusted with it; two of them are none of anybody's.
                let (status, reason) = match (name, times) {
                    ("x-amzn-mtls-clientcert", 1) => (401, "certificate_untrusted_source"),
                    ("x-amzn-mtls-clientcert", _) => (400, "credential_ambiguous"),
                    _ => (401, "certificate_missing"),
                };
                cases.push(says(Case::get("/passed").tls(&tls(Some(&house.alice)))).expect(status).reason(reason));
            }
        }
    }
    house.stage.check(cases);
}
