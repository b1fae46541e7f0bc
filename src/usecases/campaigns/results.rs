//! What came of a round, in numbers that add up to the last person.

use std::collections::BTreeMap;

use crate::domain::campaign::{Answer, MemberStatus};
use crate::domain::gate::Reason;
use crate::domain::ids::{CampaignId, ControllerScope};
use crate::store::ReadTx;
use crate::store::campaigns::{Campaign, MemberCount};

use super::super::{Error, Services};

/// A round's people. `audience` = `queued` + `delivered` + `held` + `handed_to_provider` + `bounced` + all in `excluded`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// Everybody in it, outsiders among them.
    pub audience: u64,
    /// Whose mail the relay took, or may have taken, or whose link others have: `delivered` + `held` +
    /// `handed_to_provider`.
    pub asked: u64,
    /// Whose mail waits.
    pub queued: u64,
    /// Whose mail the relay took.
    pub delivered: u64,
    /// Whose mail the relay refused for good.
    pub bounced: u64,
    /// Of whose mail it is not known whether the relay took it.
    pub held: u64,
    /// Whose link the provider, or whoever downloaded the links, has.
    pub handed_to_provider: u64,
    /// Who is not asked, by reason; outsiders count as opted out.
    pub excluded: BTreeMap<Reason, u64>,
    /// Suppressed addresses of the audience that were never added as people; contained in `excluded`.
    pub outsiders: u64,
    /// Who said yes.
    pub yes: u64,
    /// Who said no.
    pub no: u64,
    /// Who was asked and has not answered.
    pub silent: u64,
}

impl Results {
    fn of(campaign: &Campaign, counts: &[MemberCount]) -> Self {
        let mut sum = Self { outsiders: u64::try_from(campaign.outsiders).unwrap_or(0), ..Self::default() };
        if sum.outsiders > 0 {
            sum.excluded.insert(Reason::OptedOut, sum.outsiders);
        }
        sum.audience = sum.outsiders;
        for count in counts {
            let people = u64::try_from(count.members).unwrap_or(0);
            sum.audience += people;
            let asked = match count.status {
                MemberStatus::Queued => {
                    sum.queued += people;
                    false
                }
                MemberStatus::Delivered => {
                    sum.delivered += people;
                    true
                }
                MemberStatus::Held => {
                    sum.held += people;
                    true
                }
                MemberStatus::HandedToProvider => {
                    sum.handed_to_provider += people;
                    true
                }
                MemberStatus::Bounced => {
                    sum.bounced += people;
                    false
                }
                MemberStatus::Excluded => {
                    // The gate always gives a reason; a row without one could only be somebody nothing is known of.
                    *sum.excluded.entry(count.reason.unwrap_or(Reason::NoEvidence)).or_default() += people;
                    false
                }
            };
            match count.answer {
                // An answer counts although the relay's word on the mail is still outstanding.
                Answer::Yes => sum.yes += people,
                Answer::No => sum.no += people,
                Answer::Silent if asked => sum.silent += people,
                Answer::Silent => {}
            }
        }
        sum.asked = sum.delivered + sum.held + sum.handed_to_provider;
        sum
    }
}

/// A round with its results so far.
pub async fn results(
    services: &Services,
    scope: ControllerScope,
    id: CampaignId,
) -> Result<(Campaign, Results), Error> {
    let read = move |tx: &mut ReadTx<'_>| {
        let campaign = tx.campaign(scope, id)?;
        let results = Results::of(&campaign, &tx.member_counts(scope, id)?);
        Ok::<_, Error>((campaign, results))
    };
    services.store.read(read).await
}
