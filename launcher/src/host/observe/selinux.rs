//! SELinux, as far as containers that map a library of the host are concerned: the type in its label.

use std::path::Path;

use mptcpize_model::shell;

/// Types that the policy for containers lets every container map: libraries and programs of the host, and
/// what was labelled for containers.
const MAPPED: [&str; 6] = [
    "lib_t",
    "textrel_shlib_t",
    "usr_t",
    "container_file_t",
    "container_ro_file_t",
    "container_share_t",
];

/// The attribute in which a file has its label.
const LABEL: &str = "security.selinux";

/// Is it on here?
pub fn is_on() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// What to do about the label of a library, where SELinux is on and containers could not map it.
pub fn remark(library: &Path) -> Option<String> {
    if !is_on() {
        return None;
    }
    let mut label = [0; 256];
    let length = rustix::fs::getxattr(library, LABEL, &mut label[..]).unwrap_or(0);
    let label = String::from_utf8_lossy(label.get(..length).unwrap_or_default()).into_owned();
    advice(library, &label)
}

/// A label is `user:role:type:level`, and ends with a NUL byte.
fn advice(library: &Path, label: &str) -> Option<String> {
    let kind = label.trim_end_matches('\0').split(':').nth(2).unwrap_or("unlabeled_t");
    (!MAPPED.contains(&kind)).then(|| {
        format!(
            "SELinux labels the library {kind}, which containers may not map: sudo chcon -t \
             container_ro_file_t {}",
            shell::operand(library.display())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_containers_may_not_map_is_told_with_the_line_that_changes_it() {
        let library = Path::new("/var/lib/mptcpize/units/libmptcpize.so");
        for fine in ["system_u:object_r:lib_t:s0\0", "a:b:container_ro_file_t:s0:c1,c2"] {
            assert_eq!(advice(library, fine), None, "{fine}");
        }
        for other in ["system_u:object_r:var_lib_t:s0\0", "", "garbage"] {
            let line = advice(library, other).expect(other);
            assert!(
                line.ends_with(
                    "chcon -t container_ro_file_t /var/lib/mptcpize/units/libmptcpize.so"
                )
            );
        }
    }
}
