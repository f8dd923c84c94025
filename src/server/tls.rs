//! https: the certificate and the key that show a server.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{Error, Result};

pub(super) type Acceptor = tokio_rustls::TlsAcceptor;

/// Who a server is.
#[derive(Clone)]
pub struct TlsIdentity {
    /// Its certificate in PEM, and those behind it up to one that clients know.
    pub certificates: Vec<u8>,
    /// The certificate's private key in PEM.
    pub key: Vec<u8>,
}

/// What makes connections secret.
pub(super) fn acceptor(identity: &TlsIdentity) -> Result<Acceptor> {
    let wrong = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.certificates).collect();
    let certificates = found.map_err(|error| wrong(&error))?;
    if certificates.is_empty() {
        return Err(Error::Tls("there is no certificate in PEM".into()));
    }
    // What the key's text is like is nobody's business.
    let key = PrivateKeyDer::from_pem_slice(&identity.key)
        .map_err(|_| Error::Tls("there is no private key in PEM without a passphrase".into()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key));
    let mut config = config.map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Acceptor::from(Arc::new(config)))
}
