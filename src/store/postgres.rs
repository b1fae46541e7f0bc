//! Connecting to PostgreSQL with the tokio driver and rustls. Whether TLS is used is the address's `sslmode`:
//! `disable`, `prefer` (default: if the server offers it) or `require`. Certificates are checked against the system's
//! store, or against `sslrootcert=FILE`; there is no mode that encrypts without checking.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

/// Opens a connection; the error's text is for the operator and holds no password.
pub async fn connect(address: &str) -> Result<AsyncPgConnection, String> {
    let (address, root_file) = take_root_file(address)?;
    let config: Config =
        address.parse().map_err(|_| "DATABASE_URL does not read as a PostgreSQL address".to_owned())?;
    let failed = |error: tokio_postgres::Error| format!("cannot connect to PostgreSQL: {}", reason(&error));
    if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        return wrap(AsyncPgConnection::try_from_client_and_connection(client, connection).await);
    }
    let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls_settings(root_file.as_deref())?);
    let (client, connection) = config.connect(tls).await.map_err(failed)?;
    wrap(AsyncPgConnection::try_from_client_and_connection(client, connection).await)
}

fn wrap(conn: diesel::ConnectionResult<AsyncPgConnection>) -> Result<AsyncPgConnection, String> {
    conn.map_err(|error| format!("cannot connect to PostgreSQL: {error}"))
}

/// The driver does not know `sslrootcert`; take it out of the address.
fn take_root_file(address: &str) -> Result<(String, Option<String>), String> {
    let mut url: url::Url = address.parse().map_err(|_| "DATABASE_URL does not read as an address".to_owned())?;
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let root_file = pairs.iter().find(|(key, _)| key == "sslrootcert").map(|(_, value)| value.clone());
    if root_file.is_none() {
        return Ok((address.to_owned(), None));
    }
    url.query_pairs_mut().clear().extend_pairs(pairs.iter().filter(|(key, _)| key != "sslrootcert"));
    Ok((url.to_string(), root_file))
}

fn tls_settings(root_file: Option<&str>) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    match root_file {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file)
                .map_err(|error| format!("cannot read sslrootcert {file}: {error}"))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| format!("cannot read sslrootcert {file}: {error}"))?;
                roots.add(certificate).map_err(|error| format!("sslrootcert {file} is not a certificate: {error}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The cause, as the driver's own text says only "error connecting to server".
fn reason(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    error
        .as_db_error()
        .map(|db| db.message().to_owned())
        .or_else(|| error.source().map(ToString::to_string))
        .unwrap_or_else(|| error.to_string())
}
