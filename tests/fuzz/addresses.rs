//! E-mail addresses: what is taken is safe in an envelope and a header, and is the same address when read again.

use reconsent::domain::email::EmailAddress;

pub fn corpus() -> Vec<Vec<u8>> {
    [
        "Jane@Example.COM",
        " jane.doe+news@example.org ",
        "jane@Bücher.example",
        "jörg@straße.example.de",
        "\u{212a}ate@example.org",
        "O'Brien@mail.example.ie",
        "e\u{301}va@xn--bcher-kva.example",
        "用户@例子.广告",
        "a@b.c",
        "\"quoted part\"@example.org",
        "jane@[127.0.0.1]",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(address) = EmailAddress::parse(&text) else { return };
    let sent = address.as_sent();
    assert_eq!(EmailAddress::parse(&sent).as_ref(), Ok(&address), "{sent:?}");
    let key = address.match_key();
    assert_eq!(
        EmailAddress::parse(&key).map(|again| again.match_key()).as_deref(),
        Ok(key.as_str()),
        "the key is its own key"
    );
    assert!(
        sent.len() <= 254
            && !sent.chars().any(|c| c.is_control()
                || c.is_whitespace()
                || c == '"'
                || c == ','
                || c == '<'
                || c == '>')
    );
    assert_eq!(sent.matches('@').count(), 1, "{sent:?}");
    assert!(address.domain().is_ascii() && address.domain() == address.domain().to_ascii_lowercase());
    assert_eq!(address.needs_smtputf8(), !sent.is_ascii());
    assert_eq!(format!("{address:?}"), format!("EmailAddress(***@{})", address.domain()), "an address does not print");
    assert!(address.masked().contains('@'));
}
