//! `reconsent token`: bearer tokens of controllers and of the operator. A secret is printed once, when it is made.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::clock::Clock;
use crate::domain::ids::{ControllerScope, TokenId};
use crate::domain::scope::Scope;
use crate::domain::time::{Period, Timestamp};
use crate::store::controllers::ApiToken;
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::usecases::Services;
use crate::usecases::setup::create_token;

use super::boot::{Behind, Parts};
use super::exit::{Exit, Failure, print, print_json};

/// Controllers looked through at a time.
const PAGE: i64 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token; prints its secret this once
    Create(CreateArgs),
    /// List tokens, without their secrets
    List(ListArgs),
    /// Revoke a token; from the next request on it opens nothing
    Revoke(RevokeArgs),
}

/// Whose token.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Owner {
    /// The controller's short name
    #[arg(long, value_name = "SLUG")]
    controller: Option<String>,
    /// The operator, who creates and lists controllers and sees nothing of theirs
    #[arg(long)]
    operator: bool,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    owner: Owner,
    /// What a controller's token may do, separated by commas or given again: settings, consents, imports, campaigns,
    /// subjects, exports, tokens, or all of them with `all`
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', conflicts_with = "operator")]
    scopes: Vec<String>,
    /// What people call it
    #[arg(long)]
    name: String,
    /// When it ends, from now, ISO 8601 such as P90D [default: never]
    #[arg(long, value_name = "PERIOD")]
    expires: Option<String>,
    /// Print a JSON object: id, token, name, scopes, expires_at
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    owner: Owner,
    /// Print a JSON array of objects: id, name, scopes, created_at, expires_at, revoked_at
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The token's id, as `token list` shows it
    id: TokenId,
    /// Print a JSON object: id, revoked
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: &super::Place, command: TokenCommand) -> Result<(), Failure> {
    let parts = Parts::from_settings(place.settings(&[])?)?;
    match command {
        TokenCommand::Create(args) => create(&parts, args).await,
        TokenCommand::List(args) => {
            let services = parts.open(Behind::Refuse).await?;
            list(&services, args).await
        }
        TokenCommand::Revoke(args) => {
            let services = parts.open(Behind::Refuse).await?;
            revoke(&services, args).await
        }
    }
}

async fn owner(services: &Services, owner: &Owner) -> Result<Option<ControllerScope>, Failure> {
    match &owner.controller {
        Some(slug) => Ok(Some(super::controller::named(services, slug).await?)),
        None => Ok(None),
    }
}

async fn create(parts: &Parts, args: CreateArgs) -> Result<(), Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let scopes = scopes(&args).map_err(usage)?;
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(usage("--name: expected 1 to 100 characters on one line".to_owned()));
    }
    let expires = args.expires.as_deref().map(Period::parse).transpose();
    let expires = expires.map_err(|error| usage(format!("--expires: {error}")))?;
    let services = parts.open(Behind::Refuse).await?;
    let owner = owner(&services, &args.owner).await?;
    let expires_at = expires.map(|period| period.after(services.clock.now()));
    let issued = create_token(&services, owner, name, &scopes, expires_at).await?;
    if args.json {
        return print_json(&json!({
            "id": issued.id, "token": issued.token, "name": name, "scopes": scopes, "expires_at": told(expires_at),
        }));
    }
    print(issued.token)
}

fn scopes(args: &CreateArgs) -> Result<Vec<Scope>, String> {
    if args.owner.operator {
        return Ok(vec![Scope::Operator]);
    }
    let mut scopes = Vec::new();
    for name in args.scopes.iter().map(|name| name.trim()) {
        match Scope::from_name(name) {
            _ if name == "all" => scopes.extend_from_slice(Scope::CONTROLLER),
            Some(scope) if scope != Scope::Operator => scopes.push(scope),
            _ => {
                let known: Vec<_> = Scope::CONTROLLER.iter().map(|scope| scope.name()).collect();
                return Err(format!("--scope: expected some of {}, or all", known.join(", ")));
            }
        }
    }
    if scopes.is_empty() {
        return Err("--scope: a controller's token needs at least one; `all` gives every one".to_owned());
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

async fn list(services: &Services, args: ListArgs) -> Result<(), Failure> {
    let owner = owner(services, &args.owner).await?;
    let tokens = services.store.read(move |tx: &mut ReadTx<'_>| tx.tokens(owner)).await?;
    if args.json {
        return print_json(&tokens.iter().map(view).collect::<Vec<_>>());
    }
    for token in &tokens {
        let now = super::clock::SystemClock.now();
        let standing = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(end)) if end <= now => format!("expired {end}"),
            (None, Some(end)) => format!("until {end}"),
            (None, None) => "in force".to_owned(),
        };
        print(format_args!("{}  {}  [{}]  {}", token.id, standing, token.scopes, token.name))?;
    }
    Ok(())
}

/// A token without its hash.
fn view(token: &ApiToken) -> Value {
    json!({
        "id": token.id, "name": token.name, "scopes": token.scopes.split(' ').collect::<Vec<_>>(),
        "created_at": token.created_at.to_string(), "expires_at": told(token.expires_at),
        "revoked_at": told(token.revoked_at),
    })
}

fn told(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// The operator knows the id and need not know whose it is.
async fn revoke(services: &Services, args: RevokeArgs) -> Result<(), Failure> {
    let (id, now) = (args.id, services.clock.now());
    let revoked = services
        .store
        .write(Uuid::nil(), move |tx: &mut WriteTx<'_>| {
            let mut found = tx.revoke_token(None, id, now)?;
            let mut after = None;
            while !found {
                let page = tx.all_controllers(after, PAGE)?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                for controller in &page {
                    found = found || tx.revoke_token(Some(ControllerScope::granted(controller.id)), id, now)?;
                }
            }
            Ok::<_, StoreError>(found)
        })
        .await?;
    if !revoked {
        return Err(Failure::new(Exit::Refused, format!("there is no token {id} in force")));
    }
    if args.json { print_json(&json!({ "id": id, "revoked": true })) } else { print(format_args!("revoked {id}")) }
}
