//! Contexts of the page behind a preference link: every way in which a purpose can stand, and all that can come of a press.

use super::{at, frames, href};
use crate::http::pages::{Frame, NoPreferencesPage, PreferenceLine, PreferenceNews, PreferenceState, PreferencesPage};

impl PreferencesPage {
    pub(crate) fn samples() -> Vec<Self> {
        let [english, german, hostile] = frames();
        let line = |slug: &str, label: &str, stands: PreferenceState, can_stop: bool| PreferenceLine {
            slug: slug.into(),
            label: label.into(),
            stands,
            at: (stands != PreferenceState::Nothing).then(|| at("2026-03-02T09:30:00Z")),
            can_stop,
        };
        let all = [
            ("newsletter", "The monthly newsletter by e-mail", PreferenceState::Yes, true),
            (
                "offers",
                "Offers from the garden centre by e-mail, at most four a year",
                PreferenceState::Requested,
                true,
            ),
            ("tracking", "Measuring whether I open the mails (open tracking)", PreferenceState::Asked, true),
            ("events", "Invitations to open days", PreferenceState::Stopped, false),
            ("surveys", "Surveys", PreferenceState::No, false),
            ("seeds", "Seed catalogue", PreferenceState::Expired, true),
            ("partners", "Mails from partners", PreferenceState::Ended, true),
            ("plants", "Plant of the week", PreferenceState::Nothing, false),
        ];
        let all = || all.map(|(slug, label, stands, can_stop)| line(slug, label, stands, can_stop));
        let of = |frame: &Frame, lines: Vec<PreferenceLine>, news: Option<PreferenceNews>| Self {
            frame: frame.clone(),
            address: "j•••@e•••.org".into(),
            everything: !matches!(news, Some(PreferenceNews::Everything)),
            lines,
            news,
            sign_up: Some(href("/f/acme")),
        };
        let stopped = |slug: &str, label: &str| line(slug, label, PreferenceState::Stopped, false);
        let garden = "Der Gartenbrief, einmal im Monat per E-Mail";
        let mark = "</title><script>alert('x')</script>{{ frame }}\" onload=\"";
        vec![
            of(&english, all().to_vec(), None),
            of(&german, vec![line("gartenbrief", garden, PreferenceState::Yes, true)], None),
            of(
                &english,
                vec![
                    stopped("newsletter", "The monthly newsletter by e-mail"),
                    line("offers", "Offers from the garden centre by e-mail", PreferenceState::Yes, true),
                ],
                Some(PreferenceNews::Stopped("The monthly newsletter by e-mail".into())),
            ),
            Self {
                sign_up: None,
                ..of(&german, vec![stopped("gartenbrief", garden)], Some(PreferenceNews::Everything))
            },
            of(&english, all().to_vec(), Some(PreferenceNews::Unclear)),
            Self {
                address: "<•••@e•••.org".into(),
                ..of(
                    &hostile,
                    vec![line(mark, mark, PreferenceState::Yes, true); 6],
                    Some(PreferenceNews::Stopped(mark.into())),
                )
            },
        ]
    }
}

impl NoPreferencesPage {
    pub(crate) fn samples() -> Vec<Self> {
        ["en", "de"].map(|lang| Self { frame: Frame::neutral(lang) }).to_vec()
    }
}
