//! Connections that always have something to ask, and clients that don't wait for the answer.

use crate::attempt::{Attempt, Expected};
use crate::dice::Dice;
use crate::house::House;
use crate::kinds::{Kind, Via, World, attempt};
use crate::tally::Tally;
use portcullis_harness::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What all callers share.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) house: &'a House,
    pub(crate) world: &'a World,
    pub(crate) kinds: &'a [Kind],
    pub(crate) tally: &'a Tally,
    pub(crate) is_over: &'a AtomicBool,
}

/// Requests at once over a connection of HTTP/2.
const TOGETHER: usize = 16;

/// After so many requests a connection makes way for another, which may be another worker's.
const REQUESTS: usize = 2000;

impl Load<'_> {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// One request after the other.
    pub(crate) fn one_by_one(&self, via: Via, seed: u64) {
        let mut dice = Dice::new(seed);
        let client = self.house.client(via.member);
        let mut open: Option<Connection> = None;
        let mut left = REQUESTS;
        while self.goes_on() {
            let (index, attempt) = attempt(self.kinds, self.world, &mut dice, via);
            let connection = open.take().map_or_else(|| client.connect(), Ok);
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(error) => {
                    self.tally.complain("no connection", || error.to_string());
                    thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            let outcome = connection.send(&attempt.request);
            self.tally.judge(index, &self.kinds[index], via, &attempt, &outcome);
            left -= 1;
            if left == 0 {
                left = REQUESTS;
            } else if stays_open(&attempt) && outcome.is_ok_and(|response| response.header("connection").as_deref() != Some("close")) {
                open = Some(connection);
            }
        }
    }

    /// Many requests at a time.
    pub(crate) fn together(&self, via: Via, seed: u64) {
        let mut dice = Dice::new(seed);
        let client = self.house.client(via.member).http2();
        let mut open: Option<Connection> = None;
        let mut left = REQUESTS / TOGETHER;
        while self.goes_on() {
            let (dropped, batch): (Vec<_>, Vec<_>) = (0..TOGETHER)
                .map(|_| attempt(self.kinds, self.world, &mut dice, via))
                .partition(|(_, attempt)| matches!(attempt.expected, Expected::Dropped));
            for (index, attempt) in dropped {
                self.tally.judge(index, &self.kinds[index], via, &attempt, &client.try_send(&attempt.request));
            }
            let connection = open.take().map_or_else(|| client.connect(), Ok);
            let requests: Vec<_> = batch.iter().map(|(_, attempt)| attempt.request.clone()).collect();
            let answered = connection.and_then(|mut connection| Ok((connection.send_together(&requests)?, connection)));
            match answered {
                Ok((responses, connection)) => {
                    for ((index, attempt), response) in batch.iter().zip(responses) {
                        self.tally.judge(*index, &self.kinds[*index], via, attempt, &Ok(response));
                    }
                    left -= 1;
                    if left == 0 {
                        left = REQUESTS / TOGETHER;
                    } else {
                        open = Some(connection);
                    }
                }
                Err(error) => {
                    let kinds: Vec<&str> = batch.iter().map(|(index, _)| self.kinds[*index].name).collect();
                    self.tally.complain("a connection of HTTP/2 broke", || format!("{error}, with {kinds:?}"));
                }
            }
        }
    }

    /// Sends a whole request or a part of it, and leaves: at once, or when the filter or the service is at it.
    pub(crate) fn leave(&self, via: Via, seed: u64) {
        let mut dice = Dice::new(seed);
        while self.goes_on() {
            let (_, attempt) = attempt(self.kinds, self.world, &mut dice, via);
            let pause = Duration::from_millis(u64::try_from(dice.below(20)).unwrap_or_default());
            if via.http2 {
                let _ = self.house.client(via.member).http2().patience(pause).try_send(&attempt.request);
            } else if let Ok(mut connection) = self.house.client(via.member).connect() {
                let bytes = attempt.request.to_http1();
                let end = if dice.is_one_in(2) { bytes.len() } else { dice.below(bytes.len()) };
                let _ = connection.write(&bytes[..end]);
                thread::sleep(pause);
            }
            self.tally.left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What ends a connection of HTTP/1.1, or may.
const fn stays_open(attempt: &Attempt) -> bool {
    match attempt.expected {
        Expected::Passes { .. } => true,
        Expected::Refused(..) => !attempt.has_body,
        Expected::Dropped => false,
    }
}
