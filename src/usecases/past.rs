//! Where a person stood at a moment of the past, and what had led there: what a controller shows who is asked "had they
//! agreed when you wrote to them?" (PF-01).

use std::collections::BTreeMap;

use crate::domain::consent::{ConsentState, Standing};
use crate::domain::ids::{PurposeId, SubjectId};
use crate::domain::purpose::Purpose;
use crate::domain::replay::{Told, replay};
use crate::domain::time::Timestamp;
use crate::store::ReadTx;
use crate::store::events::StoredEvent;

use super::once::Asker;
use super::people::log;
use super::{Error, Services};

/// Facts read at once; a person seldom has as many.
const PIECE: i64 = 500;

/// Where a person stood towards a purpose.
#[derive(Debug, Clone)]
pub struct Stood {
    /// The purpose.
    pub purpose: Purpose,
    /// The state, with time taken into account.
    pub state: ConsentState,
    /// Until when it was to hold: a consent to its end, a request to the end of its link.
    pub until: Option<Timestamp>,
    /// The fact that had led there.
    pub event: StoredEvent,
}

/// Where a person stood at `moment`, by purpose; nothing about purposes of which nothing had been said.
pub async fn stood(services: &Services, reader: Asker, id: SubjectId, moment: Timestamp) -> Result<Vec<Stood>, Error> {
    let scope = reader.scope.ok_or(Error::UnknownCredential)?;
    if moment > services.clock.now() {
        return Err(Error::field("at", "lies ahead; expected a moment of the past"));
    }
    let found = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            tx.subject(scope, id)?;
            let purposes = tx.purposes(scope)?;
            let mut told: BTreeMap<PurposeId, (Standing, StoredEvent)> = BTreeMap::new();
            let mut after = None;
            loop {
                let events = tx.events_of(scope, id, after, PIECE)?;
                let whole = i64::try_from(events.len()).is_ok_and(|read| read < PIECE);
                after = events.last().map(|event| event.id);
                for event in events.into_iter().filter(|event| event.at <= moment) {
                    let before = told.get(&event.purpose_id).map_or(Standing::NONE, |(standing, _)| *standing);
                    let fact = Told { kind: event.kind, at: event.at, valid_until: event.valid_until };
                    if let Some(standing) = replay(&before, fact) {
                        told.insert(event.purpose_id, (standing, event));
                    }
                }
                if whole {
                    break;
                }
            }
            let stood = purposes.into_iter().filter_map(|purpose| {
                let (standing, event) = told.remove(&purpose.id)?;
                let state = standing.effective(moment);
                let until = match state {
                    ConsentState::Pending => standing.request_until,
                    state if state.is_valid() => standing.terms.map(|terms| terms.valid_until),
                    _ => None,
                };
                Some(Stood { purpose, state, until, event })
            });
            Ok::<_, Error>(stood.collect())
        })
        .await?;
    log(reader, Some(id), "past");
    Ok(found)
}
