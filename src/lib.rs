//! Tidegate: a caching market-data gateway.

pub mod api;
pub mod app;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod exchange;
pub mod market;
pub mod registry;
pub mod service;
pub mod sim;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
