//! The figures that the picture in the README is drawn from: kept by `--keep`, drawn by `cargo bench --bench chart`.

use super::Outcome;
use super::house::Engine;
use super::options::Options;

/// A line of `figures.tsv`: whose it is (`ours` or `other`), who does the work, how many in a second.
pub type Figure<'a> = (&'a str, &'a str, f64);

/// Puts the figures of a kind of work in place of those kept so far, if that is wished.
pub fn keep(options: &Options, engine: Engine, work: &str, figures: &[Figure<'_>]) -> Outcome<()> {
    if !options.keep {
        return Ok(());
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures.tsv");
    let work = format!("{work}, {}", engine.name());
    let kept = std::fs::read_to_string(path)?;
    let of_it = |line: &&str| line.split('\t').next() == Some(&work);
    let place = kept.lines().position(|line| of_it(&line)).unwrap_or(usize::MAX);
    let mut lines: Vec<String> = kept.lines().filter(|line| !of_it(line)).map(str::to_owned).collect();
    let place = place.min(lines.len());
    let new = figures.iter().map(|(whose, who, rate)| format!("{work}\t{whose}\t{who}\t{rate:.0}"));
    lines.splice(place..place, new);
    std::fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}
