//! Who asks. A handler says in its arguments which right it needs ([`For`]); without a token that has it, the handler
//! does not run. The controller comes from the token and from nowhere else.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use tokio::sync::oneshot;

use crate::domain::ids::{ControllerScope, TokenId};
use crate::domain::scope::Scope;
use crate::usecases::Services;
use crate::usecases::setup::{Caller, authenticate};

use super::problem::{Kind, Problem};

/// A right that a handler can ask for.
pub trait Right {
    /// The scope a token needs.
    const SCOPE: Scope;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl Right for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )+};
}

rights! {
    /// Purposes, policies, notices, senders, forms, destination.
    Settings,
    /// Record choices server to server; on-site links.
    Consents,
    /// Upload lists.
    Imports,
    /// Rounds.
    Campaigns,
    /// People with their history.
    Subjects,
    /// Downloads.
    Exports,
    /// Tokens.
    Tokens,
}

/// A caller whose token has the right `R` for the controller in [`Self::scope`].
#[derive(Debug, Clone, Copy)]
pub struct For<R> {
    /// The controller.
    pub scope: ControllerScope,
    /// The token.
    pub token: TokenId,
    right: PhantomData<R>,
}

/// The operator.
#[derive(Debug, Clone, Copy)]
pub struct Operator {
    /// The token.
    pub token: TokenId,
}

/// Opens when the caller has been found to have the right, so that nobody's body is read before.
struct Gate(oneshot::Receiver<()>);

/// Has to be opened before a body of this request is read.
fn close_gate(request: &HttpRequest) -> oneshot::Sender<()> {
    let (open, gate) = oneshot::channel();
    request.extensions_mut().insert(Gate(gate));
    open
}

/// Waits until the caller has been let in. Where a handler asks for no right there is nothing to wait for; where it
/// is refused, the refusal is the answer.
pub async fn let_in(request: &HttpRequest) {
    let gate = request.extensions_mut().remove::<Gate>();
    if let Some(Gate(gate)) = gate {
        // An error says that it was refused.
        drop(gate.await);
    }
}

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// Reads `Authorization: Bearer …` and finds the token.
async fn caller(request: HttpRequest) -> Result<Caller, Problem> {
    let services = request.app_data::<Data<Services>>().ok_or(Problem::of(Kind::Internal))?.clone();
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = header.and_then(|value| value.split_once(' ')).ok_or(Problem::of(Kind::Unauthorised))?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > 200 {
        return Err(Problem::of(Kind::Unauthorised));
    }
    Ok(authenticate(&services, token).await?)
}

impl<R: Right + 'static> FromRequest for For<R> {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (request, open) = (request.clone(), close_gate(request));
        Box::pin(async move {
            let caller = caller(request).await?;
            let scope = caller
                .controller
                .ok_or(Problem::with(Kind::Forbidden, "this is a controller's, and the token is the operator's"))?;
            if !caller.scopes.contains(&R::SCOPE) {
                tracing::info!(target: "audit", token = %caller.token, needed = R::SCOPE.name(), "a token was refused");
                return Err(Problem::with(Kind::Forbidden, format!("the token has no `{}` scope", R::SCOPE)));
            }
            // Without a body nobody waits.
            let _ = open.send(());
            Ok(Self { scope, token: caller.token, right: PhantomData })
        })
    }
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (request, open) = (request.clone(), close_gate(request));
        Box::pin(async move {
            let caller = caller(request).await?;
            if caller.controller.is_some() || !caller.scopes.contains(&Scope::Operator) {
                tracing::info!(target: "audit", token = %caller.token, needed = "operator", "a token was refused");
                return Err(Problem::with(Kind::Forbidden, "only the operator's token may do this"));
            }
            let _ = open.send(());
            Ok(Self { token: caller.token })
        })
    }
}
