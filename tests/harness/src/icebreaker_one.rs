//! Icebreaker One's demonstration: certificates in the shapes that its scheme's have had, and the service behind.
//!
//! Keys and names are this project's own; the extensions, the registry's addresses and the service's answers are those of the demonstration.

use crate::answer::Answer;
use crate::certificates::{Authority, Certificate, Leaf, Make, der_octets, der_utf8, der_utf8_sequence};
use crate::received::Received;
use serde_json::{Value, json};

/// The roles: a SEQUENCE OF UTF8String.
pub const ROLES: &str = "1.3.6.1.4.1.62329.1.1";
/// The application in certificates of 2024: one UTF8String.
pub const APPLICATION: &str = "1.3.6.1.4.1.62329.1.2";
/// The member in certificates since 2025: one UTF8String.
pub const MEMBER: &str = "1.3.6.1.4.1.62329.1.3";

/// May read supply voltages. "electricty" is how the registry spells it.
pub const VOLTAGE_READER: &str = "https://registry.estf.ib1.org/scheme/electricty/role/supply-voltage-reader";
/// May read consumption.
pub const CONSUMPTION_READER: &str = "https://registry.estf.ib1.org/scheme/electricty/role/consumption-reader";
/// A group that both applications are in.
pub const REPORTER: &str = "https://registry.estf.ib1.org/scheme/electricty/group/reporter";
/// The member who has them.
pub const MEMBER_URL: &str = "https://directory.estf.ib1.org/member/2876152";

/// The names of the header that the service reads, and of those that proxies set beside it.
pub const HEADERS: [&str; 6] = [
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-leaf",
    "x-amzn-mtls-clientcert-subject",
    "x-amzn-mtls-clientcert-issuer",
    "x-amzn-mtls-clientcert-serial-number",
    "x-amzn-mtls-clientcert-validity",
];

/// The authorities of a scheme: a root, whom servers trust, and an issuer below it, whose certificate clients show beside their own.
pub struct Scheme {
    /// The root.
    pub root: Authority,
    /// The issuer.
    pub issuer: Authority,
    of_2025: bool,
}

impl Scheme {
    /// As the demonstration's script makes them, with OpenSSL: RSA, and nothing in a certificate that isn't needed.
    pub fn of_2024() -> Self {
        Self::new(Make::Rsa(1), Make::Rsa(3), false)
    }

    /// As Icebreaker One's directory makes them since 2025: P-384 for the root, P-256 for the rest, with usages.
    pub fn of_2025() -> Self {
        Self::new(Make::P384, Make::Last, true)
    }

    fn new(root: Make, issuer: Make, of_2025: bool) -> Self {
        let root = Authority::made("Energy Sector Trust Framework Client CA", root);
        let issuer = root.intermediate_made("Energy Sector Trust Framework Client Issuer", issuer);
        Self { root, issuer, of_2025 }
    }

    /// The first application: it reads supply voltages.
    pub fn application_one(&self) -> Certificate {
        self.issue(self.application("Application One", "38936455").extension(ROLES, der_utf8_sequence(&[VOLTAGE_READER, REPORTER])))
    }

    /// The second application: it reads consumption.
    pub fn application_two(&self) -> Certificate {
        self.issue(self.application("Application Two", "26241").extension(ROLES, der_utf8_sequence(&[CONSUMPTION_READER, REPORTER])))
    }

    /// An application's leaf, complete but for its roles.
    pub fn application(&self, name: &str, number: &str) -> Leaf {
        let url = format!("https://directory.estf.ib1.org/application/{number}");
        let leaf = Leaf::new().subject(&[2, 5, 4, 6], "GB").subject(&[2, 5, 4, 8], "London").organization(name);
        if self.of_2025 {
            let leaf = leaf.common_name(&url).uri(&url).for_any_purpose();
            leaf.extension(SUBJECT_KEY_IDENTIFIER, der_octets(&[7; 20])).extension(MEMBER, der_utf8(MEMBER_URL))
        } else {
            let url = format!("https://directory.estf.ib1.org/scheme/electricty/application/{number}");
            let leaf = leaf.common_name(MEMBER_URL).rsa().without_usages();
            leaf.extension(SUBJECT_KEY_IDENTIFIER, der_octets(&[7; 20])).extension(APPLICATION, der_utf8(&url))
        }
    }

    /// Has the issuer issue it.
    pub fn issue(&self, leaf: Leaf) -> Certificate {
        self.issuer.issue(leaf)
    }
}

const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";

/// Answers as the demonstration's service does, which no longer looks at certificates: the gateway has done so.
pub fn service(received: &Received) -> Answer {
    let (path, query) = received.path.split_once('?').unwrap_or((&received.path, ""));
    match path {
        "/" => Answer::json(&json!({"urls": ["/api/v1/"]})),
        "/api/v1" => Answer::json(&json!({"urls": ["/api/v1/consumption"]})),
        "/api/v1/" => Answer::redirect("/api/v1").with_status(307),
        "/api/v1/info" => Answer::json(&information(received)),
        "/api/v1/supply-voltage" => match query.split('&').find_map(|pair| pair.strip_prefix("period=")) {
            Some(period) => Answer::json(&json!({"period": period, "voltages": voltages(period)})),
            None => Answer::json(&json!({"detail": [{"type": "missing", "loc": ["query", "period"]}]})).with_status(422),
        },
        _ => Answer::json(&json!({"detail": "Not Found"})).with_status(404),
    }
}

/// The request as the service got it.
fn information(received: &Received) -> Value {
    let header = |(name, value): &(String, Vec<u8>)| (name.clone(), json!(String::from_utf8_lossy(value)));
    let headers: serde_json::Map<String, Value> = received.headers.iter().map(header).collect();
    json!({"request": {"headers": headers, "method": received.method, "url": received.path}})
}

/// Sixteen of them, the same for each period.
fn voltages(period: &str) -> Vec<u64> {
    if period == "2023-07" {
        return vec![232, 249, 231, 232, 249, 236, 247, 240, 238, 243, 233, 233, 234, 243, 238, 249];
    }
    let seed = period.bytes().fold(17, |seed, byte| (seed * 31 + u64::from(byte)) % 1009);
    (0..16).map(|number| 230 + (seed * (number + 1)) % 20).collect()
}
