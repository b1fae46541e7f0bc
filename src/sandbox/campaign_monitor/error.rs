//! Refusals in the provider's own shape: HTTP status, `Code`, `Message`, sometimes `ResultData`.

use serde_json::{Value, json};

/// One refusal (reference section 12).
#[derive(Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: u32,
    pub(super) message: String,
    pub(super) result: Option<Value>,
}

impl ApiError {
    pub(super) fn new(status: u16, code: u32, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), result: None }
    }

    /// A refusal with HTTP 400, as most are; the message belongs to the code.
    pub(super) fn input(code: u32) -> Self {
        Self::new(400, code, message(code))
    }

    pub(super) fn foreign_client() -> Self {
        Self::new(401, 102, "Invalid ClientID")
    }

    pub(super) fn unknown_list() -> Self {
        Self::new(401, 101, "Invalid ListID")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, 404, "We couldn't find the resource you're looking for")
    }

    /// A body whose JSON has the wrong types; names the field, as the provider does.
    pub(super) fn unreadable(field: &str) -> Self {
        Self::new(400, 400, &format!("Failed to deserialize your request. Fields in error: {field}"))
    }

    pub(super) fn with_result(mut self, result: Value) -> Self {
        self.result = Some(result);
        self
    }

    pub(super) fn body(&self) -> Value {
        match &self.result {
            Some(result) => {
                json!({"Code": self.code, "Message": self.message, "ResultData": result})
            }
            None => json!({"Code": self.code, "Message": self.message}),
        }
    }
}

fn message(code: u32) -> &'static str {
    match code {
        1 => "Invalid Email Address",
        5 => "Invalid Date",
        176 => "Email Address is not on the suppression list",
        201 => "Email Address is on the list already",
        203 => "Subscriber not in list or has already been removed",
        204 => "Address is on the suppression list and was not added",
        205 => "Address is Deleted and was not added",
        206 => "Address is Unsubscribed and was not added",
        207 => "Address is Bounced and was not added",
        208 => "Address is Unconfirmed and was not added",
        209 => "Too many subscribers in one import",
        210 => "Subscriber Import had some failures",
        211 => "New Email Address is invalid",
        212 => "No subscribers to import",
        214 => "ConsentToTrack value is required",
        215 => "ConsentToTrack value is invalid",
        220 => "Invalid Mobile Number",
        221 => "Invalid Email Address and Mobile Number",
        250 => "List title exists already",
        251 => "List title is empty",
        253 => "Invalid custom field key",
        254 => "Invalid custom field name",
        255 => "Custom field exists already",
        256 => "Options are not allowed for this data type",
        257 => "Options are missing",
        259 => "Invalid custom field data type",
        261 => "Invalid unsubscribe setting",
        601 => "Invalid webhook URL",
        602 => "Invalid webhook payload format",
        603 => "Invalid webhook event",
        610 => "Webhook test failed",
        302 => "Invalid message id",
        800 => "Invalid page number",
        801 => "Invalid page size",
        802 => "Invalid order field",
        803 => "Invalid order direction",
        905 => "Invalid count",
        952 => "Invalid or missing recipient",
        953 => "A recipient is too long",
        954 => "Too many recipients",
        956 => "Subject is missing",
        974 => "ConsentToTrack value is missing or invalid",
        996 => "Data is too large",
        _ => "Invalid request",
    }
}
