//! A person stops it by link. Forgiving: any genuine link works for ever, whatever its age, key or use, and whatever
//! became of the list or the person; asked again, the answer is the same (WD-06, LK-06).

use serde_json::Value;

use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::ids::PurposeId;
use crate::domain::link::LinkAction;
use crate::domain::suppression::SuppressionReason;
use crate::store::ReadTx;

use super::answer::{source_of, stop};
use super::linked::{LinkStanding, Question, standing, verify};
use super::record::Occasion;
use super::{Error, Services};

/// How far a withdrawal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What the link is about.
    This,
    /// Everything of this controller: an objection (WD-04).
    Everything,
}

/// Stops it. Answers with what the page shows, or nothing when nobody is on record behind the link any more.
pub async fn withdraw(
    services: &Services,
    token: &str,
    reach: Reach,
    method: Method,
    evidence: Value,
) -> Result<Option<Box<Question>>, Error> {
    let genuine = verify(services, token, LinkAction::Withdraw).await?;
    let question = match standing(services, genuine, LinkAction::Withdraw).await? {
        LinkStanding::Open(question)
        | LinkStanding::Expired(question)
        | LinkStanding::Superseded(question)
        | LinkStanding::Used(question, _, _) => question,
        LinkStanding::Gone => return Ok(None),
    };
    let (purposes, command): (Vec<PurposeId>, Command) = match reach {
        Reach::This => (
            question.purposes.iter().map(|purpose| purpose.id).collect(),
            Command::Withdraw { reason: SuppressionReason::Withdrawn },
        ),
        Reach::Everything => {
            let scope = genuine.scope;
            let all = services.store.read(move |tx: &mut ReadTx<'_>| tx.purposes(scope)).await?;
            (all.into_iter().map(|purpose| purpose.id).collect(), Command::Object)
        }
    };
    let occasion = Occasion {
        now: services.clock.now(),
        method,
        source: source_of(&question.link),
        notice: None,
        policy_version: None,
        evidence: Some(evidence),
    };
    stop(services, genuine, &question, purposes, command, occasion).await?;
    Ok(Some(question))
}
