//! P6: a campaign is sent into a local SMTP sink over ten connections, frozen and recorded for each person; beside bare
//! connections that send the same bytes and record nothing: of the same client, and of the mail library.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use reconsent::mail::{Envelope, Outcome as Handed, Relay, RelaySettings};
use support::cluster::Cluster;
use support::figures;
use support::house::{Engine, Ground, House};
use support::options::Options;
use support::process::{self, Used};
use support::round::{launch, read_list, wait};
use support::shop::Shop;
use support::sink::Sink;
use support::table::{Table, median, spread};
use support::{Outcome, fault, on_each};
use tokio::net::TcpStream;

mod support;

/// Connections to the sink, the service's own default.
const CONNECTIONS: usize = 10;

const FROM: &str = "news@acme.example";

/// One run of the service, and the bare connections after it.
struct Sent {
    import: f64,
    freeze: f64,
    rate: f64,
    bare: f64,
    library: f64,
    /// Cores that were busy: service, database server, sink.
    cores: [f64; 3],
    peak_mb: f64,
    server_mb: f64,
    bytes: f64,
    /// For each mail: commits, and calls and commands in them.
    commits: f64,
    calls: f64,
}

fn main() -> Outcome<()> {
    on_each(2, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let members = options.size(50_000, 500);
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let run = one_run(engine, cluster, members).await?;
        println!(
            "service {:.0}/s, bare {:.0}/s, library {:.0}/s, load {}",
            run.rate,
            run.bare,
            run.library,
            process::load()
        );
        runs.push(run);
    }
    print(members, &runs);
    let of = |rate: fn(&Sent) -> f64| median(&runs.iter().map(rate).collect::<Vec<f64>>()).0;
    let kept = [
        ("other", "the mail library alone", of(|run| run.library)),
        ("ours", "Reconsent, each on record", of(|run| run.rate)),
    ];
    figures::keep(options, engine, "Mails a second", &kept)
}

async fn one_run(engine: Engine, cluster: Option<&Cluster>, members: usize) -> Outcome<Sent> {
    let ground = Ground::fresh(engine, cluster).await?;
    let controller = Shop::controller(&ground)?;
    // Without a relay mails wait: the queue is there before anything is sent.
    let house = ground.serve(&[], &[]).await?;
    let shop = Shop::open(&house, controller).await?;
    let began = Instant::now();
    let import = read_list(&house, &shop, members).await?;
    let import_took = began.elapsed();
    let began = Instant::now();
    let campaign = launch(&house, &shop, &import).await?;
    let freeze_took = began.elapsed();
    house.stop()?;

    let sink = Sink::start().await?;
    let relay = format!("smtp://127.0.0.1:{}", sink.address.port());
    let house = ground.serve(&[("RECONSENT_SMTP_URL", relay)], &[]).await?;
    let (service, server) = (house.pid(), cluster.map(Cluster::pid).transpose()?);
    let look = || [process::of(service), server.map_or_else(Used::default, process::of_family), process::of_us()];
    let (before, began) = (look(), Instant::now());
    let took = until_all_came(&sink, members as u64).await?;
    let (after, all) = (look(), began.elapsed().as_secs_f64());
    until_settled(&house, &shop, &campaign, members as u64).await?;
    let (commits, calls) = house.commits().await?;
    house.stop()?;
    let Some((_, bytes)) = sink.first() else { return fault("no mail came") };
    let busy = |n: usize| (after[n].cpu - before[n].cpu).as_secs_f64() / all;
    let cores = [busy(0), busy(1), busy(2)];
    Ok(Sent {
        import: members as f64 / import_took.as_secs_f64(),
        freeze: members as f64 / freeze_took.as_secs_f64(),
        rate: members as f64 / took.as_secs_f64(),
        bare: Bare::Ours.rate(&bytes, members).await?,
        library: Bare::Library.rate(&bytes, members).await?,
        cores,
        peak_mb: after[0].peak_mb,
        server_mb: after[1].peak_mb,
        bytes: sink.bytes() as f64 / members as f64,
        commits: commits / members as f64,
        calls: calls / members as f64,
    })
}

/// From the first mail to the last.
async fn until_all_came(sink: &Sink, members: u64) -> Outcome<Duration> {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        if sink.mails() >= members {
            let (first, last) = (sink.first().map(|(at, _)| at), sink.last());
            return Ok(first.zip(last).map_or(Duration::ZERO, |(first, last)| last.duration_since(first)));
        }
        if sink.mails() > seen {
            (seen, since) = (sink.mails(), Instant::now());
        }
        if since.elapsed() > Duration::from_secs(30) {
            return fault(format!("{seen} of {members} mails have come, and no more in thirty seconds"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every mail is on record as taken.
async fn until_settled(house: &House, shop: &Shop, campaign: &str, members: u64) -> Outcome<()> {
    let path = format!("/v1/campaigns/{campaign}/results");
    wait(house, shop, &path, |seen| Ok(seen["delivered"].as_u64() == Some(members))).await
}

/// Who sends the same bytes to the same number of people, with nothing before or after each.
#[derive(Clone, Copy)]
enum Bare {
    /// The service's own SMTP client.
    Ours,
    /// The mail library's.
    Library,
}

impl Bare {
    /// Mails a second over ten connections.
    async fn rate(self, bytes: &[u8], members: usize) -> Outcome<f64> {
        let sink = Sink::start().await?;
        let mut hands = Vec::with_capacity(CONNECTIONS);
        let began = Instant::now();
        for hand in 0..CONNECTIONS {
            let (address, bytes) = (sink.address, bytes.to_vec());
            let to = (hand..members).step_by(CONNECTIONS).map(|n| format!("asked{n:07}@example.org"));
            hands.push(match self {
                Self::Ours => tokio::spawn(ours(address, bytes, to)),
                Self::Library => tokio::spawn(the_library(address, bytes, to)),
            });
        }
        for hand in hands {
            hand.await??;
        }
        Ok(members as f64 / began.elapsed().as_secs_f64())
    }
}

async fn ours(sink: SocketAddr, bytes: Vec<u8>, to: impl Iterator<Item = String>) -> Outcome<()> {
    let mut connection = Relay::new(RelaySettings::loopback(sink.port()))?.connection().await?;
    for to in to {
        let envelope = Envelope::parse(FROM, &to)?;
        if !matches!(connection.send(&envelope, &bytes).await, Handed::Accepted { .. }) {
            return fault("the sink did not take a mail");
        }
    }
    Ok(())
}

async fn the_library(sink: SocketAddr, bytes: Vec<u8>, to: impl Iterator<Item = String>) -> Outcome<()> {
    let socket = TcpStream::connect(sink).await?;
    socket.set_nodelay(true)?;
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(socket), &ClientId::default()).await?;
    for to in to {
        let envelope = lettre::address::Envelope::new(Some(FROM.parse()?), vec![to.parse()?])?;
        connection.send(&envelope, &bytes).await?;
    }
    Ok(())
}

fn print(members: usize, runs: &[Sent]) {
    let all = |of: &dyn Fn(&Sent) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
    let alone = |of: &dyn Fn(&Sent) -> f64| median(&all(of)).0;
    let mut table = Table::new(&["what", "figure"]);
    let mut row = |what: &str, figure: String| table.row(vec![what.to_owned(), figure]);
    row("mails, bytes each", format!("{members}, {:.0}", alone(&|run| run.bytes)));
    row("service, ten connections, mails/s", spread(&all(&|run| run.rate), 0));
    row("bare, ten connections, mails/s", spread(&all(&|run| run.bare), 0));
    row("mail library, ten connections, mails/s", spread(&all(&|run| run.library), 0));
    row("service / bare", spread(&all(&|run| run.rate / run.bare), 2));
    row("service / mail library", spread(&all(&|run| run.rate / run.library), 2));
    let writes = |run: &dyn Fn(&Sent) -> f64| spread(&all(run), 2);
    row("commits for each mail", writes(&|run| run.commits));
    row("calls of the writer for each mail", writes(&|run| run.calls));
    let cores = format!(
        "{:.2} / {:.2} / {:.2}",
        alone(&|run| run.cores[0]),
        alone(&|run| run.cores[1]),
        alone(&|run| run.cores[2])
    );
    row("cores: service / PostgreSQL / sink", cores);
    row(
        "peak MB: service / PostgreSQL",
        format!("{:.0} / {:.0}", alone(&|run| run.peak_mb), alone(&|run| run.server_mb)),
    );
    row("list read before it, rows/s", spread(&all(&|run| run.import), 0));
    row("audience frozen before it, people/s", spread(&all(&|run| run.freeze), 0));
    table.print();
}
