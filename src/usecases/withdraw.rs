//! A person stops it by link. Forgiving: any genuine link works for ever, whatever its age, key or use, and whatever
//! became of the list or the person; asked again, the answer is the same (WD-06, LK-06).

use serde_json::Value;

use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::link::LinkAction;
use crate::domain::suppression::SuppressionReason;

use super::answer::{About, StopShown, Wanted, stop};
use super::linked::verify;
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
) -> Result<Option<StopShown>, Error> {
    let genuine = verify(services, token, LinkAction::Withdraw).await?;
    let (about, command) = match reach {
        Reach::This => (About::Link, Command::Withdraw { reason: SuppressionReason::Withdrawn }),
        Reach::Everything => (About::Everything, Command::Object),
    };
    stop(services, genuine, Wanted { action: LinkAction::Withdraw, about, command, method, evidence }).await
}
