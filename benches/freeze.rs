//! What freezing an audience costs: a round over the list of a database that `generate` made (its people, up to a
//! million) is frozen to the end, piece by piece, as the worker does it.
//!
//! ```text
//! cargo bench --bench freeze -- --url sqlite:growth.db
//! ```
//!
//! Each run adds a round with its members, mails and tasks.

mod growth;

use std::time::{Duration, Instant};

use growth::{Failure, open, option};
use reconsent::domain::campaign::CampaignStatus;
use reconsent::domain::ids::CampaignId;
use reconsent::store::campaigns::Campaign;
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::campaigns::{freeze_chunk, results};

fn main() -> Result<(), Failure> {
    let Some(url) = option("--url") else {
        println!("freeze: --url URL");
        return Ok(());
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(freeze(&url))
}

async fn freeze(url: &str) -> Result<(), Failure> {
    let services = open(url).await?;
    let now = services.clock.now();
    let scope = growth::controller(&services).await?;
    let rounds = services.store.read(move |tx: &mut ReadTx<'_>| tx.campaigns(scope, None, 1)).await?;
    let spring = rounds.into_iter().next().ok_or("the round is missing")?;
    let round = Campaign {
        id: CampaignId::from_uuid(services.ids.row()),
        name: "Autumn".into(),
        status: CampaignStatus::Launching,
        deadline: now.plus(Duration::from_secs(14 * 86_400)),
        launched_at: Some(now),
        frozen_at: None,
        closed_at: None,
        created_at: now,
        ..spring
    };
    let id = round.id;
    services.store.write(id.uuid(), move |tx: &mut WriteTx<'_>| tx.insert_campaign(&round)).await?;
    let begun = Instant::now();
    let mut pieces = 1;
    while freeze_chunk(&services, scope, id).await? {
        pieces += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    let (_, results) = results(&services, scope, id).await?;
    println!(
        "{} people, {} of them queued, in {pieces} pieces: {took:.1} s, {:.0} people a second",
        results.audience,
        results.queued,
        results.audience as f64 / took
    );
    Ok(())
}
