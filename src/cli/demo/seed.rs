//! Fills an empty database with the demo's two controllers, through the API that customers use. Only the controllers
//! and their first tokens are made the operator's way, as on the command line.

use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::domain::ids::ControllerScope;
use crate::domain::scope::Scope;
use crate::domain::slug::Slug;
use crate::domain::time::Period;
use crate::store::ReadTx;
use crate::usecases::Services;
use crate::usecases::setup::{NewController, create_controller, create_token};

use super::api::{Api, text};
use super::contacts;
use super::kept::{Seeded, SeededController};
use super::told;
use super::world::{LISTS, TIME_ZONE, World};

/// How long the campaign's answers count.
const ROUND: &str = "P30D";

/// A controller as it is to be.
struct Plan {
    slug: &'static str,
    name: &'static str,
    postal: &'static str,
    address: &'static str,
    /// Short name, name, description, and the title of its list at the provider.
    purposes: &'static [[&'static str; 4]],
}

const GREENFIELD: Plan = Plan {
    slug: "greenfield",
    name: "Greenfield Garden Centre",
    postal: "Greenfield Garden Centre, 1 Example Lane, Exampleton",
    address: "hello@greenfield.example",
    purposes: &[
        ["newsletter", "Newsletter", "News and advice for the garden, about once a month", LISTS[0]],
        ["offers", "Offers", "Offers from the garden centre, now and then", LISTS[1]],
    ],
};

const HARBOUR: Plan = Plan {
    slug: "harbour",
    name: "Harbour Trust",
    postal: "Harbour Trust, 2 Example Quay, Exampleton",
    address: "hello@harbour.example",
    purposes: &[["newsletter", "Newsletter", "What the trust does for the harbour, four times a year", LISTS[2]]],
};

/// Whether what was kept of an earlier start stands in this database.
pub(super) async fn is_there(services: &Services, seeded: &Seeded) -> Result<bool, Failure> {
    let known = services.store.read(|tx: &mut ReadTx<'_>| tx.all_controllers(None, 100)).await?;
    Ok(!seeded.controllers.is_empty()
        && seeded.controllers.iter().all(|one| known.iter().any(|controller| controller.id.to_string() == one.id)))
}

/// A database with somebody else's controllers is left alone.
pub(super) async fn refuse_foreign(services: &Services, database: &str) -> Result<(), Failure> {
    let known = services.store.read(|tx: &mut ReadTx<'_>| tx.all_controllers(None, 1)).await?;
    if known.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        format!(
            "{database} holds controllers that this demo folder does not know, or a demo that was cut off while it was \
             seeded: the demo takes an empty database"
        ),
    ))
}

/// Seeds both controllers and starts the first one's campaign. `contacts` is the visitor's list.
pub(super) async fn seed(
    services: &Services,
    world: &World,
    base_url: &str,
    site_url: &str,
    contacts: Option<Vec<u8>>,
) -> Result<Seeded, Failure> {
    let (mut first, api, ids) = controller(services, world, base_url, site_url, &GREENFIELD).await?;
    first.campaign_id = Some(campaign(services, &api, (base_url, &first.api_token), &ids, contacts).await?);
    let (second, _, _) = controller(services, world, base_url, site_url, &HARBOUR).await?;
    Ok(Seeded { controllers: vec![first, second] })
}

/// What the campaign refers to.
struct Ids {
    notice: String,
    sender: String,
}

async fn controller(
    services: &Services,
    world: &World,
    base_url: &str,
    site_url: &str,
    plan: &Plan,
) -> Result<(SeededController, Api, Ids), Failure> {
    let slug = Slug::parse(plan.slug).map_err(Failure::failed)?;
    let new = NewController { slug, name: plan.name.to_owned(), hold_uncertain: false };
    let made = create_controller(services, new).await?;
    let scope = ControllerScope::granted(made.id);
    let token = create_token(services, Some(scope), "demo", Scope::CONTROLLER, None).await?.token;
    let api = Api::new(base_url, &token)?;
    for [slug, label, description, _] in plan.purposes {
        let purpose = json!({ "slug": slug, "label": label, "description": description });
        api.post("/v1/purposes", &purpose).await?;
    }
    let policy = policy(services, &api, plan).await?;
    let slugs: Vec<&str> = plan.purposes.iter().map(|[slug, ..]| *slug).collect();
    let notice = json!({
        "slug": "site", "wording": wording(plan), "purposes": slugs, "policy_version_id": policy,
    });
    let notice = text(&api.post("/v1/notices", &notice).await?, "id")?;
    let sender = json!({ "name": plan.name, "address": plan.address, "postal": plan.postal });
    let sender = text(&api.post("/v1/senders", &sender).await?, "id")?;
    let form = json!({
        "name": "Site", "notice_id": notice, "sender_id": sender, "origins": [site_url],
        "return_urls": [format!("{site_url}/")],
    });
    let form_key = text(&api.post("/v1/forms", &form).await?, "form_key")?;
    let (webhook_path, lists) = destination(&api, world, base_url, plan).await?;
    let seeded = SeededController {
        id: made.id.to_string(),
        slug: plan.slug.to_owned(),
        name: plan.name.to_owned(),
        api_token: token,
        form_key,
        list_id: lists.first().cloned().unwrap_or_default(),
        webhook_path,
        lists,
        campaign_id: None,
    };
    Ok((seeded, api, Ids { notice, sender }))
}

/// Two versions of the policy; the second is the one in force, and its id is given.
async fn policy(services: &Services, api: &Api, plan: &Plan) -> Result<String, Failure> {
    let policy = json!({ "slug": "privacy", "name": format!("Privacy policy of {}", plan.name) });
    let id = text(&api.post("/v1/policies", &policy).await?, "id")?;
    let now = services.clock.now();
    let mut newest = String::new();
    for (age, material, change) in [
        ("P24M", false, "This is the first version."),
        ("P1M", true, "Changed in this version: we now say for how long we keep what you gave us."),
    ] {
        let day = contacts::day_before(now, age);
        let version = json!({
            "text": format!(
                "<!doctype html><html lang=\"en-GB\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
                 content=\"width=device-width\"><title>Privacy policy of {name}</title><style>body{{font:1rem/1.6 \
                 system-ui,sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem}}</style>\
                 <h1>Privacy policy of {name}</h1><p>We, {name}, send mail only to people who said that they want it. We keep \
                 your address and your name for that, and the proof of what you chose. You can stop it at any time by \
                 the link in every mail. We give your details to nobody but the service that sends our mail.</p>\
                 <p>We keep them until you stop it, or until two years have passed without a new yes.</p><p>{change}</p></html>",
                name = plan.name
            ),
            "format": "text/html", "label": day, "language": "en-GB", "in_force_from": day, "material": material,
        });
        newest = text(&api.post(&format!("/v1/policies/{id}/versions"), &version).await?, "id")?;
    }
    Ok(newest)
}

fn wording(plan: &Plan) -> Value {
    let labels: Vec<Value> = plan
        .purposes
        .iter()
        .map(|[slug, label, description, _]| json!({ "purpose": slug, "label": format!("{label}: {description}") }))
        .collect();
    json!({
        "language": "en-GB",
        "title": format!("Mail from {}", plan.name),
        "introduction": format!("{} would like to write to you by e-mail. Choose for each whether you want it.", plan.name),
        "labels": labels,
        "yes": "Yes",
        "no": "No",
        "send": "Send",
        "controller_name": plan.name,
        "withdrawal": "You can stop each at any time, by the link in every mail.",
    })
}

/// The provider's client with one list for each purpose; gives the callback's path and the lists, in order.
async fn destination(api: &Api, world: &World, base_url: &str, plan: &Plan) -> Result<(String, Vec<String>), Failure> {
    let destination = json!({
        "base_url": world.provider_url(), "client_id": world.account.client_id, "api_key": world.account.api_key,
        "time_zone": TIME_ZONE,
    });
    let made = api.post("/v1/destinations", &destination).await?;
    let url = text(&made, "webhook_url")?;
    let path = url.strip_prefix(base_url).unwrap_or(&url).to_owned();
    let ids: Vec<String> = plan
        .purposes
        .iter()
        .map(|[_, _, _, title]| world.account.lists.get(*title).cloned().unwrap_or_default())
        .collect();
    let lists: Vec<Value> =
        plan.purposes.iter().zip(&ids).map(|([slug, ..], id)| json!({ "purpose": slug, "list_id": id })).collect();
    api.put(&format!("/v1/destinations/{}/lists", text(&made, "id")?), &json!({ "lists": lists })).await?;
    Ok((path, ids))
}

/// Imports the lists, and launches a round over them.
async fn campaign(
    services: &Services,
    api: &Api,
    (base_url, token): (&str, &str),
    ids: &Ids,
    visitors: Option<Vec<u8>>,
) -> Result<String, Failure> {
    let now = services.clock.now();
    let import = match visitors {
        None => {
            let declared = [("kind", "do-not-mail"), ("name", "People who told us to stop"), ("purposes", "")];
            api.import(&declared, contacts::never_mail()).await?;
            let declared = [
                ("kind", "contacts"),
                ("name", "The old list (invented people)"),
                ("purposes", "newsletter,offers"),
                ("statement", "The forms and receipts are in the archive; these rows were copied from them."),
                ("attester", "Robin Register, Greenfield Garden Centre (invented)"),
            ];
            api.import(&declared, contacts::invented(now)).await?
        }
        Some(list) => {
            let yesterday = contacts::day_before(now, "P1D");
            let declared = [
                ("kind", "contacts"),
                ("name", "The visitor's list"),
                ("purposes", "newsletter,offers"),
                ("basis", "consent"),
                ("collected_at", &yesterday),
                ("how", "as the visitor of the demo attests"),
                ("statement", "Whoever gave this list to the demo says that these people consented."),
                ("attester", "the visitor of the demo"),
            ];
            let id = api.import(&declared, list).await?;
            told::tell_list(&api.get(&format!("/v1/imports/{id}")).await?, base_url, token);
            id
        }
    };
    let deadline = Period::parse(ROUND).map_err(Failure::failed)?.after(now).to_string();
    let round = json!({
        "name": "May we still write to you?", "purposes": ["newsletter", "offers"], "import_ids": [import],
        "notice_id": ids.notice, "sender_id": ids.sender, "deadline": deadline,
    });
    let id = text(&api.post("/v1/campaigns", &round).await?, "id")?;
    api.ask(&format!("/v1/campaigns/{id}/launch")).await?;
    Ok(id)
}
