//! Policies and their versions. A version is bytes with their SHA-256, kept as they came and never changed (PF-03); a
//! material one asks for the refresh of earlier consents (EX-04).

use crate::crypto::secret::sha256;
use crate::domain::ids::{ControllerScope, PolicyId, PolicyVersionId};
use crate::domain::policy::PolicyFormat;
use crate::domain::slug::Slug;
use crate::domain::time::Timestamp;
use crate::mail::markdown;
use crate::store::policies::{NewPolicyVersion, Policy, PolicyVersion};
use crate::store::{ReadTx, WriteTx};

use super::once::{Asker, OnceKey, write_once};
use super::{Error, Services, refresh, shape};

/// A policy to be.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// Short name.
    pub slug: String,
    /// Name.
    pub name: String,
}

/// A version to be.
#[derive(Debug, Clone)]
pub struct Upload {
    /// What people call it.
    pub label: String,
    /// BCP 47.
    pub language: String,
    /// What kind of document.
    pub format: PolicyFormat,
    /// The document.
    pub body: Vec<u8>,
    /// Where the controller itself shows it.
    pub public_url: Option<String>,
    /// From when it is in force; now, if it is not said.
    pub in_force_from: Option<Timestamp>,
    /// Earlier consents need a refresh.
    pub material: bool,
}

/// A document as everybody may read it.
#[derive(Debug, Clone)]
pub struct PublicPolicy {
    /// Whose it is, by name.
    pub controller: String,
    /// Its record.
    pub version: PolicyVersion,
    /// The exact bytes.
    pub body: Vec<u8>,
}

/// Creates a policy; its short name must be free.
pub async fn create_policy(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewPolicy,
) -> Result<Policy, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let slug = Slug::parse(&new.slug).map_err(|error| Error::field("slug", error))?;
    let policy = Policy {
        controller_id: scope.controller(),
        id: PolicyId::from_uuid(services.ids.row()),
        slug: slug.to_string(),
        name: shape::line("name", &new.name, 200)?,
        created_at: services.clock.now(),
    };
    let most = services.rules.limits.policies;
    let id = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        if tx.policies(scope)?.len() >= most {
            return Err(Error::field("slug", format!("a controller has at most {most} policies")));
        }
        tx.insert_policy(&policy).map_err(Error::taken("the short name"))?;
        Ok(policy.id)
    })
    .await?;
    find_policy(services, scope, id).await
}

/// All policies of a controller.
pub async fn list_policies(services: &Services, scope: ControllerScope) -> Result<Vec<Policy>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.policies(scope)).await?)
}

/// One policy.
pub async fn find_policy(services: &Services, scope: ControllerScope, id: PolicyId) -> Result<Policy, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.policy(scope, id)).await?)
}

/// Publishes a version; label and language together must be free.
pub async fn upload_version(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    policy: PolicyId,
    upload: Upload,
) -> Result<PolicyVersion, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    check_document(&upload, services.rules.policy_bytes)?;
    let now = services.clock.now();
    let version = NewPolicyVersion {
        controller_id: scope.controller(),
        id: PolicyVersionId::from_uuid(services.ids.row()),
        policy_id: policy,
        label: shape::line("label", &upload.label, 100)?,
        language: shape::language("language", &upload.language)?,
        format: upload.format,
        sha256: sha256(&upload.body).to_vec(),
        body: upload.body,
        public_url: upload.public_url.map(|url| shape::web_address("public_url", &url)).transpose()?,
        in_force_from: upload.in_force_from.unwrap_or(now),
        material: upload.material,
        created_at: now,
    };
    let most = services.rules.limits.policy_versions;
    let id = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        tx.policy(scope, policy)?;
        if tx.policy_versions(scope, policy)?.len() >= most {
            return Err(Error::field("label", format!("a policy has at most {most} versions")));
        }
        tx.insert_policy_version(&version).map_err(Error::taken("the label in this language"))?;
        if version.material {
            refresh::ask_for(tx, scope, version.id.uuid(), version.in_force_from.max(now), now)?;
        }
        Ok(version.id)
    })
    .await?;
    find_version(services, scope, policy, id).await
}

/// Text has to be UTF-8, a PDF has to begin as one: the media type is what everybody will be told the bytes are.
fn check_document(upload: &Upload, limit: usize) -> Result<(), Error> {
    if upload.body.is_empty() || upload.body.len() > limit {
        return Err(Error::field("body", format!("expected a document of 1 to {limit} bytes")));
    }
    let fits = match upload.format {
        PolicyFormat::Pdf => upload.body.starts_with(b"%PDF-"),
        PolicyFormat::Html | PolicyFormat::Markdown | PolicyFormat::Text => std::str::from_utf8(&upload.body).is_ok(),
    };
    let expected = match upload.format {
        PolicyFormat::Pdf => "a PDF begins with `%PDF-`",
        PolicyFormat::Html | PolicyFormat::Markdown | PolicyFormat::Text => "expected text in UTF-8",
    };
    if fits { Ok(()) } else { Err(Error::field("body", expected)) }
}

/// A policy's versions, newest first.
pub async fn list_versions(
    services: &Services,
    scope: ControllerScope,
    policy: PolicyId,
) -> Result<Vec<PolicyVersion>, Error> {
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            tx.policy(scope, policy)?;
            Ok(tx.policy_versions(scope, policy)?)
        })
        .await
}

/// One version of a policy.
pub async fn find_version(
    services: &Services,
    scope: ControllerScope,
    policy: PolicyId,
    id: PolicyVersionId,
) -> Result<PolicyVersion, Error> {
    let version = services.store.read(move |tx: &mut ReadTx<'_>| tx.policy_version(scope, id)).await?;
    if version.policy_id == policy { Ok(version) } else { Err(crate::store::StoreError::NotFound.into()) }
}

/// A version's bytes, for everybody who knows its address.
pub async fn public_policy(services: &Services, id: PolicyVersionId) -> Result<PublicPolicy, Error> {
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let (owner, version, body) = tx.public_policy(id)?;
            let controller = tx.controller(ControllerScope::granted(owner))?.name;
            Ok(PublicPolicy { controller, version, body })
        })
        .await
}

/// A Markdown document as sanitised HTML, by the rules of a mail's body; nothing for any other format, and for one that
/// is too large or too deep, which are shown as they are.
pub fn as_page(services: &Services, policy: &PublicPolicy) -> Option<String> {
    let fits = policy.body.len() <= services.rules.limits.policy_page_bytes;
    let text = std::str::from_utf8(&policy.body).ok()?;
    (fits && policy.version.format == PolicyFormat::Markdown).then(|| markdown::document(text)).flatten()
}
