//! Reading SMTP command lines (RFC 5321 section 4.1) into meaning.
//!
//! Promises: a line is either understood completely or answered with the reply code the RFC gives for
//! the mistake. Leaves the state of the conversation to `session`.

/// One understood command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo,
    Helo,
    Mail { from: String, size: Option<u64>, smtputf8: bool },
    Rcpt(String),
    Data,
    Rset,
    Noop,
    Vrfy,
    Quit,
}

/// The answer to a line that is not understood.
pub(super) type Complaint = &'static str;

const BAD_ARGUMENTS: Complaint = "501 5.5.4 Syntax error in arguments";
const BAD_PARAMETER: Complaint = "555 5.5.4 Parameter not recognised";

pub(super) fn parse(line: &[u8]) -> Result<Command, Complaint> {
    let line = std::str::from_utf8(line).map_err(|_| "500 5.5.2 Not valid UTF-8")?;
    let line = line.trim_end();
    if line.bytes().any(|byte| byte < 0x20 && byte != b'\t') {
        return Err("500 5.5.2 Control characters in command");
    }
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" if !rest.is_empty() => Ok(Command::Ehlo),
        "HELO" if !rest.is_empty() => Ok(Command::Helo),
        "EHLO" | "HELO" => Err(BAD_ARGUMENTS),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" if rest.is_empty() => Ok(Command::Data),
        "RSET" if rest.is_empty() => Ok(Command::Rset),
        "QUIT" if rest.is_empty() => Ok(Command::Quit),
        "DATA" | "RSET" | "QUIT" => Err(BAD_ARGUMENTS),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" | "HELP" | "STARTTLS" | "AUTH" | "TURN" | "ETRN" | "BDAT" => Err("502 5.5.1 Command not implemented"),
        _ => Err("500 5.5.2 Command not recognised"),
    }
}

fn mail(rest: &str) -> Result<Command, Complaint> {
    let (from, parameters) = path(rest, "FROM:")?;
    let (mut size, mut smtputf8) = (None, false);
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => size = Some(value.parse().map_err(|_| BAD_ARGUMENTS)?),
            "BODY" => match value.to_ascii_uppercase().as_str() {
                "7BIT" | "8BITMIME" => {}
                _ => return Err(BAD_ARGUMENTS),
            },
            "SMTPUTF8" if value.is_empty() => smtputf8 = true,
            _ => return Err(BAD_PARAMETER),
        }
    }
    if !from.is_empty() && !is_address(&from) {
        return Err("553 5.1.7 Sender address is malformed");
    }
    Ok(Command::Mail { from, size, smtputf8 })
}

fn rcpt(rest: &str) -> Result<Command, Complaint> {
    let (to, parameters) = path(rest, "TO:")?;
    if !parameters.trim().is_empty() {
        return Err(BAD_PARAMETER);
    }
    if to.eq_ignore_ascii_case("postmaster") || is_address(&to) {
        Ok(Command::Rcpt(to))
    } else {
        Err("553 5.1.3 Recipient address is malformed")
    }
}

/// `FROM:<path>` and what follows it. A source route (`@a,@b:`) is dropped as the RFC asks.
fn path<'a>(rest: &'a str, keyword: &str) -> Result<(String, &'a str), Complaint> {
    let after = rest
        .get(..keyword.len())
        .filter(|start| start.eq_ignore_ascii_case(keyword))
        .map(|_| rest[keyword.len()..].trim_start())
        .ok_or(BAD_ARGUMENTS)?;
    let inner = after.strip_prefix('<').ok_or(BAD_ARGUMENTS)?;
    let (mut quoted, mut escaped) = (false, false);
    let end = inner
        .char_indices()
        .find(|(_, character)| {
            let ends = *character == '>' && !quoted;
            if !escaped && *character == '"' {
                quoted = !quoted;
            }
            escaped = quoted && !escaped && *character == '\\';
            ends
        })
        .map(|(at, _)| at)
        .ok_or(BAD_ARGUMENTS)?;
    let address = &inner[..end];
    let address = match address.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or(BAD_ARGUMENTS)?.1,
        None => address,
    };
    Ok((address.to_owned(), &inner[end + 1..]))
}

/// Shape only: something, `@`, something without blanks; the lengths of RFC 5321 section 4.5.3.1.
fn is_address(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(local, domain)| {
        let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
        let plain = !local.is_empty() && !local.contains([' ', '<', '>', '"', '@', ',']);
        (quoted || plain)
            && local.len() <= 256
            && !domain.is_empty()
            && domain.len() <= 255
            && !domain.contains([' ', '<', '>', '"'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_takes_the_announced_parameters_and_no_others() {
        assert_eq!(
            parse(b"mail from:<a@example.com> SIZE=120 BODY=8BITMIME SMTPUTF8\r\n"),
            Ok(Command::Mail { from: "a@example.com".into(), size: Some(120), smtputf8: true })
        );
        assert_eq!(parse(b"MAIL FROM:<>"), Ok(Command::Mail { from: String::new(), size: None, smtputf8: false }));
        assert_eq!(parse(b"MAIL FROM:<a@example.com> RET=FULL"), Err(BAD_PARAMETER));
        assert_eq!(parse(b"MAIL FROM:<a@example.com> SIZE=x"), Err(BAD_ARGUMENTS));
        assert_eq!(parse(b"MAIL a@example.com"), Err(BAD_ARGUMENTS));
    }

    #[test]
    fn quoted_local_parts_may_hold_angle_brackets() {
        assert_eq!(parse(b"RCPT TO:<\"a>b\"@example.com>"), Ok(Command::Rcpt("\"a>b\"@example.com".into())));
        assert!(parse(b"RCPT TO:<no-at-sign>").is_err());
        assert!(parse(b"RCPT TO:<a b@example.com>").is_err());
    }

    #[test]
    fn unknown_and_unimplemented_commands_get_different_answers() {
        assert!(parse(b"FROB x").is_err_and(|reply| reply.starts_with("500")));
        assert!(parse(b"STARTTLS").is_err_and(|reply| reply.starts_with("502")));
        assert!(parse(b"EHLO").is_err_and(|reply| reply.starts_with("501")));
    }
}
