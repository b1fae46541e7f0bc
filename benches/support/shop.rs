//! A controller with all that a sign-up needs, set up through the API as a customer would.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{Ground, House};
use super::{Outcome, fault};

/// The short name of the one purpose.
pub const PURPOSE: &str = "newsletter";

/// What was set up.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The controller's id.
    pub controller: String,
    /// An administrator's token.
    pub token: String,
    /// The purpose's id.
    pub purpose: String,
    /// The notice's id.
    pub notice: String,
    /// The sender's id.
    pub sender: String,
    /// The form's id.
    pub form: String,
    /// The form's key.
    pub form_key: String,
}

fn text(answer: &Value, field: &str) -> Outcome<String> {
    match answer[field].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => fault(format!("an answer has no {field}: {answer}")),
    }
}

impl Shop {
    /// Makes the controller on the command line, before the service runs: its id and token.
    pub fn controller(ground: &Ground) -> Outcome<(String, String)> {
        Self::another(ground, "acme")
    }

    /// Makes a controller with this short name.
    pub fn another(ground: &Ground, slug: &str) -> Outcome<(String, String)> {
        let made = ground.run(&["controller", "create", "--slug", slug, "--name", "Acme", "--with-token", "--json"])?;
        let made: Value = serde_json::from_str(&made)?;
        Ok((text(&made, "id")?, text(&made, "token")?))
    }

    /// Sets the rest up.
    pub async fn open(house: &House, (controller, token): (String, String)) -> Outcome<Self> {
        let post = async |path: &str, body: Value| house.api(Method::POST, path, &token, Some(body)).await;
        let purpose = json!({ "slug": PURPOSE, "label": "Newsletter", "description": "News, about once a month" });
        let purpose = text(&post("/v1/purposes", purpose).await?, "id")?;
        let policy = post("/v1/policies", json!({ "slug": "privacy", "name": "Privacy policy" })).await?;
        let version = json!({
            "text": "How we keep what you give us, for how long, and how you stop it.", "format": "text/plain",
            "label": "1", "language": "en-GB", "in_force_from": "2026-01-01", "material": false,
        });
        let version = post(&format!("/v1/policies/{}/versions", text(&policy, "id")?), version).await?;
        let notice = json!({
            "slug": "sign-up", "purposes": [PURPOSE], "policy_version_id": text(&version, "id")?,
            "wording": {
                "language": "en-GB", "title": "Stay in touch with Acme",
                "introduction": "Acme would like to send you a newsletter by e-mail.",
                "labels": [{ "purpose": PURPOSE, "label": "The newsletter, about once a month" }],
                "yes": "Yes", "no": "No", "send": "Send", "controller_name": "Acme",
                "withdrawal": "You can stop at any time by the link in each mail.",
            },
        });
        let notice = text(&post("/v1/notices", notice).await?, "id")?;
        let sender = json!({ "name": "Acme", "address": "news@acme.example", "postal": "Acme Ltd, 1 High Street" });
        let sender = text(&post("/v1/senders", sender).await?, "id")?;
        let form = json!({
            "name": "Footer", "notice_id": notice, "sender_id": sender, "origins": ["https://www.acme.example"],
            "return_urls": ["https://www.acme.example/thanks"],
        });
        let made = post("/v1/forms", form).await?;
        let (form, form_key) = (text(&made, "id")?, text(&made, "form_key")?);
        Ok(Self { controller, token, purpose, notice, sender, form, form_key })
    }

    /// Opt-ins as a site's page sends them, each with an address of its own; at most `most`.
    pub fn opt_ins(&self, to: SocketAddr, most: u64) -> impl super::load::Requests + use<> {
        // Always ten digits, so that the length is known beforehand.
        let body = |n: u64| {
            format!(
                "{{\"email\":\"person{n:010}@example.org\",\"name\":\"Robin Example\",\"choices\":{{\"{PURPOSE}\":\"yes\"}},\
                 \"page_url\":\"https://www.acme.example/\"}}"
            )
        };
        let head = format!(
            "POST /f/{} HTTP/1.1\r\nhost: {to}\r\norigin: https://www.acme.example\r\n\
             user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.form_key,
            body(0).len()
        );
        let whole = format!("{head}{}", body(0)).into_bytes();
        let digits = head.len() + "{\"email\":\"person".len();
        move |n: u64, into: &mut Vec<u8>| {
            into.extend_from_slice(&whole);
            let mut rest = n;
            for at in (digits..digits + 10).rev() {
                into[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
            n < most
        }
    }
}
