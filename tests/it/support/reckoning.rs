//! The reckoning after a service was killed: what people got and said, held against what is on record.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reconsent::domain::mailing::MailState;
use reconsent::domain::task::TaskKind;
use reconsent::sandbox::campaign_monitor::State;
use reconsent::sandbox::mail_catcher::CaughtMail;
use reconsent::store::ReadTx;
use serde_json::json;

use super::TestApp;
use super::world::{LIST, World};

/// What somebody did last, as far as the one who did it can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastWord {
    /// Said yes, and was told that it is on record.
    Yes,
    /// Stopped, and was told so.
    Stop,
    /// Said yes and then stopped, but never heard whether the stop arrived: either may hold.
    PerhapsStop,
}

/// Mails beyond the first to each person, and people whose mail waits for staff.
#[derive(Debug, Default, Clone, Copy)]
pub struct Mailed {
    /// Copies beyond the first, each with the bytes of the first.
    pub doubled: usize,
    /// People whose answer was lost twice, so that nobody sends again by himself.
    pub held: usize,
}

/// Waits until nothing is left to mail, to sync or to freeze.
pub async fn until_done(app: &TestApp, patience: Duration) {
    let started = Instant::now();
    loop {
        let counts = app.services.store.read(|tx: &mut ReadTx<'_>| tx.outbox_counts()).await.expect("it counts");
        let kinds = [TaskKind::Mail.code(), TaskKind::Sync.code(), TaskKind::Launch.code()];
        if counts.iter().filter(|count| kinds.contains(&count.kind)).map(|count| count.rows).sum::<i64>() == 0 {
            return;
        }
        assert!(started.elapsed() < patience, "work is left over: {counts:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Nobody was skipped, and whoever was mailed twice got the same bytes. Whoever was mailed at no time, or may have been
/// mailed twice, is held for staff, who see it.
pub async fn mailed(app: &TestApp, world: &World, addresses: &[String]) -> Mailed {
    let mut got: HashMap<String, Vec<Arc<CaughtMail>>> = HashMap::new();
    for mail in world.catcher.messages() {
        got.entry(mail.recipients.join(",")).or_default().push(mail);
    }
    let mut sum = Mailed::default();
    for address in addresses {
        let mails = got.get(address).map(Vec::as_slice).unwrap_or_default();
        let (subject, scope) = (app.subject_of(address).await, app.scope);
        let rows = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.mails_of(scope, subject, 10)).await;
        let rows = rows.expect("mails can be read");
        if let Some(held) = rows.iter().find(|row| row.state == MailState::Uncertain) {
            assert_eq!(held.lost, 2, "{address} is held although one more try was due");
            let path = format!("/v1/subjects/{subject}/mails");
            let shown = app.api().get(&path).await.expect(200).json;
            let shown = shown["items"].as_array().expect("a list");
            assert!(
                shown.iter().any(|mail| mail["state"] == json!("uncertain")),
                "{address} is held and nobody sees it"
            );
            sum.held += 1;
        } else {
            assert!(!mails.is_empty(), "{address} was skipped: {:?}", rows.iter().map(|r| r.state).collect::<Vec<_>>());
        }
        assert!(mails.iter().all(|mail| mail.raw == mails[0].raw), "{address} got two different mails");
        assert!(mails.len() <= 2, "{address} got {} copies, and one more try is all there is", mails.len());
        sum.doubled += mails.len().saturating_sub(1);
    }
    sum
}

/// What people were told last is what the record says, and the destination agrees.
pub async fn believed<'a>(app: &TestApp, world: &World, words: impl IntoIterator<Item = (&'a String, &'a LastWord)>) {
    for (address, word) in words {
        // A mail may be settled after its answer has come in; the last word of the person is what counts.
        let last = app.events_of(address).await.into_iter().rfind(|kind| kind.starts_with("consent."));
        let last = last.unwrap_or_default();
        match word {
            LastWord::Yes => assert_eq!(last, "consent.given", "{address}"),
            LastWord::Stop => assert_eq!(last, "consent.withdrawn", "{address}"),
            LastWord::PerhapsStop => {
                assert!(["consent.given", "consent.withdrawn"].contains(&last.as_str()), "{address}: {last}");
            }
        }
        let active = || world.emulator.subscriber(LIST, address).is_some_and(|there| there.state == State::Active);
        let started = Instant::now();
        // What the provider has taken in shows there a moment later.
        while active() != (last == "consent.given") {
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{address}: the destination does not agree with {last}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
