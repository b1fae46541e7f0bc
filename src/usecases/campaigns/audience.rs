//! The people of a round and what the gate says of each. Looked at in pieces, so that no audience is held in memory and
//! no reader is kept long.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::crypto::ControllerKeys;
use crate::domain::campaign::CampaignStatus;
use crate::domain::gate::{MailKind, Reason, SubjectFlags};
use crate::domain::ids::{CampaignId, ControllerScope, ImportId, PurposeId, SubjectId};
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::store::ReadTx;
use crate::store::campaigns::Campaign;
use crate::store::consents::Consent;
use crate::store::suppressions::Suppression;

use super::super::permission::{OnRecord, fingerprints, judge};
use super::super::record::Person;
use super::super::{Error, Rules, Services};

/// Somebody in the audience, with the fingerprints of their address; none are left of somebody erased.
#[derive(Debug, Clone)]
pub(super) struct Somebody {
    id: SubjectId,
    fingerprints: Vec<Vec<u8>>,
}

/// What the gate says of somebody.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) subject: SubjectId,
    pub(super) verdict: Result<Vec<PurposeId>, Reason>,
}

/// The next people of an audience, each once, in the order of their ids. Their addresses are opened here, so that a
/// transaction that writes has no crypto to do.
pub(super) fn next_people(
    tx: &mut ReadTx<'_>,
    keys: &ControllerKeys,
    scope: ControllerScope,
    imports: &[ImportId],
    after: Option<SubjectId>,
    limit: usize,
) -> Result<Vec<Somebody>, Error> {
    let ids = tx.import_people(scope, imports, after, i64::try_from(limit).unwrap_or(i64::MAX))?;
    let mut addresses = HashMap::with_capacity(ids.len());
    for row in tx.subjects_among(scope, &ids)? {
        if row.erased_at.is_none() {
            let id = row.id;
            addresses.insert(id, fingerprints(keys, &Person::open(scope, keys, row)?));
        }
    }
    Ok(ids.into_iter().map(|id| Somebody { id, fingerprints: addresses.remove(&id).unwrap_or_default() }).collect())
}

/// Runs the gate for these people with what is on record in this transaction. Who is no longer on record, or was erased
/// since their address was opened, is not mailed.
pub(super) fn judge_people(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    people: &[Somebody],
    purposes: &[Purpose],
    now: Timestamp,
    rules: &Rules,
) -> Result<Vec<Judged>, Error> {
    let ids: Vec<SubjectId> = people.iter().map(|somebody| somebody.id).collect();
    let wanted: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
    let marks: Vec<Vec<u8>> = people.iter().flat_map(|somebody| somebody.fingerprints.iter().cloned()).collect();
    let flags: HashMap<SubjectId, SubjectFlags> =
        tx.subjects_among(scope, &ids)?.into_iter().map(|row| (row.id, row.flags())).collect();
    let mut consents: HashMap<SubjectId, Vec<Consent>> = HashMap::new();
    for consent in tx.consents_among(scope, &ids, &wanted)? {
        consents.entry(consent.subject_id).or_default().push(consent);
    }
    let mut listed: HashMap<Vec<u8>, Vec<Suppression>> = HashMap::new();
    for entry in tx.suppressions_among(scope, &marks)? {
        listed.entry(entry.fingerprint.clone()).or_default().push(entry);
    }
    let gone = SubjectFlags { erased: true, ..SubjectFlags::default() };
    let judged = people.iter().map(|somebody| {
        let entries: Vec<Suppression> =
            somebody.fingerprints.iter().filter_map(|mark| listed.get(mark)).flatten().cloned().collect();
        let known = flags.get(&somebody.id).copied().filter(|_| !somebody.fingerprints.is_empty());
        let record = OnRecord {
            flags: known.unwrap_or(gone),
            consents: consents.get(&somebody.id).map_or(&[], Vec::as_slice),
            suppressions: &entries,
        };
        let verdict = judge(MailKind::Repermission, purposes, &record, now, rules);
        Judged { subject: somebody.id, verdict }
    });
    Ok(judged.collect())
}

/// What would come of a launch now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DryRun {
    /// People who would be asked.
    pub eligible: u64,
    /// People who would not, by reason; outsiders count as opted out.
    pub excluded: BTreeMap<Reason, u64>,
    /// Suppressed addresses of the audience that were never added as people; contained in `excluded`.
    pub outsiders: u64,
}

impl DryRun {
    /// Everybody.
    pub fn total(&self) -> u64 {
        self.eligible + self.excluded.values().sum::<u64>()
    }

    /// The reasons with their counts.
    pub fn reasons(&self) -> Vec<(Reason, u64)> {
        self.excluded.iter().map(|(reason, people)| (*reason, *people)).collect()
    }

    fn count(&mut self, judged: &[Judged]) {
        for one in judged {
            match &one.verdict {
                Ok(_) => self.eligible += 1,
                Err(reason) => *self.excluded.entry(*reason).or_default() += 1,
            }
        }
    }
}

/// Counts the whole audience by what the gate says of it now (RP-02). Writes nothing.
pub async fn dry_run(services: &Services, scope: ControllerScope, id: CampaignId) -> Result<DryRun, Error> {
    let campaign = services.store.read(move |tx: &mut ReadTx<'_>| tx.campaign(scope, id)).await?;
    count(services, scope, &campaign, false).await
}

/// Counts an audience; only until the first eligible person when that is all that matters.
pub(super) async fn count(
    services: &Services,
    scope: ControllerScope,
    campaign: &Campaign,
    stop_at_first: bool,
) -> Result<DryRun, Error> {
    let imports = campaign.imports()?;
    let mut counted = DryRun::default();
    let mut after = None;
    let piece = services.rules.pieces.audience;
    loop {
        let judged = look(services, scope, campaign, after, piece).await?;
        counted.count(&judged);
        after = judged.last().map(|last| last.subject);
        if judged.len() < piece || (stop_at_first && counted.eligible > 0) {
            break;
        }
    }
    let outsiders = services.store.read(move |tx: &mut ReadTx<'_>| tx.import_outsiders(scope, &imports)).await?;
    counted.outsiders = u64::try_from(outsiders).unwrap_or(0);
    if counted.outsiders > 0 {
        *counted.excluded.entry(Reason::OptedOut).or_default() += counted.outsiders;
    }
    Ok(counted)
}

/// One piece of the audience as it stands now.
async fn look(
    services: &Services,
    scope: ControllerScope,
    campaign: &Campaign,
    after: Option<SubjectId>,
    limit: usize,
) -> Result<Vec<Judged>, Error> {
    let keys = services.keys.of(scope).await?;
    let (imports, wanted) = (campaign.imports()?, campaign.purposes()?);
    let (rules, now) = (Arc::clone(&services.rules), services.clock.now());
    let look = move |tx: &mut ReadTx<'_>| {
        let purposes = tx.purposes_in_order(scope, &wanted)?;
        let people = next_people(tx, &keys, scope, &imports, after, limit)?;
        judge_people(tx, scope, &people, &purposes, now, &rules)
    };
    services.store.read(look).await
}

/// People who are not asked, with the reason, in the order of their ids, and where to go on. Of a draft these are who
/// would not be asked now, and a page may hold fewer than `limit`; of a launched round, who was not.
pub async fn exclusions(
    services: &Services,
    scope: ControllerScope,
    id: CampaignId,
    reason: Option<Reason>,
    after: Option<SubjectId>,
    limit: usize,
) -> Result<(Vec<(SubjectId, Reason)>, Option<SubjectId>), Error> {
    let campaign = services.store.read(move |tx: &mut ReadTx<'_>| tx.campaign(scope, id)).await?;
    if campaign.status == CampaignStatus::Draft {
        let judged = look(services, scope, &campaign, after, limit).await?;
        let next = if judged.len() == limit { judged.last().map(|last| last.subject) } else { None };
        let refused = judged.into_iter().filter_map(|one| one.verdict.err().map(|why| (one.subject, why)));
        return Ok((refused.filter(|(_, why)| reason.is_none_or(|wanted| wanted == *why)).collect(), next));
    }
    let fetch = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let members =
        services.store.read(move |tx: &mut ReadTx<'_>| tx.excluded_members(scope, id, reason, after, fetch)).await?;
    let more = members.len() > limit;
    let mut page: Vec<(SubjectId, Reason)> =
        members.into_iter().filter_map(|member| member.reason.map(|why| (member.subject_id, why))).collect();
    page.truncate(limit);
    let next = if more { page.last().map(|(subject, _)| *subject) } else { None };
    Ok((page, next))
}
