//! P10: what an opt-in costs when many people are on record, beside the same with few; and, on PostgreSQL, what a second
//! instance adds.

use std::time::Duration;

use support::cluster::Cluster;
use support::fill::fill;
use support::house::{Engine, Ground, House};
use support::load::{self, Counted, Load};
use support::options::Options;
use support::process::{self, Used};
use support::shop::Shop;
use support::table::{Table, median, spread};
use support::{Outcome, on_each};

mod support;

/// People on record in the small database.
const FEW: usize = 10_000;

/// One run on one database.
struct Run {
    rate: f64,
    /// CPU time for each opt-in in microseconds: service, PostgreSQL.
    micros: [f64; 2],
}

fn main() -> Outcome<()> {
    on_each(1, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let many = options.size(1_000_000, 2_000);
    let small = Grown::new(engine, cluster, options.pick(FEW, 500)).await?;
    let large = Grown::new(engine, cluster, many).await?;
    let (mut few, mut much, mut two) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = 0;
    for _ in 0..options.runs {
        few.push(small.run(cluster, options, 1, &mut next).await?);
        much.push(large.run(cluster, options, 1, &mut next).await?);
        if engine == Engine::Postgres {
            two.push(small.run(cluster, options, 2, &mut next).await?);
        }
    }
    let mut table =
        Table::new(&["on record", "instances", "opt-ins/s", "CPU µs for each: service", "CPU µs for each: PostgreSQL"]);
    for (people, instances, runs) in [(small.people, 1, &few), (large.people, 1, &much), (small.people, 2, &two)] {
        if runs.is_empty() {
            continue;
        }
        let all = |of: &dyn Fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
        table.row(vec![
            people.to_string(),
            instances.to_string(),
            spread(&all(&|run| run.rate), 0),
            format!("{:.0}", median(&all(&|run| run.micros[0])).0),
            format!("{:.0}", median(&all(&|run| run.micros[1])).0),
        ]);
    }
    table.print();
    let cost: Vec<f64> = few.iter().zip(&much).map(|(few, much)| few.rate / much.rate).collect();
    println!("cost of an opt-in with {} people / with {}: {}", large.people, small.people, spread(&cost, 2));
    if !two.is_empty() {
        let more: Vec<f64> = few.iter().zip(&two).map(|(one, two)| two.rate / one.rate).collect();
        println!("two instances / one: {}", spread(&more, 2));
    }
    println!();
    Ok(())
}

/// A database with so many people on record.
struct Grown {
    ground: Ground,
    shop: Shop,
    people: usize,
}

impl Grown {
    async fn new(engine: Engine, cluster: Option<&Cluster>, people: usize) -> Outcome<Self> {
        let ground = Ground::fresh(engine, cluster).await?;
        let controller = Shop::controller(&ground)?;
        let house = ground.serve(&[], &["--no-worker"]).await?;
        let shop = Shop::open(&house, controller).await?;
        // One opt-in through the door is the pattern of all others.
        let one = Load { connections: 1, warm: Duration::ZERO, time: Duration::from_secs(5) };
        load::run(house.http, 202, one, shop.opt_ins(house.http, 1), || ()).await?;
        house.stop()?;
        fill(engine, &ground.database, people).await?;
        Ok(Self { ground, shop, people })
    }

    /// Opt-ins of people who are new, against so many instances; `next` is the first who has not come yet.
    async fn run(
        &self,
        cluster: Option<&Cluster>,
        options: &Options,
        instances: usize,
        next: &mut u64,
    ) -> Outcome<Run> {
        let mut houses: Vec<House> = Vec::new();
        for _ in 0..instances {
            houses.push(self.ground.serve(&[], &["--no-worker"]).await?);
        }
        let load = Load {
            connections: 256 / instances,
            warm: options.pick(Duration::from_secs(2), Duration::from_millis(200)),
            time: options.pick(Duration::from_secs(8), Duration::from_millis(500)),
        };
        let pids: Vec<u32> = houses.iter().map(House::pid).collect();
        let server = cluster.map(Cluster::pid).transpose()?;
        let look = move || {
            let service: Duration = pids.iter().map(|pid| process::of(*pid).cpu).sum();
            [service, server.map_or_else(Used::default, process::of_family).cpu]
        };
        let mut runs = Vec::new();
        for house in &houses {
            let (mut from, first) = (*next, self.shop.opt_ins(house.http, u64::MAX));
            *next += 10_000_000;
            let mut first = first;
            let requests = move |_: u64, into: &mut Vec<u8>| {
                from += 1;
                load::Requests::write(&mut first, from, into)
            };
            runs.push(load::run(house.http, 202, load, requests, look.clone()));
        }
        let done: Vec<(Counted, [Duration; 2], [Duration; 2])> = futures_util::future::try_join_all(runs).await?;
        for house in houses {
            house.stop()?;
        }
        let rate: f64 = done.iter().map(|(counted, ..)| counted.per_second()).sum();
        let Some((counted, before, after)) = done.first() else { return support::fault("no run") };
        let micros = |n: usize| (after[n] - before[n]).as_secs_f64() * 1e6 / counted.took.as_secs_f64() / rate.max(1.0);
        Ok(Run { rate, micros: [micros(0), micros(1)] })
    }
}
