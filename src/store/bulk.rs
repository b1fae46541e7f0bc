//! Many rows in one statement on PostgreSQL: an array for each column instead of a parameter for each value, and several
//! tables in one statement. The text does not depend on the number of rows, so it is prepared once. SQLite is given
//! `VALUES` of a few fixed numbers of rows, which are prepared once as well: to read a statement of many rows costs it as
//! much as to carry it out.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, HasSqlType};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::connection::PgConn;

/// A column's values.
pub(super) trait Column: Send {
    fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

struct Values<S, T> {
    values: Vec<T>,
    sql_type: PhantomData<fn() -> S>,
}

impl<S: 'static, T> Column for Values<S, T>
where
    Pg: HasSqlType<Array<S>>,
    Vec<T>: ToSql<Array<S>, Pg>,
    T: Send,
{
    fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<S>, _>(&self.values)
    }
}

/// A column of SQL type `S`.
pub(super) fn column<'a, S: 'static, T>(values: impl Iterator<Item = T>) -> Box<dyn Column + 'a>
where
    Pg: HasSqlType<Array<S>>,
    Vec<T>: ToSql<Array<S>, Pg>,
    T: Send + 'a,
{
    Box::new(Values::<S, T> { values: values.collect(), sql_type: PhantomData })
}

/// A kind of row that can be taken apart into columns; see [`bulk_row!`].
pub(super) trait BulkRow: Sized {
    /// `INSERT INTO table (columns) SELECT * FROM unnest(`
    const INSERT: &'static str;
    /// `INSERT INTO table (columns) VALUES `
    const VALUES: &'static str;
    fn columns(rows: &[Self]) -> Vec<Box<dyn Column + '_>>;
    /// The values of one row, with commas between.
    fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()>;
}

/// Says which columns a kind of row has, and of which SQL types.
macro_rules! bulk_row {
    ($row:ty => $table:literal { $first:ident: $first_type:ty $(, $field:ident: $type:ty)* $(,)? }) => {
        impl $crate::store::bulk::BulkRow for $row {
            const INSERT: &'static str = concat!(
                "INSERT INTO ", $table, " (", stringify!($first) $(, ", ", stringify!($field))*, ") SELECT * FROM unnest("
            );
            const VALUES: &'static str = concat!(
                "INSERT INTO ", $table, " (", stringify!($first) $(, ", ", stringify!($field))*, ") VALUES "
            );
            fn bind<'b>(
                &'b self,
                out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::result::QueryResult<()> {
                out.push_bind_param::<$first_type, _>(&self.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$type, _>(&self.$field)?;
                )*
                Ok(())
            }
            fn columns(rows: &[Self]) -> Vec<Box<dyn $crate::store::bulk::Column + '_>> {
                vec![
                    $crate::store::bulk::column::<$first_type, _>(rows.iter().map(|row| &row.$first)),
                    $($crate::store::bulk::column::<$type, _>(rows.iter().map(|row| &row.$field))),*
                ]
            }
        }
    };
}
pub(super) use bulk_row;

struct Part<'a> {
    before: &'static str,
    columns: Vec<Box<dyn Column + 'a>>,
    after: &'static str,
}

/// A statement of one or several parts. PostgreSQL carries them out as one, and looks at the foreign keys when all are
/// done.
#[derive(Default)]
pub(super) struct Bulk<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> Bulk<'a> {
    /// Inserts rows; `after` is what to do about those that are there already (`ON CONFLICT …`), or nothing.
    pub(super) fn insert<R: BulkRow>(mut self, rows: &'a [R], after: &'static str) -> Self {
        if !rows.is_empty() {
            self.parts.push(Part { before: R::INSERT, columns: R::columns(rows), after });
        }
        self
    }

    /// Anything else over columns: `before` ends in `unnest(`, `after` goes on behind its bracket.
    pub(super) fn statement(before: &'static str, columns: Vec<Box<dyn Column + 'a>>, after: &'static str) -> Self {
        Self { parts: vec![Part { before, columns, after }] }
    }

    /// Runs it; without parts there is nothing to do.
    pub(super) fn execute(self, conn: &mut PgConn) -> QueryResult<usize> {
        if self.parts.is_empty() { Ok(0) } else { RunQueryDsl::execute(self, conn) }
    }
}

impl QueryId for Bulk<'_> {
    // Which parts there are is known only when it runs: cached by its text.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<PgConn> for Bulk<'_> {}

impl QueryFragment<Pg> for Bulk<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let last = self.parts.len().saturating_sub(1);
        for (n, part) in self.parts.iter().enumerate() {
            if n < last {
                out.push_sql(if n == 0 { "WITH " } else { ", " });
                out.push_sql(NAMES[n]);
                out.push_sql(" AS (");
            } else if n > 0 {
                out.push_sql(" ");
            }
            out.push_sql(part.before);
            for (m, column) in part.columns.iter().enumerate() {
                if m > 0 {
                    out.push_sql(", ");
                }
                column.bind(&mut out)?;
            }
            out.push_sql(") ");
            out.push_sql(part.after);
            if n < last {
                out.push_sql(")");
            }
        }
        Ok(())
    }
}

/// Rows in one statement on SQLite, the most first: what is left over goes into the smaller ones.
const SIZES: [usize; 3] = [64, 8, 1];

/// Inserts rows on SQLite; `after` is what to do about those that are there already (`ON CONFLICT …`), or nothing.
pub(super) fn insert_values<R: BulkRow>(
    conn: &mut SqliteConnection,
    mut rows: &[R],
    after: &'static str,
) -> QueryResult<()> {
    for size in SIZES {
        while let Some((piece, left)) = rows.split_at_checked(size) {
            RunQueryDsl::execute(Piece { rows: piece, after }, conn)?;
            rows = left;
        }
    }
    Ok(())
}

/// A statement of one of the [`SIZES`].
struct Piece<'a, R> {
    rows: &'a [R],
    after: &'static str,
}

impl<R> QueryId for Piece<'_, R> {
    // Cached by its text, which names the table and how many rows there are.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<R> RunQueryDsl<SqliteConnection> for Piece<'_, R> {}

impl<R: BulkRow> QueryFragment<Sqlite> for Piece<'_, R> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(R::VALUES);
        for (n, row) in self.rows.iter().enumerate() {
            out.push_sql(if n == 0 { "(" } else { ", (" });
            row.bind(&mut out)?;
            out.push_sql(")");
        }
        out.push_sql(" ");
        out.push_sql(self.after);
        Ok(())
    }
}
