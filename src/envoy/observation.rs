//! Observe mode, carried out.

use super::shell::{Shell, Step};
use super::{abi, log, reply, state};
use crate::decision::Observation;
use crate::engine::Engine;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::time::UnixTime;

impl Shell {
    /// Lets a request go on that would have been refused, and notes why it would.
    pub(super) fn observe(&self, request: &Request, observation: &Observation, now: UnixTime) -> Step {
        let rejection = observation.rejection();
        let noted = |()| self.note_rejection(rejection);
        // The verdict comes last: the guard admits nothing whose headers are still as the client wrote them.
        if reply::apply(observation.edits()).and_then(noted).and_then(|()| state::set_verdict(state::OBSERVE)).is_err() {
            return self.refuse_for(request, Refusal::Internal("Envoy refused a header, a note or the verdict"), now);
        }
        let reason = rejection.refusal.reason();
        self.metrics.borrow_mut().count_observed(reason);
        if self.observed.borrow_mut().admits(reason, now) {
            log::refusal("observed", self.engine.borrow().as_ref().map(Engine::policy), request, rejection);
        }
        Step::Continue
    }

    /// Sets the gauge `observing`, where the configuration says observe. Each time anew: before this root context there may have been another, whose
    /// gauge is the same one.
    pub(super) fn show_mode(&self, now: UnixTime) {
        if let Some(engine) = self.engine.borrow().as_ref()
            && engine.policy().names_observe()
        {
            let observes = engine.policy().observes(now);
            self.metrics.borrow_mut().note_observing(observes);
            if self.observes.replace(observes) && !observes {
                abi::log(abi::Level::Warn, "observing is over: what was observed is refused from now on");
            }
        }
    }
}

impl Drop for Shell {
    /// The configuration that follows may know nothing of observing.
    fn drop(&mut self) {
        if self.engine.get_mut().as_ref().is_some_and(|engine| engine.policy().names_observe()) {
            self.metrics.get_mut().note_observing(false);
        }
    }
}
