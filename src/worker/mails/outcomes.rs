//! Writes down what the relay has said, batch by batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::domain::mailing::MailState;
use crate::usecases::deliver::settle;

use super::super::Worker;
use super::carrier::Sent;
use super::in_hand::InHand;

/// How long an outcome waits for others, while mails are on their way.
const GATHERS: Duration = Duration::from_millis(5);

/// Works until nothing more can come and all is written down. Batches of so many are worth no more waiting.
pub(super) async fn write_down(worker: Worker, mut sent: mpsc::Receiver<Sent>, in_hand: Arc<InHand>, enough: usize) {
    let most = enough * 2;
    let mut again = JoinSet::new();
    let mut batch = Vec::with_capacity(most);
    while sent.recv_many(&mut batch, most).await > 0 {
        let until = Instant::now() + GATHERS;
        while batch.len() < enough.min(in_hand.count()) {
            match timeout_at(until, sent.recv_many(&mut batch, most)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let left = written(&worker, std::mem::take(&mut batch)).await;
        if !left.is_empty() {
            again.spawn(surely(worker.clone(), left));
        }
        while again.try_join_next().is_some() {}
    }
    while again.join_next().await.is_some() {}
}

/// What the relay has said is known and must not be lost to a busy store: it is written again and again for as long as
/// the claim may hold, rather than leave the mail as one whose answer was lost.
async fn surely(worker: Worker, mut left: Vec<Sent>) {
    let until = Instant::now() + worker.settings.handover_lease;
    let mut pause = Duration::from_millis(20);
    while !left.is_empty() && Instant::now() + pause < until {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
        left = written(&worker, left).await;
    }
    for sent in left {
        tracing::error!(mail = %sent.told.ready.mail(), "what the relay said was never written down");
    }
}

/// Gives back those that could not be written down.
async fn written(worker: &Worker, batch: Vec<Sent>) -> Vec<Sent> {
    let told = batch.iter().map(|sent| sent.told.clone()).collect();
    let mut left = Vec::new();
    for (sent, outcome) in batch.into_iter().zip(settle(&worker.services, told).await) {
        match outcome {
            Ok(state) => {
                let state = state.map_or("lost_claim", MailState::name);
                metrics::counter!("reconsent_mails_total", "outcome" => state).increment(1);
            }
            Err(error) => {
                let mail = sent.told.ready.mail();
                tracing::warn!(%error, %mail, "what the relay said could not be written down; it is tried again");
                left.push(sent);
            }
        }
    }
    left
}
