//! TLS, and sockets of this machine: who comes in, who does not, and what hostile bytes do.

use crate::common::{Fixture, end_of_reply, frame, start_with};
use crate::starting::refused;
use portcask_server::{ClientCertificates, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An authority and what it issued, in files.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        for who in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            std::fs::write(dir.path().join(format!("{who}.pem")), certificate.pem()).unwrap();
            let key = key.serialize_pem();
            std::fs::write(dir.path().join(format!("{who}.key")), key).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tls(&self, clients: ClientCertificates) -> Tls {
        Tls {
            port: Some(0),
            grpc: false,
            only: false,
            certificate: Some(self.path("server.pem")),
            key: Some(self.path("server.key")),
            authority: Some(self.path("ca.pem")),
            clients,
        }
    }

    fn start(&self, clients: ClientCertificates) -> Fixture {
        start_with(|config| {
            config.tls = self.tls(clients);
            config.limits.handshake = Duration::from_secs(2);
        })
    }

    fn connect(&self, fixture: &Fixture, with_certificate: bool) -> Secure {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.path("ca.pem")).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = if with_certificate {
            let chain = vec![CertificateDer::from_pem_file(self.path("client.pem")).unwrap()];
            let key = PrivateKeyDer::from_pem_file(self.path("client.key")).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        Secure {
            stream: StreamOwned::new(tls, socket(fixture)),
            received: Vec::new(),
        }
    }
}

fn socket(fixture: &Fixture) -> TcpStream {
    let socket = TcpStream::connect(fixture.server.tls_addresses()[0]).unwrap();
    let patience = Duration::from_secs(30);
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

struct Secure {
    stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

impl Secure {
    fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        self.stream.write_all(&frame(words))?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = end_of_reply(&self.received, 0) {
                let reply: Vec<u8> = self.received.drain(..end).collect();
                return Ok(String::from_utf8_lossy(&reply).trim_end().to_owned());
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.received.extend_from_slice(&piece[..read]),
            }
        }
    }
}

#[test]
fn a_client_over_tls_and_one_without_see_the_same_store() {
    let files = Files::new();
    let fixture = files.start(ClientCertificates::No);
    let mut secure = files.connect(&fixture, false);
    assert_eq!(secure.ask(&["SET", "k", "v"]).unwrap(), "+OK");
    assert_eq!(fixture.connect().ask("GET k"), "$1 v");
    // Larger than any buffer on the way, both ways.
    let large = "x".repeat(5 << 20);
    assert_eq!(secure.ask(&["SET", "large", &large]).unwrap(), "+OK");
    let back = secure.ask(&["GET", "large"]).unwrap();
    assert_eq!(back.len(), large.len() + "$5242880\r\n".len());
    for n in 0..2_000 {
        let words = ["INCRBY", "n", &n.to_string()];
        secure.stream.write_all(&frame(&words)).unwrap();
    }
    let mut sum = 0;
    for n in 0..2_000 {
        sum += n;
        assert_eq!(secure.reply().unwrap(), format!(":{sum}"));
    }
    assert!(secure.ask(&["QUIT"]).unwrap().starts_with("+OK"));
    assert_eq!(secure.stream.read(&mut [0; 16]).unwrap(), 0, "said goodbye");
}

#[test]
fn who_must_show_a_certificate_and_has_none_is_not_let_in() {
    let files = Files::new();
    let fixture = files.start(ClientCertificates::Required);
    assert!(files.connect(&fixture, false).ask(&["PING"]).is_err());
    let mut known = files.connect(&fixture, true);
    assert_eq!(known.ask(&["PING"]).unwrap(), "+PONG");
    let fixture = files.start(ClientCertificates::Optional);
    for with_certificate in [false, true] {
        let mut client = files.connect(&fixture, with_certificate);
        assert_eq!(client.ask(&["PING"]).unwrap(), "+PONG");
    }
    // A certificate from elsewhere is worse than none.
    let others = Files::new();
    std::fs::copy(others.path("client.pem"), files.path("client.pem")).unwrap();
    std::fs::copy(others.path("client.key"), files.path("client.key")).unwrap();
    assert!(files.connect(&fixture, true).ask(&["PING"]).is_err());
}

#[test]
fn r16_r34_bytes_that_are_no_tls_end_the_connection_and_disturb_nobody() {
    let files = Files::new();
    let fixture = files.start(ClientCertificates::No);
    let mut known = files.connect(&fixture, false);
    for bytes in [
        &b"*1\r\n$4\r\nPING\r\n"[..],
        b"\x16\x03\x01\xff\xff",
        &[0x16; 70_000],
        &[0; 100],
        b"\x15\x03\x03\x00\x02\x02\x28",
    ] {
        let mut socket = socket(&fixture);
        // It may be closed before everything is written.
        let _ = socket.write_all(bytes);
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|it| it == b"PONG"));
        assert_eq!(known.ask(&["PING"]).unwrap(), "+PONG");
    }
}

#[test]
fn r22_a_handshake_that_is_never_finished_is_cut_and_counts_as_a_client() {
    let files = Files::new();
    let fixture = start_with(|config| {
        config.tls = files.tls(ClientCertificates::No);
        config.limits.handshake = Duration::from_millis(300);
        config.limits.clients_max = 3;
    });
    let mut observer = fixture.connect();
    assert_eq!(observer.ask("PING"), "+PONG");
    let mut silent = socket(&fixture);
    let mut slow = socket(&fixture);
    slow.write_all(b"\x16\x03\x01").unwrap();
    while !observer.ask("INFO clients").contains("connected_clients:3") {}
    let refused = fixture.connect().rest_as_text();
    assert_eq!(refused, "-ERR max number of clients reached\r\n");
    for socket in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "cut without a word");
    }
    assert!(
        observer
            .ask("INFO stats")
            .contains("clients_cut_for_time:2")
    );
    assert_eq!(
        files.connect(&fixture, false).ask(&["PING"]).unwrap(),
        "+PONG"
    );
}

#[test]
fn r34_a_connection_cut_inside_a_command_runs_nothing_of_it() {
    let files = Files::new();
    let fixture = files.start(ClientCertificates::No);
    let mut secure = files.connect(&fixture, false);
    assert_eq!(secure.ask(&["SET", "k", "before"]).unwrap(), "+OK");
    let whole = frame(&["SET", "k", "after"]);
    secure.stream.write_all(&whole[..whole.len() - 1]).unwrap();
    secure.stream.flush().unwrap();
    drop(secure.stream.sock);
    let mut observer = fixture.connect();
    while !observer.ask("INFO clients").contains("connected_clients:1") {}
    assert_eq!(observer.ask("GET k"), "$6 before");
}

#[test]
fn tls_that_cannot_be_served_is_told_with_the_file_and_an_exit_code() {
    let files = Files::new();
    let (certificate, key) = (files.path("server.pem"), files.path("server.key"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let absent = files.path("absent.pem");
    let absent = absent.to_str().unwrap();
    let other = files.path("client.key");
    let store = files.path("store");
    for (arguments, words) in [
        (
            vec!["--tls-cert", absent, "--tls-key", key],
            format!("{absent}: cannot read the certificate: "),
        ),
        (
            vec!["--tls-cert", certificate, "--tls-key", absent],
            format!("{absent}: cannot read the private key: "),
        ),
        (
            vec!["--tls-cert", key, "--tls-key", key],
            format!("{key}: contains no certificate"),
        ),
        (
            vec!["--tls-cert", certificate, "--tls-key", certificate],
            format!("{certificate}: contains no private key"),
        ),
        (
            vec![
                "--tls-cert",
                certificate,
                "--tls-key",
                other.to_str().unwrap(),
            ],
            format!("{}: does not match the certificate: ", other.display()),
        ),
        (
            vec!["--tls-cert", certificate],
            "tls-port needs tls-cert-file and tls-key-file".to_owned(),
        ),
        (
            vec![
                "--tls-cert",
                certificate,
                "--tls-key",
                key,
                "--tls-auth-clients",
                "yes",
            ],
            "tls-auth-clients needs tls-ca-cert-file".to_owned(),
        ),
    ] {
        let mut all = vec![
            "--dir",
            store.to_str().unwrap(),
            "--port",
            "0",
            "--tls-port",
            "0",
        ];
        all.extend(arguments);
        let (code, told) = refused(&all, &[]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(&words), "{words} is not in {told}");
    }
    let only = ["--dir", store.to_str().unwrap(), "--tls-only", "yes"];
    let (code, told) = refused(&only, &[]);
    assert_eq!(
        (code, told.contains("tls-only needs tls-port")),
        (2, true),
        "{told}"
    );
    assert!(!store.exists(), "nothing was begun");
}

#[test]
fn with_tls_only_nothing_else_is_served() {
    let files = Files::new();
    let fixture = start_with(|config| {
        config.tls = files.tls(ClientCertificates::No);
        config.tls.only = true;
    });
    assert!(fixture.server.addresses().is_empty());
    assert_eq!(
        files.connect(&fixture, false).ask(&["PING"]).unwrap(),
        "+PONG"
    );
}

#[cfg(unix)]
mod local {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::{UnixListener, UnixStream};

    fn ask(path: &std::path::Path, command: &str) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        stream
            .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn r35_a_socket_of_this_machine_is_for_its_owner_and_goes_with_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let fixture = start_with(|config| config.socket = Some(path.clone()));
        assert_eq!(ask(&path, "SET k v"), "+OK\r\n+OK\r\n");
        assert_eq!(fixture.connect().ask("GET k"), "$1 v");
        let shown = format!(" addr={0}:0 laddr={0}:0 ", path.display());
        assert!(ask(&path, "CLIENT INFO").contains(&shown));
        let found = std::fs::symlink_metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, 0o700);
        fixture.server.stop().unwrap();
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_socket_left_by_a_crash_is_replaced_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (stale, busy, file) = (
            dir.path().join("stale"),
            dir.path().join("busy"),
            dir.path().join("file"),
        );
        drop(UnixListener::bind(&stale).unwrap());
        let _listening = UnixListener::bind(&busy).unwrap();
        std::fs::write(&file, "precious").unwrap();
        let fixture = start_with(|config| {
            config.socket = Some(stale.clone());
            config.socket_mode = 0o770;
        });
        assert_eq!(ask(&stale, "PING"), "+PONG\r\n+OK\r\n");
        let mode = std::fs::symlink_metadata(&stale)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o770);
        let store = dir.path().join("store");
        for (path, words) in [
            (&busy, "another program already does"),
            (&file, "a file that is not a socket is in the way"),
        ] {
            let path = path.to_str().unwrap();
            let (code, told) = refused(
                &[
                    "--dir",
                    store.to_str().unwrap(),
                    "--port",
                    "0",
                    "--unixsocket",
                    path,
                ],
                &[],
            );
            assert_eq!(code, 5, "{told}");
            assert!(told.contains(path) && told.contains(words), "{told}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        // Whoever took the place meanwhile keeps it.
        std::fs::remove_file(&stale).unwrap();
        let _theirs = UnixListener::bind(&stale).unwrap();
        fixture.server.stop().unwrap();
        assert!(stale.exists());
    }
}
