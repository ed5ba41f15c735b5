//! TLS: certificates from files, and who must show one.

use crate::config::{ClientCertificates, Tls};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS cannot be served.
#[derive(Debug)]
pub struct TlsError {
    /// The file that is to blame, if one is.
    file: Option<PathBuf>,
    words: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.words),
            None => write!(f, "TLS: {}", self.words),
        }
    }
}

impl std::error::Error for TlsError {}

/// What TLS connections begin with; `None` where there are none.
pub(crate) fn load(tls: &Tls) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let asks = match (tls.port, tls.grpc) {
        (Some(_), _) => "tls-port",
        (None, true) => "grpc-tls",
        (None, false) => return Ok(None),
    };
    let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else {
        return Err(plain(format_args!(
            "{asks} needs tls-cert-file and tls-key-file"
        )));
    };
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key);
    let private = private.map_err(|error| at(key, unreadable(&error, "private key")))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(plain)?;
    let builder = match tls.clients {
        ClientCertificates::No => builder.with_no_client_auth(),
        asked => {
            let Some(authority) = &tls.authority else {
                return Err(plain("tls-auth-clients needs tls-ca-cert-file"));
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authority)? {
                let added = roots.add(certificate);
                added.map_err(|error| at(authority, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = match asked {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::No | ClientCertificates::Required => verifier,
            };
            let verifier = verifier.build();
            builder.with_client_cert_verifier(verifier.map_err(plain)?)
        }
    };
    let config = builder.with_single_cert(chain, private);
    let config =
        config.map_err(|error| at(key, format!("does not match the certificate: {error}")))?;
    Ok(Some(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = read.map_err(|error| at(path, unreadable(&error, "certificate")))?;
    match found.is_empty() {
        true => Err(at(path, "contains no certificate".to_owned())),
        false => Ok(found),
    }
}

fn unreadable(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot read the {what}: {error}"),
        pem::Error::NoItemsFound => format!("contains no {what}"),
        error => format!("not a valid {what}: {error}"),
    }
}

fn at(path: &Path, words: String) -> TlsError {
    let file = Some(path.to_path_buf());
    TlsError { file, words }
}

fn plain(words: impl fmt::Display) -> TlsError {
    let words = words.to_string();
    TlsError { file: None, words }
}
