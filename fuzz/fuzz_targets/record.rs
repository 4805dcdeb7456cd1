//! Any bytes: decoding a record never panics, and what decodes encodes to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use metadata::record::{decode_document, decode_page, encode_document, encode_page};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(stored) = decode_document(bytes) {
        let again = encode_document(&stored.record, &stored.segments).expect("what decodes encodes");
        assert_eq!(again, bytes, "a document's record has one form only");
    }
    if let Ok(segments) = decode_page(bytes) {
        let again = encode_page(&segments).expect("what decodes encodes");
        assert_eq!(again, bytes, "a page has one form only");
    }
});
