//! A material change of a policy or of a wording: consents given under what came before stand, but are to be asked
//! for anew (EX-04). That may be many, so the publication only asks for the work, in its own transaction, and the
//! worker does it piece by piece.
//!
//! What counts as earlier: of a policy, the versions published before, save those with the same label, which are the
//! same version in other languages; of a notice, those under the same short name with a lower number, in whatever
//! language. What was given under the new text itself is left alone.

use uuid::Uuid;

use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, NoticeId, PolicyVersionId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::outbox::Task;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::record::{Occasion, Person, apply};
use super::{Error, Services};

/// Behind mails and synchronisation: nobody waits for it.
const LANE: i16 = 2;

/// Asks for the refresh of what came before this policy version or notice, from `due_at` on.
pub(super) fn ask_for(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    published: Uuid,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    Ok(tx.enqueue(&[Task::new(scope, TaskKind::Refresh, published, LANE, due_at, now)])?)
}

/// What was published, and what came before it.
struct Publication {
    source: String,
    notices: Vec<NoticeId>,
    policy_versions: Vec<PolicyVersionId>,
}

fn publication(tx: &mut ReadTx<'_>, scope: ControllerScope, published: Uuid) -> Result<Option<Publication>, Error> {
    match tx.policy_version(scope, PolicyVersionId::from_uuid(published)) {
        Ok(new) => {
            let all = tx.policy_versions(scope, new.policy_id)?;
            let earlier = all.iter().filter(|old| old.id < new.id && old.label != new.label);
            return Ok(Some(Publication {
                source: format!("policy_version:{published}"),
                notices: Vec::new(),
                policy_versions: earlier.map(|old| old.id).collect(),
            }));
        }
        Err(StoreError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    match tx.notice(scope, NoticeId::from_uuid(published)) {
        Ok(new) => Ok(Some(Publication {
            source: format!("notice:{published}"),
            notices: tx.earlier_notices(scope, &new.slug, new.version)?,
            policy_versions: Vec::new(),
        })),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Marks one piece of the consents that a publication concerns; says whether there is more to do.
pub async fn refresh_chunk(services: &Services, scope: ControllerScope, published: Uuid) -> Result<bool, Error> {
    let (house, keys, now) = (services.clone(), services.keys.of(scope).await?, services.clock.now());
    let most = services.rules.pieces.refresh;
    services
        .store
        .write(published, move |tx: &mut WriteTx<'_>| {
            let Some(publication) = publication(tx, scope, published)? else { return Ok(false) };
            let Publication { source, notices, policy_versions } = publication;
            let mut found = tx.consents_to_refresh(scope, &notices, &policy_versions, most)?;
            // People are locked in the order of their ids, as everywhere, so that two instances with pieces in common
            // wait for each other in turn and not in a circle.
            found.sort_unstable();
            let occasion = Occasion::plain(now, Method::Publication, Some(source));
            let mut marked = 0;
            for (subject, purpose) in &found {
                let row = tx.lock_subject(scope, *subject)?;
                if row.erased_at.is_some() {
                    continue;
                }
                let person = Person::open(scope, &keys, row)?;
                match apply(tx, house.ids.as_ref(), &keys, &person, *purpose, Command::RequireRefresh, &occasion) {
                    Ok(_) => marked += 1,
                    // It ended between our look and our lock: nothing is left to refresh.
                    Err(Error::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(marked > 0 && i64::try_from(found.len()).unwrap_or(most) >= most)
        })
        .await
}
