//! Everything that can go wrong on the way.

use std::time::{Duration, Instant};

use reconsent::campaign_monitor::{CallError, Reason, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::{Provider, Reply, client, credentials};

const RETRY: Verdict = Verdict::Retry { after: None };

fn later(seconds: u64) -> Verdict {
    Verdict::Retry { after: Some(Duration::from_secs(seconds)) }
}

async fn verdict_of(reply: Reply) -> (CallError, Verdict) {
    let provider = Provider::with([reply]).await;
    let error = provider.account().clients().await.unwrap_err();
    assert_eq!(provider.seen().len(), 1, "a call is sent once, whatever comes back");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("anna"), "the provider's words are not ours to print: {shown}");
    let verdict = error.verdict();
    (error, verdict)
}

#[actix_web::test]
async fn answers_that_are_no_answers() {
    let person = Verdict::NeedsPerson;
    for (reply, expected) in [
        (Reply::html(502), RETRY),
        (Reply::html(503).header("Retry-After", "7"), later(7)),
        (Reply::json(504, ""), RETRY),
        (Reply::code(500, 500), RETRY),
        (Reply::html(200), RETRY),
        (Reply::json(200, ""), RETRY),
        (Reply::json(200, "{}"), RETRY),
        (Reply::code(401, 100), person(Reason::Credential)),
        (Reply::code(401, 121), person(Reason::CredentialExpired)),
        (Reply::code(401, 60), person(Reason::Permission)),
        (Reply::code(403, 403), person(Reason::Permission)),
        (Reply::html(404), person(Reason::NotFound)),
        (Reply::json(400, "not json"), person(Reason::RequestRefused)),
        (Reply::html(302).header("Location", "http://127.0.0.1:1/"), person(Reason::Misdirected)),
    ] {
        let (error, verdict) = verdict_of(reply).await;
        assert_eq!(verdict, expected, "{error}");
    }
}

#[actix_web::test]
async fn rate_limits_with_and_without_headers() {
    for (reply, seconds) in [
        (Reply::code(429, 429), 30),
        (Reply::html(429), 30),
        (Reply::code(429, 429).header("X-RateLimit-Reset", "348"), 348),
        (Reply::html(429).header("Retry-After", "12"), 12),
        (
            Reply::code(429, 429)
                .header("Date", "Mon, 02 Mar 2026 09:15:00 GMT")
                .header("Retry-After", "Mon, 02 Mar 2026 09:16:30 GMT"),
            90,
        ),
        (Reply::code(429, 429).header("Retry-After", "999999"), 3600),
    ] {
        let (error, verdict) = verdict_of(reply).await;
        assert_eq!(verdict, later(seconds), "{error}");
        assert!(!error.counts_against_breaker());
    }
}

#[actix_web::test]
async fn a_slow_answer_ends_in_time() {
    let slow = Reply::empty().slow(Duration::from_secs(5));
    let provider = Provider::patient([slow], Duration::from_millis(200)).await;
    let start = Instant::now();
    let error = provider.account().unsubscribe("l1", "anna@example.com").await.unwrap_err();
    assert_eq!(error, CallError::TimedOut);
    assert!(error.may_have_happened());
    assert_eq!(error.verdict(), RETRY);
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[actix_web::test]
async fn a_large_answer_is_not_read() {
    let just = format!(r#"[{{"ClientID":"c","Name":"{}"}}]"#, "x".repeat(60 * 1024));
    let over = format!(r#"[{{"ClientID":"c","Name":"{}"}}]"#, "x".repeat(65 * 1024));
    let provider = Provider::with([Reply::json(200, just), Reply::json(200, over)]).await;
    assert!(provider.account().clients().await.is_ok());
    let error = provider.account().clients().await.unwrap_err();
    assert_eq!(error, CallError::TooLarge { limit: 64 * 1024 });
    assert_eq!(verdict_of(Reply::json(502, "x".repeat(65 * 1024))).await.1, RETRY);
}

/// Reads one request to the end of its head, then writes these bytes and closes.
async fn rude(bytes: Vec<u8>) -> (u16, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut taken = 0;
        while let Ok(Ok((mut socket, _))) = tokio::time::timeout(Duration::from_millis(500), listener.accept()).await {
            taken += 1;
            let mut buffer = vec![0; 16 * 1024];
            let _ = socket.read(&mut buffer).await;
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
        taken
    });
    (port, task)
}

#[actix_web::test]
async fn a_lost_answer_is_told_from_a_missing_connection() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"Sys".to_vec();
    for bytes in [Vec::new(), b"HTTP/1.1 20".to_vec(), cut] {
        let (port, task) = rude(bytes).await;
        let (client, key) = (client(port, Duration::from_secs(5)), credentials());
        let error = client.account(&key).delete("l1", "anna+x@example.com").await.unwrap_err();
        assert_eq!(error, CallError::LostAnswer);
        assert!(error.may_have_happened() && error.counts_against_breaker());
        assert_eq!(task.await.unwrap(), 1, "nothing is repeated behind our back");
    }
}

#[actix_web::test]
async fn an_endless_answer_without_a_length_is_cut() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    bytes.resize(200 * 1024, b' ');
    let (port, _task) = rude(bytes).await;
    let (client, key) = (client(port, Duration::from_secs(5)), credentials());
    let error = client.account(&key).clients().await.unwrap_err();
    assert_eq!(error, CallError::TooLarge { limit: 64 * 1024 });
}

#[actix_web::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (client, key) = (client(port, Duration::from_secs(5)), credentials());
    let error = client.account(&key).subscriber("l1", "anna@example.com").await.unwrap_err();
    let CallError::Unreachable { detail } = &error else { panic!("{error:?}") };
    assert!(!detail.is_empty() && !detail.contains("anna"), "{detail}");
    assert!(!error.may_have_happened());
    assert_eq!(error.verdict(), RETRY);
}

#[actix_web::test]
async fn a_credential_does_not_print() {
    let provider = Provider::with([]).await;
    let shown = format!("{:?}", provider.account());
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
}

#[actix_web::test]
async fn an_answer_that_stops_half_way_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 16 * 1024];
        let _ = socket.read(&mut buffer).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let (client, key) = (client(port, Duration::from_millis(200)), credentials());
    let error = client.account(&key).clients().await.unwrap_err();
    assert_eq!(error, CallError::TimedOut);
    task.abort();
}
