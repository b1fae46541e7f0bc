//! The people of the demo. All are invented, at domains that nobody can own (RFC 2606); together they show every kind
//! of eligibility.

use std::path::Path;

use crate::cli::exit::{Exit, Failure};
use crate::domain::time::{Period, Timestamp};

/// The largest list that the demo takes.
const LARGEST: u64 = 50 * 1024 * 1024;

/// Reads the visitor's list.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failure = |why: String| Failure::new(Exit::Usage, format!("--contacts: {}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failure(error.to_string()))?.len();
    if size > LARGEST {
        return Err(failure(format!("the demo takes at most {} MiB", LARGEST / (1024 * 1024))));
    }
    std::fs::read(path).map_err(|error| failure(error.to_string()))
}

/// The day this long before `now`.
pub(super) fn day_before(now: Timestamp, period: &str) -> String {
    let then = Period::parse(period).map_or(now, |period| period.before(now));
    then.to_string().chars().take(10).collect()
}

/// The people whom the never-mail list names.
pub(super) fn never_mail() -> Vec<u8> {
    b"email\nnora.never@example.org\nnils.never@example.com\n".to_vec()
}

/// The list: who may be asked, who may not, and rows that are none.
pub(super) fn invented(now: Timestamp) -> Vec<u8> {
    let months = |n: u32| day_before(now, &format!("P{n}M"));
    // name, address, basis, collected, how, sale, refusal offered, products, charity
    let mut rows: Vec<[String; 9]> = Vec::new();
    let mut row = |cells: [&str; 9]| rows.push(cells.map(ToOwned::to_owned));
    let recent = [months(3), months(7), months(11), months(14), months(20)];
    for (index, (name, address)) in [
        ("Ada Archer", "ada.archer@example.org"),
        ("Ben Baker", "ben.baker@example.com"),
        ("Clara Cook", "clara.cook@example.org"),
        ("Dev Das", "dev.das@example.net"),
        ("Elif Ekin", "elif.ekin@example.org"),
        ("Finn Fox", "finn.fox@example.com"),
        ("Grace Green", "grace.green@example.org"),
        ("Hugo Hill", "hugo.hill@example.net"),
    ]
    .into_iter()
    .enumerate()
    {
        row([name, address, "consent", &recent[index % recent.len()], "paper form in the shop", "", "", "", ""]);
    }
    let sale = |row: &mut dyn FnMut([&str; 9]), name, address, sale_ref, refusal| {
        row([name, address, "soft_opt_in", &recent[1], "till", sale_ref, refusal, "garden tools", ""]);
    };
    sale(&mut row, "Ida Irving", "ida.irving@example.org", "INV-1042", "yes");
    sale(&mut row, "Jon Jones", "jon.jones@example.com", "INV-1077", "yes");
    // Incomplete: which sale, or was refusing offered?
    sale(&mut row, "Kim Kaur", "kim.kaur@example.org", "", "yes");
    sale(&mut row, "Lea Lowe", "lea.lowe@example.net", "INV-1101", "no");
    // A charity's soft opt-in counts from 5 February 2026 on, and only with the interest shown.
    row([
        "Mia Moss",
        "mia.moss@example.org",
        "charity_soft_opt_in",
        "2026-01-10",
        "open day",
        "",
        "yes",
        "",
        "gave in January 2026",
    ]);
    row([
        "Noah Nash",
        "noah.nash@example.com",
        "charity_soft_opt_in",
        "2026-03-02",
        "open day",
        "",
        "yes",
        "",
        "volunteered in March 2026",
    ]);
    row(["Orchard Supplies Ltd", "office@example.com", "corporate", &months(9), "trade fair", "", "", "", ""]);
    row(["Pat Park", "pat.park@example.org", "none", "", "", "", "", "", ""]);
    row(["Quinn Quill", "quinn.quill@example.net", "", "", "", "", "", "", ""]);
    // A consent that has run to its end, and one whose time nobody knows.
    row(["Rosa Reed", "rosa.reed@example.org", "consent", &months(40), "paper form in the shop", "", "", "", ""]);
    row(["Sam Stone", "sam.stone@example.com", "consent", "", "paper form in the shop", "", "", "", ""]);
    row(["Nora Never", "nora.never@example.org", "consent", &months(3), "paper form in the shop", "", "", "", ""]);
    row(["Nils Never", "nils.never@example.com", "consent", &months(3), "paper form in the shop", "", "", "", ""]);
    row(["Ada Archer", "Ada.Archer@EXAMPLE.org", "consent", &months(3), "paper form in the shop", "", "", "", ""]);
    row(["Tom Typo", "tom.typo@@example.org", "consent", &months(3), "paper form in the shop", "", "", "", ""]);
    row(["Uma Unfinished", "uma.unfinished", "consent", &months(3), "paper form in the shop", "", "", "", ""]);
    let mut text = String::from(
        "name,email,basis,collected_at,how,sale_ref,refusal_offered,similar_products_scope,charitable_interest\n",
    );
    for row in rows {
        text.push_str(&row.join(","));
        text.push('\n');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invented_list_is_whole_and_nobody_owns_its_addresses() {
        let now = Timestamp::parse("2026-11-24T09:30:00Z").unwrap();
        let list = String::from_utf8(invented(now)).unwrap();
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(lines.len(), 25);
        for line in &lines {
            assert_eq!(line.matches(',').count(), 8, "{line}");
        }
        for line in &lines[1..] {
            let lower = line.to_lowercase();
            assert!(lower.contains("@example.") || lower.contains(",uma.unfinished,"), "{line}");
        }
        assert_eq!(day_before(now, "P3M"), "2026-08-24");
    }
}
