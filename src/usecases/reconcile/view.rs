//! A plan as it is shown: what was found, what came of it, and what waits for leave.

use std::collections::BTreeMap;

use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerScope, DestinationId, FindingId, ReconcileId};
use crate::domain::reconcile::{Difference, FindingStatus};
use crate::store::ReadTx;
use crate::store::reconciles::{Finding, FindingCount, Reconcile};

use super::super::{Error, Services};

/// A comparison with its counts.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The comparison.
    pub reconcile: Reconcile,
    /// How many differences of each kind stand how.
    pub counts: Vec<FindingCount>,
}

/// A difference as it is shown.
pub struct FindingSeen {
    /// The difference.
    pub finding: Finding,
    /// The address, masked: enough to recognise it, too little to take a list away (DR-10).
    pub address: String,
}

fn with_counts(tx: &mut ReadTx<'_>, scope: ControllerScope, reconcile: Reconcile) -> Result<Plan, Error> {
    let counts = match &reconcile.counts {
        Some(kept) => kept_counts(kept)?,
        None => tx.finding_counts(scope, reconcile.id)?,
    };
    Ok(Plan { reconcile, counts })
}

/// Counts as they are kept once the differences themselves are forgotten.
fn kept_counts(text: &str) -> Result<Vec<FindingCount>, Error> {
    let kept: BTreeMap<Difference, BTreeMap<FindingStatus, i64>> = serde_json::from_str(text)?;
    let all = kept
        .into_iter()
        .flat_map(|(kind, of_kind)| of_kind.into_iter().map(move |(status, rows)| (kind, status, rows)));
    Ok(all.map(|(kind, status, rows)| FindingCount { kind, status, rows }).collect())
}

/// [`kept_counts`], written.
pub(in crate::usecases) fn counts_to_keep(counts: &[FindingCount]) -> String {
    let mut kept: BTreeMap<Difference, BTreeMap<FindingStatus, i64>> = BTreeMap::new();
    for count in counts {
        kept.entry(count.kind).or_default().insert(count.status, count.rows);
    }
    serde_json::to_string(&kept).expect("names and numbers are written into memory")
}

/// One plan.
pub async fn plan(services: &Services, scope: ControllerScope, id: ReconcileId) -> Result<Plan, Error> {
    let look = move |tx: &mut ReadTx<'_>| {
        let reconcile = tx.reconcile(scope, id)?;
        with_counts(tx, scope, reconcile)
    };
    services.store.read(look).await
}

/// A destination's plans before `before`, the newest first; one more than `limit`, if there are.
pub async fn plans(
    services: &Services,
    scope: ControllerScope,
    destination: DestinationId,
    before: Option<ReconcileId>,
    limit: i64,
) -> Result<Vec<Plan>, Error> {
    let look = move |tx: &mut ReadTx<'_>| {
        tx.destination(scope, destination)?;
        let page = tx.reconciles_page(scope, destination, before, limit + 1)?;
        page.into_iter().map(|reconcile| with_counts(tx, scope, reconcile)).collect::<Result<Vec<_>, Error>>()
    };
    services.store.read(look).await
}

/// A plan's differences after `after`; one more than `limit`, if there are.
pub async fn findings(
    services: &Services,
    scope: ControllerScope,
    id: ReconcileId,
    kind: Option<Difference>,
    after: Option<FindingId>,
    limit: i64,
) -> Result<Vec<FindingSeen>, Error> {
    let keys = services.keys.of(scope).await?;
    let look = move |tx: &mut ReadTx<'_>| {
        tx.reconcile(scope, id)?;
        let page = tx.findings_page(scope, id, kind, after, limit + 1)?;
        let seen = page.into_iter().map(|finding| {
            let row = finding.id.uuid();
            let plain = keys.open("reconcile_findings", "address", row, finding.key_version, &finding.address)?;
            let text = String::from_utf8_lossy(&plain).into_owned();
            let address = EmailAddress::parse(&text).map_or_else(|_| "•••".to_owned(), |address| address.masked());
            Ok(FindingSeen { finding, address })
        });
        seen.collect::<Result<Vec<_>, Error>>()
    };
    services.store.read(look).await
}
