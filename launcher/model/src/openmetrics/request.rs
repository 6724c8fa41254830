//! What a scraper asks over HTTP (RFC 9112), as far as one page needs it: the request line, and which form of
//! the text is wanted. Bodies, connections that stay and everything else are refused.

use super::Form;

/// A request's head may be this long: a scraper's has some hundred bytes.
pub const MOST: usize = 8192;

/// What stands before the body of an answer, and that no more requests are read.
pub fn head(status: &str, media_type: &str, length: usize) -> String {
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n{allow}\
         Connection: close\r\n\r\n"
    )
}

/// The status line of a request that took too long.
pub const TOO_SLOW: &str = "408 Request Timeout";

/// The form that is wanted, or the status of the refusal; none while the head is not complete.
///
/// # Errors
/// The code and reason of RFC 9110 section 15: 400, 404, 405, 431 or 505.
pub fn read(came: &[u8]) -> Option<Result<Form, &'static str>> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else {
        return (came.len() >= MOST).then_some(Err("431 Request Header Fields Too Large"));
    };
    Some(std::str::from_utf8(&came[..end]).map_err(|_| "400 Bad Request").and_then(asked))
}

fn asked(head: &str) -> Result<Form, &'static str> {
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = words[..] else { return Err("400 Bad Request") };
    if !version.starts_with("HTTP/") || method.is_empty() {
        return Err("400 Bad Request");
    }
    if !version.starts_with("HTTP/1.") {
        return Err("505 HTTP Version Not Supported");
    }
    if method != "GET" {
        return Err("405 Method Not Allowed");
    }
    if target != "/metrics" {
        return Err("404 Not Found");
    }
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let accept = fields.find(|(name, _)| name.eq_ignore_ascii_case("accept"));
    // A scraper that reads OpenMetrics names it, and prefers it.
    let open = accept.is_some_and(|(_, types)| types.contains("application/openmetrics-text"));
    Ok(if open { Form::OpenMetrics } else { Form::Prometheus })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_is_served_in_the_form_that_is_asked_for_and_nothing_else() {
        let open = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
        let table: [(&str, Option<Result<Form, &str>>); 12] = [
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", Some(Ok(Form::Prometheus))),
            (&format!("GET /metrics HTTP/1.1\r\n{open}\r\n"), Some(Ok(Form::OpenMetrics))),
            (&format!("GET /metrics HTTP/1.0\r\na{open}\r\n"), Some(Ok(Form::Prometheus))),
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n", None),
            ("", None),
            ("GET / HTTP/1.1\r\n\r\n", Some(Err("404 Not Found"))),
            ("GET /metrics/../etc HTTP/1.1\r\n\r\n", Some(Err("404 Not Found"))),
            ("POST /metrics HTTP/1.1\r\n\r\n", Some(Err("405 Method Not Allowed"))),
            ("GET /metrics HTTP/2\r\n\r\n", Some(Err("505 HTTP Version Not Supported"))),
            ("GET  /metrics HTTP/1.1\r\n\r\n", Some(Err("400 Bad Request"))),
            ("\r\n\r\n", Some(Err("400 Bad Request"))),
            ("GET /metrics \r\n\r\n", Some(Err("400 Bad Request"))),
        ];
        for (text, expected) in table {
            assert_eq!(read(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(read(b"GET /metrics\xff HTTP/1.1\r\n\r\n"), Some(Err("400 Bad Request")));
        assert_eq!(read(&[b'a'; MOST - 1]), None);
        let long = Some(Err("431 Request Header Fields Too Large"));
        assert_eq!(read(&[b'a'; MOST]), long);
    }

    #[test]
    fn a_refusal_of_a_method_says_which_one_there_is() {
        assert!(head("405 Method Not Allowed", "text/plain", 3).contains("\r\nAllow: GET\r\n"));
        assert!(head("200 OK", "text/plain", 3).ends_with("\r\nConnection: close\r\n\r\n"));
    }
}
