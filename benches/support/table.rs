//! Medians, and a table that can be pasted into the report.

/// The middle one, and the lowest and highest beside it.
pub fn median(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let of = |at: usize| sorted.get(at).copied().unwrap_or_default();
    (of(sorted.len() / 2), of(0), of(sorted.len().saturating_sub(1)))
}

/// `median (lowest to highest)`.
pub fn spread(values: &[f64], digits: usize) -> String {
    let (middle, low, high) = median(values);
    if values.len() < 2 {
        return format!("{middle:.digits$}");
    }
    format!("{middle:.digits$} ({low:.digits$} to {high:.digits$})")
}

/// A Markdown table.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|text| (*text).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |n: usize| self.rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max();
        for (n, row) in self.rows.iter().enumerate() {
            let cells = (0..columns).map(|m| {
                let cell = row.get(m).map_or("", String::as_str);
                format!("{cell:<width$}", width = width(m).unwrap_or_default())
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if n == 0 {
                println!("|{}", "---|".repeat(columns));
            }
        }
        println!();
    }
}
