//! The send gate: may this kind of mail be handed over to this person now? It runs when an audience is counted,
//! when it is frozen, and once more in the very transaction that hands each mail over (RP-01, RP-05). Deny by
//! default; there is no override for anybody.

use super::basis::BasisKind;
use super::coded::coded;
use super::consent::{ConsentState, Standing};
use super::suppression::SuppressionReason;
use super::time::Timestamp;

coded! {
    /// The kinds of mail, each with its own rule.
    MailKind {
        /// "Please confirm your sign-up" (double opt-in).
        Confirmation = 1 "confirmation",
        /// "May we still write to you?"
        Repermission = 2 "repermission",
        /// "Is this your new address?" (DR-05).
        AddressChange = 3 "address_change",
    }
}

coded! {
    /// Why somebody is not mailed.
    Reason {
        /// Withdrawn, refused, objected or complained: never.
        OptedOut = 1 "opted_out",
        /// On the "never mail" list for another reason.
        Suppressed = 2 "suppressed",
        /// No basis, or one without the proof it needs.
        NoEvidence = 3 "no_evidence",
        /// The consent or basis has ended.
        Expired = 4 "expired",
        /// A sign-up that was never confirmed.
        Unconfirmed = 5 "unconfirmed",
        /// A consent that need not be renewed yet.
        NotDue = 6 "not_due",
        /// Asked already, not long ago.
        AskedRecently = 7 "asked_recently",
        /// The mailbox does not exist.
        Undeliverable = 8 "undeliverable",
        /// A corporate address, and the controller has not chosen to mail those.
        CorporateNotChosen = 9 "corporate_not_chosen",
        /// The controller ended the purpose, or the consent was found defective.
        Ended = 10 "ended",
        /// Processing is restricted on the person's request (DR-10).
        Restricted = 11 "restricted",
        /// The person was erased.
        Erased = 12 "erased",
        /// No confirmation is open: nothing was asked for, or it is decided.
        NothingToConfirm = 13 "nothing_to_confirm",
        /// Enough confirmation mails went to this address lately (DO-06).
        Capped = 14 "capped",
        /// The round is over or was stopped.
        RoundOver = 15 "round_over",
        /// The address needs a relay that speaks SMTPUTF8.
        EaiUnsupported = 16 "eai_unsupported",
        /// Written for a mailbox that the person has left since (DR-05).
        AddressLeft = 17 "address_left",
        /// The change of address that it asks about is decided, or another took its place.
        ChangeOver = 18 "change_over",
    }
}

impl Reason {
    /// The reason in plain words, with its rule.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::OptedOut => {
                "said no, withdrew, objected or complained; only the person's own new sign-up changes that (RP-01, RP-04)"
            }
            Self::Suppressed => "is on the do-not-mail list (SU-05)",
            Self::NoEvidence => {
                "there is no proof that this person may be mailed; what is not known counts as no (RP-01)"
            }
            Self::Expired => "the consent has run to its end; it could only have been renewed before (EX-03)",
            Self::Unconfirmed => "signed up but never confirmed from the mailbox (RP-01)",
            Self::NotDue => "has a consent that does not end soon; asking again now would be pressing (RP-07)",
            Self::AskedRecently => "was asked not long ago (RP-07)",
            Self::Undeliverable => "the mailbox does not exist (RP-01)",
            Self::CorporateNotChosen => {
                "is a corporate address, and mailing those without consent was not chosen (RP-01)"
            }
            Self::Ended => "the purpose has ended, or the consent was found defective (CR-04)",
            Self::Restricted => "asked for processing to be restricted (DR-10)",
            Self::Erased => "was erased (RP-01)",
            Self::NothingToConfirm => "has nothing open to confirm (DO-02)",
            Self::Capped => "has had as many confirmation mails as one address may get (DO-06)",
            Self::RoundOver => "the round had ended or was stopped",
            Self::EaiUnsupported => "has an international address that the mail relay cannot carry (AD-04)",
            Self::AddressLeft => "has left the mailbox that the mail was written for (DR-05)",
            Self::ChangeOver => "the change of address is decided, or another took its place (DR-05)",
        }
    }

    /// Whether this person must never be mailed, as opposed to not now.
    pub const fn is_never(self) -> bool {
        match self {
            Self::OptedOut | Self::Suppressed | Self::Undeliverable | Self::Erased => true,
            Self::NoEvidence
            | Self::Expired
            | Self::Unconfirmed
            | Self::NotDue
            | Self::AskedRecently
            | Self::CorporateNotChosen
            | Self::Ended
            | Self::Restricted
            | Self::NothingToConfirm
            | Self::Capped
            | Self::RoundOver
            | Self::EaiUnsupported
            | Self::AddressLeft
            | Self::ChangeOver => false,
        }
    }
}

/// What is known of the person beside the consent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubjectFlags {
    /// Erased: nothing but a mark is left.
    pub erased: bool,
    /// Processing restricted.
    pub restricted: bool,
    /// Hard bounced.
    pub undeliverable: bool,
}

/// Everything the gate looks at.
#[derive(Debug, Clone, Copy)]
pub struct GateInput<'a> {
    /// What stands on record for the purpose.
    pub standing: &'a Standing,
    /// The person's flags.
    pub flags: SubjectFlags,
    /// An entry on the "never mail" list that covers this purpose; for a change of address one that covers them all.
    pub suppression: Option<SuppressionReason>,
    /// Whether the controller chose to mail corporate subscribers for this purpose.
    pub mail_corporate: bool,
    /// When this person was last asked for this purpose, if within the re-ask cooldown (RP-07).
    pub asked_recently: bool,
}

/// Says yes, or why not.
pub fn gate(kind: MailKind, input: &GateInput<'_>, now: Timestamp) -> Result<(), Reason> {
    if input.flags.erased {
        return Err(Reason::Erased);
    }
    match kind {
        MailKind::Confirmation => confirmation(input, now),
        MailKind::Repermission => repermission(input, now),
        MailKind::AddressChange => address_change(input),
    }
}

/// One neutral mail to a mailbox that is said to be the person's. It asks for no consent, so none is needed for it; but
/// who is never to be mailed again is not asked where. That the old mailbox is dead is no hindrance, and so
/// `undeliverable` is not looked at: `suppression` is none of a dead mailbox, unless that is the new one.
fn address_change(input: &GateInput<'_>) -> Result<(), Reason> {
    match input.suppression {
        Some(reason) if reason.is_opt_out() => return Err(Reason::OptedOut),
        Some(SuppressionReason::HardBounce | SuppressionReason::Invalid) => return Err(Reason::Undeliverable),
        Some(_) => return Err(Reason::Suppressed),
        None => {}
    }
    if input.flags.restricted { Err(Reason::Restricted) } else { Ok(()) }
}

/// One neutral mail, on a recorded request only (DO-02). A person who stopped once and now signs up anew may be
/// sent it; one who said "this was not me" may not.
fn confirmation(input: &GateInput<'_>, now: Timestamp) -> Result<(), Reason> {
    if input.suppression.is_some_and(|reason| !reason.lifted_by_fresh_opt_in()) {
        return Err(Reason::Suppressed);
    }
    if input.flags.restricted {
        return Err(Reason::Restricted);
    }
    match input.standing.effective(now) {
        ConsentState::Pending => Ok(()),
        ConsentState::Unknown
        | ConsentState::Confirmed
        | ConsentState::Renewed
        | ConsentState::Refused
        | ConsentState::Withdrawn
        | ConsentState::Objected
        | ConsentState::Expired
        | ConsentState::Dormant
        | ConsentState::Terminated
        | ConsentState::Invalidated => Err(Reason::NothingToConfirm),
    }
}

/// Askable is who has a valid basis that has not ended and is inside the refresh window, or needs a refresh, or was
/// imported and never renewed here.
fn repermission(input: &GateInput<'_>, now: Timestamp) -> Result<(), Reason> {
    if input.standing.is_never() || input.suppression.is_some_and(SuppressionReason::is_opt_out) {
        return Err(Reason::OptedOut);
    }
    let no_mailbox = matches!(input.suppression, Some(SuppressionReason::HardBounce | SuppressionReason::Invalid));
    if no_mailbox || input.flags.undeliverable {
        return Err(Reason::Undeliverable);
    }
    if input.suppression.is_some() {
        return Err(Reason::Suppressed);
    }
    if input.flags.restricted {
        return Err(Reason::Restricted);
    }
    match input.standing.effective(now) {
        ConsentState::Refused | ConsentState::Withdrawn | ConsentState::Objected => return Err(Reason::OptedOut),
        ConsentState::Pending => return Err(Reason::Unconfirmed),
        ConsentState::Expired | ConsentState::Dormant => return Err(Reason::Expired),
        ConsentState::Terminated | ConsentState::Invalidated => return Err(Reason::Ended),
        ConsentState::Confirmed | ConsentState::Renewed => {
            let in_window = input.standing.terms.is_some_and(|terms| terms.refresh_from <= now);
            if !in_window && !input.standing.needs_refresh {
                return Err(Reason::NotDue);
            }
        }
        ConsentState::Unknown => imported(input, now)?,
    }
    if input.asked_recently { Err(Reason::AskedRecently) } else { Ok(()) }
}

fn imported(input: &GateInput<'_>, now: Timestamp) -> Result<(), Reason> {
    let Some(basis) = input.standing.basis else { return Err(Reason::NoEvidence) };
    if !basis.evidenced || basis.kind == BasisKind::None {
        return Err(Reason::NoEvidence);
    }
    if basis.valid_until.is_some_and(|until| until <= now) {
        return Err(Reason::Expired);
    }
    match basis.kind {
        BasisKind::Consent | BasisKind::SoftOptIn | BasisKind::CharitySoftOptIn => Ok(()),
        BasisKind::Corporate if input.mail_corporate => Ok(()),
        BasisKind::Corporate => Err(Reason::CorporateNotChosen),
        BasisKind::None => Err(Reason::NoEvidence),
    }
}
