//! What comes from outside in bulk: uploaded lists, the provider's callbacks and tokens, marketers' mail texts, sealed values.

use reconsent::campaign_monitor::payload::MOST_EVENTS;
use reconsent::campaign_monitor::{GrantError, parse_batch, parse_grant};
use reconsent::crypto::{Key, Place, field};
use reconsent::domain::list::{ListKind, ListLimits, ListReader};
use reconsent::mail::check_template;

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn lists() -> Vec<Vec<u8>> {
    texts(&[
        "email,name\nana@example.org,Ana\nben@example.org,\"Ben, Jr\"\n",
        "E-Mail;Name;collected_at\r\nana@example.org;=1+1;2026-03-01\r\n\"open quote;x\r\n",
        "email\tbasis\nx@y.example\tconsent\n",
        "\u{feff}email,name\nä@example.org,Ä\n",
    ])
}

/// Any bytes, cut in two anywhere, give the same number of events as in one piece, within bounded memory.
pub fn run_list(data: &[u8]) {
    let read = |pieces: &[&[u8]]| {
        let limits = ListLimits { rows: 100, ..ListLimits::default() };
        let mut reader = ListReader::new(ListKind::Contacts, limits);
        let mut events = 0;
        for piece in pieces {
            events += reader.push(piece).len();
            assert!(reader.buffered() <= 64 * 1024 + 4096);
        }
        events + reader.finish().len()
    };
    let (left, right) = data.split_at(data.len() / 2);
    assert_eq!(read(&[data]), read(&[left, right]));
}

pub fn callbacks() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"ListID":"0123","Events":[{"Type":"Deactivate","Date":"2026-03-02 09:17:00","EmailAddress":"c@example.com","State":"Unsubscribed"}]}"#,
        r#"{"ListID":null,"Events":[]}"#,
        r#"{"Events":[{"Type":"Odd"},{"Type":"Update","OldEmailAddress":"a@example.com","EmailAddress":"b@example.com"}]}"#,
    ])
}

/// A callback never panics, never exceeds its bound, and prints nobody.
pub fn run_callback(data: &[u8]) {
    if let Ok(batch) = parse_batch(data) {
        assert!(batch.events.len() <= MOST_EVENTS);
        for address in batch.events.iter().filter_map(|event| event.email_address.as_deref()).filter(|a| a.len() > 8) {
            assert!(!format!("{batch:?}").contains(address));
        }
    }
}

pub fn token_answers() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"access_token":"a+/bcdefghij==","expires_in":1209600,"refresh_token":"r+/stuvwxyz12=="}"#,
        r#"{"error":"invalid_grant","error_description":"Specified refresh_token was invalid or expired"}"#,
        r#"{"error":"server_error","access_token":"abc","expires_in":"60","refresh_token":null}"#,
        "<html>Bad Gateway</html>",
    ])
}

/// An answer of the token endpoint gives tokens that fit a header and a bounded life, or a refusal; it prints neither.
pub fn run_token_answer(data: &[u8]) {
    for status in [200, 400, 500] {
        match parse_grant(status, data) {
            Ok(grant) => {
                assert_eq!(status, 200);
                assert!((1..=366 * 86_400).contains(&grant.life.as_secs()));
                let shown = format!("{grant:?}");
                for token in grant.refresh.iter().chain([&grant.access]) {
                    assert!(token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
                    assert!(token.expose().len() < 10 || !shown.contains(token.expose()));
                }
            }
            Err(error) => assert!(!matches!(error, GrantError::Refused { status: told } if told != status)),
        }
    }
}

pub fn templates() -> Vec<Vec<u8>> {
    texts(&[
        "{{ greeting }}\n\nWould you? {{ answer_link }}",
        "[here]({{ policy_link }}) {{ nope }}",
        "> > > {{ name }} <b>",
    ])
}

/// A marketer's text is taken or refused, and never anything else.
pub fn run_template(data: &[u8]) {
    let _ = check_template(&String::from_utf8_lossy(data));
}

/// A sealed value that was changed, cut or made up never opens.
pub struct Sealed {
    key: Key,
    value: Vec<u8>,
}

impl Sealed {
    pub fn new() -> Self {
        let key = Key::random();
        let value = field::seal(&key, &place(), b"ana@example.org");
        Self { key, value }
    }

    pub fn corpus(&self) -> Vec<Vec<u8>> {
        vec![self.value.clone()]
    }

    pub fn run(&self, data: &[u8]) {
        let opened = field::open(&self.key, &place(), data);
        assert_eq!(opened.is_ok(), data == self.value);
    }
}

fn place() -> Place<'static> {
    Place { table: "subjects", column: "email", controller: uuid::Uuid::nil(), row: uuid::Uuid::nil(), key_version: 1 }
}
