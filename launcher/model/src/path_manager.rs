//! Who opens subflows: the kernel, or a program (`net.mptcp.path_manager`; `net.mptcp.pm_type` before
//! Linux 6.16, Documentation/networking/mptcp-sysctl.rst). A connection keeps what it began with.

/// The parameter under one of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, as sysctl(8) has it.
    pub key: &'static str,
    /// Its value where the kernel opens subflows.
    pub kernel: &'static str,
    /// Its value where a program does.
    pub userspace: &'static str,
}

/// Both names; the newer first, for a kernel that has both knows the second by the first.
const PARAMETERS: [Parameter; 2] = [
    Parameter { key: "net.mptcp.path_manager", kernel: "kernel", userspace: "userspace" },
    Parameter { key: "net.mptcp.pm_type", kernel: "0", userspace: "1" },
];

impl Parameter {
    /// The value in the words of the newer name; other values as they are.
    pub fn word<'a>(&self, value: &'a str) -> &'a str {
        match value {
            value if value == self.kernel => "kernel",
            value if value == self.userspace => "userspace",
            other => other,
        }
    }
}

/// The parameter under the name that the kernel has, with the value that `read` gives for it; none on a
/// kernel that has neither.
pub fn find<V>(read: impl Fn(&str) -> Option<V>) -> Option<(Parameter, V)> {
    PARAMETERS.into_iter().find_map(|parameter| Some((parameter, read(parameter.key)?)))
}

/// Is this the name of the parameter?
pub fn is_key(key: &str) -> bool {
    PARAMETERS.iter().any(|parameter| parameter.key == key)
}

/// Its names, for whoever reads all parameters of a host.
pub fn keys() -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().map(|parameter| parameter.key)
}
