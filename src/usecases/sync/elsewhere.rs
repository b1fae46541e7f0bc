//! Whoever has another address since stands on a list under the one they left, until that is changed there: the entry is
//! given the new address, so that it stays one, with its history. It is believed only once it shows, as that may take them
//! a moment, and the new address is written only then, so that nobody is there twice (campaign-monitor 5.2).

use crate::campaign_monitor::{Account, NewSubscriber, Renamed};
use crate::store::WriteTx;

use super::super::{Error, Services};
use super::outcome::{self, Hold, Trouble};
use super::plan::{Plan, Step};

/// Sees to it that the person, who is to be active on the list, stands there under no address that they have left.
pub async fn leave(
    services: &Services,
    hold: &Hold<'_>,
    account: &Account<'_>,
    plan: &Plan,
    step: &Step,
    row: &NewSubscriber,
) -> Result<(), Trouble> {
    for address in &step.elsewhere {
        // A stop that they hold under the old address is one of the person, and heard.
        if !outcome::still_there(services, hold, account, plan, step, address).await? {
            continue;
        }
        hold.confirm(step, None).await?;
        match account.update(&step.list_id, address, row).await? {
            Renamed::Done | Renamed::WasNotThere => {}
            // The new address has an entry of its own there: that one stays.
            Renamed::Taken => drop(account.delete(&step.list_id, address).await?),
        }
        if outcome::still_there(services, hold, account, plan, step, address).await? {
            return Err(Trouble::NotYet("the change of address does not show there yet".to_owned()));
        }
    }
    Ok(())
}

/// Notes that the person stands there under no other address, unless they have moved again meanwhile.
pub async fn gone(hold: &Hold<'_>, step: &Step) -> Result<(), Error> {
    let Some(known) = step.stands_as.clone() else { return Ok(()) };
    let (task, list_id) = (hold.task.clone(), step.list_id.clone());
    let (scope, lease) = (task.scope(), hold.lease);
    let subject = crate::domain::ids::SubjectId::from_uuid(task.reference.uuid());
    let work = move |tx: &mut WriteTx<'_>| {
        if tx.extend_lease(&task, lease)? {
            tx.clear_stands_as(scope, subject, &list_id, &known)?;
        }
        Ok::<_, Error>(())
    };
    hold.services.store.write(subject.uuid(), work).await
}
