//! `rediss://`: TLS, trusting one authority.

use crate::servers::start_with;
use portcask_client::{ClientOptions, Db, Error};

fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_server_is_trusted_by_the_certificate_that_the_program_names_and_by_no_other() {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = made();
    let (at_certificate, at_key) = (files.path().join("c.pem"), files.path().join("k.pem"));
    std::fs::write(&at_certificate, &certificate).unwrap();
    std::fs::write(&at_key, key).unwrap();
    let server = start_with(|config| {
        config.tls.port = Some(0);
        config.tls.certificate = Some(at_certificate);
        config.tls.key = Some(at_key);
        config.password = Some("s3cret".into());
    });
    let open = |user: &str, root: &str| {
        let options = ClientOptions {
            root_certificate: Some(root.into()),
            ..ClientOptions::default()
        };
        Db::open_with(
            &format!("rediss://{user}localhost:{}", server.tls_port()),
            options,
        )
    };
    let db = open(":s3cret@", &certificate).unwrap();
    db.put(b"cat", b"meow").unwrap();
    assert_eq!(db.get(b"cat").unwrap().unwrap(), b"meow");
    assert!(db.server().starts_with("rediss://localhost:"));
    let denied = open(":wrong@", &certificate).unwrap_err();
    assert!(matches!(denied, Error::Denied { .. }), "{denied}");
    let distrusted = open(":s3cret@", &made().0).unwrap_err();
    assert!(
        matches!(distrusted, Error::Unreachable { .. }),
        "{distrusted}"
    );
    assert!(
        distrusted.to_string().contains("certificate"),
        "{distrusted}"
    );
}
