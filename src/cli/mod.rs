//! The command line: reads what is asked, builds the house from its settings, and says how it ended. Everything that
//! is decided about consent is decided below; here are only words, wiring and exit codes.

pub mod boot;
mod bounds;
pub mod clock;
mod config;
mod controller;
mod demo;
mod exit;
mod health;
mod init;
mod key_versions;
mod keys;
mod migrate;
mod openapi;
mod running;
mod sandbox;
mod serve;
mod token;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::config::{Settings, process_environment};

pub use exit::{Exit, Failure};

/// What was asked.
#[derive(Debug, Parser)]
#[command(
    name = "reconsent",
    version,
    about = "Asks people for consent, keeps the proof, and keeps the mailing provider honest",
    long_about = "Reconsent asks people for consent and re-permission, keeps the proof, and keeps the mailing provider \
                  in step: only people who confirmed are active there.\n\n\
                  To look around without any set-up: `reconsent demo`. To run it: `reconsent init`, then what it says.",
    after_help = exit::DOCUMENTED,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where the settings are.
#[derive(Debug, Default, Args)]
struct Place {
    /// The settings file [default: reconsent.toml in the data folder, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder; outranks RECONSENT_DATA_DIR
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    /// Loads the settings, with these on top.
    fn settings(&self, more: &[(&str, Option<String>)]) -> Result<Settings, Failure> {
        let path = |name, path: &Option<PathBuf>| match path {
            None => Ok(None),
            Some(path) => match path.to_str() {
                Some(text) => Ok(Some((name, text.to_owned()))),
                None => Err(Failure::new(Exit::Usage, format!("--{name}: expected a path in UTF-8"))),
            },
        };
        let given = [path("config", &self.config)?, path("data_dir", &self.data_dir)?];
        let more = more.iter().filter_map(|(name, value)| value.clone().map(|value| (*name, value)));
        let overrides = given.into_iter().flatten().chain(more).map(|(name, value)| (name.to_owned(), value));
        Ok(Settings::load(process_environment()?, overrides)?)
    }
}

// What a command with arguments does stands with its arguments, where the longer words are too.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Serve(serve::ServeArgs),
    Worker(worker::WorkerArgs),
    Migrate(migrate::MigrateArgs),
    /// Create controllers: the organisations that people consent to
    #[command(subcommand)]
    Controller(controller::ControllerCommand),
    /// Create, list and revoke API tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// List, rotate and withdraw keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Run a part of the outside world by itself, to try a client against; needs no settings
    #[command(subcommand)]
    Sandbox(sandbox::SandboxCommand),
    /// Print the OpenAPI document; needs no settings
    Openapi,
    Health(health::HealthArgs),
    Config(config::ConfigArgs),
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. Nobody is left to tell when the stream is closed.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(Exit::Usage as u8),
            };
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { place, command } = cli;
    match command {
        Command::Openapi => openapi::run(),
        Command::Config(args) => config::run(&args),
        Command::Init(args) => init::run(&place, &args),
        Command::Demo(_) if place.config.is_some() || place.data_dir.is_some() => {
            Err(Failure::new(Exit::Usage, "the demo keeps to a folder of its own: name it with --data"))
        }
        Command::Sandbox(_) if place.config.is_some() || place.data_dir.is_some() => {
            Err(Failure::new(Exit::Usage, "the sandbox reads no settings: name a folder of its own with --folder"))
        }
        Command::Sandbox(command) => with_runtime(sandbox::run(command)),
        Command::Demo(args) => with_runtime(demo::run(args)),
        Command::Serve(args) => with_runtime(serve::run(&place, args)),
        Command::Worker(args) => with_runtime(worker::run(&place, args)),
        Command::Migrate(args) => with_runtime(migrate::run(&place, args)),
        Command::Controller(command) => with_runtime(controller::run(&place, command)),
        Command::Token(command) => with_runtime(token::run(&place, command)),
        Command::Keys(command) => with_runtime(keys::run(&place, command)),
        Command::Health(args) => with_runtime(health::run(args)),
    }
}

/// Runs on a runtime of several threads; what still runs at the end is cut off after a moment.
fn with_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }
}
