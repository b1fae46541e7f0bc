//! Gathers the settings from the environment and an optional TOML file. It promises that nothing is guessed: a name
//! nobody knows, an empty or unfit value, a secret given twice, or settings that contradict each other end the start
//! with a message that names the key and what was expected, and shows no value. It opens nothing but the settings
//! file and the files of secrets; what the settings mean is left to the modules they are for.
//!
//! The settings file is the one `RECONSENT_CONFIG` names, or `reconsent.toml` in the data folder when it exists. The
//! environment outranks it. Every secret may instead be named by a file: the same name with `_FILE` behind it.

mod bounds;
mod check;
mod cidr;
mod error;
mod kinds;
mod layers;
mod names;
mod ranges;
mod sample;
mod section;
mod sections;
#[cfg(test)]
mod tests;

pub use bounds::{LimitsSettings, OpsSettings, PiecesSettings, ThrottleSettings};
pub use cidr::{Cidr, InvalidCidr};
pub use error::{ConfigError, Place, Setting};
pub use names::{SettingDoc, describe};
pub use sample::sample_toml;
pub use sections::{
    CampaignMonitorSettings, HttpSettings, LogSettings, OutboxSettings, RulesSettings, ServiceSettings, Settings,
    SmtpSettings, StoreSettings,
};

/// The environment of this process, for [`Settings::load`]. Variables of others that are not UTF-8 are passed over;
/// ours are refused.
pub fn process_environment() -> Result<Vec<(String, String)>, ConfigError> {
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => environment.push((name, value)),
            (Ok(name), Err(_)) if name.starts_with(section::PREFIX) || name.starts_with("DATABASE_URL") => {
                return Err(ConfigError::NotUtf8 { name });
            }
            _ => {}
        }
    }
    Ok(environment)
}
