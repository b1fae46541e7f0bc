//! What a reconciliation over a million people asks of the emulator: every page of 1,000, over HTTP, in the order of
//! the dates; early, late, and after a change in between. No engine and no service of ours takes part.
//!
//! ```text
//! cargo bench --bench paging [-- --size N]
//! ```

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reconsent::sandbox::Emulator;
use reconsent::sandbox::campaign_monitor::{ClientSeed, CustomFieldSeed, ListSeed, PersonSeed, State};
use support::options::Options;
use support::table::Table;
use support::{Outcome, fault, process};

mod support;

const CLIENT: &str = "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1";
const LIST: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const FIELDS: [&str; 4] = ["ConsentDate", "PolicyVersion", "Purposes", "Basis"];

fn main() -> Outcome<()> {
    let options = Options::read();
    println!("## {}, load {}\n", process::machine(), process::load());
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(measure(&options))
}

async fn measure(options: &Options) -> Outcome<()> {
    let people = options.size(1_000_000, 20_000);
    let emulator = Emulator::builder()
        .client(ClientSeed { id: CLIENT.to_owned(), ..ClientSeed::default() })
        .list(ListSeed {
            id: LIST.to_owned(),
            client_id: CLIENT.to_owned(),
            title: "Newsletter".to_owned(),
            custom_fields: FIELDS.map(CustomFieldSeed::text).to_vec(),
            ..ListSeed::default()
        })
        .start()?;
    let begun = Instant::now();
    emulator.seed_people(LIST, (0..people as u64).map(person))?;
    let seeded = begun.elapsed();
    let resident = process::resident_mb(std::process::id());

    let pages = people.div_ceil(1000);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let (key, base) = (emulator.account_key(), emulator.base_url().to_owned());
    let page = async |page: usize, field: &str| -> Outcome<Duration> {
        let begun = Instant::now();
        let url = format!("{base}/api/v3.3/lists/{LIST}/active.json?page={page}&orderfield={field}&orderdirection=asc");
        let answer = http.get(url).basic_auth(&key, Some("x")).send().await?.error_for_status()?;
        let text = answer.text().await?;
        if !text.contains("\"RecordsOnThisPage\":1000,") {
            return fault("a page without its thousand people");
        }
        Ok(begun.elapsed())
    };
    let first = page(1, "date").await?;
    let mut times = Vec::with_capacity(pages);
    let begun = Instant::now();
    for number in 1..=pages {
        times.push(page(number, "date").await?);
    }
    let all = begun.elapsed();
    let mut changed = Duration::ZERO;
    for number in 0..10 {
        emulator.subscribe_as_person(LIST, &format!("new{number}@example.net"));
        changed += page(pages / 2, "date").await?;
    }
    let by_email = page(1, "email").await?;
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let mean = |times: &[Duration]| ms(times.iter().sum::<Duration>() / times.len().max(1) as u32);
    let some = pages.min(50);
    let mut table = Table::new(&[
        "people",
        "seeded s",
        "resident MB",
        "first page, makes the order, ms",
        "early page ms",
        "late page ms",
    ]);
    table.row(vec![
        people.to_string(),
        format!("{:.1}", seeded.as_secs_f64()),
        format!("{resident:.0}"),
        ms(first),
        mean(&times[..some]),
        mean(&times[pages - some..]),
    ]);
    table.print();
    let mut table = Table::new(&[
        "all pages s",
        "slowest ms",
        "page after a change ms",
        "first page by address ms",
        "resident MB then",
    ]);
    table.row(vec![
        format!("{:.1}", all.as_secs_f64()),
        ms(times.iter().copied().max().unwrap_or_default()),
        ms(changed / 10),
        ms(by_email),
        format!("{:.0}", process::resident_mb(std::process::id())),
    ]);
    table.print();
    emulator.stop()?;
    Ok(())
}

/// Somebody at a moment of their own, thrown over two years.
fn person(n: u64) -> PersonSeed {
    let thrown = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let at = Timestamp::from_second(1_735_689_600 + (thrown % 63_000_000) as i64).unwrap_or_default();
    let values = ["2026-03-02", "2026-03", "newsletter", "consent"];
    PersonSeed {
        name: format!("Person {n}"),
        fields: FIELDS.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect(),
        tracking: Some(n.is_multiple_of(2)),
        ..PersonSeed::new(format!("p{:x}@example.com", thrown), State::Active, at)
    }
}
