//! What became of a row, put together from what the rules said for each purpose.

use crate::domain::basis::MissingProof;
use crate::domain::consent::{Decision, Refusal};
use crate::domain::purpose::Purpose;
use crate::store::rows::RowOutcome;

/// What became of one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The basis stands on record.
    Recorded,
    /// On the "never mail" list (RP-04).
    Listed,
    /// The person stopped it.
    Stopped,
    /// Confirmed here already.
    Confirmed,
    /// A consent, or the purpose itself, ended here.
    Ended,
}

impl From<Result<Decision, Refusal>> for Verdict {
    fn from(decided: Result<Decision, Refusal>) -> Self {
        match decided {
            Ok(_) => Self::Recorded,
            Err(refusal) => match refusal {
                Refusal::AlreadyConfirmed => Self::Confirmed,
                Refusal::EndedHere | Refusal::PurposeEnded => Self::Ended,
                // A list asks for nothing but a basis; these the rules do not answer to that, and if they ever do, the
                // person is not mailed.
                Refusal::Stopped
                | Refusal::NotRequested
                | Refusal::RequestExpired
                | Refusal::NeedsConfirmation
                | Refusal::NotDue
                | Refusal::NothingToChange => Self::Stopped,
            },
        }
    }
}

impl Verdict {
    const fn words(self) -> &'static str {
        match self {
            Self::Recorded => "basis recorded",
            Self::Listed => "on the never-mail list, and stays there (RP-04)",
            Self::Stopped => "stopped by the person, and stays so (RP-04)",
            Self::Confirmed => "confirmed here already; the list adds nothing",
            Self::Ended => "ended here; a list cannot bring it back",
        }
    }
}

/// The outcome of a row and, where the outcome alone does not say it, why.
pub(super) fn summarise(
    new: bool,
    verdicts: &[(&Purpose, Verdict)],
    missing: &[MissingProof],
) -> (RowOutcome, Option<String>) {
    let any = |wanted: &[Verdict]| verdicts.iter().any(|(_, verdict)| wanted.contains(verdict));
    let outcome = match () {
        () if any(&[Verdict::Recorded]) && new => RowOutcome::Added,
        () if any(&[Verdict::Recorded]) => RowOutcome::Updated,
        () if any(&[Verdict::Listed, Verdict::Stopped]) => RowOutcome::Suppressed,
        () if any(&[Verdict::Confirmed]) => RowOutcome::AlreadyConfirmed,
        () => RowOutcome::EndedHere,
    };
    let mut details: Vec<String> = Vec::new();
    let recorded = any(&[Verdict::Recorded]);
    match verdicts {
        [] | [(_, Verdict::Recorded)] => {}
        [(_, verdict)] => details.push(verdict.words().to_owned()),
        several => details.extend(
            several
                .iter()
                .filter(|(_, verdict)| *verdict != Verdict::Recorded)
                .map(|(purpose, verdict)| format!("{}: {}", purpose.slug, verdict.words())),
        ),
    }
    if recorded && !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        details.push(format!("no evidence, so not to be mailed: {}", missing.join("; ")));
    }
    (outcome, (!details.is_empty()).then(|| details.join("; ")))
}

/// Whether the row was taken.
pub(super) const fn is_taken(outcome: RowOutcome) -> bool {
    match outcome {
        RowOutcome::Added | RowOutcome::Updated | RowOutcome::OptOutRecorded | RowOutcome::StoppedThere => true,
        RowOutcome::Duplicate
        | RowOutcome::InvalidAddress
        | RowOutcome::InvalidRow
        | RowOutcome::Suppressed
        | RowOutcome::AlreadyConfirmed
        | RowOutcome::EndedHere => false,
    }
}
