//! Whose a socket is.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its process id.
    pub pid: u32,
    /// Its name, as `ps` shows it.
    pub name: String,
    /// The container that it is in; none outside of containers.
    #[serde(flatten)]
    pub container: Option<Container>,
}

impl Program {
    /// Its name with its container: `nginx (web)`.
    pub fn label(&self) -> Cow<'_, str> {
        match &self.container {
            Some(container) => Cow::Owned(format!("{} ({})", self.name, container.shown())),
            None => Cow::Borrowed(&self.name),
        }
    }
}

/// The container that a process is in.
///
/// In JSON its two fields stand among those of what is in it, for scripts of old know the first one there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Container {
    /// The first twelve digits of its identifier, as engines list it; the name of a machine of
    /// systemd-nspawn or LXC.
    #[serde(rename = "container")]
    pub id: String,
    /// The name that its engine gave it, where that can be known.
    #[serde(rename = "container_name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Container {
    /// What a person knows it by.
    pub fn shown(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.id)
    }

    /// A container among the fields of what is in it, `null` where there is none.
    ///
    /// # Errors
    /// The serializer's.
    pub fn or_null<S: Serializer>(
        container: &Option<Container>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Absent {
            container: Option<()>,
        }
        match container {
            Some(container) => container.serialize(serializer),
            None => Absent { container: None }.serialize(serializer),
        }
    }
}
