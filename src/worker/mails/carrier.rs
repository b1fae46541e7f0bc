//! A carrier: takes one mail after the other that is handed over, and speaks to the relay. There is one for each
//! connection.
//!
//! The gate's yes holds for a second (RP-05): where a connection was longer in coming, the gate is asked again with the
//! connection in hand.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use crate::usecases::deliver::{Attempted, GiveUp, Pace, Told, hand_over_again};
use crate::usecases::{Error, RelayPool};

use super::super::Worker;
use super::super::handlers::guarded;
use super::desk::{Handed, passed};
use super::in_hand::{InHand, Place};

/// A mail that the relay has answered for.
pub(super) struct Sent {
    pub told: Told,
    /// Kept until it is written down.
    pub _place: Place,
}

/// One of the carriers.
#[derive(Clone)]
pub(super) struct Carrier {
    pub worker: Worker,
    pub relay: RelayPool,
    pub ready: Arc<Mutex<mpsc::Receiver<Handed>>>,
    pub in_hand: Arc<InHand>,
    pub sent: mpsc::Sender<Sent>,
}

impl Carrier {
    /// Works until nothing more can come.
    pub(super) async fn work(self) {
        while let Some(handed) = self.next().await {
            let (carrier, task) = (self.clone(), handed.task.clone());
            guarded(&self.worker, &task, async move { carrier.carry(handed).await }).await;
        }
    }

    async fn next(&self) -> Option<Handed> {
        let handed = self.ready.lock().await.recv().await?;
        self.in_hand.has_waited(handed.since.elapsed());
        Some(handed)
    }

    async fn carry(self, handed: Handed) -> Result<(), Error> {
        let Handed { task, mut ready, since, place } = handed;
        let settings = &self.worker.settings;
        let attempted = match self.relay.lease().await {
            Ok(mut lease) => {
                if since.elapsed() > settings.gate_holds {
                    let pace = Pace { lease: settings.handover_lease, paused_look: settings.paused_look };
                    let outcome = hand_over_again(&self.worker.services, &task, &ready, pace).await?;
                    let Some(still) = passed(&task, outcome) else { return Ok(()) };
                    ready = still;
                }
                let outcome = lease.send(ready.envelope(), ready.bytes()).await;
                let attempted = Attempted::from_outcome(&outcome);
                if !attempted.is_accepted() {
                    tracing::info!(mail = %task.reference, ?outcome, "a mail was not accepted");
                }
                attempted
            }
            Err(error) => Attempted::unreachable(error.code()),
        };
        let retry_after = self.worker.back_off(task.attempts);
        let give_up = GiveUp { retry_after, attempts: settings.mail_attempts, age: settings.max_age };
        let sent = Sent { told: Told { task, ready, attempted, give_up }, _place: place };
        self.sent.send(sent).await.map_err(|_| Error::Internal("nobody writes down what the relay says".into()))
    }
}
