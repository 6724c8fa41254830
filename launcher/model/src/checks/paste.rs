//! Commands of findings as they are to be typed: by a user who is no root, or for another network
//! namespace than one's own. The same line in every verb.

use crate::shell;

/// Verbs that know no namespace.
const OF_THE_HOST: [&str; 2] = ["mptcpize enable ", "mptcpize disable "];

/// By whom and where a command is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// It needs `sudo` before it.
    pub sudo: bool,
    /// It is for this network namespace, as `--netns` names it.
    pub netns: Option<String>,
}

impl Default for Place {
    /// An ordinary user's, in the namespace that was looked at.
    fn default() -> Self {
        Place { sudo: true, netns: None }
    }
}

impl Place {
    /// Each command as it is to be typed.
    pub fn commands(&self, commands: &[String]) -> Vec<String> {
        let sudo = if self.sudo { "sudo " } else { "" };
        let typed = |command: &String| match &self.netns {
            None => format!("{sudo}{command}"),
            // Programs and files are of the host, whatever the namespace.
            Some(_) if OF_THE_HOST.iter().any(|verb| command.starts_with(verb)) => {
                format!("{sudo}{command}")
            }
            Some(netns) if command.starts_with("mptcpize ") => {
                format!("{sudo}{command} {}", shell::option("--netns", netns))
            }
            Some(netns) => format!("{sudo}{} {command}", enter(netns)),
        };
        commands.iter().map(typed).collect()
    }

    /// All of them as one line; none where there are none.
    pub fn line(&self, commands: &[String]) -> Option<String> {
        (!commands.is_empty()).then(|| self.commands(commands).join(" && "))
    }
}

/// What runs a command in a network namespace that `--netns` names so.
fn enter(netns: &str) -> String {
    let is_number = netns.bytes().all(|byte| byte.is_ascii_digit());
    match (netns.contains('/'), is_number) {
        (true, _) => format!("nsenter {}", shell::word(format_args!("--net={netns}"))),
        (false, true) => format!("nsenter --net=/proc/{netns}/ns/net"),
        (false, false) => format!("ip netns exec {}", shell::word(netns)),
    }
}
