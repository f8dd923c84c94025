//! The mathematics: does this signature belong to this key and these bytes?

use ed25519_dalek::VerifyingKey;
use p256::ecdsa::signature::Verifier as _;
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha512};

use super::SignError;
use super::key::{Material, PublicKey};
use super::wire::Reader;

/// The shortest modulus of RSA that is trusted, and the longest that is computed with, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=16384;

/// In a security key's flags: somebody touched it.
const TOUCHED: u8 = 1;

/// A curve for ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) const ALL: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

    /// The name of its keys and signatures.
    pub(super) fn algorithm(self) -> &'static str {
        match self {
            Curve::P256 => "ecdsa-sha2-nistp256",
            Curve::P384 => "ecdsa-sha2-nistp384",
            Curve::P521 => "ecdsa-sha2-nistp521",
        }
    }

    /// How many bytes a coordinate has.
    fn len(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }
}

/// Whether bytes are a point of the curve, both coordinates written out as SSH wants it.
pub(super) fn is_point(curve: Curve, point: &[u8]) -> bool {
    point.len() == 1 + 2 * curve.len()
        && match curve {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
            Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
            Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
        }
}

/// Verifies a signature as SSH encodes it, its algorithm first. A certificate's key is what verifies; whether the
/// certificate is good is another question.
pub(super) fn verify(key: &PublicKey, signature: &[u8], data: &[u8]) -> Result<(), SignError> {
    let mut reader = Reader::new(signature);
    let malformed = || SignError::Malformed("the signature in it is damaged".into());
    let algorithm = reader.text().ok_or_else(malformed)?;
    let bytes = reader.string().ok_or_else(malformed)?;
    let material = key.certificate().map_or(&key.material, |certificate| &certificate.key().material);
    let unsupported = || {
        let algorithm = algorithm.escape_debug();
        SignError::Unsupported(format!("a signature {algorithm} by a key of the type {}", key.kind()))
    };
    let expected = |wanted: &str| if algorithm == wanted { Ok(()) } else { Err(unsupported()) };
    let whole = |reader: &Reader<'_>| reader.end().ok_or_else(malformed);
    match material {
        Material::Ed25519(key) => {
            expected("ssh-ed25519")?;
            whole(&reader)?;
            ed25519(key, bytes, data)
        }
        Material::Ecdsa(curve, point) => {
            expected(curve.algorithm())?;
            whole(&reader)?;
            ecdsa(*curve, point, bytes, data)
        }
        Material::Rsa(modulus, exponent) => {
            whole(&reader)?;
            let (scheme, hash) = match algorithm {
                "rsa-sha2-256" => (Pkcs1v15Sign::new::<Sha256>(), Sha256::digest(data).to_vec()),
                "rsa-sha2-512" => (Pkcs1v15Sign::new::<Sha512>(), Sha512::digest(data).to_vec()),
                _ => return Err(unsupported()),
            };
            rsa_key(modulus, exponent)?.verify(scheme, &hash, bytes).map_err(|_| SignError::Mismatch)
        }
        Material::SecurityEd25519(key, application) => {
            expected("sk-ssh-ed25519@openssh.com")?;
            ed25519(key, bytes, &touched(reader, application, data)?)
        }
        Material::SecurityP256(point, application) => {
            expected("sk-ecdsa-sha2-nistp256@openssh.com")?;
            ecdsa(Curve::P256, point, bytes, &touched(reader, application, data)?)
        }
        Material::Certificate(_) => Err(unsupported()),
    }
}

/// What a security key signs in place of the data, from the flags and the counter behind the signature.
fn touched(mut reader: Reader<'_>, application: &[u8; 32], data: &[u8]) -> Result<Vec<u8>, SignError> {
    let mut read = || Some((reader.byte()?, reader.bytes(4)?, reader.end()?));
    let (flags, counter, ()) =
        read().ok_or_else(|| SignError::Malformed("what a security key says in it is damaged".into()))?;
    if flags & TOUCHED == 0 {
        return Err(SignError::Untouched);
    }
    Ok([application.as_slice(), &[flags], counter, &Sha256::digest(data)].concat())
}

fn ed25519(key: &[u8; 32], signature: &[u8], data: &[u8]) -> Result<(), SignError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| SignError::Mismatch)?;
    let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignError::Mismatch)?;
    // Strict: no second signature can be made of one, and no weak key has signed everything.
    key.verify_strict(data, &signature).map_err(|_| SignError::Mismatch)
}

fn ecdsa(curve: Curve, point: &[u8], signature: &[u8], data: &[u8]) -> Result<(), SignError> {
    let mut reader = Reader::new(signature);
    let mut read = || Some((reader.positive()?, reader.positive()?, reader.end()?));
    let (r, s, ()) = read().ok_or(SignError::Mismatch)?;
    let mut fixed = Vec::with_capacity(2 * curve.len());
    for number in [r, s] {
        let missing = curve.len().checked_sub(number.len()).ok_or(SignError::Mismatch)?;
        fixed.resize(fixed.len() + missing, 0);
        fixed.extend_from_slice(number);
    }
    macro_rules! verify {
        ($curve:ident) => {
            $curve::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .and_then(|key| key.verify(data, &$curve::ecdsa::Signature::from_slice(&fixed)?))
        };
    }
    let verified = match curve {
        Curve::P256 => verify!(p256),
        Curve::P384 => verify!(p384),
        Curve::P521 => verify!(p521),
    };
    verified.map_err(|_| SignError::Mismatch)
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Result<RsaPublicKey, SignError> {
    let modulus = BigUint::from_bytes_be(modulus);
    let bits = modulus.bits();
    if !RSA_BITS.contains(&bits) {
        return Err(SignError::Unsupported(format!("an RSA key of {bits} bits")));
    }
    RsaPublicKey::new_with_max_size(modulus, BigUint::from_bytes_be(exponent), *RSA_BITS.end())
        .map_err(|_| SignError::Unsupported("an RSA key with such an exponent".into()))
}
