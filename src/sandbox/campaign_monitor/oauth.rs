//! OAuth beside the API (reference section 2.2): registered apps, who allowed them what, codes and tokens.
//!
//! Promises: a code works once and for ten minutes; access tokens end by the emulator's clock (Code 121), can be revoked
//! (122) or be unknown (120), and may do what was allowed (else Code 60); tokens hold `+`, `/` and `=`, so that a
//! client which does not encode its form fails. Refusals come at a status that is to be set, as the provider's does
//! not settle on one. Which call needs which permission is not documented; see [`permits`] for what is assumed.

mod controls;

use super::error::ApiError;
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The provider's permissions.
pub(super) const SCOPES: [&str; 12] = [
    "ViewReports",
    "ManageLists",
    "CreateCampaigns",
    "ImportSubscribers",
    "SendCampaigns",
    "ViewSubscribersInReports",
    "ManageTemplates",
    "AdministerPersons",
    "AdministerAccount",
    "ViewTransactional",
    "SendTransactional",
    "Automation",
];

/// Fourteen days, in seconds.
const USUAL_LIFE: u32 = 1_209_600;
/// How long a code waits to be exchanged.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// Codes, grants and access tokens of a grant that are remembered; the oldest go first.
const REMEMBERED: usize = 1_000;

const BAD_CODE: &str = "Specified code was invalid or expired";
const BAD_REFRESH: &str = "Specified refresh_token was invalid or expired";

/// A registered app to start with.
#[derive(Clone)]
pub struct OauthAppSeed {
    /// What it calls itself by.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What people are shown.
    pub name: String,
    /// What every address to return to has to begin with.
    pub redirect_uri: String,
}

impl std::fmt::Debug for OauthAppSeed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("OauthAppSeed").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// How tokens are given, for tests to change.
struct Manners {
    expires_in: u32,
    error_status: u16,
    rotating: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self { expires_in: USUAL_LIFE, error_status: 400, rotating: false }
    }
}

#[derive(Serialize, Deserialize)]
struct Access {
    token: String,
    until: Timestamp,
}

/// What somebody allowed an app.
#[derive(Serialize, Deserialize)]
struct Grant {
    scopes: Vec<String>,
    refresh_token: String,
    access: Vec<Access>,
    revoked: bool,
}

#[derive(Serialize, Deserialize)]
struct Code {
    code: String,
    app: String,
    redirect_uri: String,
    scopes: Vec<String>,
    until: Timestamp,
}

/// Apps, codes and grants.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Book {
    #[serde(skip)]
    apps: Vec<OauthAppSeed>,
    #[serde(skip)]
    manners: Manners,
    codes: Vec<Code>,
    grants: Vec<Grant>,
}

/// What an app asks for, checked.
pub(super) struct Asked<'a> {
    pub(super) app: &'a OauthAppSeed,
    pub(super) scopes: Vec<&'static str>,
}

/// Why an app may not ask: the word for the redirect, and where to go with it if that is known.
pub(super) struct NotAsked {
    pub(super) error: &'static str,
    pub(super) redirect_uri: Option<String>,
}

/// The query of the authorize page.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ask {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scope: String,
    pub(super) state: Option<String>,
}

impl Book {
    pub(super) fn register(&mut self, apps: Vec<OauthAppSeed>) {
        self.apps = apps;
    }

    /// Whether the app may ask for this.
    pub(super) fn look_at(&self, ask: &Ask) -> Result<Asked<'_>, NotAsked> {
        let fail = |error, to: Option<&str>| NotAsked { error, redirect_uri: to.map(str::to_owned) };
        let web = |address: &str| {
            url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        let given = Some(ask.redirect_uri.as_str()).filter(|address| web(address));
        if ask.client_id.is_empty() || ask.redirect_uri.is_empty() || ask.scope.is_empty() {
            return Err(fail("invalid_request", given));
        }
        let app = self.apps.iter().find(|app| app.client_id == ask.client_id);
        let app = app.ok_or_else(|| fail("unknown_client", given))?;
        if given.is_none() || !ask.redirect_uri.starts_with(&app.redirect_uri) {
            return Err(fail("invalid_redirect_uri", Some(&app.redirect_uri)));
        }
        // Official clients leave the type out; a token without a refresh token is not offered here.
        if ask.kind.as_deref().is_some_and(|kind| kind != "web_server") {
            return Err(fail("invalid_request", given));
        }
        let known = |name: &str| SCOPES.iter().find(|scope| **scope == name.trim()).copied();
        let scopes: Option<Vec<&'static str>> = ask.scope.split(',').map(known).collect();
        Ok(Asked { app, scopes: scopes.ok_or_else(|| fail("unknown_scope", given))? })
    }

    /// Somebody allows it: the code to return with.
    pub(super) fn allow(&mut self, ask: &Ask, now: Timestamp) -> Result<String, NotAsked> {
        let scopes = self.look_at(ask)?.scopes.into_iter().map(str::to_owned).collect();
        let code = secret();
        make_room(&mut self.codes);
        self.codes.push(Code {
            code: code.clone(),
            app: ask.client_id.clone(),
            redirect_uri: ask.redirect_uri.clone(),
            scopes,
            until: now + CODE_LIFE,
        });
        Ok(code)
    }

    /// `POST /oauth/token` with this form.
    pub(super) fn token(&mut self, form: &[(String, String)], now: Timestamp) -> (u16, Value) {
        let answer = match field(form, "grant_type") {
            "authorization_code" => self.exchange(form, now),
            "refresh_token" => self.refresh(form, now),
            "" => Err(("invalid_request", "grant_type is missing")),
            _ => Err(("unsupported_grant_type", "Specified grant_type is not supported")),
        };
        match answer {
            Ok(tokens) => (200, tokens),
            Err((error, text)) => (self.manners.error_status, json!({"error": error, "error_description": text})),
        }
    }

    fn exchange(&mut self, form: &[(String, String)], now: Timestamp) -> Result<Value, (&'static str, &'static str)> {
        let secret_of = |app: &&OauthAppSeed| app.client_id == field(form, "client_id");
        let app = self.apps.iter().find(secret_of).filter(|app| app.client_secret == field(form, "client_secret"));
        let app = app.ok_or(("invalid_client", "Specified client credentials were invalid"))?.client_id.clone();
        // Presented, a code is gone, whatever comes of it.
        let at = self.codes.iter().position(|code| code.code == field(form, "code"));
        let code = at.map(|at| self.codes.remove(at)).ok_or(("invalid_grant", BAD_CODE))?;
        if code.app != app || code.redirect_uri != field(form, "redirect_uri") || code.until <= now {
            return Err(("invalid_grant", BAD_CODE));
        }
        make_room(&mut self.grants);
        self.grants.push(Grant { scopes: code.scopes, refresh_token: secret(), access: Vec::new(), revoked: false });
        let Self { manners, grants, .. } = self;
        Ok(grants.last_mut().map_or(Value::Null, |grant| grant.issue(manners.expires_in, now)))
    }

    fn refresh(&mut self, form: &[(String, String)], now: Timestamp) -> Result<Value, (&'static str, &'static str)> {
        if form.len() != 2 {
            return Err(("invalid_request", "expected grant_type and refresh_token, and nothing else"));
        }
        let Self { manners, grants, .. } = self;
        let presented = field(form, "refresh_token");
        let grant = grants.iter_mut().find(|grant| grant.refresh_token == presented && !grant.revoked);
        let grant = grant.ok_or(("invalid_grant", BAD_REFRESH))?;
        if manners.rotating {
            grant.refresh_token = secret();
        }
        Ok(grant.issue(manners.expires_in, now))
    }

    /// What the bearer of a token may do.
    pub(super) fn present(&self, token: &str, now: Timestamp) -> Result<Vec<String>, ApiError> {
        let found = self.grants.iter().find_map(|grant| {
            let access = grant.access.iter().find(|access| access.token == token)?;
            Some((grant, access))
        });
        let (grant, access) = found.ok_or_else(|| ApiError::new(401, 120, "Invalid OAuth Token"))?;
        if grant.revoked {
            Err(ApiError::new(401, 122, "Revoked OAuth Token"))
        } else if access.until <= now {
            Err(ApiError::new(401, 121, "Expired OAuth Token"))
        } else {
            Ok(grant.scopes.clone())
        }
    }
}

impl Grant {
    fn issue(&mut self, expires_in: u32, now: Timestamp) -> Value {
        let token = secret();
        make_room(&mut self.access);
        self.access.push(Access { token: token.clone(), until: now + SignedDuration::from_secs(expires_in.into()) });
        json!({"access_token": token, "expires_in": expires_in, "refresh_token": self.refresh_token})
    }
}

/// Whether permissions let a call through, else Code 60. The provider's table is not public; assumed is the least that
/// its names say: writing people needs `ImportSubscribers`, everything else about lists, people and suppression
/// `ManageLists`, mails their two; looking at the clock and at clients needs nothing.
pub(super) fn permits(scopes: &[String], method: &str, path: &[&str]) -> Result<(), ApiError> {
    let needed = match (method, path) {
        ("POST", ["subscribers", _] | ["subscribers", _, "import"]) => "ImportSubscribers",
        (_, ["subscribers" | "lists", ..] | ["clients", _, "suppress" | "unsuppress" | "suppressionlist"]) => {
            "ManageLists"
        }
        ("GET", ["transactional", ..]) => "ViewTransactional",
        (_, ["transactional", ..]) => "SendTransactional",
        _ => return Ok(()),
    };
    let has = scopes.iter().any(|scope| scope == needed);
    if has { Ok(()) } else { Err(ApiError::new(401, 60, "The OAuth token has not the required scope")) }
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// Awkward on purpose: raw in a form, `+` reads as a blank.
fn secret() -> String {
    let (one, two) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let bytes: Vec<u8> = one.as_bytes().iter().chain(two.as_bytes()).copied().collect();
    format!("+/{}", BASE64.encode(&bytes))
}

fn make_room<T>(all: &mut Vec<T>) {
    if all.len() >= REMEMBERED {
        all.remove(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn book() -> Book {
        let mut book = Book::default();
        book.register(vec![OauthAppSeed {
            client_id: "7".to_owned(),
            client_secret: "s".to_owned(),
            name: "App".to_owned(),
            redirect_uri: "https://app.example/back".to_owned(),
        }]);
        book
    }

    fn ask() -> Ask {
        Ask {
            kind: Some("web_server".to_owned()),
            client_id: "7".to_owned(),
            redirect_uri: "https://app.example/back".to_owned(),
            scope: "ManageLists,ImportSubscribers".to_owned(),
            state: None,
        }
    }

    #[test]
    fn what_cannot_be_asked_has_its_word() {
        let book = book();
        let why = |change: fn(&mut Ask)| {
            let mut ask = ask();
            change(&mut ask);
            book.look_at(&ask).err().map(|not| not.error)
        };
        assert_eq!(why(|_| {}), None);
        assert_eq!(why(|ask| ask.kind = None), None);
        assert_eq!(why(|ask| ask.redirect_uri.push_str("/deeper?x=1")), None);
        assert_eq!(why(|ask| ask.kind = Some("user_agent".to_owned())), Some("invalid_request"));
        assert_eq!(why(|ask| ask.scope.clear()), Some("invalid_request"));
        assert_eq!(why(|ask| ask.client_id = "8".to_owned()), Some("unknown_client"));
        assert_eq!(why(|ask| ask.redirect_uri = "https://evil.example".to_owned()), Some("invalid_redirect_uri"));
        assert_eq!(why(|ask| ask.scope = "ManageLists ImportSubscribers".to_owned()), Some("unknown_scope"));
    }

    #[test]
    fn a_code_works_once_and_not_for_ever() {
        let mut book = book();
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let form = |code: &str| {
            [
                ("grant_type", "authorization_code"),
                ("client_id", "7"),
                ("client_secret", "s"),
                ("code", code),
                ("redirect_uri", "https://app.example/back"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let code = book.allow(&ask(), now).ok().unwrap();
        let (status, tokens) = book.token(&form(&code), now);
        assert_eq!((status, &tokens["expires_in"]), (200, &json!(1_209_600)));
        assert_eq!(book.token(&form(&code), now).1["error"], "invalid_grant");
        let late = book.allow(&ask(), now).ok().unwrap();
        assert_eq!(book.token(&form(&late), now + CODE_LIFE).0, 400);
        let access = tokens["access_token"].as_str().unwrap();
        assert!(access.contains('+') && access.contains('/') && access.ends_with('='));
        assert_eq!(book.present(access, now).unwrap(), ["ManageLists", "ImportSubscribers"]);
        assert_eq!(book.present(access, now + SignedDuration::from_hours(14 * 24)).unwrap_err().code, 121);
        assert_eq!(book.present("other", now).unwrap_err().code, 120);
    }
}
