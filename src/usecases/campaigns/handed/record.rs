//! What is noted when links have left the house: the people are asked (RP-07), or the reason why they are not.

use std::collections::HashMap;

use crate::domain::campaign::MemberStatus;
use crate::domain::consent::Standing;
use crate::domain::event::{EventKind, Method};
use crate::domain::gate::Reason;
use crate::domain::ids::{ControllerId, PurposeId, SubjectId};
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::campaigns::Campaign;
use crate::store::events::StoredEvent;
use crate::store::policies::Notice;

use super::super::super::record::{Occasion, seal_event};
use super::super::super::{Error, Services};
use super::{Somebody, asked_by};

/// Notes that the links of these people have left the house just now, and for the first time.
pub(super) fn asked(
    tx: &mut WriteTx<'_>,
    services: &Services,
    campaign: &Campaign,
    notice: &Notice,
    people: &[&Somebody],
    now: Timestamp,
) -> Result<(), Error> {
    let scope = crate::domain::ids::ControllerScope::granted(campaign.controller_id);
    let occasion = Occasion {
        notice: Some(notice.id),
        policy_version: Some(notice.policy_version),
        ..Occasion::plain(now, Method::Destination, Some(format!("campaign:{}", campaign.id)))
    };
    let mut events: Vec<StoredEvent> = Vec::new();
    let mut alike: HashMap<Vec<PurposeId>, Vec<(ControllerId, SubjectId)>> = HashMap::new();
    for one in people {
        let purposes = asked_by(&one.entry);
        for purpose in &purposes {
            let kind = EventKind::Asked;
            events.push(seal_event(&*services.ids, &one.person, *purpose, kind, &Standing::NONE, &occasion));
        }
        alike.entry(purposes).or_default().push((campaign.controller_id, one.person.row.id));
    }
    events.chunks(500).try_for_each(|piece| tx.append_events(piece))?;
    for (purposes, people) in alike {
        tx.note_asked_all(&people, &purposes, now)?;
    }
    let ids: Vec<SubjectId> = people.iter().map(|one| one.person.row.id).collect();
    Ok(tx.set_member_statuses(scope, campaign.id, &ids, MemberStatus::HandedToProvider, None)?)
}

/// Notes why people are not asked.
pub(super) fn excluded(tx: &mut WriteTx<'_>, campaign: &Campaign, people: &[(SubjectId, Reason)]) -> Result<(), Error> {
    let scope = crate::domain::ids::ControllerScope::granted(campaign.controller_id);
    let mut alike: HashMap<Reason, Vec<SubjectId>> = HashMap::new();
    for (subject, reason) in people {
        alike.entry(*reason).or_default().push(*subject);
    }
    for (reason, people) in alike {
        tx.set_member_statuses(scope, campaign.id, &people, MemberStatus::Excluded, Some(reason))?;
    }
    Ok(())
}
