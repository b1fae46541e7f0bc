//! Our webhook on a list there: bringing it about, and taking away those whose secret was replaced.

use crate::campaign_monitor::{Account, CallError, Webhook};
use crate::crypto::secret::sha256;
use crate::store::upkeep::FormerWebhook;

/// What was done about the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// It was there and on.
    Kept,
    /// It was switched on again.
    Activated,
    /// It was made.
    Made,
}

impl Hook {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Activated => "activated",
            Self::Made => "made",
        }
    }
}

/// By what stops on a list are told here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// By our webhook: it is there, on, and tells of everything.
    Ours,
    /// By one whose secret was replaced, and which is heard yet.
    Former,
    /// By none.
    Not,
}

/// By what stops on a list are told here.
pub async fn heard_by(
    account: &Account<'_>,
    list_id: &str,
    url: &str,
    former: &[FormerWebhook],
) -> Result<Heard, CallError> {
    let there = account.webhooks(list_id).await?;
    let mut telling = there.iter().filter(|hook| hook.tells_all() && hook.is_active());
    Ok(match telling.clone().any(|hook| hook.url == url) {
        true => Heard::Ours,
        false if telling.any(|hook| is_former(hook, former)) => Heard::Former,
        false => Heard::Not,
    })
}

/// Whether a webhook's secret is one of these. They are known by the last part of the address, as the secrets themselves are
/// gone.
fn is_former(hook: &Webhook, former: &[FormerWebhook]) -> bool {
    let hash = sha256(hook.url.rsplit('/').next().unwrap_or_default().as_bytes());
    former.iter().any(|one| one.webhook_hash == hash)
}

/// Makes sure that a webhook of ours is there, on, and tells of everything. There is no changing one: a new one comes before
/// the old one goes, so that nothing is missed between.
pub async fn ensure_webhook(account: &Account<'_>, list_id: &str, url: &str) -> Result<Hook, CallError> {
    let there = account.webhooks(list_id).await?;
    let (whole, partial): (Vec<Webhook>, Vec<Webhook>) =
        there.into_iter().filter(|hook| hook.url == url).partition(Webhook::tells_all);
    let done = match (whole.iter().any(Webhook::is_active), whole.first()) {
        (true, _) => Hook::Kept,
        (false, Some(hook)) => {
            account.activate_webhook(list_id, &hook.webhook_id).await?;
            Hook::Activated
        }
        (false, None) => {
            account.create_webhook(list_id, url).await?;
            Hook::Made
        }
    };
    for hook in partial {
        account.delete_webhook(list_id, &hook.webhook_id).await?;
    }
    Ok(done)
}

/// Takes away the webhooks of a list whose secret is one of these.
pub async fn drop_former(account: &Account<'_>, list_id: &str, former: &[FormerWebhook]) -> Result<(), CallError> {
    for hook in account.webhooks(list_id).await?.iter().filter(|hook| is_former(hook, former)) {
        account.delete_webhook(list_id, &hook.webhook_id).await?;
    }
    Ok(())
}
