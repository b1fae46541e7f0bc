//! The description of the API: committed, true to the routes, whole, and free of what is nobody's business.

use serde_json::Value;

use crate::support::TestApp;

const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "options"];

fn committed() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json")
}

/// Every operation of the document: method, path, description.
pub fn operations() -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_str(&reconsent::http::routes::document_text()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                found.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    assert!(found.len() > 20, "found {} operations", found.len());
    found
}

#[test]
fn the_committed_document_is_that_of_the_routes() {
    let text = reconsent::http::routes::document_text();
    let path = committed();
    if std::env::var("UPDATE_OPENAPI").is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "openapi/openapi.json is not what the routes say; UPDATE_OPENAPI=1 cargo test --test it openapi rewrites it"
    );
}

#[test]
fn every_operation_says_who_may_and_what_comes_back() {
    let mut ids: Vec<String> = Vec::new();
    for (method, path, operation) in operations() {
        let name = format!("{method} {path}");
        let security = operation["security"].as_array().unwrap_or_else(|| panic!("{name} has no security"));
        assert_eq!(security.len(), 1, "{name}");
        let public = !path.starts_with("/v1/");
        match security[0].as_object().unwrap() {
            open if open.is_empty() => assert!(public, "{name} is open to everybody"),
            named => {
                let scopes = named["token"].as_array().unwrap_or_else(|| panic!("{name} names no scope"));
                assert_eq!(scopes.len(), 1, "{name}");
            }
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2') || status.starts_with('3')), "{name}");
        assert!(responses.contains_key("default"), "{name} has no word about problems");
        assert!(operation["summary"].is_string(), "{name} has no summary");
        ids.push(operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no id")).to_owned());
        if method != "GET" {
            let creates = responses.contains_key("201");
            let once = operation["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(|p| p["name"] == "Idempotency-Key"));
            assert!(once || !creates, "{name}: what makes something takes an Idempotency-Key");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "two operations share an id");
}

#[test]
fn every_reference_leads_somewhere_and_nothing_internal_is_named() {
    let text = reconsent::http::routes::document_text();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for word in ["diesel", "sqlite", "postgres", "usecases", "crate::"] {
        assert!(!text.to_lowercase().contains(word), "the document names `{word}`");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => found.push(text.clone()),
                    other => collect(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

both_engines! {
    async fn the_document_and_its_pages_come_from_the_house(app: TestApp) {
        let answer = app.nobody().get("/openapi.json").await.expect(200);
        assert_eq!(answer.body(), reconsent::http::routes::document_text());
        app.nobody().get("/docs").await.expect(307);
        let page = app.nobody().get("/docs/").await.expect(200);
        assert!(page.body().contains("swagger"));
        assert!(page.header("content-security-policy").contains("script-src 'self';"));
        let script = app.nobody().get("/docs/swagger-initializer.js").await.expect(200);
        assert!(script.body().contains("/openapi.json"));
    }
}
