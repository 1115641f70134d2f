//! Handlers, seen by a real client: whole responses, conditional requests, and the router for operators.

mod client;
mod dashboard;
mod http;
mod length;
mod manual;
mod router;
mod rules;
mod server;
mod shared;
mod weight;
