//! Where Redis is: the addresses of its servers, with what they need to be connected to.
//! It connects nowhere. Invariant: an address that leaves here can be parsed, and none is shown with its password.

use super::{RedisMode, Secret};
use crate::CacheError;

/// What was said of where Redis is.
pub(super) struct Address {
    pub(super) url: Option<Secret>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) db: Option<i64>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) mode: Option<RedisMode>,
    pub(super) master: Option<String>,
}

/// The servers to speak to first.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    pub(crate) mode: RedisMode,
    /// One for a single server; the nodes of a cluster; the sentinels.
    pub(crate) urls: Vec<Secret>,
    /// The name that the sentinels know the master by.
    pub(crate) master: String,
}

fn refuse<T>(text: impl Into<String>) -> Result<T, CacheError> {
    Err(CacheError::Config(text.into()))
}

impl Address {
    /// The servers, if any were named.
    pub(super) fn resolve(&self) -> Result<Option<Servers>, CacheError> {
        let whole = match (&self.url, &self.host) {
            (Some(url), _) => url.clone(),
            (None, Some(host)) => self.of_parts(host)?,
            (None, None) => return Ok(None),
        };
        let urls = split(&whole.0);
        let mode = match (self.mode, urls.len()) {
            (Some(RedisMode::Single), 2..) => {
                return refuse(format!(
                    "`REDIS_URL` is `{}` and names several nodes, but `REDIS_MODE` is `single`; it takes one address, or \
                     `REDIS_MODE=cluster` or `REDIS_MODE=sentinel`",
                    redact(&whole.0)
                ));
            }
            (Some(mode), _) => mode,
            (None, 2..) => RedisMode::Cluster,
            (None, _) => RedisMode::Single,
        };
        let master = self.master.clone().unwrap_or_default();
        match mode {
            RedisMode::Sentinel if master.is_empty() => {
                return refuse(
                    "`REDIS_MODE` is `sentinel`, but `REDIS_SENTINEL_MASTER` is not set; it takes the name of the master, \
                     such as `mymaster`, and `REDIS_URL` the addresses of the sentinels",
                );
            }
            RedisMode::Single | RedisMode::Cluster if !master.is_empty() => {
                let name = if mode == RedisMode::Single {
                    "single"
                } else {
                    "cluster"
                };
                return refuse(format!(
                    "`REDIS_SENTINEL_MASTER` is set, but `REDIS_MODE` is `{name}`; leave it out, or set `REDIS_MODE=sentinel`"
                ));
            }
            _ => {}
        }
        for url in &urls {
            check(url, mode)?;
        }
        Ok(Some(Servers { mode, urls, master }))
    }

    fn of_parts(&self, host: &str) -> Result<Secret, CacheError> {
        if host.is_empty() || host.contains(['/', '@', '?', ' ']) {
            return refuse(
                "`REDIS_HOST` takes a host name or an address alone; a whole URL goes into `REDIS_URL`",
            );
        }
        let user = match (&self.username, &self.password) {
            (None, None) => String::new(),
            (user, password) => format!(
                "{}:{}@",
                percent(user.as_deref().unwrap_or_default()),
                percent(password.as_ref().map_or("", |secret| &secret.0))
            ),
        };
        let (port, db) = (self.port.unwrap_or(6379), self.db.unwrap_or(0));
        let hosts: Vec<String> = host
            .split(',')
            .map(|host| match host.trim() {
                // An IPv6 address stands in brackets.
                host if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
                host => format!("{host}:{port}"),
            })
            .collect();
        Ok(Secret(format!("redis://{user}{}/{db}", hosts.join(","))))
    }
}

/// The addresses in a text that names several, separated by commas. What the first one says of user, password, database
/// and TLS holds for those that follow it without a scheme of their own.
fn split(text: &str) -> Vec<Secret> {
    let mut urls = Vec::new();
    for part in with_schemes(text) {
        let Some((scheme, rest)) = part.split_once("://").filter(|(scheme, _)| is_tcp(scheme)) else {
            urls.push(Secret(part.trim().to_owned()));
            continue;
        };
        // A password may hold commas, a host does not.
        let (user, rest) = match rest.rfind('@') {
            Some(at) => rest.split_at(at + 1),
            None => ("", rest),
        };
        let (hosts, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        for host in hosts.split(',').map(str::trim) {
            urls.push(Secret(format!("{scheme}://{user}{host}{path}")));
        }
    }
    urls
}

/// The parts of a text that begin with a scheme each.
fn with_schemes(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(',') {
        let next = text.get(at + 1..).unwrap_or_default().trim_start();
        let scheme = next.split_once("://").map_or("", |(scheme, _)| scheme);
        if !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'+')
        {
            parts.push(text.get(from..at).unwrap_or_default());
            from = at + 1;
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts.iter().map(|part| part.trim()).collect()
}

fn is_tcp(scheme: &str) -> bool {
    matches!(scheme, "redis" | "rediss" | "valkey" | "valkeys")
}

#[cfg(feature = "redis")]
fn check(url: &Secret, mode: RedisMode) -> Result<(), CacheError> {
    use redis::{ConnectionAddr, IntoConnectionInfo};
    let shown = redact(&url.0);
    // Asked before the client is, which does not say what to do about it.
    if is_encrypted(&url.0) {
        check_tls(&shown)?;
    }
    let info = url.0.as_str().into_connection_info().map_err(|error| {
        CacheError::Config(format!(
            "`REDIS_URL` is `{shown}` ({error}); it takes `redis://[user:password@]host[:port][/db]`, the same with \
             `rediss://` for TLS, or `unix:///path/to.sock`"
        ))
    })?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            return refuse(format!(
                "`REDIS_URL` is `{shown}` and ends in `#insecure`; certificates are always verified, and another authority \
                 is named by the variable `SSL_CERT_FILE`"
            ));
        }
        ConnectionAddr::Unix(_) if mode != RedisMode::Single => {
            return refuse(format!(
                "`REDIS_URL` is `{shown}`, which is one server of this machine; a cluster and sentinels take `redis://` or \
                 `rediss://`"
            ));
        }
        _ => {}
    }
    let db = info.redis_settings().db();
    if mode == RedisMode::Cluster && db != 0 {
        return refuse(format!(
            "`REDIS_URL` or `REDIS_DB` asks for database {db}, but a cluster has database 0 alone"
        ));
    }
    Ok(())
}

#[cfg(not(feature = "redis"))]
fn check(url: &Secret, _: RedisMode) -> Result<(), CacheError> {
    let _ = is_encrypted;
    refuse(format!(
        "`REDIS_URL` is `{}`, but cache-core was built without its feature `redis`",
        redact(&url.0)
    ))
}

fn is_encrypted(url: &str) -> bool {
    url.starts_with("rediss://") || url.starts_with("valkeys://")
}

#[cfg(all(feature = "redis", not(feature = "tls")))]
fn check_tls(shown: &str) -> Result<(), CacheError> {
    refuse(format!(
        "`REDIS_URL` is `{shown}`, but cache-core was built without TLS; enable its feature `tls-ring`, or `tls` with a \
         crypto provider of your own for `rustls`"
    ))
}

/// Without a provider the first connection would panic.
#[cfg(feature = "tls")]
fn check_tls(shown: &str) -> Result<(), CacheError> {
    use rustls::crypto::CryptoProvider;
    #[cfg(feature = "tls-ring")]
    if CryptoProvider::get_default().is_none() {
        // Fails only where another thread was quicker, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    if CryptoProvider::get_default().is_none() {
        return refuse(format!(
            "`REDIS_URL` is `{shown}`, but no crypto provider is installed for `rustls`; call \
             `rustls::crypto::ring::default_provider().install_default()` (or that of another provider) before the cache is \
             built, or enable the feature `tls-ring` of cache-core"
        ));
    }
    Ok(())
}

fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// An address that is not understood, or is not to be shown: only its scheme is sure to be no secret.
pub(crate) fn redact(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _))
            if scheme.len() < 10
                && scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'+') =>
        {
            format!("{scheme}://***")
        }
        _ => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<String> {
        split(text).into_iter().map(|url| url.0).collect()
    }

    #[test]
    fn e3_an_address_is_shown_without_its_password() {
        for url in [
            "redis://:hunter,2@h",
            "redis://:hunter?2@h",
            "redis://hunter2",
            "redis://ann:hunter2:6379/0",
        ] {
            assert_eq!(redact(url), "redis://***");
        }
        assert_eq!(redact("hunter2"), "***");
        assert_eq!(format!("{:?}", Secret("s3cret".into())), "(hidden)");
    }

    #[test]
    fn nodes_share_what_the_first_one_says() {
        assert_eq!(parts("redis://a"), ["redis://a"]);
        assert_eq!(
            parts("rediss://u:p@a:1,b:2, c/0"),
            ["rediss://u:p@a:1/0", "rediss://u:p@b:2/0", "rediss://u:p@c/0"]
        );
        assert_eq!(
            parts("redis://a:1/,redis://u:p@b:2,c"),
            ["redis://a:1/", "redis://u:p@b:2", "redis://u:p@c"]
        );
    }

    #[test]
    fn a_comma_in_a_password_or_a_path_separates_nothing() {
        assert_eq!(parts("redis://u:a,b@h:1"), ["redis://u:a,b@h:1"]);
        assert_eq!(parts("redis://u:a,b@h,i"), ["redis://u:a,b@h", "redis://u:a,b@i"]);
        assert_eq!(parts("unix:///tmp/a,b"), ["unix:///tmp/a,b"]);
    }

    #[cfg(all(feature = "redis", not(feature = "tls-ring")))]
    #[test]
    fn tls_without_what_it_takes_is_an_error_that_says_so() {
        let error = check(&Secret("rediss://:hunter2@h".into()), RedisMode::Single).unwrap_err();
        let (error, needed) = (
            error.to_string(),
            if cfg!(feature = "tls") {
                "no crypto provider"
            } else {
                "built without TLS"
            },
        );
        assert!(error.contains(needed) && error.contains("tls-ring"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
