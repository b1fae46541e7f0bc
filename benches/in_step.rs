//! P7: many confirmed people are brought to a list at the provider, and the calls are counted. The provider is the
//! emulator, over HTTP; the worker runs in this process, on a database that the generator has filled.
//!
//! ```text
//! cargo bench --bench in_step [-- --sqlite] [--size N]
//! ```

use std::time::Instant;

use growth::{LIST, generator};
use reconsent::sandbox::campaign_monitor::State;
use support::cluster::{Cluster, fresh_database};
use support::house::{Engine, folder};
use support::options::Options;
use support::table::Table;
use support::{Outcome, on_each, process};

mod growth;
mod support;

fn main() -> Outcome<()> {
    on_each(2, measure)
}

async fn measure(_: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let folder = folder("in-step")?;
    let url = fresh_database(cluster, folder.path()).await?;
    let people = options.size(1_000_000, 2_000) as u64;
    generator::generate(&url, people).await?;
    let services = growth::open(&url).await?;
    let scope = growth::controller(&services).await?;
    let (emulator, _) = growth::kept_at_an_emulator(&services, scope).await?;

    let (before, begun) = (emulator.request_count(), Instant::now());
    growth::bring_in_step(&services).await?;
    let took = begun.elapsed().as_secs_f64();
    let (calls, active) = (emulator.request_count() - before, emulator.count(LIST, State::Active));
    let mut table = Table::new(&[
        "confirmed, all active there",
        "calls",
        "people a call",
        "people/s",
        "seconds",
        "peak MB with the emulator",
    ]);
    table.row(vec![
        active.to_string(),
        calls.to_string(),
        format!("{:.0}", active as f64 / calls.max(1) as f64),
        format!("{:.0}", active as f64 / took),
        format!("{took:.0}"),
        format!("{:.0}", process::of_us().peak_mb),
    ]);
    table.print();
    emulator.stop()?;
    Ok(())
}
