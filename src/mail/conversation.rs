//! A socket and the plain commands of SMTP: greeting, EHLO, sign-in, one line and its answer.
//!
//! Knows nothing of mails; handing one over is [`super::transport`]'s part.

use std::time::Duration;

use data_encoding::BASE64;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::{
    outcome::SendError,
    smtp_reply::{Inbox, Reply, broken, in_time},
    smtp_url::{Credentials, RelaySettings},
};

/// A socket, with or without TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// What the relay offered in its answer to EHLO.
#[derive(Debug, Clone, Default)]
pub(super) struct Offers {
    pub(super) pipelining: bool,
    pub(super) starttls: bool,
    pub(super) smtputf8: bool,
    pub(super) eight_bit: bool,
    pub(super) size: Option<usize>,
    pub(super) plain: bool,
    pub(super) login: bool,
}

impl Offers {
    fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is the relay's name.
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => offers.pipelining = true,
                "STARTTLS" => offers.starttls = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                "8BITMIME" => offers.eight_bit = true,
                // SIZE 0 means no fixed limit.
                "SIZE" => offers.size = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0),
                "AUTH" => {
                    for mechanism in words {
                        offers.plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                        offers.login |= mechanism.eq_ignore_ascii_case("LOGIN");
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

/// A socket with what has been read from it.
pub(super) struct Conversation<S> {
    pub(super) socket: S,
    pub(super) inbox: Inbox,
    command_timeout: Duration,
}

impl<S: Socket + 'static> Conversation<S> {
    pub(super) fn boxed(self) -> Conversation<Box<dyn Socket>> {
        Conversation { socket: Box::new(self.socket), inbox: self.inbox, command_timeout: self.command_timeout }
    }
}

impl<S: Socket> Conversation<S> {
    pub(super) fn new(socket: S, settings: &RelaySettings) -> Self {
        Self { socket, inbox: Inbox::default(), command_timeout: settings.command_timeout }
    }

    pub(super) async fn reply(&mut self) -> Result<Reply, SendError> {
        self.inbox.reply(&mut self.socket, self.command_timeout).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        let socket = &mut self.socket;
        in_time(self.command_timeout, async {
            socket.write_all(bytes).await.map_err(|e| broken(&e))?;
            socket.flush().await.map_err(|e| broken(&e))
        })
        .await
    }

    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, SendError> {
        self.write(line.as_bytes()).await?;
        self.reply().await
    }

    pub(super) async fn expect_positive(&mut self, during: &'static str, line: &str) -> Result<Reply, SendError> {
        let reply = self.command(line).await?;
        if reply.is_positive() { Ok(reply) } else { Err(SendError::NotReady { during, code: reply.code }) }
    }

    pub(super) async fn greeting(&mut self) -> Result<(), SendError> {
        let reply = self.reply().await?;
        if reply.is_positive() { Ok(()) } else { Err(SendError::NotReady { during: "greeting", code: reply.code }) }
    }

    pub(super) async fn ehlo(&mut self, name: &str) -> Result<Offers, SendError> {
        let reply = self.command(&format!("EHLO {name}\r\n")).await?;
        if reply.is_positive() {
            return Ok(Offers::read(&reply));
        }
        if matches!(reply.code, 500 | 502 | 504) {
            self.expect_positive("HELO", &format!("HELO {name}\r\n")).await?;
            return Ok(Offers::default());
        }
        Err(SendError::NotReady { during: "EHLO", code: reply.code })
    }

    pub(super) async fn sign_in(&mut self, account: &Credentials, offers: &Offers) -> Result<(), SendError> {
        let Credentials { user, password } = account;
        let reply = if offers.plain {
            let secret = Zeroizing::new(format!("\0{user}\0{}", password.as_str()));
            let line = Zeroizing::new(format!("AUTH PLAIN {}\r\n", BASE64.encode(secret.as_bytes())));
            self.command(&line).await?
        } else if offers.login {
            let mut reply = self.command("AUTH LOGIN\r\n").await?;
            for word in [user.as_str(), password.as_str()] {
                if reply.is_intermediate() {
                    let line = Zeroizing::new(format!("{}\r\n", BASE64.encode(word.as_bytes())));
                    reply = self.command(&line).await?;
                }
            }
            reply
        } else {
            return Err(SendError::NoMechanism);
        };
        if reply.is_positive() { Ok(()) } else { Err(SendError::Credentials(reply.code)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_whatever_their_case() {
        let lines =
            ["relay hello", "pipelining", "SIZE 1000", "AUTH plain LOGIN XOAUTH2", "SMTPUTF8", "8bitmime", "STARTTLS"];
        let reply = Reply { code: 250, lines: lines.map(str::to_owned).to_vec() };
        let offers = Offers::read(&reply);
        assert!(
            offers.pipelining && offers.plain && offers.login && offers.smtputf8 && offers.eight_bit && offers.starttls
        );
        assert_eq!(offers.size, Some(1000));
        let name_only = Reply { code: 250, lines: vec!["PIPELINING".to_owned()] };
        assert!(!Offers::read(&name_only).pipelining);
    }
}
