//! A change of address (DR-05): the new mailbox is asked and decides; consents and stops belong to the person and move
//! along; the destination shows one entry, under the address in force.

mod asking;
mod deciding;
mod provider;
mod stops;

use serde_json::{Value, json};

use crate::remap::purpose_id;
use crate::support::world::{Shop, World};
use crate::support::{Answer, TestApp, pages};

const OLD: &str = "ana.old@example.org";
const NEW: &str = "ana.new@example.net";

/// A person who has said yes to the newsletter.
struct Ana {
    id: String,
    shop: Shop,
}

impl Ana {
    async fn at_home(app: &TestApp, world: &World) -> Self {
        let shop = Shop::open(app, world).await;
        let newsletter = purpose_id(app, "newsletter").await;
        let id = app.consenting(OLD, &newsletter, &shop.notice, &shop.policy_version).await.to_string();
        Self { id, shop }
    }

    async fn ask(&self, app: &TestApp, address: &str) -> Answer {
        app.api().post(&format!("/v1/subjects/{}/address", self.id), json!({ "email": address })).await
    }

    /// Asks, and gives the link that comes to the new mailbox. A worker has to run.
    async fn asked(&self, app: &TestApp, world: &World, address: &str) -> String {
        self.ask(app, address).await.expect(202);
        World::link_in(&*world.mail_to(address).await, "/a/")
    }

    /// Asks, and has the new mailbox say yes.
    async fn moves(&self, app: &TestApp, world: &World, address: &str) {
        let link = self.asked(app, world, address).await;
        let page = pages::answer(app, &app.nobody(), &link, &[("choice", "yes")]).await.expect(200);
        assert!(page.body().contains("Your new address is in place"), "{}", page.body());
    }

    async fn view(&self, app: &TestApp) -> Value {
        app.api().get(&format!("/v1/subjects/{}", self.id)).await.expect(200).json
    }

    async fn change(&self, app: &TestApp) -> Value {
        self.view(app).await["address_change"].clone()
    }

    /// Where the person stands towards the newsletter.
    async fn newsletter(&self, app: &TestApp) -> String {
        let view = self.view(app).await;
        let stances = view["purposes"].as_array().unwrap().clone();
        let stance = stances.iter().find(|one| one["purpose"] == "newsletter").expect("a standing");
        stance["effective_state"].as_str().unwrap().to_owned()
    }

    async fn events(&self, app: &TestApp) -> Vec<String> {
        let page = app.api().get(&format!("/v1/subjects/{}/events?limit=100", self.id)).await.expect(200).json;
        page["items"].as_array().unwrap().iter().map(|fact| fact["kind"].as_str().unwrap().to_owned()).collect()
    }
}

/// The person on record under an address.
async fn found(app: &TestApp, address: &str) -> Value {
    app.api().post("/v1/subjects/search", json!({ "email": address })).await.expect(200).json["subject"].clone()
}
