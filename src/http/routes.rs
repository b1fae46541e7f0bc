//! Every route in one place. Mounting is documenting: what is mounted here is in `openapi/openapi.json`, and nothing
//! else is.

use utoipa::Modify;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_actix_web::{AppExt, scope};

use super::{api, public};

/// Mounts everything.
pub fn mount(config: &mut ServiceConfig<'_>) {
    config.service(
        scope::scope("/v1").service(api::purposes::create).service(api::purposes::list).service(api::purposes::show),
    );
    config
        .service(public::forms::show)
        .service(public::forms::preflight)
        .service(public::forms::post)
        .service(public::answers::show_confirm)
        .service(public::answers::post_confirm)
        .service(public::answers::show_answer)
        .service(public::answers::post_answer)
        .service(public::stops::show_withdraw)
        .service(public::stops::post_withdraw)
        .service(public::stops::show_not_me)
        .service(public::stops::post_not_me)
        .service(public::hooks::campaign_monitor)
        .service(public::assets::style);
}

struct Preamble;

impl Modify for Preamble {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info = utoipa::openapi::InfoBuilder::new()
            .title("Reconsent")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(
                "Consent and re-permission: forms, proof, signed links, mail and provider sync. \
                 Every refusal is an `application/problem+json` (RFC 9457). \
                 POSTs that make something take an optional `Idempotency-Key`.",
            ))
            .license(Some(utoipa::openapi::LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The OpenAPI document of the mounted routes; needs no configuration.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) = actix_web::App::new().into_utoipa_app().configure(mount).split_for_parts();
    Preamble.modify(&mut document);
    document
}

/// The document as it is committed: pretty JSON with a line break at the end.
pub fn document_text() -> String {
    let mut text = document().to_pretty_json().expect("a document made of strings, numbers and lists serialises");
    text.push('\n');
    text
}
