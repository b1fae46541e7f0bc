//! The reader itself is tested on small sources, good and bad.

use crate::SourceFile;

fn imports(name: &str, text: &str) -> Vec<String> {
    SourceFile::new(name, text).foreign_imports().iter().map(ToString::to_string).collect()
}

fn assert_good(name: &str, text: &str) {
    assert_eq!(imports(name, text), Vec::<String>::new(), "{name}: {text}");
}

fn assert_bad(name: &str, text: &str, line: usize, what: &str) {
    let found = imports(name, text);
    assert!(
        found.len() == 1 && found[0].starts_with(&format!("{name}:{line}: ")) && found[0].contains(what),
        "{name}: {text}\nexpected one offence in line {line} with `{what}`, found {found:?}"
    );
}

#[test]
fn what_the_table_allows_is_no_offence() {
    assert_good("src/domain/email.rs", "use super::ids::SubjectId;\nuse crate::domain::purpose;");
    assert_good("src/store/outbox.rs", "use crate::{domain::{ids, task::Task}, crypto, ledger as l};");
    assert_good("src/usecases/campaigns/send.rs", "use super::super::Services; fn f() { crate::store::x() }");
    assert_good("src/http/mod.rs", "pub(crate) mod a { pub(in crate::http) fn f() {} }");
    assert_good("src/http/mod.rs", "use super::http::problem;");
    assert_good("src/links/token.rs", "mod tests { use super::*; use super::super::claims; }");
    assert_good("src/worker/mod.rs", "use ::store::x; use store::y; use config::Config;");
    assert_good("src/main.rs", "fn main() -> X { reconsent::cli::run() }");
    assert_good("src/lib.rs", "pub mod domain;\npub mod store;");
    assert_good("src/cli/boot.rs", "use crate::{config, sandbox, store::{self, Store}};");
    assert_good("src/telemetry.rs", "use self::mask::Mask; use std::fmt::{self as f}; mod mask;");
}

#[test]
fn what_the_table_does_not_allow_is_named_with_its_line() {
    assert_bad("src/domain/email.rs", "\nuse crate::store::Store;", 2, "`domain` must not lean on `store`");
    assert_bad("src/store/x.rs", "use crate::{\n  domain::{ids, task},\n  mail::render,\n};", 3, "`mail`");
    assert_bad("src/store/x.rs", "use crate::{domain, self as all};", 1, "whole crate");
    assert_bad("src/store/x.rs", "use crate::{self, domain};", 1, "whole crate");
    assert_bad("src/store/x.rs", "use crate::*;", 1, "whole crate");
    assert_bad("src/store/x.rs", "use crate as all;", 1, "whole crate");
    assert_bad("src/store/x.rs", "fn f() -> crate::http::Problem { todo() }", 1, "`http`");
    assert_bad("src/store/x.rs", "macro_rules! m { () => { $crate::worker::run() } }", 1, "`worker`");
    assert_bad("src/store/x.rs", "use crate::r#worker::run;", 1, "`worker`");
    assert_bad("src/http/mod.rs", "use crate::crypto::Key;", 1, "`crypto`");
    assert_bad("src/config/mod.rs", "use crate::cli::Command;", 1, "`cli`");
    assert_bad("src/worker/mod.rs", "\n\nuse reconsent::http::x;", 3, "`http`");
    assert_bad("src/worker/mod.rs", "use ::reconsent::http;", 1, "`http`");
    assert_bad("src/worker/mod.rs", "extern crate self as ours;", 1, "whole crate");
    assert_bad("src/worker/mod.rs", "use reconsent as ours;", 1, "whole crate");
    assert_bad("src/worker/mod.rs", "#[path = \"../http/mod.rs\"] mod x;", 1, "#[path]");
    assert_bad("src/main.rs", "use reconsent::config;", 1, "`config`");
    assert_bad("src/lib.rs", "pub use store::Store;", 1, "`store`");
    assert_bad("src/lib.rs", "pub use self::store::Store;", 1, "`store`");
    assert_bad("src/misc/a.rs", "", 1, "not in the table");
    assert_bad("src/utils.rs", "", 1, "not in the table");
}

#[test]
fn climbing_out_of_a_module_is_seen() {
    assert_bad("src/domain/mod.rs", "use super::store::Store;", 1, "`store`");
    assert_bad("src/domain/email.rs", "use super::super::store::Store;", 1, "`store`");
    assert_bad("src/domain/email.rs", "use super::{ids, super::store};", 1, "`store`");
    assert_bad("src/telemetry.rs", "use super::{domain::ids};", 1, "`domain`");
    assert_bad("src/domain/email.rs", "mod tests {\n use super::super::super::store;\n}", 2, "`store`");
    assert_bad("src/domain/email.rs", "mod a { fn f() { if x {} } }\nuse super::super::store;", 2, "`store`");
    assert_bad("src/domain/email.rs", "use self::super::super::store;", 1, "`store`");
    assert_bad("src/domain/mod.rs", "use super as all;", 1, "whole crate");
}

#[test]
fn comments_and_literals_are_not_code() {
    assert_good("src/domain/a.rs", "//! [`crate::store`]\n/* crate::http /* crate::cli */ crate::mail */");
    assert_good("src/domain/a.rs", r##"const A: &str = "crate::store \" crate::http"; const B: char = '"';"##);
    assert_good("src/domain/a.rs", "const A: &str = r#\"crate::store \" crate::http\"#; const B: u8 = b'\\'';");
    assert_bad("src/domain/a.rs", "fn f<'a>(x: &'a str) { '\"'; crate::mail::x(); '\"' }", 1, "`mail`");
    assert_bad("src/domain/a.rs", "const A: &str = \"\n\n\"; use crate::mail;", 3, "`mail`");
    assert_bad("src/domain/a.rs", "const A: &str = r\"\\\"; use crate::mail;", 1, "`mail`");
}

#[test]
fn diesel_is_seen_outside_the_store_only() {
    let found = |name, text| SourceFile::new(name, text).diesel_outside_the_store().len();
    assert_eq!(found("src/store/x.rs", "use diesel::prelude::*;"), 0);
    assert_eq!(found("src/http/x.rs", "// diesel\nlet dieselish = \"diesel\";"), 0);
    assert_eq!(found("src/http/x.rs", "use diesel::prelude::*; #[derive(diesel::Queryable)] struct A;"), 2);
    assert_eq!(found("src/cli/x.rs", "use diesel_migrations::X;"), 1);
}

#[test]
fn reading_the_environment_is_seen() {
    let found = |name, text| SourceFile::new(name, text).environment_reads().len();
    assert_eq!(found("src/config/mod.rs", "use std::env;"), 0);
    assert_eq!(found("src/mail/x.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\"); use std::{fmt, fs};"), 0);
    assert_eq!(found("src/mail/x.rs", "fn f() { std::env::var(\"X\"); }"), 1);
    assert_eq!(found("src/mail/x.rs", "use std::{fmt, env::var};"), 1);
    assert_eq!(found("src/mail/x.rs", "use ::std::env;"), 1);
}
