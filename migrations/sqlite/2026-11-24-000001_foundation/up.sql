-- The foundation. Times are microseconds since 1970 UTC. Small numbers are the codes of `domain`'s closed sets.
-- "Sealed" columns hold nothing readable without the keys; see `crypto::field`. Every key starts with the
-- controller, except where a look-up has to find the controller first.

CREATE TABLE install (
    id INTEGER NOT NULL PRIMARY KEY,
    canary BLOB NOT NULL, -- sealed under the root key: opens, or the key is wrong (R-103)
    created_at INTEGER NOT NULL
);

CREATE TABLE controllers (
    id BLOB NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    hold_uncertain BOOLEAN NOT NULL, -- leave a mail whose answer was lost, rather than try once more (R-43)
    created_at INTEGER NOT NULL
);

CREATE TABLE controller_keys (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    key_use TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL, -- under the root key; empty once retired (R-102)
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    PRIMARY KEY (controller_id, key_use, version)
);

CREATE TABLE key_canaries ( -- one for each key in use: opens, or that is not the key it was (R-103)
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    key_use TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL, -- under that key; names the controller's decoys
    PRIMARY KEY (controller_id, key_use, version)
);

CREATE TABLE link_keys (
    kid TEXT NOT NULL PRIMARY KEY, -- finds the controller
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    public_key BLOB NOT NULL,
    sealed BLOB NOT NULL, -- PKCS#8, under the root key
    standing INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX link_keys_of_controller ON link_keys (controller_id, created_at);

CREATE TABLE api_tokens (
    hash BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the token; finds the controller
    id BLOB NOT NULL,
    controller_id BLOB REFERENCES controllers (id), -- none: the operator's
    name TEXT NOT NULL,
    scopes TEXT NOT NULL, -- names, separated by blanks
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
);
CREATE INDEX api_tokens_of_controller ON api_tokens (controller_id, id);

CREATE TABLE purposes (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    slug TEXT NOT NULL,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    channel INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    validity TEXT NOT NULL, -- ISO 8601 period
    refresh_window TEXT NOT NULL, -- ISO 8601 period
    double_opt_in BOOLEAN NOT NULL,
    mail_corporate BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    UNIQUE (controller_id, slug)
);

CREATE TABLE policies (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    UNIQUE (controller_id, slug)
);

CREATE TABLE policy_versions ( -- immutable (PF-03)
    controller_id BLOB NOT NULL,
    id BLOB NOT NULL,
    policy_id BLOB NOT NULL,
    label TEXT NOT NULL,
    language TEXT NOT NULL,
    format INTEGER NOT NULL,
    body BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    public_url TEXT,
    in_force_from INTEGER NOT NULL,
    material BOOLEAN NOT NULL, -- earlier consents need a refresh (EX-04)
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    UNIQUE (controller_id, policy_id, label, language),
    FOREIGN KEY (controller_id, policy_id) REFERENCES policies (controller_id, id)
);

CREATE TABLE notices ( -- immutable (PF-03)
    controller_id BLOB NOT NULL,
    id BLOB NOT NULL,
    slug TEXT NOT NULL,
    version INTEGER NOT NULL,
    language TEXT NOT NULL,
    wording BLOB NOT NULL, -- JSON, exactly the bytes that are hashed
    sha256 BLOB NOT NULL,
    purposes TEXT NOT NULL, -- JSON list of purpose ids, in the order shown
    policy_version_id BLOB NOT NULL,
    material BOOLEAN NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    UNIQUE (controller_id, slug, language, version),
    FOREIGN KEY (controller_id, policy_version_id) REFERENCES policy_versions (controller_id, id)
);

CREATE TABLE senders (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL, -- the organisation's own
    reply_to TEXT,
    postal TEXT NOT NULL,
    max_per_hour INTEGER, -- mails in its name, at most (R-49)
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id)
);

CREATE TABLE forms (
    controller_id BLOB NOT NULL,
    id BLOB NOT NULL,
    form_key TEXT NOT NULL UNIQUE, -- finds the controller
    name TEXT NOT NULL,
    notice_id BLOB NOT NULL,
    sender_id BLOB NOT NULL,
    origins TEXT NOT NULL, -- JSON list of exact origins (AP-09)
    return_urls TEXT NOT NULL, -- JSON list of exact addresses (T-24)
    disabled BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    FOREIGN KEY (controller_id, notice_id) REFERENCES notices (controller_id, id),
    FOREIGN KEY (controller_id, sender_id) REFERENCES senders (controller_id, id)
);

CREATE TABLE subjects (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    email_key BLOB NOT NULL, -- keyed fingerprint (R-101); random once erased
    key_version INTEGER NOT NULL, -- of the key that seals wrapped_key
    wrapped_key BLOB NOT NULL, -- the person's key, sealed; empty once erased (R-104)
    email BLOB NOT NULL, -- sealed
    name BLOB, -- sealed
    fields BLOB, -- sealed JSON
    restricted BOOLEAN NOT NULL,
    undeliverable BOOLEAN NOT NULL,
    erased_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    UNIQUE (controller_id, email_key)
);

CREATE TABLE address_changes ( -- asked for, and not in force before the new mailbox says so (DR-05)
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL, -- of the link that the new mailbox gets
    subject_id BLOB NOT NULL,
    mail_id BLOB NOT NULL, -- that brings the link
    email BLOB NOT NULL, -- the new address, sealed; empty once settled
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    settled_at INTEGER,
    outcome INTEGER,
    PRIMARY KEY (controller_id, id),
    FOREIGN KEY (controller_id, subject_id) REFERENCES subjects (controller_id, id)
);
CREATE INDEX address_changes_of_subject ON address_changes (controller_id, subject_id, id);

CREATE TABLE former_addresses ( -- left for another: a stop told for one still reaches its person, a start never does
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    email_key BLOB NOT NULL, -- keyed fingerprint
    subject_id BLOB NOT NULL,
    email BLOB NOT NULL, -- sealed
    left_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, email_key, subject_id),
    FOREIGN KEY (controller_id, subject_id) REFERENCES subjects (controller_id, id)
);
CREATE INDEX former_addresses_of_subject ON former_addresses (controller_id, subject_id);

CREATE TABLE consents ( -- where each person stands towards each purpose
    controller_id BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    purpose_id BLOB NOT NULL,
    state INTEGER NOT NULL,
    fallback INTEGER NOT NULL, -- what an unconfirmed request falls back to
    request_until INTEGER,
    basis_kind INTEGER,
    basis_evidenced BOOLEAN NOT NULL,
    basis_collected_at INTEGER,
    basis_valid_until INTEGER,
    valid_until INTEGER,
    refresh_from INTEGER,
    needs_refresh BOOLEAN NOT NULL,
    asked_at INTEGER, -- last re-permission mail (RP-07)
    notice_id BLOB, -- shown at the last act
    policy_version_id BLOB,
    event_id BLOB NOT NULL, -- the newest event: the one that led here, or a change of address since
    changed_at INTEGER NOT NULL,
    unconfirmed_since INTEGER, -- nothing but an unconfirmed request is known; null once seen (DO-03)
    PRIMARY KEY (controller_id, subject_id, purpose_id),
    FOREIGN KEY (controller_id, subject_id) REFERENCES subjects (controller_id, id),
    FOREIGN KEY (controller_id, purpose_id) REFERENCES purposes (controller_id, id)
);
CREATE INDEX consents_ending ON consents (controller_id, state, valid_until);
CREATE INDEX consents_lapsing ON consents (controller_id, state, request_until);
CREATE INDEX consents_unconfirmed ON consents (controller_id, unconfirmed_since) WHERE unconfirmed_since IS NOT NULL;

CREATE TABLE consent_events ( -- append-only (PF-06)
    controller_id BLOB NOT NULL,
    id BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    purpose_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    at INTEGER NOT NULL,
    method INTEGER NOT NULL,
    source TEXT,
    notice_id BLOB,
    policy_version_id BLOB,
    basis INTEGER,
    valid_until INTEGER, -- fixed at this moment (EX-02)
    evidence_sha256 BLOB,
    evidence BLOB, -- sealed JSON
    record_version INTEGER NOT NULL,
    salt BLOB NOT NULL, -- sealed; destroyed with the person (TE-06)
    commitment BLOB NOT NULL, -- TE-05
    PRIMARY KEY (controller_id, id),
    FOREIGN KEY (controller_id, subject_id) REFERENCES subjects (controller_id, id)
);
CREATE INDEX consent_events_of_subject ON consent_events (controller_id, subject_id, id);

CREATE TABLE suppressions ( -- "never mail"; outlives erasure (SU-01 to SU-07)
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    fingerprint BLOB NOT NULL, -- keyed
    purpose_id BLOB NOT NULL, -- all zero: every purpose
    key_version INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    source TEXT, -- kind and id, never a person
    created_at INTEGER NOT NULL,
    lifted_at INTEGER, -- this purpose was taken off again by a fresh confirmed opt-in (RP-04)
    PRIMARY KEY (controller_id, fingerprint, purpose_id)
);

CREATE TABLE links ( -- the record behind each signed link
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL, -- jti: random
    action INTEGER NOT NULL,
    subject_id BLOB NOT NULL,
    purposes TEXT NOT NULL, -- JSON list of purpose ids
    notice_id BLOB,
    campaign_id BLOB,
    form_id BLOB,
    on_site BOOLEAN NOT NULL, -- shown by the site, never mailed (RP-08)
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    superseded_at INTEGER,
    used_at INTEGER,
    answer TEXT, -- JSON of what was decided, for the page that shows it again (LK-06)
    PRIMARY KEY (controller_id, id)
);
CREATE INDEX links_of_subject ON links (controller_id, subject_id, action);

CREATE TABLE imports (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    status INTEGER NOT NULL,
    name TEXT NOT NULL,
    purposes TEXT NOT NULL, -- JSON list of purpose ids
    declaration BLOB NOT NULL, -- sealed JSON: basis, evidence, attester
    key_version INTEGER NOT NULL,
    document_sha256 BLOB,
    chunks INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    next_row INTEGER NOT NULL, -- rows below are done: where a restarted worker goes on
    accepted INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    failure TEXT, -- why the file as a whole could not be read
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (controller_id, id)
);

CREATE TABLE import_chunks ( -- the uploaded bytes, until they are read
    controller_id BLOB NOT NULL,
    import_id BLOB NOT NULL,
    chunk INTEGER NOT NULL,
    key_version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (controller_id, import_id, chunk),
    FOREIGN KEY (controller_id, import_id) REFERENCES imports (controller_id, id)
);

CREATE TABLE import_rows ( -- the report, row by row
    controller_id BLOB NOT NULL,
    import_id BLOB NOT NULL,
    row_no INTEGER NOT NULL, -- line of the record, the header being 1
    subject_id BLOB,
    outcome INTEGER NOT NULL,
    detail TEXT, -- names the column and the rule, never the value
    PRIMARY KEY (controller_id, import_id, row_no),
    FOREIGN KEY (controller_id, import_id) REFERENCES imports (controller_id, id)
);
CREATE INDEX import_rows_of_subject ON import_rows (controller_id, import_id, subject_id);

CREATE TABLE import_counts ( -- how many rows of the report stand alike; written with them
    controller_id BLOB NOT NULL,
    import_id BLOB NOT NULL,
    outcome INTEGER NOT NULL,
    known BOOLEAN NOT NULL, -- the row belongs to somebody on record
    counted INTEGER NOT NULL,
    PRIMARY KEY (controller_id, import_id, outcome, known),
    FOREIGN KEY (controller_id, import_id) REFERENCES imports (controller_id, id)
);

CREATE TABLE campaigns (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    status INTEGER NOT NULL,
    purposes TEXT NOT NULL, -- JSON list of purpose ids
    imports TEXT NOT NULL, -- JSON list of import ids: the audience
    notice_id BLOB NOT NULL,
    sender_id BLOB NOT NULL,
    subject_line TEXT NOT NULL,
    preheader TEXT NOT NULL,
    body TEXT NOT NULL, -- Markdown
    delivery INTEGER NOT NULL, -- who hands the links over
    scheduled_at INTEGER,
    deadline INTEGER NOT NULL,
    launched_at INTEGER,
    frozen_at INTEGER,
    freeze_cursor BLOB, -- subjects up to here are frozen
    audience_sha256 BLOB, -- over the frozen members, in order (RP-02)
    outsiders INTEGER NOT NULL, -- suppressed rows of the audience without a subject
    closed_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    FOREIGN KEY (controller_id, notice_id) REFERENCES notices (controller_id, id),
    FOREIGN KEY (controller_id, sender_id) REFERENCES senders (controller_id, id)
);

CREATE TABLE campaign_members (
    controller_id BLOB NOT NULL,
    campaign_id BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    status INTEGER NOT NULL,
    reason INTEGER, -- why not asked
    mail_id BLOB,
    answer INTEGER NOT NULL,
    answered_at INTEGER,
    PRIMARY KEY (controller_id, campaign_id, subject_id),
    FOREIGN KEY (controller_id, campaign_id) REFERENCES campaigns (controller_id, id)
);
-- Who is not asked has a reason, and nobody else: a member who is asked costs these indexes nothing.
CREATE INDEX campaign_members_not_asked ON campaign_members (controller_id, campaign_id, subject_id) WHERE reason IS NOT NULL;
CREATE INDEX campaign_members_by_reason ON campaign_members (controller_id, campaign_id, reason, subject_id) WHERE reason IS NOT NULL;

-- How the members of each round stand, kept by the triggers below. No foreign key: it would have every writer wait for
-- the round's row.
CREATE TABLE campaign_counts (
    controller_id BLOB NOT NULL,
    campaign_id BLOB NOT NULL,
    shard INTEGER NOT NULL, -- one writer: always 0
    status INTEGER NOT NULL,
    reason INTEGER NOT NULL, -- 0: none
    answer INTEGER NOT NULL,
    members INTEGER NOT NULL,
    PRIMARY KEY (controller_id, campaign_id, shard, status, reason, answer)
);

CREATE TRIGGER campaign_members_added AFTER INSERT ON campaign_members BEGIN
    INSERT INTO campaign_counts VALUES (NEW.controller_id, NEW.campaign_id, 0, NEW.status, coalesce(NEW.reason, 0), NEW.answer, 1)
    ON CONFLICT (controller_id, campaign_id, shard, status, reason, answer) DO UPDATE SET members = members + 1;
END;

CREATE TRIGGER campaign_members_changed AFTER UPDATE OF status, reason, answer ON campaign_members
WHEN OLD.status <> NEW.status OR OLD.reason IS NOT NEW.reason OR OLD.answer <> NEW.answer BEGIN
    INSERT INTO campaign_counts VALUES (OLD.controller_id, OLD.campaign_id, 0, OLD.status, coalesce(OLD.reason, 0), OLD.answer, -1)
    ON CONFLICT (controller_id, campaign_id, shard, status, reason, answer) DO UPDATE SET members = members - 1;
    INSERT INTO campaign_counts VALUES (NEW.controller_id, NEW.campaign_id, 0, NEW.status, coalesce(NEW.reason, 0), NEW.answer, 1)
    ON CONFLICT (controller_id, campaign_id, shard, status, reason, answer) DO UPDATE SET members = members + 1;
END;

CREATE TRIGGER campaign_members_removed AFTER DELETE ON campaign_members BEGIN
    INSERT INTO campaign_counts VALUES (OLD.controller_id, OLD.campaign_id, 0, OLD.status, coalesce(OLD.reason, 0), OLD.answer, -1)
    ON CONFLICT (controller_id, campaign_id, shard, status, reason, answer) DO UPDATE SET members = members - 1;
END;

CREATE TABLE mails (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    subject_id BLOB NOT NULL,
    campaign_id BLOB,
    form_id BLOB,
    sender_id BLOB NOT NULL,
    notice_id BLOB NOT NULL,
    purposes TEXT NOT NULL, -- JSON list of purpose ids
    state INTEGER NOT NULL,
    lost INTEGER NOT NULL, -- answers lost after the final dot (R-43)
    frozen BLOB, -- sealed bytes, from the first hand-over until it is over (R-41, R-51)
    reason INTEGER, -- why cancelled
    reply TEXT, -- the relay's code, without its text
    origin_mark BLOB, -- keyed mark of network and day that asked for it (DO-06)
    place_at INTEGER, -- its place in the line of the throttles, while it waits for that (R-49)
    created_at INTEGER NOT NULL,
    settled_at INTEGER,
    PRIMARY KEY (controller_id, id),
    FOREIGN KEY (controller_id, subject_id) REFERENCES subjects (controller_id, id)
);
CREATE INDEX mails_of_subject ON mails (controller_id, subject_id, id);

CREATE TABLE outbox ( -- durable work that must follow a commit (R-40)
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    kind INTEGER NOT NULL,
    reference BLOB NOT NULL, -- what the work is about; one row each
    lane INTEGER NOT NULL, -- lower goes first
    state INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    fence INTEGER NOT NULL, -- grows with each claim; who settles must name it
    lease_until INTEGER NOT NULL, -- by the database's clock
    generation INTEGER NOT NULL, -- grows when the work is asked for again meanwhile
    last_error TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, kind, reference)
);
CREATE INDEX outbox_due ON outbox (state, kind, controller_id, lane, due_at);
CREATE INDEX outbox_sync_age ON outbox (state, created_at) WHERE kind = 2; -- how old the oldest work for destinations is

CREATE TABLE provider_connections ( -- accounts there that were connected by OAuth, or are about to be
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    base_url TEXT NOT NULL,
    for_destination BLOB, -- to be spoken to by it from the moment it is made
    state_hash BLOB UNIQUE, -- SHA-256 of the state that a person comes back with, once; finds the controller
    state_until INTEGER NOT NULL,
    rev INTEGER NOT NULL, -- grows with each change of the tokens
    key_version INTEGER NOT NULL,
    tokens BLOB, -- sealed; none before somebody has allowed it
    connected_at INTEGER, -- when somebody last allowed it
    refused_at INTEGER, -- since when the tokens are good no more: a person has to allow it again
    claimed_until INTEGER NOT NULL, -- somebody renews the tokens; by the database's clock
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id)
);

CREATE TABLE destinations (
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    id BLOB NOT NULL,
    base_url TEXT NOT NULL,
    client_id TEXT NOT NULL,
    time_zone TEXT NOT NULL, -- IANA zone of the client
    fields TEXT NOT NULL, -- custom fields there beside the proof: JSON, name, kind and source of each
    on_expiry INTEGER NOT NULL, -- what becomes of a person there whose consent has run to its end
    key_version INTEGER NOT NULL,
    credentials BLOB, -- API key, sealed; none: it is spoken to by a connection
    connection_id BLOB,
    keyed_at INTEGER NOT NULL, -- since when its API key is in use: work that waited for one goes on
    webhook_hash BLOB NOT NULL UNIQUE, -- SHA-256 of the secret in the address; finds the controller
    webhook_secret BLOB NOT NULL, -- sealed
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, id),
    FOREIGN KEY (controller_id, connection_id) REFERENCES provider_connections (controller_id, id),
    CHECK ((credentials IS NULL) <> (connection_id IS NULL))
);

CREATE TABLE destination_lists (
    controller_id BLOB NOT NULL,
    purpose_id BLOB NOT NULL,
    destination_id BLOB NOT NULL,
    list_id TEXT NOT NULL,
    walked BLOB, -- confirmed people up to here are being brought there; none: all of them
    fields_at INTEGER, -- when a custom field was last made there: what was written before lacks it
    PRIMARY KEY (controller_id, purpose_id, list_id),
    FOREIGN KEY (controller_id, destination_id) REFERENCES destinations (controller_id, id),
    FOREIGN KEY (controller_id, purpose_id) REFERENCES purposes (controller_id, id)
);

CREATE TABLE former_lists ( -- where a purpose was kept before: people there have to leave, and a stop told there counts
    controller_id BLOB NOT NULL,
    list_id TEXT NOT NULL,
    purpose_id BLOB NOT NULL,
    destination_id BLOB NOT NULL,
    given_up_at INTEGER NOT NULL,
    walked BLOB, -- people on record there up to here are being taken off; none: all of them
    PRIMARY KEY (controller_id, list_id, purpose_id),
    FOREIGN KEY (controller_id, destination_id) REFERENCES destinations (controller_id, id),
    FOREIGN KEY (controller_id, purpose_id) REFERENCES purposes (controller_id, id)
);

CREATE TABLE destination_states ( -- what we last brought about there
    controller_id BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    list_id TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    set_aside BOOLEAN NOT NULL, -- moved by us to deleted, which says no word of the person; a stop in other words is theirs
    event_id BLOB NOT NULL, -- up to which event it is in step
    synced_at INTEGER NOT NULL,
    row_mark BLOB, -- of what was written there last, keyed by the person's key; none: not known
    last_error TEXT,
    stands_as BLOB, -- sealed JSON: other addresses under which the person may stand there since the address changed
    PRIMARY KEY (controller_id, subject_id, list_id)
);
CREATE INDEX destination_states_on_list ON destination_states (controller_id, list_id, subject_id);

CREATE TABLE destination_upkeep ( -- what is looked after at a destination by itself
    controller_id BLOB NOT NULL,
    destination_id BLOB NOT NULL,
    watched_at INTEGER, -- when its webhooks were last found as they should be
    reconciled_at INTEGER, -- when both sides were last compared, or began to be
    reconcile_every INTEGER NOT NULL, -- days; 0: only when asked for
    stops_missed BOOLEAN NOT NULL, -- a webhook was found off or missing: both sides have to be compared once it is on
    automatic INTEGER NOT NULL, -- kinds of findings that are put right without asking, as bits
    PRIMARY KEY (controller_id, destination_id),
    FOREIGN KEY (controller_id, destination_id) REFERENCES destinations (controller_id, id)
);

CREATE TABLE former_webhooks ( -- secrets of a webhook that were replaced, and are still heard for a while
    controller_id BLOB NOT NULL,
    webhook_hash BLOB NOT NULL UNIQUE,
    destination_id BLOB NOT NULL,
    replaced_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, webhook_hash),
    FOREIGN KEY (controller_id, destination_id) REFERENCES destinations (controller_id, id)
);

CREATE TABLE reconciles ( -- comparisons of both sides, with what is to be done
    controller_id BLOB NOT NULL,
    id BLOB NOT NULL,
    destination_id BLOB NOT NULL,
    cause INTEGER NOT NULL,
    status INTEGER NOT NULL,
    place TEXT NOT NULL, -- JSON: where reading goes on
    rows_read INTEGER NOT NULL, -- entries that the provider has told so far
    allowed INTEGER NOT NULL, -- kinds of findings that may be put right, as bits
    remark TEXT, -- why it could not be read to the end, or holds not all
    counts TEXT, -- JSON: how its differences stood when they were forgotten
    created_at INTEGER NOT NULL,
    planned_at INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (controller_id, id),
    FOREIGN KEY (controller_id, destination_id) REFERENCES destinations (controller_id, id)
);

CREATE TABLE reconcile_findings ( -- where the sides differ
    controller_id BLOB NOT NULL,
    reconcile_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    list_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL, -- keyed fingerprint of the address
    id BLOB NOT NULL,
    subject_id BLOB,
    key_version INTEGER NOT NULL,
    address BLOB NOT NULL, -- sealed: somebody may be unknown here
    there INTEGER NOT NULL, -- the state there
    there_since INTEGER, -- the latest moment at which it can have come about
    detail TEXT, -- names fields, never values
    status INTEGER NOT NULL,
    settled_at INTEGER,
    PRIMARY KEY (controller_id, reconcile_id, kind, list_id, fingerprint),
    FOREIGN KEY (controller_id, reconcile_id) REFERENCES reconciles (controller_id, id)
);
CREATE INDEX reconciles_of_destination ON reconciles (controller_id, destination_id, id);
CREATE INDEX reconcile_findings_by_status ON reconcile_findings (controller_id, reconcile_id, status, kind, id);
CREATE INDEX reconcile_findings_of_subject ON reconcile_findings (controller_id, subject_id);
CREATE INDEX reconcile_findings_by_id ON reconcile_findings (controller_id, reconcile_id, id);
CREATE INDEX reconcile_findings_of_address ON reconcile_findings (controller_id, fingerprint);
CREATE INDEX reconcile_findings_to_reseal ON reconcile_findings (controller_id, id);

CREATE TABLE destination_sightings ( -- how a person was last seen to stand on a list there
    controller_id BLOB NOT NULL,
    list_id TEXT NOT NULL,
    subject_id BLOB NOT NULL,
    there INTEGER NOT NULL,
    reconcile_id BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, list_id, subject_id)
) WITHOUT ROWID;

CREATE TABLE round_lists ( -- lists made at the provider for one round each: never a list of confirmed subscribers
    controller_id BLOB NOT NULL,
    campaign_id BLOB NOT NULL,
    destination_id BLOB NOT NULL,
    list_id TEXT, -- the provider's; none until it is made
    suppressed_page INTEGER, -- of the client's suppression list, read next and before anybody is written; none: all was read
    heard_at INTEGER, -- the round is over, and the stops that the list holds are on record
    emptied_at INTEGER, -- the round is over, and everybody has left the list
    PRIMARY KEY (controller_id, campaign_id),
    UNIQUE (controller_id, list_id),
    FOREIGN KEY (controller_id, campaign_id) REFERENCES campaigns (controller_id, id),
    FOREIGN KEY (controller_id, destination_id) REFERENCES destinations (controller_id, id)
);

CREATE TABLE round_entries ( -- whose link the provider sends: where it is, and whether they are on the round's list
    controller_id BLOB NOT NULL,
    campaign_id BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    state INTEGER NOT NULL,
    purposes TEXT NOT NULL, -- JSON list of purpose ids that may be asked about
    link_id BLOB, -- none until the link is issued
    expires_at INTEGER, -- of the link
    handed_at INTEGER, -- when the link first left the house
    PRIMARY KEY (controller_id, campaign_id, subject_id),
    FOREIGN KEY (controller_id, campaign_id) REFERENCES campaigns (controller_id, id)
);
CREATE INDEX round_entries_by_state ON round_entries (controller_id, campaign_id, state, subject_id);
CREATE INDEX round_entries_of_subject ON round_entries (controller_id, subject_id);

CREATE TABLE import_sources ( -- a list of the provider's that an import reads, and how far it is
    controller_id BLOB NOT NULL,
    import_id BLOB NOT NULL,
    destination_id BLOB NOT NULL,
    list_id TEXT NOT NULL,
    leg INTEGER NOT NULL, -- which of its pages are being read
    page INTEGER NOT NULL, -- the next page of them
    records INTEGER NOT NULL, -- how many entries there were on the page before
    again BOOLEAN NOT NULL, -- the page was read before, and entries have moved to it since
    PRIMARY KEY (controller_id, import_id),
    FOREIGN KEY (controller_id, import_id) REFERENCES imports (controller_id, id),
    FOREIGN KEY (controller_id, destination_id) REFERENCES destinations (controller_id, id)
);

CREATE TABLE idempotency_keys ( -- answers kept for a retry (AP-02)
    controller_id BLOB NOT NULL, -- all zero: the operator
    token_id BLOB NOT NULL,
    key_hash BLOB NOT NULL,
    fingerprint BLOB NOT NULL, -- SHA-256 of method, path and body
    answer BLOB NOT NULL, -- sealed
    key_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (controller_id, token_id, key_hash)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE mailbox_caps ( -- confirmation mails per mailbox and day over all controllers; names none (R-21)
    fingerprint BLOB NOT NULL PRIMARY KEY,
    day INTEGER NOT NULL,
    mails INTEGER NOT NULL
);
CREATE INDEX mailbox_caps_by_day ON mailbox_caps (day);

CREATE TABLE send_buckets ( -- tokens of the throttles that are taken, from the present on (R-49)
    controller_id BLOB NOT NULL REFERENCES controllers (id),
    bucket_key BLOB NOT NULL, -- the controller's or the sender's id, or a keyed mark of the recipient domain
    kind INTEGER NOT NULL,
    from_minute INTEGER NOT NULL, -- since 1970 UTC
    taken BLOB NOT NULL, -- two bytes a minute
    idle_from INTEGER NOT NULL, -- from then on it says nothing and is forgotten
    PRIMARY KEY (controller_id, bucket_key)
);
CREATE INDEX send_buckets_idle ON send_buckets (idle_from);
