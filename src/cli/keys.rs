//! `reconsent keys`: what keys there are, new ones, and the end of old ones. No secret of a key is ever printed, save
//! the new root key that `keys generate` makes for a rotation.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::crypto::{KeyUse, RootKeys};
use crate::domain::ids::ControllerScope;
use crate::domain::link::KeyStanding;
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::usecases::Services;
use crate::usecases::setup::{Rotated, reseal_under_root, rotate_key, rotate_link_key};

use super::boot::{Behind, Parts};
use super::exit::{Exit, Failure, print, print_json};
use super::key_versions::{self, ListArgs, RetireArgs};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    List(ListArgs),
    Rotate(RotateArgs),
    Retire(RetireArgs),
    /// Say that somebody else may hold a link key: nothing it signed counts but withdrawals
    Compromise(KidArgs),
    /// Print a fresh root key, for RECONSENT_ROOT_KEY during a rotation; keeps nothing
    Generate,
}

/// Keys that can be rotated.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Use {
    /// Signs links; those before it still verify.
    Link,
    /// Seals people's keys and settings' secrets; older versions still read.
    Data,
    /// Fingerprints of the "never mail" list; older versions are still looked up.
    Suppression,
}

/// Make a new key of a controller, which soon writes while older ones read; or seal all keys anew under a new root key
#[derive(Debug, Args)]
#[command(long_about = "Make a new key of a controller. A link key signs from now on. Other keys write within two \
                        minutes, when every process has read them, while older ones still read; then the worker seals \
                        anew what older data keys seal, while the service runs: see `reconsent keys list`, and \
                        `reconsent keys retire` for their end.\n\n\
                        With --root: seal all controllers' keys anew under a new root key. Make one with `reconsent \
                        keys generate`, set RECONSENT_ROOT_KEY to it and RECONSENT_ROOT_KEY_PREVIOUS to the old one \
                        everywhere, restart, run this until it answers 0, then take the previous one away.")]
pub(super) struct RotateArgs {
    /// The controller's short name
    #[arg(long, value_name = "SLUG", requires = "key_use", required_unless_present = "root")]
    controller: Option<String>,
    /// Which key
    #[arg(long = "use", id = "key_use", value_name = "USE", requires = "controller")]
    key_use: Option<Use>,
    /// Seal every key anew under the root key in force; needs RECONSENT_ROOT_KEY_PREVIOUS
    #[arg(long, conflicts_with_all = ["controller", "key_use"])]
    root: bool,
    /// Print a JSON object: use with version or kid; with --root: resealed
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct KidArgs {
    /// The link key's name, as `keys list` shows it
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// Print a JSON object: kid, standing, replaced_by
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: &super::Place, command: KeysCommand) -> Result<(), Failure> {
    if matches!(command, KeysCommand::Generate) {
        return print(&*zeroize::Zeroizing::new(RootKeys::generate()));
    }
    let settings = place.settings(&[])?;
    let in_rotation = settings.service.root_key_previous.is_some();
    let services = Parts::from_settings(settings)?.open(Behind::Refuse).await?;
    match command {
        KeysCommand::List(args) => key_versions::list(&services, &args).await,
        KeysCommand::Rotate(args) => rotate(&services, &args, in_rotation).await,
        KeysCommand::Retire(args) => retire(&services, args).await,
        KeysCommand::Compromise(args) => compromise(&services, args).await,
        KeysCommand::Generate => Ok(()),
    }
}

async fn rotate(services: &Services, args: &RotateArgs, in_rotation: bool) -> Result<(), Failure> {
    let (Some(slug), Some(key_use)) = (&args.controller, args.key_use) else {
        if !in_rotation {
            let message = "RECONSENT_ROOT_KEY_PREVIOUS is not set: it names the root key that is to be left, and \
                           RECONSENT_ROOT_KEY the new one";
            return Err(Failure::new(Exit::Configuration, message));
        }
        let resealed = reseal_under_root(services).await?;
        if args.json {
            return print_json(&json!({ "resealed": resealed }));
        }
        return print(format_args!("sealed {resealed} key(s) anew under the root key in force"));
    };
    let scope = super::controller::named(services, slug).await?;
    let rotated = match key_use {
        Use::Link => rotate_link_key(services, scope).await?,
        Use::Data => rotate_key(services, scope, KeyUse::Data).await?,
        Use::Suppression => rotate_key(services, scope, KeyUse::Suppression).await?,
    };
    match rotated {
        Rotated::Key(key_use, version) if args.json => {
            print_json(&json!({ "use": key_use.name(), "version": version }))
        }
        Rotated::Key(key_use, version) => {
            print(format_args!("{} version {version} writes within two minutes", key_use.name()))
        }
        Rotated::LinkKey(kid) if args.json => print_json(&json!({ "use": "link", "kid": kid })),
        Rotated::LinkKey(kid) => print(format_args!("link key {kid} signs from now on")),
    }
}

async fn find(services: &Services, kid: &str) -> Result<(ControllerScope, KeyStanding), Failure> {
    let wanted = kid.to_owned();
    match services.store.read(move |tx: &mut ReadTx<'_>| tx.link_key(&wanted)).await {
        Ok(key) => Ok((ControllerScope::granted(key.controller_id), key.standing)),
        Err(StoreError::NotFound) => Err(Failure::new(Exit::Refused, "there is no link key with this name")),
        Err(error) => Err(error.into()),
    }
}

async fn retire(services: &Services, args: RetireArgs) -> Result<(), Failure> {
    let Some(kid) = args.kid else { return key_versions::retire(services, &args).await };
    let args = KidArgs { kid, json: args.json };
    let (scope, standing) = find(services, &args.kid).await?;
    match standing {
        KeyStanding::Active => {
            let message = "this key signs: rotate first with `reconsent keys rotate --use link`";
            Err(Failure::new(Exit::Refused, message))
        }
        // It would open nothing again, but hide what happened.
        KeyStanding::Compromised => Err(Failure::new(Exit::Refused, "this key is compromised, and stays so")),
        KeyStanding::VerifyOnly | KeyStanding::Retired => set(services, scope, args, KeyStanding::Retired, None).await,
    }
}

/// A key that signs is replaced first, so that links can be written at every moment.
async fn compromise(services: &Services, args: KidArgs) -> Result<(), Failure> {
    let (scope, standing) = find(services, &args.kid).await?;
    let replaced_by = match standing {
        KeyStanding::Active => match rotate_link_key(services, scope).await? {
            Rotated::LinkKey(kid) => Some(kid),
            Rotated::Key(..) => None,
        },
        KeyStanding::VerifyOnly | KeyStanding::Compromised | KeyStanding::Retired => None,
    };
    set(services, scope, args, KeyStanding::Compromised, replaced_by).await
}

async fn set(
    services: &Services,
    scope: ControllerScope,
    args: KidArgs,
    standing: KeyStanding,
    replaced_by: Option<String>,
) -> Result<(), Failure> {
    let kid = args.kid.clone();
    services
        .store
        .write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| tx.set_link_key_standing(scope, &kid, standing))
        .await?;
    if args.json {
        return print_json(&json!({ "kid": args.kid, "standing": standing, "replaced_by": replaced_by }));
    }
    let replacement = replaced_by.map(|kid| format!("; {kid} signs from now on")).unwrap_or_default();
    print(format_args!("link key {} is {standing}{replacement}", args.kid))
}
