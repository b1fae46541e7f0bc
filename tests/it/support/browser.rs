//! A real browser: headless Chromium, driven through the WebDriver that `tests/run` started.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

/// A window of a browser.
pub struct Browser {
    client: Client,
}

impl Browser {
    /// Opens a window of this width, with or without scripts.
    pub async fn open(width: u32, scripts: bool) -> Self {
        let driver = std::env::var("RECONSENT_TEST_WEBDRIVER").unwrap_or_else(|_| {
            panic!("RECONSENT_TEST_WEBDRIVER is not set, so this test has no browser: run tests/run, or set it to a ChromeDriver")
        });
        let binary = std::env::var("RECONSENT_TEST_BROWSER").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        let options = json!({
            "binary": binary,
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-gpu", "--disable-quic",
                format!("--window-size={width},900")],
            "prefs": { "profile.managed_default_content_settings.javascript": if scripts { 1 } else { 2 } },
        });
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        let client = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&driver).await;
        Self { client: client.expect("a browser opens") }
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    /// Presses what the selector finds.
    pub async fn press(&self, selector: &str) {
        let found = self.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}")).click().await.expect("it can be pressed");
    }

    /// Presses a key and lets it go; keys without a character of their own have one of WebDriver's, such as Tab's.
    pub async fn key(&self, key: char) {
        let keys = KeyActions::new("keyboard".to_owned());
        let press = keys.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
        self.client.perform_actions(press).await.expect("a key can be pressed");
    }

    /// What has the focus, by the name that a screen reader says.
    pub async fn focused(&self) -> String {
        let found = self.client.active_element().await.expect("something has the focus");
        match found.attr("aria-label").await.expect("an element has attributes") {
            Some(name) => name,
            None => found.text().await.expect("an element has a text"),
        }
    }

    /// How many things the selector finds.
    pub async fn count(&self, selector: &str) -> usize {
        self.client.find_all(Locator::Css(selector)).await.expect("the page can be searched").len()
    }

    /// The text of what the selector finds.
    pub async fn text(&self, selector: &str) -> String {
        let mut left = 50;
        loop {
            let found = self.client.find(Locator::Css(selector)).await;
            let found = match found {
                Ok(found) => found.text().await,
                Err(error) => Err(error),
            };
            match found {
                Ok(text) => return text,
                // What was found belonged to the page before: a press may still be on its way to the next.
                Err(error) if left == 0 => panic!("{selector}: {error}"),
                Err(_) => left -= 1,
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Closes the window.
    pub async fn close(self) {
        self.client.close().await.expect("the browser closes");
    }
}
