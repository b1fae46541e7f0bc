//! P12: what others feel of one controller's flood. A round over a long list waits to be sent; meanwhile people sign up
//! with another controller, one every quarter of a second, and each waits for the confirmation mail.

use std::time::{Duration, Instant};

use support::cluster::Cluster;
use support::house::{Engine, Ground};
use support::load::{self, Load};
use support::options::Options;
use support::round::{launch, read_list};
use support::shop::{PURPOSE, Shop};
use support::sink::{AWAITED, Sink};
use support::table::{Table, spread};
use support::{Outcome, fault, on_each};

mod support;

/// Between two people who sign up.
const GAP: Duration = Duration::from_millis(250);

fn main() -> Outcome<()> {
    on_each(2, measure)
}

async fn measure(engine: Engine, cluster: Option<&Cluster>, options: &Options) -> Outcome<()> {
    let (queued, people) = (options.size(100_000, 500), options.pick(60, 3));
    let ground = Ground::fresh(engine, cluster).await?;
    let (loud, quiet) = (Shop::controller(&ground)?, Shop::another(&ground, "quiet")?);
    // Without a relay mails wait: the queue is there before anything is sent.
    let house = ground.serve(&[], &[]).await?;
    let (loud, quiet) = (Shop::open(&house, loud).await?, Shop::open(&house, quiet).await?);
    let import = read_list(&house, &loud, queued).await?;
    launch(&house, &loud, &import).await?;
    house.stop()?;

    let sink = Sink::start().await?;
    let relay = format!("smtp://127.0.0.1:{}", sink.address.port());
    let house = ground.serve(&[("RECONSENT_SMTP_URL", relay)], &[]).await?;
    let mut asked = Vec::new();
    for n in 0..people {
        let address = format!("{AWAITED}{n}@example.org");
        let begun = Instant::now();
        sign_up(house.http, &quiet.form_key, &address).await?;
        asked.push((address, begun, begun.elapsed()));
        tokio::time::sleep(GAP.saturating_sub(begun.elapsed())).await;
    }
    let left = queued as u64 - sink.mails().saturating_sub(sink.awaited().len() as u64);
    let last = Instant::now();
    while sink.awaited().len() < people && last.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let came = sink.awaited();
    house.stop()?;
    let mut waits = Vec::new();
    for (address, begun, _) in &asked {
        let Some((_, at)) = came.iter().find(|(to, _)| to == address) else {
            return fault(format!("{address} was not mailed within a minute"));
        };
        waits.push(at.duration_since(*begun).as_secs_f64() * 1000.0);
    }
    waits.sort_by(f64::total_cmp);
    let of = |share: f64| waits[((waits.len() - 1) as f64 * share).round() as usize];
    let answers: Vec<f64> = asked.iter().map(|(.., took)| took.as_secs_f64() * 1000.0).collect();
    let mut table = Table::new(&["what", "figure"]);
    let mut row = |what: &str, figure: String| table.row(vec![what.to_owned(), figure]);
    row("mails of the other controller, queued; left at the end", format!("{queued}; {left}"));
    row("people who signed up meanwhile", people.to_string());
    row(
        "sign-up to mail at the relay, ms: p50 / p99 / max",
        format!("{:.0} / {:.0} / {:.0}", of(0.5), of(0.99), of(1.0)),
    );
    row("answer to the sign-up, ms", spread(&answers, 0));
    table.print();
    Ok(())
}

/// One sign-up, as a site's page sends it.
async fn sign_up(to: std::net::SocketAddr, form_key: &str, address: &str) -> Outcome<()> {
    let body = format!("{{\"email\":\"{address}\",\"choices\":{{\"{PURPOSE}\":\"yes\"}}}}");
    let request = format!(
        "POST /f/{form_key} HTTP/1.1\r\nhost: {to}\r\norigin: https://www.acme.example\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut left = Some(request.into_bytes());
    let once = move |_: u64, into: &mut Vec<u8>| left.take().map(|request| into.extend_from_slice(&request)).is_some();
    let load = Load { connections: 1, warm: Duration::ZERO, time: Duration::from_secs(30) };
    let (counted, (), ()) = load::run(to, 202, load, once, || ()).await?;
    if counted.good == 1 { Ok(()) } else { fault(format!("a sign-up was answered {:?}", counted.odd)) }
}
