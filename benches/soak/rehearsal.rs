//! Before the load: each kind once over each connection that it is for, and whether this program would notice if it were otherwise.

use crate::attempt::{MARK, STAYS};
use crate::dice::Dice;
use crate::house::House;
use crate::kinds::{Kind, Member, Via, World};
use crate::tally::Tally;
use portcullis_harness::{PATIENCE, Request, poll};

/// What went wrong.
pub(crate) fn run(house: &House, world: &World, kinds: &[Kind], tally: &Tally) -> Vec<String> {
    let mut faults = Vec::new();
    let token = world.users.current().seen(&mut Dice::new(1));
    let known = |member| {
        house.client(member).try_send(&Request::get("/users").bearer(&token.text).header(MARK, "passes")).is_ok_and(|r| r.status == 200)
    };
    if poll(PATIENCE, || (known(None) && known(Some(Member::Nobody))).then_some(())).is_none() {
        return vec!["the keys never came".into()];
    }
    let members = [None, Some(Member::Alice), Some(Member::Bob), Some(Member::Carol), Some(Member::Nobody)];
    let mut dice = Dice::new(2);
    let mut tried = 0;
    for kind in kinds {
        for via in members.iter().flat_map(|member| [false, true].map(|http2| Via { http2, member: *member })) {
            let Some(attempt) = (kind.make)(world, &mut dice, via) else { continue };
            let client = house.client(via.member);
            let outcome = if via.http2 { client.http2() } else { client }.try_send(&attempt.request);
            tried += 1;
            if let Some(fault) = attempt.fault(&outcome) {
                faults.push(format!("{}, {via:?}: {fault}\n{}", kind.name, attempt.to_text()));
            } else if !attempt.would_notice(&outcome) {
                faults.push(format!("{}, {via:?}: nothing would be noticed", kind.name));
            }
        }
    }
    faults.extend((tally.wrong() > 0).then(|| "the service got what it should not".to_owned()));
    if !tally.notices(|| drop(house.client(None).send(&Request::get("/healthz").header(MARK, STAYS)))) {
        faults.push("the service would not notice what it should not get".into());
    }
    println!("rehearsed: {tried} requests of {} kinds, each of whose answers would have been noticed if it were another", kinds.len());
    faults
}
