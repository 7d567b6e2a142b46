use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::CookieError;

/// The fewest bytes a secret may have that a key is derived from.
pub const MIN_SECRET_BYTES: usize = 32;

/// Keeps these keys apart from whatever else the same secret serves for.
const CONTEXT: &str = "cloakroom cookie signing key v1";

/// A dot and the signature's 32 bytes in base64url without padding.
pub(super) const SIGNATURE_BYTES: usize = 1 + 43;

/// A key that signs cookies with keyed BLAKE3. Debug never shows it.
///
/// `Key::from([u8; 32])` takes 32 bytes that are random already, and gives the same key as
/// [`Key::derive`] does for the same bytes.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// Derives a key from a secret: random bytes, or a long generated text, out of the configuration.
    ///
    /// The derivation is fast on purpose, and so no protection for a password that can be guessed.
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
    /// It lives as long as the process: values signed with it are refused after a restart, and by every
    /// other server. For values that shall last, derive the key from a secret that is kept.
    ///
    /// # Errors
    ///
    /// [`CookieError::Random`] if the generator fails.
    pub fn generate() -> Result<Key, CookieError> {
        Key::generate_with(getrandom::fill)
    }

    fn generate_with(fill: impl FnOnce(&mut [u8]) -> Result<(), getrandom::Error>) -> Result<Key, CookieError> {
        let mut bytes = [0; 32];
        fill(&mut bytes).map_err(CookieError::Random)?;
        Ok(Key::from(bytes))
    }

    /// Covers name and value, each with its length before it: a value moved to another cookie, or a byte
    /// moved from the name to the value, is another message.
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
/// To change keys, deploy the new one as `Keys::new(new).also(old)`, and drop the old one once the last
/// cookie signed with it has ended. Where several servers are deployed one after another, first teach all
/// of them the new key as `Keys::new(old).also(new)`.
#[derive(Clone)]
pub struct Keys {
    first: Key,
    older: Vec<Key>,
}

impl Keys {
    /// Keys with one that signs and verifies.
    pub fn new(first: Key) -> Keys {
        Keys { first, older: Vec::new() }
    }

    /// Adds a key that only verifies. Every one of them costs a value that fails another try.
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

    /// The value without its signature, if that is one of ours for this name and value.
    pub(super) fn verify<'v>(&self, name: &str, signed: &'v str) -> Option<&'v str> {
        let (value, signature) = signed.rsplit_once('.')?;
        let mut mac = [0; 32];
        // Only one spelling decodes: no padding, and no stray bits behind the last byte.
        if URL_SAFE_NO_PAD.decode_slice(signature, &mut mac) != Ok(mac.len()) {
            return None;
        }
        // Hashes compare in constant time, so how long a refusal takes tells nothing of the right one.
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
        // Cookies outlive releases: whoever changes this signs out every visitor.
        let signed = sign(&Keys::new(key(7)), "__Host-sid", "value");
        assert_eq!(signed, "value.mDhDM08B6UJp5chVPmeiD7_Y0oY6bYGPUUgx2-qPGB0");
        assert_eq!(sign(&Keys::new(Key::derive(&[7; 32]).unwrap()), "__Host-sid", "value"), signed);
    }

    #[test]
    fn a_generator_that_fails_is_an_error_and_gives_no_key() {
        let failed = Key::generate_with(|_| Err(getrandom::Error::UNSUPPORTED));
        assert!(matches!(failed, Err(CookieError::Random(_))));
        assert_ne!(Key::generate().unwrap().0, Key::generate().unwrap().0);
    }

    #[test]
    fn a_short_secret_is_refused_with_its_length() {
        assert!(matches!(Key::derive(&[1; 31]), Err(CookieError::ShortSecret { length: 31 })));
        assert!(Key::derive(&[1; 32]).is_ok());
    }
}
