//! Draws `.pictures/performance.svg` from `benches/figures.tsv`: one group of bars for each kind of work, each to its own
//! scale. What a line of the file holds stands in `support/figures.rs`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

const WIDTH: f64 = 760.0;
const LABELS: f64 = 250.0;
const BARS: f64 = 400.0;
const ROW: f64 = 24.0;

/// A bar.
struct Bar {
    who: String,
    rate: f64,
    ours: bool,
}

/// Bars by kind of work.
type Groups = Vec<(String, Vec<Bar>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let svg = draw(&read(&std::fs::read_to_string(here.join("benches/figures.tsv"))?)?);
    let picture = here.join(".pictures/performance.svg");
    // The benchmarks are all run in small by the tests, which must not leave anything changed behind.
    if std::env::args().any(|arg| arg == "--quick") {
        let stands = std::fs::read_to_string(&picture)? == svg;
        return if stands {
            Ok(())
        } else {
            Err("the picture is not what the figures say: cargo bench --bench chart".into())
        };
    }
    std::fs::write(&picture, svg)?;
    println!("wrote {}", picture.display());
    Ok(())
}

/// The groups in the order of the file.
fn read(text: &str) -> Result<Groups, Box<dyn Error>> {
    let mut groups = Groups::new();
    let mut places = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [work, whose, who, rate] = fields[..] else {
            return Err(format!("four fields are expected: {line}").into());
        };
        let place = *places.entry(work.to_owned()).or_insert_with(|| {
            groups.push((work.to_owned(), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(Bar { who: who.to_owned(), rate: rate.parse()?, ours: whose == "ours" });
    }
    Ok(groups)
}

fn draw(groups: &[(String, Vec<Bar>)]) -> String {
    let (mut body, mut y) = (String::new(), 8.0);
    for (work, bars) in groups {
        y += ROW;
        let _ = writeln!(body, r#"<text x="16" y="{y:.0}" font-weight="600">{}</text>"#, escaped(work));
        let most = bars.iter().map(|bar| bar.rate).fold(1.0, f64::max);
        y += 8.0;
        for bar in bars {
            let (middle, length) = (y + ROW * 0.66, (bar.rate / most * BARS).max(2.0));
            let colour = if bar.ours { "#1f6f54" } else { "#8a8f98" };
            let _ = writeln!(
                body,
                r#"<text x="{}" y="{middle:.0}" text-anchor="end">{}</text>"#,
                LABELS - 8.0,
                escaped(&bar.who)
            );
            let _ = writeln!(
                body,
                r#"<rect x="{LABELS}" y="{:.0}" width="{length:.1}" height="{:.0}" rx="2" fill="{colour}"/>"#,
                y + 3.0,
                ROW - 6.0
            );
            let _ = writeln!(
                body,
                r#"<text x="{:.1}" y="{middle:.0}">{}</text>"#,
                LABELS + length + 8.0,
                grouped(bar.rate)
            );
            y += ROW;
        }
    }
    let height = y + 16.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#1c1f23\" role=\"img\" \
         aria-label=\"Work done in a second, by kind of work\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// With a comma at the thousands.
fn grouped(rate: f64) -> String {
    let digits = format!("{rate:.0}");
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    if head.is_empty() { tail.to_owned() } else { format!("{head},{tail}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
