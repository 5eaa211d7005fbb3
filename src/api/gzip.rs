//! gzip of a fixed text with a short tail that differs from answer to answer.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

/// Smaller bodies gain nothing.
pub(super) const MIN_BYTES: usize = 1024;

/// RFC 1952: deflate, no name, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Most bytes of one stored block (RFC 1951, section 3.2.4).
const MAX_TAIL: usize = 0xffff;

/// A text deflated up to a byte boundary, ready to be ended.
#[derive(Debug)]
pub(super) struct Squeezed {
    deflated: Vec<u8>,
    crc: crc32fast::Hasher,
    len: usize,
}

impl Squeezed {
    /// Deflates `head`.
    pub(super) fn new(head: &[u8]) -> Self {
        let mut deflated = Vec::with_capacity(head.len() / 3 + 128);
        deflated.extend_from_slice(&HEADER);
        let mut compress = Compress::new(Compression::default(), false);
        // A sync flush ends on a byte boundary; it is complete once it leaves room unused.
        loop {
            deflated.reserve(head.len() / 4 + 128);
            let done = usize::try_from(compress.total_in()).unwrap_or(head.len());
            let flushed = compress.compress_vec(&head[done..], &mut deflated, FlushCompress::Sync);
            if flushed.is_err() || deflated.len() < deflated.capacity() {
                break;
            }
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(head);
        Self { deflated, crc, len: head.len() }
    }

    /// The gzip file of the text followed by `tail`, which is stored uncompressed; `None` for a
    /// tail of more than 65,535 bytes.
    pub(super) fn end_with(&self, tail: &[u8]) -> Option<Bytes> {
        if tail.len() > MAX_TAIL {
            return None;
        }
        let stored = u16::try_from(tail.len()).ok()?;
        let mut file = Vec::with_capacity(self.deflated.len() + tail.len() + 16);
        file.extend_from_slice(&self.deflated);
        file.push(1);
        file.extend_from_slice(&stored.to_le_bytes());
        file.extend_from_slice(&(!stored).to_le_bytes());
        file.extend_from_slice(tail);
        let mut crc = self.crc.clone();
        crc.update(tail);
        file.extend_from_slice(&crc.finalize().to_le_bytes());
        let len = u32::try_from((self.len + tail.len()) & 0xffff_ffff).ok()?;
        file.extend_from_slice(&len.to_le_bytes());
        Some(file.into())
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.deflated.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn any_reader_of_gzip_reads_it_back() {
        let noise: Vec<u8> =
            (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for head in [&b""[..], b"[1,2,3]", &b"abcdef".repeat(50_000), &noise] {
            for tail in [&b""[..], b",\"age_ms\":17}"] {
                let file = Squeezed::new(head).end_with(tail).unwrap();
                let mut text = Vec::new();
                flate2::read::GzDecoder::new(&file[..]).read_to_end(&mut text).unwrap();
                assert_eq!(text, [head, tail].concat());
            }
        }
        assert_eq!(Squeezed::new(b"x").end_with(&vec![0; MAX_TAIL + 1]), None);
    }
}
