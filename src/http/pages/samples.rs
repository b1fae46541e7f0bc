//! Contexts that between them walk every branch of every template.

mod preferences;

use super::*;
use crate::domain::notice::{NoticeWording, PurposeLabel};
use crate::domain::time::Timestamp;

fn href(text: &str) -> Href {
    Href::parse(text).expect("samples are links")
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("samples are moments")
}

fn policy() -> PolicyLink {
    PolicyLink { href: href("/p/0198c9d2-91aa-7c0e-b1d3-6a54f0e2c7aa"), version: "2026-09-01".into() }
}

fn label(purpose: &str, label: &str) -> PurposeLabel {
    PurposeLabel { purpose: purpose.into(), label: label.into() }
}

pub(super) fn english() -> NoticeWording {
    NoticeWording {
        language: "en-GB".into(),
        title: "Stay in touch with Acme Gardens".into(),
        introduction:
            "Acme Gardens would like to write to you by e-mail: what to sow and plant, and when our open days are. \
                       About one mail a month.\n\nWe use your address for this and nothing else."
                .into(),
        labels: vec![
            label("newsletter", "The monthly newsletter by e-mail"),
            label("offers", "Offers from the garden centre by e-mail, at most four a year"),
        ],
        yes: "Yes".into(),
        no: "No".into(),
        send: "Send my answers".into(),
        controller_name: "Acme Gardens Ltd".into(),
        third_parties: vec![],
        withdrawal: "You can stop at any time by the link at the foot of each mail. It takes one press.".into(),
    }
}

pub(super) fn german() -> NoticeWording {
    NoticeWording {
        language: "de-DE".into(),
        title: "Möchten Sie weiterhin von der Gärtnerei Bücher hören?".into(),
        introduction: "Die Gärtnerei Bücher schickt Ihnen einmal im Monat ihren Gartenbrief per E-Mail.".into(),
        labels: vec![label("gartenbrief", "Der Gartenbrief, einmal im Monat per E-Mail")],
        yes: "Ja".into(),
        no: "Nein".into(),
        send: "Antwort senden".into(),
        controller_name: "Gärtnerei Bücher GmbH".into(),
        third_parties: vec!["Samenhandlung Ñandú GmbH".into(), "Baumschule Öztürk KG".into()],
        withdrawal: "Sie können jederzeit über den Link in jeder Mail widerrufen.".into(),
    }
}

/// The largest notice that may be published, with everything in it that a template could trip over.
pub(super) fn hostile() -> NoticeWording {
    let long = "x".repeat(180);
    let mark = "</title><script>alert('x')</script>{{ frame }}\" onload=\"";
    NoticeWording {
        language: "en\"><script>".into(),
        title: format!("{mark}{long}")[..200].to_owned(),
        introduction: format!("{mark}{}", "A long word. ".repeat(300)),
        labels: (1..=6).map(|n| label(&format!("purpose-{n}"), &format!("{mark}{n}"))).collect(),
        yes: "Yes, Acme & Co. may send this to me by e-mail from now on".into(),
        no: "No, Acme & Co. may not send this to me by e-mail any more".into(),
        send: "Send <b>my</b> answer".into(),
        controller_name: format!("{mark}{long}")[..200].to_owned(),
        third_parties: vec![mark.into()],
        withdrawal: mark.repeat(6),
    }
}

fn wordings() -> [NoticeWording; 3] {
    [english(), german(), hostile()]
}

fn frames() -> [Frame; 3] {
    wordings().map(|wording| Frame::of(&wording, policy()))
}

fn held(name: Option<&str>) -> Held {
    Held { address: "j•••@e•••.org".into(), name: name.map(Into::into) }
}

fn again(wording: &NoticeWording) -> Vec<Problem> {
    let mut problems = vec![Problem::Again, Problem::Stale];
    problems.extend(wording.labels.iter().map(|label| Problem::ChoiceMissing(label.purpose.clone())));
    problems
}

fn outcomes() -> Vec<Outcome> {
    let when = at("2026-11-24T09:30:00Z");
    [Recorded::Yes, Recorded::No, Recorded::Stopped, Recorded::Ended]
        .into_iter()
        .map(|recorded| Outcome { label: "The <monthly> newsletter by e-mail".into(), recorded, at: when })
        .collect()
}

fn decided(recorded: &[(&str, Recorded)]) -> Vec<Outcome> {
    let when = at("2026-11-24T09:30:00Z");
    recorded.iter().map(|&(label, recorded)| Outcome { label: label.into(), recorded, at: when }).collect()
}

impl FormPage {
    pub(crate) fn samples() -> Vec<Self> {
        let fresh = wordings().map(|wording| Self {
            frame: Frame::of(&wording, policy()),
            notice: Notice::whole(&wording),
            nonce: "bm9uY2U".into(),
            email: String::new(),
            name: String::new(),
            problems: vec![],
        });
        let with_problems = |wording: &NoticeWording, email: &str, problem: Problem| Self {
            frame: Frame::of(wording, policy()),
            notice: Notice::whole(wording),
            nonce: "bm9uY2U".into(),
            email: email.into(),
            name: "\"><script>".into(),
            problems: [problem, Problem::NameInvalid].into_iter().chain(again(wording)).collect(),
        };
        let mut samples = fresh.to_vec();
        samples.push(with_problems(&english(), "jane@example", Problem::EmailInvalid));
        samples.push(with_problems(&hostile(), "", Problem::EmailMissing));
        samples
    }
}

impl FormDonePage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        vec![
            Self { frame: english, site: Some(href("https://acme.example/")) },
            Self { frame: german, site: None },
            Self { frame: Frame { policy: None, ..hostile }, site: Some(href("https://acme.example/?a=1&b=\"")) },
        ]
    }
}

impl AnswerPage {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |wording: NoticeWording, name: Option<&str>, ends: Option<&str>, problems: Vec<Problem>| Self {
            frame: Frame::of(&wording, policy()),
            notice: Notice::whole(&wording),
            held: held(name),
            ends: ends.map(at),
            nonce: "bm9uY2U".into(),
            name: String::new(),
            problems,
        };
        vec![
            of(english(), Some("J••• D•••"), Some("2027-01-31T00:00:00Z"), vec![]),
            of(german(), None, None, vec![]),
            of(english(), Some("J•••"), None, vec![Problem::Again]),
            of(
                hostile(),
                Some("<••• \"•••"),
                Some("9999-12-30"),
                [again(&hostile()), vec![Problem::NameInvalid]].concat(),
            ),
        ]
    }
}

impl ConfirmPage {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |wording: NoticeWording, not_me: Option<&str>, problems: Vec<Problem>| Self {
            frame: Frame::of(&wording, policy()),
            notice: Notice::about(&wording, |slug| slug != "offers"),
            held: held(None),
            requested_at: at("2026-11-23T10:38:51.123456Z"),
            not_me: not_me.map(href),
            nonce: "bm9uY2U".into(),
            problems,
        };
        vec![
            of(english(), Some("/n/AAAA"), vec![]),
            of(german(), None, vec![Problem::ChoiceMissing("gartenbrief".into())]),
            of(hostile(), Some("/n/AAAA"), again(&hostile())),
        ]
    }
}

impl DecidedPage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        vec![
            Self {
                frame: english,
                outcomes: decided(&[
                    ("The monthly newsletter by e-mail", Recorded::Yes),
                    ("Offers from the garden centre by e-mail, at most four a year", Recorded::No),
                ]),
                withdraw: Some(href("/u/AAAA")),
                sign_up: Some(href("/f/acme")),
                site: Some(href("https://acme.example/")),
                rights: Some(href("https://acme.example/rights")),
            },
            Self {
                frame: german,
                outcomes: decided(&[("Der Gartenbrief, einmal im Monat per E-Mail", Recorded::No)]),
                withdraw: None,
                sign_up: None,
                site: None,
                rights: None,
            },
            Self {
                frame: hostile,
                outcomes: outcomes(),
                withdraw: None,
                sign_up: Some(href("/f/a")),
                site: None,
                rights: Some(href("/r")),
            },
        ]
    }
}

impl WithdrawPage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        vec![
            Self {
                frame: english,
                address: Some("j•••@e•••.org".into()),
                purposes: vec![
                    "The monthly newsletter by e-mail".into(),
                    "Offers from the garden centre by e-mail".into(),
                ],
            },
            Self { frame: german, address: None, purposes: vec!["Der Gartenbrief, einmal im Monat per E-Mail".into()] },
            Self {
                frame: hostile, address: Some("<•••@e•••.org".into()), purposes: vec!["<script>".into(); 6]
            },
        ]
    }
}

impl WithdrawnPage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        let since = at("2026-11-24T09:30:00Z");
        vec![
            Self {
                frame: english,
                stopped: Stopped::These(vec!["The monthly newsletter by e-mail".into()]),
                since,
                sign_up: Some(href("/f/acme")),
                more: true,
                rights: Some(href("https://acme.example/rights")),
            },
            Self { frame: german, stopped: Stopped::Everything, since, sign_up: None, more: false, rights: None },
            Self {
                frame: hostile,
                stopped: Stopped::These(vec!["<script>".into()]),
                since,
                sign_up: None,
                more: true,
                rights: None,
            },
        ]
    }
}

impl MovePage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        let of = |frame: &Frame, problems: Vec<Problem>| Self {
            frame: frame.clone(),
            old: "j•••@e•••.org".into(),
            new: "<•••@e•••.example".into(),
            asked_at: at("2026-11-23T10:38:00Z"),
            nonce: "n\"once".into(),
            problems,
        };
        vec![
            of(&english, vec![]),
            of(&german, vec![]),
            of(&hostile, vec![Problem::Stale]),
            of(&english, vec![Problem::AnswerMissing]),
            of(&german, vec![Problem::Again]),
        ]
    }
}

impl MoveDonePage {
    pub(crate) fn samples() -> Vec<Self> {
        let all = [Moved::Yes, Moved::No, Moved::NotPossible, Moved::Expired, Moved::Over];
        let of = |frame: Frame| all.map(|moved| Self { frame: frame.clone(), moved });
        frames().into_iter().flat_map(of).collect()
    }
}

impl NotMePage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        vec![
            Self { frame: english, address: Some("j•••@e•••.org".into()) },
            Self { frame: german, address: None },
            Self { frame: hostile, address: Some("<•••@e•••.org".into()) },
        ]
    }
}

impl NotMeDonePage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        vec![
            Self { frame: english, rights: Some(href("https://acme.example/rights")) },
            Self { frame: german, rights: None },
            Self { frame: hostile, rights: None },
        ]
    }
}

impl LinkProblemPage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        let site = Some(href("https://acme.example/"));
        let of = |frame: &Frame, problem: LinkProblem, sign_up: Option<&str>, withdraw: Option<&str>| Self {
            frame: frame.clone(),
            problem,
            withdraw: withdraw.map(href),
            sign_up: sign_up.map(href),
            site: site.clone(),
        };
        let used = || {
            LinkProblem::Used(decided(&[
                ("The monthly newsletter by e-mail", Recorded::Yes),
                ("Offers from the garden centre by e-mail", Recorded::Stopped),
            ]))
        };
        vec![
            of(&Frame::neutral("en"), LinkProblem::Unknown, None, None),
            of(&Frame::neutral("de"), LinkProblem::Unknown, None, None),
            of(&english, LinkProblem::Expired, Some("/f/acme"), None),
            of(&german, LinkProblem::Expired, None, None),
            of(&english, used(), Some("/f/acme"), Some("/u/AAAA")),
            of(&hostile, LinkProblem::Used(outcomes()), None, None),
            of(&english, LinkProblem::Superseded, None, None),
            of(&german, LinkProblem::Superseded, None, None),
        ]
    }
}

impl PolicyPage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, _] = frames();
        let of = |frame: Frame, text: &str| Self {
            frame,
            version: "2026-09-01".into(),
            text: Sanitised::of_policy(text.into()),
            exact: href("/policies/0199/raw"),
            sha256: "ab".repeat(32),
        };
        vec![
            of(
                english,
                "<h1>Privacy</h1>\n<p>We keep <strong>little</strong>.</p>\n<ul>\n<li>Your address</li>\n</ul>",
            ),
            of(german, "<h1>Datenschutz</h1>\n<p>Wir speichern wenig.</p>"),
        ]
    }
}

impl ConnectPage {
    pub(crate) fn samples() -> Vec<Self> {
        frames().into_iter().map(|frame| Self { frame: Frame { policy: None, ..frame } }).collect()
    }
}

impl MessagePage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, _, hostile] = frames();
        let mut samples: Vec<Self> =
            Trouble::ALL.into_iter().map(|trouble| Self::about(Frame::neutral("de"), trouble)).collect();
        samples.push(Self {
            link: Some((href("https://acme.example/"), "Back to Acme Gardens".into())),
            ..Self::about(english, Trouble::TooOften)
        });
        let news = ConnectionNews::ALL.into_iter();
        samples.extend(news.map(|news| Self::of_connection(hostile.clone(), news)));
        samples.push(Self { frame: hostile, title: "<script>".into(), text: "<script>".into(), link: None });
        samples
    }
}
