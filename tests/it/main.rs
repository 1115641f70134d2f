//! What the framework does, seen from outside: one module a subject.

mod across;
mod aging;
mod attributes;
mod clocks;
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
mod places;
mod redis;
mod source_campaigns;
mod source_dual;
mod source_leads;
mod source_responses;
mod source_typed;
mod staleness;
mod worker;
