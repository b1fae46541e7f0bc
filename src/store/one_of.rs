//! "One of these few codes", where how many there are is known beforehand: a condition of stable text, which stays
//! prepared. (Of a list whose length may be any, diesel has each statement on SQLite planned anew.)

use diesel::expression::{AppearsOnTable, Expression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, Bool, HasSqlType};
use diesel::sqlite::Sqlite;

/// The condition `column is one of the codes`; made by [`one_of`].
pub(super) struct OneOf<C, T, const N: usize> {
    column: C,
    codes: [T; N],
}

/// Rows in which the column has one of these codes.
pub(super) fn one_of<C, T, const N: usize>(column: C, codes: [T; N]) -> OneOf<C, T, N> {
    const { assert!(N > 0, "nothing is one of none") };
    OneOf { column, codes }
}

impl<C, T, const N: usize> Expression for OneOf<C, T, N> {
    type SqlType = Bool;
}

impl<C, T, const N: usize> ValidGrouping<()> for OneOf<C, T, N> {
    type IsAggregate = is_aggregate::No;
}

impl<C: AppearsOnTable<S>, T, S, const N: usize> AppearsOnTable<S> for OneOf<C, T, N> {}

impl<C: 'static, T, const N: usize> QueryId for OneOf<C, T, N> {
    // The kind of code adds nothing: the column fixes it.
    type QueryId = OneOf<C, (), N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C, T, const N: usize> QueryFragment<Sqlite> for OneOf<C, T, N>
where
    C: QueryFragment<Sqlite> + Expression,
    Sqlite: HasSqlType<C::SqlType>,
    T: ToSql<C::SqlType, Sqlite>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        for (n, code) in self.codes.iter().enumerate() {
            out.push_sql(if n == 0 { " IN (" } else { ", " });
            out.push_bind_param::<C::SqlType, _>(code)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<C, T, const N: usize> QueryFragment<Pg> for OneOf<C, T, N>
where
    C: QueryFragment<Pg> + Expression<SqlType: 'static>,
    Pg: HasSqlType<Array<C::SqlType>>,
    [T]: ToSql<Array<C::SqlType>, Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY(");
        out.push_bind_param::<Array<C::SqlType>, [T]>(&self.codes)?;
        out.push_sql(")");
        Ok(())
    }
}
