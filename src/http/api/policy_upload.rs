//! How a policy version comes in: the document as the body and what is to be known about it in the query, or both as
//! one JSON object.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::domain::policy::PolicyFormat;
use crate::domain::time::Timestamp;
use crate::http::auth::let_in;
use crate::http::extract::{expect_media, media_type, read_body};
use crate::http::problem::{Kind, Problem};
use crate::usecases::error::FieldFault;
use crate::usecases::once::digest;
use crate::usecases::policies::Upload;
use crate::usecases::{Error, Services};

const MEDIA: &[&str] = &["application/json", "text/html", "text/markdown", "text/plain", "application/pdf"];

/// What is to be known about a document.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// What people call this version, such as `2026-09-01`; needed beside a document.
    pub label: Option<String>,
    /// BCP 47, such as `en-GB`; needed beside a document.
    pub language: Option<String>,
    /// Where the controller itself shows it.
    pub public_url: Option<String>,
    /// From when it is in force, RFC 3339 or a date; now, if it is not said.
    pub in_force_from: Option<String>,
    /// Whether consents given under earlier versions are to be asked for anew; no, if it is not said.
    pub material: Option<bool>,
}

/// A text with what is to be known about it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// The document.
    pub text: String,
    /// `text/plain` (default), `text/markdown` or `text/html`.
    #[serde(default)]
    pub format: Option<String>,
    /// What people call this version, such as `2026-09-01`.
    pub label: String,
    /// BCP 47, such as `en-GB`.
    pub language: String,
    /// Where the controller itself shows it.
    #[serde(default)]
    pub public_url: Option<String>,
    /// From when it is in force, RFC 3339 or a date; now, if it is not said.
    #[serde(default)]
    pub in_force_from: Option<String>,
    /// Whether consents given under earlier versions are to be asked for anew; no, if it is not said.
    #[serde(default)]
    pub material: Option<bool>,
}

/// A version that was read whole.
#[derive(Debug)]
pub struct PolicyUpload {
    /// The version.
    pub upload: Upload,
    /// SHA-256 of the body, for the idempotency fingerprint.
    pub digest: [u8; 32],
}

impl FromRequest for PolicyUpload {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let_in(&request).await;
            expect_media(&request, MEDIA)?;
            let services = request.app_data::<Data<Services>>().ok_or(Problem::of(Kind::Internal))?;
            let query = Query::<UploadQuery>::from_query(request.query_string())
                .map_err(|_| {
                    Problem::with(Kind::BadRequest, "the query has an unknown, doubled or misspelt parameter")
                })?
                .into_inner();
            let body = read_body(&request, payload, services.rules.policy_bytes).await?;
            let digest = digest(&body);
            let upload = match PolicyFormat::from_name(&media_type(&request)) {
                Some(format) => beside_a_document(query, format, body.to_vec())?,
                None if !request.query_string().is_empty() => {
                    return Err(Problem::with(Kind::BadRequest, "beside JSON there is no query"));
                }
                None => as_json(&body)?,
            };
            Ok(Self { upload, digest })
        })
    }
}

fn beside_a_document(query: UploadQuery, format: PolicyFormat, body: Vec<u8>) -> Result<Upload, Problem> {
    let (label, language) = match (query.label, query.language) {
        (Some(label), Some(language)) => (label, language),
        (label, language) => {
            let missing = [("label", label.is_none()), ("language", language.is_none())];
            let faults = missing.iter().filter(|(_, is)| *is).map(|(name, _)| FieldFault::new(*name, "is needed"));
            return Err(Problem::fields(faults.collect()));
        }
    };
    Ok(Upload {
        label,
        language,
        format,
        body,
        public_url: query.public_url,
        in_force_from: moment(query.in_force_from.as_deref())?,
        material: query.material.unwrap_or(false),
    })
}

fn as_json(body: &[u8]) -> Result<Upload, Problem> {
    let text: PolicyText = crate::http::extract::read_json(body)?;
    let format = match text.format.as_deref() {
        None => PolicyFormat::Text,
        Some(name) => PolicyFormat::from_name(name)
            .filter(|format| *format != PolicyFormat::Pdf)
            .ok_or_else(|| Error::field("format", "expected `text/plain`, `text/markdown` or `text/html`"))?,
    };
    Ok(Upload {
        label: text.label,
        language: text.language,
        format,
        body: text.text.into_bytes(),
        public_url: text.public_url,
        in_force_from: moment(text.in_force_from.as_deref())?,
        material: text.material.unwrap_or(false),
    })
}

fn moment(text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    text.map(|text| Timestamp::parse(text).map_err(|error| Error::field("in_force_from", error))).transpose()
}
