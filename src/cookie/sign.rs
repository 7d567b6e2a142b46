//! Keys that sign the values of cookies.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::CookieError;

/// The fewest bytes that a secret may have from which a key is derived.
pub const MIN_SECRET_BYTES: usize = 32;

/// Separates these keys from all others that the application derives from the same secret.
const CONTEXT: &str = "cloakroom cookie signing key v1";

/// A dot and the signature's 32 bytes in base64url without padding.
pub(super) const SIGNATURE_BYTES: usize = 1 + 43;

/// A key that signs cookies with keyed BLAKE3. Debug never shows it.
///
/// `Key::from([u8; 32])` takes 32 bytes that are random already, and makes the same key of them as
/// [`Key::derive`].
///
/// ```
/// use cloakroom::cookie::{Cookie, Key};
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let secret = b"32 or more random bytes, read from the configuration";
/// let theme = Cookie::named("theme").signed(Key::derive(secret)?).build()?;
/// assert_eq!(theme.values(["__Host-theme=forged"]).next(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// Derives a key from a secret of the configuration: random bytes, or a long generated text.
    ///
    /// The derivation is fast on purpose, so it does not protect a password that can be guessed.
    ///
    /// ```
    /// use cloakroom::cookie::{CookieError, Key};
    ///
    /// assert!(matches!(Key::derive(b"secret"), Err(CookieError::ShortSecret { length: 6 })));
    /// ```
    ///
    /// # Errors
    ///
    /// [`CookieError::ShortSecret`] if the secret has fewer than [`MIN_SECRET_BYTES`].
    pub fn derive(secret: &[u8]) -> Result<Key, CookieError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(CookieError::ShortSecret { length: secret.len() });
        }
        Ok(Key(blake3::derive_key(CONTEXT, secret)))
    }

    /// A new key from the operating system's random number generator.
    ///
    /// It lives as long as the process. After a restart, and on every other server, values signed with it
    /// are refused. For values that shall last, derive the key from a secret that is kept.
    ///
    /// # Errors
    ///
    /// [`CookieError::Random`] if the generator fails.
    pub fn generate() -> Result<Key, CookieError> {
        Key::generate_with(getrandom::fill)
    }

    fn generate_with(fill: impl FnOnce(&mut [u8]) -> Result<(), getrandom::Error>) -> Result<Key, CookieError> {
        let mut bytes = [0; 32];
        fill(&mut bytes).map_err(|error| CookieError::Random { code: error.raw_os_error() })?;
        Ok(Key::from(bytes))
    }

    /// Covers name and value, each after its length. So a value that is moved to another cookie, or a byte
    /// that is moved from the name to the value, makes another message.
    fn mac(&self, name: &str, value: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in [name, value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize()
    }
}

impl From<[u8; 32]> for Key {
    fn from(bytes: [u8; 32]) -> Key {
        Key(blake3::derive_key(CONTEXT, &bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

/// The keys of a cookie: the first signs, any of them verifies.
///
/// To change keys, deploy the new one as `Keys::new(new).also(old)`, and remove the old one when the last
/// cookie that it signed has ended. If several servers are deployed one after another, first deploy
/// `Keys::new(old).also(new)` on all of them.
///
/// ```
/// use cloakroom::cookie::{Cookie, Key, Keys};
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let (old, new) = (Key::generate()?, Key::generate()?);
/// let before = Cookie::named("theme").signed(old.clone()).build()?;
/// let after = Cookie::named("theme").signed(Keys::new(new).also(old)).build()?;
///
/// let sent = before.set("dark")?.into_string();
/// let header = sent.split(';').next().unwrap();
/// assert_eq!(after.values([header]).next(), Some("dark"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Keys {
    first: Key,
    older: Vec<Key>,
}

impl Keys {
    /// A set of one key, which signs and verifies.
    pub fn new(first: Key) -> Keys {
        Keys { first, older: Vec::new() }
    }

    /// Adds a key that only verifies. A value whose signature fails costs one hash for each key.
    #[must_use]
    pub fn also(mut self, older: Key) -> Keys {
        self.older.push(older);
        self
    }

    /// Appends the signature of a value to it: `value.signature`.
    pub(super) fn append_signature(&self, name: &str, value: &str, text: &mut String) {
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.first.mac(name, value).as_bytes(), text);
    }

    /// The value without its signature, if one of the keys made that signature for this name and value.
    pub(super) fn verify<'v>(&self, name: &str, signed: &'v str) -> Option<&'v str> {
        let (value, signature) = signed.rsplit_once('.')?;
        let mut mac = [0; 32];
        // Only one spelling decodes: no padding, and no stray bits after the last byte.
        if URL_SAFE_NO_PAD.decode_slice(signature, &mut mac) != Ok(mac.len()) {
            return None;
        }
        // Hashes compare in constant time, so the time of a refusal tells nothing of the right signature.
        let mac = blake3::Hash::from_bytes(mac);
        let mut keys = std::iter::once(&self.first).chain(&self.older);
        keys.any(|key| key.mac(name, value) == mac).then_some(value)
    }
}

impl From<Key> for Keys {
    fn from(first: Key) -> Keys {
        Keys::new(first)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} [redacted])", 1 + self.older.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from([byte; 32])
    }

    fn sign(keys: &Keys, name: &str, value: &str) -> String {
        let mut text = value.to_owned();
        keys.append_signature(name, value, &mut text);
        text
    }

    #[test]
    fn every_changed_byte_of_a_signed_value_is_refused() {
        let keys = Keys::new(key(1));
        let signed = sign(&keys, "sid", "value");
        assert_eq!(signed.len(), "value".len() + SIGNATURE_BYTES);
        assert_eq!(keys.verify("sid", &signed), Some("value"));
        for position in 0..signed.len() {
            for byte in 0x21..0x7f_u8 {
                let mut changed = signed.clone().into_bytes();
                if changed[position] == byte {
                    continue;
                }
                changed[position] = byte;
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(keys.verify("sid", &changed), None, "{changed}");
            }
        }
    }

    #[test]
    fn a_signature_is_never_cut_or_stretched() {
        let keys = Keys::new(key(1));
        let signed = sign(&keys, "sid", "v");
        for end in 0..signed.len() {
            assert_eq!(keys.verify("sid", &signed[..end]), None);
        }
        for tail in ["=", "A", "AA", "AAAA", ".", " "] {
            assert_eq!(keys.verify("sid", &format!("{signed}{tail}")), None, "{tail}");
        }
        let doubled = format!("{signed}{}", &signed[1..]);
        assert_eq!(keys.verify("sid", &doubled), None);
    }

    #[test]
    fn a_byte_moved_from_name_to_value_changes_the_signature() {
        let key = key(1);
        assert_ne!(key.mac("ab", "c"), key.mac("a", "bc"));
        assert_ne!(key.mac("", "abc"), key.mac("abc", ""));
    }

    #[test]
    fn the_first_key_signs_and_any_key_verifies() {
        let old = Keys::new(key(1));
        let changed = Keys::new(key(2)).also(key(1));
        assert_eq!(changed.verify("sid", &sign(&old, "sid", "v")), Some("v"));
        assert_eq!(sign(&changed, "sid", "v"), sign(&Keys::new(key(2)), "sid", "v"));
        assert_eq!(old.verify("sid", &sign(&changed, "sid", "v")), None);
    }

    #[test]
    fn the_signature_is_what_it_was_in_the_first_version() {
        // Cookies outlive releases: a change of the signature logs out every visitor.
        let signed = sign(&Keys::new(key(7)), "__Host-sid", "value");
        assert_eq!(signed, "value.mDhDM08B6UJp5chVPmeiD7_Y0oY6bYGPUUgx2-qPGB0");
        assert_eq!(sign(&Keys::new(Key::derive(&[7; 32]).unwrap()), "__Host-sid", "value"), signed);
    }

    #[test]
    fn a_generator_that_fails_is_an_error_and_gives_no_key() {
        let failed = Key::generate_with(|_| Err(getrandom::Error::UNSUPPORTED));
        assert!(matches!(failed, Err(CookieError::Random { .. })));
        assert_ne!(Key::generate().unwrap().0, Key::generate().unwrap().0);
    }

    #[test]
    fn a_short_secret_is_refused_with_its_length() {
        assert!(matches!(Key::derive(&[1; 31]), Err(CookieError::ShortSecret { length: 31 })));
        assert!(Key::derive(&[1; 32]).is_ok());
    }
}
