//! `rediss://` (contract, section 6), against a server that speaks TLS. Which authority is trusted is a variable of the
//! process, so each case is one of its own.

use std::process::Command;

use tests::{RedisServer, unique_prefix};

/// A server whose certificate says `localhost`, its address over TLS, and the file of the certificate.
struct Encrypted {
    _server: RedisServer,
    url: String,
    certificate: String,
    folder: std::path::PathBuf,
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn encrypted() -> Encrypted {
    let folder = std::env::temp_dir().join(unique_prefix());
    std::fs::create_dir_all(&folder).expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    };
    let certificate = write("certificate.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    let port = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.local_addr().expect("an address").port().to_string()
    };
    let server = RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "",
    ]);
    Encrypted {
        _server: server,
        url: format!("rediss://localhost:{port}/"),
        certificate,
        folder,
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

#[test]
fn a_server_whose_certificate_is_trusted_is_used_over_tls() {
    let server = encrypted();
    let said = probe(&[("REDIS_URL", &server.url), ("SSL_CERT_FILE", &server.certificate)]);
    assert!(
        said.contains("status: Healthy") && said.contains("channel: true"),
        "{said}"
    );
    // The second process finds what the first has stored.
    assert!(said.contains("runs 1"), "{said}");
    let said = probe(&[("REDIS_URL", &server.url), ("SSL_CERT_FILE", &server.certificate)]);
    assert!(said.contains("runs 0"), "{said}");
}

#[test]
fn l3_a_server_whose_certificate_is_not_trusted_is_as_good_as_none() {
    let (server, other) = (encrypted(), encrypted());
    let said = probe(&[("REDIS_URL", &server.url), ("SSL_CERT_FILE", &other.certificate)]);
    assert!(
        said.contains("status: Degraded") && said.contains("runs 1"),
        "{said}"
    );
    let by_address = server.url.replace("localhost", "127.0.0.1");
    let said = probe(&[("REDIS_URL", &by_address), ("SSL_CERT_FILE", &server.certificate)]);
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
