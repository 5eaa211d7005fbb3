//! Keys, and what is kept of them.
//!
//! A key is 256 random bits, so nobody finds one by trying: neither a salt nor a slow hash, which
//! passwords need because people choose them, would make that any harder. One SHA-256 keeps a
//! stolen keys file from being of use.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use rand::distr::{Alphanumeric, SampleString as _};
use ring::digest;
use subtle::ConstantTimeEq as _;

/// What keys begin with, so that they are known for what they are wherever they turn up.
const MARK: &str = "tg_";
/// Of 62 letters and digits each, they have 256 bits.
const LETTERS: usize = 43;
/// What a hash begins with in a keys file.
const ALGORITHM: &str = "sha256:";
/// A SHA-256.
const BYTES: usize = 32;

/// A key as its owner has it. It is shown to nobody by accident: only [`Key::reveal`] tells it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// What is kept of a key: its SHA-256. Two are compared in a time that tells nothing of where they
/// differ.
#[derive(Clone, Copy, Debug, Eq)]
pub struct KeyHash([u8; BYTES]);

/// A text that is no hash of a key. The text is not repeated, as it may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected \"sha256:\" and 64 hexadecimal digits, as `tidegate key NAME` prints it")]
pub struct BadHash;

impl Key {
    /// A new one, from the system's randomness.
    pub fn generate() -> Self {
        Self(format!("{MARK}{}", Alphanumeric.sample_string(&mut rand::rng(), LETTERS)))
    }

    /// One that somebody has.
    pub fn given(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl KeyHash {
    /// The hash of a key's text.
    pub fn of(text: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        Self(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl FromStr for KeyHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let digits = text.strip_prefix(ALGORITHM).ok_or(BadHash)?.as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let byte = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        if digits.len() != 2 * BYTES {
            return Err(BadHash);
        }
        let bytes: Option<Vec<u8>> = digits.chunks_exact(2).map(byte).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(BadHash)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_hash_is_the_sha256_of_the_text() {
        // FIPS 180-2, appendix B.1.
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyHash::of("abc").to_string(), text);
        assert_eq!(text.parse(), Ok(KeyHash::of("abc")));
        assert_eq!(text.replace("ba", "BA").parse(), Ok(KeyHash::of("abc")));
        assert_ne!(KeyHash::of("abd"), KeyHash::of("abc"));
        for wrong in [&text[7..], &text[..70], "sha256:", "tg_abc", &text.replace("ba", "bx")] {
            assert_eq!(wrong.parse::<KeyHash>(), Err(BadHash), "{wrong}");
        }
        let not_ascii = format!("sha256:{}", "é".repeat(32));
        assert_eq!(not_ascii.parse::<KeyHash>(), Err(BadHash));
    }

    #[test]
    fn keys_are_long_plain_and_never_the_same() {
        let keys: Vec<Key> = (0..1000).map(|_| Key::generate()).collect();
        let texts: BTreeSet<&str> = keys.iter().map(Key::reveal).collect();
        assert_eq!(texts.len(), keys.len());
        let letters: BTreeSet<u8> = texts.iter().flat_map(|text| text[3..].bytes()).collect();
        assert_eq!(letters.len(), 62, "every letter and digit is used");
        for text in texts {
            assert!(text.starts_with("tg_") && text.len() == 46, "{text}");
            assert!(text[3..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = Key::generate();
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert!(!BadHash.to_string().contains(key.reveal()));
    }
}
