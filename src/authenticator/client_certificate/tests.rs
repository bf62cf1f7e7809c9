//! From a connection to an identity.

mod source;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::*;
use crate::cache::Cache;
use crate::certificate::from_pem;
use crate::certificate::sample::{
    APPLICATION, MEMBER, READER, REPORTER, ROLES, Sample, alt_names, extension, pem, rdn, roles, sequence, tlv, utf8,
};
use crate::peer::{Plaintext, Shown};
use crate::policy::CacheBounds;
use crate::policy::ProviderId;

const HOST: &[u8] = b"api.example.com";
/// 2026-01-01.
const NOW: UnixTime = UnixTime::from_seconds(1_767_225_600);

/// What is demanded of a handshake by default.
const HANDSHAKE: Handshake = Handshake { server_name: ServerName::Host, verified_by: VerifiedBy::Attribute };

struct Connection {
    valid: Option<bool>,
    shown: Shown,
    server_name: Option<Vec<u8>>,
    asked: Cell<u32>,
}

impl Connection {
    fn of(sample: &Sample) -> Self {
        Self { valid: Some(true), shown: Shown::Pem(sample.pem().into_bytes()), server_name: Some(HOST.to_vec()), asked: Cell::new(0) }
    }
}

impl Peer for Connection {
    fn valid(&self) -> Option<bool> {
        self.asked.set(self.asked.get().saturating_add(1));
        self.valid
    }

    fn digest(&self) -> Option<Vec<u8>> {
        self.asked.set(self.asked.get().saturating_add(1));
        match &self.shown {
            Shown::Pem(pem) => from_pem(pem).ok().map(|certificate| certificate.fingerprint().into_bytes()),
            Shown::Digest(digest) => Some(digest.clone()),
            Shown::Nothing | Shown::Unreadable => None,
        }
    }

    fn certificate(&self) -> Shown {
        self.asked.set(self.asked.get().saturating_add(1));
        self.shown.clone()
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        self.asked.set(self.asked.get().saturating_add(1));
        self.server_name.clone()
    }
}

fn id(dotted: &str) -> ExtensionId {
    ExtensionId::parse(dotted).unwrap()
}

/// The provider `members` of the documentation.
fn members() -> ClientCertificate {
    ClientCertificate {
        source: CertificateSource::Connection(HANDSHAKE),
        accept: Accept::default(),
        identity: MemberIdentity {
            subject: MemberSubject::Dn("CN".to_owned()),
            roles: Some(MemberRoles::Utf8Sequence(id(ROLES))),
            grants: HashMap::new(),
            attributes: vec![("member".into(), MemberAttribute::Utf8(id(MEMBER)))],
        },
    }
}

/// A worker that has seen nothing yet.
fn cache() -> RefCell<Cache> {
    RefCell::new(Cache::new(CacheBounds { entries: 100, bytes: 1 << 20 }))
}

/// As a worker that remembers `cache`.
fn judge_again(
    provider: &ClientCertificate,
    request: &Request,
    connection: (&dyn Peer, &[u8]),
    cache: &RefCell<Cache>,
    now: UnixTime,
) -> Result<Option<Arc<Identity>>, CertificateError> {
    provider.authenticate(&"members".into(), request, connection, &Remembered { cache, provider: ProviderId(0) }, now)
}

/// Judged twice: what is remembered changes nothing.
#[allow(clippy::panic_in_result_fn, reason = "it is a test's")]
fn judge_request(
    provider: &ClientCertificate,
    request: &Request,
    connection: (&dyn Peer, &[u8]),
    now: UnixTime,
) -> Result<Option<Arc<Identity>>, CertificateError> {
    let cache = cache();
    let [first, again] = [(); 2].map(|()| judge_again(provider, request, connection, &cache, now));
    assert_eq!(format!("{first:?}"), format!("{again:?}"));
    first
}

fn judge(provider: &ClientCertificate, connection: &Connection) -> Result<Option<Arc<Identity>>, CertificateError> {
    judge_request(provider, &Request::default(), (connection, HOST), NOW)
}

fn identity(provider: &ClientCertificate, sample: &Sample) -> Identity {
    (*judge(provider, &Connection::of(sample)).unwrap().unwrap()).clone()
}

fn refusal(provider: &ClientCertificate, connection: &Connection) -> CertificateError {
    let error = judge(provider, connection).unwrap_err();
    let text = error.to_string();
    assert!(!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{text}");
    error
}

#[test]
fn app_one() {
    let identity = identity(&members(), &Sample::default());
    assert_eq!(&*identity.provider, "members");
    assert_eq!(identity.subject.as_deref(), Some("https://directory.estf.ib1.org/member/2876152"));
    assert_eq!(identity.roles.unwrap(), [READER, REPORTER]);
    assert!(identity.attributes.is_empty() && identity.token.is_none() && identity.scopes.is_none());
    assert_eq!(identity.certificate.unwrap().der(), Sample::default().der());
}

#[test]
fn roles_elsewhere_are_none() {
    for extensions in [vec![], vec![extension(APPLICATION, &sequence(&[utf8(READER)]))], vec![extension(MEMBER, &utf8(READER))]] {
        assert_eq!(identity(&members(), &Sample::with(extensions)).roles, None);
    }
    assert_eq!(identity(&members(), &Sample::with(vec![roles(&[])])).roles.unwrap(), [""; 0]);
    for value in [utf8(READER), tlv(0x16, READER.as_bytes()), tlv(0x31, &utf8(READER)), vec![0x30, 0x7F]] {
        let error = refusal(&members(), &Connection::of(&Sample::with(vec![extension(ROLES, &value)])));
        assert_eq!(error.reason(), Reason::CertificateMalformed);
    }
}

#[test]
fn without_a_certificate_nothing_else_is_asked() {
    assert!(judge_request(&members(), &Request::default(), (&Plaintext, HOST), NOW).unwrap().is_none());
    let connection = Connection { shown: Shown::Nothing, ..Connection::of(&Sample::default()) };
    assert!(judge_again(&members(), &Request::default(), (&connection, HOST), &cache(), NOW).unwrap().is_none());
    // Whether it was verified, its digest, and the certificate itself.
    assert_eq!(connection.asked.get(), 3);
}

#[test]
fn verified_by_envoy_or_refused() {
    let good = || Connection::of(&Sample::default());
    let error = refusal(&members(), &Connection { valid: Some(false), ..good() });
    assert_eq!((error.reason(), &error), (Reason::CertificateUnverified, &CertificateError::Unverified));
    let error = refusal(&members(), &Connection { valid: None, ..good() });
    assert_eq!((error.reason(), &error), (Reason::CertificateUnverified, &CertificateError::Unverifiable));
    // Also before anything is parsed, and whatever the server name.
    for garbage in [&b""[..], b"\xFF", b"-----BEGIN CERTIFICATE-----"] {
        let connection = Connection { valid: Some(false), shown: Shown::Pem(garbage.to_vec()), server_name: None, ..good() };
        assert_eq!(refusal(&members(), &connection), CertificateError::Unverified);
        let connection = Connection { shown: Shown::Pem(garbage.to_vec()), ..good() };
        assert_eq!(refusal(&members(), &connection).reason(), Reason::CertificateMalformed);
    }
    let connection = Connection { shown: Shown::Pem(vec![b'A'; 200_000]), ..good() };
    assert_eq!(refusal(&members(), &connection).reason(), Reason::CredentialTooLarge);
}

#[test]
fn the_server_name_is_the_host() {
    let named = |name: Option<&[u8]>| Connection { server_name: name.map(<[u8]>::to_vec), ..Connection::of(&Sample::default()) };
    for same in [&b"api.example.com"[..], b"API.example.COM", b"api.example.com."] {
        assert!(judge(&members(), &named(Some(same))).is_ok());
    }
    for other in [
        None,
        Some(&b""[..]),
        Some(b"."),
        Some(b"other.example.com"),
        Some(b"api.example.com.."),
        Some(b"api.example.com:443"),
        Some(b"api.example.com\0"),
        Some(b"xapi.example.com"),
        Some(b"*.example.com"),
        Some(&[0xFF; 500]),
        Some(b"a\nb"),
    ] {
        assert_eq!(refusal(&members(), &named(other)).reason(), Reason::Misdirected, "{other:?}");
        let any = Handshake { server_name: ServerName::Any, ..HANDSHAKE };
        let any = ClientCertificate { source: CertificateSource::Connection(any), ..members() };
        assert!(judge(&any, &named(other)).is_ok());
    }
    assert!(judge_request(&members(), &Request::default(), (&named(Some(b"")), b""), NOW).is_err());
}

#[test]
fn dates_count_although_envoy_may_let_them_pass() {
    for (now, expected) in [(1_704_067_199, CertificateError::NotYetValid), (2_019_686_401, CertificateError::Expired)] {
        let (sample, cache) = (Connection::of(&Sample::default()), cache());
        let judge = |now| judge_again(&members(), &Request::default(), (&sample, HOST), &cache, now);
        let now = UnixTime::from_seconds(now);
        let error = judge(now).unwrap_err();
        // Also for one that was good before.
        judge(NOW).unwrap();
        assert_eq!(judge(now).unwrap_err(), error);
        assert_eq!((error.reason(), error), (Reason::CertificateExpired, expected));
    }
}

#[test]
fn accepted_names_are_compared_whole() {
    let subject = "CN=https://directory.estf.ib1.org/member/2876152,O=Application One,ST=London,C=GB";
    let with = |issuers: &[&str], subjects: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        ClientCertificate { accept: Accept { issuers: list(issuers), subjects: list(subjects) }, ..members() }
    };
    let issuer = "CN=Client Issuer,C=GB";
    for good in [with(&[], &[]), with(&[issuer], &[]), with(&["x", issuer], &[subject]), with(&[], &["y", subject])] {
        assert!(judge(&good, &Connection::of(&Sample::default())).is_ok());
    }
    for bad in [
        with(&["CN=Client Issuer"], &[]),
        with(&["CN=client issuer,C=GB"], &[]),
        with(&[""], &[]),
        with(&[subject], &[]),
        with(&[], &[issuer]),
        with(&["x"], &[subject]),
        with(&[issuer], &["C=GB,ST=London,O=Application One,CN=https://directory.estf.ib1.org/member/2876152"]),
    ] {
        assert_eq!(refusal(&bad, &Connection::of(&Sample::default())).reason(), Reason::CertificateNotAccepted);
    }
}

#[test]
fn exactly_one_subject() {
    let with = |subject| {
        let identity = MemberIdentity { subject, roles: None, ..members().identity };
        ClientCertificate { identity, ..members() }
    };
    let cn = || MemberSubject::Dn("CN".to_owned());
    let twice = Sample::of(&[rdn("2.5.4.3", utf8("a")), rdn("2.5.4.3", utf8("b"))]);
    let same_twice = Sample::of(&[rdn("2.5.4.3", utf8("a")), rdn("2.5.4.3", utf8("a"))]);
    let names = Sample::with(vec![alt_names(&[(6, "urn:a"), (2, "a.example"), (2, "b.example")])]);
    for (subject, sample, expected) in [
        (cn(), &twice, CertificateError::SubjectAmbiguous),
        (cn(), &same_twice, CertificateError::SubjectAmbiguous),
        (cn(), &Sample::of(&[]), CertificateError::SubjectAbsent),
        (cn(), &Sample::of(&[rdn("2.5.4.3", utf8(""))]), CertificateError::SubjectAbsent),
        (MemberSubject::SanUri, &Sample::default(), CertificateError::SubjectAbsent),
        (MemberSubject::SanDns, &names, CertificateError::SubjectAmbiguous),
        (MemberSubject::Dn("nonsense".to_owned()), &Sample::default(), CertificateError::SubjectAbsent),
    ] {
        let error = refusal(&with(subject), &Connection::of(sample));
        assert_eq!((error.reason(), error), (Reason::CertificateNotAccepted, expected));
    }
    let bad = Sample::of(&[rdn("2.5.4.3", tlv(0x0C, &[0xFF]))]);
    assert_eq!(refusal(&with(cn()), &Connection::of(&bad)).reason(), Reason::CertificateMalformed);
    assert_eq!(identity(&with(MemberSubject::SanUri), &names).subject.as_deref(), Some("urn:a"));
    let fingerprint = identity(&with(MemberSubject::Fingerprint), &bad);
    assert_eq!(fingerprint.subject.unwrap(), fingerprint.certificate.unwrap().fingerprint());
    assert_eq!(fingerprint.roles, None);
}

#[test]
fn roles_from_other_places_and_grants() {
    let with = |roles: Option<MemberRoles>| {
        let grants = HashMap::from([("PSDGB-FCA-1".to_owned(), vec!["payments".to_owned(), "ou1".to_owned()])]);
        let identity = MemberIdentity { subject: MemberSubject::Dn("2.5.4.97".to_owned()), roles, grants, attributes: vec![] };
        ClientCertificate { identity, ..members() }
    };
    let mut sample = Sample::of(&[rdn("2.5.4.97", utf8("PSDGB-FCA-1")), rdn("2.5.4.11", utf8("ou1")), rdn("2.5.4.11", utf8("ou2"))]);
    sample.extensions = vec![alt_names(&[(6, "urn:a"), (6, "urn:b")]), extension(MEMBER, &utf8("m"))];
    for (roles, expected) in [
        (None, &["payments", "ou1"][..]),
        (Some(MemberRoles::Dn("OU".to_owned())), &["ou1", "ou2", "payments"]),
        (Some(MemberRoles::SanUri), &["urn:a", "urn:b", "payments", "ou1"]),
        (Some(MemberRoles::Utf8(id(MEMBER))), &["m", "payments", "ou1"]),
        (Some(MemberRoles::Utf8Sequence(id(ROLES))), &["payments", "ou1"]),
    ] {
        assert_eq!(identity(&with(roles), &sample).roles.unwrap(), expected);
    }
    // Nobody else gets them, and what isn't there is not an empty list.
    let stranger = Sample { extensions: vec![], ..Sample::of(&[rdn("2.5.4.97", utf8("PSDGB-FCA-10"))]) };
    for roles in [None, Some(MemberRoles::Dn("OU".to_owned())), Some(MemberRoles::SanUri), Some(MemberRoles::Utf8(id(MEMBER)))] {
        assert_eq!(identity(&with(roles), &stranger).roles, None);
    }
}

#[test]
fn attributes() {
    let attributes = vec![
        ("member".into(), MemberAttribute::Utf8(id(MEMBER))),
        ("unit".into(), MemberAttribute::Dn("OU".to_owned())),
        ("uri".into(), MemberAttribute::SanUri),
        ("dns".into(), MemberAttribute::SanDns),
        ("print".into(), MemberAttribute::Fingerprint),
    ];
    let provider = ClientCertificate { identity: MemberIdentity { attributes, ..members().identity }, ..members() };
    let one = identity(&provider, &Sample::default());
    assert_eq!(one.attributes.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["print"]);
    let names = |names: &[(u8, &str)]| vec![alt_names(names), extension(MEMBER, &utf8("https://member/1"))];
    let all = identity(&provider, &Sample::with(names(&[(6, "urn:a"), (2, "a.example")])));
    for (name, value) in [("member", "https://member/1"), ("uri", "urn:a"), ("dns", "a.example")] {
        assert_eq!(all.attribute(name), Some(value));
    }
    let several = Sample::with(names(&[(6, "urn:a"), (6, "urn:b")]));
    let error = refusal(&provider, &Connection::of(&several));
    assert_eq!((error.reason(), error), (Reason::CertificateNotAccepted, CertificateError::AttributeAmbiguous("uri".into())));
    let malformed = Sample::with(vec![extension(MEMBER, &sequence(&[utf8("x")]))]);
    assert_eq!(refusal(&provider, &Connection::of(&malformed)).reason(), Reason::CertificateMalformed);
}

#[test]
fn what_the_client_sent_is_escaped_and_cut_in_the_log() {
    let error = CertificateError::Misdirected(Some([b"\n\"\xFF".as_slice(), &[b'a'; 1000]].concat()));
    let text = error.to_string();
    assert!(text.starts_with(r#"server name: \n\"\xff"#) && text.len() < 300, "{text}");
}

#[test]
fn a_resumed_session_is_told_from_a_stranger() {
    let cache = cache();
    let judge = |connection: &Connection, now| judge_again(&members(), &Request::default(), (connection, HOST), &cache, now);
    let refusal = |connection: &Connection, now| judge(connection, now).unwrap_err();
    let unverified = |sample: &Sample| Connection { valid: Some(false), ..Connection::of(sample) };
    let member = Sample::default();
    assert_eq!(refusal(&unverified(&member), NOW), CertificateError::Unverified);
    judge(&Connection::of(&member), NOW).unwrap();
    let resumed = refusal(&unverified(&member), NOW);
    assert_eq!((resumed.reason(), resumed), (Reason::ResumedSession, CertificateError::Resumed));
    // An expired one is refused for what it is; another one and another error stay what they are.
    assert_eq!(refusal(&unverified(&member), UnixTime::from_seconds(3_000_000_000)), CertificateError::Unverified);
    assert_eq!(refusal(&unverified(&Sample::with(vec![])), NOW), CertificateError::Unverified);
    assert_eq!(refusal(&Connection { valid: None, ..Connection::of(&member) }, NOW), CertificateError::Unverifiable);
}

#[test]
fn who_comes_again_is_asked_for_no_certificate_but_for_everything_else() {
    let cache = cache();
    let judge = |connection: &Connection| judge_again(&members(), &Request::default(), (connection, HOST), &cache, NOW);
    let member = Connection::of(&Sample::default());
    let first = judge(&member).unwrap().unwrap();
    assert_eq!(member.asked.replace(0), 4);
    assert!(Arc::ptr_eq(&first, &judge(&member).unwrap().unwrap()));
    assert_eq!(member.asked.get(), 3);
    // Nothing that the connection says is remembered.
    let other = |server_name: &[u8]| Connection { server_name: Some(server_name.to_vec()), ..Connection::of(&Sample::default()) };
    assert_eq!(judge(&other(b"other.example.com")).unwrap_err().reason(), Reason::Misdirected);
    assert_eq!(judge(&Connection { valid: None, ..Connection::of(&Sample::default()) }).unwrap_err(), CertificateError::Unverifiable);
    // Nor is it another provider's.
    let elsewhere = Remembered { cache: &cache, provider: ProviderId(1) };
    let identity = members().authenticate(&"others".into(), &Request::default(), (&member, HOST), &elsewhere, NOW).unwrap().unwrap();
    assert_eq!(&*identity.provider, "others");
}

#[test]
fn a_digest_that_is_not_the_certificates_names_nothing() {
    struct Liar(Connection);
    impl Peer for Liar {
        fn valid(&self) -> Option<bool> {
            self.0.valid()
        }
        fn digest(&self) -> Option<Vec<u8>> {
            Some(vec![b'a'; 64])
        }
        fn certificate(&self) -> Shown {
            self.0.certificate()
        }
        fn server_name(&self) -> Option<Vec<u8>> {
            self.0.server_name()
        }
    }
    let cache = cache();
    let liar = |sample: &Sample| {
        let judged = judge_again(&members(), &Request::default(), (&Liar(Connection::of(sample)), HOST), &cache, NOW);
        judged.unwrap().unwrap().roles.clone()
    };
    assert!(liar(&Sample::default()).is_some());
    assert_eq!(liar(&Sample::with(vec![])), None);
}
