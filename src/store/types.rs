//! How domain types lie in columns: ids as UUIDs (16 bytes on SQLite), moments as microseconds, closed sets as their
//! small codes, documents as JSON text. An unknown code in the database is an error, never a guess.

use std::io::Write;

use diesel::deserialize::{self, FromSql, Queryable};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Nullable, SmallInt};
use diesel::sqlite::Sqlite;
use uuid::Uuid;

use crate::domain::address::ChangeOutcome;
use crate::domain::basis::BasisKind;
use crate::domain::campaign::{Answer, CampaignStatus, Delivery, EntryState, MemberStatus};
use crate::domain::consent::ConsentState;
use crate::domain::destination::OnExpiry;
use crate::domain::event::{EventKind, Method};
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::*;
use crate::domain::link::{KeyStanding, LinkAction};
use crate::domain::mailing::MailState;
use crate::domain::policy::PolicyFormat;
use crate::domain::purpose::{Channel, PurposeKind};
use crate::domain::reconcile::{Difference, FindingStatus, ReconcileCause, ReconcileStatus, There};
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::throttle::BucketKind;
use crate::domain::time::Timestamp;

use super::rows::{ImportKind, ImportLeg, ImportStatus, RowOutcome};

/// The SQL type of an id: `uuid` on PostgreSQL, 16 bytes on SQLite.
#[derive(Debug, Clone, Copy, Default, diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct Id;

/// What every column type needs to be bound and read, whichever way its bytes go.
macro_rules! expression {
    ($type:ty, $sql:ty) => {
        impl AsExpression<$sql> for $type {
            type Expression = Bound<$sql, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<$sql> for &'a $type {
            type Expression = Bound<$sql, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl AsExpression<Nullable<$sql>> for $type {
            type Expression = Bound<Nullable<$sql>, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<Nullable<$sql>> for &'a $type {
            type Expression = Bound<Nullable<$sql>, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<DB: diesel::backend::Backend> ToSql<Nullable<$sql>, DB> for $type
        where
            Self: ToSql<$sql, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                ToSql::<$sql, DB>::to_sql(self, out)
            }
        }
        impl<DB: diesel::backend::Backend> Queryable<$sql, DB> for $type
        where
            Self: FromSql<$sql, DB>,
        {
            type Row = Self;
            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    };
}

macro_rules! id_columns {
    ($($type:ty),+ $(,)?) => {$(
        expression!($type, Id);
        impl ToSql<Id, Pg> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(self.uuid().as_bytes())?;
                Ok(IsNull::No)
            }
        }
        impl ToSql<Id, Sqlite> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(self.uuid().as_bytes().to_vec());
                Ok(IsNull::No)
            }
        }
        impl FromSql<Id, Pg> for $type {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                Ok(Self::from_uuid(Uuid::from_slice(value.as_bytes())?))
            }
        }
        impl FromSql<Id, Sqlite> for $type {
            fn from_sql(value: diesel::sqlite::SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
                let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(value)?;
                Ok(Self::from_uuid(Uuid::from_slice(&bytes)?))
            }
        }
    )+};
}

id_columns!(
    ControllerId,
    SubjectId,
    PurposeId,
    PolicyId,
    PolicyVersionId,
    NoticeId,
    SenderId,
    FormId,
    ImportId,
    CampaignId,
    MailId,
    EventId,
    LinkId,
    TokenId,
    TaskId,
    DestinationId,
    ReconcileId,
    FindingId,
    ConnectionId
);

macro_rules! coded_columns {
    ($($type:ty),+ $(,)?) => {$(
        expression!($type, SmallInt);
        impl ToSql<SmallInt, Pg> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(&self.code().to_be_bytes())?;
                Ok(IsNull::No)
            }
        }
        impl ToSql<SmallInt, Sqlite> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(i32::from(self.code()));
                Ok(IsNull::No)
            }
        }
        impl<DB: diesel::backend::Backend> FromSql<SmallInt, DB> for $type
        where
            i16: FromSql<SmallInt, DB>,
        {
            fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let code = i16::from_sql(value)?;
                Self::from_code(code).ok_or_else(|| format!("{} has no member with the code {code}", stringify!($type)).into())
            }
        }
    )+};
}

coded_columns!(
    BasisKind,
    Answer,
    CampaignStatus,
    MemberStatus,
    ConsentState,
    EventKind,
    Method,
    MailKind,
    Reason,
    MailState,
    PolicyFormat,
    Channel,
    PurposeKind,
    SuppressionReason,
    TaskKind,
    TaskState,
    ImportKind,
    ImportStatus,
    ImportLeg,
    Delivery,
    EntryState,
    RowOutcome,
    KeyStanding,
    LinkAction,
    BucketKind,
    ReconcileCause,
    ReconcileStatus,
    Difference,
    FindingStatus,
    There,
    OnExpiry,
    ChangeOutcome
);

expression!(Timestamp, BigInt);

impl ToSql<BigInt, Pg> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.micros().to_be_bytes())?;
        Ok(IsNull::No)
    }
}

impl ToSql<BigInt, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.micros());
        Ok(IsNull::No)
    }
}

impl<DB: diesel::backend::Backend> FromSql<BigInt, DB> for Timestamp
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(value).map(Self::from_micros)
    }
}
