//! What clients send to `mptcpize metrics --listen`.

use mptcpize_model::openmetrics::request;

/// One answer comes of whatever is sent, at the latest when as much came as is kept; it does not change with
/// what follows, and only one page is ever given.
pub(crate) fn request(bytes: &[u8]) {
    let came = &bytes[..bytes.len().min(request::MOST)];
    let Some(answer) = request::read(came) else {
        assert!(came.len() < request::MOST, "it would be waited for without end");
        return;
    };
    if answer.is_ok() {
        assert!(came.starts_with(b"GET /metrics HTTP/1."));
    }
    let end = came.windows(4).position(|four| four == b"\r\n\r\n");
    if let Some(end) = end {
        assert_eq!(request::read(&came[..end + 4]), Some(answer));
        assert_eq!(request::read(&came[..end + 3]), None);
    }
}
