//! `reconsent sandbox …`: a part of the outside world as a process of its own, for whoever writes or tries something
//! against the provider and does not want to write to real people.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::sandbox::Emulator;
use crate::sandbox::campaign_monitor::{ClientSeed, FAULT_RULES, FaultRule, ListSeed};
use crate::telemetry::{LogFilter, LogFormat, start_log};

use super::exit::{Exit, Failure, print, print_json};
use super::running::Signals;

/// Which part of the outside world.
#[derive(Debug, Subcommand)]
pub(super) enum SandboxCommand {
    CampaignMonitor(Box<CampaignMonitorArgs>),
}

/// Run an emulator of the Campaign Monitor API on this machine
#[derive(Debug, Args)]
#[command(
    long_about = "Run an emulator of the Campaign Monitor (createsend) API on 127.0.0.1, versions 3 to 3.3, so that a \
                  client can be tried without an account and without writing to real people: lists, subscribers, \
                  import, custom fields, suppression, webhooks, and the API's awkward parts. Point the client at the \
                  base URL that is printed, and open the page that is printed to see what arrived, to play a person \
                  who leaves, and to let calls fail.\n\n\
                  Ctrl-C or SIGTERM ends it. Without --folder everything is forgotten then.",
    after_long_help = format!("A fault rule (--fault, or on the page) reads:\n\n{FAULT_RULES}")
)]
pub(super) struct CampaignMonitorArgs {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// Keep the state in this folder, and go on from it at the next start
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The account's API key [default: one that is made up, or the folder's]
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Time zone of account and client: an IANA name or a label of timezones.json
    #[arg(long, value_name = "ZONE", default_value = "Europe/Amsterdam")]
    time_zone: String,
    /// Name of the client that owns the lists
    #[arg(long, value_name = "TITLE", default_value = "Example Company")]
    client: String,
    /// A list to have, by its title; can be given several times
    #[arg(long, value_name = "TITLE", default_value = "Newsletter")]
    list: Vec<String>,
    /// A fault rule, such as "every 7 POST import: 504 after"; can be given several times
    #[arg(long, value_name = "RULE")]
    fault: Vec<FaultRule>,
    /// Put so many invented people on the first list, if nobody is on it yet
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(0..=2_000_000))]
    seed_people: u32,
    /// Print one JSON object with addresses, key and ids on the first line of standard output
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: SandboxCommand) -> Result<(), Failure> {
    match command {
        SandboxCommand::CampaignMonitor(args) => campaign_monitor(*args).await,
    }
}

async fn campaign_monitor(args: CampaignMonitorArgs) -> Result<(), Failure> {
    let filter = "warn".parse::<LogFilter>().map_err(Failure::failed)?;
    start_log(&filter, LogFormat::Text).map_err(Failure::failed)?;
    let mut signals = Signals::listen()?;
    let emulator = start(&args)?;
    for rule in args.fault {
        if !emulator.faults().push(rule) {
            return Err(Failure::new(Exit::Usage, "--fault: too many rules"));
        }
    }
    let clients = emulator.clients();
    let (client_id, client) = clients
        .iter()
        .find(|(_, name)| *name == args.client)
        .ok_or_else(|| Failure::failed(format!("the client {} is gone", args.client)))?;
    let mut lists = emulator.lists(client_id);
    // Those that were asked for first, in their order.
    lists.sort_by_key(|(_, title)| args.list.iter().position(|given| given == title).unwrap_or(usize::MAX));
    let first = lists.iter().find(|(_, title)| args.list.first() == Some(title));
    if let Some((id, _)) = first.filter(|(id, _)| args.seed_people > 0 && emulator.population(id) == 0) {
        emulator.invent_people(id, args.seed_people)?;
    }
    tell(&emulator, client_id, client, &lists, args.json)?;
    signals.next().await;
    emulator.stop().map_err(|error| Failure::from(error).while_doing("keeping the emulator's state"))
}

fn start(args: &CampaignMonitorArgs) -> Result<Emulator, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let client = ClientSeed { name: args.client.clone(), time_zone: args.time_zone.clone(), ..ClientSeed::default() };
    let mut settings = Emulator::builder().addr(address).account_time_zone(&args.time_zone).client(client);
    if let Some(folder) = &args.folder {
        settings = settings.folder(folder);
    }
    if let Some(key) = &args.api_key {
        settings = settings.account_key(key);
    }
    for title in &args.list {
        settings = settings.list(ListSeed { title: title.clone(), ..ListSeed::default() });
    }
    settings.start().map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::failed(format!("{address} is taken: choose another --port")),
        std::io::ErrorKind::InvalidInput => Failure::new(Exit::Usage, error),
        _ => Failure::from(error).while_doing("starting the emulator"),
    })
}

fn tell(
    emulator: &Emulator,
    client_id: &str,
    client: &str,
    lists: &[(String, String)],
    as_json: bool,
) -> Result<(), Failure> {
    let (base_url, key) = (emulator.base_url(), emulator.account_key());
    let page = format!("{base_url}/");
    if as_json {
        let lists: Vec<_> = lists.iter().map(|(id, title)| json!({ "id": id, "title": title })).collect();
        return print_json(&json!({
            "base_url": base_url, "page_url": page, "api_key": key, "client_id": client_id,
            "client_api_key": emulator.client_key(client_id), "lists": lists,
        }));
    }
    let mut lines = vec![
        "Emulated Campaign Monitor; it is on this machine only. Ctrl-C ends it.".to_owned(),
        format!("  base URL    {base_url}  (calls go below /api/v3.3)"),
        format!("  page        {page}"),
        format!("  API key     {key}"),
        format!("  client id   {client_id}  {client}"),
    ];
    lines.extend(lists.iter().map(|(id, title)| format!("  list id     {id}  {title}")));
    print(lines.join("\n"))
}
