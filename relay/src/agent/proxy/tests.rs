//! What names may be asked for. The protocols themselves are tested from outside.

use super::*;

#[test]
fn a_literal_is_an_address_and_a_name_stays_a_name() {
    let of = |host: &str| address(host, 80).map(|to| to.to_string());
    assert_eq!(of("198.51.100.7").as_deref(), Some("198.51.100.7:80"));
    assert_eq!(of("2001:db8::1").as_deref(), Some("[2001:db8::1]:80"));
    assert_eq!(of("::ffff:198.51.100.7").as_deref(), Some("198.51.100.7:80"));
    assert_eq!(of("a.example").as_deref(), Some("a.example:80"));
    for bad in ["", "a b", "a\0b", "ä.example", "a/b", &"x".repeat(254)] {
        assert_eq!(of(bad), None, "{bad}");
    }
}
