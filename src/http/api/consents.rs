//! Choices that a site's own server records, with what it holds as proof.

use std::collections::BTreeMap;
use std::net::IpAddr;

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::email::EmailAddress;
use crate::domain::name::DisplayName;
use crate::domain::time::Timestamp;
use crate::http::auth::{Consents, For};
use crate::http::extract::{ApiJson, Idempotency};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::public::forms::{check_custom, short};
use crate::http::public::network;
use crate::usecases::Services;
use crate::usecases::error::FieldFault;
use crate::usecases::once::Asker;
use crate::usecases::sign_up::{Choice, Submission};
use crate::usecases::site_consent::{Shown, record_site_consent};

/// Choices that a person made on the site, handed in by the site's server.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// The address.
    pub email: String,
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// Purpose's short name → `yes` or `no`. There is no default.
    #[serde(deserialize_with = "unique_pairs")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub choices: BTreeMap<String, String>,
    /// Custom fields: at most 20, each at most 500 characters.
    #[serde(default, deserialize_with = "unique_pairs")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub fields: BTreeMap<String, String>,
    /// The form that was shown; or `notice_id` and `sender_id`.
    #[serde(default)]
    pub form_id: Option<String>,
    /// The notice that was shown on a page of the site's own.
    #[serde(default)]
    pub notice_id: Option<String>,
    /// Who sends the confirmation mail, with `notice_id`.
    #[serde(default)]
    pub sender_id: Option<String>,
    /// The page that the choice was made on.
    #[serde(default)]
    pub page_url: Option<String>,
    /// The person's network address. By default only its network is kept.
    #[serde(default)]
    pub client_address: Option<String>,
    /// The person's browser.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// When it happened by the site's clock. Kept beside the record; what counts is when it came here.
    #[serde(default)]
    pub occurred_at: Option<String>,
    /// Whatever else the site holds as proof: an object of at most 8 KiB.
    #[serde(default)]
    pub evidence: Option<Map<String, Value>>,
}

/// Taken; whether a mail follows is not said, whatever is known about the address.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentAccepted {
    /// The person's id.
    pub subject_id: String,
    /// `accepted`.
    pub status: String,
}

/// Texts by name; a name that comes twice is refused, as two choices are none (CV-01).
fn unique_pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = BTreeMap::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                if pairs.insert(name, value).is_some() {
                    return Err(A::Error::custom("duplicate field in an object of texts"));
                }
                if pairs.len() > 100 {
                    return Err(A::Error::custom("too many members"));
                }
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_map(Pairs)
}

/// Record choices server to server. A yes to a purpose with double opt-in is confirmed by mail all the same.
#[utoipa::path(tag = "consents", operation_id = "record_consent", security(("token" = ["consents"])), request_body = ConsentRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 202, description = "Taken", body = ConsentAccepted), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/consents")]
pub async fn create(
    who: For<Consents>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<ConsentRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let (shown, submission) = read(&services, body.value).map_err(Problem::fields)?;
    let asker = Asker::controller(who.scope, who.token);
    let subject = record_site_consent(&services, asker, key, shown, submission).await?;
    let accepted = ConsentAccepted { subject_id: subject.to_string(), status: "accepted".to_owned() };
    Ok(HttpResponse::Accepted().json(accepted))
}

/// The request in the house's terms, or every fault in it.
fn read(services: &Services, request: ConsentRequest) -> Result<(Shown, Submission), Vec<FieldFault>> {
    let mut faults = Vec::new();
    let email = EmailAddress::parse(&request.email).map_err(|error| faults.push(FieldFault::new("email", error))).ok();
    let name = DisplayName::parse(request.name.as_deref().unwrap_or_default()).unwrap_or_else(|error| {
        faults.push(FieldFault::new("name", error));
        None
    });
    let mut choices = Vec::with_capacity(request.choices.len());
    for (slug, value) in &request.choices {
        match Choice::parse(value) {
            Some(choice) => choices.push((slug.clone(), choice)),
            None => faults.push(FieldFault::new(format!("choices.{slug}"), "expected `yes` or `no`")),
        }
    }
    if request.choices.is_empty() {
        faults.push(FieldFault::new("choices", "choose yes or no for at least one purpose"));
    }
    let fields = check_custom(&services.rules.limits, &request.fields).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let shown = shown(&request, &mut faults);
    let evidence = evidence(services, &request, &mut faults);
    match (email, shown) {
        (Some(email), Some(shown)) if faults.is_empty() => {
            Ok((shown, Submission { email, name, choices, fields, evidence, network: None }))
        }
        _ => Err(faults),
    }
}

/// A form, or a notice with a sender; not both and not neither.
fn shown(request: &ConsentRequest, faults: &mut Vec<FieldFault>) -> Option<Shown> {
    fn id<T: std::str::FromStr<Err: ToString>>(field: &str, text: &str, faults: &mut Vec<FieldFault>) -> Option<T> {
        text.parse().map_err(|error: T::Err| faults.push(FieldFault::new(field, error))).ok()
    }
    match (&request.form_id, &request.notice_id, &request.sender_id) {
        (Some(form), None, None) => id("form_id", form, faults).map(Shown::Form),
        (None, Some(notice), Some(sender)) => {
            let (notice, sender) = (id("notice_id", notice, faults), id("sender_id", sender, faults));
            Some(Shown::Notice(notice?, sender?))
        }
        (None, Some(_), None) => {
            faults.push(FieldFault::new("sender_id", "needed with `notice_id`"));
            None
        }
        _ => {
            faults.push(FieldFault::new("form_id", "expected either `form_id`, or `notice_id` and `sender_id`"));
            None
        }
    }
}

/// What is kept as proof. The site's words about the person's client and clock are marked as the site's (PF-08).
fn evidence(services: &Services, request: &ConsentRequest, faults: &mut Vec<FieldFault>) -> Value {
    let mut kept = Map::new();
    if let Some(text) = &request.client_address {
        match text.parse::<IpAddr>() {
            Ok(address) if services.rules.evidence_full_address => {
                kept.insert("client_address".to_owned(), json!(address.to_canonical().to_string()));
            }
            Ok(address) => {
                kept.insert("client_address".to_owned(), json!(network(address)));
            }
            Err(_) => faults.push(FieldFault::new("client_address", "expected an IPv4 or IPv6 address")),
        }
        kept.insert("client_address_found_by".to_owned(), json!("site"));
    }
    kept.insert("user_agent".to_owned(), json!(request.user_agent.as_deref().and_then(short)));
    kept.insert("page_url".to_owned(), json!(request.page_url.as_deref().and_then(short)));
    if let Some(text) = &request.occurred_at {
        match Timestamp::parse(text) {
            Ok(at) => {
                kept.insert("occurred_at_by_site".to_owned(), json!(at));
            }
            Err(error) => faults.push(FieldFault::new("occurred_at", error)),
        }
    }
    if let Some(held) = &request.evidence {
        let held = Value::Object(held.clone());
        let most = services.rules.limits.evidence_bytes;
        if held.to_string().len() > most {
            faults.push(FieldFault::new("evidence", format!("at most {most} bytes of JSON")));
        }
        kept.insert("held_by_site".to_owned(), held);
    }
    Value::Object(kept)
}
