//! Stops by link on their way to the writer. A busy house refuses them last; a link that was used before stops all the
//! same (WD-06).

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::crypto::ControllerKeys;
use crate::domain::campaign::Answer;
use crate::domain::consent::Command;
use crate::domain::ids::{PurposeId, SubjectId};
use crate::store::links::Used;
use crate::store::{Outcomes, WriteTx};

use super::super::docket::Docket;
use super::super::linked::{Genuine, Question};
use super::super::record::Occasion;
use super::super::{Error, Services};
use super::given::{Locked, RoundAnswers};

/// What a used link says it was used for.
const STOPPED: &str = "{\"stopped\":\"yes\"}";

struct Stop {
    services: Services,
    keys: Arc<ControllerKeys>,
    genuine: Genuine,
    subject: SubjectId,
    route: Uuid,
    purposes: Vec<PurposeId>,
    command: Command,
    occasion: Occasion,
}

/// Applies a stop to purposes of the person behind a link, and marks the link.
pub(in super::super) async fn stop(
    services: &Services,
    genuine: Genuine,
    question: &Question,
    purposes: Vec<PurposeId>,
    command: Command,
    occasion: Occasion,
) -> Result<(), Error> {
    let keys = services.keys.of(genuine.scope).await?;
    let (subject, route) = (question.link.subject_id, question.route);
    let stop = Stop { services: services.clone(), keys, genuine, subject, route, purposes, command, occasion };
    services.store.submit(stop).await?;
    Ok(())
}

impl crate::store::Command for Stop {
    type Answer = ();
    type Error = Error;

    const URGENT: bool = true;

    fn route(&self) -> Uuid {
        self.route
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        let locked = Locked::all(tx, all.iter().map(|stop| (stop.genuine, stop.subject, &*stop.keys)))?;
        let mut docket = Docket::read(tx, locked.people())?;
        let (mut used, mut marked, mut rounds) = (Vec::new(), HashSet::new(), RoundAnswers::default());
        let mut outcomes = Vec::with_capacity(all.len());
        for stop in all {
            // Nobody is on record behind the link any more: the goal is reached.
            if let Some((person, link)) = locked.find(stop.genuine, stop.subject) {
                for purpose in &stop.purposes {
                    let ids = &*stop.services.ids;
                    docket.apply(ids, &stop.keys, person, *purpose, stop.command, &stop.occasion)?;
                }
                if link.used_at.is_none() && marked.insert((link.controller_id, link.id)) {
                    let answer = STOPPED.to_owned();
                    used.push(Used { controller_id: link.controller_id, id: link.id, at: stop.occasion.now, answer });
                }
                rounds.note(person, link, Answer::No);
            }
            outcomes.push(Ok(()));
        }
        docket.write(tx)?;
        tx.use_links(&used)?;
        if let Some(now) = all.iter().map(|stop| stop.occasion.now).max() {
            rounds.write(tx, now)?;
        }
        Ok(outcomes)
    }
}
