//! Whom an encrypted connection trusts, and by which cryptography.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::model::error::{Error, ErrorKind, Result};

/// The authorities whose certificates a connection trusts.
#[derive(Clone, Debug, Default)]
pub(crate) enum Roots {
    /// Those that the system trusts.
    #[default]
    System,
    /// Those of these certificates, as PEM.
    Pem(Vec<u8>),
}

impl Roots {
    /// The certificates.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there are none, or if the application has installed no cryptography. The clients would panic
    /// without it.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        if CryptoProvider::get_default().is_none() {
            return Err(refused(
                "the application has installed no cryptography; call one of rustls' providers first, for instance \
                 rustls::crypto::ring::default_provider().install_default()",
            ));
        }
        let certificates = match self {
            // What cannot be read of the system's is left out, as other programs leave it out.
            Self::System => rustls_native_certs::load_native_certs().certs,
            Self::Pem(pem) => CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .map_err(|cause| refused(format!("the root certificates are no PEM: {cause}")))?,
        };
        match certificates.is_empty() {
            true => Err(refused("there is no root certificate to trust")),
            false => Ok(certificates),
        }
    }

    /// What a connection is made with, for clients that take it.
    #[cfg(any(feature = "postgres-tls", feature = "redis-tls"))]
    pub(crate) fn config(&self) -> Result<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        // A system may have certificates that this version cannot use.
        let (added, _) = roots.add_parsable_certificates(self.certificates()?);
        if added == 0 {
            return Err(refused("no root certificate can be used"));
        }
        Ok(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Config, "setting up encryption").because(why)
}
