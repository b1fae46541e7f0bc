//! Comparing a destination with the record: as many as a million people active on both sides, some hundreds of whom differ.
//! The service is a process of its own, so that its memory is its own; the provider is the emulator, over HTTP; people are
//! brought in step beforehand by a worker in this process.
//!
//! ```text
//! cargo bench --bench comparing [-- --sqlite] [--size N]
//! ```

use std::time::{Duration, Instant};

use growth::{LIST, generator};
use reconsent::domain::scope::Scope;
use reconsent::sandbox::campaign_monitor::State;
use reconsent::usecases::setup::create_token;
use reqwest::Method;
use serde_json::json;
use support::cluster::Cluster;
use support::house::{Engine, Ground};
use support::options::Options;
use support::table::Table;
use support::{Outcome, fault, on_each, process};

mod growth;
mod support;

/// People in a thousand who stop at the provider without our being told, and strangers who come there.
const DIFFER: usize = 1;

fn main() -> Outcome<()> {
    on_each(2, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let ground = Ground::fresh(engine, cluster).await?;
    let people = options.size(1_000_000, 3_000);
    generator::generate(&ground.database, people as u64).await?;
    let services = growth::open(&ground.database).await?;
    let scope = growth::controller(&services).await?;
    let (emulator, destination) = growth::kept_at_an_emulator(&services, scope).await?;
    growth::bring_in_step(&services).await?;
    let confirmed = emulator.count(LIST, State::Active);

    // Some stop there and nobody tells us; as many come there whom nobody knows here.
    let differ = (confirmed * DIFFER / 1000).max(10);
    let known = (0_u64..).map(|n| growth::address_of(n).as_sent());
    let stopped = known.filter(|address| emulator.unsubscribe_as_person(LIST, address)).take(differ).count();
    let strangers = (0..differ).filter(|n| emulator.subscribe_as_person(LIST, &format!("stranger{n}@example.org")));
    let strangers = strangers.count();
    let token = create_token(&services, Some(scope), "bench", Scope::CONTROLLER, None).await?.token;
    drop(services);

    let house = ground.serve(&[("RECONSENT_ROOT_KEY", growth::ROOT_KEY.to_owned())], &[]).await?;
    let at_rest = process::resident_mb(house.pid());
    let (calls, cpu, begun) = (emulator.request_count(), process::of(house.pid()).cpu, Instant::now());
    let path = format!("/v1/destinations/{}/reconciles", destination);
    let plan = house.api(Method::POST, &path, &token, Some(json!({}))).await?;
    let path = format!("/v1/reconciles/{}", plan["id"].as_str().unwrap_or_default());
    let plan = loop {
        let plan = house.api(Method::GET, &path, &token, None).await?;
        match plan["status"].as_str() {
            Some("reading" | "applying") => {}
            Some("planned") => break plan,
            _ => return fault(format!("the comparison came to another end: {plan}")),
        }
        if begun.elapsed() > Duration::from_secs(7200) {
            return fault("not compared after two hours");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let took = begun.elapsed().as_secs_f64();
    let count = |kind: &str, status: &str| {
        let of_kind = plan["differences"].as_array().into_iter().flatten().find(|one| one["kind"] == kind);
        of_kind.and_then(|one| one["counts"][status].as_u64()).unwrap_or(0)
    };
    let (found, unknown) = (count("stopped_there", "applied"), count("unknown_there", "open"));
    if (found, unknown) != (stopped as u64, strangers as u64) {
        return fault(format!("{stopped} stopped there and {strangers} are unknown, but the plan says {plan}"));
    }
    let rows = plan["rows_read"].as_f64().unwrap_or_default();
    let used = process::of(house.pid());
    let mut table = Table::new(&[
        "read there",
        "stops found and recorded",
        "unknown found",
        "calls",
        "seconds",
        "rows/s",
        "CPU s",
        "peak MB",
        "MB before",
    ]);
    table.row(vec![
        format!("{rows:.0}"),
        found.to_string(),
        unknown.to_string(),
        (emulator.request_count() - calls).to_string(),
        format!("{took:.0}"),
        format!("{:.0}", rows / took),
        format!("{:.0}", (used.cpu - cpu).as_secs_f64()),
        format!("{:.0}", used.peak_mb),
        format!("{at_rest:.0}"),
    ]);
    table.print();
    house.stop()?;
    emulator.stop()?;
    ground.leave(cluster).await
}
