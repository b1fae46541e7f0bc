//! A changing statement that stays prepared. Diesel has each one parsed and planned anew, as which columns it sets may
//! differ from one call to the next; here they do not, or there are few texts, and each is kept by what it says.

use diesel::backend::Backend;
use diesel::query_builder::{AsChangeset, AstPass, IntoUpdateTarget, QueryFragment, QueryId, UpdateTarget};
use diesel::result::QueryResult;
use diesel::{Connection, QuerySource, RunQueryDsl, Table};

/// Begins a change to some rows, as `diesel::update` does, that is kept by its text.
pub(super) fn update<T: IntoUpdateTarget>(rows: T) -> Changing<T::Table, T::WhereClause> {
    Changing(rows.into_update_target())
}

/// Rows that are to be changed.
pub(super) struct Changing<T, W>(UpdateTarget<T, W>);

impl<T: Table, W> Changing<T, W> {
    /// To what.
    pub(super) fn set<V: AsChangeset<Target = T>>(self, values: V) -> Update<T, W, V::Changeset> {
        let UpdateTarget { table, where_clause } = self.0;
        Update { table: table.from_clause(), which: where_clause, values: values.as_changeset() }
    }
}

/// A change.
pub(super) struct Update<T: QuerySource, W, V> {
    table: T::FromClause,
    which: W,
    values: V,
}

impl<T: QuerySource, W, V> QueryId for Update<T, W, V> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T: QuerySource, W, V, C: Connection> RunQueryDsl<C> for Update<T, W, V> {}

impl<T, W, V, B> QueryFragment<B> for Update<T, W, V>
where
    B: Backend,
    T: QuerySource<FromClause: QueryFragment<B>>,
    W: QueryFragment<B>,
    V: QueryFragment<B>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, B>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        self.table.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        self.values.walk_ast(out.reborrow())?;
        self.which.walk_ast(out)
    }
}
