//! P4: confirming and withdrawing by link, durable; the POST alone. Each costs a signature check, and comes after as many
//! opt-ins in the same house, against which it is held.

use std::time::Duration;

use reconsent::domain::link::LinkAction;
use support::cluster::Cluster;
use support::house::{Engine, Ground, House};
use support::library::{self, Ready};
use support::load::{self, Counted, Load, Requests};
use support::options::Options;
use support::process::{self, Used};
use support::shop::{PURPOSE, Shop};
use support::table::{Table, median, spread};
use support::{Outcome, on_each};

mod support;

/// What is sent, in this order.
const STEPS: [&str; 3] = ["opt in (POST /f/…)", "confirm (POST /c/…)", "withdraw, one click (POST /u/…)"];

/// One step of one run.
struct Step {
    counted: Counted,
    cores: [f64; 3],
    batch: f64,
}

fn main() -> Outcome<()> {
    on_each(1, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let run = one_run(engine, cluster, options).await?;
        let told: Vec<String> = run.iter().map(|step| format!("{:.0}/s", step.counted.per_second())).collect();
        println!("{}, load {}", told.join(", "), process::load());
        runs.push(run);
    }
    print(&runs);
    Ok(())
}

async fn one_run(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<Vec<Step>> {
    let ground = Ground::fresh(engine, cluster).await?;
    let controller = Shop::controller(&ground)?;
    let settings = [("RECONSENT_RULES_MINIMUM_DWELL", "0s".to_owned())];
    let house = ground.serve(&settings, &["--no-worker"]).await?;
    let shop = Shop::open(&house, controller).await?;
    let people = options.size(60_000, 300);
    let opted = step(&house, cluster, options, 202, shop.opt_ins(house.http, people as u64)).await?;
    let (confirms, withdrawals) = prepare(engine, &ground, &house, &shop).await?;
    let to = house.http;
    let confirm = confirms.into_iter().map(move |ready| {
        let body = format!("nonce={}&choice.{PURPOSE}=yes", ready.seal);
        post(to, &format!("/c/{}", ready.token), &body)
    });
    let confirmed = step(&house, cluster, options, 200, each(confirm.collect())).await?;
    let withdraw = withdrawals
        .into_iter()
        .map(move |ready| post(to, &format!("/u/{}", ready.token), "List-Unsubscribe=One-Click"));
    let withdrawn = step(&house, cluster, options, 200, each(withdraw.collect())).await?;
    house.stop()?;
    let events = match engine {
        Engine::Sqlite => support::rows_sqlite::count(&ground.database, "consent_events")?,
        Engine::Postgres => support::rows_postgres::count(&ground.database, "consent_events").await?,
    };
    println!("{people} people, {events} events on record");
    Ok(vec![opted, confirmed, withdrawn])
}

async fn prepare(engine: Engine, ground: &Ground, house: &House, shop: &Shop) -> Outcome<(Vec<Ready>, Vec<Ready>)> {
    let services = ground.services(&house.base).await?;
    let people = library::people(engine, &ground.database, &services, shop).await?;
    let confirms = library::links(&services, shop, &people, LinkAction::Confirm).await?;
    let withdrawals = library::links(&services, shop, &people, LinkAction::Withdraw).await?;
    Ok((confirms, withdrawals))
}

fn post(to: std::net::SocketAddr, path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 \
         Firefox/140.0\r\naccept-language: en-GB\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Each of these once.
fn each(all: Vec<Vec<u8>>) -> impl Requests {
    let mut left = all.into_iter();
    move |_: u64, into: &mut Vec<u8>| match left.next() {
        Some(request) => {
            into.extend_from_slice(&request);
            true
        }
        None => false,
    }
}

/// Sends all there is over 256 connections.
async fn step(
    house: &House,
    cluster: Option<&Cluster>,
    options: &Options,
    expected: u16,
    requests: impl Requests,
) -> Outcome<Step> {
    let load = Load { connections: options.pick(256, 16), warm: Duration::ZERO, time: Duration::from_secs(600) };
    let (service, server) = (house.pid(), cluster.map(Cluster::pid).transpose()?);
    let look = move || [process::of(service), server.map_or_else(Used::default, process::of_family), process::of_us()];
    let (commits, calls) = house.commits().await?;
    let (counted, before, after) = load::run(house.http, expected, load, requests, look).await?;
    let now = house.commits().await?;
    if counted.bad > 0 {
        println!("{} answers were not {expected} (such as {:?})", counted.bad, counted.odd);
    }
    let busy = |n: usize| (after[n].cpu - before[n].cpu).as_secs_f64() / counted.took.as_secs_f64();
    let cores = [busy(0), busy(1), busy(2)];
    Ok(Step { counted, cores, batch: (now.1 - calls) / (now.0 - commits).max(1.0) })
}

fn print(runs: &[Vec<Step>]) {
    let mut table = Table::new(&[
        "step",
        "per second",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "cores: service / PostgreSQL / generator",
        "calls per commit",
        "of opt-ins/s in the same run",
    ]);
    for (n, name) in STEPS.iter().enumerate() {
        let all = |of: &dyn Fn(&Step) -> f64| runs.iter().map(|run| of(&run[n])).collect::<Vec<f64>>();
        let cores = |which: usize| median(&all(&|step| step.cores[which])).0;
        let ratio: Vec<f64> =
            runs.iter().map(|run| run[n].counted.per_second() / run[0].counted.per_second()).collect();
        table.row(vec![
            (*name).to_owned(),
            spread(&all(&|step| step.counted.per_second()), 0),
            spread(&all(&|step| step.counted.percentile(0.5)), 1),
            spread(&all(&|step| step.counted.percentile(0.95)), 1),
            spread(&all(&|step| step.counted.percentile(0.99)), 1),
            spread(&all(&|step| step.counted.percentile(1.0)), 1),
            format!("{:.2} / {:.2} / {:.2}", cores(0), cores(1), cores(2)),
            spread(&all(&|step| step.batch), 0),
            spread(&ratio, 2),
        ]);
    }
    table.print();
}
