//! `reconsent init`: a data folder that only its owner can enter, with a fresh root key and a settings file. It opens
//! no database and never overwrites.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::config::{process_environment, sample_toml};
use crate::crypto::RootKeys;

use super::exit::{Exit, Failure, print, print_json};

const KEY_FILE: &str = "root.key";
const SETTINGS_FILE: &str = "reconsent.toml";
/// What the data folder is called when nobody says, as in the settings.
const USUAL_FOLDER: &str = "./reconsent-data";

/// Make a data folder with a root key and a settings file
#[derive(Debug, Args)]
#[command(long_about = "Make a data folder (mode 0700) with a root key and a settings file, and print the next step. \
                        Nothing that is there is overwritten. Keep a copy of the root key apart from backups of the \
                        database: without it nothing can be read, with both everything can.")]
pub(super) struct InitArgs {
    /// The address under which people will reach the service; written into the settings file
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Print a JSON object: data_dir, config, root_key_file, root_key_fingerprint
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &super::Place, args: &InitArgs) -> Result<(), Failure> {
    let folder = make_folder(&folder(place)?)?;
    let (key_file, settings_file) = (folder.join(KEY_FILE), folder.join(SETTINGS_FILE));
    for file in [&key_file, &settings_file] {
        if file.symlink_metadata().is_ok() {
            let message = format!("{} is there already, and is not overwritten", file.display());
            return Err(Failure::new(Exit::Refused, message));
        }
    }
    let key = zeroize::Zeroizing::new(RootKeys::generate());
    let fingerprint = RootKeys::parse(&key, None).map_err(Failure::failed)?.fingerprint();
    write_new(&key_file, &format!("{}\n", *key))?;
    let key_text = utf8(&key_file)?;
    let mut given = vec![("data_dir", utf8(&folder)?), ("root_key_file", key_text)];
    given.extend(args.base_url.as_deref().map(|url| ("base_url", url)));
    write_new(&settings_file, &sample_toml(&given))?;
    // Read back, so that an unfit address is told now and not at the first start.
    let overrides = [("config".to_owned(), utf8(&settings_file)?.to_owned())];
    if let Err(error) = crate::config::Settings::load([], overrides) {
        for file in [&key_file, &settings_file] {
            std::fs::remove_file(file)?;
        }
        return Err(error.into());
    }
    if args.json {
        return print_json(&json!({
            "data_dir": utf8(&folder)?, "config": utf8(&settings_file)?, "root_key_file": key_text,
            "root_key_fingerprint": fingerprint,
        }));
    }
    let folder = folder.display();
    print(format_args!(
        "Made {folder} with a root key ({KEY_FILE}, fingerprint {fingerprint}) and settings ({SETTINGS_FILE}).\n\
         Keep a copy of {KEY_FILE} apart from backups of the database.\n\n\
         Next:\n  \
         reconsent --data-dir {folder} migrate\n  \
         reconsent --data-dir {folder} controller create --slug acme --name 'Acme Ltd' --with-token\n  \
         reconsent --data-dir {folder} serve"
    ))
}

/// The folder that the command line, else the environment, names.
fn folder(place: &super::Place) -> Result<PathBuf, Failure> {
    if let Some(folder) = &place.data_dir {
        return Ok(folder.clone());
    }
    let named = process_environment()?.into_iter().find(|(name, _)| name == "RECONSENT_DATA_DIR");
    Ok(named.map_or_else(|| USUAL_FOLDER.into(), |(_, folder)| folder.into()))
}

/// Makes the folder, or takes an existing one, and closes it to others. Gives its whole path.
fn make_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let failure = |error: std::io::Error| Failure::failed(format!("{}: {error}", folder.display()));
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(failure)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failure)?;
        }
        made => made.map_err(failure)?,
    }
    folder.canonicalize().map_err(failure)
}

/// Writes a file that only its owner may read, and that was not there before.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

fn utf8(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| Failure::new(Exit::Usage, "expected a path in UTF-8"))
}
