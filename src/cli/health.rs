//! `reconsent health`: asks a running service over HTTP, as an image without curl has to.

use std::time::Duration;

use clap::Args;

use super::exit::{Exit, Failure, print};

/// The most of an answer that is shown.
const SHOWN: usize = 500;

/// Ask a running service whether it is ready, for container health checks
#[derive(Debug, Args)]
#[command(
    long_about = "Ask a running service whether it is ready, for container health checks. Exits with 0 when the \
                        answer is 2xx, else with 1; prints the answer either way."
)]
pub(super) struct HealthArgs {
    /// The address to ask, on the operations listener
    #[arg(long, default_value = "http://127.0.0.1:9090/readyz")]
    url: String,
    /// Seconds to wait for the answer
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
}

pub(super) async fn run(args: HealthArgs) -> Result<(), Failure> {
    let address = url::Url::parse(&args.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let address = address.ok_or_else(|| {
        Failure::new(Exit::Usage, "--url: expected an http address such as http://127.0.0.1:9090/readyz")
    })?;
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(args.timeout))
        .redirect(reqwest::redirect::Policy::none())
        // The question is to this machine or its neighbour, whatever proxy the environment names.
        .no_proxy()
        .build()
        .map_err(Failure::failed)?;
    let answer = client.get(address).send().await.map_err(|error| unreachable_at(&error))?;
    let status = answer.status();
    let body: String = answer.text().await.map_err(|error| unreachable_at(&error))?.chars().take(SHOWN).collect();
    if status.is_success() { print(body) } else { Err(Failure::failed(format!("not healthy: {status} {body}"))) }
}

fn unreachable_at(error: &reqwest::Error) -> Failure {
    let what = if error.is_timeout() { "it does not answer in time" } else { "it cannot be reached" };
    Failure::failed(format!("not healthy: {what}"))
}
