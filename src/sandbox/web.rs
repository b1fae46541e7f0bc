//! What both web faces of the sandbox share: a listener on its own thread, and plain escaped pages.
//!
//! Promises: binding errors come back as `io::Error` before anything runs; stopping ends the thread;
//! everything put into a page through [`Markup::text`] is escaped. No page carries a script.

use actix_web::dev::ServerHandle;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// Largest request body either web face accepts.
pub(crate) const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// A running actix listener on a thread of its own.
pub(crate) struct WebListener {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl WebListener {
    /// Binds, starts, and answers once requests are accepted. `beside` runs inside the listener's
    /// runtime and may spawn tasks there; they end with the listener.
    pub(crate) fn start(
        name: &str,
        address: SocketAddr,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
        beside: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (ready, started) = mpsc::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || App::new().configure(routes.clone()))
                    .workers(2)
                    .disable_signals()
                    .shutdown_timeout(2)
                    .listen(listener);
                match server {
                    Ok(server) => {
                        let server = server.run();
                        beside();
                        let _ = ready.send(Ok(server.handle()));
                        let _ = server.await;
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
        })?;
        let handle = started.recv().map_err(|_| io::Error::other("the sandbox web listener did not start"))??;
        Ok(Self { address, handle, thread: Some(thread) })
    }

    /// Base address without a slash at the end.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops at once (open requests are cut) and waits for the thread.
    pub(crate) fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The command is sent by the call itself; the future only waits for the answer.
            drop(self.handle.stop(false));
            let _ = thread.join();
        }
    }
}

impl Drop for WebListener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a changing request may have been made by a page of another site: the browser says where a
/// form came from, and a missing `Origin` means it was no browser form.
pub(crate) fn from_another_site(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin_host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    host.is_none() || origin_host != host
}

/// HTML under construction. Only [`Markup::raw`] lets text through as it is.
#[derive(Default)]
pub(crate) struct Markup(String);

impl Markup {
    pub(crate) fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// The whole page with head and styles.
    pub(crate) fn into_page(self, title: &str) -> HttpResponse {
        let mut page = Markup::default();
        page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
            .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
            .raw("<meta name=\"color-scheme\" content=\"light dark\"><title>")
            .text(title)
            .raw("</title><style>")
            .raw(STYLE)
            .raw("</style></head><body>")
            .raw(&self.0)
            .raw("</body></html>");
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; img-src data:; \
                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ))
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .insert_header(("Referrer-Policy", "same-origin"))
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .body(page.0)
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dee5;--ground:#f6f7f9;--card:#fff;\
--accent:#0b5cad;--good:#17693a;--bad:#a3271f}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a2adbb;--line:#343c48;--ground:#14181e;\
--card:#1d232b;--accent:#7db7f5;--good:#7fd6a0;--bad:#f2998f}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main,header{max-width:68rem;margin:0 auto;padding:0 1rem}\
header{padding-top:1.25rem}main{padding-bottom:3rem}\
h1{font-size:1.5rem;line-height:1.25;margin:.25rem 0;overflow-wrap:anywhere}\
h2{font-size:1.125rem;margin:1.75rem 0 .5rem}h3{font-size:1rem;margin:1rem 0 .25rem}\
p{margin:.5rem 0}.soft{color:var(--soft);font-size:.9rem}\
a{color:var(--accent)}a:focus-visible,button:focus-visible,summary:focus-visible,input:focus-visible{outline:3px solid var(--accent);\
outline-offset:2px}\
.cards{list-style:none;margin:1rem 0;padding:0;border:1px solid var(--line);border-radius:.5rem;\
background:var(--card);overflow:hidden}\
.cards>li{padding:.75rem 1rem;border-top:1px solid var(--line)}.cards>li:first-child{border-top:0}\
.cards a.whole{display:block;text-decoration:none;color:inherit;margin:-.75rem -1rem;padding:.75rem 1rem}\
.cards a.whole:hover strong{text-decoration:underline}\
.row{display:flex;flex-wrap:wrap;gap:.25rem 1rem;justify-content:space-between;align-items:baseline}\
.cards>li>p{margin:.15rem 0 0}\
.row>*{min-width:0;overflow-wrap:anywhere}\
dl{display:grid;grid-template-columns:fit-content(45%) minmax(0,1fr);gap:.15rem 1rem;margin:.5rem 0}\
dt{color:var(--soft);overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--card);border:1px solid var(--line);\
border-radius:.5rem;padding:1rem;margin:.5rem 0;font:.875rem/1.5 ui-monospace,monospace}\
iframe{width:100%;height:64rem;border:1px solid var(--line);border-radius:.5rem;background:#fff}\
summary{cursor:pointer;padding:.5rem 0;font-weight:600}\
button{font:inherit;font-size:.9rem;padding:.4rem .8rem;border:1px solid var(--line);border-radius:.4rem;\
background:var(--ground);color:var(--ink);cursor:pointer}button:hover{border-color:var(--accent)}\
form{margin:.5rem 0 0}label{display:block;margin-bottom:.25rem}\
input{font:inherit;font-size:.95rem;padding:.4rem .6rem;border:1px solid var(--soft);border-radius:.4rem;\
background:var(--card);color:var(--ink);width:100%;max-width:32rem;min-width:0}\
code{font:.875rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere}\
.inline{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center}.inline form,.row form{margin:0}\
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:.75rem 0 0;padding:0}\
nav a{display:inline-block;padding:.25rem 0}\
.state{font-size:.85rem;font-weight:600}.good{color:var(--good)}.bad{color:var(--bad)}\
.counts{display:flex;flex-wrap:wrap;gap:.15rem 1rem;margin:.15rem 0 0;padding:0;list-style:none;\
color:var(--soft);font-size:.9rem}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_a_page_cannot_become_markup() {
        let mut page = Markup::default();
        page.text("<b a=\"1\" c='2'>&");
        assert_eq!(page.0, "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    }
}
