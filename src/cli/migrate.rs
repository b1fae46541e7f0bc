//! `reconsent migrate`: the schema, forwards. It needs no root key.

use clap::Args;
use serde_json::json;

use super::boot::{Behind, Parts, bring_up_to_date};
use super::exit::{Failure, print, print_json};

/// Bring the database's schema up to date
#[derive(Debug, Args)]
#[command(
    long_about = "Bring the database's schema up to date, each step in a transaction of its own. A database that \
                        is newer than this program is left alone (exit code 4). It needs no root key."
)]
pub(super) struct MigrateArgs {
    /// Change nothing; exit with 4 when the schema is behind or newer
    #[arg(long)]
    check: bool,
    /// Print a JSON object: database, applied
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: &super::Place, args: MigrateArgs) -> Result<(), Failure> {
    let parts = Parts::from_settings(place.settings(&[])?)?;
    let url = &parts.store.url;
    let applied = bring_up_to_date(url, if args.check { Behind::Refuse } else { Behind::Migrate }).await?;
    let database = url.redacted();
    if args.json {
        return print_json(&json!({ "database": database, "applied": applied }));
    }
    match applied.as_slice() {
        [] => print(format_args!("The schema of {database} is up to date.")),
        steps => print(format_args!("Brought {database} up to date: {}.", steps.join(", "))),
    }
}
