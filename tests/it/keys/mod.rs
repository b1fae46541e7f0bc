//! Controllers' keys over time: they are rotated while people come and go.

mod versions;

use std::sync::Arc;
use std::time::Duration;

use reconsent::crypto::KeyUse;
use reconsent::usecases::setup::rotate_key;

use crate::support::TestApp;

/// Until a new version writes in this process.
const SETTLING: Duration = Duration::from_secs(61);

async fn rotate(app: &TestApp, key_use: KeyUse) {
    rotate_key(&app.services, app.scope, key_use).await.unwrap();
}
