//! `reconsent keys list` and the end of a version with `reconsent keys retire`: what rests on each version of a
//! controller's keys, and whether one may go.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::crypto::KeyUse;
use crate::usecases::Services;
use crate::usecases::key_versions::{KeyVersion, StillNeeded, VersionStanding, list_keys, retire_key, told};

use super::exit::{Exit, Failure, print, print_json};

/// List a controller's keys: use, version, standing, since when, what rests on each; link keys. Shows no secret
#[derive(Debug, Args)]
#[command(long_about = "List a controller's keys: use, version, standing, since when, and how many rows rest on each \
                        version; link keys with their standing. Shows no secret.\n\n\
                        A version is coming until every process has read it, current while it writes, old while it \
                        only reads, and retired when it is destroyed. After `keys rotate --use data` the worker seals \
                        anew what older versions seal, so that their counts fall to zero; kept_answers go by \
                        themselves with RECONSENT_HTTP_IDEMPOTENCY_RETENTION. Marks of the \"never mail\" list cannot \
                        be made anew, as no address is kept: an old suppression key stays needed while marks rest on \
                        it.\n\n\
                        Rows are counted, all of the controller's: with millions of people this takes seconds.")]
pub(super) struct ListArgs {
    /// The controller's short name
    #[arg(long, value_name = "SLUG")]
    controller: String,
    /// Print a JSON object: keys (use, version, standing, created_at, age_seconds, retired_at, rows by kind) and
    /// link_keys (kid, standing, created_at)
    #[arg(long)]
    json: bool,
}

/// Keys whose versions can be retired.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Versioned {
    /// Seals people's keys and settings' secrets.
    Data,
    /// Fingerprints of the "never mail" list.
    Suppression,
}

/// Take a link key, or an old version of a controller's key, out of use
#[derive(Debug, Args)]
#[command(long_about = "Take a link key out of use once its links have ended; their withdrawals go on.\n\n\
                        With --controller, --use and --version: destroy an old version of a controller's key. Refused \
                        (exit code 6), with the counts, while any row rests on it, and until a few minutes after \
                        another version took over, so that no running process still writes under it. A whole \
                        backup from before holds the key still, and opens as it did.")]
pub(super) struct RetireArgs {
    /// The link key's name, as `keys list` shows it
    #[arg(allow_hyphen_values = true, required_unless_present = "controller", conflicts_with = "controller")]
    pub(super) kid: Option<String>,
    /// The controller's short name
    #[arg(long, value_name = "SLUG", requires = "key_use", requires = "key_version")]
    controller: Option<String>,
    /// Which of its keys
    #[arg(long = "use", id = "key_use", value_name = "USE", requires = "controller")]
    key_use: Option<Versioned>,
    /// Which version
    #[arg(long = "version", id = "key_version", value_name = "VERSION", requires = "controller")]
    key_version: Option<i32>,
    /// Print a JSON object: kid, standing, replaced_by; or use, version, standing
    #[arg(long)]
    pub(super) json: bool,
}

fn as_json(key: &KeyVersion) -> Value {
    let rows: serde_json::Map<_, _> =
        key.rows.iter().map(|(kind, count)| (kind.name().to_owned(), json!(count))).collect();
    json!({
        "use": key.key_use.name(),
        "version": key.version,
        "standing": key.standing.name(),
        "created_at": key.created_at.to_string(),
        "age_seconds": key.age.as_secs(),
        "retired_at": key.retired_at.map(|at| at.to_string()),
        "rows": rows,
    })
}

fn as_line(key: &KeyVersion) -> String {
    let rows = match key.standing {
        VersionStanding::Retired => "destroyed".to_owned(),
        // They rest on it whole, and name no version.
        _ if key.rows.is_empty() => "everything".to_owned(),
        _ => told(&key.rows),
    };
    let stays = key.key_use == KeyUse::Suppression
        && key.standing == VersionStanding::Old
        && key.rows.iter().any(|(_, count)| *count > 0);
    let why = if stays { "; stays needed: no address is kept, so marks cannot be made anew" } else { "" };
    format!(
        "{:<12} version {:<4} {:<8} since {} ({} days)  rows: {rows}{why}",
        key.key_use.name(),
        key.version,
        key.standing.name(),
        key.created_at,
        key.age.as_secs() / 86_400,
    )
}

pub(super) async fn list(services: &Services, args: &ListArgs) -> Result<(), Failure> {
    let scope = super::controller::named(services, &args.controller).await?;
    let (keys, link_keys) = list_keys(services, scope).await?;
    if args.json {
        let keys: Vec<_> = keys.iter().map(as_json).collect();
        let link_keys: Vec<_> = link_keys
            .iter()
            .map(|key| json!({ "kid": key.kid, "standing": key.standing, "created_at": key.created_at.to_string() }))
            .collect();
        return print_json(&json!({ "keys": keys, "link_keys": link_keys }));
    }
    for key in &keys {
        print(as_line(key))?;
    }
    for key in link_keys {
        print(format_args!("{:<12} {} {} since {}", "link", key.kid, key.standing, key.created_at))?;
    }
    Ok(())
}

/// Destroys the version that was named; nothing when a link key was.
pub(super) async fn retire(services: &Services, args: &RetireArgs) -> Result<(), Failure> {
    let (Some(slug), Some(key_use), Some(version)) = (&args.controller, args.key_use, args.key_version) else {
        return Ok(());
    };
    let scope = super::controller::named(services, slug).await?;
    let key_use = match key_use {
        Versioned::Data => KeyUse::Data,
        Versioned::Suppression => KeyUse::Suppression,
    };
    if let Err(why) = retire_key(services, scope, key_use, version).await? {
        let more = match (&why, key_use) {
            (StillNeeded::Rows(_), KeyUse::Data) => "; the worker seals them anew, kept_answers go by themselves",
            (StillNeeded::Rows(_), _) => "; they cannot be made anew, as no address is kept",
            _ => "",
        };
        return Err(Failure::new(Exit::Refused, format!("{} version {version} stays: {why}{more}", key_use.name())));
    }
    if args.json {
        return print_json(&json!({ "use": key_use.name(), "version": version, "standing": "retired" }));
    }
    print(format_args!("{} version {version} is destroyed", key_use.name()))
}
