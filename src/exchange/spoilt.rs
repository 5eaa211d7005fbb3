//! Texts that an exchange sends, with something wrong in them: for tests that no bytes make a decoder
//! panic.

use proptest::prelude::*;

/// `valid` with a few bytes changed, taken out or put in, or its end cut off; what is put in is what
/// JSON is made of.
pub(in crate::exchange) fn spoilt<T: Into<Vec<u8>> + std::fmt::Debug>(
    valid: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    (valid, proptest::collection::vec(change, 0..5)).prop_map(|(text, changes)| {
        let mut bytes = text.into();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => _ = bytes.remove(at),
                2 => bytes.insert(at.min(bytes.len()), b"[]{},:\"019-e."[usize::from(byte) % 13]),
                3 => bytes.truncate(at),
                _ => {}
            }
        }
        bytes
    })
}
