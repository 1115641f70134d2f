//! What the framework does, seen from outside: one module a subject.

mod access;
mod across;
mod aging;
mod attributes;
mod clocks;
mod cluster;
mod coherence;
mod commands;
mod environment;
mod flights;
mod format;
mod generations;
mod guard;
mod keys;
mod manager;
mod outage;
mod pending;
mod redis;
mod sentinel;
mod settled;
mod staleness;
mod tls;
mod worker;
