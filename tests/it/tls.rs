//! `rediss://` (contract, section 6), against a server that speaks TLS. Which authority is trusted is a variable of the
//! process, so each case is one of its own.

use std::path::PathBuf;
use std::process::Command;

use tests::{RedisServer, unique_prefix};

/// A certificate with its key, and servers that show it.
struct Encrypted {
    /// Which the probe is to use.
    variables: Vec<(&'static str, String)>,
    servers: Vec<RedisServer>,
    certificate: Certificate,
}

struct Certificate {
    folder: PathBuf,
    file: String,
    key: String,
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Certificate {
    fn of(names: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(unique_prefix());
        std::fs::create_dir_all(&folder).expect("a folder");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("written");
            path.to_string_lossy().into_owned()
        };
        Self {
            file: write("certificate.pem", made.cert.pem()),
            key: write("key.pem", made.signing_key.serialize_pem()),
            folder,
        }
    }

    /// The settings of a server with a port for TLS.
    fn settings(&self, port: u16) -> [(&'static str, String); 5] {
        [
            ("tls-port", port.to_string()),
            ("tls-cert-file", self.file.clone()),
            ("tls-key-file", self.key.clone()),
            ("tls-ca-cert-file", self.file.clone()),
            ("tls-auth-clients", "no".to_owned()),
        ]
    }

    /// The same as arguments.
    fn arguments(&self, port: u16) -> Vec<String> {
        let settings = self.settings(port).into_iter();
        settings
            .flat_map(|(name, value)| [format!("--{name}"), value])
            .collect()
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn texts(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A server whose certificate says `localhost`.
fn encrypted() -> Encrypted {
    let certificate = Certificate::of(&["localhost"]);
    let port = free_port();
    let server = RedisServer::start_with(&texts(&certificate.arguments(port)));
    Encrypted {
        variables: vec![("REDIS_URL", format!("rediss://localhost:{port}/"))],
        servers: vec![server],
        certificate,
    }
}

/// A master and a sentinel that watches it, both of them over TLS.
fn encrypted_sentinel() -> Encrypted {
    let certificate = Certificate::of(&["localhost", "127.0.0.1"]);
    let (port, of_sentinel) = (free_port(), free_port());
    let master = RedisServer::start_with(&texts(&certificate.arguments(port)));
    let settings = certificate.settings(of_sentinel).into_iter();
    let mut lines: Vec<String> = settings.map(|(name, value)| format!("{name} {value}")).collect();
    lines.push("tls-replication yes".to_owned());
    lines.push(format!("sentinel monitor mymaster 127.0.0.1 {port} 1\n"));
    let sentinel = RedisServer::start_sentinel(&lines.join("\n"));
    Encrypted {
        variables: vec![
            ("REDIS_URL", format!("rediss://localhost:{of_sentinel}/")),
            ("REDIS_MODE", "sentinel".to_owned()),
            ("REDIS_SENTINEL_MASTER", "mymaster".to_owned()),
        ],
        servers: vec![master, sentinel],
        certificate,
    }
}

/// A cluster that is one node, over TLS.
fn encrypted_cluster() -> Encrypted {
    let certificate = Certificate::of(&["localhost", "127.0.0.1"]);
    let port = free_port();
    let mut arguments = certificate.arguments(port);
    let nodes = certificate
        .folder
        .join("nodes.conf")
        .to_string_lossy()
        .into_owned();
    let mut further = vec!["--cluster-enabled", "yes", "--cluster-config-file", &nodes];
    // Or else it tells everybody of its other port.
    further.extend(["--tls-cluster", "yes"]);
    arguments.extend(further.into_iter().map(str::to_owned));
    let node = RedisServer::start_node(&texts(&arguments));
    assert_eq!(node.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    while !node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Encrypted {
        variables: vec![
            ("REDIS_URL", format!("rediss://localhost:{port}/")),
            ("REDIS_MODE", "cluster".to_owned()),
        ],
        servers: vec![node],
        certificate,
    }
}

impl Encrypted {
    /// What the probe says that trusts this certificate.
    fn said(&self, trusted: &Certificate) -> String {
        let mut variables: Vec<(&str, &str)> = vec![("SSL_CERT_FILE", &trusted.file)];
        variables.extend(self.variables.iter().map(|(name, value)| (*name, value.as_str())));
        probe(&variables)
    }
}

fn probe(variables: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_probe"))
        .env_clear()
        .env("CACHE_OP_BUDGET", "3s")
        .envs(variables.iter().copied())
        .output()
        .expect("the probe runs");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// One process stores, and the next one finds it.
fn is_used(encrypted: &Encrypted) {
    let said = encrypted.said(&encrypted.certificate);
    assert!(
        said.contains("status: Healthy") && said.contains("channel: true"),
        "{said}"
    );
    assert!(said.contains("runs 1"), "{said}");
    // Though the load ran while the channel was first listened to.
    let said = encrypted.said(&encrypted.certificate);
    assert!(said.contains("runs 0"), "{said}");
    assert_ne!(encrypted.servers[0].cli(&["DBSIZE"]), "0");
}

#[test]
fn a_server_whose_certificate_is_trusted_is_used_over_tls() {
    is_used(&encrypted());
}

#[test]
fn sentinels_and_their_master_are_used_over_tls() {
    is_used(&encrypted_sentinel());
}

#[test]
fn a_cluster_is_used_over_tls() {
    is_used(&encrypted_cluster());
}

#[test]
fn l3_a_server_whose_certificate_is_not_trusted_is_as_good_as_none() {
    let (mut server, other) = (encrypted(), encrypted());
    let said = server.said(&other.certificate);
    assert!(
        said.contains("status: Degraded") && said.contains("runs 1"),
        "{said}"
    );
    let by_address = server.variables[0].1.replace("localhost", "127.0.0.1");
    server.variables[0].1 = by_address;
    let said = server.said(&server.certificate);
    assert!(
        said.contains("status: Degraded") && said.contains("runs 1"),
        "{said}"
    );
}

#[test]
fn certificates_are_always_verified() {
    let said = probe(&[("REDIS_URL", "rediss://localhost:1/#insecure")]);
    assert!(
        said.contains("refused: `REDIS_URL`") && said.contains("SSL_CERT_FILE"),
        "{said}"
    );
}
