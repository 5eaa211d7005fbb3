//! A name for each request, echoed or made.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::{Bytes, BytesMut};

/// The header.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer names are replaced by our own.
const MAX: usize = 128;

static NEXT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Names are cut from a block, so that most requests allocate nothing for theirs.
    static BLOCK: RefCell<BytesMut> = RefCell::default();
}

const NAME: usize = 16;
const BLOCK_NAMES: usize = 256;

/// The name that the client gave, if it can be echoed, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(&X_REQUEST_ID) {
        Some(given) if given.len() <= MAX && given.to_str().is_ok_and(|id| !id.is_empty()) => {
            given.clone()
        }
        _ => made(),
    }
}

/// Sixteen hexadecimal digits: a number spread over 64 bits, so that names of one process do not
/// repeat and those of two hardly ever do.
fn made() -> HeaderValue {
    let start = &*START;
    let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(*start);
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let name: Bytes = BLOCK.with_borrow_mut(|block| {
        if block.len() < NAME {
            *block = BytesMut::zeroed(NAME * BLOCK_NAMES);
        }
        let mut name = block.split_to(NAME);
        for (index, byte) in name.iter_mut().enumerate() {
            let digit = (mixed >> (60 - 4 * index)) & 0xf;
            *byte = b"0123456789abcdef"[digit as usize];
        }
        name.freeze()
    });
    HeaderValue::from_maybe_shared(name).expect("hexadecimal digits")
}

static START: std::sync::LazyLock<u64> = std::sync::LazyLock::new(rand::random);
