//! What is decided without a kernel: plans and their properties, findings, screens and frames, readers
//! of foreign bytes. Each test has its host as data.
//!
//! Not here: which file may use which (layers), and what the kernel makes of a plan (setup).

#[path = "../support/mod.rs"]
mod support;

mod findings;
mod fuzz_found;
mod gateway_findings;
mod go_programs;
mod lookup;
mod plan;
mod settings;
mod status_screens;
mod top_screens;
