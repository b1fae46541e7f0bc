//! Custom fields of a list (reference section 6.3). Keys in paths carry their brackets.

use super::body::Fields;
use super::call::{Call, Reply};
use super::error::ApiError;
use super::fields::{DATA_TYPES, FIELD_LIMIT, comparable};
use super::model::{CustomField, List, World};
use serde_json::json;
use std::sync::Arc;

type Answer = Result<Reply, ApiError>;

pub(super) fn all(world: &mut World, id: &str) -> Answer {
    let fields: Vec<_> = world
        .list(id)?
        .custom_fields
        .iter()
        .map(|field| {
            json!({
                "FieldName": field.name(),
                "Key": format!("[{}]", field.key()),
                "DataType": field.data_type,
                "FieldOptions": field.options,
                "VisibleInPreferenceCenter": field.in_preference_center,
            })
        })
        .collect();
    Ok(Reply::read(json!(fields)))
}

pub(super) fn create(world: &mut World, id: &str, call: &Call) -> Answer {
    let body = call.body()?;
    let fields = Fields::of(&body)?;
    let name = fields.text("FieldName")?.unwrap_or_default().trim().to_owned();
    let data_type = fields.text("DataType")?.unwrap_or_default();
    let options = fields.texts("Options")?;
    let list = world.list(id)?;
    check_name(list, &name, None)?;
    if !DATA_TYPES.contains(&data_type.as_str()) {
        return Err(ApiError::input(259));
    }
    match (data_type.starts_with("MultiSelect"), options.is_empty()) {
        (true, true) => return Err(ApiError::input(257)),
        (false, false) => return Err(ApiError::input(256)),
        _ => {}
    }
    let field = CustomField::new(name, data_type, options, fields.flag("VisibleInPreferenceCenter")?);
    let key = format!("[{}]", field.key());
    list.custom_fields.push(field);
    Ok(Reply::created(json!(key)))
}

pub(super) fn rename(world: &mut World, id: &str, key: &str, call: &Call) -> Answer {
    let body = call.body()?;
    let fields = Fields::of(&body)?;
    let name = fields.text("FieldName")?.unwrap_or_default().trim().to_owned();
    let list = world.list(id)?;
    let at = position(list, key)?;
    check_name(list, &name, Some(at))?;
    let old = Arc::clone(list.custom_fields[at].key());
    list.custom_fields[at].rename(name);
    list.custom_fields[at].in_preference_center = fields.flag("VisibleInPreferenceCenter")?;
    let new = Arc::clone(list.custom_fields[at].key());
    list.subscribers.change_fields(|fields| {
        for (key, _) in fields.iter_mut().filter(|(key, _)| *key == old) {
            key.clone_from(&new);
        }
    });
    Ok(Reply::read(json!(format!("[{new}]"))))
}

pub(super) fn options(world: &mut World, id: &str, key: &str, call: &Call) -> Answer {
    let body = call.body()?;
    let fields = Fields::of(&body)?;
    let (keeps, wanted) = (fields.flag("KeepExistingOptions")?, fields.texts("Options")?);
    let list = world.list(id)?;
    let at = position(list, key)?;
    let field = &mut list.custom_fields[at];
    if !field.data_type.starts_with("MultiSelect") {
        return Err(ApiError::input(256));
    }
    if wanted.is_empty() {
        return Err(ApiError::input(257));
    }
    if !keeps {
        field.options.clear();
    }
    for option in wanted {
        if !field.options.contains(&option) {
            field.options.push(option);
        }
    }
    Ok(Reply::done())
}

pub(super) fn delete(world: &mut World, id: &str, key: &str) -> Answer {
    let list = world.list(id)?;
    let at = position(list, key)?;
    let gone = list.custom_fields.remove(at);
    list.subscribers.change_fields(|fields| fields.retain(|(key, _)| key != gone.key()));
    Ok(Reply::done())
}

fn position(list: &List, key: &str) -> Result<usize, ApiError> {
    let bracketed = key.starts_with('[') && key.ends_with(']');
    let wanted = comparable(key);
    list.custom_fields
        .iter()
        .position(|field| bracketed && comparable(field.key()) == wanted)
        .ok_or_else(|| ApiError::input(253))
}

fn check_name(list: &List, name: &str, except: Option<usize>) -> Result<(), ApiError> {
    let key = comparable(name);
    if key.is_empty() || name.chars().count() > 100 || list.custom_fields.len() >= FIELD_LIMIT {
        return Err(ApiError::input(254));
    }
    let taken =
        list.custom_fields.iter().enumerate().any(|(at, field)| Some(at) != except && comparable(field.key()) == key);
    if taken { Err(ApiError::input(255)) } else { Ok(()) }
}
