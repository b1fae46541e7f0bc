//! "Any of these rows", where the rows are of many controllers: a batch mixes them, so each wanted row is named by its
//! controller and a second key. One condition, one statement: row values on SQLite, two arrays on PostgreSQL, whose
//! text does not depend on how many are wanted.

use diesel::expression::{AppearsOnTable, Expression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, Bool, HasSqlType};
use diesel::sqlite::Sqlite;

use crate::domain::ids::ControllerId;

use super::types::Id;

/// The condition `(controller, key) is one of the wanted`; made by [`among`].
pub(super) struct Among<C, K, T> {
    controller: C,
    key: K,
    controllers: Vec<ControllerId>,
    keys: Vec<T>,
}

/// Rows whose controller and key are one of `wanted`.
pub(super) fn among<C, K, T>(
    controller: C,
    key: K,
    wanted: impl IntoIterator<Item = (ControllerId, T)>,
) -> Among<C, K, T> {
    let (controllers, keys) = wanted.into_iter().unzip();
    Among { controller, key, controllers, keys }
}

impl<C, K, T> Expression for Among<C, K, T> {
    type SqlType = Bool;
}

impl<C, K, T> ValidGrouping<()> for Among<C, K, T> {
    type IsAggregate = is_aggregate::No;
}

impl<C, K, T, S> AppearsOnTable<S> for Among<C, K, T>
where
    C: AppearsOnTable<S>,
    K: AppearsOnTable<S>,
{
}

impl<C: 'static, K: 'static, T> QueryId for Among<C, K, T> {
    // The kind of value adds nothing: the key's column fixes it.
    type QueryId = Among<C, K, ()>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C, K, T> QueryFragment<Sqlite> for Among<C, K, T>
where
    C: QueryFragment<Sqlite>,
    K: QueryFragment<Sqlite> + Expression,
    Sqlite: HasSqlType<K::SqlType>,
    T: ToSql<K::SqlType, Sqlite>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        if self.keys.is_empty() {
            out.push_sql("0 = 1");
            return Ok(());
        }
        out.push_sql("(");
        self.controller.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.key.walk_ast(out.reborrow())?;
        out.push_sql(") IN (VALUES ");
        for (n, (controller, key)) in self.controllers.iter().zip(&self.keys).enumerate() {
            out.push_sql(if n == 0 { "(" } else { ", (" });
            out.push_bind_param::<Id, _>(controller)?;
            out.push_sql(", ");
            out.push_bind_param::<K::SqlType, _>(key)?;
            out.push_sql(")");
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<C, K, T> QueryFragment<Pg> for Among<C, K, T>
where
    C: QueryFragment<Pg>,
    K: QueryFragment<Pg> + Expression<SqlType: 'static>,
    Pg: HasSqlType<Array<K::SqlType>>,
    Vec<T>: ToSql<Array<K::SqlType>, Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        self.controller.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.key.walk_ast(out.reborrow())?;
        out.push_sql(") IN (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Id>, _>(&self.controllers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<K::SqlType>, _>(&self.keys)?;
        out.push_sql("))");
        Ok(())
    }
}
