//! What the fuzz targets share: material, and readings of a request that owe nothing to the library.
//!
//! `oracle` is the judge of whole decisions. It is written from the documentation, and imports nothing of the library.

#![forbid(unsafe_code)]

pub mod exchange;
pub mod material;
pub mod oracle;
pub mod reading;
pub mod scene;
