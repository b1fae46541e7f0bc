//! Reading: what is asked, and what is made of the answer.

use jiff::civil::date;
use reconsent::campaign_monitor::{
    CallError, Direction, InputError, ListState, OrderField, PageRequest, UnsubscribeSetting, Zone,
};

use super::server::{Provider, Reply};

const LIST: &str = "0123456789abcdef0123456789abcdef";

fn request() -> PageRequest {
    PageRequest {
        since: Some(date(2026, 3, 1)),
        page: 2,
        page_size: 500,
        order: OrderField::Date,
        direction: Direction::Ascending,
    }
}

#[actix_web::test]
async fn the_probe_carries_the_key_and_our_name() {
    let provider = Provider::with([Reply::json(200, r#"{"SystemDate":"2026-03-02 09:15:00"}"#)]).await;
    assert_eq!(provider.account().system_date().await.as_deref(), Ok("2026-03-02 09:15:00"));
    let seen = provider.seen().remove(0);
    assert_eq!(seen.line, "GET /api/v3.3/systemdate.json");
    // 0123456789abcdef:x
    assert_eq!(seen.header("authorization"), ["Basic MDEyMzQ1Njc4OWFiY2RlZjp4"]);
    assert_eq!(seen.header("accept"), ["application/json"]);
    assert_eq!(seen.header("user-agent"), [concat!("reconsent/", env!("CARGO_PKG_VERSION"))]);
}

#[actix_web::test]
async fn clients_lists_and_settings() {
    let provider = Provider::with([
        Reply::json(200, r#"[{"ClientID":"c1","Name":"Shop"}]"#),
        Reply::json(
            200,
            r#"{"ApiKey":"live","BasicDetails":{"ClientID":"c1","CompanyName":"Shop",
                "TimeZone":"(GMT+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"},
                "BillingDetails":{"Currency":"EUR"}}"#,
        ),
        Reply::json(200, r#"[{"ListID":"l1","Name":"News"}]"#),
        Reply::json(
            200,
            r#"{"ListID":"l1","Title":"News","UnsubscribePage":"","ConfirmationSuccessPage":"",
                "UnsubscribeSetting":"OnlyThisList","ConfirmedOptIn":false}"#,
        ),
        Reply::json(
            200,
            r#"[{"FieldName":"consent date","Key":"[consentdate]","DataType":"Date",
                 "FieldOptions":[],"VisibleInPreferenceCenter":false}]"#,
        ),
    ])
    .await;
    let account = provider.account();
    assert_eq!(account.clients().await.unwrap()[0].client_id, "c1");
    let details = account.client_details("c1").await.unwrap();
    assert!(Zone::of_label(&details.time_zone).is_ok());
    assert!(!format!("{details:?}").contains("live"));
    assert_eq!(account.client_lists("c1").await.unwrap()[0].list_id, "l1");
    let list = account.list_details("l1").await.unwrap();
    assert_eq!(list.unsubscribe_setting, UnsubscribeSetting::OnlyThisList);
    assert!(!list.confirmed_opt_in);
    assert_eq!(account.custom_fields("l1").await.unwrap()[0].key, "[consentdate]");
    let lines: Vec<_> = provider.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /api/v3.3/clients.json",
            "GET /api/v3.3/clients/c1.json",
            "GET /api/v3.3/clients/c1/lists.json",
            "GET /api/v3.3/lists/l1.json",
            "GET /api/v3.3/lists/l1/customfields.json",
        ]
    );
}

#[actix_web::test]
async fn a_page_asks_for_everything_by_name() {
    let body = r#"{"Results":[{"EmailAddress":"anna@example.com","Name":"Anna","Date":"2026-03-02 09:15:00",
        "ListJoinedDate":"2025-11-20 08:00:00","State":"Unsubscribed","CustomFields":[
        {"Key":"[topics]","Value":"News"},{"Key":"[topics]","Value":"Events"}],"ReadsEmailWith":"",
        "ConsentToTrack":"No"}],"ResultsOrderedBy":"date","OrderDirection":"asc","PageNumber":2,
        "PageSize":500,"RecordsOnThisPage":1,"TotalNumberOfRecords":501,"NumberOfPages":2}"#;
    let provider = Provider::with([Reply::json(200, body)]).await;
    let page = provider.account().page(LIST, ListState::Unsubscribed, request()).await.unwrap();
    assert_eq!(
        provider.line(),
        format!(
            "GET /api/v3.3/lists/{LIST}/unsubscribed.json?date=2026-03-01&includetrackingpreference=true\
             &page=2&pagesize=500&orderfield=date&orderdirection=asc"
        )
    );
    assert!(!page.has_next());
    assert_eq!(page.total_number_of_records, 501);
    assert_eq!(page.results[0].custom_fields.len(), 2);
    assert_eq!(page.results[0].tracking(), Some(false));
}

#[actix_web::test]
async fn the_suppression_list_has_its_own_words() {
    let body = r#"{"Results":[{"SuppressionReason":"Reason Unavailable","EmailAddress":"anna@example.com",
        "Date":"2026-03-02 09:15:31","State":"Suppressed"}],"ResultsOrderedBy":"date",
        "OrderDirection":"desc","PageNumber":1,"PageSize":10,"RecordsOnThisPage":1,
        "TotalNumberOfRecords":1,"NumberOfPages":1}"#;
    let provider = Provider::with([Reply::json(200, body)]).await;
    let newest = PageRequest { page: 1, page_size: 10, direction: Direction::Descending, ..request() };
    let page = provider.account().suppression_list("c1", newest).await.unwrap();
    assert_eq!(page.results[0].suppression_reason, "Reason Unavailable");
    assert_eq!(
        provider.line(),
        "GET /api/v3.3/clients/c1/suppressionlist.json?page=1&pagesize=10&orderfield=date&orderdirection=desc"
    );
}

#[actix_web::test]
async fn pages_out_of_bounds_are_not_sent() {
    let provider = Provider::with([]).await;
    let account = provider.account();
    let active = |request| account.page(LIST, ListState::Active, request);
    let refused = |error: InputError| Some(CallError::Input(error));
    assert_eq!(active(PageRequest { page: 0, ..request() }).await.err(), refused(InputError::PageNumber));
    for size in [9, 1001] {
        let result = active(PageRequest { page_size: size, ..request() }).await;
        assert_eq!(result.err(), refused(InputError::PageSize(size)));
    }
    let by_name = PageRequest { order: OrderField::Name, ..request() };
    assert_eq!(account.suppression_list("c1", by_name).await.err(), refused(InputError::Order));
    assert_eq!(account.list_details("../clients").await.err(), refused(InputError::BadId));
    assert!(provider.seen().is_empty());
}
