//! A settings file to begin with: every setting with its words and its default, commented out, save those given.

use std::fmt::Write;

use super::error::Place;
use super::names::{self, Meaning, SECTIONS};
use super::section::Preset;

/// Writes `reconsent.toml` for `init`. `given` holds pairs of a name in the settings file (also `…_file` of a secret)
/// and its value; all else stands there as a comment with its default. A name that is no setting is written too, and
/// then refused by the loader.
pub fn sample_toml(given: &[(&str, &str)]) -> String {
    let mut out = String::from(
        "# Settings of Reconsent. Lines that begin with # are defaults or examples. The environment outranks this file:\n\
         # there a setting is called RECONSENT_ and its name in capitals, and the database's address DATABASE_URL.\n",
    );
    let mut written = Vec::new();
    for (about, settings) in SECTIONS {
        line(&mut out, format_args!("\n# ---- {about}"));
        for setting in settings {
            line(&mut out, format_args!("\n# {}", setting.doc));
            let key = setting.toml();
            let file_key = names::spelling(Meaning::FileOf(setting), &Place::CommandLine);
            let mut present =
                given.iter().filter(|(name, _)| *name == key || (setting.secret && *name == file_key)).peekable();
            if present.peek().is_none() {
                match setting.default {
                    Preset::Fixed(default) => line(&mut out, format_args!("# {key} = {}", literal(default))),
                    Preset::Found(words) => line(&mut out, format_args!("# {key}: by default {words}")),
                    Preset::Absent => line(&mut out, format_args!("# {key}: not set; takes {}", setting.expected)),
                }
                if setting.secret {
                    line(&mut out, format_args!("# {file_key} names a file that holds it instead."));
                }
            }
            for (name, value) in present {
                line(&mut out, format_args!("{name} = {}", literal(value)));
                written.push(*name);
            }
        }
    }
    for (name, value) in given.iter().filter(|(name, _)| !written.contains(name)) {
        line(&mut out, format_args!("\n{} = {}", quoted(name), literal(value)));
    }
    out
}

fn line(out: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(out, "{words}").expect("writing to a string does not fail");
}

/// A value as TOML: a number as it is, anything else in quotes.
fn literal(value: &str) -> String {
    let number =
        value.len() <= 15 && value.bytes().all(|b| b.is_ascii_digit()) && (!value.starts_with('0') || value == "0");
    if number && !value.is_empty() { value.to_owned() } else { quoted(value) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
