//! The rules of the Container Device Interface for a file of version 0.3.0, in our own words: what its
//! specification, its JSON schema and the checks of its own library (container-device-interface 0.3 to 1.1)
//! ask. Only what a file of ours can have is known here; anything else is a mistake.

use serde_json::{Map, Value};

/// The fields of an object: those that must be there, and those that may.
fn fields<'a>(value: &'a Value, must: &[&str], may: &[&str]) -> &'a Map<String, Value> {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    for name in must {
        assert!(object.contains_key(*name), "{name} is missing: {value}");
    }
    for name in object.keys() {
        // A reader refuses a file with a field that it does not know.
        assert!(must.contains(&name.as_str()) || may.contains(&name.as_str()), "{name}: {value}");
    }
    object
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// A vendor or class: letters, digits and some signs, a letter first, a letter or digit last.
fn is_name(text: &str, signs: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || signs.contains(letter))
}

fn edits(value: &Value) {
    let edits = fields(value, &[], &["env", "mounts"]);
    // A device that changes nothing is refused.
    assert!(edits.values().any(|list| !list.as_array().is_some_and(Vec::is_empty)), "{value}");
    for variable in edits.get("env").map(list).into_iter().flatten() {
        let (name, _) = text(variable).split_once('=').expect("NAME=VALUE");
        assert!(!name.is_empty() && !name.contains(['\0', ' ']), "{variable}");
    }
    for mount in edits.get("mounts").map(list).into_iter().flatten() {
        // `type` came with 0.4.0.
        let mount = fields(mount, &["hostPath", "containerPath"], &["options"]);
        for path in [&mount["hostPath"], &mount["containerPath"]] {
            assert!(text(path).starts_with('/'), "{path}");
        }
        for option in mount.get("options").map(list).into_iter().flatten() {
            assert!(!text(option).is_empty(), "{option}");
        }
    }
}

/// Panics with the first rule that a file breaks.
pub(crate) fn validate(file: &str) {
    let file: Value = serde_json::from_str(file).expect("it is JSON");
    let object = fields(&file, &["cdiVersion", "kind", "devices"], &["containerEdits"]);
    assert_eq!(text(&object["cdiVersion"]), "0.3.0");
    let (vendor, class) = text(&object["kind"]).split_once('/').expect("vendor/class");
    assert!(is_name(vendor, "-_.") && vendor.contains('.') && vendor.len() <= 253, "{vendor}");
    assert!(vendor.split('.').all(|label| !label.is_empty() && label.len() <= 63), "{vendor}");
    // A dot in the class came with 0.6.0.
    assert!(is_name(class, "-_") && class.len() <= 63, "{class}");
    let devices = list(&object["devices"]);
    assert!(!devices.is_empty(), "there is no device");
    let mut names: Vec<&str> = Vec::new();
    for device in devices {
        let device = fields(device, &["name", "containerEdits"], &[]);
        let name = text(&device["name"]);
        // A digit in front came with 0.5.0.
        assert!(is_name(name, "-_.:"), "{name}");
        assert!(!names.contains(&name), "{name} is there twice");
        names.push(name);
        edits(&device["containerEdits"]);
    }
    if let Some(all) = object.get("containerEdits") {
        edits(all);
    }
}

#[test]
fn the_rules_refuse_what_engines_refuse() {
    let fine = r#"{"cdiVersion":"0.3.0","kind":"a.org/b","devices":[{"name":"c","containerEdits":
        {"env":["A=b"],"mounts":[{"hostPath":"/a","containerPath":"/b","options":["ro"]}]}}]}"#;
    validate(fine);
    for (from, to) in [
        ("0.3.0", "0.2.0"),
        ("a.org/b", "aorg"),
        ("a.org/b", "a.org/b.c"),
        ("a.org/b", "a..org/b"),
        ("\"name\":\"c\"", "\"name\":\"9c\""),
        ("\"name\":\"c\"", "\"title\":\"c\""),
        ("A=b", "A"),
        ("\"/b\"", "\"b\""),
        ("\"options\"", "\"type\":\"bind\",\"options\""),
        ("\"kind\"", "\"annotations\":{},\"kind\""),
    ] {
        let broken = fine.replace(from, to);
        assert_ne!(broken, fine);
        let refused = std::panic::catch_unwind(|| validate(&broken)).is_err();
        assert!(refused, "{broken}");
    }
}
