//! Who listens at a port, as far as this process may know: for the error that says that it is in use.

use std::fs;
use std::path::Path;

/// The program that has a listener at this port of any address, with its process. Root alone sees
/// descriptors of others (proc(5)).
pub fn of(port: u16) -> Option<String> {
    let links: Vec<String> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).ok())
        .flat_map(|text| inodes(&text, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let numbers = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let holds = |pid: &u32| {
        let held = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut held = held.filter_map(|entry| fs::read_link(entry.path()).ok());
        held.any(|link| links.iter().any(|wanted| Path::new(wanted) == link))
    };
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    let pid = numbers.into_iter().find(holds)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (process {pid})", name.trim_end().escape_debug()))
}

/// The inodes of the listeners at a port in the text of `/proc/net/tcp` (proc(5)).
fn inodes(text: &str, port: u16) -> Vec<u64> {
    let wanted = format!(":{port:04X}");
    let listener = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [_, local, _, "0A", _, _, _, _, _, inode, ..] if local.ends_with(&wanted) => {
                inode.parse().ok()
            }
            _ => None,
        }
    };
    text.lines().filter_map(listener).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_found_in_the_kernels_table() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n   \
            0: 0100007F:21EE 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 \
            7716 1 ffff 100 0 0 10 0\n   1: 0100007F:21EE 0100007F:9999 01 00000000:00000000 \
            00:00000000 00000000 0 0 8 1 ffff 100 0 0 10 0\n";
        assert_eq!(inodes(text, 8686), [7716]);
        assert_eq!(inodes(text, 86), [0; 0]);
    }
}
