//! `reconsent serve`: the doors, and the worker beside them.

use clap::Args;

use super::boot::{Behind, Parts};
use super::exit::Failure;
use super::running::{Running, bind, start_log};

/// Run the service: API, pages, forms, and the worker beside them
#[derive(Debug, Args)]
#[command(long_about = "Run the service: API, pages, forms and callbacks on RECONSENT_LISTEN, health and metrics on \
                        RECONSENT_OPS_LISTEN, and the worker beside them. It does not start on a missing or wrong \
                        root key, or on a database that is newer than this program. Without RECONSENT_SMTP_URL mails \
                        wait in the outbox and nothing leaves the machine.\n\n\
                        SIGTERM or SIGINT stops it in good order within RECONSENT_OPS_STOP_TIMEOUT; a second one stops it at once.")]
pub(super) struct ServeArgs {
    /// Do not run the worker in this process; run `reconsent worker` elsewhere
    #[arg(long)]
    no_worker: bool,
    /// Refuse to start (exit code 4) when the schema is behind, rather than migrate
    #[arg(long)]
    no_migrate: bool,
    /// Where to listen; outranks RECONSENT_LISTEN
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where to serve health and metrics; outranks RECONSENT_OPS_LISTEN
    #[arg(long, value_name = "ADDRESS")]
    ops_listen: Option<String>,
}

pub(super) async fn run(place: &super::Place, args: ServeArgs) -> Result<(), Failure> {
    let ServeArgs { no_worker, no_migrate, listen, ops_listen } = args;
    let parts = Parts::from_settings(place.settings(&[("listen", listen), ("ops_listen", ops_listen)])?)?;
    start_log(&parts)?;
    let services = parts.open(if no_migrate { Behind::Refuse } else { Behind::Migrate }).await?;
    let (public, public_at) = bind(parts.listen, "RECONSENT_LISTEN")?;
    let (ops, ops_at) = bind(parts.ops_listen, "RECONSENT_OPS_LISTEN")?;
    let (base_url, database) = (parts.base_url.clone(), parts.store.url.redacted());
    let mut running = Running::new(parts, services)?;
    running.serve(public).await?;
    running.serve_ops(ops).await?;
    if !no_worker {
        running.work();
    } else if !running.has_relay() {
        tracing::warn!("no mail relay is configured here; mails wait for a worker that has one");
    }
    tracing::info!(listen = %public_at, ops = %ops_at, %base_url, %database, worker = !no_worker, "serving");
    running.until_told().await
}
