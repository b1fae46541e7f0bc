//! "Any of these rows", where the rows are of many controllers: a batch mixes them, so each wanted row is named by its
//! controller and a second key. One condition, one statement: row values on SQLite, two arrays on PostgreSQL, whose
//! text does not depend on how many are wanted. On SQLite it does; the last of the wanted is named over again until
//! there are as many as the next power of two, so that few texts recur and stay prepared.

use diesel::expression::{AppearsOnTable, Expression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, Bool, HasSqlType};
use diesel::sqlite::Sqlite;

use crate::domain::ids::ControllerId;

use super::types::Id;

/// A condition on more than these is planned anew each time: few are so long, and each kept one takes memory.
pub(super) const MOST_KEPT: usize = 512;

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

impl<C, K, T> QueryId for Among<C, K, T> {
    // Kept by its text, which says how many are wanted.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, K, T> QueryFragment<Sqlite> for Among<C, K, T>
where
    C: QueryFragment<Sqlite>,
    K: QueryFragment<Sqlite> + Expression,
    Sqlite: HasSqlType<K::SqlType>,
    T: ToSql<K::SqlType, Sqlite>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        if self.keys.is_empty() {
            out.push_sql("0 = 1");
            return Ok(());
        }
        let (wanted, last) = (self.keys.len(), self.keys.len() - 1);
        let named = if wanted <= MOST_KEPT { wanted.next_power_of_two() } else { wanted };
        if wanted > MOST_KEPT {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql("(");
        self.controller.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.key.walk_ast(out.reborrow())?;
        out.push_sql(") IN (VALUES ");
        for n in 0..named {
            let (controller, key) = (&self.controllers[n.min(last)], &self.keys[n.min(last)]);
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
