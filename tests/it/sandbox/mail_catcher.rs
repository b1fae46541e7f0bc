//! The mail catcher over real sockets: the conversation, the scripted refusals, the web inbox.

#![allow(clippy::unwrap_used)]

use reconsent::sandbox::mail_catcher::Stage;
use reconsent::sandbox::{MailCatcher, MailCatcherSettings};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

struct Peer {
    reader: BufReader<TcpStream>,
}

impl Peer {
    fn connect(catcher: &MailCatcher) -> Self {
        let stream = TcpStream::connect(catcher.smtp_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut peer = Self { reader: BufReader::new(stream) };
        assert!(peer.answer().starts_with("220 "));
        peer
    }

    fn greeted(catcher: &MailCatcher) -> Self {
        let mut peer = Self::connect(catcher);
        assert!(peer.say("EHLO test.example").starts_with("250"));
        peer
    }

    fn write(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// A whole reply, also of several lines.
    fn answer(&mut self) -> String {
        let mut whole = String::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            whole.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return whole;
            }
        }
    }

    fn say(&mut self, command: &str) -> String {
        self.write(&format!("{command}\r\n"));
        self.answer()
    }

    fn hand_over(&mut self, to: &str, content: &str) -> String {
        assert!(self.say("MAIL FROM:<sender@example.com>").starts_with("250"));
        assert!(self.say(&format!("RCPT TO:<{to}>")).starts_with("250"));
        assert!(self.say("DATA").starts_with("354"));
        self.write(content);
        self.say(".")
    }
}

fn catcher() -> MailCatcher {
    MailCatcher::start(MailCatcherSettings::default()).unwrap()
}

#[test]
fn a_message_is_kept_as_it_was_sent_with_dots_unstuffed() {
    let catcher = catcher();
    let mut peer = Peer::connect(&catcher);
    let greeting = peer.say("EHLO test.example");
    for extension in ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10485760", "ENHANCEDSTATUSCODES"] {
        assert!(greeting.contains(extension), "{extension}");
    }
    let reply = peer.hand_over("anna@example.com", "Subject: x\r\n\r\n..dot\r\n");
    assert!(reply.starts_with("250 2.0.0"));
    let kept = catcher.messages();
    assert_eq!(kept[0].raw, b"Subject: x\r\n\r\n.dot\r\n");
    assert_eq!(kept[0].recipients, ["anna@example.com"]);
    assert_eq!(kept[0].envelope_from, "sender@example.com");
    assert!(peer.say("QUIT").starts_with("221"));
}

#[test]
fn pipelined_commands_and_two_messages_in_one_write_are_answered_in_order() {
    let catcher = catcher();
    let mut peer = Peer::greeted(&catcher);
    let one = "MAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n";
    peer.write(&format!("{one}A: 1\r\n\r\nx\r\n.\r\n{one}B: 2\r\n\r\ny\r\n.\r\nNOOP\r\nQUIT\r\n"));
    let codes: Vec<String> = (0..10).map(|_| peer.answer()[..3].to_owned()).collect();
    assert_eq!(codes, ["250", "250", "354", "250", "250", "250", "354", "250", "250", "221"]);
    assert_eq!(catcher.message_count(), 2);
}

#[test]
fn mistakes_of_the_peer_get_the_right_codes_and_the_conversation_goes_on() {
    let catcher = catcher();
    let mut peer = Peer::connect(&catcher);
    for (command, code) in [
        ("MAIL FROM:<a@example.com>", "503"),
        ("HELO test.example", "250"),
        ("DATA", "503"),
        ("RCPT TO:<a@example.com>", "503"),
        ("MAIL FROM:<a@example.com> SIZE=99999999", "552"),
        ("MAIL FROM:<a@example.com> FOO=1", "555"),
        ("MAIL FROM:<\u{e4}@example.com>", "553"),
        ("MAIL FROM:<\u{e4}@example.com> SMTPUTF8", "250"),
        ("MAIL FROM:<a@example.com>", "503"),
        ("DATA", "554"),
        ("VRFY anna", "252"),
        ("STARTTLS", "502"),
        ("FROB", "500"),
        ("RSET", "250"),
        ("NOOP", "250"),
    ] {
        assert_eq!(&peer.say(command)[..3], code, "{command}");
    }
    let long = format!("NOOP {}", "x".repeat(3_000));
    assert!(peer.say(&long).starts_with("500 5.5.2 Line too long"));
    assert!(peer.say("NOOP").starts_with("250"));
}

#[test]
fn a_message_over_the_bound_is_refused_and_the_connection_stays_usable() {
    let settings = MailCatcherSettings { message_limit: 1_000, ..Default::default() };
    let catcher = MailCatcher::start(settings).unwrap();
    let mut peer = Peer::greeted(&catcher);
    let reply = peer.hand_over("a@example.com", &format!("{}\r\n", "x".repeat(5_000)));
    assert!(reply.starts_with("552 5.3.4"));
    assert!(peer.hand_over("a@example.com", "small\r\n").starts_with("250"));
    assert_eq!(catcher.message_count(), 1);
}

#[test]
fn scripted_refusals_strike_at_their_stage_and_wear_off() {
    let catcher = catcher();
    catcher.refuse("gone@example.com", Stage::Rcpt, "550 5.1.1 No such user", None);
    catcher.refuse("*@slow.example", Stage::Data, "451 4.3.0 Later", Some(1));
    catcher.refuse("full@example.com", Stage::FinalDot, "452 4.2.2 Mailbox full", Some(1));
    let mut peer = Peer::greeted(&catcher);
    peer.say("MAIL FROM:<s@example.com>");
    assert_eq!(peer.say("RCPT TO:<Gone@Example.com>"), "550 5.1.1 No such user\r\n");
    peer.say("RCPT TO:<x@slow.example>");
    assert_eq!(peer.say("DATA"), "451 4.3.0 Later\r\n");
    assert!(peer.hand_over("x@slow.example", "x\r\n").starts_with("250"));
    assert!(peer.hand_over("full@example.com", "x\r\n").starts_with("452 4.2.2"));
    assert!(peer.hand_over("full@example.com", "x\r\n").starts_with("250"));
    assert_eq!(catcher.message_count(), 2);
    assert_eq!(catcher.rcpts_for("gone@example.com"), 1);
    assert_eq!(catcher.rcpts_for("never@example.com"), 0);
    let counts = catcher.counts();
    assert_eq!((counts.connections, counts.transactions, counts.rcpts), (1, 4, 5));
}

#[test]
fn a_cut_after_the_final_dot_keeps_the_message_and_says_nothing() {
    let catcher = catcher();
    catcher.drop_after_final_dot("anna@example.com", 1);
    let mut peer = Peer::greeted(&catcher);
    assert_eq!(peer.hand_over("anna@example.com", "x\r\n"), "");
    let mut rest = Vec::new();
    assert_eq!(peer.reader.read_to_end(&mut rest).unwrap(), 0);
    assert_eq!(catcher.messages_to("anna@example.com").len(), 1);
    let mut again = Peer::greeted(&catcher);
    assert!(again.hand_over("anna@example.com", "x\r\n").starts_with("250"));
}

#[test]
fn a_delay_holds_back_the_answer_to_the_final_dot() {
    let catcher = catcher();
    catcher.delay(Duration::from_millis(150));
    let mut peer = Peer::greeted(&catcher);
    let started = Instant::now();
    peer.hand_over("anna@example.com", "x\r\n");
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[test]
fn idle_and_surplus_connections_are_sent_away() {
    let settings =
        MailCatcherSettings { idle_limit: Duration::from_millis(200), max_connections: 1, ..Default::default() };
    let catcher = MailCatcher::start(settings).unwrap();
    let mut first = Peer::connect(&catcher);
    let mut second = BufReader::new(TcpStream::connect(catcher.smtp_addr()).unwrap());
    let mut line = String::new();
    second.read_line(&mut line).unwrap();
    assert!(line.starts_with("421 4.7.0"));
    assert!(first.answer().starts_with("421 4.4.2"));
}

#[tokio::test]
async fn the_inbox_lists_newest_first_filters_and_decodes() {
    let catcher = catcher();
    let mut peer = Peer::greeted(&catcher);
    let head = "From: Shop <shop@example.com>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n";
    peer.hand_over("anna@example.com", &format!("{head}\r\nfirst\r\n"));
    peer.hand_over("ben+news@example.com", &format!("{head}\r\nsecond\r\n"));
    let get = async |path: &str| {
        let url = format!("{}{path}", catcher.inbox_url());
        reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap()
    };
    let all: Vec<Value> = get("/messages.json").await.json().await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["to"], serde_json::json!(["ben+news@example.com"]));
    assert_eq!(all[0]["from"], "shop@example.com");
    assert_eq!(all[0]["subject"], "Gr\u{fc}\u{df}e");
    assert!(all[0]["received_at"].as_str().unwrap().ends_with('Z'));
    let one: Vec<Value> = get("/messages.json?to=Anna%40example.com&limit=1").await.json().await.unwrap();
    assert_eq!(one.len(), 1);
    let id = one[0]["id"].as_str().unwrap();
    let raw = get(&format!("/messages/{id}.eml")).await;
    assert_eq!(raw.headers()["content-type"], "message/rfc822");
    assert_eq!(raw.bytes().await.unwrap(), format!("{head}\r\nfirst\r\n"));
    assert!(get("/").await.text().await.unwrap().contains("Gr\u{fc}\u{df}e"));
    assert_eq!(get(&format!("/messages/{id}")).await.status(), 200);
    assert_eq!(get("/messages/none").await.status(), 404);
}

#[tokio::test]
async fn mail_html_is_served_sandboxed_and_pages_escape_what_mail_says() {
    let catcher = catcher();
    let mut peer = Peer::greeted(&catcher);
    peer.hand_over(
        "anna@example.com",
        "Subject: <script>alert(1)</script>\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <p><a href=\"http://localhost/\">Confirm</a></p>\r\n",
    );
    let id = catcher.messages()[0].id.clone();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/messages/{id}", catcher.inbox_url());
    let page = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    let html = client.get(format!("{url}/html")).send().await.unwrap();
    let policy = html.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("sandbox allow-popups") && !policy.contains("allow-scripts"));
    assert!(html.text().await.unwrap().contains("<base target=\"_top\">"));
}

#[tokio::test]
async fn emptying_the_inbox_needs_no_page_of_another_site() {
    let catcher = catcher();
    Peer::greeted(&catcher).hand_over("anna@example.com", "x\r\n");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/messages", catcher.inbox_url());
    let foreign = client.delete(&url).header("Origin", "http://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    assert_eq!(catcher.message_count(), 1);
    assert_eq!(client.delete(&url).send().await.unwrap().status(), 204);
    assert_eq!(catcher.message_count(), 0);
}

#[test]
fn messages_come_back_after_a_restart_and_a_stopped_catcher_frees_its_port() {
    let folder = tempfile::tempdir().unwrap();
    let settings = MailCatcherSettings { folder: Some(folder.path().to_owned()), ..Default::default() };
    let first = MailCatcher::start(settings.clone()).unwrap();
    Peer::greeted(&first).hand_over("anna@example.com", "x\r\n");
    let id = first.messages()[0].id.clone();
    assert!(folder.path().join(format!("mail/{id}.eml")).exists());
    let smtp_addr = first.smtp_addr();
    first.stop();
    assert!(TcpStream::connect(smtp_addr).is_err());
    let second = MailCatcher::start(MailCatcherSettings { smtp_addr, ..settings }).unwrap();
    assert_eq!(second.messages()[0].id, id);
}
