//! Accounts at the provider that were connected by OAuth, or are about to be: the tokens, sealed, and how they stand. A
//! destination names the connection that it is spoken to by; several may name one. The state that a person comes back
//! with finds the controller.

use diesel::prelude::*;

use crate::domain::ids::{ConnectionId, ControllerId, ControllerScope, DestinationId};
use crate::domain::time::Timestamp;

use super::connection::on;
use super::dialect::{database_now, first_locked};
use super::error::StoreError;
use super::schema::{destinations, provider_connections};
use super::{ReadTx, WriteTx};

/// A connection.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = provider_connections, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct ProviderConnection {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: ConnectionId,
    /// Where the provider's API is.
    pub base_url: String,
    /// The destination that is to be spoken to by it from the moment it is made.
    pub for_destination: Option<DestinationId>,
    /// SHA-256 of the state that a person is to come back with; it is used once.
    pub state_hash: Option<Vec<u8>>,
    /// Until when.
    pub state_until: Timestamp,
    /// Grows with each change of the tokens and of what is known about them.
    pub rev: i64,
    /// Version of the key that seals.
    pub key_version: i32,
    /// The tokens, sealed; none before somebody has allowed it.
    pub tokens: Option<Vec<u8>>,
    /// When somebody last allowed it.
    pub connected_at: Option<Timestamp>,
    /// Since when the provider takes these tokens no more: a person has to allow it again.
    pub refused_at: Option<Timestamp>,
    /// Until when somebody renews the tokens, by the database's clock.
    pub claimed_until: Timestamp,
    /// Since when.
    pub created_at: Timestamp,
}

impl ReadTx<'_> {
    /// A connection.
    pub fn provider_connection(
        &mut self,
        scope: ControllerScope,
        id: ConnectionId,
    ) -> Result<ProviderConnection, StoreError> {
        use provider_connections::dsl as t;
        Ok(
            on!(self.conn, c => t::provider_connections.find((scope.controller(), id)).select(ProviderConnection::as_select()).first(c))?,
        )
    }

    /// A controller's connections, the oldest first.
    pub fn provider_connections(&mut self, scope: ControllerScope) -> Result<Vec<ProviderConnection>, StoreError> {
        use provider_connections::dsl as t;
        Ok(
            on!(self.conn, c => t::provider_connections.filter(t::controller_id.eq(scope.controller())).select(ProviderConnection::as_select())
            .order(t::id).limit(1000).load(c))?,
        )
    }

    /// Finds a connection, and with it the controller, by the hash of its state.
    pub fn provider_connection_by_state(&mut self, state_hash: &[u8]) -> Result<ProviderConnection, StoreError> {
        use provider_connections::dsl as t;
        Ok(
            on!(self.conn, c => t::provider_connections.filter(t::state_hash.eq(state_hash)).select(ProviderConnection::as_select()).first(c))?,
        )
    }
}

impl WriteTx<'_> {
    /// A connection, locked until the commit.
    pub fn lock_provider_connection(
        &mut self,
        scope: ControllerScope,
        id: ConnectionId,
    ) -> Result<ProviderConnection, StoreError> {
        use provider_connections::dsl as t;
        Ok(first_locked!(
            &mut *self.conn,
            t::provider_connections.find((scope.controller(), id)).select(ProviderConnection::as_select())
        )?)
    }

    /// A new connection.
    pub fn insert_provider_connection(&mut self, connection: &ProviderConnection) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(provider_connections::table).values(connection).execute(c))?;
        Ok(())
    }

    /// Writes a connection that was locked down as it is now.
    pub fn save_provider_connection(&mut self, connection: &ProviderConnection) -> Result<(), StoreError> {
        use provider_connections::dsl as t;
        on!(self.writing(), c => diesel::update(t::provider_connections.find((connection.controller_id, connection.id))).set(connection).execute(c))?;
        Ok(())
    }

    /// Claims the renewal of a locked connection's tokens for so long, unless somebody else has.
    pub fn claim_renewal(
        &mut self,
        connection: &mut ProviderConnection,
        lease: std::time::Duration,
    ) -> Result<bool, StoreError> {
        let now = Timestamp::from_micros(database_now(self.conn)?);
        if connection.claimed_until > now {
            return Ok(false);
        }
        connection.claimed_until = now.plus(lease);
        self.save_provider_connection(connection)?;
        Ok(true)
    }

    /// Forgets connections by which no destination is spoken to.
    pub fn drop_provider_connections(
        &mut self,
        scope: ControllerScope,
        ids: &[ConnectionId],
    ) -> Result<(), StoreError> {
        use provider_connections::dsl as t;
        for id in ids {
            on!(self.writing(), c => diesel::delete(t::provider_connections.find((scope.controller(), *id))).execute(c))?;
        }
        Ok(())
    }

    /// From now on a destination is spoken to by this connection, and by no API key.
    pub fn connect_destination(
        &mut self,
        scope: ControllerScope,
        destination: DestinationId,
        connection: ConnectionId,
    ) -> Result<(), StoreError> {
        use destinations::dsl as t;
        on!(self.writing(), c => diesel::update(t::destinations.find((scope.controller(), destination)))
            .set((t::connection_id.eq(connection), t::credentials.eq(None::<Vec<u8>>))).execute(c))?;
        Ok(())
    }
}
