//! One SMTP conversation (RFC 5321), as a relay would hold it.
//!
//! Promises: replies keep the order of pipelined commands, a command line has at most 2048 bytes, an
//! idle peer is sent away after 60 s, and a message is in the store before its 250 is written.

use super::command::{Command, parse};
use super::content::{Content, Finished};
use super::rules::{Rules, Stage};
use super::store::Store;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const COMMAND_LIMIT: usize = 2048;
const RECIPIENT_LIMIT: usize = 1000;
const REPLIES_HELD: usize = 64 * 1024;

/// What every conversation shares.
pub(super) struct Relay {
    pub(super) rules: Rules,
    pub(super) store: Store,
    pub(super) message_limit: usize,
    pub(super) idle_limit: Duration,
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    Closed,
}

#[derive(Default)]
struct Envelope {
    from: Option<String>,
    smtputf8: bool,
    to: Vec<String>,
}

struct Session {
    relay: Arc<Relay>,
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
    replies: Vec<u8>,
    greeted: bool,
    envelope: Envelope,
}

/// Holds the conversation until the peer leaves, is idle too long, or a rule cuts it.
pub(super) async fn converse(stream: TcpStream, relay: Arc<Relay>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (input, output) = stream.into_split();
    let mut session = Session {
        relay,
        input: BufReader::with_capacity(32 * 1024, input),
        output,
        replies: Vec::new(),
        greeted: false,
        envelope: Envelope::default(),
    };
    session.reply("220 sandbox.localhost ESMTP ready");
    loop {
        session.flush_if_waiting().await?;
        let line = match session.read_line().await {
            Ok(line) => line,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                session.reply("421 4.4.2 Idle for too long");
                return session.flush().await;
            }
            Err(error) => return Err(error),
        };
        let goes_on = match line {
            Line::Closed => return session.flush().await,
            Line::TooLong => {
                session.reply("500 5.5.2 Line too long");
                true
            }
            Line::Whole(line) => match parse(&line) {
                Ok(command) => session.obey(command).await?,
                Err(complaint) => {
                    session.reply(complaint);
                    true
                }
            },
        };
        if !goes_on {
            return Ok(());
        }
    }
}

impl Session {
    /// False ends the conversation.
    async fn obey(&mut self, command: Command) -> io::Result<bool> {
        match command {
            Command::Ehlo => {
                self.greet();
                let size = format!("250-SIZE {}", self.relay.message_limit);
                self.reply("250-sandbox.localhost");
                self.reply("250-PIPELINING");
                self.reply("250-8BITMIME");
                self.reply("250-SMTPUTF8");
                self.reply(&size);
                self.reply("250 ENHANCEDSTATUSCODES");
            }
            Command::Helo => {
                self.greet();
                self.reply("250 sandbox.localhost");
            }
            Command::Mail { from, size, smtputf8 } => self.mail(from, size, smtputf8),
            Command::Rcpt(to) => self.rcpt(to),
            Command::Data => return self.data().await,
            Command::Rset => {
                self.envelope = Envelope::default();
                self.reply("250 2.0.0 Reset");
            }
            Command::Noop => self.reply("250 2.0.0 OK"),
            Command::Vrfy => self.reply("252 2.5.2 Cannot verify, try to deliver"),
            Command::Quit => {
                self.reply("221 2.0.0 Bye");
                self.flush().await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn greet(&mut self) {
        self.greeted = true;
        self.envelope = Envelope::default();
    }

    fn mail(&mut self, from: String, size: Option<u64>, smtputf8: bool) {
        self.relay.rules.transactions.fetch_add(1, Ordering::Relaxed);
        if !self.greeted {
            self.reply("503 5.5.1 Say EHLO first");
        } else if self.envelope.from.is_some() {
            self.reply("503 5.5.1 A transaction is open already");
        } else if size.is_some_and(|size| size > self.relay.message_limit as u64) {
            self.reply("552 5.3.4 Message too large");
        } else if !from.is_ascii() && !smtputf8 {
            self.reply("553 5.6.7 Address needs SMTPUTF8");
        } else {
            self.envelope = Envelope { from: Some(from), smtputf8, to: Vec::new() };
            self.reply("250 2.1.0 Sender accepted");
        }
    }

    fn rcpt(&mut self, to: String) {
        self.relay.rules.note_recipient(&to);
        if self.envelope.from.is_none() {
            self.reply("503 5.5.1 MAIL first");
        } else if self.envelope.to.len() >= RECIPIENT_LIMIT {
            self.reply("452 4.5.3 Too many recipients");
        } else if !to.is_ascii() && !self.envelope.smtputf8 {
            self.reply("553 5.6.7 Address needs SMTPUTF8");
        } else if let Some(refusal) = self.relay.rules.refusal(Stage::Rcpt, std::slice::from_ref(&to)) {
            self.reply(&refusal);
        } else {
            self.envelope.to.push(to);
            self.reply("250 2.1.5 Recipient accepted");
        }
    }

    async fn data(&mut self) -> io::Result<bool> {
        let Some(from) = self.envelope.from.clone() else {
            self.reply("503 5.5.1 MAIL first");
            return Ok(true);
        };
        if self.envelope.to.is_empty() {
            self.reply("554 5.5.1 No valid recipients");
            return Ok(true);
        }
        if let Some(refusal) = self.relay.rules.refusal(Stage::Data, &self.envelope.to) {
            self.envelope = Envelope::default();
            self.reply(&refusal);
            return Ok(true);
        }
        self.reply("354 End with a line that holds only a dot");
        self.flush_if_waiting().await?;
        let Some(finished) = self.read_content().await? else {
            return Ok(false);
        };
        let to = std::mem::take(&mut self.envelope).to;
        let delay = self.relay.rules.delay();
        if !delay.is_zero() {
            self.flush().await?;
            tokio::time::sleep(delay).await;
        }
        let Finished::Whole(raw) = finished else {
            self.reply("552 5.3.4 Message too large");
            return Ok(true);
        };
        if let Some(refusal) = self.relay.rules.refusal(Stage::FinalDot, &to) {
            self.reply(&refusal);
            return Ok(true);
        }
        let drops = self.relay.rules.drops_after_final_dot(&to);
        let kept = self.relay.store.keep(from, to, raw);
        if drops {
            return Ok(false);
        }
        match kept {
            Ok(id) => self.reply(&format!("250 2.0.0 Kept as {id}")),
            Err(_) => self.reply("452 4.3.1 Cannot write the message to its folder"),
        }
        Ok(true)
    }

    /// `None` when the peer left in the middle: such a message was never handed over.
    async fn read_content(&mut self) -> io::Result<Option<Finished>> {
        let mut content = Content::new(self.relay.message_limit);
        loop {
            let input = within(self.relay.idle_limit, self.input.fill_buf()).await?;
            if input.is_empty() {
                return Ok(None);
            }
            let (used, done) = content.take(input);
            self.input.consume(used);
            if done {
                return Ok(Some(content.finish()));
            }
        }
    }

    async fn read_line(&mut self) -> io::Result<Line> {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let input = within(self.relay.idle_limit, self.input.fill_buf()).await?;
            if input.is_empty() {
                return Ok(Line::Closed);
            }
            let end = input.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(input.len(), |at| at + 1);
            if line.len() + used > COMMAND_LIMIT {
                too_long = true;
                line.clear();
            }
            if !too_long {
                line.extend_from_slice(&input[..used]);
            }
            self.input.consume(used);
            if end.is_some() {
                return Ok(if too_long { Line::TooLong } else { Line::Whole(line) });
            }
        }
    }

    fn reply(&mut self, reply: &str) {
        self.replies.extend_from_slice(reply.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    /// Replies to pipelined commands leave together, once nothing more has arrived.
    async fn flush_if_waiting(&mut self) -> io::Result<()> {
        if self.input.buffer().is_empty() || self.replies.len() > REPLIES_HELD {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.replies.is_empty() {
            within(self.relay.idle_limit, self.output.write_all(&self.replies)).await?;
            self.replies.clear();
        }
        Ok(())
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
