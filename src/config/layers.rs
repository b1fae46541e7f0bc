//! Gathers the values: defaults, then the settings file, then the environment, then the command line, each outranking
//! the one before. Every layer is checked by itself (unknown names, empty values, a secret given twice), so that a
//! slip is told even where another layer hides it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use ::config::{Config, FileFormat, Map, Source, Value, ValueKind};

use super::error::{ConfigError, Place, Setting};
use super::names::{self, CONFIG_EXPECTED, CONFIG_KEY, Meaning};
use super::section::{Declared, Given, PREFIX, Preset, Values};

/// Largest settings file.
const FILE_MAX: u64 = 1 << 20;
/// Largest file of a secret.
const SECRET_FILE_MAX: u64 = 1 << 16;
/// The settings file in the data folder.
const FILE_NAME: &str = "reconsent.toml";
/// Names of settings that the gathering itself needs.
const DATA_DIR: &str = "data_dir";
const DATABASE_URL: &str = "database_url";
const HTTP_WORKERS: &str = "http_workers";

/// What was gathered.
pub(super) struct Gathered {
    pub(super) values: Values,
    pub(super) file: Option<PathBuf>,
}

/// Gathers from the environment, the settings file it names, and the overrides.
pub(super) fn gather(
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: impl IntoIterator<Item = (String, String)>,
) -> Result<Gathered, ConfigError> {
    let known = names::declared().map(|setting| setting.env).find(|env| !env.starts_with(PREFIX));
    let ours = |name: &str| {
        name.starts_with(PREFIX)
            || known.is_some_and(|env| name.strip_prefix(env).is_some_and(|rest| rest.is_empty() || rest == "_FILE"))
    };
    let environment = environment.into_iter().filter(|(name, _)| ours(name)).map(|(name, text)| (name, Some(text)));
    let environment = Layer::new(Place::Environment, environment)?;
    let command_line = Layer::new(Place::CommandLine, overrides.into_iter().map(|(name, text)| (name, Some(text))))?;

    let from_top =
        |key: &str| command_line.entries.get(key).or_else(|| environment.entries.get(key)).map(|e| e.text.clone());
    let file = match from_top(CONFIG_KEY) {
        Some(path) => Some(PathBuf::from(path)),
        None => file_in(&from_top(DATA_DIR).map_or_else(default_data_dir, PathBuf::from))?,
    };
    let file_layer = file.as_deref().map(Layer::from_file).transpose()?;
    merge([file_layer, Some(environment), Some(command_line)].into_iter().flatten().collect(), file)
}

/// Merges the layers, the last outranking the rest, over the defaults.
fn merge(mut layers: Vec<Layer>, file: Option<PathBuf>) -> Result<Gathered, ConfigError> {
    resolve_secret_files(&mut layers)?;
    // Names are known and texts are plain by now. Should the library still object, its words may quote a value.
    let broken = |_: ::config::ConfigError| ConfigError::file(Path::new(FILE_NAME), "the settings could not be merged");
    let data_dir = layers.iter().rev().find_map(|layer| layer.entries.get(DATA_DIR)).map(|entry| entry.text.clone());
    let mut builder = Config::builder();
    for setting in names::declared() {
        let text = match setting.default {
            Preset::Fixed(text) => text.to_owned(),
            Preset::Found(_) => found(setting, data_dir.as_deref()),
            Preset::Absent => continue,
        };
        builder = builder.set_default(setting.toml(), text).map_err(broken)?;
    }
    for layer in &layers {
        builder = builder.add_source(layer.clone());
    }
    let merged = builder.build().and_then(|config| config.cache.into_table()).map_err(broken)?;
    let given = |(key, value): (String, Value)| {
        let entry = layers.iter().find(|layer| Some(layer.origin().as_str()) == value.origin()).and_then(|layer| {
            let name = layer.entries.get(&key)?.name.clone();
            Some(Setting { name, place: layer.place.clone() })
        });
        Ok((key, Given { text: value.into_string()?, setting: entry }))
    };
    let values = merged.into_iter().map(given).collect::<Result<BTreeMap<_, _>, _>>().map_err(broken)?;
    Ok(Gathered { values: Values(values), file })
}

/// Defaults that depend on the machine or on other settings.
fn found(setting: &Declared, data_dir: Option<&str>) -> String {
    match setting.toml().as_str() {
        DATABASE_URL => {
            let folder = data_dir.map_or_else(default_data_dir, PathBuf::from);
            format!("sqlite:{}", folder.join("reconsent.db").display())
        }
        HTTP_WORKERS => std::thread::available_parallelism().map_or(1, usize::from).to_string(),
        // A test loads every setting's default; this text fits no kind and fails it.
        _ => String::new(),
    }
}

fn default_data_dir() -> PathBuf {
    let preset = names::declared().find(|setting| setting.toml() == DATA_DIR).map(|setting| setting.default);
    if let Some(Preset::Fixed(path)) = preset { path.into() } else { PathBuf::from(".") }
}

/// The settings file of a data folder, if there is one.
fn file_in(folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let path = folder.join(FILE_NAME);
    match path.try_exists() {
        Ok(true) => Ok(Some(path)),
        Ok(false) => Ok(None),
        Err(error) => Err(ConfigError::file(&path, error.kind().to_string())),
    }
}

/// One place's values, by their names in the settings file.
#[derive(Debug, Clone)]
struct Layer {
    place: Place,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    /// As the operator wrote it.
    name: String,
    text: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({}=***)", self.name)
    }
}

impl Layer {
    /// Checks names and emptiness. A value that is no text at all (a table of TOML) comes as `None`.
    fn new(place: Place, given: impl Iterator<Item = (String, Option<String>)>) -> Result<Self, ConfigError> {
        let mut entries = BTreeMap::new();
        // In the order of names, so that of several slips the same one is told each time.
        for (name, text) in given.collect::<BTreeMap<_, _>>() {
            let meaning = names::look_up(&name, &place)?;
            let expected = match meaning {
                Meaning::Value(setting) => setting.expected,
                Meaning::FileOf(_) => "the path of a file that holds the secret",
                Meaning::ConfigFile => CONFIG_EXPECTED,
            };
            let setting = || Setting { name: name.clone(), place: place.clone() };
            let text = text.ok_or_else(|| ConfigError::Invalid { setting: setting(), expected })?;
            if text.trim().is_empty() {
                return Err(ConfigError::Empty { setting: setting(), expected });
            }
            entries.insert(names::spelling(meaning, &Place::CommandLine), Entry { name, text });
        }
        Ok(Self { place, entries })
    }

    fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(path, FILE_MAX).map_err(|reason| ConfigError::file(path, reason))?;
        let table = ::config::File::from_str(&text, FileFormat::Toml).collect().map_err(|error| {
            let position = position(&error.to_string());
            ConfigError::Syntax { path: path.to_owned(), position }
        })?;
        Self::new(Place::File(path.to_owned()), table.into_iter().map(|(name, value)| (name, plain(value))))
    }

    /// How the merging library is told where a value came from.
    fn origin(&self) -> String {
        match &self.place {
            Place::Environment => "environment".to_owned(),
            Place::File(_) => "file".to_owned(),
            Place::CommandLine => "command line".to_owned(),
        }
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        let origin = self.origin();
        let value = |entry: &Entry| Value::new(Some(&origin), entry.text.clone());
        Ok(self.entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect())
    }
}

/// A value of TOML as the text a variable would have; a list as its items with commas between.
fn plain(value: Value) -> Option<String> {
    match value.kind {
        ValueKind::Nil | ValueKind::Table(_) => None,
        ValueKind::Array(items) => {
            items.into_iter().map(plain).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        _ => value.into_string().ok(),
    }
}

/// Line and column out of the reader's words; the words themselves quote the line.
fn position(words: &str) -> Option<String> {
    let rest = &words[words.find("line ")?..];
    let (line, rest) = rest.strip_prefix("line ")?.split_once(", column ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let numbers = line.bytes().all(|b| b.is_ascii_digit()) && !column.is_empty();
    numbers.then(|| format!("line {line}, column {column}"))
}

/// Puts each secret that is given as a file in its place. Within one layer it may be given in one way only; a higher
/// layer hides both ways of a lower one, whose file is then not opened.
fn resolve_secret_files(layers: &mut [Layer]) -> Result<(), ConfigError> {
    for secret in names::declared().filter(|setting| setting.secret) {
        let key = secret.toml();
        let file_key = names::spelling(Meaning::FileOf(secret), &Place::CommandLine);
        let mut hidden = false;
        for layer in layers.iter_mut().rev() {
            let file = layer.entries.remove(&file_key);
            if let (Some(own), Some(file)) = (layer.entries.get(&key), &file) {
                let setting = Setting { name: own.name.clone(), place: layer.place.clone() };
                return Err(ConfigError::Twice { setting, file_name: file.name.clone() });
            }
            if hidden {
                layer.entries.remove(&key);
            } else if let Some(file) = file {
                let setting = Setting { name: file.name.clone(), place: layer.place.clone() };
                let text = read_secret(&file.text, setting, secret.expected)?;
                layer.entries.insert(key.clone(), Entry { name: file.name, text });
            }
            hidden |= layer.entries.contains_key(&key);
        }
    }
    Ok(())
}

fn read_secret(path: &str, setting: Setting, expected: &'static str) -> Result<String, ConfigError> {
    match read_bounded(Path::new(path), SECRET_FILE_MAX) {
        Err(reason) => Err(ConfigError::SecretFile { setting, reason }),
        Ok(text) if text.trim().is_empty() => Err(ConfigError::Empty { setting, expected }),
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Reads a text file, but not a larger one than is sensible.
fn read_bounded(path: &Path, limit: u64) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > limit => Err("it is larger".to_owned()),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err("it is not UTF-8".to_owned()),
        Err(error) => Err(error.kind().to_string()),
    }
}
