//! `reconsent demo`: the whole house on this machine, with the outside world in a box beside it, so that a visitor
//! sees real mails and a real destination within seconds. It uses the house's own doors only: what is seeded comes in
//! through the API. Nothing leaves the machine, whatever the environment names.

mod api;
mod contacts;
mod house;
mod kept;
mod seed;
mod site;
mod told;
mod world;

use std::path::PathBuf;

use clap::Args;

use crate::store::DatabaseUrl;

use super::boot::{Behind, Parts};
use super::exit::{Exit, Failure};
use super::running::{Running, start_log};

/// Run the whole house on this machine with invented people, to look around
#[derive(Debug, Args)]
#[command(long_about = "Run the whole house on this machine with invented people, to look around: service, worker, a \
                        mail catcher and an emulator of the mailing provider, all on 127.0.0.1. The first start seeds \
                        two controllers, policies, forms, an imported list of every kind of eligibility, and a \
                        running campaign; a later start with the same folder and database reopens them. Nothing \
                        leaves the machine. DATABASE_URL chooses another database, such as PostgreSQL.")]
pub(super) struct DemoArgs {
    /// The demo's own folder
    #[arg(long, value_name = "DIR", default_value = "./demo-data")]
    data: PathBuf,
    /// Port of the service on 127.0.0.1; all else takes free ports, and the same again when the folder is opened again
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Ask the people of this list instead of the invented ones; mails go to the catcher only
    #[arg(long, value_name = "FILE.csv")]
    contacts: Option<PathBuf>,
    /// Print one JSON object with all addresses and credentials on the first line of standard output
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let contacts = args.contacts.as_deref().map(contacts::read).transpose()?;
    let folder = house::folder(&args.data)?;
    let mut kept = kept::Kept::load(&folder)?;
    let doors = house::Doors::take(args.port, &kept)?;
    let world = world::World::start(&folder, &mut kept)?;

    let parts = Parts::from_settings(house::settings(&folder, &doors, &world)?)?;
    start_log(&parts)?;
    let (database, database_name) = (house::database_url(&folder)?, parts.store.url.redacted());
    if let DatabaseUrl::Sqlite(path) = &parts.store.url {
        house::close_to_others(path)?;
    }
    let services = parts.open(Behind::Migrate).await?;
    let house::Doors { service, ops, site, base_url, ops_url, site_url } = doors;
    kept.ports.site_port = kept::port_of(&site_url);
    kept.ports.ops_port = kept::port_of(&ops_url);
    let mut running = Running::new(parts, services.clone())?;
    running.serve(service).await?;
    running.serve_ops(ops).await?;
    running.work();

    let seeded = match kept.seeded(&database_name) {
        Some(seeded) if seed::is_there(&services, seeded).await? => {
            if contacts.is_some() {
                let message = "this demo is seeded already: give --contacts with another --data folder";
                return Err(Failure::new(Exit::Refused, message));
            }
            seeded.clone()
        }
        _ => {
            seed::refuse_foreign(&services, &database_name).await?;
            let seeded = seed::seed(&services, &world, &base_url, &site_url, contacts).await?;
            kept.keep(&database_name, seeded.clone());
            seeded
        }
    };
    world.point_webhooks(&base_url, &seeded).await?;
    kept.save(&folder)?;
    let first = seeded.first()?.clone();
    let page = site::Page::new(&first, &base_url);
    running.server("site", move || site::serve(page, site)).await?;

    let addresses = told::Addresses {
        base_url,
        ops_url,
        site_url,
        inbox_url: world.inbox_url(),
        campaign_monitor_url: world.provider_url(),
        database_url: database,
    };
    told::tell(&addresses, &kept, &seeded, args.json)?;
    let ended = running.until_told().await;
    world.stop()?;
    ended
}
