//! `reconsent config`: the reference of all settings, made from their declarations. Shows no value.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use crate::config::{SettingDoc, describe};

use super::exit::{Failure, print, print_json};

/// List every setting with its default and what it takes; reads none
#[derive(Debug, Args)]
#[command(
    after_help = "Settings come from the environment, and from the TOML file that RECONSENT_CONFIG names or that \
                        lies in the data folder as reconsent.toml; the environment outranks the file. Secrets may be \
                        given by a file instead: the same name with _FILE behind it."
)]
pub(super) struct ConfigArgs {
    /// Print a JSON array of objects: env, toml, section, default, expected, doc, secret, file_variant
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let settings = describe();
    if args.json {
        let rows: Vec<_> = settings
            .iter()
            .map(|doc| {
                let SettingDoc { section, env, toml, default, doc, expected, secret, file_variant } = doc;
                json!({ "env": env, "toml": toml, "section": section, "default": default, "expected": expected,
                        "doc": doc, "secret": secret, "file_variant": file_variant })
            })
            .collect();
        return print_json(&rows);
    }
    let mut text = String::new();
    for doc in &settings {
        let SettingDoc { section: _, env, toml, default, doc: words, expected, secret: _, file_variant } = doc;
        let file = if *file_variant { format!(", or {env}_FILE") } else { String::new() };
        let toml = toml.as_ref().map(|toml| format!("  (in the file: {toml})")).unwrap_or_default();
        let default = default.map_or_else(|| "not set".to_owned(), ToOwned::to_owned);
        writeln!(text, "{env}{file}{toml}\n    {words}\n    default: {default}\n    takes:   {expected}\n")
            .map_err(Failure::failed)?;
    }
    print(text.trim_end())
}
