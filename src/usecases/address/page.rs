//! What the link of a change of address leads to. Opening changes nothing (LK-01).

use std::sync::Arc;

use crate::domain::address::ChangeOutcome;
use crate::domain::ids::LinkId;
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;
use crate::store::{ReadTx, StoreError};

use super::super::linked::{Genuine, verify};
use super::super::record::Person;
use super::super::scene::{Scene, scene_of};
use super::super::{Error, Services};
use super::new_address;

/// What the page shows to whoever holds the link.
#[derive(Debug, Clone)]
pub struct MoveQuestion {
    /// What it shows to everybody.
    pub scene: Arc<Scene>,
    /// The link.
    pub link: LinkId,
    /// The address in force, masked (LK-08).
    pub masked_old: String,
    /// The new one, masked.
    pub masked_new: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

/// How a genuine link stands.
#[derive(Debug, Clone)]
pub enum MoveStanding {
    /// It can be answered.
    Open(Box<MoveQuestion>),
    /// Its time is over.
    Expired(Arc<Scene>),
    /// It is decided, one way or another.
    Over(Arc<Scene>, ChangeOutcome),
    /// Nobody is on record behind it any more.
    Gone,
}

/// Opens the link for its page.
pub async fn show(services: &Services, token: &str) -> Result<MoveStanding, Error> {
    let genuine = verify(services, token, LinkAction::Move).await?;
    standing(services, genuine).await
}

/// How the link stands now.
pub(super) async fn standing(services: &Services, genuine: Genuine) -> Result<MoveStanding, Error> {
    let keys = services.keys.of(genuine.scope).await?;
    let (scope, house, now) = (genuine.scope, services.clone(), services.clock.now());
    let look = move |tx: &mut ReadTx<'_>| {
        let link = match tx.link(scope, genuine.link) {
            Ok(link) if link.action == LinkAction::Move => link,
            Ok(_) => return Err(Error::UnknownLink),
            Err(StoreError::NotFound) => return Ok(MoveStanding::Gone),
            Err(error) => return Err(error.into()),
        };
        let subject = tx.subject(scope, link.subject_id)?;
        if subject.erased_at.is_some() {
            return Ok(MoveStanding::Gone);
        }
        let scene = scene_of(&house, tx, scope, &link)?;
        let change = match tx.address_change(scope, link.id) {
            Ok(change) => change,
            Err(StoreError::NotFound) => return Ok(MoveStanding::Gone),
            Err(error) => return Err(error.into()),
        };
        if let Some(outcome) = change.outcome {
            return Ok(MoveStanding::Over(scene, outcome));
        }
        if genuine.expired || !change.open_at(now) {
            return Ok(MoveStanding::Expired(scene));
        }
        let person = Person::open(scope, &keys, subject)?;
        Ok(MoveStanding::Open(Box::new(MoveQuestion {
            scene,
            link: link.id,
            masked_old: person.address.masked(),
            masked_new: new_address(&person, &change)?.masked(),
            asked_at: change.created_at,
        })))
    };
    services.store.read(look).await
}
