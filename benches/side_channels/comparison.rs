//! What is compared with secrets, or would tell who the clients are.

use std::hint::black_box;

use crate::guesses::{Form, Guess, answers, by_callers, hmac, shared_secret, static_secret, stored_digest};
use portcullis::keys::Alg;

/// Guesses that must not be told apart by what they take.
pub(crate) struct Comparison {
    /// In the table.
    pub(crate) name: &'static str,
    /// By how many instructions the counts may differ.
    pub(crate) at_most: u64,
    /// Why they may.
    pub(crate) why: &'static str,
    /// It must be told apart: the measure of all others.
    pub(crate) is_control: bool,
    /// The guesses, each with what it is.
    pub(crate) guesses: Guesses,
}

/// Makes guesses ready.
type Guesses = Box<dyn Fn() -> Vec<(&'static str, Guess)>>;

/// The secret itself is compared: not one instruction may differ.
const NONE: (u64, &str) = (0, "a byte of a secret is known by it");

/// A whole request, with all that reads it: what a client sends takes its own time, and so do allocator and hash maps. One byte of an early exit takes seven.
const REQUEST: (u64, &str) = (16, "more than reading the guess takes");

/// What a name costs: a seeded hash finds the client, and the name is compared with itself. A MAC, which a client that isn't there costs, too, takes 7000.
const NAME: (u64, &str) = (150, "more than a look-up by a name takes");

pub(crate) fn comparisons() -> Vec<Comparison> {
    let all: Vec<(&str, (u64, &str), Guesses)> = vec![
        ("MAC, HS256", NONE, Box::new(|| hmac(Alg::HS256))),
        ("MAC, HS384", NONE, Box::new(|| hmac(Alg::HS384))),
        ("MAC, HS512", NONE, Box::new(|| hmac(Alg::HS512))),
        ("digest of a static secret", NONE, Box::new(stored_digest)),
        ("a request with a static secret", REQUEST, Box::new(static_secret)),
        ("a request with a token, one secret for all", REQUEST, Box::new(shared_secret)),
        ("callers by a claim", NAME, Box::new(|| by_callers(Form::Claim))),
        ("callers by kid", NAME, Box::new(|| by_callers(Form::Kid))),
        ("callers, cyphernode-2018", NAME, Box::new(|| by_callers(Form::Of2018))),
        ("callers, cyphernode-2019", NAME, Box::new(|| by_callers(Form::Of2019))),
        ("callers, cyphernode-2021", NAME, Box::new(|| by_callers(Form::Of2021))),
        ("what another service said of a password", REQUEST, Box::new(answers)),
    ];
    let all = all.into_iter().map(|(name, (at_most, why), guesses)| Comparison { name, at_most, why, is_control: false, guesses });
    all.chain([control()]).collect()
}

/// What this filter must not do.
fn control() -> Comparison {
    let secret = [7_u8; 32];
    let guess = move |place: Option<usize>| -> Guess {
        let mut guess = secret;
        if let Some(place) = place {
            guess[place] ^= 1;
        }
        Box::new(move || {
            let is_same = black_box(&secret).iter().zip(black_box(&guess)).all(|(one, other)| one == other);
            assert_eq!(black_box(is_same), place.is_none());
        })
    };
    let guesses =
        move || vec![("wrong in the first byte", guess(Some(0))), ("wrong in the last byte", guess(Some(31))), ("right", guess(None))];
    Comparison { name: "control: until a byte differs", at_most: 0, why: "", is_control: true, guesses: Box::new(guesses) }
}
