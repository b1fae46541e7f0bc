//! Gathering, reading and checking as a whole, without the environment of the process.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::kinds::Kind;
use super::section::Preset;
use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_environment(given: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    Settings::load(pairs(given), [])
}

/// Loads with a settings file, and a little environment.
fn from_file(text: &str, given: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path(), "own.toml", text);
    Settings::load(pairs(&[given, &[("RECONSENT_CONFIG", &path)]].concat()), [])
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

#[track_caller]
fn message(loaded: Result<Settings, ConfigError>) -> String {
    loaded.expect_err("refused").to_string()
}

#[test]
fn without_any_settings_all_stays_on_this_machine() {
    let settings = from_environment(&[("PATH", "/bin"), ("HOME", "")]).expect("defaults");
    assert!(settings.service.listen.ip().is_loopback() && settings.service.ops_listen.ip().is_loopback());
    assert_eq!(settings.service.base_url, "http://127.0.0.1:8080");
    assert_eq!(settings.service.database_url.expose(), "sqlite:./reconsent-data/reconsent.db");
    assert!(settings.service.root_key.is_none() && settings.smtp.url.is_none());
    assert!(settings.service.trusted_proxies.is_empty());
    assert!(settings.http.workers >= 1);
    assert_eq!(settings.http.body_limit_public, 65_536);
    assert_eq!(settings.http.body_limit_import, 200_000_000);
    assert_eq!(settings.rules.ask_cooldown, Duration::from_secs(60 * 86_400));
    assert_eq!(settings.outbox.poll_interval, Duration::from_millis(500));
    assert_eq!(settings.campaign_monitor.base_url, "https://api.createsend.com");
    assert_eq!(settings.config_file, None);
}

const APP_ID: &str = "RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_ID";
const APP_SECRET: &str = "RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_SECRET";

/// A fitting value that differs from the default.
fn another(setting: &section::Declared) -> String {
    match setting.env {
        "DATABASE_URL" => "postgres://u:hush@h/d".to_owned(),
        "RECONSENT_ROOT_KEY" | "RECONSENT_ROOT_KEY_PREVIOUS" => KEY.to_owned(),
        "RECONSENT_SMTP_URL" => "smtp://relay.example:25".to_owned(),
        APP_ID | APP_SECRET => "hush".to_owned(),
        "RECONSENT_TRUSTED_PROXIES" => "10.0.0.0/8,::1".to_owned(),
        "RECONSENT_LISTEN" | "RECONSENT_OPS_LISTEN" => "127.0.0.1:7070".to_owned(),
        "RECONSENT_LOG_FORMAT" => "json".to_owned(),
        "RECONSENT_LOG_LEVEL" => "warn,reconsent=debug".to_owned(),
        "RECONSENT_DATA_DIR" => "./elsewhere".to_owned(),
        "RECONSENT_HTTP_WORKERS" => "777".to_owned(),
        "RECONSENT_OUTBOX_GATE_HOLDS" => "500ms".to_owned(),
        // As many as the provider gives at once are the default, and the most.
        "RECONSENT_PIECES_RECONCILE" => "500".to_owned(),
        name if name.starts_with("RECONSENT_THROTTLE_") => "600".to_owned(),
        // Sums of time-outs stand against the leases, so a little more is as far as each may go alone.
        _ => match setting.default {
            Preset::Fixed(text) if text.starts_with("http") => "https://other.example".to_owned(),
            Preset::Fixed(text) if setting.expected.starts_with("a span") => format!("{text} 1s"),
            Preset::Fixed(text) => match (text.parse::<u64>(), kinds::Bytes::parse(text)) {
                (Ok(number), _) => (number + 1).to_string(),
                (Err(_), Some(size)) => (size + 1).to_string(),
                (Err(_), None) => panic!("{}: {text}", setting.env),
            },
            other => panic!("{}: {other:?}", setting.env),
        },
    }
}

/// Settings that only go together with others.
fn companions(setting: &section::Declared) -> Vec<(&'static str, &'static str)> {
    match setting.env {
        "RECONSENT_ROOT_KEY_PREVIOUS" => vec![("RECONSENT_ROOT_KEY", KEY)],
        APP_ID => vec![(APP_SECRET, "hush")],
        APP_SECRET => vec![(APP_ID, "117")],
        "RECONSENT_RULES_CONFIRM_LINK_TTL" => vec![("RECONSENT_RULES_UNCONFIRMED_PURGE_AFTER", "30d")],
        _ => Vec::new(),
    }
}

#[test]
fn every_setting_is_taken_from_environment_and_file_and_has_effect() {
    let mut seen = 0;
    for setting in names::declared() {
        let company = companions(setting);
        // An app's id and its secret go together or not at all.
        let alone = if matches!(setting.env, APP_ID | APP_SECRET) { &[][..] } else { &company[..] };
        let plain = from_environment(alone).expect("defaults");
        let value = another(setting);
        let by_environment =
            from_environment(&[&company[..], &[(setting.env, &value)]].concat()).unwrap_or_else(|e| panic!("{e}"));
        let toml = sample_toml(&[(&setting.toml(), &value)]);
        let mut by_file = from_file(&toml, &company).unwrap_or_else(|e| panic!("{e}"));
        by_file.config_file = None;
        assert_eq!(format!("{by_environment:?}"), format!("{by_file:?}"), "{}", setting.env);
        if setting.env == "DATABASE_URL" {
            assert_eq!(by_environment.service.database_url.expose(), value);
            assert_eq!(by_file.service.database_url.expose(), value);
        } else {
            assert_ne!(format!("{plain:?}"), format!("{by_environment:?}"), "{}", setting.env);
        }
        seen += 1;
    }
    assert!(seen > 110);
}

#[test]
fn every_field_of_every_section_is_described() {
    let settings = from_environment(&[]).expect("defaults");
    let mut section = String::new();
    let mut fields = BTreeSet::new();
    for line in format!("{settings:#?}").lines() {
        let depth = line.len() - line.trim_start().len();
        let name = line.trim_start().split_once(':').map(|(name, _)| name.to_owned());
        match (depth, name) {
            (4, Some(name)) => section = name,
            (8, Some(name)) => {
                fields.insert((section.clone(), name));
            }
            _ => {}
        }
    }
    let described: BTreeSet<_> = describe()
        .into_iter()
        .filter_map(|doc| {
            let section = if doc.section.is_empty() { "service" } else { doc.section };
            let toml = doc.toml?;
            let prefix = format!("{}_", doc.section);
            Some((section.to_owned(), toml.strip_prefix(&prefix).unwrap_or(&toml).to_owned()))
        })
        .collect();
    assert_eq!(fields, described);
}

#[test]
fn the_environment_outranks_the_file_and_the_command_line_both() {
    let file = "store_readers = 7\nstore_writers = 7\nstore_batch = 7";
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path(), "own.toml", file);
    let environment = pairs(&[("RECONSENT_STORE_WRITERS", "8"), ("RECONSENT_STORE_BATCH", "8")]);
    let settings = Settings::load(environment, pairs(&[("store_batch", "9"), ("config", &path)])).expect("settings");
    assert_eq!((settings.store.readers, settings.store.writers, settings.store.batch), (7, 8, 9));
    assert_eq!(settings.config_file.as_deref(), Some(Path::new(&path)));
}

#[test]
fn a_file_in_the_data_folder_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().to_str().expect("UTF-8");
    assert!(from_environment(&[("RECONSENT_DATA_DIR", data_dir)]).expect("no file").config_file.is_none());
    let path = write(folder.path(), "reconsent.toml", "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nstore_readers = 3");
    let settings = from_environment(&[("RECONSENT_DATA_DIR", data_dir)]).expect("settings");
    assert_eq!(settings.config_file.as_deref(), Some(Path::new(&path)));
    assert_eq!(settings.store.readers, 3);
    assert_eq!(settings.service.trusted_proxies.len(), 2);
    assert_eq!(settings.service.database_url.expose(), format!("sqlite:{data_dir}/reconsent.db"));
    let moved = Settings::load(pairs(&[("RECONSENT_DATA_DIR", "nowhere")]), pairs(&[("data_dir", data_dir)]))
        .expect("settings");
    assert_eq!(moved.store.readers, 3);
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    assert_eq!(
        message(from_environment(&[("RECONSENT_LISTN", "secret")])),
        "unknown setting RECONSENT_LISTN; did you mean RECONSENT_LISTEN?"
    );
    let text = message(from_file("smtp_ulr = \"smtp://u:hush@h\"", &[]));
    assert!(
        text.starts_with("unknown setting smtp_ulr (in ") && text.ends_with("own.toml); did you mean smtp_url?"),
        "{text}"
    );
    let text = message(from_file("[store]\nreaders = 4", &[]));
    assert!(text.contains("unknown setting store (in") && text.contains("did you mean store_"), "{text}");
    let text = message(from_file("config = \"b.toml\"", &[]));
    assert!(text.starts_with("unknown setting config "), "{text}");
    let text = message(Settings::load([], pairs(&[("lissten", "1")])));
    assert_eq!(text, "unknown setting lissten (on the command line); did you mean listen?");
}

#[test]
fn unfit_and_empty_values_are_refused_by_name_and_never_shown() {
    let mut seen = 0;
    for setting in names::declared() {
        let text = message(from_environment(&[(setting.env, "hush:\u{7}")]));
        assert_eq!(text, format!("{}: expected {}", setting.env, setting.expected));
        let text = message(from_environment(&[(setting.env, " ")]));
        assert!(text.starts_with(&format!("{} is empty", setting.env)), "{text}");
        let text = message(from_file(&format!("{} = {{ a = \"hush\" }}", setting.toml()), &[]));
        assert!(
            text.starts_with(&setting.toml()) && text.contains("own.toml): expected ") && !text.contains("hush"),
            "{text}"
        );
        seen += 1;
    }
    assert!(seen > 110);
    assert!(message(from_file("listen = \"\"", &[])).starts_with("listen (in "));
    assert!(message(from_environment(&[("RECONSENT_CONFIG", "")])).starts_with("RECONSENT_CONFIG is empty"));
    assert!(message(from_environment(&[("DATABASE_URL_FILE", "")])).starts_with("DATABASE_URL_FILE is empty"));
}

#[test]
fn a_secret_may_come_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = write(folder.path(), "key", &format!("{KEY}\r\n"));
    let url = write(folder.path(), "url", "postgres://u:hush@h/d\n");
    let settings =
        from_environment(&[("RECONSENT_ROOT_KEY_FILE", &key), ("DATABASE_URL_FILE", &url)]).expect("settings");
    assert_eq!(settings.service.root_key.as_ref().map(|key| key.expose()), Some(KEY));
    assert_eq!(settings.service.database_url.expose(), "postgres://u:hush@h/d");
    assert!(!format!("{settings:?}").contains("hush"));
    let settings = from_file(&format!("root_key_file = \"{key}\""), &[]).expect("settings");
    assert_eq!(settings.service.root_key.as_ref().map(|key| key.expose()), Some(KEY));
}

#[test]
fn a_secret_is_given_in_one_way_and_the_higher_place_hides_the_lower() {
    let text = message(from_environment(&[("RECONSENT_ROOT_KEY", KEY), ("RECONSENT_ROOT_KEY_FILE", "key")]));
    assert_eq!(text, "both RECONSENT_ROOT_KEY and RECONSENT_ROOT_KEY_FILE are given: expected one of them");
    let text = message(from_file(
        "smtp_url = \"smtp://u:hush@h\"\nsmtp_url_file = \"url\"",
        &[("RECONSENT_SMTP_URL", "smtp://h")],
    ));
    assert!(text.contains("smtp_url_file") && !text.contains("hush"), "{text}");
    let hidden =
        from_file("smtp_url_file = \"does/not/exist\"", &[("RECONSENT_SMTP_URL", "smtp://other")]).expect("settings");
    assert_eq!(hidden.smtp.url.as_ref().map(|url| url.expose()), Some("smtp://other"));
    let folder = tempfile::tempdir().expect("a folder");
    let url = write(folder.path(), "url", "smtp://from-file");
    let higher = from_file("smtp_url = \"smtp://lower\"", &[("RECONSENT_SMTP_URL_FILE", &url)]).expect("settings");
    assert_eq!(higher.smtp.url.as_ref().map(|url| url.expose()), Some("smtp://from-file"));
}

#[test]
fn a_broken_secret_file_is_named_by_its_setting_only() {
    let text = message(from_environment(&[("RECONSENT_ROOT_KEY_FILE", "smtp://u:hush@h")]));
    assert!(text.starts_with("RECONSENT_ROOT_KEY_FILE: expected the path of a readable text file"), "{text}");
    assert!(!text.contains("hush"), "{text}");
    let folder = tempfile::tempdir().expect("a folder");
    let unfit = write(folder.path(), "unfit", "hush");
    let text = message(from_environment(&[("RECONSENT_ROOT_KEY_FILE", &unfit)]));
    assert_eq!(text, "RECONSENT_ROOT_KEY_FILE: expected 32 bytes in base64, as `reconsent init` writes them");
    let empty = write(folder.path(), "empty", "\n");
    assert!(
        message(from_environment(&[("RECONSENT_SMTP_URL_FILE", &empty)]))
            .starts_with("RECONSENT_SMTP_URL_FILE is empty")
    );
    let large = write(folder.path(), "large", &"a".repeat(70_000));
    assert!(message(from_environment(&[("RECONSENT_SMTP_URL_FILE", &large)])).ends_with("it is larger"));
}

#[test]
fn a_broken_settings_file_is_told_by_place_and_not_quoted() {
    let text = message(from_file("listen = \"127.0.0.1:1\"\nroot_key = \"hush", &[]));
    assert!(text.contains("own.toml: expected TOML") && text.contains("line 2, column "), "{text}");
    assert!(!text.contains("hush"), "{text}");
    let text = message(from_file("smtp_url = \"hush\"\nsmtp_url = \"hush\"", &[]));
    assert!(text.contains("expected TOML") && !text.contains("hush"), "{text}");
    let text = message(from_environment(&[("RECONSENT_CONFIG", "does/not/exist.toml")]));
    assert!(text.starts_with("does/not/exist.toml: expected a readable settings file"), "{text}");
}

#[test]
fn a_number_out_of_its_range_is_refused_with_the_range() {
    for (name, value, range) in [
        ("RECONSENT_LIMITS_PURPOSES", "0", "a whole number from 1 to 10000"),
        ("RECONSENT_LIMITS_CAMPAIGN_PURPOSES", "21", "a whole number from 1 to 20"),
        ("RECONSENT_OUTBOX_IMPORT_WORKERS", "65", "a whole number from 1 to 64"),
        ("RECONSENT_PIECES_AUDIENCE", "1001", "a whole number from 1 to 1000"),
        ("RECONSENT_HTTP_BODY_LIMIT_HOOK", "1GiB", "from 1024 to 104857600"),
        ("RECONSENT_OPS_STOP_TIMEOUT", "2h", "above zero and at most 3600s"),
    ] {
        let text = message(from_environment(&[(name, value)]));
        assert!(text.starts_with(&format!("{name}: expected ")) && text.ends_with(range), "{text}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let cases: [(&[(&str, &str)], &str); 21] = [
        (&[("RECONSENT_ROOT_KEY_PREVIOUS", KEY)], "needs RECONSENT_ROOT_KEY:"),
        (&[("RECONSENT_LISTEN", "127.0.0.1:9090")], "RECONSENT_OPS_LISTEN"),
        (&[("RECONSENT_STORE_BATCH", "8193")], "RECONSENT_STORE_WRITE_QUEUE"),
        (&[("RECONSENT_HTTP_PAGE_SIZE_MAX", "49")], "RECONSENT_HTTP_PAGE_SIZE_DEFAULT"),
        (&[("RECONSENT_HTTP_BODY_LIMIT_IMPORT", "1kB")], "RECONSENT_HTTP_BODY_LIMIT_API"),
        (&[("RECONSENT_HTTP_IMPORT_DEADLINE", "9s")], "RECONSENT_HTTP_REQUEST_DEADLINE"),
        (&[("RECONSENT_RULES_CONFIRM_LINK_TTL", "8d")], "RECONSENT_RULES_UNCONFIRMED_PURGE_AFTER"),
        (&[("RECONSENT_HTTP_DRAIN_TIMEOUT", "10500ms")], "RECONSENT_OPS_STOP_TIMEOUT"),
        (&[("RECONSENT_RULES_UNFINISHED_UPLOAD_AFTER", "15min")], "RECONSENT_HTTP_IMPORT_DEADLINE"),
        (&[("RECONSENT_LIMITS_IMPORT_RECORD_BYTES", "4095")], "RECONSENT_LIMITS_IMPORT_CELL_BYTES"),
        (&[("RECONSENT_RULES_ANSWER_LINK_MAX_TTL", "59s")], "RECONSENT_RULES_ANSWER_LINK_MIN_TTL"),
        (&[("RECONSENT_RULES_MINIMUM_DWELL", "30min")], "RECONSENT_RULES_PAGE_NONCE_TTL"),
        (&[("RECONSENT_OUTBOX_RETRY_FIRST", "2h")], "RECONSENT_OUTBOX_RETRY_CAP"),
        (&[("RECONSENT_OUTBOX_LEASE", "700s")], "RECONSENT_OUTBOX_HANDOVER_LEASE"),
        (&[("RECONSENT_OUTBOX_POLL_INTERVAL", "60s")], "RECONSENT_OUTBOX_LEASE"),
        (&[("RECONSENT_OUTBOX_LEASE", "30s")], "RECONSENT_SMTP_CONNECT_TIMEOUT"),
        (
            &[("RECONSENT_OUTBOX_LEASE", "31s"), ("RECONSENT_CAMPAIGN_MONITOR_CONNECT_TIMEOUT", "31s")],
            "CAMPAIGN_MONITOR_CONNECT",
        ),
        (&[("RECONSENT_SMTP_FINAL_DOT_TIMEOUT", "630s")], "RECONSENT_OUTBOX_HANDOVER_LEASE"),
        (&[("RECONSENT_CAMPAIGN_MONITOR_CALL_TIMEOUT", "660s")], "RECONSENT_OUTBOX_HANDOVER_LEASE"),
        (&[("RECONSENT_CAMPAIGN_MONITOR_BREAKER_PAUSE", "11min")], "BREAKER_PAUSE_CAP"),
        (&[(APP_ID, "117")], APP_SECRET),
    ];
    for (given, told) in cases {
        let text = message(from_environment(given));
        assert!(text.contains(told), "{text}");
    }
    assert!(from_environment(&[("RECONSENT_LISTEN", "127.0.0.1:0"), ("RECONSENT_OPS_LISTEN", "127.0.0.1:0")]).is_ok());
}

#[test]
fn the_sample_is_read_back() {
    let given = [
        ("base_url", "https://consent.example.org"),
        ("root_key", KEY),
        ("log_level", "info,reconsent=debug"),
        ("store_readers", "9"),
        ("data_dir", "a \"quoted\" \\ folder"),
    ];
    let settings = from_file(&sample_toml(&given), &[]).expect("settings");
    assert_eq!(settings.service.base_url, "https://consent.example.org");
    assert_eq!(settings.service.root_key.as_ref().map(|key| key.expose()), Some(KEY));
    assert_eq!(settings.store.readers, 9);
    assert_eq!(settings.service.data_dir, Path::new("a \"quoted\" \\ folder"));
    let folder = tempfile::tempdir().expect("a folder");
    let key = write(folder.path(), "root.key", KEY);
    let settings = from_file(&sample_toml(&[("root_key_file", &key)]), &[]).expect("settings");
    assert!(settings.service.root_key.is_some());
    let text = message(from_file(&sample_toml(&[("base_ulr", "x")]), &[]));
    assert!(text.contains("did you mean base_url"), "{text}");
}

#[test]
fn the_sample_shows_every_setting_and_its_defaults_hold() {
    let sample = sample_toml(&[]);
    for doc in describe() {
        let Some(toml) = doc.toml else { continue };
        assert!(sample.contains(&format!("\n# {toml}")) && sample.contains(doc.doc), "{toml}");
    }
    let bare: String = sample
        .lines()
        .filter_map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")))
        .fold(String::new(), |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        });
    assert!(bare.lines().count() > 105, "{bare}");
    let mut by_file = from_file(&bare, &[]).expect("the defaults");
    by_file.config_file = None;
    assert_eq!(format!("{by_file:?}"), format!("{:?}", from_environment(&[]).expect("defaults")));
}
