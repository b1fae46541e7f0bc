//! `/p/{token}`: a person's preferences, behind a link that stands in every mail the provider sends. Looking changes
//! nothing; one press stops one purpose, or everything, and never fails for a genuine link (WD-01, WD-06). Which of them is
//! meant the body says, and only the body: what cannot be read stops nothing, and is answered by the page once more. The one
//! click of mail programs is for `/u/{token}` alone.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, route};
use serde_json::Value;

use crate::http::extract::{ClientInfo, media_type, read_body, settings};
use crate::http::pages::{
    Frame, NoPreferencesPage, PreferenceLine, PreferenceNews, PreferenceState, PreferencesPage, render_no_preferences,
    render_preferences,
};
use crate::usecases::preferences::{Preferences, Stance, Stand, Stopped, What, preferences, stop_by_preference};
use crate::usecases::{Limits, Services};

use super::answers::{label, language, unknown_or};
use super::{evidence, field, form_fields, frame, page, sign_up_again};

/// The page that shows a person's preferences.
#[utoipa::path(get, path = "/p/{token}", tag = "pages", operation_id = "show_preferences", security(()), params(("token" = String, Path, description = "The signed link")),
    responses((status = 200, description = "The page", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/p/{token}", method = "GET", method = "HEAD")]
pub async fn show(request: HttpRequest, services: Data<Services>, token: Path<String>) -> HttpResponse {
    match preferences(&services, &token).await {
        Ok(Some(found)) => page(StatusCode::OK, shown(&request, &found, None)),
        Ok(None) => nobody(&request),
        Err(error) => unknown_or(error, language(&request)),
    }
}

/// Stop one purpose, `purpose` = its short name, or everything, `stop` = `all`.
#[utoipa::path(post, path = "/p/{token}", tag = "pages", operation_id = "post_preferences", security(()), params(("token" = String, Path, description = "The signed link")), request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Stopped", content_type = "text/html"), (status = 422, description = "The page once more", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/p/{token}", method = "POST")]
pub async fn post(
    request: HttpRequest,
    services: Data<Services>,
    token: Path<String>,
    client: ClientInfo,
    payload: Payload,
) -> HttpResponse {
    let limit = settings(&request).map_or(64 * 1024, |settings| settings.public_body_limit);
    let body = read_body(&request, payload.into_inner(), limit).await.unwrap_or_default();
    let is_form = media_type(&request) == "application/x-www-form-urlencoded";
    let Some(what) = wanted(&services.rules.limits, &body).filter(|_| is_form) else {
        return match preferences(&services, &token).await {
            Ok(Some(found)) => once_more(&request, &found),
            Ok(None) => nobody(&request),
            Err(error) => unknown_or(error, language(&request)),
        };
    };
    let everything = what == What::Everything;
    let slug = match &what {
        What::Purpose(slug) => slug.clone(),
        What::Everything => String::new(),
    };
    match stop_by_preference(&services, &token, what, Value::Object(evidence(&services, &client))).await {
        Ok(Stopped::Done(found)) => {
            let named = found.stances.iter().find(|stance| stance.purpose.slug.as_str() == slug);
            let news = match named {
                Some(stance) if !everything => PreferenceNews::Stopped(words(&found, stance)),
                // Made by another process a moment ago: it is stopped, and not among those that are shown yet.
                _ if !everything => PreferenceNews::Stopped(slug),
                _ => PreferenceNews::Everything,
            };
            page(StatusCode::OK, shown(&request, &found, Some(news)))
        }
        Ok(Stopped::Unknown(found)) => once_more(&request, &found),
        Ok(Stopped::Gone) => nobody(&request),
        Err(error) => unknown_or(error, language(&request)),
    }
}

/// What a body asks for; nothing when it says neither or both.
fn wanted(limits: &Limits, body: &[u8]) -> Option<What> {
    let fields = form_fields(limits, body)?;
    match (field(&fields, "purpose"), field(&fields, "stop")) {
        ("", "all") => Some(What::Everything),
        ("", _) => None,
        (slug, "") => Some(What::Purpose(slug.to_owned())),
        _ => None,
    }
}

fn once_more(request: &HttpRequest, found: &Preferences) -> HttpResponse {
    page(StatusCode::UNPROCESSABLE_ENTITY, shown(request, found, Some(PreferenceNews::Unclear)))
}

fn nobody(request: &HttpRequest) -> HttpResponse {
    let shown = NoPreferencesPage { frame: Frame::neutral(language(request)) };
    page(StatusCode::OK, render_no_preferences(&shown))
}

fn words(found: &Preferences, stance: &Stance) -> String {
    label(&found.scene, stance.purpose.slug.as_str(), &stance.purpose.label)
}

fn shown(request: &HttpRequest, found: &Preferences, news: Option<PreferenceNews>) -> String {
    let mut frame = frame(&found.scene);
    if found.scene.notice.is_none() {
        // Nobody saw any words yet: the page speaks as the browser asks.
        language(request).clone_into(&mut frame.lang);
    }
    let line = |stance: &Stance| {
        let (stands, at) = match stance.stand {
            Stand::Yes(at) => (PreferenceState::Yes, Some(at)),
            Stand::Requested(at) => (PreferenceState::Requested, Some(at)),
            Stand::Asked(at) => (PreferenceState::Asked, Some(at)),
            Stand::No(at) => (PreferenceState::No, Some(at)),
            Stand::Stopped(at) => (PreferenceState::Stopped, Some(at)),
            Stand::Expired(at) => (PreferenceState::Expired, Some(at)),
            Stand::Ended(at) => (PreferenceState::Ended, Some(at)),
            Stand::Silent | Stand::Nothing => (PreferenceState::Nothing, None),
        };
        PreferenceLine {
            slug: stance.purpose.slug.to_string(),
            label: words(found, stance),
            stands,
            at,
            can_stop: stance.stand.can_stop(),
        }
    };
    render_preferences(&PreferencesPage {
        frame,
        address: found.masked_address.clone(),
        lines: found.stances.iter().map(line).collect(),
        everything: !found.all_stopped(),
        news,
        sign_up: sign_up_again(&found.scene),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_that_says_which_stops_anything() {
        let limits = Limits::default();
        assert_eq!(wanted(&limits, b"purpose=news"), Some(What::Purpose("news".to_owned())));
        assert_eq!(wanted(&limits, b"stop=all"), Some(What::Everything));
        assert_eq!(wanted(&limits, b"purpose=&stop=all"), Some(What::Everything));
        for unclear in [
            &b""[..],
            b"stop=",
            b"stop=this",
            b"stop=ALL",
            b"purpose=",
            b"purpose=news&stop=all",
            b"purpose=news&purpose=offers",
            b"stop=all&stop=all",
            b"List-Unsubscribe=One-Click",
            b"\xff\xfe",
        ] {
            assert_eq!(wanted(&limits, unclear), None, "{}", String::from_utf8_lossy(unclear));
        }
    }
}
