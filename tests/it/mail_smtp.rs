//! Hand-over to a relay that misbehaves in every way a relay can (T-02, T-03, R-42, R-45, R-47).

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::time::{Duration, Instant};

use crate::smtp_relay::{Act, Script, TestRelay};
use reconsent::mail::{
    Class, Envelope, Outcome, PoolLimits, Relay, RelayPool, RelaySettings, SendError, Stage, bounce::EnhancedCode,
};

const MAIL: &[u8] = b"Subject: x\r\n\r\nHello\r\n.\r\n..two\r\nend\r\n";

fn envelope() -> Envelope {
    Envelope::parse("b+1@bounce.acme.example", "ana@example.org").unwrap()
}

fn settings(relay: &TestRelay) -> RelaySettings {
    RelaySettings {
        command_timeout: Duration::from_millis(400),
        final_timeout: Duration::from_secs(3),
        ..RelaySettings::loopback(relay.port)
    }
}

async fn send_once(relay: &TestRelay) -> (Outcome, bool) {
    let mut connection = Relay::new(settings(relay)).unwrap().connection().await.unwrap();
    let outcome = connection.send(&envelope(), MAIL).await;
    (outcome, connection.is_usable())
}

fn pool(relay: &TestRelay, limits: PoolLimits) -> RelayPool {
    RelayPool::new(Relay::new(settings(relay)).unwrap(), limits)
}

/// What a relay answers to `command`, everything else being well.
fn answering(command: &'static str, act: Act) -> Script {
    Script::new(move |_, line| line.starts_with(command).then(|| act.clone()))
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte_with_and_without_pipelining() {
    for script in [Script::plain(), Script::plain().without_pipelining()] {
        let relay = TestRelay::start(script).await;
        let (outcome, usable) = send_once(&relay).await;
        assert_eq!(outcome, Outcome::Accepted { reply: "2.0.0 queued".to_owned() });
        assert!(usable);
        assert_eq!(relay.mails(), [MAIL]);
        assert_eq!(
            relay.commands(),
            ["EHLO [127.0.0.1]", "MAIL FROM:<b+1@bounce.acme.example> SIZE=36", "RCPT TO:<ana@example.org>", "DATA"]
        );
    }
}

#[tokio::test]
async fn pipelining_takes_two_round_trips() {
    let relay = TestRelay::start(Script::plain()).await;
    send_once(&relay).await;
    // One segment held all three commands.
    assert!(relay.segments().iter().any(|s| s.contains("MAIL") && s.contains("RCPT") && s.ends_with("DATA\r\n")));
}

#[tokio::test]
async fn a_refusal_keeps_the_connection() {
    let rows = [
        ("MAIL", "550 5.7.1 policy", Stage::Mail, 550, Class::SenderFault),
        ("RCPT", "550 5.1.1 <ana@example.org> unknown", Stage::Rcpt, 550, Class::Hard),
        ("RCPT", "450 4.2.2 full", Stage::Rcpt, 450, Class::Soft),
        ("DATA", "451 4.3.0 later", Stage::Data, 451, Class::Soft),
        (".", "554 5.7.26 DMARC", Stage::Message, 554, Class::SenderFault),
    ];
    for pipelining in [true, false] {
        for (command, reply, at, number, class) in rows {
            let mut script = answering(command, Act::reply(reply));
            if !pipelining {
                script = script.without_pipelining();
            }
            let relay = TestRelay::start(script).await;
            let (outcome, usable) = send_once(&relay).await;
            assert!(!format!("{outcome:?}").contains("ana"), "{outcome:?}");
            let Outcome::Refused { stage, code, class: found, enhanced, .. } = outcome else {
                panic!("{command}: {outcome:?}")
            };
            assert_eq!((stage, code, found), (at, number, class), "{command} {reply}");
            assert!(enhanced.is_some() && usable);
            assert_eq!(relay.commands().last().map(String::as_str) == Some("RSET"), at != Stage::Message);
            assert_eq!(relay.mails().iter().filter(|mail| !mail.is_empty()).count(), 0);
        }
    }
}

#[tokio::test]
async fn a_relay_that_says_354_after_a_refused_recipient_gets_an_empty_message() {
    let script = answering("RCPT", Act::reply("550 5.1.1 no")).data_without_recipients();
    let relay = TestRelay::start(script).await;
    let (outcome, usable) = send_once(&relay).await;
    assert!(matches!(
        outcome,
        Outcome::Refused { stage: Stage::Rcpt, enhanced: Some(EnhancedCode { class: 5, subject: 1, detail: 1 }), .. }
    ));
    assert!(usable);
    assert_eq!(relay.mails(), Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn after_421_the_connection_is_over() {
    for (command, at) in [("MAIL", Stage::Mail), ("RCPT", Stage::Rcpt), (".", Stage::Message)] {
        let relay = TestRelay::start(answering(command, Act::reply("421 4.3.2 closing"))).await;
        let (outcome, usable) = send_once(&relay).await;
        assert!(
            matches!(outcome, Outcome::Refused { code: 421, class: Class::Soft, stage, .. } if stage == at),
            "{outcome:?}"
        );
        assert!(!usable);
    }
}

#[tokio::test]
async fn what_fails_before_the_dot_is_safe_to_retry() {
    for command in ["MAIL", "RCPT", "DATA"] {
        for (act, expected) in [
            (Act::Close, SendError::Closed),
            (Act::Silence, SendError::TimedOut(Duration::from_millis(400))),
            (Act::reply("hello there"), SendError::Protocol("a line without a reply code")),
        ] {
            let relay = TestRelay::start(answering(command, act).without_pipelining()).await;
            let (outcome, usable) = send_once(&relay).await;
            assert_eq!(outcome, Outcome::NotStarted(expected), "{command}");
            assert!(!usable);
        }
    }
}

#[tokio::test]
async fn what_fails_after_the_dot_is_uncertain() {
    let endless = format!("250-{}", "x".repeat(3000));
    for act in [Act::Close, Act::Silence, Act::reply("hello"), Act::reply(&endless), Act::reply("354 go on")] {
        let relay = TestRelay::start(answering(".", act.clone())).await;
        let (outcome, usable) = send_once(&relay).await;
        assert!(matches!(outcome, Outcome::Uncertain(_)), "{act:?}: {outcome:?}");
        assert!(!usable);
        assert_eq!(relay.mails().len(), 1);
    }
}

#[tokio::test]
async fn the_final_dot_may_take_longer_than_a_command() {
    let relay =
        TestRelay::start(answering(".", Act::Slow(Duration::from_millis(1200), "250 at last".to_owned()))).await;
    let begun = Instant::now();
    let (outcome, usable) = send_once(&relay).await;
    assert_eq!(outcome, Outcome::Accepted { reply: "at last".to_owned() });
    assert!(usable && begun.elapsed() > Duration::from_millis(1000));
}

#[tokio::test]
async fn unfit_messages_and_addresses_never_reach_the_relay() {
    let relay = TestRelay::start(Script::plain()).await;
    let mut connection = Relay::new(settings(&relay)).unwrap().connection().await.unwrap();
    assert!(matches!(
        connection.send(&envelope(), b"A: b\r\n\r\nx\ny").await,
        Outcome::NotStarted(SendError::Unfit(_))
    ));
    let eai = Envelope::parse("b@acme.example", "用户@example.org").unwrap();
    let outcome = connection.send(&eai, MAIL).await;
    assert_eq!(outcome, Outcome::NotStarted(SendError::EaiUnsupported));
    let huge = [b"A: b\r\n\r\n".as_slice(), &b"xxxxxxxx\r\n".repeat(200_000)].concat();
    assert!(matches!(connection.send(&envelope(), &huge).await, Outcome::NotStarted(SendError::TooLarge { .. })));
    assert!(connection.is_usable());
    assert_eq!(relay.commands().len(), 1);

    let relay = TestRelay::start(Script::plain().offering("SMTPUTF8").offering("8BITMIME")).await;
    let mut connection = Relay::new(settings(&relay)).unwrap().connection().await.unwrap();
    assert!(matches!(connection.send(&eai, MAIL).await, Outcome::Accepted { .. }));
    assert_eq!(relay.commands()[1], "MAIL FROM:<b@acme.example> SIZE=36 BODY=8BITMIME SMTPUTF8");
    assert_eq!(relay.commands()[2], "RCPT TO:<用户@example.org>");
}

#[tokio::test]
async fn signing_in() {
    let with_account = |relay: &TestRelay| {
        let url = format!("smtp://me%40acme.example:s%3Acret@127.0.0.1:{}?tls=none", relay.port);
        Relay::new(RelaySettings::parse(&url).unwrap()).unwrap()
    };
    let relay = TestRelay::start(Script::plain().offering("AUTH LOGIN PLAIN")).await;
    with_account(&relay).connection().await.unwrap();
    assert_eq!(relay.commands()[1], "AUTH PLAIN AG1lQGFjbWUuZXhhbXBsZQBzOmNyZXQ=");

    let relay = TestRelay::start(Script::plain().offering("AUTH LOGIN")).await;
    with_account(&relay).connection().await.unwrap();
    assert_eq!(relay.commands()[1..], ["AUTH LOGIN", "bWVAYWNtZS5leGFtcGxl", "czpjcmV0"]);

    let relay = TestRelay::start(Script::plain()).await;
    assert_eq!(with_account(&relay).connection().await.unwrap_err(), SendError::NoMechanism);
    let relay = TestRelay::start(answering("AUTH", Act::reply("535 5.7.8 no")).offering("AUTH PLAIN")).await;
    assert_eq!(with_account(&relay).connection().await.unwrap_err(), SendError::Credentials(535));
}

#[tokio::test]
async fn a_relay_that_is_not_ready_or_not_there() {
    let relay = TestRelay::start(Script::plain().greeting("554 no service")).await;
    let error = Relay::new(settings(&relay)).unwrap().connection().await.unwrap_err();
    assert_eq!(error, SendError::NotReady { during: "greeting", code: 554 });
    let gone = relay.port;
    drop(relay);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = Relay::new(RelaySettings::loopback(gone)).unwrap().connection().await.unwrap_err();
    assert_eq!(error.code(), "connect_failed");
    // An old relay without EHLO.
    let relay = TestRelay::start(answering("EHLO", Act::reply("502 what"))).await;
    let (outcome, _) = send_once(&relay).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }));
    assert_eq!(relay.commands()[1..3], ["HELO [127.0.0.1]", "MAIL FROM:<b+1@bounce.acme.example>"]);
}

#[tokio::test]
async fn tls_is_demanded_and_checked() {
    let roots = crate::smtp_relay::test_roots();
    let url = |relay: &TestRelay, rest: &str| {
        RelaySettings::parse(&format!("{rest}@localhost:{}?tls=required", relay.port)).unwrap()
    };

    let relay = TestRelay::start(Script::plain().offering("AUTH PLAIN").starttls()).await;
    let trusted = Relay::with_roots(url(&relay, "smtp://me:secret"), roots.clone()).unwrap();
    let mut connection = trusted.connection().await.unwrap();
    assert!(matches!(connection.send(&envelope(), MAIL).await, Outcome::Accepted { .. }));
    assert!(connection.still_open());
    let commands = relay.commands();
    assert_eq!(commands[1..3], ["STARTTLS", "EHLO [127.0.0.1]"]);
    assert_eq!(relay.mails(), [MAIL]);

    // The system's store does not know this certificate.
    let distrusting = Relay::new(url(&relay, "smtp://me:secret")).unwrap();
    assert_eq!(distrusting.connection().await.unwrap_err(), SendError::TlsFailed);

    let relay = TestRelay::start(Script::plain().implicit_tls()).await;
    let implicit =
        Relay::with_roots(RelaySettings::parse(&format!("smtps://localhost:{}", relay.port)).unwrap(), roots.clone());
    let mut connection = implicit.unwrap().connection().await.unwrap();
    assert!(matches!(connection.send(&envelope(), MAIL).await, Outcome::Accepted { .. }));

    let bare = TestRelay::start(Script::plain().offering("AUTH PLAIN")).await;
    let relay = Relay::with_roots(url(&bare, "smtp://me:secret"), roots.clone()).unwrap();
    assert_eq!(relay.connection().await.unwrap_err(), SendError::TlsUnavailable);
    assert!(!bare.commands().iter().any(|c| c.starts_with("AUTH")));

    // Words smuggled in behind the answer to STARTTLS must not be taken for the encrypted relay's.
    let smuggler = answering("STARTTLS", Act::reply("220 go\r\n250 smuggled")).offering("STARTTLS");
    let smuggler = TestRelay::start(smuggler).await;
    let relay = Relay::with_roots(url(&smuggler, "smtp://me:secret"), roots).unwrap();
    assert!(matches!(relay.connection().await.unwrap_err(), SendError::Protocol(_)));
}

#[tokio::test]
async fn the_pool_reuses_and_bounds_connections() {
    let relay = TestRelay::start(answering(".", Act::Slow(Duration::from_millis(20), "250 ok".to_owned()))).await;
    let pool = pool(&relay, PoolLimits { max: 3, mails_per_connection: 100, ..PoolLimits::default() });
    let envelope = envelope();
    let sends = (0..30).map(|_| pool.send(&envelope, MAIL));
    let outcomes = futures_util::future::join_all(sends).await;
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Accepted { .. })));
    assert_eq!((relay.mails().len(), relay.connections(), relay.most_at_once()), (30, 3, 3));
    assert_eq!(pool.idle(), 3);
    pool.close().await;
    assert_eq!(pool.send(&envelope, MAIL).await, Outcome::NotStarted(SendError::PoolClosed));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(relay.commands().iter().filter(|c| *c == "QUIT").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_shared_between_tasks() {
    let relay = TestRelay::start(Script::plain()).await;
    let pool = pool(&relay, PoolLimits { max: 2, ..PoolLimits::default() });
    let tasks = (0..8).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.send(&envelope(), MAIL).await })
    });
    for outcome in futures_util::future::join_all(tasks).await {
        assert!(matches!(outcome, Ok(Outcome::Accepted { .. })));
    }
    assert!(relay.connections() <= 2);
}

#[tokio::test]
async fn refusals_do_not_cost_connections() {
    let every_third =
        Script::new(|n, line| (line.starts_with("RCPT") && n % 3 == 0).then(|| Act::reply("550 5.1.1 no")));
    let relay = TestRelay::start(every_third).await;
    let pool = pool(&relay, PoolLimits { max: 1, ..PoolLimits::default() });
    for _ in 0..30 {
        pool.send(&envelope(), MAIL).await;
    }
    assert_eq!(relay.connections(), 1);
}

#[tokio::test]
async fn connections_are_renewed_by_count_age_and_death() {
    let relay = TestRelay::start(Script::plain()).await;
    let by_count = pool(&relay, PoolLimits { max: 1, mails_per_connection: 2, ..PoolLimits::default() });
    for _ in 0..5 {
        assert!(matches!(by_count.send(&envelope(), MAIL).await, Outcome::Accepted { .. }));
    }
    assert_eq!(relay.connections(), 3);

    let relay = TestRelay::start(Script::plain()).await;
    let by_age = pool(&relay, PoolLimits { max: 1, idle_timeout: Duration::from_millis(50), ..PoolLimits::default() });
    by_age.send(&envelope(), MAIL).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    by_age.send(&envelope(), MAIL).await;
    assert_eq!(relay.connections(), 2);

    // Hung up while idle, with or without a 421: seen before MAIL.
    for farewell in ["", "421 idle too long\r\n"] {
        let relay = TestRelay::start(Script::plain().closing_after_mail(farewell)).await;
        let pool = pool(&relay, PoolLimits { max: 1, ..PoolLimits::default() });
        for _ in 0..3 {
            assert!(matches!(pool.send(&envelope(), MAIL).await, Outcome::Accepted { .. }));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!((relay.connections(), relay.mails().len()), (3, 3));
    }
}

#[tokio::test]
async fn a_reused_connection_that_dies_at_mail_is_replaced_once() {
    // The second MAIL of the relay's life meets a dying connection; the third is fine.
    for act in [Act::Close, Act::reply("421 4.4.2 idle")] {
        let dying = Script::new(move |n, line| (line.starts_with("MAIL") && n == 2).then(|| act.clone()));
        let relay = TestRelay::start(dying.without_pipelining()).await;
        let pool = pool(&relay, PoolLimits { max: 1, ..PoolLimits::default() });
        for _ in 0..2 {
            assert!(matches!(pool.send(&envelope(), MAIL).await, Outcome::Accepted { .. }));
        }
        assert_eq!((relay.connections(), relay.mails().len()), (2, 2));
    }
    // On a fresh connection there is no second try, and after the dot there never is.
    let relay = TestRelay::start(answering("MAIL", Act::Close)).await;
    let outcome = pool(&relay, PoolLimits::default()).send(&envelope(), MAIL).await;
    assert_eq!((outcome, relay.connections()), (Outcome::NotStarted(SendError::Closed), 1));
    let second_dot = Script::new(|n, line| (line == "." && n == 2).then_some(Act::Close));
    let relay = TestRelay::start(second_dot).await;
    let pool = pool(&relay, PoolLimits { max: 1, ..PoolLimits::default() });
    pool.send(&envelope(), MAIL).await;
    assert!(matches!(pool.send(&envelope(), MAIL).await, Outcome::Uncertain(SendError::Closed)));
    assert_eq!((relay.connections(), relay.mails().len()), (1, 2));
}

#[tokio::test]
async fn a_lease_that_is_dropped_halfway_poisons_only_itself() {
    let relay = TestRelay::start(answering(".", Act::Slow(Duration::from_secs(5), "250 ok".to_owned()))).await;
    let pool = pool(&relay, PoolLimits { max: 1, ..PoolLimits::default() });
    let cut = tokio::time::timeout(Duration::from_millis(100), pool.send(&envelope(), MAIL)).await;
    assert!(cut.is_err());
    assert_eq!(pool.idle(), 0);
    let lease = tokio::time::timeout(Duration::from_secs(1), pool.lease()).await;
    assert!(lease.is_ok_and(|lease| lease.is_ok()));
}

#[tokio::test]
async fn a_held_connection_is_fast() {
    let relay = TestRelay::start(Script::plain()).await;
    let mut connection = Relay::new(settings(&relay)).unwrap().connection().await.unwrap();
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(matches!(connection.send(&envelope(), MAIL).await, Outcome::Accepted { .. }));
    }
    // With Nagle's algorithm each mail would wait for a delayed acknowledgement: 100 take four seconds.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
