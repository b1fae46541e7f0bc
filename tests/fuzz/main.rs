//! A short fuzz run on the stable toolchain. Each target takes bytes, feeds one reader of the outside world and asserts
//! what that reader promises; here each gets 20,000 inputs, mutated from a corpus by a seeded generator, so that a
//! failure comes back on every machine. `FUZZ_ROUNDS` and `FUZZ_SEED` make it longer or different.

mod addresses;
mod faults;
mod links;
mod mutate;
mod names;
mod outside;
mod times;

use mutate::Mutator;

fn run(target: &str, corpus: &[Vec<u8>], mut check: impl FnMut(&[u8])) {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = setting("FUZZ_SEED").unwrap_or(0x5eed_c0de);
    let mut mutator = Mutator::seeded(seed);
    corpus.iter().for_each(|input| check(input));
    for round in 0..setting("FUZZ_ROUNDS").unwrap_or(20_000) {
        let input = mutator.next_input(corpus);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&input)));
        assert!(outcome.is_ok(), "{target}, seed {seed}, round {round}: {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn link_opener() {
    let house = links::House::new();
    run("links", &house.corpus(), |data| house.run(data));
}

#[test]
fn email_addresses() {
    run("addresses", &addresses::corpus(), addresses::run);
}

#[test]
fn fault_rules() {
    run("faults", &faults::corpus(), faults::run);
}

#[test]
fn display_names() {
    run("names", &names::corpus(), names::run);
}

#[test]
fn timestamps() {
    run("timestamps", &times::timestamps(), times::run_timestamp);
}

#[test]
fn periods() {
    run("periods", &times::periods(), times::run_period);
}

#[test]
fn uploaded_lists() {
    run("lists", &outside::lists(), outside::run_list);
}

#[test]
fn provider_callbacks() {
    run("callbacks", &outside::callbacks(), outside::run_callback);
}

#[test]
fn token_answers() {
    run("tokens", &outside::token_answers(), outside::run_token_answer);
}

#[test]
fn marketers_texts() {
    run("templates", &outside::templates(), outside::run_template);
}

#[test]
fn sealed_values() {
    let sealed = outside::Sealed::new();
    run("sealed", &sealed.corpus(), |data| sealed.run(data));
}
