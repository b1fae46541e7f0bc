//! P11: from the start of the process to its first answer that it is ready, on a database with a million events; and what
//! is resident when it has done nothing for five seconds.

use std::time::Duration;

use support::cluster::Cluster;
use support::fill::fill;
use support::house::{Engine, Ground};
use support::load::{self, Load};
use support::options::Options;
use support::shop::Shop;
use support::table::{Table, spread};
use support::{Outcome, on_each, process, rows_postgres, rows_sqlite};

mod support;

fn main() -> Outcome<()> {
    on_each(1, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let ground = Ground::fresh(engine, cluster).await?;
    let controller = Shop::controller(&ground)?;
    let house = ground.serve(&[], &["--no-worker"]).await?;
    let shop = Shop::open(&house, controller).await?;
    // One opt-in through the door is the pattern of all others.
    let one = Load { connections: 1, warm: Duration::ZERO, time: Duration::from_secs(5) };
    load::run(house.http, 202, one, shop.opt_ins(house.http, 1), || ()).await?;
    house.stop()?;
    let events = options.size(1_000_000, 2_000);
    fill(engine, &ground.database, events).await?;

    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..options.runs.max(options.pick(5, 1)) {
        let house = ground.serve(&[], &[]).await?;
        ready.push(house.ready_after.as_secs_f64() * 1000.0);
        tokio::time::sleep(options.pick(Duration::from_secs(5), Duration::from_millis(200))).await;
        resident.push(process::resident_mb(house.pid()));
        house.stop()?;
    }
    let stood = match engine {
        Engine::Sqlite => rows_sqlite::count(&ground.database, "consent_events")?,
        Engine::Postgres => rows_postgres::count(&ground.database, "consent_events").await?,
    };
    let mut table = Table::new(&["events", "starts", "ready after ms", "idle resident MB", "load"]);
    table.row(vec![
        stood.to_string(),
        ready.len().to_string(),
        spread(&ready, 0),
        spread(&resident, 0),
        process::load(),
    ]);
    table.print();
    Ok(())
}
