//! A page of a customer's site: plain HTML with a plain form that posts to the service. It has no script, as none is
//! needed.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};

use super::kept::SeededController;

/// The page's text.
pub(super) struct Page(String);

impl Page {
    /// A page with the controller's form.
    pub(super) fn new(controller: &SeededController, base_url: &str) -> Self {
        let (name, key) = (&controller.name, &controller.form_key);
        let question = |slug: &str, label: &str| {
            format!(
                "<fieldset><legend>{label}</legend>\
                 <label><input type=\"radio\" name=\"choice.{slug}\" value=\"yes\"> Yes</label> \
                 <label><input type=\"radio\" name=\"choice.{slug}\" value=\"no\"> No</label></fieldset>"
            )
        };
        let (newsletter, offers) = (
            question("newsletter", "May we send you our newsletter by e-mail, about once a month?"),
            question("offers", "May we send you offers by e-mail, now and then?"),
        );
        Self(format!(
            "<!doctype html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\"><title>{name}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem}}*{{box-sizing:border-box}}\
             fieldset,p{{margin:1rem 0}}input[type=email],input[type=text]{{font:inherit;width:100%;padding:.4rem}}\
             button{{font:inherit;padding:.5rem 1.5rem}}label{{display:inline-block;min-width:4rem}}</style></head>\n\
             <body><h1>{name}</h1>\n\
             <p>This page stands for a customer's own web site. It is no part of Reconsent: it is plain HTML with a \
             plain form, and the form posts to the service.</p>\n\
             <form method=\"post\" action=\"{base_url}/f/{key}\">\n\
             <p><label for=\"email\">E-mail</label><input id=\"email\" type=\"email\" name=\"email\" required></p>\n\
             <p><label for=\"name\">Name</label><input id=\"name\" type=\"text\" name=\"name\"></p>\n\
             {newsletter}\n{offers}\n\
             <p>You can stop each at any time, by the link in every mail.</p>\n\
             <p><button type=\"submit\">Send</button></p></form>\n\
             <p><a href=\"{base_url}/f/{key}\">The same form as a page of the service</a></p>\n\
             </body></html>\n"
        ))
    }
}

/// Serves the page on every path.
pub(super) fn serve(page: Page, listener: TcpListener) -> std::io::Result<Server> {
    let page = Data::new(page);
    let server = HttpServer::new(move || {
        App::new().app_data(page.clone()).default_service(web::get().to(|page: Data<Page>| async move {
            HttpResponse::Ok()
                .content_type("text/html; charset=utf-8")
                .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
                .body(page.0.clone())
        }))
    })
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}
