//! The gRPC door with TLS.

use crate::common::start_with;
use portcask_server::{Config, Server, StartError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// A certificate in files, and what trusts it.
fn certified(dir: &std::path::Path) -> RootCertStore {
    let names = vec!["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    std::fs::write(dir.join("server.pem"), cert.pem()).unwrap();
    std::fs::write(dir.join("server.key"), signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    roots
}

fn with_tls(config: &mut Config, dir: &std::path::Path) {
    config.tls.grpc = true;
    config.tls.certificate = Some(dir.join("server.pem"));
    config.tls.key = Some(dir.join("server.key"));
}

#[test]
fn http2_is_spoken_inside_tls_and_nothing_without_it() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let dir = tempfile::tempdir().unwrap();
    let roots = certified(dir.path());
    let fixture = start_with(|config| with_tls(config, dir.path()));
    let connect = || {
        let stream = TcpStream::connect(fixture.grpc).unwrap();
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).unwrap();
        stream
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut secure = StreamOwned::new(tls, connect());
    secure.write_all(PREFACE).unwrap();
    let mut head = [0; 9];
    secure.read_exact(&mut head).unwrap();
    assert_eq!(secure.conn.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(head[3], 4, "the first frame is SETTINGS");
    let mut plain = connect();
    plain.write_all(PREFACE).unwrap();
    let mut said = Vec::new();
    // How it ends is the system's business.
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(&head), "{}", said.escape_ascii());
}

#[test]
fn no_door_is_left_without_tls_where_nothing_may_be_served_without_it() {
    let dir = tempfile::tempdir().unwrap();
    certified(dir.path());
    let mut config = Config::new(dir.path().join("store"));
    with_tls(&mut config, dir.path());
    config.tls.port = Some(0);
    config.tls.only = true;
    config.tls.grpc = false;
    config.grpc = Some(([127, 0, 0, 1], 0).into());
    let refused = Server::start(config).err().unwrap();
    assert!(matches!(refused, StartError::Config(_)));
    assert_eq!(
        refused.to_string(),
        "tls-only does not allow plain gRPC on grpc-port; set grpc-tls yes"
    );
}
