//! `reconsent worker`: the worker alone, beside a `serve --no-worker`. Any number may run on one database.

use clap::Args;

use super::boot::{Behind, Parts};
use super::exit::Failure;
use super::running::{Running, bind, start_log};

/// Run a worker alone: mails, provider sync, imports, timetable
#[derive(Debug, Args)]
#[command(long_about = "Run a worker alone: mails, provider sync, imports and the timetable, beside `reconsent serve \
                        --no-worker`. Any number of workers may share one database; none leads. Health and metrics \
                        are on RECONSENT_OPS_LISTEN. It does not migrate: a schema that is behind ends it with exit \
                        code 4.")]
pub(super) struct WorkerArgs {
    /// Where to serve health and metrics; outranks RECONSENT_OPS_LISTEN
    #[arg(long, value_name = "ADDRESS")]
    ops_listen: Option<String>,
}

pub(super) async fn run(place: &super::Place, args: WorkerArgs) -> Result<(), Failure> {
    let WorkerArgs { ops_listen } = args;
    let parts = Parts::from_settings(place.settings(&[("ops_listen", ops_listen)])?)?;
    start_log(&parts)?;
    let services = parts.open(Behind::Refuse).await?;
    let (ops, ops_at) = bind(parts.ops_listen, "RECONSENT_OPS_LISTEN")?;
    let database = parts.store.url.redacted();
    let mut running = Running::new(parts, services)?;
    running.serve_ops(ops).await?;
    running.work();
    tracing::info!(ops = %ops_at, %database, "working");
    running.until_told().await
}
