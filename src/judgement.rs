//! From a requirement to a verdict: every claimed credential is judged, then the requirement's tree is read.

mod tree;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::annotation::Proof;
use crate::authenticator::jwt::{Keys, Unverified, Verdict};
use crate::authenticator::remote::{HttpCall, Key, Question, Verdict as Answer};
use crate::authenticator::{CertificateError, ClientCertificate, Jwt, Remembered, Remote, StaticSecret, TokenError};
use crate::cache::{self, Cache, Form, Verified};
use crate::credential::{self, Credential, Place};
use crate::identity::Identity;
use crate::keys::{KeySet, SetId};
use crate::peer::Peer;
use crate::policy::{Demand, Kind, Need, Policy, Provider, ProviderId, Requirement, Selected};
use crate::reason::Class;
use crate::refusal::{ConditionError, CredentialError, Refusal, Revocation};
use crate::request::Request;
use crate::signature::{Bounded, Budget, Verify};
use crate::time::UnixTime;
use tree::{Reading, Tree, check};

/// What a judgement is made with: questions that are answered at once.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The time.
    pub now: UnixTime,
    /// Who verifies signatures.
    pub verify: &'a dyn Verify,
    /// The connection's client certificate.
    pub peer: &'a dyn Peer,
}

/// What is remembered from one judgement to the next. Without it every outcome would be the same, only later or with another reason.
#[derive(Debug)]
pub struct Memory {
    /// Tokens and certificates that were verified.
    pub cache: RefCell<Cache>,
    /// Slow verifications.
    pub budget: RefCell<Budget>,
}

/// What came from the network before.
pub trait Known {
    /// The set to verify with now, if there is one that is no older than `max_stale` beyond its refresh.
    fn keys(&self, set: SetId, max_stale: Duration) -> Option<Arc<KeySet>>;

    /// What another service says.
    ///
    /// # Errors
    /// It has not been asked: the question's name.
    fn answer(&self, provider: ProviderId, question: &Question<'_>) -> Result<Rc<Answer>, Key>;
}

/// What has to arrive before a credential can be judged.
#[derive(Debug)]
pub enum Needed {
    /// Keys; or, with a refusal, the one key that a token names and that those there are lack.
    Keys(Option<Refusal>),
    /// The answer to this callout.
    Answer(Key, Box<HttpCall>),
}

/// What became of a requirement.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// It is satisfied; the first proof is whose identity goes upstream. Empty: optional, and no credential was sent.
    Satisfied(Vec<Proof<'a>>),
    /// It is not.
    Refused(Refusal, Option<ProviderId>),
    /// The credential is good, but its bearer may not do this.
    Forbidden(ConditionError, ProviderId, Option<String>),
    /// It could be, once this has arrived for the provider.
    Pending(ProviderId, Needed),
}

/// Judges every credential that a member of the requirement claims, then the requirement.
pub fn judge<'a>(
    policy: &'a Policy,
    demand: &'a Demand,
    selected: &Selected<'_>,
    request: &'a Request,
    known: &dyn Known,
    memory: &Memory,
    at: &At<'_>,
) -> Outcome<'a> {
    let requirement = demand.requirement();
    let judge = Judge { policy, demand, selected, request, known, memory, at };
    if let Requirement::One(need) = requirement {
        return judge.alone(need);
    }
    let mut judged = Vec::with_capacity(demand.providers().len());
    for provider in demand.providers() {
        judged.push((*provider, judge.credential(*provider)));
    }
    // Anyone on a sibling domain can plant a cookie: one that isn't good yields where somebody else satisfies the requirement.
    let planted: Vec<_> = judged.extract_if(.., |(_, judged)| judged.is_planted()).collect();
    if let Some(bad) = take_bad(&mut judged) {
        return bad;
    }
    let mut reading = Tree { judged: &judged, selected }.read(requirement);
    if !planted.is_empty() && !matches!(&reading, Reading::Satisfied(providers) if !providers.is_empty()) {
        judged.extend(planted);
        if let Some(bad) = take_bad(&mut judged) {
            return bad;
        }
        reading = Tree { judged: &judged, selected }.read(requirement);
    }
    // Whatever the key, it would not do; so the key that isn't known is what is bad.
    if !matches!(reading, Reading::Satisfied(_))
        && let Some(unknown) = judged.iter().position(|(_, verdict)| matches!(verdict, Judged::Pending(_, Needed::Keys(Some(_)))))
        && let (provider, Judged::Pending(_, Needed::Keys(Some(refusal)))) = judged.swap_remove(unknown)
    {
        return Outcome::Refused(refusal, Some(provider));
    }
    match reading {
        Reading::Satisfied(providers) => {
            if let Some(waiting) = judged.iter().position(|(_, verdict)| matches!(verdict, Judged::Pending(..)))
                && let (provider, Judged::Pending(_, needed)) = judged.swap_remove(waiting)
            {
                return Outcome::Pending(provider, needed);
            }
            let mut proofs = Vec::new();
            for wanted in providers {
                if let Some(found) = judged.iter().position(|(provider, _)| *provider == wanted)
                    && let (_, Judged::Good(proof)) = judged.swap_remove(found)
                {
                    proofs.push(proof);
                }
            }
            Outcome::Satisfied(proofs)
        }
        Reading::Forbidden(error, provider) => Outcome::Forbidden(error, provider, subject(&judged, provider)),
        Reading::Missing(provider) => Outcome::Refused(missing(policy, demand, provider), provider),
    }
}

/// The refusal for the bad credential that says most: what may be good at another time says less.
fn take_bad<'a>(judged: &mut Vec<(ProviderId, Judged<'_>)>) -> Option<Outcome<'a>> {
    let bad = judged.iter().enumerate().filter_map(|(index, (_, judged))| match judged {
        Judged::Bad(refusal, _) => Some((refusal.reason().class() == Class::Unavailable, index)),
        _ => None,
    });
    match judged.swap_remove(bad.min()?.1) {
        (provider, Judged::Bad(refusal, _)) => Some(Outcome::Refused(refusal, Some(provider))),
        _ => None,
    }
}

/// Who that provider's good credential says.
fn subject(judged: &[(ProviderId, Judged<'_>)], provider: ProviderId) -> Option<String> {
    judged.iter().find(|(own, _)| *own == provider).and_then(|(_, judged)| match judged {
        Judged::Good(proof) => proof.identity.subject.clone(),
        _ => None,
    })
}

/// It is the certificate that is missing where nothing else would do.
fn missing(policy: &Policy, demand: &Demand, provider: Option<ProviderId>) -> Refusal {
    let is_certificate = |id: ProviderId| matches!(policy.provider(id).map(|p| &p.kind), Some(Kind::ClientCertificate(_)));
    let only_certificates = provider.map_or_else(|| demand.providers().iter().all(|id| is_certificate(*id)), is_certificate);
    if only_certificates { CertificateError::Missing.into() } else { CredentialError::Missing.into() }
}

/// What became of one provider's credential.
enum Judged<'a> {
    Absent,
    Good(Proof<'a>),
    Bad(Refusal, Option<&'a Place>),
    Pending(&'a Place, Needed),
}

impl Judged<'_> {
    /// A cookie that isn't good, or not yet.
    fn is_planted(&self) -> bool {
        match self {
            Self::Bad(_, place) => place.is_some_and(Place::is_cookie),
            Self::Pending(place, _) => place.is_cookie(),
            Self::Absent | Self::Good(..) => false,
        }
    }
}

struct Judge<'a, 'j> {
    policy: &'a Policy,
    demand: &'a Demand,
    selected: &'j Selected<'j>,
    request: &'a Request,
    known: &'j dyn Known,
    memory: &'j Memory,
    at: &'j At<'j>,
}

impl<'a> Judge<'a, '_> {
    /// A requirement of one provider, which is nearly every one, read without a tree.
    fn alone(&self, need: &Need) -> Outcome<'a> {
        let provider = need.provider;
        match self.credential(provider) {
            Judged::Good(proof) => match check(need, &proof.identity, self.selected) {
                Ok(()) => Outcome::Satisfied(vec![proof]),
                Err(error) => Outcome::Forbidden(error, provider, proof.identity.subject.clone()),
            },
            Judged::Bad(refusal, _) => Outcome::Refused(refusal, Some(provider)),
            Judged::Pending(_, needed) => Outcome::Pending(provider, needed),
            Judged::Absent if need.optional => Outcome::Satisfied(vec![]),
            Judged::Absent => Outcome::Refused(missing(self.policy, self.demand, Some(provider)), Some(provider)),
        }
    }

    fn credential(&self, id: ProviderId) -> Judged<'a> {
        let Some(provider) = self.policy.provider(id) else {
            return Judged::Bad(Refusal::Internal("a requirement names no provider"), None);
        };
        if let Kind::ClientCertificate(members) = &provider.kind {
            return self.certificate(id, &provider.name, members);
        }
        let found = match credential::find(provider.kind.places(), self.request) {
            Ok(None) => return Judged::Absent,
            Ok(Some(found)) => found,
            Err((error, place)) => return Judged::Bad(error.into(), Some(place)),
        };
        match &provider.kind {
            Kind::StaticSecret { secrets, .. } => self.secret(id, secrets, &found),
            Kind::Jwt { jwt, .. } => self.token(id, jwt, &provider.name, &found),
            Kind::Remote { remote, .. } => self.remote(id, remote, &found),
            Kind::ClientCertificate(_) => Judged::Absent,
        }
    }

    fn certificate(&self, id: ProviderId, name: &Arc<str>, members: &'a ClientCertificate) -> Judged<'a> {
        let remembered = Remembered { cache: &self.memory.cache, provider: id };
        let connection = (self.at.peer, &*self.selected.host);
        match members.authenticate(name, self.request, connection, &remembered, self.at.now) {
            Ok(None) => Judged::Absent,
            Ok(Some(identity)) => {
                self.unless_revoked(Proof { provider: id, identity, place: members.source.place(), token: None, bound_to: None }, &[])
            }
            Err(error) => Judged::Bad(error.into(), None),
        }
    }

    fn secret(&self, id: ProviderId, secrets: &StaticSecret, found: &Credential<'a>) -> Judged<'a> {
        if self.is_token_of_another(id, found) {
            return Judged::Absent;
        }
        match secrets.authenticate(&found.text, self.at.now) {
            Ok(identity) => self.unless_revoked(proof(id, identity, found), &[]),
            Err(error) => Judged::Bad(error.into(), Some(found.place)),
        }
    }

    fn token(&self, id: ProviderId, jwt: &Jwt, name: &Arc<str>, found: &Credential<'a>) -> Judged<'a> {
        let keys = match &jwt.keys {
            Keys::Remote { set, max_stale, .. } => match self.known.keys(*set, *max_stale) {
                None => return self.new_token(id, jwt, name, found, None),
                keys => keys,
            },
            _ => None,
        };
        let known = self.memory.cache.borrow().get(&token_of(id, found), keys.as_deref());
        match known {
            None => self.new_token(id, jwt, name, found, keys.as_deref()),
            Some(known) => match jwt.check_again(known.times, self.at.now) {
                Ok(()) => self.verified(id, jwt, known, found),
                Err(error) => Judged::Bad(error.into(), Some(found.place)),
            },
        }
    }

    /// A token that wasn't verified before by the keys of now.
    fn new_token(&self, id: ProviderId, jwt: &Jwt, name: &Arc<str>, found: &Credential<'a>, keys: Option<&KeySet>) -> Judged<'a> {
        if self.rivals(id, found.place).any(|(rival, kind)| self.is_known_of(rival, kind, jwt, found)) {
            return Judged::Absent;
        }
        let token = match jwt.read(&found.text) {
            Ok(token) if jwt.claims(&token) => token,
            parsed => match (parsed, self.rivals(id, found.place).next()) {
                // Nobody else looks there: the reason is this provider's own.
                (Err(error), None) => return Judged::Bad(error.into(), Some(found.place)),
                (Ok(token), None) => token,
                _ if self.is_claimed_by_another(id, found) => return Judged::Absent,
                _ => return Judged::Bad(CredentialError::Unrecognised.into(), Some(found.place)),
            },
        };
        let verify = Bounded { verify: self.at.verify, budget: &self.memory.budget, now: self.at.now };
        match jwt.authenticate(name, token, keys, self.at.now, &verify) {
            Ok(Verdict::Good(verified)) => {
                let verified = Rc::new(verified);
                self.memory.cache.borrow_mut().add(&token_of(id, found), &verified);
                self.verified(id, jwt, verified, found)
            }
            Ok(Verdict::KeysNeeded) => Judged::Pending(found.place, Needed::Keys(None)),
            // Only a token that would pass with its key known is worth a fetch.
            Ok(Verdict::KeyUnknown(error, Unverified(Verified { identity, kid, bound, .. }))) => {
                let would_pass = |need: &&&Need| need.provider == id && check(need, &identity, self.selected).is_ok();
                let is_fine = || self.policy.revoked.check(&identity, &[kid.as_deref()]).is_ok() && self.check_binding(jwt, bound).is_ok();
                if is_fine() && self.demand.requirement().needs().iter().any(|need| would_pass(&need)) {
                    Judged::Pending(found.place, Needed::Keys(Some(error.into())))
                } else {
                    Judged::Bad(error.into(), Some(found.place))
                }
            }
            Err(error) => Judged::Bad(error.into(), Some(found.place)),
        }
    }

    fn verified(&self, id: ProviderId, jwt: &Jwt, verified: Rc<Verified>, found: &Credential<'a>) -> Judged<'a> {
        let bound_to = match self.check_binding(jwt, verified.bound) {
            Ok(bound_to) => bound_to,
            Err(refusal) => return Judged::Bad(refusal, Some(found.place)),
        };
        let token = Some(Rc::clone(&verified));
        self.unless_revoked(Proof { token, bound_to, ..proof(id, &verified.identity, found) }, &kids(jwt, &verified))
    }

    /// RFC 8705, section 3: whoever sends a token that is bound to a certificate must have that one, as its provider sees it. Whose it is.
    fn check_binding(&self, jwt: &Jwt, bound: Option<[u8; 32]>) -> Result<Option<Arc<Identity>>, Refusal> {
        let Some(id) = jwt.bind else {
            return Ok(None);
        };
        let Some(Provider { name, kind: Kind::ClientCertificate(members), .. }) = self.policy.provider(id) else {
            return Err(Refusal::Internal("a token is bound to what is no provider of certificates"));
        };
        match self.certificate(id, name, members) {
            Judged::Good(Proof { identity, .. }) => {
                let shown = identity.certificate.as_ref().map(|certificate| certificate.digest());
                if shown.is_some() && shown == bound { Ok(Some(identity)) } else { Err(TokenError::CnfMismatch { shown: true }.into()) }
            }
            Judged::Absent => Err(TokenError::CnfMismatch { shown: false }.into()),
            // The refusal is told of the token's provider, where the certificate's subject would be taken for the token's.
            Judged::Bad(Refusal::Revoked(revocation), _) => Err(Revocation { subject: None, ..revocation }.into()),
            Judged::Bad(refusal, _) => Err(refusal),
            Judged::Pending(..) => Err(Refusal::Internal("a certificate needs nothing that is yet to come")),
        }
    }

    fn remote(&self, id: ProviderId, remote: &Remote, found: &Credential<'a>) -> Judged<'a> {
        if self.is_token_of_another(id, found) {
            return Judged::Absent;
        }
        let question = match remote.question(&found.text, self.request) {
            Ok(question) => question,
            Err(refusal) => return Judged::Bad(refusal, Some(found.place)),
        };
        match self.known.answer(id, &question) {
            Ok(answer) => match answer.identity(self.at.now) {
                Ok(identity) => self.unless_revoked(proof(id, identity, found), &[]),
                Err(error) => Judged::Bad(error.into(), Some(found.place)),
            },
            Err(key) => Judged::Pending(found.place, Needed::Answer(key, Box::new(question.call()))),
        }
    }

    /// A credential that was verified, unless it is revoked. `kids`: those of its key.
    fn unless_revoked(&self, proof: Proof<'a>, kids: &[Option<&str>]) -> Judged<'a> {
        match self.policy.revoked.check(&proof.identity, kids) {
            Ok(()) => Judged::Good(proof),
            Err(revocation) => Judged::Bad(revocation.into(), proof.place),
        }
    }

    /// The other members of the requirement that look at this place.
    fn rivals(&self, id: ProviderId, place: &Place) -> impl Iterator<Item = (ProviderId, &'a Kind)> {
        let others = self.demand.providers().iter().filter(move |other| **other != id);
        others
            .filter_map(|other| Some((*other, &self.policy.provider(*other)?.kind)))
            .filter(move |(_, kind)| kind.places().contains(place))
    }

    fn is_claimed_by_another(&self, id: ProviderId, found: &Credential<'_>) -> bool {
        // A static secret, and another service, take what no token provider claims.
        self.rivals(id, found.place).any(|(_, kind)| matches!(kind, Kind::StaticSecret { .. } | Kind::Remote { .. }))
            || self.is_token_of_another(id, found)
    }

    /// A token provider claims what parses as one of its tokens and names one of its issuers: place and shape, before any cryptography.
    fn is_token_of_another(&self, id: ProviderId, found: &Credential<'_>) -> bool {
        self.rivals(id, found.place).any(|(rival, kind)| match kind {
            Kind::Jwt { jwt, .. } => {
                // What was verified was claimed.
                let is_known = self.memory.cache.borrow().peek(&token_of(rival, found)).is_some();
                is_known || jwt.read(&found.text).is_ok_and(|token| jwt.claims(&token))
            }
            _ => false,
        })
    }

    /// Whether the rival has verified this token before, and its claims tell that `jwt` would not claim it.
    fn is_known_of(&self, rival: ProviderId, kind: &Kind, jwt: &Jwt, found: &Credential<'_>) -> bool {
        let Kind::Jwt { jwt: other, .. } = kind else { return false };
        // Only what both read in the same way.
        let cache = self.memory.cache.borrow();
        let known = cache.peek(&token_of(rival, found)).filter(|_| jwt.formats == other.formats);
        known.and_then(|known| known.identity.token.as_ref()).is_some_and(|token| jwt.check_issuer(&token.claims).is_err())
    }
}

fn proof<'a>(provider: ProviderId, identity: &Arc<Identity>, found: &Credential<'a>) -> Proof<'a> {
    Proof { provider, identity: Arc::clone(identity), place: Some(found.place), token: None, bound_to: None }
}

/// By which names a token's key can be revoked. Callers' secrets have ids of their own, which are no kids.
pub(crate) fn kids<'t>(jwt: &Jwt, token: &'t Verified) -> [Option<&'t str>; 2] {
    let key = token.identity.credential.as_deref().filter(|_| matches!(jwt.keys, Keys::Remote { .. } | Keys::Inline(_)));
    [token.kid.as_deref(), key]
}

fn token_of<'k>(provider: ProviderId, found: &'k Credential<'_>) -> cache::Key<'k> {
    cache::Key { provider, form: Form::Token, bytes: &found.text }
}
