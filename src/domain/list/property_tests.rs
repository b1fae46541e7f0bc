//! Lists of any bytes, cut anywhere: the same events, bounded memory, and exports that read back.

use proptest::prelude::*;

use super::tests::{TIGHT, read_as, rows};
use super::*;

fn list_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "a@x.org",
        "b@é.org",
        "\"",
        "\"\"",
        ",",
        ",",
        "\n",
        "\n",
        "\r\n",
        "\r",
        ";",
        " ",
        "\t",
        "email",
        "name",
        "x\",\"",
        "ünï",
        "=",
        "none",
        "\u{feff}",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]);
    let text = prop::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat().into_bytes());
    let with_header = text.clone().prop_map(|text| [b"\xef\xbb\xbfemail,name,note\r\n".to_vec(), text].concat());
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    let noisy_rows = noise.clone().prop_map(|noise| [b"email,name\n".to_vec(), noise].concat());
    prop_oneof![3 => with_header, 1 => text, 1 => noise, 1 => noisy_rows]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cuts_make_no_difference_and_memory_is_bounded(
        bytes in list_bytes(),
        cuts in prop::collection::vec(1usize..9, 1..8),
        kind in prop::sample::select(vec![ListKind::Contacts, ListKind::DoNotMail]),
    ) {
        let whole = read_as(kind, TIGHT, &bytes);
        let mut reader = ListReader::new(kind, TIGHT);
        let mut events = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            events.extend(reader.push(piece));
            prop_assert!(reader.buffered() <= TIGHT.record_bytes);
            rest = after;
        }
        events.extend(reader.finish());
        prop_assert_eq!(&events, &whole);
        let headers = whole.iter().filter(|event| matches!(event, ListEvent::Header(_))).count();
        let fatal_at = whole.iter().position(|event| matches!(event, ListEvent::Fatal(_)));
        prop_assert!(headers <= 1 && fatal_at.is_none_or(|at| at == whole.len() - 1) && !whole.is_empty());
    }

    #[test]
    fn what_is_exported_reads_back(note in "[ -&(-~é＝]{0,40}", name in "[ -&(-~é＝]{0,40}") {
        let list = csv_line(&["email", "name", "note"]) + &csv_line(&["+a@x.org", &name, &note]);
        let row = rows(list.as_bytes()).remove(0).unwrap();
        prop_assert_eq!(row.email.as_sent(), "+a@x.org");
        prop_assert_eq!(row.name.as_ref().map_or("", |name| name.as_str()), name.trim());
        prop_assert_eq!(row.fields.get("note").map_or("", String::as_str), note.trim());
    }
}
