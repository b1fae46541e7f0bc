//! The plan of the house, kept by a test because inside one crate the compiler does not keep it: which module may
//! lean on which, that only the store knows diesel, that only `config` and `cli` read the environment, and that a
//! file says what it is for and stays small enough to be read.
//!
//! The source is read as text: comments and literals are blanked, the rest is cut into words, and each path that
//! starts with `crate`, `self` or `super` is followed to the top-level module it reaches. Names that a macro puts
//! together are not seen.

use std::{fmt, fs, path::Path};

use words::{Word, blank, cut_into_words, is_name};

#[path = "architecture/samples.rs"]
mod samples;
#[path = "architecture/words.rs"]
mod words;

/// What each module may name after `crate::`. The module itself is always allowed; one that is not listed fails.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("crypto", &[]),
    ("sandbox", &[]),
    ("telemetry", &[]),
    ("ledger", &["domain", "crypto"]),
    ("links", &["domain", "crypto"]),
    ("mail", &["domain", "crypto"]),
    ("campaign_monitor", &["domain", "crypto"]),
    ("store", &["domain", "crypto", "ledger"]),
    ("usecases", &["domain", "crypto", "ledger", "links", "mail", "campaign_monitor", "store"]),
    ("worker", &["domain", "store", "usecases"]),
    ("http", &["domain", "usecases", "store"]),
    ("config", ALL_BUT_CLI),
    ("cli", ALL_BUT_CLI),
    // `main.rs` parses nothing and builds nothing: it hands over.
    ("main", &["cli"]),
    // `lib.rs` is the map: it declares modules and re-exports none of them.
    ("lib", &[]),
];

/// For `config`, which gathers the settings types of all modules, and for `cli`, which builds the house.
const ALL_BUT_CLI: &[&str] = &[
    "domain",
    "crypto",
    "sandbox",
    "telemetry",
    "ledger",
    "links",
    "mail",
    "campaign_monitor",
    "store",
    "usecases",
    "worker",
    "http",
    "config",
];

/// Where the environment may be read: settings are gathered in one place and passed on as values.
const MAY_READ_ENVIRONMENT: &[&str] = &["config", "cli"];

/// A file longer than this holds more than one meaning.
const MOST_LINES: usize = 400;

#[test]
fn every_module_leans_only_on_what_it_may() {
    assert_none(offences(|file| file.foreign_imports()));
}

#[test]
fn only_the_store_knows_diesel() {
    assert_none(offences(|file| file.diesel_outside_the_store()));
}

#[test]
fn only_config_and_cli_read_the_environment() {
    assert_none(offences(|file| file.environment_reads()));
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_none(offences(|file| match file.text.lines().next() {
        Some(first) if first.starts_with("//!") => Vec::new(),
        _ => vec![file.offence(1, "does not begin with a `//!` comment that says what the file is for")],
    }));
}

#[test]
fn every_file_is_short_enough_to_read() {
    assert_none(offences(|file| match file.text.lines().count() {
        0..=MOST_LINES => Vec::new(),
        lines => vec![file.offence(lines, &format!("has {lines} lines, more than {MOST_LINES}: split it by meaning"))],
    }));
}

// ---------------------------------------------------------------------------------------------- the source tree

fn offences(check: impl Fn(&SourceFile) -> Vec<Offence>) -> Vec<Offence> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    read_folder(&root.join("src"), root, &mut files);
    assert!(files.len() >= 2, "found {} source files under src: there is nothing to check", files.len());
    files.iter().flat_map(check).collect()
}

fn read_folder(folder: &Path, root: &Path, files: &mut Vec<SourceFile>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder lists its entries").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_folder(&path, root, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(SourceFile::new(&name, &text));
        }
    }
}

fn assert_none(offences: Vec<Offence>) {
    let list: Vec<String> = offences.iter().map(Offence::to_string).collect();
    assert!(list.is_empty(), "{} offence(s):\n{}", list.len(), list.join("\n"));
}

#[derive(Debug)]
struct Offence {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

struct SourceFile {
    name: String,
    text: String,
    words: Vec<Word>,
    /// The module path of the file: empty for `lib.rs` and `main.rs`, `["store", "outbox"]` for `src/store/outbox.rs`.
    module: Vec<String>,
}

impl SourceFile {
    fn new(name: &str, text: &str) -> Self {
        let inner = name.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
        let at_top = module.len() == 1;
        if module.last().is_some_and(|last| last == "mod" || (at_top && (last == "lib" || last == "main"))) {
            module.pop();
        }
        Self { name: name.to_owned(), text: text.to_owned(), words: cut_into_words(&blank(text)), module }
    }

    /// The row of the table this file stands under.
    fn owner(&self) -> &str {
        match self.module.first() {
            Some(first) => first,
            None if self.name.ends_with("main.rs") => "main",
            None => "lib",
        }
    }

    fn offence(&self, line: usize, what: &str) -> Offence {
        Offence { file: self.name.clone(), line, what: what.to_owned() }
    }

    fn foreign_imports(&self) -> Vec<Offence> {
        let owner = self.owner();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(module, _)| *module == owner) else {
            return vec![self.offence(1, &format!("`{owner}` is not in the table of tests/architecture.rs"))];
        };
        let mut found = Vec::new();
        for reached in self.paths_of_ours() {
            if reached.name == owner || allowed.contains(&reached.name.as_str()) {
                continue;
            }
            let what = match reached.name.as_str() {
                "crate" => format!("`{owner}` takes hold of the whole crate: name the module"),
                "path" => "#[path] hides which module a file is".to_owned(),
                name => format!("`{owner}` must not lean on `{name}`"),
            };
            found.push(self.offence(reached.line, &what));
        }
        found
    }

    fn diesel_outside_the_store(&self) -> Vec<Offence> {
        if self.owner() == "store" {
            return Vec::new();
        }
        let named = self.words.iter().filter(|word| word.text == "diesel" || word.text.starts_with("diesel_"));
        named.map(|word| self.offence(word.line, &format!("`{}` is known to the store only", word.text))).collect()
    }

    fn environment_reads(&self) -> Vec<Offence> {
        if MAY_READ_ENVIRONMENT.contains(&self.owner()) {
            return Vec::new();
        }
        let mut reached = Vec::new();
        for at in 0..self.words.len() {
            if self.word(at) == "std" && self.word(at + 1) == "::" && self.is_path_start(at) {
                self.follow(at + 1, Vec::new(), &mut reached);
            }
        }
        let reads = reached.iter().filter(|reached| reached.name == "env" || reached.name == "crate");
        reads.map(|reached| self.offence(reached.line, "only `config` and `cli` read the environment")).collect()
    }

    /// Every top-level name of ours that a path in this file reaches, with its line.
    fn paths_of_ours(&self) -> Vec<Reached> {
        let mut reached = Vec::new();
        let mut inline_modules: Vec<(String, usize)> = Vec::new();
        let mut depth = 0_usize;
        for at in 0..self.words.len() {
            let line = self.words[at].line;
            match self.word(at) {
                "{" => {
                    depth += 1;
                    if at >= 2 && self.word(at - 2) == "mod" {
                        inline_modules.push((self.word(at - 1).to_owned(), depth));
                    }
                }
                "}" => {
                    inline_modules.pop_if(|(_, opened_at)| *opened_at == depth);
                    depth = depth.saturating_sub(1);
                }
                "crate" if self.is_path_start(at) => self.follow(at + 1, Vec::new(), &mut reached),
                "self" if self.is_path_start(at) && self.word(at + 1) == "::" => {
                    self.follow(at + 1, self.path_within(&inline_modules), &mut reached);
                }
                "super" if self.is_path_start(at) && matches!(self.word(at + 1), "::" | "as") => {
                    let mut base = self.path_within(&inline_modules);
                    base.pop();
                    self.follow(at + 1, base, &mut reached);
                }
                // The binary names the library by its name; inside the library that name is a way around the rule.
                "reconsent" if self.is_path_start(at) && matches!(self.word(at + 1), "::" | "as" | ";") => {
                    self.follow(at + 1, Vec::new(), &mut reached);
                }
                "self" if self.word(at.wrapping_sub(1)) == "crate" && self.word(at.wrapping_sub(2)) == "extern" => {
                    reached.push(Reached { name: "crate".into(), line });
                }
                "path" if self.word(at.wrapping_sub(1)) == "[" && self.word(at + 1) == "=" => {
                    reached.push(Reached { name: "path".into(), line });
                }
                // In the crate's root a bare name is a module of ours; anywhere else it cannot be one.
                name if self.module.is_empty()
                    && inline_modules.is_empty()
                    && self.is_path_start(at)
                    && self.word(at + 1) == "::"
                    && MAY_IMPORT.iter().any(|(module, _)| *module == name) =>
                {
                    reached.push(Reached { name: name.to_owned(), line });
                }
                _ => {}
            }
        }
        reached
    }

    fn path_within(&self, inline_modules: &[(String, usize)]) -> Vec<String> {
        let inner = inline_modules.iter().map(|(name, _)| name.clone());
        self.module.iter().cloned().chain(inner).collect()
    }

    /// Follows a path from the word after its first one, through groups, until it has named a top-level module.
    fn follow(&self, mut at: usize, mut base: Vec<String>, reached: &mut Vec<Reached>) {
        loop {
            let line = self.words.get(at).map_or(0, |word| word.line);
            match self.word(at) {
                "::" => {}
                "as" | ";" if base.is_empty() => {
                    return reached.push(Reached { name: "crate".into(), line });
                }
                _ => return,
            }
            match self.word(at + 1) {
                "self" => {
                    if base.is_empty() && self.word(at + 2) != "::" {
                        return reached.push(Reached { name: "crate".into(), line });
                    }
                }
                "super" => {
                    base.pop();
                }
                "*" if base.is_empty() => {
                    return reached.push(Reached { name: "crate".into(), line });
                }
                "{" => return self.follow_group(at + 2, &base, reached),
                name if base.is_empty() => {
                    return reached.push(Reached { name: name.to_owned(), line });
                }
                _ => return,
            }
            at += 2;
        }
    }

    fn follow_group(&self, first: usize, base: &[String], reached: &mut Vec<Reached>) {
        let (mut at, mut depth, mut starts) = (first, 0_usize, true);
        while at < self.words.len() {
            let line = self.words[at].line;
            match self.word(at) {
                "}" if depth == 0 => return,
                "}" => depth -= 1,
                "{" => depth += 1,
                "," if depth == 0 => starts = true,
                name if starts => {
                    starts = false;
                    match name {
                        "super" => {
                            let climbed = &base[..base.len().saturating_sub(1)];
                            self.follow(at + 1, climbed.to_vec(), reached);
                        }
                        "self" if self.word(at + 1) == "::" => self.follow(at + 1, base.to_vec(), reached),
                        "self" | "*" if base.is_empty() => reached.push(Reached { name: "crate".into(), line }),
                        name if base.is_empty() => reached.push(Reached { name: name.to_owned(), line }),
                        _ => {}
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.text.as_str())
    }

    /// Whether the word at `at` begins a path, rather than continuing one. `::name`, as in `use ::std`, begins one.
    fn is_path_start(&self, at: usize) -> bool {
        if self.word(at.wrapping_sub(1)) != "::" {
            return true;
        }
        let before = self.word(at.wrapping_sub(2));
        let continues = before == ">" || before.chars().next().is_some_and(is_name);
        !continues || matches!(before, "use" | "in" | "as" | "return" | "mut" | "dyn" | "impl" | "for" | "where")
    }
}

struct Reached {
    name: String,
    line: usize,
}
