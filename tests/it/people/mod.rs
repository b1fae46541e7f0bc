//! What a site, and staff, may do about people: record choices, hand out links, look, stop, download, settle work.

mod consents;
mod exports;
mod ground;
mod links;
mod parked;
mod subjects;
