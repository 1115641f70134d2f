//! What the integration tests share: a real Redis of their own, a proxy before it, a clock that can be moved, and functions of
//! another crate.
//!
//! No test talks to a server that it did not start. [`RedisServer`] spawns one on a free port, and it
//! goes away with its handle, or with the test process, however that ends.

pub mod annotated;
mod clock;
mod log;
mod proxy;
mod redis_cluster;
mod redis_sentinels;
mod redis_server;

pub use clock::Clock;
pub use log::Log;
pub use proxy::Proxy;
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use redis_server::{Monitor, RedisServer, shared, unique_prefix};
