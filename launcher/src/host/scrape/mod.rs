//! How a text is handed to a scraper: in a file that is replaced whole ([`mod@file`]), or as the one page of an
//! HTTP server ([`page`]). What the text says is the caller's.

pub mod file;
pub mod page;
