//! Lists good and bad, row by row.

use super::*;
use crate::domain::basis::BasisKind;
use crate::domain::email::InvalidEmail;
use crate::domain::name::InvalidName;
use crate::domain::time::{InvalidTimestamp, Timestamp};

const CONTACTS: ListKind = ListKind::Contacts;

pub(super) fn read_as(kind: ListKind, limits: ListLimits, bytes: &[u8]) -> Vec<ListEvent> {
    let mut reader = ListReader::new(kind, limits);
    let mut events = reader.push(bytes);
    events.extend(reader.finish());
    events
}

pub(super) fn read(bytes: &[u8]) -> Vec<ListEvent> {
    read_as(CONTACTS, ListLimits::default(), bytes)
}

pub(super) fn header(bytes: &[u8]) -> ListHeader {
    match read(bytes).into_iter().next() {
        Some(ListEvent::Header(header)) => header,
        other => panic!("no header: {other:?}"),
    }
}

pub(super) fn fatal(bytes: &[u8]) -> ListProblem {
    match read(bytes).pop() {
        Some(ListEvent::Fatal(problem)) => problem,
        other => panic!("not fatal: {other:?}"),
    }
}

/// Rows in brief: line and address, or line, column and rule.
pub(super) fn brief(events: &[ListEvent]) -> Vec<String> {
    let rows = events.iter().filter_map(|event| match event {
        ListEvent::Row { line, outcome: Ok(row) } => Some(format!("{line} {}", row.email.as_sent())),
        ListEvent::Row { line, outcome: Err(problem) } => Some(format!("{line} {problem}")),
        ListEvent::Header(_) => None,
        ListEvent::Fatal(problem) => Some(format!("fatal: {problem}")),
    });
    rows.collect()
}

pub(super) fn rows(bytes: &[u8]) -> Vec<Result<ListRow, RowProblem>> {
    let rows = read(bytes).into_iter().filter_map(|event| match event {
        ListEvent::Row { outcome, .. } => Some(outcome),
        _ => None,
    });
    rows.collect()
}

#[test]
fn every_known_column_is_read_whatever_its_spelling() {
    let list = "E-Mail Address;First-Name;SURNAME;Lawful basis;collected_at;Valid Until;How;Sale-Ref;refusal offered;\
                similar_products_scope;Charitable Interest;Evidence;Café / Size;\n\
                Ann@Example.org; Ann ;\"O\"\"Hara; jr\";Soft Opt-In;2026-03-01;2027-01-01T00:00:00Z;till;INV-7;Yes;garden tools;none;box 7;=38;\n";
    let row = rows(list.as_bytes()).remove(0).unwrap();
    assert_eq!(row.email.as_sent(), "Ann@example.org");
    assert_eq!(row.name.as_ref().unwrap().as_str(), "Ann O\"Hara; jr");
    let at = |text: &str| Some(Timestamp::parse(text).unwrap());
    let text = |text: &str| Some(text.to_owned());
    let expected = Claimed {
        basis: Some(BasisKind::SoftOptIn),
        collected_at: at("2026-03-01"),
        valid_until: at("2027-01-01"),
        how: text("till"),
        sale_ref: text("INV-7"),
        refusal_offered: Some(true),
        similar_products_scope: text("garden tools"),
        charitable_interest: text("none"),
        evidence: text("box 7"),
    };
    assert!(row.claimed == expected, "{:?}", row.claimed);
    assert_eq!(row.fields, [("cafe-size".to_owned(), "=38".to_owned())].into());
    assert_eq!(header(list.as_bytes()).columns.last().unwrap().role, ColumnRole::Ignored);
}

#[test]
fn the_delimiter_shows_in_the_header() {
    let cases: &[(&str, Delimiter)] = &[
        ("email,name\n", Delimiter::Comma),
        ("email;name\n", Delimiter::Semicolon),
        ("name\te-mail\n", Delimiter::Tab),
        ("name|mail", Delimiter::Pipe),
        ("email\n", Delimiter::Comma),
        ("\"a,b,c,d\";email\n", Delimiter::Semicolon),
        ("email;notes, remarks, and more\n", Delimiter::Semicolon),
        ("\u{feff}\"Email\";\"Name\"\r\n", Delimiter::Semicolon),
        ("\u{feff}\r\n\r\nsep=;\r\nemail;x,y\r\n", Delimiter::Semicolon),
        ("SEP=|\nemail\n", Delimiter::Pipe),
    ];
    for (list, delimiter) in cases {
        assert_eq!(header(list.as_bytes()).delimiter, *delimiter, "{list:?}");
        assert!(header(list.as_bytes()).columns.iter().any(|column| column.name == "email"), "{list:?}");
    }
}

#[test]
fn line_ends_of_all_kinds_and_blank_rows() {
    for end in ["\n", "\r\n", "\r"] {
        let list = ["email,name", "a@x.org,A", "", " , ", "\"b@x.org\" , \"B\"", "c@x.org,"].join(end);
        assert_eq!(brief(&read(list.as_bytes())), ["2 a@x.org", "5 b@x.org", "6 c@x.org"], "{end:?}");
    }
}

#[test]
fn a_bad_row_names_column_and_rule_and_the_rest_is_read() {
    let cases: &[(&[u8], Option<&str>, Rule)] = &[
        (b",,,,", Some("email"), InvalidEmail::Empty.into()),
        (b"nobody,,,,x", Some("email"), InvalidEmail::Shape.into()),
        (b"a@x.org,,,,\xe9t\xe9", Some("city"), Rule::NotUtf8),
        (b"a@x.org,Ren\xe9,,,", Some("name"), Rule::NotUtf8),
        (b"a@x.org,A\0,,,", Some("name"), Rule::Control),
        (b"a@x.org,\"A\nB\",,,", Some("name"), Rule::Control),
        ("a@x.org,A\u{202e}B,,,".as_bytes(), Some("name"), Rule::Control),
        (b"a@x.org,,perhaps,,", Some("basis"), Rule::Basis),
        (b"a@x.org,,,24.11.2026,", Some("collected_at"), InvalidTimestamp.into()),
        (b"a@x.org,A", None, Rule::TooFewCells),
        (b"a@x.org,Doe, Jane,none,,", None, Rule::TooManyCells),
        (b"a@x.org,\"A\" B,,,", Some("name"), Rule::TextAfterQuote),
    ];
    for (line, column, rule) in cases {
        let blank = line.iter().all(|b| *b == b',');
        let list = [b"email,name,basis,collected_at,city\n", *line, b"\nz@x.org,,,,\n"].concat();
        let rows = rows(&list);
        assert_eq!(rows.len(), if blank { 1 } else { 2 }, "{rows:?}");
        if !blank {
            assert_eq!(rows[0], Err(RowProblem { column: column.map(str::to_owned), rule: *rule }), "{line:?}");
        }
        assert!(rows.last().unwrap().is_ok());
    }
    let long_name = format!("email,name,how\na@x.org,{},\na@x.org,,{}\n", "n".repeat(201), "h".repeat(501));
    let rules: Vec<Rule> = rows(long_name.as_bytes()).into_iter().map(|row| row.unwrap_err().rule).collect();
    assert_eq!(rules, [InvalidName::TooLong.into(), Rule::TextTooLong { max: 500 }]);
    assert_eq!(
        rows(b"email,refusal_offered\na@x.org,oui\n")[0].as_ref().unwrap_err().to_string(),
        "column refusal_offered: expected yes or no (true, false, 1, 0)"
    );
    assert_eq!(rows(b"email,name\n,A\n")[0].as_ref().unwrap_err().rule, InvalidEmail::Empty.into());
}

#[test]
fn odd_but_good_rows() {
    let list =
        b"email,name,size\na@x.org,=cmd(),5\" pipe\na@x.org,\"Doe, \"\"J\"\"\",\"\"\n\xc2\xa0a@x.org\xc2\xa0,'+1,''\n";
    let rows: Vec<ListRow> = rows(list).into_iter().map(Result::unwrap).collect();
    let name = |index: usize| rows[index].name.as_ref().unwrap().as_str();
    assert_eq!((name(0), rows[0].fields["size"].as_str()), ("=cmd()", "5\" pipe"));
    assert_eq!((name(1), rows[1].fields.len()), ("Doe, \"J\"", 0));
    assert_eq!((name(2), rows[2].fields["size"].as_str()), ("+1", "''"));
}

#[test]
fn lists_that_cannot_be_read_say_why() {
    let utf16: Vec<u8> = "email,name\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = format!("email,{}", vec!["x"; 100].join(","));
    let many: String = (0..21).map(|n| format!(",f{n}")).collect();
    let no_email = |found: &[&str], nearest: Option<&str>| ListProblem::NoEmailColumn {
        found: found.iter().map(|name| (*name).to_owned()).collect(),
        nearest: nearest.map(str::to_owned),
    };
    let cases: Vec<(Vec<u8>, ListProblem)> = vec![
        (b"".to_vec(), ListProblem::Empty),
        (b"\xef\xbb\xbf\r\n \r\n".to_vec(), ListProblem::Empty),
        (b"ann@example.org,Ann\n".to_vec(), ListProblem::NoHeader),
        (b"name,emial,city\n".to_vec(), no_email(&["name", "emial", "city"], Some("emial"))),
        (b"Name;Mailbox (work)\n".to_vec(), no_email(&["Name", "Mailbox (work)"], Some("Mailbox (work)"))),
        (b"name,city\n".to_vec(), no_email(&["name", "city"], None)),
        ([b"\xff\xfe", &utf16[..]].concat(), ListProblem::Encoding("UTF-16")),
        (utf16, ListProblem::Encoding("UTF-16")),
        (b"PK\x03\x04rest".to_vec(), ListProblem::Binary("a ZIP archive or an XLSX or ODS spreadsheet")),
        (b"ab\0cdefghij\n".to_vec(), ListProblem::Binary("binary data")),
        (b"email,stra\xdfe\n".to_vec(), ListProblem::HeaderNotUtf8 { position: 2 }),
        (wide.into_bytes(), ListProblem::TooManyColumns { max: 100 }),
        (b"email,E-Mail\n".to_vec(), ListProblem::DuplicateColumn { name: "email".into() }),
        (b"email,Town_1,town-1\n".to_vec(), ListProblem::DuplicateColumn { name: "town-1".into() }),
        (format!("email{many}\n").into_bytes(), ListProblem::TooManyFields { max: 20 }),
        (b"email,\"name\na@x.org,A\n".to_vec(), ListProblem::HeaderBroken(Rule::UnclosedQuote)),
        (vec![b'x'; 70_000], ListProblem::HeaderBroken(Rule::RecordTooLong { max: 65_536 })),
        ([b"email,\"n\n".to_vec(), vec![b'x'; 70_000]].concat(), ListProblem::HeaderBroken(Rule::UnclosedQuote)),
    ];
    for (bytes, problem) in cases {
        assert_eq!(fatal(&bytes), problem, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }
    assert_eq!(
        no_email(&["name", "emial"], Some("emial")).to_string(),
        "no column is called email; found: name, emial; did you mean emial? Call it email"
    );
}

#[test]
fn the_row_limit_ends_the_reading() {
    let limits = ListLimits { rows: 2, ..ListLimits::default() };
    let mut reader = ListReader::new(CONTACTS, limits);
    let events = reader.push(b"email\na@x.org\n\nb@x.org\n\n\nc@x.org\nd@x.org\n");
    assert_eq!(brief(&events), ["2 a@x.org", "4 b@x.org", "fatal: more than 2 rows; split the list"]);
    assert!(reader.is_over() && reader.push(b"e@x.org\n").is_empty() && reader.finish().is_empty());
}

#[test]
fn a_giant_cell_is_not_held() {
    for quote in ["", "\""] {
        let mut reader = ListReader::new(CONTACTS, ListLimits::default());
        let mut events = reader.push(format!("email,note\na@x.org,{quote}").as_bytes());
        for _ in 0..160 {
            events.extend(reader.push(&[b'x'; 64 * 1024]));
            assert!(reader.buffered() <= 64 * 1024);
        }
        events.extend(reader.push(format!("{quote}\nb@x.org,\n").as_bytes()));
        events.extend(reader.finish());
        assert_eq!(brief(&events), ["2 column note: cell too long: at most 4096 bytes", "3 b@x.org"]);
    }
}

#[test]
fn an_unclosed_quote_costs_one_row() {
    let row_after: String = (0..5000).map(|n| format!("p{n}@x.org,\n")).collect();
    for rest in [row_after.as_str(), "p0@x.org,\np1@x.org,"] {
        let list = format!("email,note\na@x.org,\"oops\r\n{rest}");
        let lines = brief(&read(list.as_bytes()));
        assert!(lines[0].starts_with("2 column note: a quote is opened and never closed"), "{}", lines[0]);
        assert_eq!(lines.len(), 1 + rest.lines().count());
        for (n, line) in lines[1..].iter().enumerate() {
            assert_eq!(line, &format!("{} p{n}@x.org", n + 3));
        }
    }
}

#[test]
fn quotes_made_to_be_read_again_and_again_are_read_twice_at_most() {
    // Each line opens a quote that, read from there, never closes: read again from every line, this takes hours.
    let list = format!("email,note\n{}", "x\",\"\n".repeat(1_000_000));
    assert!(brief(&read(list.as_bytes())).iter().all(|line| line.contains("column ")));
}

#[test]
fn a_stop_is_taken_although_the_rest_of_its_row_is_broken() {
    let long = "x".repeat(5000);
    let list = [
        b"note,email,name,name\n,a@x.org,Ren\xe9,\n,b@x.org\n,c@x.org,Doe, Jane,\0\n".as_slice(),
        long.as_bytes(),
        b",d@x.org,,\n,e@x.org,\"J\" D,\n\"x\" y,f@x.org,,\n,g\xe9@x.org,,\n,h@x.org,\"open,\n,i@x.org,,",
    ]
    .concat();
    let events = read_as(ListKind::DoNotMail, ListLimits::default(), &list);
    assert_eq!(
        brief(&events),
        [
            "2 a@x.org",
            "3 b@x.org",
            "4 c@x.org",
            "5 d@x.org",
            "6 e@x.org",
            "7 column note: there is text after the closing quote; a quote inside a quoted cell is written twice",
            "8 column email: is not UTF-8; save the list as CSV in UTF-8",
            "9 h@x.org",
            "10 i@x.org"
        ]
    );
    let ListEvent::Row { outcome: Ok(row), .. } = &events[3] else { panic!() };
    assert!(row.name.is_none() && row.fields.is_empty() && row.claimed == Claimed::default());
}

#[test]
fn a_row_goes_before_the_declaration() {
    let list = b"email,basis,how,refusal_offered\na@x.org,,,\nb@x.org,none,phone,no\n";
    let rows: Vec<ListRow> = rows(list).into_iter().map(Result::unwrap).collect();
    let mut declaration = Declaration {
        claimed: Claimed {
            basis: Some(BasisKind::Consent),
            how: Some("form".into()),
            refusal_offered: Some(true),
            collected_at: Some(Timestamp::parse("2026-01-01").unwrap()),
            ..Claimed::default()
        },
        statement: Some("I ran the form".into()),
        ..Declaration::default()
    };
    assert!(!claim(&rows[0], &declaration).attested, "nobody stands for the statement");
    declaration.attester = Some("R. Roe".into());
    let (first, second) = (claim(&rows[0], &declaration), claim(&rows[1], &declaration));
    assert_eq!(
        (first.kind, first.how.as_deref(), first.refusal_offered, first.attested),
        (BasisKind::Consent, Some("form"), true, true)
    );
    assert!(first.missing(Timestamp::parse("2026-11-24").unwrap()).is_empty());
    assert_eq!((second.kind, second.how.as_deref(), second.refusal_offered), (BasisKind::None, Some("phone"), false));
    let stored = serde_json::to_string(&declaration).unwrap();
    assert!(serde_json::from_str::<Declaration>(&stored).unwrap() == declaration);
    assert_eq!(claim(&rows[0], &Declaration::default()).kind, BasisKind::None);
}

#[test]
fn debug_shows_nobody() {
    let list = b"email,name,how,sale_ref,evidence,town\nsecret@x.org,Secret,secret how,secret sale,secret box,Secretville\nsecret,,,,,\n";
    let shown = format!("{:?}", read(list)) + &format!("{:?}", preview(list, CONTACTS, ListLimits::default(), 5));
    assert!(!shown.to_lowercase().contains("secret"), "{shown}");
    let declaration =
        Declaration { statement: Some("secret".into()), attester: Some("secret".into()), ..Declaration::default() };
    assert!(!format!("{declaration:?}").contains("secret"));
}

#[test]
fn a_preview_reads_no_further_than_asked() {
    let list = format!("email\n{}", "a@x.org\nbroken\n".repeat(10_000));
    let seen = preview(list.as_bytes(), CONTACTS, ListLimits { rows: 3, ..ListLimits::default() }, 3);
    assert_eq!((seen.rows.len(), seen.fatal), (3, None));
    assert_eq!(seen.rows[1].0, 3);
    assert!(seen.header.is_some() && seen.rows[0].1.is_ok() && seen.rows[1].1.is_err());
    assert_eq!(preview(b"", CONTACTS, ListLimits::default(), 3).fatal, Some(ListProblem::Empty));
    assert_eq!(preview(b"email\na@x.org", CONTACTS, ListLimits::default(), 3).rows.len(), 1);
}

#[test]
fn exported_cells_are_text() {
    for active in ["=1+1", "+44", "-1", "@x", "\t=", "\r=", "\0", "＝1", "＋1", "－1", "＠x", " =1"] {
        assert_eq!(neutralise_cell(active), format!("'{active}"));
    }
    for plain in ["", "a=1", "'x", "Ann", "é", "1-2"] {
        assert_eq!(neutralise_cell(plain), plain);
    }
    assert_eq!(
        csv_line(&["a", "", "x,y", "say \"hi\"", "=A1", "l\nb", " b"]),
        "a,,\"x,y\",\"say \"\"hi\"\"\",'=A1,\"l\nb\",\" b\"\r\n"
    );
    assert_eq!(csv_line(&[]), "\r\n");
}

/// Small limits, so that short inputs run into them.
pub(super) const TIGHT: ListLimits = ListLimits { cell_bytes: 24, columns: 5, rows: 12, record_bytes: 48 };
