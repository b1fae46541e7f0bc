//! A list and a round over it, by the API, as a marketer would.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::house::House;
use super::shop::{PURPOSE, Shop};
use super::{Outcome, fault};

/// Uploads a list and waits until it has been read.
pub async fn read_list(house: &House, shop: &Shop, members: usize) -> Outcome<String> {
    let mut list = "email,name,collected_at\n".to_owned();
    for n in 0..members {
        list.push_str(&format!("asked{n:07}@example.org,Robin Example {n},2026-03-01\n"));
    }
    let declared = format!(
        "/v1/imports?kind=contacts&purposes={PURPOSE}&name=list&basis=consent&how=shop%20till&statement=ours&attester=A"
    );
    let import = text(&house.upload(&declared, &shop.token, "text/csv", list.into_bytes()).await?, "id")?;
    let path = format!("/v1/imports/{import}");
    wait(house, shop, &path, |seen| match seen["status"].as_str() {
        Some("failed") => fault(format!("the list was not read: {seen}")),
        status => Ok(status == Some("done")),
    })
    .await?;
    Ok(import)
}

/// Launches a round over the list and waits until its audience is frozen.
pub async fn launch(house: &House, shop: &Shop, import: &str) -> Outcome<String> {
    let round = json!({
        "name": "May we still write to you?", "purposes": [PURPOSE], "import_ids": [import],
        "notice_id": shop.notice, "sender_id": shop.sender, "deadline": "2027-06-30T00:00:00Z",
    });
    let campaign = text(&house.api(Method::POST, "/v1/campaigns", &shop.token, Some(round)).await?, "id")?;
    house.api(Method::POST, &format!("/v1/campaigns/{campaign}/launch"), &shop.token, Some(json!({}))).await?;
    wait(house, shop, &format!("/v1/campaigns/{campaign}"), |seen| Ok(seen["frozen_at"].is_string())).await?;
    Ok(campaign)
}

/// Looks at a path until what it answers is as wanted.
pub async fn wait(house: &House, shop: &Shop, path: &str, wanted: impl Fn(&Value) -> Outcome<bool>) -> Outcome<()> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1800) {
        if wanted(&house.api(Method::GET, path, &shop.token, None).await?)? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fault(format!("{path} is not as wanted after half an hour"))
}

fn text(answer: &Value, field: &str) -> Outcome<String> {
    match answer[field].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => fault(format!("an answer has no {field}: {answer}")),
    }
}
