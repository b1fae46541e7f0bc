//! `/oauth/campaign-monitor/callback`: where somebody comes back who allowed, or did not allow, an account at the provider
//! to be connected. Opening it changes nothing; the page says for whom it would be, and its button connects.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, route};

use crate::http::pages::{
    ConnectPage, ConnectionNews, Frame, MessagePage, Trouble, negotiate, render_connect, render_message,
};
use crate::usecases::oauth::{Unconnected, connect, look_at_state};
use crate::usecases::{Error, Services};

use super::{failure, field, form_fields, page, trouble};

/// What the provider sends along.
struct Back {
    fields: Vec<(String, String)>,
    lang: &'static str,
}

impl Back {
    fn of(services: &Services, request: &HttpRequest) -> Option<Self> {
        let header = request.headers().get("accept-language").and_then(|value| value.to_str().ok());
        let fields = form_fields(&services.rules.limits, request.query_string().as_bytes())?;
        Some(Self { fields, lang: negotiate(header) })
    }

    fn get(&self, name: &str) -> &str {
        field(&self.fields, name)
    }

    fn frame(&self, controller: &str) -> Frame {
        Frame { lang: self.lang.to_owned(), controller: controller.to_owned(), policy: None }
    }

    /// A page with the words for what came of it.
    fn told(&self, status: StatusCode, controller: &str, news: ConnectionNews) -> HttpResponse {
        page(status, render_message(&MessagePage::of_connection(self.frame(controller), news)))
    }

    /// The page for an error that the provider sends in place of a code.
    fn refused(&self) -> Option<HttpResponse> {
        Some(match self.get("error") {
            "" => return None,
            "access_denied" => self.told(StatusCode::OK, "", ConnectionNews::Denied),
            "server_error" | "temporarily_unavailable" => {
                self.told(StatusCode::BAD_GATEWAY, "", ConnectionNews::Failed)
            }
            // Not shown or logged as it came: anybody may write this address.
            _ => self.told(StatusCode::BAD_GATEWAY, "", ConnectionNews::AppRefused),
        })
    }

    fn failed(&self, error: &Error) -> HttpResponse {
        match error {
            Error::UnknownLink => self.told(StatusCode::NOT_FOUND, "", ConnectionNews::Gone),
            other => failure(other, self.lang),
        }
    }
}

fn unreadable() -> HttpResponse {
    trouble(StatusCode::UNPROCESSABLE_ENTITY, Frame::neutral("en"), Trouble::Unreadable)
}

/// Somebody comes back from Campaign Monitor: the page that says for whom the account would be connected.
#[utoipa::path(get, path = "/oauth/campaign-monitor/callback", tag = "pages", operation_id = "show_connection", security(()),
    params(("code" = Option<String>, Query, description = "What access is exchanged for"), ("state" = Option<String>, Query, description = "What was handed out when it was begun"), ("error" = Option<String>, Query, description = "Why there is no code")),
    responses((status = 200, description = "The page", content_type = "text/html"), (status = 404, description = "Not begun here, answered already, or too old", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/oauth/campaign-monitor/callback", method = "GET", method = "HEAD")]
pub async fn show_callback(request: HttpRequest, services: Data<Services>) -> HttpResponse {
    let Some(back) = Back::of(&services, &request) else { return unreadable() };
    if let Some(refused) = back.refused() {
        return refused;
    }
    if back.get("code").is_empty() || back.get("state").is_empty() {
        return trouble(StatusCode::UNPROCESSABLE_ENTITY, back.frame(""), Trouble::Unreadable);
    }
    match look_at_state(&services, back.get("state")).await {
        Ok(asked) => page(StatusCode::OK, render_connect(&ConnectPage { frame: back.frame(&asked.controller) })),
        Err(error) => back.failed(&error),
    }
}

/// Connect the account.
#[utoipa::path(post, path = "/oauth/campaign-monitor/callback", tag = "pages", operation_id = "post_connection", security(()),
    params(("code" = Option<String>, Query, description = "What access is exchanged for"), ("state" = Option<String>, Query, description = "What was handed out when it was begun")),
    responses((status = 200, description = "Connected", content_type = "text/html"), (status = 404, description = "Not begun here, answered already, or too old", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/oauth/campaign-monitor/callback", method = "POST")]
pub async fn post_callback(request: HttpRequest, services: Data<Services>) -> HttpResponse {
    let Some(back) = Back::of(&services, &request) else { return unreadable() };
    match connect(&services, back.get("state"), back.get("code")).await {
        Ok(Ok(connected)) => {
            let news = if connected.in_use { ConnectionNews::InUse } else { ConnectionNews::Connected };
            back.told(StatusCode::OK, &connected.controller, news)
        }
        Ok(Err(Unconnected { controller, why })) => {
            let news = if why.is_about_the_app() { ConnectionNews::AppRefused } else { ConnectionNews::Failed };
            back.told(StatusCode::BAD_GATEWAY, &controller, news)
        }
        Err(error) => back.failed(&error),
    }
}
