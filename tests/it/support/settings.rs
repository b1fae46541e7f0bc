//! What most tests need set up: a purpose, a policy version, a notice, a sender, a form; through the door.

use serde_json::{Value, json};

use super::TestApp;

/// A notice's wording that may be published, for purposes by short name. Their labels are their short names.
pub fn wording(purposes: &[&str]) -> Value {
    let labels: Vec<Value> =
        purposes.iter().map(|slug| json!({"purpose": slug, "label": format!("The {slug}")})).collect();
    json!({
        "language": "en-GB",
        "title": "Stay in touch with Acme",
        "introduction": format!("Acme would like to send you by e-mail: {}.", purposes.join(", ")),
        "labels": labels,
        "yes": "Yes", "no": "No", "send": "Send my answer",
        "controller_name": "Acme",
        "withdrawal": "You can stop at any time by the link in each mail.",
    })
}

impl TestApp {
    /// A purpose with double opt-in; answers its id.
    pub async fn purpose(&self, slug: &str) -> String {
        let body = json!({"slug": slug, "label": slug, "description": "What is sent, in a sentence"});
        self.api().post("/v1/purposes", body).await.expect(201).text("id")
    }

    /// A policy; answers its id.
    pub async fn policy(&self, slug: &str) -> String {
        self.api().post("/v1/policies", json!({"slug": slug, "name": "Privacy policy"})).await.expect(201).text("id")
    }

    /// A version of a policy in English; answers its id.
    pub async fn policy_version(&self, policy: &str, label: &str, material: bool) -> String {
        let path = format!("/v1/policies/{policy}/versions?label={label}&language=en-GB&material={material}");
        self.api().upload(&path, "text/plain", format!("Policy {label}")).await.expect(201).text("id")
    }

    /// A notice for purposes by short name; answers its id.
    pub async fn notice(&self, slug: &str, purposes: &[&str], policy_version: &str, material: bool) -> String {
        let body = json!({
            "slug": slug, "wording": wording(purposes), "purposes": purposes,
            "policy_version_id": policy_version, "material": material,
        });
        self.api().post("/v1/notices", body).await.expect(201).text("id")
    }

    /// A sender; answers its id.
    pub async fn sender(&self) -> String {
        let body = json!({"name": "Acme", "address": "news@acme.example", "postal": "Acme Ltd, 1 High Street, London"});
        self.api().post("/v1/senders", body).await.expect(201).text("id")
    }

    /// A form for one purpose with all it needs; answers (its key, its id).
    pub async fn form_for(&self, purpose: &str) -> (String, String) {
        self.purpose(purpose).await;
        let policy = self.policy("privacy").await;
        let version = self.policy_version(&policy, "1", false).await;
        let notice = self.notice("sign-up", &[purpose], &version, false).await;
        let body = json!({
            "name": "Footer", "notice_id": notice, "sender_id": self.sender().await,
            "origins": ["https://www.acme.example"], "return_urls": ["https://www.acme.example/thanks"],
        });
        let form = self.api().post("/v1/forms", body).await.expect(201);
        (form.text("form_key"), form.text("id"))
    }
}
