//! P5: a long list is uploaded and read: people who are new, who are known, who are on the "never mail" list, who occur
//! twice, and addresses that are none. Beside it a raw loop that writes the rows of as many newcomers, and a person who
//! signs up now and then while the list is read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use support::cluster::Cluster;
use support::figures;
use support::house::{Engine, Ground, House};
use support::options::Options;
use support::process::{self, Used};
use support::rows_postgres::Shape;
use support::shop::{PURPOSE, Shop};
use support::table::{Table, median, spread};
use support::{Outcome, fault, on_each, rows_postgres, rows_sqlite};

mod support;

/// The tables that a row of the list leads to, in the order in which their keys allow.
const TABLES: [&str; 4] = ["subjects", "consent_events", "consents", "import_rows"];

/// Rows in a commit of the raw loop.
const BATCH: usize = 512;

/// What a row of the list is. Every hundred rows are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    Known,
    Duplicate,
    Bad,
    NeverMail,
}

impl Kind {
    const fn of(n: usize) -> Self {
        match n % 100 {
            10 => Self::Duplicate,
            20 => Self::Bad,
            30 => Self::NeverMail,
            40..50 => Self::Known,
            _ => Self::New,
        }
    }

    /// What the service makes of it.
    const fn outcome(self) -> &'static str {
        match self {
            Self::New => "added",
            Self::Known => "updated",
            Self::Duplicate => "duplicate",
            Self::Bad => "invalid_address",
            Self::NeverMail => "suppressed",
        }
    }
}

/// Writes row `n` behind what is there.
fn row(n: usize, into: &mut Vec<u8>) {
    let line = match Kind::of(n) {
        // The one before.
        Kind::Duplicate => format!("listed{:07}@example.org,Robin Example {n},2026-03-01\n", n - 1),
        Kind::Bad => format!("listed{n:07} at example,Robin Example {n},2026-03-01\n"),
        Kind::New | Kind::Known | Kind::NeverMail => {
            format!("listed{n:07}@example.org,Robin Example {n},2026-03-01\n")
        }
    };
    into.extend_from_slice(line.as_bytes());
}

/// The rows of `kinds` among the first `size`, as pieces of a body.
fn list(size: usize, kinds: &'static [Kind]) -> impl Iterator<Item = Vec<u8>> {
    let rows = (0..size.div_ceil(1000)).map(move |piece| {
        let mut bytes = Vec::with_capacity(64 * 1024);
        let wanted = (piece * 1000..size.min((piece + 1) * 1000)).filter(|n| kinds.contains(&Kind::of(*n)));
        wanted.for_each(|n| row(n, &mut bytes));
        bytes
    });
    std::iter::once(b"email,name,collected_at\n".to_vec()).chain(rows)
}

const ALL: &[Kind] = &[Kind::New, Kind::Known, Kind::Duplicate, Kind::Bad, Kind::NeverMail];

/// What is seen while a list is read.
#[derive(Default)]
struct Seen {
    /// Resident memory (MB).
    resident: Vec<f64>,
    /// How long somebody waited who signed up (ms).
    waits: Vec<f64>,
}

/// What one run came to.
struct Read {
    upload: Duration,
    bytes: f64,
    /// From the end of the upload to done.
    read: Duration,
    /// Resident memory before the upload (MB).
    at_rest: f64,
    seen: Seen,
    peak_mb: f64,
    server_mb: f64,
    /// Cores that were busy while it was read: service, database server, this program.
    cores: [f64; 3],
    commits: f64,
    raw: f64,
}

fn main() -> Outcome<()> {
    on_each(1, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let size = options.size(1_000_000, 2_000).next_multiple_of(100);
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let raw = loop_alone(engine, cluster, size).await?;
        println!("raw loop: {raw:.0}/s, load {}", process::load());
        let run = one_run(engine, cluster, size, raw).await?;
        println!("list: {:.0}/s, load {}", size as f64 / run.read.as_secs_f64(), process::load());
        runs.push(run);
    }
    print(size, &runs);
    let of = |rate: &dyn Fn(&Read) -> f64| median(&runs.iter().map(rate).collect::<Vec<f64>>()).0;
    let kept = [
        ("other", "the same rows in a loop of SQL", of(&|run| run.raw)),
        ("ours", "Reconsent, every row checked", of(&|run| size as f64 / run.read.as_secs_f64())),
    ];
    figures::keep(options, engine, "Rows of a list a second", &kept)
}

async fn one_run(engine: Engine, cluster: Option<&Cluster>, size: usize, raw: f64) -> Outcome<Read> {
    let ground = Ground::fresh(engine, cluster).await?;
    let controller = Shop::controller(&ground)?;
    let house = ground.serve(&[], &[]).await?;
    let shop = Shop::open(&house, controller).await?;
    let (service, server) = (house.pid(), cluster.map(Cluster::pid).transpose()?);
    let stops = "/v1/imports?kind=do-not-mail&name=stops";
    let id = house.upload_pieces(stops, &shop.token, list(size, &[Kind::NeverMail])).await?.0;
    watch(&house, &shop, &id, &mut Seen::default()).await?;
    let id = house.upload_pieces(&contacts("earlier"), &shop.token, list(size, &[Kind::Known])).await?.0;
    watch(&house, &shop, &id, &mut Seen::default()).await?;

    let look = || [process::of(service), server.map_or_else(Used::default, process::of_family), process::of_us()];
    let (at_rest, began) = (process::resident_mb(service), Instant::now());
    let (id, bytes) = house.upload_pieces(&contacts("long"), &shop.token, list(size, ALL)).await?;
    let upload = began.elapsed();
    let (before, commits, began) = (look(), house.commits().await?.0, Instant::now());
    println!("the service is process {service}, on {}", ground.database);
    let mut seen = Seen::default();
    let outcomes = watch(&house, &shop, &id, &mut seen).await?;
    let (read, after) = (began.elapsed(), look());
    let commits = house.commits().await?.0 - commits;
    house.stop()?;
    ground.leave(cluster).await?;
    check(size, &outcomes)?;
    let busy = |n: usize| (after[n].cpu - before[n].cpu).as_secs_f64() / read.as_secs_f64();
    Ok(Read {
        upload,
        bytes: bytes as f64,
        read,
        at_rest,
        seen,
        peak_mb: after[0].peak_mb,
        server_mb: after[1].peak_mb,
        cores: [busy(0), busy(1), busy(2)],
        commits,
        raw,
    })
}

/// How contacts are declared.
fn contacts(name: &str) -> String {
    format!(
        "/v1/imports?kind=contacts&purposes={PURPOSE}&name={name}&basis=consent&how=shop%20till&statement=ours&attester=A"
    )
}

/// Looks at an import ten times a second until it is done, and signs somebody up each time; gives its outcomes.
async fn watch(house: &House, shop: &Shop, import: &str, seen: &mut Seen) -> Outcome<Value> {
    let path = format!("/v1/imports/{import}");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let began = Instant::now();
    for n in 0.. {
        let standing = house.api(Method::GET, &path, &shop.token, None).await?;
        match standing["status"].as_str() {
            Some("done") => return Ok(standing),
            Some("failed") => return fault(format!("the list was not read: {standing}")),
            _ if began.elapsed() > Duration::from_secs(1800) => return fault("not done after half an hour"),
            _ => {}
        }
        seen.resident.push(process::resident_mb(house.pid()));
        let person = json!({ "email": format!("{import}-{n}@example.org"), "choices": { PURPOSE: "yes" } });
        let request = client.post(format!("{}/f/{}", house.base, shop.form_key)).json(&person);
        let asked = Instant::now();
        let status = request.header("origin", "https://www.acme.example").send().await?.status();
        seen.waits.push(asked.elapsed().as_secs_f64() * 1000.0);
        if status != 202 {
            return fault(format!("a sign-up was answered with {status}"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    fault("no longer watched")
}

/// Every row has become what it is.
fn check(size: usize, standing: &Value) -> Outcome<()> {
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for n in 0..size {
        *expected.entry(Kind::of(n).outcome()).or_default() += 1;
    }
    if standing["outcomes"] == json!(expected) { Ok(()) } else { fault(format!("{expected:?} expected: {standing}")) }
}

/// The raw loop, for as many rows as the list has, on a database to which the service has written one.
async fn loop_alone(engine: Engine, cluster: Option<&Cluster>, size: usize) -> Outcome<f64> {
    let ground = Ground::fresh(engine, cluster).await?;
    let controller = Shop::controller(&ground)?;
    let house = ground.serve(&[], &[]).await?;
    let shop = Shop::open(&house, controller).await?;
    let one = house.upload_pieces(&contacts("one"), &shop.token, list(1, ALL)).await?.0;
    let standing = {
        let path = format!("/v1/imports/{one}");
        loop {
            let standing = house.api(Method::GET, &path, &shop.token, None).await?;
            if standing["status"] == "done" {
                break standing;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    check(1, &standing)?;
    house.stop()?;
    let (database, time) = (ground.database.clone(), Duration::from_secs(600));
    let (written, took) = if engine == Engine::Postgres {
        rows_postgres::write(&database, &TABLES, Shape::One, BATCH, size, time).await?
    } else {
        tokio::task::spawn_blocking(move || rows_sqlite::write(&database, &TABLES, BATCH, size, time)).await??
    };
    ground.leave(cluster).await?;
    Ok(written as f64 / took.as_secs_f64())
}

fn print(size: usize, runs: &[Read]) {
    let all = |of: &dyn Fn(&Read) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
    let alone = |of: &dyn Fn(&Read) -> f64| median(&all(of)).0;
    let rate = |run: &Read| size as f64 / run.read.as_secs_f64();
    let mut table = Table::new(&["what", "figure"]);
    let mut row = |what: &str, figure: String| table.row(vec![what.to_owned(), figure]);
    row("rows, MB", format!("{size}, {:.1}", alone(&|run| run.bytes / 1e6)));
    row("upload, s", spread(&all(&|run| run.upload.as_secs_f64()), 2));
    row("upload, MB/s", spread(&all(&|run| run.bytes / 1e6 / run.upload.as_secs_f64()), 1));
    row("read, s", spread(&all(&|run| run.read.as_secs_f64()), 1));
    row("read, rows/s", spread(&all(&rate), 0));
    row("raw loop, newcomers/s", spread(&all(&|run| run.raw), 0));
    row("read / raw loop", spread(&all(&|run| rate(run) / run.raw), 2));
    row("rows in a commit", spread(&all(&|run| size as f64 / run.commits.max(1.0)), 0));
    let cores = [0, 1, 2].map(|n| format!("{:.2}", alone(&|run| run.cores[n])));
    row("cores: service / PostgreSQL / this program", cores.join(" / "));
    let micros = [0, 1].map(|n| format!("{:.0}", alone(&|run| run.cores[n] * 1e6 / rate(run))));
    row("CPU µs for a row: service / PostgreSQL", micros.join(" / "));
    row("MB before the upload", spread(&all(&|run| run.at_rest), 0));
    row("MB while it is read, middle", spread(&all(&|run| median(&run.seen.resident).0), 0));
    row("MB while it is read, most", spread(&all(&|run| median(&run.seen.resident).2), 0));
    row("MB at the peak of the process / PostgreSQL", {
        format!("{:.0} / {:.0}", alone(&|run| run.peak_mb), alone(&|run| run.server_mb))
    });
    row("a sign-up meanwhile, ms, middle", spread(&all(&|run| median(&run.seen.waits).0), 1));
    row("a sign-up meanwhile, ms, 99 of 100", spread(&all(&|run| most_of(&run.seen.waits)), 1));
    row("a sign-up meanwhile, ms, longest", spread(&all(&|run| median(&run.seen.waits).2), 1));
    table.print();
}

/// What ninety-nine of a hundred keep to.
fn most_of(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
}
