//! A changing statement that stays prepared. Diesel has each one parsed and planned anew, as which columns it sets may
//! differ from one call to the next; here they do not, or there are few texts, and each is kept by what it says.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::{Connection, RunQueryDsl};

/// A statement that is kept by its text; made by [`prepared`].
pub(super) struct Prepared<S>(S);

/// Keeps a statement whose text recurs.
pub(super) const fn prepared<S>(statement: S) -> Prepared<S> {
    Prepared(statement)
}

impl<S> QueryId for Prepared<S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S, C: Connection> RunQueryDsl<C> for Prepared<S> {}

impl<S, B> QueryFragment<B> for Prepared<S>
where
    B: Backend,
    S: QueryFragment<B>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, B>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &B) -> QueryResult<bool> {
        Ok(true)
    }
}
