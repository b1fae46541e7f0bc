//! `reconsent controller`: the organisations that people consent to.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::domain::ids::ControllerScope;
use crate::domain::scope::Scope;
use crate::domain::slug::Slug;
use crate::store::{ReadTx, StoreError};
use crate::usecases::Services;
use crate::usecases::setup::{NewController, create_controller, create_token};

use super::boot::{Behind, Parts};
use super::exit::{Exit, Failure, print, print_json};

#[derive(Debug, Subcommand)]
pub(super) enum ControllerCommand {
    /// Create a controller with keys of its own; prints its id
    Create(CreateArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Short name: lower-case letters, digits and hyphens
    #[arg(long)]
    slug: String,
    /// Name, as people read it
    #[arg(long)]
    name: String,
    /// Leave a mail whose answer was lost rather than try once more: never twice, perhaps not at all
    #[arg(long)]
    hold_uncertain: bool,
    /// Make a first token with all of a controller's scopes too, and print its secret this once
    #[arg(long)]
    with_token: bool,
    /// Print a JSON object: id, slug, name, created_at, and with --with-token also token_id and token
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: &super::Place, command: ControllerCommand) -> Result<(), Failure> {
    let ControllerCommand::Create(args) = command;
    let slug = Slug::parse(&args.slug).map_err(|error| Failure::new(Exit::Usage, format!("--slug: {error}")))?;
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Failure::new(Exit::Usage, "--name: expected 1 to 200 characters on one line"));
    }
    let services = Parts::from_settings(place.settings(&[])?)?.open(Behind::Refuse).await?;
    let new = NewController { slug, name: name.to_owned(), hold_uncertain: args.hold_uncertain };
    let made = create_controller(&services, new).await?;
    let scope = ControllerScope::granted(made.id);
    let token = if args.with_token {
        Some(create_token(&services, Some(scope), "first administrator", Scope::CONTROLLER, None).await?)
    } else {
        None
    };
    if args.json {
        let mut object = json!({
            "id": made.id, "slug": made.slug, "name": made.name, "created_at": made.created_at.to_string(),
        });
        if let Some(token) = &token {
            object["token_id"] = json!(token.id);
            object["token"] = json!(token.token);
        }
        return print_json(&object);
    }
    print(made.id)?;
    match token {
        Some(token) => print(token.token),
        None => Ok(()),
    }
}

/// Finds a controller by its short name.
pub(super) async fn named(services: &Services, slug: &str) -> Result<ControllerScope, Failure> {
    let wanted = slug.to_owned();
    match services.store.read(move |tx: &mut ReadTx<'_>| tx.controller_by_slug(&wanted)).await {
        Ok(controller) => Ok(ControllerScope::granted(controller.id)),
        Err(StoreError::NotFound) => Err(Failure::new(Exit::Refused, format!("there is no controller {slug:?}"))),
        Err(error) => Err(error.into()),
    }
}
