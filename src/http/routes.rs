//! Every route in one place. Mounting is documenting: what is mounted here is in `openapi/openapi.json`, and nothing
//! else is.

use utoipa::Modify;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_actix_web::{AppExt, scope};

use super::{api, public};

/// Mounts everything.
pub fn mount(config: &mut ServiceConfig<'_>) {
    config
        .service(api::open::jwks)
        .service(api::open::openapi)
        .service(api::open::problem)
        .service(public::policy::read)
        .service(public::policy::raw)
        .service(
            scope::scope("/v1")
                .configure(controllers)
                .configure(settings)
                .configure(imports)
                .configure(campaigns)
                .configure(people),
        )
        .configure(pages);
}

/// The operator's part.
fn controllers(config: &mut ServiceConfig<'_>) {
    config.service(api::controllers::create).service(api::controllers::list);
}

/// What a controller sets up.
fn settings(config: &mut ServiceConfig<'_>) {
    config
        .service(api::purposes::create)
        .service(api::purposes::list)
        .service(api::purposes::show)
        .service(api::policies::create)
        .service(api::policies::list)
        .service(api::policies::show)
        .service(api::policies::upload)
        .service(api::policies::show_versions)
        .service(api::policies::show_version)
        .service(api::notices::create)
        .service(api::notices::list)
        .service(api::notices::show)
        .service(api::senders::create)
        .service(api::senders::list)
        .service(api::senders::show)
        .service(api::senders::change)
        .service(api::forms::create)
        .service(api::forms::list)
        .service(api::forms::show)
        .service(api::forms::change)
        .service(api::tokens::create)
        .service(api::tokens::list)
        .service(api::tokens::revoke)
        .service(api::destinations::create)
        .service(api::destinations::list)
        .service(api::destinations::show)
        .service(api::destinations::replace_lists)
        .service(api::destinations::change)
        .service(api::destinations::replace_fields)
        .service(api::oauth::connect)
        .service(api::oauth::connect_again)
        .service(api::connection::look)
        .service(api::connection::show_account)
        .service(api::connection::check)
        .service(api::connection::prepare)
        .service(api::upkeep::show)
        .service(api::upkeep::replace)
        .service(api::upkeep::rotate)
        .service(api::reconciles::create)
        .service(api::reconciles::list)
        .service(api::reconciles::show)
        .service(api::reconciles::show_findings)
        .service(api::reconciles::apply)
        .service(api::reconciles::put_aside);
}

/// Uploaded lists.
fn imports(config: &mut ServiceConfig<'_>) {
    config
        .service(api::imports::preview)
        .service(api::imports::create)
        .service(api::imports::create_from_provider)
        .service(api::imports::list)
        .service(api::imports::show)
        .service(api::imports::report)
        .service(api::imports::document);
}

/// Re-permission rounds.
fn campaigns(config: &mut ServiceConfig<'_>) {
    config
        .service(api::campaigns::create)
        .service(api::campaigns::list)
        .service(api::campaigns::show)
        .service(api::campaigns::launch)
        .service(api::campaigns::pause)
        .service(api::campaigns::resume)
        .service(api::campaigns::cancel)
        .service(api::campaign_results::dry_run)
        .service(api::campaign_results::exclusions)
        .service(api::campaign_results::results)
        .service(api::campaign_results::preview)
        .service(api::campaign_links::download);
}

/// What everybody may reach.
fn pages(config: &mut ServiceConfig<'_>) {
    config
        .service(public::forms::show)
        .service(public::forms::preflight)
        .service(public::forms::post)
        .service(public::answers::show_confirm)
        .service(public::answers::post_confirm)
        .service(public::answers::show_answer)
        .service(public::answers::post_answer)
        .service(public::moves::show_move)
        .service(public::moves::post_move)
        .service(public::stops::show_withdraw)
        .service(public::stops::post_withdraw)
        .service(public::stops::show_not_me)
        .service(public::stops::post_not_me)
        .service(public::preferences::show)
        .service(public::preferences::post)
        .service(public::hooks::campaign_monitor)
        .service(public::oauth::show_callback)
        .service(public::oauth::post_callback)
        .service(public::assets::style);
}

/// People: what they said, where they stand, what is still to be done for them.
fn people(config: &mut ServiceConfig<'_>) {
    config
        .service(api::consents::create)
        .service(api::links::create)
        .service(api::subjects::search)
        .service(api::subjects::show)
        .service(api::subjects::stop)
        .service(api::addresses::change)
        .service(api::history::events)
        .service(api::history::mails)
        .service(api::past::past)
        .service(api::suppressions::list)
        .service(api::suppressions::add)
        .service(api::confirmed::download)
        .service(api::outbox::parked)
        .service(api::outbox::retry)
        .service(api::outbox::drop_it);
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

/// The document as text, for `/openapi.json`.
pub struct DocumentText(pub String);

/// The document as it is committed: pretty JSON with a line break at the end.
pub fn document_text() -> String {
    let mut text = document().to_pretty_json().expect("a document made of strings, numbers and lists serialises");
    text.push('\n');
    text
}
