//! P1, P2, P3: opt-ins over HTTP, durable, a new address each; beside a raw loop that writes the same rows and bytes,
//! the same service with batches of one, a service that also works off what it takes in, and a server that does nothing.

use std::time::Duration;

use support::cluster::Cluster;
use support::figures;
use support::house::{Engine, Ground, House};
use support::load::{self, Counted, Load};
use support::options::Options;
use support::process::{self, Used};
use support::rows::{Maker, TABLES};
use support::rows_postgres::Shape;
use support::shop::Shop;
use support::table::{Table, median, spread};
use support::{Outcome, on_each, rows_postgres, rows_sqlite};

mod support;

/// Opt-ins in a commit of the raw loop.
const BATCH: usize = 512;

/// How the service is run and knocked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// As installed, worker elsewhere.
    Grouped,
    /// One opt-in in a commit.
    One,
    /// As `Grouped`, on a normal busy day.
    Calm,
    /// As `Grouped`, with its worker beside it.
    Working,
}

impl Variant {
    const ALL: [Self; 4] = [Self::Grouped, Self::One, Self::Calm, Self::Working];

    const fn name(self) -> &'static str {
        match self {
            Self::Grouped => "service, 256 connections",
            Self::One => "service, 256 connections, batches of one",
            Self::Calm => "service, 16 connections",
            Self::Working => "service, 256 connections, worker on",
        }
    }

    const fn connections(self) -> usize {
        match self {
            Self::Calm => 16,
            Self::Grouped | Self::One | Self::Working => 256,
        }
    }
}

/// What one run of the service came to.
struct Served {
    counted: Counted,
    /// Cores that were busy: service, database server, load generator.
    cores: [f64; 3],
    peak_mb: f64,
    server_mb: f64,
    batch: f64,
}

impl Served {
    /// CPU time for each opt-in in microseconds: hardly touched by how busy the machine is otherwise.
    fn micros(&self, which: usize) -> f64 {
        self.cores[which] * 1e6 / self.counted.per_second().max(1.0)
    }
}

fn main() -> Outcome<()> {
    on_each(1, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    if let Some(seconds) = options.hold {
        let variant = if options.worker { Variant::Working } else { Variant::Grouped };
        return hold(engine, cluster, variant, seconds).await;
    }
    let shapes: &[Option<Shape>] = match engine {
        Engine::Sqlite => &[None],
        Engine::Postgres => &[Some(Shape::Each), Some(Shape::One)],
    };
    let mut raw: Vec<Vec<f64>> = vec![Vec::new(); shapes.len()];
    let mut served: Vec<(Variant, Vec<Served>)> = Variant::ALL.iter().map(|variant| (*variant, Vec::new())).collect();
    let mut nothing = Vec::new();
    for run in 0..options.runs {
        for (shape, rates) in shapes.iter().zip(&mut raw) {
            rates.push(loop_alone(engine, cluster, *shape, options, run == 0).await?);
        }
        for (variant, all) in &mut served {
            let one = serve(engine, cluster, *variant, options).await?;
            println!("{}: {:.0}/s, load {}", variant.name(), one.counted.per_second(), process::load());
            all.push(one);
        }
        nothing.push(idle_door(engine, cluster, options).await?);
    }
    print(shapes, &raw, &served, &nothing);
    let of = |wanted: Variant| {
        let runs = served.iter().filter(|(variant, _)| *variant == wanted).flat_map(|(_, runs)| runs);
        median(&runs.map(|run| run.counted.per_second()).collect::<Vec<f64>>()).0
    };
    let fastest = raw.iter().map(|rates| median(rates).0).fold(0.0, f64::max);
    let kept = [
        ("other", "the same rows in a loop of SQL", fastest),
        ("ours", "Reconsent over HTTP", of(Variant::Grouped)),
        ("other", "one opt-in in a commit", of(Variant::One)),
    ];
    figures::keep(options, engine, "Opt-ins a second", &kept)
}

/// Opens a house for a variant.
async fn house(engine: Engine, cluster: Option<&Cluster>, variant: Variant) -> Outcome<(Ground, House, Shop)> {
    let ground = Ground::fresh(engine, cluster).await?;
    let controller = Shop::controller(&ground)?;
    let mut settings = Vec::new();
    if variant == Variant::One {
        settings.push(("RECONSENT_STORE_BATCH", "1".to_owned()));
    }
    let arguments: &[&str] = if variant == Variant::Working { &[] } else { &["--no-worker"] };
    let house = ground.serve(&settings, arguments).await?;
    let shop = Shop::open(&house, controller).await?;
    Ok((ground, house, shop))
}

async fn serve(engine: Engine, cluster: Option<&Cluster>, variant: Variant, options: &Options) -> Outcome<Served> {
    let (ground, house, shop) = house(engine, cluster, variant).await?;
    let load = Load {
        connections: variant.connections(),
        warm: options.pick(Duration::from_secs(2), Duration::from_millis(200)),
        time: options.pick(Duration::from_secs(8), Duration::from_millis(500)),
    };
    let (service, server) = (house.pid(), cluster.map(Cluster::pid).transpose()?);
    let look = move || [process::of(service), server.map_or_else(Used::default, process::of_family), process::of_us()];
    let (commits, calls) = house.commits().await?;
    let (counted, before, after) = load::run(house.http, 202, load, shop.opt_ins(house.http, u64::MAX), look).await?;
    let (commits, calls) = {
        let now = house.commits().await?;
        (now.0 - commits, now.1 - calls)
    };
    if counted.bad > 0 {
        println!("{} answers were not 202 (such as {:?})", counted.bad, counted.odd);
    }
    let busy = |n: usize| (after[n].cpu - before[n].cpu).as_secs_f64() / counted.took.as_secs_f64();
    let cores = [busy(0), busy(1), busy(2)];
    house.stop()?;
    ground.leave(cluster).await?;
    Ok(Served {
        counted,
        cores,
        peak_mb: after[0].peak_mb,
        server_mb: after[1].peak_mb,
        batch: calls / commits.max(1.0),
    })
}

/// The raw loop, on a database that the service has set up and written one opt-in to.
async fn loop_alone(
    engine: Engine,
    cluster: Option<&Cluster>,
    shape: Option<Shape>,
    options: &Options,
    tell: bool,
) -> Outcome<f64> {
    let (ground, house, shop) = house(engine, cluster, Variant::Grouped).await?;
    let few = Load { connections: 1, warm: Duration::ZERO, time: Duration::from_secs(5) };
    load::run(house.http, 202, few, shop.opt_ins(house.http, 4), || ()).await?;
    house.stop()?;
    if tell {
        describe(engine, &ground).await?;
    }
    let time = options.pick(Duration::from_secs(8), Duration::from_millis(500));
    let database = ground.database.clone();
    let (written, took) = match shape {
        Some(shape) => rows_postgres::write(&database, &TABLES, shape, BATCH, usize::MAX, time).await?,
        None => {
            let work = move || rows_sqlite::write(&database, &TABLES, BATCH, usize::MAX, time);
            tokio::task::spawn_blocking(work).await??
        }
    };
    let rate = written as f64 / took.as_secs_f64();
    println!("raw loop{}: {rate:.0}/s, load {}", named(shape), process::load());
    ground.leave(cluster).await?;
    Ok(rate)
}

fn named(shape: Option<Shape>) -> &'static str {
    match shape {
        None => ", VALUES",
        Some(Shape::Each) => ", unnest, a statement for each table",
        Some(Shape::One) => ", unnest, one statement for all",
    }
}

/// Says what an opt-in is made of, so that a row that the loop leaves out would be seen.
async fn describe(engine: Engine, ground: &Ground) -> Outcome<()> {
    let patterns = match engine {
        Engine::Sqlite => rows_sqlite::patterns(&rows_sqlite::open(&ground.database)?, &TABLES)?,
        Engine::Postgres => {
            let client = support::cluster::connect(&ground.database).await?;
            rows_postgres::patterns(&client, &TABLES).await?
        }
    };
    println!("4 opt-ins wrote:");
    for pattern in &Maker::new(patterns).patterns {
        let rows = match engine {
            Engine::Sqlite => rows_sqlite::count(&ground.database, pattern.table)?,
            Engine::Postgres => rows_postgres::count(&ground.database, pattern.table).await?,
        };
        println!(
            "  {rows} rows of {}, {} columns, {} bytes each",
            pattern.table,
            pattern.columns.len(),
            pattern.bytes()
        );
    }
    println!();
    Ok(())
}

/// A door of the same service behind which nothing is done.
async fn idle_door(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<f64> {
    let (ground, house, _) = house(engine, cluster, Variant::Grouped).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", house.ops).into_bytes();
    let load = Load {
        connections: 64,
        warm: Duration::from_millis(200),
        time: options.pick(Duration::from_secs(3), Duration::from_millis(300)),
    };
    let requests = move |_: u64, into: &mut Vec<u8>| {
        into.extend_from_slice(&request);
        true
    };
    let (counted, (), ()) = load::run(house.ops, 200, load, requests, || ()).await?;
    house.stop()?;
    ground.leave(cluster).await?;
    Ok(counted.per_second())
}

/// Keeps the service under load, for a profile.
async fn hold(engine: Engine, cluster: Option<&Cluster>, variant: Variant, seconds: u64) -> Outcome<()> {
    let (ground, house, shop) = house(engine, cluster, variant).await?;
    println!("the service is process {}, on {}", house.pid(), ground.database);
    let load = Load { connections: 256, warm: Duration::ZERO, time: Duration::from_secs(seconds) };
    let (counted, (), ()) = load::run(house.http, 202, load, shop.opt_ins(house.http, u64::MAX), || ()).await?;
    println!("{:.0}/s", counted.per_second());
    house.stop()?;
    ground.leave(cluster).await
}

fn print(shapes: &[Option<Shape>], raw: &[Vec<f64>], served: &[(Variant, Vec<Served>)], nothing: &[f64]) {
    let mut table = Table::new(&[
        "variant",
        "opt-ins/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "cores: service / PostgreSQL / generator",
        "CPU µs for each: service / PostgreSQL",
        "MB: service / PostgreSQL",
        "opt-ins per commit",
    ]);
    for (shape, rates) in shapes.iter().zip(raw) {
        table.row(vec![format!("raw loop{}", named(*shape)), spread(rates, 0)]);
    }
    let all = |runs: &[Served], of: &dyn Fn(&Served) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
    for (variant, runs) in served {
        let middle = |of: &dyn Fn(&Served) -> f64, digits: usize| spread(&all(runs, of), digits);
        let alone = |of: &dyn Fn(&Served) -> f64| median(&all(runs, of)).0;
        table.row(vec![
            variant.name().to_owned(),
            middle(&|run| run.counted.per_second(), 0),
            middle(&|run| run.counted.percentile(0.5), 1),
            middle(&|run| run.counted.percentile(0.95), 1),
            middle(&|run| run.counted.percentile(0.99), 1),
            middle(&|run| run.counted.percentile(1.0), 1),
            format!(
                "{:.2} / {:.2} / {:.2}",
                alone(&|run| run.cores[0]),
                alone(&|run| run.cores[1]),
                alone(&|run| run.cores[2])
            ),
            format!("{:.0} / {:.0}", alone(&|run| run.micros(0)), alone(&|run| run.micros(1))),
            format!("{:.0} / {:.0}", alone(&|run| run.peak_mb), alone(&|run| run.server_mb)),
            middle(&|run| run.batch, 0),
        ]);
    }
    table.row(vec!["the same server doing nothing (health), 64 connections".to_owned(), spread(nothing, 0)]);
    table.print();
    let rates = |wanted: Variant| {
        let runs = served.iter().find(|(variant, _)| *variant == wanted).map(|(_, runs)| runs.as_slice());
        all(runs.unwrap_or_default(), &|run| run.counted.per_second())
    };
    // Each run against its own neighbours; the median of these.
    let ratios = |of: &[f64]| rates(Variant::Grouped).iter().zip(of).map(|(a, b)| a / b).collect::<Vec<f64>>();
    for (shape, loops) in shapes.iter().zip(raw) {
        println!("service / raw loop{}: {}", named(*shape), spread(&ratios(loops), 2));
    }
    println!("service / batches of one: {}\n", spread(&ratios(&rates(Variant::One)), 1));
}
