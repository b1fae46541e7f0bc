//! Access tokens that run out in the middle, against prepared answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reconsent::campaign_monitor::{Bearer, CallError, Credentials, Renewal, Replacing, Secret, Stale};

use super::server::{Provider, Reply};

/// Gives what it was told to, and counts.
struct Renewer {
    gives: Result<&'static str, CallError>,
    asked: AtomicUsize,
    why: Mutex<Option<(String, Stale)>>,
}

impl Renewal for Renewer {
    fn replace(&self, stale: Secret, why: Stale) -> Replacing<'_> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        *self.why.lock().unwrap() = Some((stale.expose().to_owned(), why));
        let gives = self.gives.clone().map(|token| Secret::new(token.to_owned()));
        Box::pin(async move { gives })
    }
}

fn renewer(gives: Result<&'static str, CallError>) -> (Arc<Renewer>, Credentials) {
    let renewer = Arc::new(Renewer { gives, asked: AtomicUsize::new(0), why: Mutex::default() });
    let token = Secret::new("old+/token==".to_owned());
    (Arc::clone(&renewer), Credentials::Bearer(Bearer::renewed_by(token, renewer)))
}

const CLOCK: &str = r#"{"SystemDate":"2026-03-02 09:15:00"}"#;

#[actix_web::test]
async fn a_call_goes_once_more_with_the_token_that_was_put_in_place() {
    for (code, stale) in [(121, Stale::Expired), (120, Stale::Refused), (122, Stale::Refused)] {
        let provider = Provider::with([Reply::code(401, code), Reply::json(200, CLOCK), Reply::json(200, CLOCK)]).await;
        let (renewer, credentials) = renewer(Ok("new+/token=="));
        let account = provider.client().account(&credentials);
        assert!(account.system_date().await.is_ok() && account.system_date().await.is_ok());
        let tokens: Vec<String> = provider.seen().iter().map(|seen| seen.header("authorization").join(",")).collect();
        assert_eq!(tokens, ["Bearer old+/token==", "Bearer new+/token==", "Bearer new+/token=="], "{code}");
        assert_eq!(renewer.asked.load(Ordering::SeqCst), 1);
        assert_eq!(*renewer.why.lock().unwrap(), Some(("old+/token==".to_owned(), stale)));
    }
}

#[actix_web::test]
async fn the_body_of_a_write_goes_with_it_both_times() {
    let provider = Provider::with([Reply::code(401, 121), Reply::empty()]).await;
    let (_, credentials) = renewer(Ok("new"));
    provider.client().account(&credentials).unsubscribe("a1", "anna@example.com").await.unwrap();
    let seen = provider.seen();
    assert_eq!((seen.len(), &seen[0].body), (2, &seen[1].body));
    assert_eq!(seen[1].json()["EmailAddress"], "anna@example.com");
}

#[actix_web::test]
async fn nothing_is_asked_in_a_circle() {
    let provider = Provider::with([Reply::code(401, 121), Reply::code(401, 121)]).await;
    let (renewer, credentials) = renewer(Ok("new"));
    let error = provider.client().account(&credentials).system_date().await.unwrap_err();
    assert_eq!((error.code(), provider.seen().len(), renewer.asked.load(Ordering::SeqCst)), (Some(121), 2, 1));
}

#[actix_web::test]
async fn what_keeps_a_token_from_being_replaced_is_the_answer() {
    for trouble in [CallError::ConnectAgain, CallError::NotRenewed, CallError::TimedOut] {
        let provider = Provider::with([Reply::code(401, 121)]).await;
        let (_, credentials) = renewer(Err(trouble.clone()));
        assert_eq!(provider.client().account(&credentials).system_date().await, Err(trouble));
        assert_eq!(provider.seen().len(), 1);
    }
}

#[actix_web::test]
async fn other_refusals_are_not_about_the_token() {
    for (status, code) in [(401, 60), (401, 102), (401, 100), (400, 121), (403, 403)] {
        let provider = Provider::with([Reply::code(status, code)]).await;
        let (renewer, credentials) = renewer(Ok("new"));
        let error = provider.client().account(&credentials).system_date().await.unwrap_err();
        assert_eq!((error.code(), renewer.asked.load(Ordering::SeqCst)), (Some(code), 0));
    }
    let provider = Provider::with([Reply::code(401, 121)]).await;
    let fixed = Credentials::Bearer(Bearer::fixed(Secret::new("t".to_owned())));
    assert_eq!(provider.client().account(&fixed).system_date().await.unwrap_err().code(), Some(121));
}
