//! Builds and runs the server.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{Data, PathConfig, PayloadConfig, QueryConfig};
use actix_web::{App, HttpServer, middleware::from_fn};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::SwaggerUi;

use crate::usecases::Services;

use super::problem::{Kind, Problem};
use super::{HttpSettings, middleware, public, routes};

/// A server on a bound listener; it runs while the answer is awaited.
pub fn serve(services: Services, settings: HttpSettings, listener: TcpListener) -> std::io::Result<Server> {
    let workers = settings.workers.max(1);
    let (keep_alive, connections) = (settings.keep_alive, settings.max_connections.div_ceil(workers));
    let (head, disconnect) = (settings.head_timeout, settings.disconnect_timeout);
    let drain = settings.drain_timeout.as_millis().div_ceil(1000);
    cut_off_who_does_not_read(&listener, settings.deadline)?;
    let (services, settings) = (Data::new(services), Data::new(settings));
    let document = Data::new(routes::DocumentText(routes::document_text()));
    let server = HttpServer::new(move || {
        let (app, _) = App::new()
            .app_data(services.clone())
            .app_data(settings.clone())
            .app_data(document.clone())
            .app_data(PathConfig::default().error_handler(|_, _| Problem::of(Kind::NotFound).into()))
            .app_data(
                QueryConfig::default()
                    .error_handler(|error, _| Problem::with(Kind::BadRequest, query_fault(&error)).into()),
            )
            .app_data(PayloadConfig::new(settings.public_body_limit))
            .into_utoipa_app()
            .configure(routes::mount)
            .split_for_parts();
        // From the binary: the page loads nothing from elsewhere.
        let pages = SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json"));
        app.service(actix_web::web::redirect("/docs", "/docs/"))
            .service(pages)
            .default_service(actix_web::web::to(public::not_found))
            .wrap(from_fn(middleware::around))
    })
    .workers(workers)
    .max_connections(connections)
    .keep_alive(keep_alive)
    .client_request_timeout(head)
    .client_disconnect_timeout(disconnect)
    .shutdown_timeout(u64::try_from(drain).unwrap_or(u64::MAX))
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

/// A client that asks and takes none of the answer in holds a connection and the memory of its answer; the framework
/// times what comes in and not what goes out. The kernel ends a connection whose other end has taken nothing for so
/// long (T-37); each connection has this from its listener.
fn cut_off_who_does_not_read(listener: &TcpListener, patience: Duration) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(listener).set_tcp_user_timeout(Some(patience))?;
    // Elsewhere the service is only tried out.
    #[cfg(not(target_os = "linux"))]
    let _ = (listener, patience);
    Ok(())
}

/// A query fault in words, without quoting the input.
fn query_fault(error: &actix_web::error::QueryPayloadError) -> String {
    let text = error.to_string();
    if text.contains("unknown field") {
        "the query has an unknown or doubled parameter".to_owned()
    } else {
        "the query does not read".to_owned()
    }
}
