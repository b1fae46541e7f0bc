//! What the mails of a batch have in common: read once for the batch, shared by its mails.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::domain::ids::{CampaignId, ControllerScope, NoticeId, PolicyVersionId, SenderId};
use crate::domain::purpose::Purpose;
use crate::store::campaigns::Campaign;
use crate::store::controllers::Controller;
use crate::store::mails::Mail;
use crate::store::policies::{Notice, PolicyVersion};
use crate::store::sites::Sender;
use crate::store::{ReadTx, StoreError};

/// What has been read so far.
#[derive(Default)]
pub(super) struct Common {
    controllers: HashMap<ControllerScope, Arc<Controller>>,
    senders: HashMap<(ControllerScope, SenderId), Arc<Sender>>,
    notices: HashMap<(ControllerScope, NoticeId), Arc<Notice>>,
    policies: HashMap<(ControllerScope, PolicyVersionId), Arc<PolicyVersion>>,
    rounds: HashMap<(ControllerScope, CampaignId), Arc<Campaign>>,
    purposes: HashMap<(ControllerScope, String), Arc<Vec<Purpose>>>,
}

/// The value kept under a key, or read now.
fn kept<K: Eq + Hash, T>(
    map: &mut HashMap<K, Arc<T>>,
    key: K,
    read: impl FnOnce() -> Result<T, StoreError>,
) -> Result<Arc<T>, StoreError> {
    if let Some(known) = map.get(&key) {
        return Ok(Arc::clone(known));
    }
    let value = Arc::new(read()?);
    map.insert(key, Arc::clone(&value));
    Ok(value)
}

impl Common {
    pub(super) fn controller(
        &mut self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
    ) -> Result<Arc<Controller>, StoreError> {
        kept(&mut self.controllers, scope, || tx.controller(scope))
    }

    pub(super) fn sender(
        &mut self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        mail: &Mail,
    ) -> Result<Arc<Sender>, StoreError> {
        kept(&mut self.senders, (scope, mail.sender_id), || tx.sender(scope, mail.sender_id))
    }

    pub(super) fn notice(
        &mut self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        mail: &Mail,
    ) -> Result<Arc<Notice>, StoreError> {
        kept(&mut self.notices, (scope, mail.notice_id), || tx.notice(scope, mail.notice_id))
    }

    pub(super) fn policy(
        &mut self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        id: PolicyVersionId,
    ) -> Result<Arc<PolicyVersion>, StoreError> {
        kept(&mut self.policies, (scope, id), || tx.policy_version(scope, id))
    }

    pub(super) fn round(
        &mut self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        mail: &Mail,
    ) -> Result<Option<Arc<Campaign>>, StoreError> {
        let round = |id| kept(&mut self.rounds, (scope, id), || tx.campaign(scope, id));
        mail.campaign_id.map(round).transpose()
    }

    pub(super) fn purposes(
        &mut self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        mail: &Mail,
    ) -> Result<Arc<Vec<Purpose>>, StoreError> {
        let ids = mail.purposes()?;
        kept(&mut self.purposes, (scope, mail.purposes.clone()), || tx.purposes_in_order(scope, &ids))
    }
}
