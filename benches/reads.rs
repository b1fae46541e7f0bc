//! P9: what reading costs on a database that `generate` made: one person's record and history, found by address, and the
//! results of a round over half of the people.
//!
//! ```text
//! cargo bench --bench reads -- [--size 1000000]
//! cargo bench --bench reads -- --url sqlite:growth.db
//! ```
//!
//! Without `--url` it fills a database of its own first. A person has three events, more or less.
//!
//! Each call goes through the use case that the API calls, keys, opening of sealed columns and waiting for a connection
//! included; HTTP is not. The people are taken at random, so most of their pages are not in the database's cache.
//! As of a date the service answers for one person; "who was opted in on a day" is no question that its API takes.

mod growth;
mod support;

use std::time::{Duration, Instant};

use growth::{Failure, address_of, generator, open, option};
use reconsent::domain::ids::{CampaignId, ControllerScope, TokenId};
use reconsent::store::ReadTx;
use reconsent::usecases::Services;
use reconsent::usecases::campaigns::results;
use reconsent::usecases::once::Asker;
use reconsent::usecases::past::stood;
use reconsent::usecases::people::{history, mails, search_person};
use support::cluster::{Cluster, fresh_database};
use support::house::{Engine, folder};
use support::on_each;
use support::options::Options;

fn main() -> Result<(), Failure> {
    match option("--url") {
        Some(url) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(read(&url, Options::read().pick(2000, 20)))
        }
        None => on_each(2, measure),
    }
}

async fn measure(_: Engine, cluster: Option<&Cluster>, options: &Options) -> Result<(), Failure> {
    let folder = folder("reads")?;
    let url = fresh_database(cluster, folder.path()).await?;
    generator::generate(&url, options.size(1_000_000, 2_000) as u64).await?;
    read(&url, options.pick(2000, 20)).await
}

/// How long calls took.
struct Times(Vec<Duration>);

impl Times {
    async fn of<F: Future<Output = Result<(), Failure>>>(
        calls: u32,
        mut call: impl FnMut(u32) -> F,
    ) -> Result<Self, Failure> {
        let mut times = Vec::new();
        for n in 0..calls {
            let begun = Instant::now();
            call(n).await?;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        Ok(Self(times))
    }

    fn percentile(&self, part: usize) -> f64 {
        let at = (self.0.len() * part / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }

    fn print(&self, what: &str) {
        let (p50, p99, most) = (self.percentile(50), self.percentile(99), self.percentile(100));
        println!("| {what} | {} | {p50:.2} ms | {p99:.2} ms | {most:.2} ms |", self.0.len());
    }
}

async fn read(url: &str, calls: u32) -> Result<(), Failure> {
    let services = open(url).await?;
    let (scope, round) = find(&services).await?;
    let asker = Asker::controller(scope, TokenId::from_uuid(uuid::Uuid::nil()));
    let audience = results(&services, scope, round).await?.1.audience;
    let people = audience * 2;
    // Steps that visit everybody before anybody twice: the multiplier is prime.
    let person = |n: u32| (u64::from(n) + 1) * 1_000_003 % people.max(1);
    println!("{people} people, a round over {audience}\n");
    println!("| what | calls | p50 | p99 | longest |\n|---|---|---|---|---|");
    let found = |n: u32| {
        let (services, address) = (services.clone(), address_of(person(n)));
        async move { search_person(&services, asker, address).await?.ok_or("somebody is missing").map_err(Failure::from) }
    };
    Times::of(calls, |n| {
        let found = found(n);
        async move { found.await.map(|_| ()) }
    })
    .await?
    .print("a person's record, by address");
    let mut subjects = Vec::new();
    for n in 0..calls {
        subjects.push(found(n + calls).await?.row.id);
    }
    Times::of(calls, |n| {
        let (services, id) = (services.clone(), subjects[n as usize]);
        async move { Ok(history(&services, asker, id, None, 50).await.map(|_| ())?) }
    })
    .await?
    .print("a person's history, evidence opened");
    let moment = services.clock.now();
    Times::of(calls, |n| {
        let (services, id) = (services.clone(), subjects[n as usize]);
        async move { Ok(stood(&services, asker, id, moment).await.map(|_| ())?) }
    })
    .await?
    .print("where a person stood at a moment");
    Times::of(calls, |n| {
        let (services, id) = (services.clone(), subjects[n as usize]);
        async move { Ok(mails(&services, asker, id, None, 50).await.map(|_| ())?) }
    })
    .await?
    .print("a person's mails");
    Times::of(calls, |_| {
        let services = services.clone();
        async move { Ok(results(&services, scope, round).await.map(|_| ())?) }
    })
    .await?
    .print("the results of a round");
    Times::of(calls.min(200), |_| {
        let services = services.clone();
        async move {
            services.store.read(|tx: &mut ReadTx<'_>| tx.outbox_counts()).await?;
            Ok(())
        }
    })
    .await?
    .print("the depth of the outbox");
    Ok(())
}

/// The generated controller and its round.
async fn find(services: &Services) -> Result<(ControllerScope, CampaignId), Failure> {
    let scope = growth::controller(services).await?;
    let rounds = services.store.read(move |tx: &mut ReadTx<'_>| tx.campaigns(scope, None, 1)).await?;
    Ok((scope, rounds.first().ok_or("the round is missing")?.id))
}
