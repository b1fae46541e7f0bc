//! What the demo says once it runs: for scripts one line of JSON on standard output, for people a short list on
//! standard error.

use std::io::Write;

use serde_json::{Value, json};

use crate::cli::exit::{Failure, print_json};

use super::kept::{Kept, Seeded};

/// Where everything is.
pub(super) struct Addresses {
    pub base_url: String,
    pub ops_url: String,
    pub site_url: String,
    pub inbox_url: String,
    pub campaign_monitor_url: String,
    pub database_url: String,
}

/// Tells what became of the visitor's list, and where each of its rows stands with its reason.
pub(super) fn tell_list(import: &Value, base_url: &str, token: &str) {
    let number = |field: &str| import[field].as_i64().unwrap_or(0);
    let (rows, accepted, refused) = (number("rows"), number("accepted"), number("refused"));
    let id = import["id"].as_str().unwrap_or_default();
    let text = format!(
        "Your list: {rows} rows read, {accepted} taken, {refused} refused. What became of each, and why:\n  \
           curl -H 'Authorization: Bearer {token}' {base_url}/v1/imports/{id}/rows\n"
    );
    // A closed standard error is no reason to stop.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Tells where everything is and what to try.
pub(super) fn tell(at: &Addresses, kept: &Kept, seeded: &Seeded, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let account = kept.account.as_ref();
        let controllers: Vec<_> = seeded
            .controllers
            .iter()
            .map(|controller| {
                json!({
                    "id": controller.id, "slug": controller.slug, "api_token": controller.api_token,
                    "form_key": controller.form_key, "list_id": controller.list_id,
                    "campaign_id": controller.campaign_id,
                })
            })
            .collect();
        print_json(&json!({
            "base_url": at.base_url, "ops_url": at.ops_url, "inbox_url": at.inbox_url, "site_url": at.site_url,
            "campaign_monitor_url": at.campaign_monitor_url,
            "campaign_monitor_api_key": account.map(|account| &account.api_key),
            "campaign_monitor_client_id": account.map(|account| &account.client_id),
            "database_url": at.database_url, "controllers": controllers,
        }))?;
    }
    let first = seeded.first()?;
    let Addresses { base_url, ops_url, site_url, inbox_url, campaign_monitor_url, database_url: _ } = at;
    let who = match &first.campaign_id {
        Some(id) => format!("{base_url}/v1/campaigns/{id}/results\n     … and the same with /exclusions at its end"),
        None => format!("{base_url}/v1/imports"),
    };
    let text = format!(
        "\nThe demo runs; nothing leaves this machine. Ctrl-C stops it, and the next start goes on from here.\n\n\
         Open:\n  \
           a customer's site  {site_url}\n  \
           the mails sent     {inbox_url}\n  \
           the mailing lists  {campaign_monitor_url}\n  \
           the API, explained {base_url}/docs/\n  \
           health, numbers    {ops_url}/readyz  {ops_url}/metrics\n\n\
         Try:\n  \
           1. Open a mail of {name} in the inbox and answer it: only now does the person appear on the list.\n  \
           2. Sign up on the customer's site, then confirm from the mail.\n  \
           3. Withdraw by the link in a mail, or unsubscribe on the list's page: each is heard on the other side.\n  \
           4. See who was asked, who was not, and why:\n     \
              curl -H 'Authorization: Bearer {token}' {who}\n\n",
        name = first.name,
        token = first.api_token,
    );
    // A closed standard error is no reason to stop.
    let _ = std::io::stderr().write_all(text.as_bytes());
    Ok(())
}
