//! The command lines of what only looks: `status` and `top`.

use clap::{Args, ValueEnum};

/// How a screen is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also into a pipe
    Always,
    /// Not at all
    Never,
}

/// `mptcpize status`.
#[derive(Clone, Debug, Default, Args)]
#[command(
    about = "Show whether MPTCP is in use: paths, connections, their subflows",
    after_help = "\
Rates are those of the link, whoever sends. They are measured for 0.2 s, and only while MPTCP
connections carry data; with --watch, from one look to the next.

Exit codes: 0 fine, 3 something wants attention, 5 the kernel has no MPTCP."
)]
pub struct Status {
    /// Look again every second (or every SECONDS) until interrupted
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    pub watch: Option<u32>,

    /// Show all connections, not only the first that fit
    #[arg(short, long)]
    pub all: bool,

    /// Print JSON, always with all connections; with --watch one object a line
    #[arg(short, long)]
    pub json: bool,

    /// Colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Colour,

    /// Work in this network namespace: its name (ip-netns(8)), a path, or a process in it
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,
}

/// `mptcpize top`.
#[cfg(feature = "top")]
#[derive(Clone, Debug, Default, Args)]
#[command(about = "Watch paths, connections and events live (? shows the keys)")]
pub struct Top {
    /// Print one frame and end; also into a pipe
    #[arg(long)]
    pub once: bool,

    /// Colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Colour,

    /// Work in this network namespace: its name (ip-netns(8)), a path, or a process in it
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,
}
