//! Writing people: imports with every kind of answer, opt-outs, deletions, suppression.

use jiff::civil::date;
use reconsent::campaign_monitor::{
    CallError, ConsentToTrack, FieldType, FieldValue, InputError, NewField, NewSubscriber, Removal, Renamed, RowResult,
    Verdict,
};
use serde_json::json;

use super::server::{Provider, Reply};

fn person(address: &str, consent_to_track: ConsentToTrack) -> NewSubscriber {
    NewSubscriber { email_address: address.to_owned(), name: None, custom_fields: vec![], consent_to_track }
}

fn three() -> [NewSubscriber; 3] {
    [
        person("anna@example.com", ConsentToTrack::Yes),
        person("Ben+News@example.com", ConsentToTrack::No),
        person("carl@example", ConsentToTrack::Unchanged),
    ]
}

#[actix_web::test]
async fn an_import_is_written_as_the_contract_says() {
    let report = r#"{"FailureDetails":[],"TotalUniqueEmailsSubmitted":1,"TotalExistingSubscribers":0,
        "TotalNewSubscribers":1,"DuplicateEmailsInSubmission":[]}"#;
    let provider = Provider::with([Reply::json(201, report)]).await;
    let anna = NewSubscriber {
        name: Some("Anna Example".to_owned()),
        custom_fields: vec![
            FieldValue::text("consent_version", "2026-02").unwrap(),
            FieldValue::date("consent_date", date(2026, 3, 2)).unwrap(),
        ],
        ..person("anna@example.com", ConsentToTrack::Yes)
    };
    let outcome = provider.account().import("l1", &[anna], true).await.unwrap();
    assert!(outcome.is_complete());
    assert_eq!((outcome.added, outcome.existing), (1, 0));
    assert_eq!(provider.line(), "POST /api/v3.3/subscribers/l1/import.json");
    let seen = provider.seen().remove(0);
    assert_eq!(seen.header("content-type"), ["application/json; charset=utf-8"]);
    assert_eq!(
        seen.json(),
        json!({
            "Subscribers": [{
                "EmailAddress": "anna@example.com", "Name": "Anna Example", "ConsentToTrack": "Yes",
                "CustomFields": [
                    { "Key": "consent_version", "Value": "2026-02" },
                    { "Key": "consent_date", "Value": "2026/03/02" },
                ],
            }],
            "Resubscribe": true,
            "QueueSubscriptionBasedAutoResponders": false,
            "RestartSubscriptionBasedAutoresponders": false,
        })
    );
}

#[actix_web::test]
async fn a_partial_import_settles_row_by_row() {
    let body = r#"{"Code":210,"Message":"Subscriber Import had some failures","ResultData":{
        "TotalUniqueEmailsSubmitted":3,"TotalExistingSubscribers":1,"TotalNewSubscribers":0,
        "DuplicateEmailsInSubmission":[],"FailureDetails":[
        {"EmailAddress":"carl@example","Code":1,"Message":"Invalid Email Address"},
        {"EmailAddress":"ben+news@EXAMPLE.com","Code":206,"Message":"x"}]}}"#;
    let provider = Provider::with([Reply::json(400, body)]).await;
    let outcome = provider.account().import("l1", &three(), false).await.unwrap();
    assert_eq!(outcome.result_of("ANNA@example.com"), RowResult::Written);
    let ben = outcome.result_of("ben+news@example.com");
    assert_eq!(ben, RowResult::Refused { code: 206 });
    assert_eq!(ben.verdict(), Verdict::TheyStopped { code: 206 });
    assert_eq!(outcome.result_of("carl@example"), RowResult::Refused { code: 1 });
    assert!(provider.seen()[0].json()["Subscribers"][0].get("Name").is_none());
}

#[actix_web::test]
async fn a_refused_import_wrote_nothing_and_a_silent_210_is_repeated() {
    let provider = Provider::with([
        Reply::code(400, 209),
        Reply::code(400, 400),
        Reply::code(400, 210),
        Reply::json(400, r#"{"Code":210,"ResultData":{}}"#),
        Reply::code(500, 500),
        Reply::json(201, "{}"),
        Reply::html(201),
    ])
    .await;
    let account = provider.account();
    for (status, code) in [(400, 209), (400, 400), (400, 210), (400, 210), (500, 500)] {
        let error = account.import("l1", &three(), false).await.unwrap_err();
        assert_eq!(error, CallError::Refused { status, code, wait: None });
        let again = matches!(error.verdict(), Verdict::Retry { .. });
        assert_eq!(again, matches!(code, 210 | 500), "code {code}");
    }
    for _ in 0..2 {
        let error = account.import("l1", &three(), false).await.unwrap_err();
        assert_eq!(error, CallError::Unreadable { status: 201 });
        assert!(error.may_have_happened());
    }
}

#[actix_web::test]
async fn imports_that_break_the_contract_are_not_sent() {
    let provider = Provider::with([]).await;
    let twice = [person("anna@example.com", ConsentToTrack::No), person("ANNA@example.com", ConsentToTrack::No)];
    let error = provider.account().import("l1", &twice, false).await.unwrap_err();
    assert_eq!(error, CallError::Input(InputError::Duplicate { row: 1 }));
    let error = provider.account().import("l1", &[], false).await.unwrap_err();
    assert_eq!(error, CallError::Input(InputError::Count { given: 0, limit: 1000 }));
    assert!(provider.seen().is_empty());
}

#[actix_web::test]
async fn details_or_nothing() {
    let provider = Provider::with([
        Reply::json(200, r#"{"EmailAddress":"Ben+News@example.com","State":"Active","ConsentToTrack":"Yes"}"#),
        Reply::code(400, 203),
        Reply::code(401, 102),
    ])
    .await;
    let account = provider.account();
    let address = "ben+news@example.com";
    let ben = account.subscriber("l1", address).await.unwrap().unwrap();
    assert_eq!(ben.tracking(), Some(true));
    assert_eq!(account.subscriber("l1", address).await, Ok(None));
    let foreign = account.subscriber("l1", address).await.unwrap_err();
    assert_eq!(foreign, CallError::Refused { status: 401, code: 102, wait: None });
    assert_eq!(
        provider.seen()[0].line,
        "GET /api/v3.3/subscribers/l1.json?email=ben%2Bnews%40example.com&includetrackingpreference=true"
    );
}

#[actix_web::test]
async fn removals_reach_their_goal_either_way() {
    let provider = Provider::with([
        Reply::empty(),
        Reply::code(400, 203),
        Reply::empty(),
        Reply::code(400, 203),
        Reply::html(200),
    ])
    .await;
    let account = provider.account();
    assert_eq!(account.unsubscribe("l1", "a+b@example.com").await, Ok(Removal::Removed));
    assert_eq!(account.unsubscribe("l1", "a+b@example.com").await, Ok(Removal::WasNotThere));
    assert_eq!(account.delete("l1", "a+b@example.com").await, Ok(Removal::Removed));
    assert_eq!(account.delete("l1", "a+b@example.com").await, Ok(Removal::WasNotThere));
    // A maintenance page under status 200 is not an opt-out.
    let page = account.unsubscribe("l1", "a+b@example.com").await;
    assert_eq!(page, Err(CallError::Unreadable { status: 200 }));
    let seen = provider.seen();
    assert_eq!(seen[0].line, "POST /api/v3.3/subscribers/l1/unsubscribe.json");
    assert_eq!(seen[0].json(), json!({ "EmailAddress": "a+b@example.com" }));
    assert_eq!(seen[2].line, "DELETE /api/v3.3/subscribers/l1.json?email=a%2Bb%40example.com");
}

#[actix_web::test]
async fn suppression_there_and_back() {
    let provider = Provider::with([Reply::empty(), Reply::empty(), Reply::code(400, 176)]).await;
    let account = provider.account();
    let some = ["a+b@example.com".to_owned()];
    assert_eq!(account.suppress("c1", &some).await, Ok(()));
    assert_eq!(account.unsuppress("c1", &some[0]).await, Ok(()));
    assert_eq!(account.unsuppress("c1", &some[0]).await, Ok(()));
    let many = vec![some[0].clone(); 101];
    let error = account.suppress("c1", &many).await.unwrap_err();
    assert_eq!(error, CallError::Input(InputError::Count { given: 101, limit: 100 }));
    let seen = provider.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].json(), json!({ "EmailAddresses": ["a+b@example.com"] }));
    assert_eq!(seen[1].line, "PUT /api/v3.3/clients/c1/unsuppress.json?email=a%2Bb%40example.com");
    assert_eq!(seen[1].header("content-length"), ["0"]);
    assert_eq!(seen[1].header("content-type"), [""; 0]);
}

#[actix_web::test]
async fn a_field_is_made_once() {
    let provider =
        Provider::with([Reply::json(201, r#""[consent_version]""#), Reply::code(400, 255), Reply::code(400, 254)])
            .await;
    let account = provider.account();
    let field = NewField {
        field_name: "consent_version".to_owned(),
        data_type: FieldType::Text,
        options: vec![],
        visible_in_preference_center: false,
    };
    let made = account.create_custom_field("l1", &field).await;
    assert_eq!(made, Ok(Some("[consent_version]".to_owned())));
    assert_eq!(account.create_custom_field("l1", &field).await, Ok(None));
    assert!(account.create_custom_field("l1", &field).await.is_err());
    assert_eq!(
        provider.seen()[0].json(),
        json!({ "FieldName": "consent_version", "DataType": "Text", "Options": [],
                "VisibleInPreferenceCenter": false })
    );
}

#[actix_web::test]
async fn an_entry_is_given_another_address_and_keeps_its_state() {
    let provider = Provider::with([Reply::json(200, "")]).await;
    let row = NewSubscriber {
        name: Some("Anna".to_owned()),
        custom_fields: vec![FieldValue::text("Purposes", "news").unwrap()],
        ..person("anna.new@example.com", ConsentToTrack::No)
    };
    assert_eq!(provider.account().update("l1", "anna+old@example.com", &row).await, Ok(Renamed::Done));
    assert_eq!(provider.line(), "PUT /api/v3.3/subscribers/l1.json?email=anna%2Bold%40example.com");
    assert_eq!(
        provider.seen().remove(0).json(),
        json!({
            "EmailAddress": "anna.new@example.com", "Name": "Anna", "ConsentToTrack": "No",
            "CustomFields": [{ "Key": "Purposes", "Value": "news" }],
            "Resubscribe": false, "RestartSubscriptionBasedAutoresponders": false,
        })
    );
}

#[actix_web::test]
async fn an_entry_that_is_not_there_or_whose_new_address_is_taken_is_told_apart_from_a_failure() {
    let row = person("anna.new@example.com", ConsentToTrack::No);
    for (status, code, expected) in
        [(400, 203, Some(Renamed::WasNotThere)), (400, 201, Some(Renamed::Taken)), (400, 211, None)]
    {
        let provider = Provider::with([Reply::json(status, format!(r#"{{"Code":{code},"Message":"no"}}"#))]).await;
        let outcome = provider.account().update("l1", "anna@example.com", &row).await;
        assert_eq!(outcome.ok(), expected, "{code}");
    }
}
