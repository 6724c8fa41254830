//! What both ends of a relay know of the protocol beside the crate that speaks it.

use mptcpize_model::relay::key::Method;
use shadowsocks::crypto::CipherKind;

/// The name that stands for the server itself: what is asked of it measures the way to the server. No
/// resolver knows a name below `invalid` (RFC 6761 section 6.4).
pub const SPEED: &str = "speed.mptcpize.invalid";

/// The port of [`SPEED`] that sends bytes until the client closes.
pub const DOWNLOAD: u16 = 1;
/// The port of [`SPEED`] that reads bytes to their end and says how many came.
pub const UPLOAD: u16 = 2;
/// The port of [`SPEED`] that says what the server sees of this connection: one line of JSON.
pub const ECHO: u16 = 3;
/// What a download or an upload moves at most, in bytes.
pub const MOST_BYTES: u64 = 1 << 30;
/// For how long one goes on at most, in seconds.
pub const MOST_SECONDS: u64 = 15;

/// The most bytes that one chunk carries (SIP022 section 3.1.2).
pub const CHUNK: usize = 0xFFFF;

/// A method as the crate calls it.
pub fn cipher(method: Method) -> CipherKind {
    match method {
        Method::Aes128 => CipherKind::AEAD2022_BLAKE3_AES_128_GCM,
        Method::Aes256 => CipherKind::AEAD2022_BLAKE3_AES_256_GCM,
        Method::ChaCha20 => CipherKind::AEAD2022_BLAKE3_CHACHA20_POLY1305,
    }
}

/// How long the part of a request is by which it is authenticated, in bytes: salt, the identity of a user
/// (SIP023) where there are users, type, time and length with their tag.
pub fn fixed_request(method: Method, users: bool) -> usize {
    let cipher = cipher(method);
    let identity = if users { 16 } else { 0 };
    cipher.salt_len() + identity + 1 + 8 + 2 + cipher.tag_len()
}

/// How long the same part of an answer is: it repeats the salt of the request.
pub fn fixed_response(method: Method) -> usize {
    let cipher = cipher(method);
    2 * cipher.salt_len() + 1 + 8 + 2 + cipher.tag_len()
}
